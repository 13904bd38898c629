package message

import (
	"strings"
)

// Header sections that come from outside: texts of the caller, and the header of a
// raw message.

// ParseFields parses lines of header fields, "Name: value", and unfolds them. CRLF,
// CR and LF all end lines. An empty line ends the section; what follows it is not
// looked at. Errors are *HeaderError.
func ParseFields(s string) ([]HeaderField, error) {
	var fields []HeaderField
	var value strings.Builder // of the last field
	end := func() []HeaderField {
		if len(fields) > 0 {
			fields[len(fields)-1].Value = strings.TrimLeft(value.String(), " \t")
			value.Reset()
		}
		return fields
	}
	for s != "" {
		var line string
		line, s = cutLine(s)
		switch {
		case line == "":
			return end(), nil
		case len(fields) > maxFields:
			return nil, &HeaderError{Offset: -1, Rule: "over 10000 fields"}
		case (line[0] == ' ' || line[0] == '\t') && len(fields) > 0:
			if err := checkValue(fields[len(fields)-1].Name, line); err != nil {
				return nil, err
			}
			value.WriteString(line)
			continue
		}
		name, first, ok := strings.Cut(line, ":")
		name = strings.TrimRight(name, " \t") // RFC 5322 §4.5
		if !ok {
			return nil, &HeaderError{Field: clipAt(name, 0), Offset: -1, Rule: "no colon behind the field name (RFC 5322 §2.2)"}
		}
		if err := checkName(name); err != nil {
			return nil, err
		}
		if err := checkValue(name, first); err != nil {
			return nil, err
		}
		fields = append(end(), HeaderField{Name: name})
		value.WriteString(first)
	}
	return end(), nil
}

// cutLine returns the first line of s without its line end, and the rest.
func cutLine(s string) (line, rest string) {
	i := strings.IndexAny(s, "\r\n")
	switch {
	case i < 0:
		return s, ""
	case strings.HasPrefix(s[i:], "\r\n"):
		return s[:i], s[i+2:]
	}
	return s[:i], s[i+1:]
}

// SetOtherHeaders sets OtherHeaders or RawHeaders from a text of header lines: if
// it begins with an empty line, the rest replaces the computed header section;
// otherwise its fields are added to it.
func (m *Message) SetOtherHeaders(s string) error {
	if line, rest := cutLine(s); s != "" && line == "" {
		if rest == "" {
			return &HeaderError{Field: "OtherHeaders", Offset: -1, Rule: "nothing behind the empty line (RFC 5322 §3.6)"}
		}
		if _, err := checkRawHeaders(rest); err != nil {
			return err
		}
		m.RawHeaders, m.OtherHeaders = rest, nil
		return nil
	}
	fields, err := ParseFields(s)
	if err != nil {
		return err
	}
	m.RawHeaders, m.OtherHeaders = "", fields
	return nil
}

// checkRawHeaders checks a header section of the caller's and returns it with CRLF
// line ends, and without blanks before colons, which are obsolete (RFC 5322 §4.5). Its
// folding is left alone.
func checkRawHeaders(s string) ([]byte, error) {
	if len(s) > maxHead {
		return nil, &HeaderError{Field: "RawHeaders", Offset: -1, Rule: "over 1 MiB"}
	}
	s = strings.TrimRight(s, "\r\n")
	fields, err := ParseFields(s)
	if err != nil {
		return nil, err
	}
	for _, f := range fields {
		if err := forbidden(f.Name); err != nil {
			return nil, err
		}
	}
	var out []byte
	for s != "" {
		var line string
		line, s = cutLine(s)
		if strings.Trim(line, " \t") == "" {
			return nil, &HeaderError{Field: "RawHeaders", Offset: len(out), Rule: "an empty line ends the header section (RFC 5322 §2.1)"}
		}
		if len(line) > MaxLine {
			return nil, &HeaderError{Field: "RawHeaders", Offset: len(out), Value: clipAt(line, 0), Rule: "line over 998 octets (RFC 5322 §2.1.1)"}
		}
		if name, value, ok := strings.Cut(line, ":"); ok && name != "" && name[0] != ' ' && name[0] != '\t' {
			line = strings.TrimRight(name, " \t") + ":" + value
		}
		out = append(append(out, line...), "\r\n"...)
	}
	return out, nil
}

// EnvelopeOf derives an envelope from the header of a complete message (RFC 5321
// appendix B): Sender or From as reverse-path, the mailboxes of To, Cc and Bcc, groups
// included, each once. Of a message that was sent again, the Resent- fields count instead
// (RFC 5322 §3.6.6).
func EnvelopeOf(fields []HeaderField) (Envelope, error) {
	m, err := AddressesOf(fields, "")
	if err != nil {
		return Envelope{}, err
	}
	return m.Envelope()
}

// AddressesOf returns a Message with nothing but the From, Sender, To, Cc and Bcc of a header,
// for an envelope that is not quite the one of [EnvelopeOf]. Any of them may be missing. A
// mailbox without a domain is of the domain home; "": it must be postmaster.
func AddressesOf(fields []HeaderField, home string) (*Message, error) {
	prefix := ""
	for _, f := range fields {
		if len(f.Name) > len(resent) && strings.EqualFold(f.Name[:len(resent)], resent) {
			prefix = resent
		}
	}
	m := &Message{AllowEmptyTo: true}
	for _, f := range fields {
		var list *AddressList
		var from AddressList
		switch {
		case strings.EqualFold(f.Name, prefix+"To"):
			list = &m.To
		case strings.EqualFold(f.Name, prefix+"Cc"):
			list = &m.Cc
		case strings.EqualFold(f.Name, prefix+"Bcc"):
			list = &m.Bcc
		case strings.EqualFold(f.Name, prefix+"From"), strings.EqualFold(f.Name, prefix+"Sender"):
			list = &from
		default:
			continue
		}
		l, err := parseList(f.Value, home)
		if err != nil {
			return nil, &HeaderError{Field: clipAt(f.Name, 0), Offset: -1, Rule: "no address list (RFC 5322 §3.4)", Err: err}
		}
		*list = append(*list, l...)
		if a := from.Addresses(); len(a) > 0 && strings.HasSuffix(strings.ToLower(f.Name), "sender") {
			m.Sender = a[0]
		} else {
			m.From = append(m.From, a...)
		}
	}
	return m, nil
}

const (
	resent    = "Resent-"
	maxFields = 10000
	maxHead   = 1 << 20
)
