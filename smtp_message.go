package parley

import (
	"io"
	"strings"

	"github.com/parley-mail/parley/codec"
	"github.com/parley-mail/parley/message"
)

// compose makes the message of the properties.
func (s *SMTP) compose() (*message.Message, error) {
	m := &message.Message{
		Subject: s.Subject, Text: s.MessageText, HTML: s.HTML, Attachments: s.Attachments,
		TLSOptional: s.TLSOptional,
		Importance:  s.Importance, Priority: s.Priority, Sensitivity: s.Sensitivity,
		Charset: s.Charset, MaxHeaderLength: s.MaxHeaderLength, CodePage: s.CodePage, AllowEmptyTo: s.AllowEmptyTo,
	}
	if s.MaxHeaderLength <= 0 {
		m.MaxHeaderLength = message.NoFolding
	}
	var err error
	if m.MessageIDAlgorithm, err = message.ParseMessageIDAlgorithm(cmpOr(s.MessageIdAlgorithm, "SHA-256")); err != nil {
		return nil, rowError("MessageIdAlgorithm", err)
	}
	m.MessageIDDomain = domainOf(s.Hello)
	for _, list := range []struct {
		row, text string
		to        *message.AddressList
	}{
		{"SendTo", s.SendTo, &m.To},
		{"Cc", s.Cc, &m.Cc},
		{"BCc", s.BCc, &m.Bcc},
		{"ReplyTo", s.ReplyTo, &m.ReplyTo},
		{"ReadReceiptTo", s.ReadReceiptTo, &m.ReadReceiptTo},
		{"DeliveryNotificationTo", s.DeliveryNotificationTo, &m.DeliveryNotificationTo},
	} {
		if *list.to, err = message.ParseAddressList(list.text); err != nil {
			return nil, rowError(list.row, err)
		}
	}
	for _, r := range s.MessageRecipients {
		path, err := message.ParsePath(r.Address)
		if err != nil {
			return nil, rowError("MessageRecipients", err)
		}
		to := map[RecipientType]*message.AddressList{RecipientTo: &m.To, RecipientCc: &m.Cc, RecipientBcc: &m.Bcc}[r.Type]
		if to == nil {
			return nil, &Error{Kind: ErrMisuse, Detail: "MessageRecipients: there is no such type"}
		}
		*to = append(*to, message.Address{Name: r.Name, Path: path})
	}
	if len(m.To.Addresses())+len(m.Cc.Addresses())+len(m.Bcc.Addresses()) == 0 {
		return nil, ErrNoRecipient
	}
	if len(m.To) == 0 && !s.AllowEmptyTo {
		return nil, &Error{Kind: ErrMisuse, Detail: "SendTo is empty; AllowEmptyTo lets Cc or BCc alone do", Err: ErrNoRecipient}
	}
	if err := s.sender(m); err != nil {
		return nil, err
	}
	return m, s.headers(m)
}

func rowError(row string, err error) error {
	return &Error{Kind: ErrMisuse, Detail: row, Err: err}
}

// domainOf returns what may stand behind the "@" of a Message-ID.
func domainOf(hello string) string {
	if strings.HasPrefix(hello, "[") || !strings.Contains(hello, ".") {
		return ""
	}
	return hello
}

// sender is From and ReturnPath. A header that is the caller's own needs no From here.
func (s *SMTP) sender(m *message.Message) error {
	own := len(s.Message) > 0 || s.MessageStream != nil || strings.HasPrefix(strings.TrimPrefix(s.OtherHeaders, "\r"), "\n")
	if s.From == "" && (s.ReturnPath == "" || !own) {
		return ErrNoSender
	}
	if s.From != "" {
		list, err := message.ParseAddressList(s.From)
		if err != nil {
			return rowError("From", err)
		}
		if m.From = list.Addresses(); len(m.From) == 0 {
			return ErrNoSender
		}
	}
	if s.ReturnPath != "" {
		text := s.ReturnPath
		if text == "<>" {
			text = ""
		}
		p, err := message.ParsePath(text)
		if err != nil {
			return rowError("ReturnPath", err)
		}
		m.ReturnPath = &p
	}
	return nil
}

// headers are the fields beside the addresses.
func (s *SMTP) headers(m *message.Message) error {
	if s.OtherHeaders != "" {
		if err := m.SetOtherHeaders(s.OtherHeaders); err != nil {
			return rowError("OtherHeaders", err)
		}
	}
	switch s.MessageDate {
	case "*":
	case "":
		m.OmitDate = true
	default:
		m.OmitDate = true
		m.OtherHeaders = append([]message.HeaderField{{Name: "Date", Value: s.MessageDate}}, m.OtherHeaders...)
	}
	if s.MessageId != "" && s.MessageId == s.state.generated {
		s.MessageId = "*" // what was generated for one message is not for the next
	}
	switch s.MessageId {
	case "*":
	case "":
		m.OmitMessageID = true
	default:
		m.MessageID = s.MessageId
	}
	return nil
}

// MessageHeaders returns the header fields as they would be sent now.
func (s *SMTP) MessageHeaders() ([]message.HeaderField, error) {
	m, err := s.compose()
	if err != nil {
		return nil, err
	}
	return m.Headers()
}

// MessageHeadersString returns the same as one block, each line ended by CRLF.
func (s *SMTP) MessageHeadersString() (string, error) {
	m, err := s.compose()
	if err != nil {
		return "", err
	}
	return m.HeaderString()
}

