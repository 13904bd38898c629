package message

import (
	"crypto"
	_ "crypto/md5" // the algorithms of Message-IDs
	"crypto/rand"
	_ "crypto/sha1"
	_ "crypto/sha256"
	_ "crypto/sha512"
	"encoding/binary"
	"encoding/hex"
	"io"
	"slices"
	"strings"
)

// The header section of a composed message: which fields there are, in which
// order, and which the caller may give himself.

// Headers returns the fields of the header section as they would be sent now,
// encoded but not folded. What is drawn anew each time (see [Message.Seal]) and the
// boundary of a multipart differ from call to call. For a Raw message they are the
// fields it has.
func (m *Message) Headers() ([]HeaderField, error) {
	head, err := m.head()
	if err != nil {
		return nil, err
	}
	return ParseFields(head)
}

// HeaderString returns the header section as it would be sent now, with CRLF line
// ends and without the empty line.
func (m *Message) HeaderString() (string, error) { return m.head() }

func (m *Message) head() (string, error) {
	if !m.Raw.IsZero() {
		return m.rawHead()
	}
	c, err := m.compose()
	if err != nil {
		return "", err
	}
	return string(c.head), nil
}

// ParseMessageIDAlgorithm returns the hash of that name: MD5, SHA1, SHA-256,
// SHA-384 or SHA-512, in any case and with or without the hyphen.
func ParseMessageIDAlgorithm(name string) (crypto.Hash, error) {
	h, ok := idAlgorithms[strings.ToUpper(strings.ReplaceAll(name, "-", ""))]
	if !ok {
		return 0, &HeaderError{
			Field: "Message-ID", Offset: 0, Value: clipAt(name, 0),
			Rule: "want MD5, SHA1, SHA-256, SHA-384 or SHA-512 as algorithm",
		}
	}
	return h, nil
}

var idAlgorithms = map[string]crypto.Hash{
	"MD5": crypto.MD5, "SHA1": crypto.SHA1, "SHA256": crypto.SHA256, "SHA384": crypto.SHA384, "SHA512": crypto.SHA512,
}

// newMessageID draws "<hash@domain>" (RFC 5322 §3.6.4).
func (m *Message) newMessageID() (string, error) {
	h := m.MessageIDAlgorithm
	if h == 0 {
		h = crypto.SHA256
	}
	if !slices.Contains([]crypto.Hash{crypto.MD5, crypto.SHA1, crypto.SHA256, crypto.SHA384, crypto.SHA512}, h) || !h.Available() {
		return "", &HeaderError{Field: "Message-ID", Offset: -1, Rule: "hash algorithm not available"}
	}
	domain := m.MessageIDDomain
	if domain == "" && len(m.From) > 0 {
		domain = m.From[0].Path.Domain()
	}
	if domain == "" {
		return "", noFrom()
	}
	path, err := NewPath("x", domain) // brings a U-label into ASCII
	if err != nil {
		return "", &HeaderError{Field: "Message-ID", Offset: -1, Rule: "no domain for its right part (RFC 5322 §3.6.4)", Err: err}
	}
	seed, err := m.random()
	if err != nil {
		return "", err
	}
	d := h.New()
	d.Write(seed)
	d.Write(binary.BigEndian.AppendUint64(nil, uint64(m.now().UnixNano())))
	d.Write([]byte(path.Domain()))
	return "<" + hex.EncodeToString(d.Sum(nil)) + "@" + path.Domain() + ">", nil
}

func (m *Message) random() ([]byte, error) {
	r := m.Rand
	if r == nil {
		r = rand.Reader
	}
	seed := make([]byte, 32)
	if _, err := io.ReadFull(r, seed); err != nil {
		return nil, &ContentError{Fault: FaultSource, Part: "randomness", Err: err}
	}
	return seed, nil
}

