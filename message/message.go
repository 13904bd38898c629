package message

import (
	"crypto"
	"io"
	"strconv"
	"time"
)

// Message is a message under construction: what its header says, its body, and
// how both are to be written. The zero value is an empty message in UTF-8 for a
// transport of 7 bits; [Message.From] and a recipient are all that is required.
// Values are checked when the message is used, so that fields can be set in any
// order. A Message is not safe for concurrent use.
//
// If [Message.Raw] is set it is the whole message; the fields of header and body
// are then ignored, but for the addresses that make up the envelope.
type Message struct {
	From       []Address   // RFC 5322 §3.6.2; with several, Sender is required
	Sender     Address     // RFC 5322 §3.6.2; the zero Address: no field
	ReplyTo    AddressList // RFC 5322 §3.6.2
	To, Cc     AddressList // RFC 5322 §3.6.3
	Bcc        AddressList // recipients that no header field names
	ReturnPath *Path       // reverse-path of the envelope; nil: Sender, or else From; no header field is made of it
	Subject    string      // RFC 5322 §3.6.5; "": no field

	// AllowEmptyTo lets Cc or Bcc alone suffice. Without To and Cc the header says
	// "To: undisclosed-recipients:;".
	AllowEmptyTo bool

	Date     time.Time // RFC 5322 §3.6.1; zero: now
	OmitDate bool      // no Date field; OtherHeaders may give one

	MessageID          string      // RFC 5322 §3.6.4, angle brackets are added if missing; "": one is generated
	OmitMessageID      bool        // no Message-ID field; OtherHeaders may give one
	MessageIDAlgorithm crypto.Hash // hash of the generated left part; 0: SHA-256; see ParseMessageIDAlgorithm
	MessageIDDomain    string      // right part of a generated one; "": the domain of From

	Importance             Importance
	Priority               Priority
	Sensitivity            Sensitivity
	ReadReceiptTo          AddressList // Disposition-Notification-To (RFC 8098 §2.1)
	DeliveryNotificationTo AddressList // Return-Receipt-To: no standard, mostly ignored; NOTIFY of RFC 3461 works
	TLSOptional            bool        // TLS-Required: No (RFC 8689 §4.3)

	// OtherHeaders follow the computed fields. MIME-Version or Content-Type among
	// them mean that the caller does MIME: Text is then sent as it is.
	OtherHeaders []HeaderField

	// RawHeaders, if not empty, replace the whole computed header section: lines of
	// fields, as they are; CRLF, CR and LF all end lines. Text is sent as it is.
	RawHeaders string

	Text        string // the body as text/plain; line ends of any kind
	HTML        string // the body as text/html, an alternative to Text
	Attachments []Attachment
	Raw         Content // a complete message (RFC 5322)
	RawVerbatim bool    // Raw goes out with its Bcc and Return-Path fields

	// Charset names the charset of encoded-words (RFC 2047), as in "UTF-8". "":
	// header text is not encoded; beyond ASCII it then needs SMTPUTF8.
	Charset string

	// CodePage is the number of the Windows code page that Text and HTML are sent
	// in; 0 is 65001, UTF-8. A rune it lacks is an error.
	CodePage int

	// MaxHeaderLength is the most octets of a header line, its CRLF included; longer
	// ones are folded where that is possible. 0: 80, so that lines have the 78
	// octets of RFC 5322 §2.1.1. NoFolding: only what would exceed 998 is folded,
	// and encoded-words.
	MaxHeaderLength int

	// Encoding is what the transport takes; the zero value SevenBit is safe
	// everywhere.
	Encoding Encoding

	Now  func() time.Time // the clock; nil: time.Now
	Rand io.Reader        // randomness for ids and boundaries; nil: crypto/rand
}

// NoFolding is a MaxHeaderLength.
const NoFolding = -1

// ResetHeaders empties every field that becomes part of the header section or the
// envelope. Body, attachments, raw content and the ways of writing stay.
func (m *Message) ResetHeaders() {
	*m = Message{
		Text: m.Text, HTML: m.HTML, Attachments: m.Attachments, Raw: m.Raw, RawVerbatim: m.RawVerbatim,
		AllowEmptyTo: m.AllowEmptyTo, MessageIDAlgorithm: m.MessageIDAlgorithm, MessageIDDomain: m.MessageIDDomain,
		Charset: m.Charset, CodePage: m.CodePage, MaxHeaderLength: m.MaxHeaderLength, Encoding: m.Encoding,
		Now: m.Now, Rand: m.Rand,
	}
}

// Seal draws what would be drawn at each use, the date and the Message-ID, and
// keeps it in Date and MessageID: afterwards all methods agree on them. It changes
// nothing that is set or omitted.
func (m *Message) Seal() error {
	if !m.Raw.IsZero() || m.RawHeaders != "" {
		return nil
	}
	if m.Date.IsZero() && !m.OmitDate {
		m.Date = m.now()
	}
	if m.MessageID == "" && !m.OmitMessageID {
		id, err := m.newMessageID()
		if err != nil {
			return err
		}
		m.MessageID = id
	}
	return nil
}