// mail makes what Deliver takes, and says which Message-ID it has, if that is known.
func (s *SMTP) mail() (out *Mail, id string, err error) {
	m, err := s.compose()
	if err != nil {
		return nil, "", err
	}
	switch {
	case len(s.Message) > 0:
		m.Raw = message.FromBytes(s.Message)
		id = idOf(m)
	case s.MessageStream != nil:
		m.Raw = streamOf(s.MessageStream)
	default:
		if err := m.Seal(); err != nil {
			return nil, "", rowError("the message", err)
		}
		if id = m.MessageID; id == "" {
			id = idOf(m)
		} else if s.MessageId == "*" {
			s.MessageId, s.state.generated = id, id
		}
	}
	envelope, err := m.Envelope()
	if err != nil {
		return nil, "", rowError("the envelope", err)
	}
	content, err := m.Content()
	if err != nil {
		return nil, "", rowError("the message", err)
	}
	params := s.Params
	params.Return, params.EnvelopeID = cmpOr(strings.ToUpper(s.DSN.Return), params.Return), cmpOr(s.DSN.EnvelopeID, params.EnvelopeID)
	envelope.Params = params
	out = &Mail{Envelope: &envelope, Content: content, LineEnds: s.LineEnds, AsIs: s.AsIs, MayDrop: s.MayDrop}
	if err := s.recipients(out); err != nil {
		return nil, "", err
	}
	return out, id, checkEnvelope(&envelope)
}

// idOf returns the Message-ID that the header of a message has; "" if it has none.
func idOf(m *message.Message) string {
	fields, err := m.Headers()
	if err != nil {
		return ""
	}
	for _, f := range fields {
		if strings.EqualFold(f.Name, "Message-ID") {
			return strings.TrimSpace(f.Value)
		}
	}
	return ""
}

// checkEnvelope refuses what no command can carry, before there is a session.
func checkEnvelope(e *message.Envelope) error {
	params := e.Params
	params.SMTPUTF8 = true
	if _, err := codec.AppendMail(nil, "MAIL", e.ReversePath.String(), &params); err != nil {
		return rowError("the envelope", err)
	}
	for i := range e.Recipients {
		p := e.Recipients[i].Params
		p.SMTPUTF8 = true
		if _, err := codec.AppendRcpt(nil, e.Recipients[i].Path.String(), &p); err != nil {
			return rowError("the envelope", err)
		}
	}
	return nil
}

// streamOf is a content that is read while it is sent, from where the reader stands. What
// can be read again from there is looked through first.
func streamOf(r io.Reader) message.Content {
	if again, ok := r.(interface {
		io.ReaderAt
		io.Seeker
	}); ok {
		if from, err := again.Seek(0, io.SeekCurrent); err == nil {
			if end, err := again.Seek(0, io.SeekEnd); err == nil && end >= from {
				return message.FromReaderAt(io.NewSectionReader(again, from, end-from), end-from)
			}
		}
	}
	return message.FromReader(r, -1)
}

// recipients gives each recipient its options, and says who is indispensable.
func (s *SMTP) recipients(m *Mail) error {
	own := map[string]codec.RcptParams{}
	for _, r := range s.MessageRecipients {
		if r.Options == "" {
			continue
		}
		path, err := message.ParsePath(r.Address)
		if err != nil {
			return rowError("MessageRecipients", err)
		}
		params, err := parseOptions(r.Options)
		if err != nil {
			return rowError("MessageRecipients", err)
		}
		own[path.String()] = params
	}
	m.Required = make([]bool, len(m.Envelope.Recipients))
	for i := range m.Envelope.Recipients {
		r := &m.Envelope.Recipients[i]
		r.Params.Notify = s.DSN.Notify
		if params, ok := own[r.Path.String()]; ok {
			r.Params = params
		}
		switch r.Kind {
		case message.KindTo:
			m.Required[i] = s.StopOnToErrors
		case message.KindCc:
			m.Required[i] = s.StopOnCcErrors
		case message.KindBcc:
			m.Required[i] = s.StopOnBccErrors
		}
	}
	return nil
}

// parseOptions reads the parameters of RCPT as "NOTIFY=SUCCESS,FAILURE ORCPT=…"; NOTIFY and
// its value may also be parted by a blank.
func parseOptions(text string) (p codec.RcptParams, err error) {
	if i := strings.IndexFunc(text, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }); i >= 0 {
		return p, &codec.ArgumentError{What: "options", Found: text[i : i+1], Offset: i, Rule: "no control characters", RFC: "RFC 5321 §4.1.2"}
	}
	words := strings.Fields(text)
	for i := 0; i < len(words); i++ {
		name, value, ok := strings.Cut(words[i], "=")
		if !ok && strings.EqualFold(name, "NOTIFY") && i+1 < len(words) {
			i++
			value = words[i]
		}
		switch strings.ToUpper(name) {
		case "NOTIFY":
			for word := range strings.SplitSeq(value, ",") {
				bit, ok := map[string]codec.Notify{
					"NEVER": codec.NotifyNever, "SUCCESS": codec.NotifySuccess, "FAILURE": codec.NotifyFailure, "DELAY": codec.NotifyDelay,
				}[strings.ToUpper(word)]
				if !ok {
					return p, &codec.ArgumentError{What: "NOTIFY", Found: word, Offset: -1, Rule: "it is NEVER, or a list of SUCCESS, FAILURE and DELAY", RFC: "RFC 3461 §4.1"}
				}
				p.Notify |= bit
			}
		case "ORCPT":
			if p.OriginalRecipient, err = codec.DecodeXtext(value); err != nil {
				return p, err
			}
		default:
			p.Extra = append(p.Extra, words[i])
		}
	}
	return p, nil
}