// style resolves the message's ways of writing.
func (m *Message) style() (style, error) {
	st := style{limit: m.MaxHeaderLength - 2}
	switch {
	case m.MaxHeaderLength == 0:
		st.limit = defaultHeaderLength - 2
	case m.MaxHeaderLength < 0:
		st.limit = MaxLine
	}
	st.limit = min(st.limit, MaxLine)
	var err error
	if st.raw, err = codePage(m.CodePage); err != nil {
		return style{}, err
	}
	if m.Charset != "" {
		words, err := charsetByName(m.Charset)
		if err != nil {
			return style{}, err
		}
		st.words = &words
	}
	return st, nil
}

// fields lists the header section; mime are the fields of the body.
func (m *Message) fields(st *style, mime []field) ([]field, error) {
	w := fieldWriter{st: st}
	if err := m.checkHeader(); err != nil {
		return nil, err
	}
	if !m.OmitDate {
		w.date(m)
	}
	w.addresses("From", Addresses(m.From...))
	if !m.Sender.IsZero() {
		w.addresses("Sender", Addresses(m.Sender))
	}
	w.addresses("Reply-To", m.ReplyTo)
	w.addresses("To", m.To)
	w.addresses("Cc", m.Cc)
	if len(m.To)+len(m.Cc) == 0 {
		w.addresses("To", AddressList{Group{Name: "undisclosed-recipients"}})
	}
	if m.Subject != "" {
		w.unstructured("Subject", m.Subject)
	}
	if !m.OmitMessageID {
		w.messageID(m)
	}
	w.word("Importance", m.Importance.String(), int(m.Importance), int(importanceCount))
	w.word("Priority", m.Priority.String(), int(m.Priority), int(priorityCount))
	w.word("Sensitivity", m.Sensitivity.String(), int(m.Sensitivity), int(sensitivityCount))
	w.addresses("Disposition-Notification-To", m.ReadReceiptTo)
	w.addresses("Return-Receipt-To", m.DeliveryNotificationTo)
	if m.TLSOptional && !hasField(m.OtherHeaders, "TLS-Required") {
		w.word("TLS-Required", "No", 1, 2)
	}
	w.list = append(w.list, mime...)
	for _, f := range m.OtherHeaders {
		w.other(f)
	}
	return w.list, w.err
}

// checkHeader applies the rules on which fields there must be.
func (m *Message) checkHeader() error {
	switch {
	case len(m.From) == 0:
		return noFrom()
	case len(m.From) > 1 && m.Sender.IsZero():
		return &HeaderError{Field: "Sender", Offset: -1, Rule: "several authors need a sender (RFC 5322 §3.6.2)"}
	}
	return m.checkRecipients()
}

// fieldWriter collects fields; the first error sticks.
type fieldWriter struct {
	st   *style
	list []field
	err  error
}

func (w *fieldWriter) add(f field, err error) {
	if w.err == nil {
		w.err = err
	}
	if w.err == nil {
		w.list = append(w.list, f)
	}
}

func (w *fieldWriter) addresses(name string, list AddressList) {
	if len(list) > 0 {
		w.add(w.st.addresses(name, list))
	}
}

func (w *fieldWriter) unstructured(name, value string) { w.add(w.st.unstructured(name, value)) }

// word adds the value of an enumeration, unless it is 0.
func (w *fieldWriter) word(name, value string, i, count int) {
	switch {
	case i >= count:
		w.add(field{}, &HeaderError{Field: name, Offset: -1, Rule: "no such value: " + value})
	case i > 0:
		w.add(field{name, []chunk{{text: value}}}, nil)
	}
}

func (w *fieldWriter) date(m *Message) {
	t := m.Date
	if t.IsZero() {
		t = m.now()
	}
	if _, offset := t.Zone(); offset%60 != 0 || offset/3600 > 99 || offset/3600 < -99 {
		t = t.UTC() // zones have no seconds: RFC 5322 §3.3
	}
	if t.Year() < 1900 || t.Year() > 9999 {
		w.add(field{}, &HeaderError{Field: "Date", Offset: -1, Rule: "want a year of 1900 to 9999 (RFC 5322 §3.3)"})
		return
	}
	w.add(field{"Date", []chunk{{text: t.Format(dateLayout)}}}, nil)
}