// Envelope returns the envelope the message asks for: ReturnPath, Sender or From
// as reverse-path, and To, Cc and Bcc, groups included, as recipients, each path
// once. The errors are *HeaderError: no sender, no recipient, a null path among
// recipients.
func (m *Message) Envelope() (Envelope, error) {
	var e Envelope
	switch {
	case m.ReturnPath != nil:
		e.ReversePath = *m.ReturnPath
	case !m.Sender.Path.IsNull():
		e.ReversePath = m.Sender.Path
	case len(m.From) > 0 && !m.From[0].Path.IsNull():
		e.ReversePath = m.From[0].Path
	default:
		return Envelope{}, noFrom()
	}
	seen := make(map[Path]bool)
	for _, f := range []struct {
		kind RecipientKind
		name string
		list AddressList
	}{{KindTo, "To", m.To}, {KindCc, "Cc", m.Cc}, {KindBcc, "Bcc", m.Bcc}} {
		if err := f.list.check(f.name); err != nil {
			return Envelope{}, err
		}
		for _, path := range f.list.Paths() {
			if path.IsNull() {
				return Envelope{}, &HeaderError{Field: f.name, Offset: -1, Rule: "the null path is no recipient (RFC 5321 §4.1.1.3)"}
			}
			if !seen[path] {
				seen[path] = true
				e.Recipients = append(e.Recipients, Recipient{Path: path, Kind: f.kind})
			}
		}
	}
	if err := m.checkRecipients(); err != nil {
		return Envelope{}, err
	}
	if len(e.Recipients) == 0 {
		return Envelope{}, &HeaderError{Field: "To", Offset: -1, Rule: "a message needs a recipient (RFC 5321 §3.3)"}
	}
	return e, nil
}

// checkRecipients applies AllowEmptyTo.
func (m *Message) checkRecipients() error {
	if len(m.To) == 0 && !m.AllowEmptyTo {
		return &HeaderError{Field: "To", Offset: -1, Rule: "empty; AllowEmptyTo permits that"}
	}
	return nil
}

// Needs returns what the message demands of the transport, with Encoding as a
// ceiling on what composing may ask for.
func (m *Message) Needs() (Needs, error) {
	c, err := m.Content()
	if err != nil {
		return Needs{}, err
	}
	if c.Features == nil {
		return Needs{}, &ContentError{Fault: FaultReopen}
	}
	return c.Features.Needs(), nil
}

// WriteTo writes the message to w, header section and body, with CRLF line ends
// and without Bcc. Nothing is written if the message has a fault that can be known
// beforehand.
func (m *Message) WriteTo(w io.Writer) (int64, error) {
	c, err := m.Content()
	if err != nil {
		return 0, err
	}
	return c.WriteTo(w)
}

func (m *Message) now() time.Time {
	if m.Now != nil {
		return m.Now()
	}
	return time.Now()
}

// Importance is the value of the Importance field (RFC 2156 §5.3.4).
type Importance uint8

// The importances. The zero value makes no field.
const (
	ImportanceUnspecified Importance = iota
	ImportanceHigh
	ImportanceNormal
	ImportanceLow

	importanceCount
)

var importanceNames = [importanceCount]string{"", "High", "Normal", "Low"}

// String returns the field's value, "" for none.
func (i Importance) String() string { return enumName(importanceNames[:], uint8(i), "Importance") }

// Priority is the value of the Priority field (RFC 2156 §5.3.6).
type Priority uint8

// The priorities. The zero value makes no field.
const (
	PriorityUnspecified Priority = iota
	PriorityNormal
	PriorityUrgent
	PriorityNonUrgent

	priorityCount
)

var priorityNames = [priorityCount]string{"", "normal", "urgent", "non-urgent"}

// String returns the field's value, "" for none.
func (p Priority) String() string { return enumName(priorityNames[:], uint8(p), "Priority") }

// Sensitivity is the value of the Sensitivity field (RFC 2156 §5.3.5).
type Sensitivity uint8

// The sensitivities. The zero value makes no field.
const (
	SensitivityUnspecified Sensitivity = iota
	SensitivityPersonal
	SensitivityPrivate
	SensitivityCompanyConfidential

	sensitivityCount
)

var sensitivityNames = [sensitivityCount]string{"", "Personal", "Private", "Company-Confidential"}

// String returns the field's value, "" for none.
func (s Sensitivity) String() string { return enumName(sensitivityNames[:], uint8(s), "Sensitivity") }

func enumName(names []string, i uint8, kind string) string {
	if int(i) < len(names) {
		return names[i]
	}
	return kind + "(" + strconv.Itoa(int(i)) + ")"
}

func noFrom() error {
	return &HeaderError{Field: "From", Offset: -1, Rule: "a message needs an author (RFC 5322 §3.6)"}
}