func (w *fieldWriter) messageID(m *Message) {
	id := m.MessageID
	if id == "" {
		var err error
		if id, err = m.newMessageID(); err != nil {
			w.add(field{}, err)
			return
		}
	}
	id, err := angleID("Message-ID", id)
	if err == nil {
		err = w.st.sendable("Message-ID", id)
	}
	w.add(field{"Message-ID", []chunk{{text: id}}}, err)
}

// other adds a field of the caller's, unless it may not be there (again).
func (w *fieldWriter) other(f HeaderField) {
	if err := checkName(f.Name); err != nil {
		w.add(field{}, err)
		return
	}
	if err := forbidden(f.Name); err != nil {
		w.add(field{}, err)
		return
	}
	if slices.Contains(onlyOnce, strings.ToLower(f.Name)) {
		for i := range w.list {
			if strings.EqualFold(w.list[i].name, f.Name) {
				w.add(field{}, &HeaderError{Field: f.Name, Offset: -1, Rule: "may be there once only (RFC 5322 §3.6)"})
				return
			}
		}
	}
	if slices.Contains(freeText, strings.ToLower(f.Name)) {
		w.unstructured(f.Name, f.Value)
		return
	}
	w.add(w.st.verbatim(f.Name, f.Value))
}

// forbidden refuses fields that no client may originate or that give recipients
// away.
func forbidden(name string) error {
	switch strings.ToLower(name) {
	case "bcc", "resent-bcc":
		return &HeaderError{Field: name, Offset: -1, Rule: "recipients of blind copies belong to Bcc, not to the header (RFC 5322 §3.6.3)"}
	case "return-path":
		return &HeaderError{Field: name, Offset: -1, Rule: "is added by the final delivery only (RFC 5321 §4.4)"}
	}
	return nil
}

// angleID checks an id of RFC 5322 §3.6.4 and adds the brackets it lacks.
func angleID(name, id string) (string, error) {
	inner := id
	if strings.HasPrefix(id, "<") && strings.HasSuffix(id, ">") && len(id) > 1 {
		inner = id[1 : len(id)-1]
	}
	err := checkValue(name, inner)
	switch i := strings.IndexAny(inner, " \t<>"); {
	case err != nil:
		return "", err
	case inner == "" || len(inner) > maxID:
		return "", &HeaderError{Field: name, Offset: -1, Rule: "want an id of 1 to 900 octets (RFC 5322 §3.6.4)"}
	case i >= 0:
		return "", &HeaderError{Field: name, Offset: i, Value: clipAt(inner, i), Rule: "no space and angle brackets in an id (RFC 5322 §3.6.4)"}
	}
	return "<" + inner + ">", nil
}

func hasField(fields []HeaderField, name string) bool {
	return slices.ContainsFunc(fields, func(f HeaderField) bool { return strings.EqualFold(f.Name, name) })
}

// onlyOnce are the fields that a header section has at most once (RFC 5322 §3.6,
// RFC 2045, RFC 8098 §2.1, RFC 8689 §3).
var onlyOnce = []string{
	"date", "from", "sender", "reply-to", "to", "cc", "message-id", "in-reply-to", "references", "subject",
	"mime-version", "content-type", "content-transfer-encoding", "content-disposition", "content-id", "content-description",
	"importance", "priority", "sensitivity", "disposition-notification-to", "tls-required",
}

// freeText are the unstructured fields, whose quotes and brackets mean nothing.
var freeText = []string{"subject", "comments", "content-description", "thread-topic", "x-mailer", "user-agent"}

const (
	defaultHeaderLength = 80
	maxID               = 900
	dateLayout          = "Mon, 02 Jan 2006 15:04:05 -0700"
)
