package codec

import (
	"unicode"
	"unicode/utf8"
)

// Reply is one complete reply of a server (RFC 5321 §4.2). A reply that a [Decoder]
// returned is borrowed: it and its lines are valid until the decoder is used again;
// [Reply.Clone] makes one to keep.
type Reply struct {
	Code      int       // 200 to 599; 0: no reply
	Enhanced  Enhanced  // the first one of the right class at the front of a line; zero: none
	Lines     [][]byte  // text of each line behind code and separator, raw; at least one
	Anomalies Anomalies // what the lenient profile let pass
}

// Clone returns a copy of r that owns its memory.
func (r Reply) Clone() Reply {
	if r.Lines == nil {
		return r
	}
	n := 0
	for _, line := range r.Lines {
		n += len(line)
	}
	text, lines := make([]byte, 0, n), make([][]byte, len(r.Lines))
	for i, line := range r.Lines {
		from := len(text)
		text = append(text, line...)
		lines[i] = text[from:len(text):len(text)]
	}
	r.Lines = lines
	return r
}

// Positive reports a 2yz, Positive Completion (RFC 5321 §4.2.1). A 3yz is no success.
func (r Reply) Positive() bool { return r.Code/100 == 2 }

// Intermediate reports a 3yz, Positive Intermediate.
func (r Reply) Intermediate() bool { return r.Code/100 == 3 }

// Temporary reports a 4yz, Transient Negative Completion.
func (r Reply) Temporary() bool { return r.Code/100 == 4 }

// Permanent reports a 5yz, Permanent Negative Completion.
func (r Reply) Permanent() bool { return r.Code/100 == 5 }

// Text returns the lines joined by "\n", without the enhanced status codes at their
// front, otherwise as the server sent them: show it escaped only.
func (r Reply) Text() string {
	var b []byte
	for i, line := range r.Lines {
		if i > 0 {
			b = append(b, '\n')
		}
		b = append(b, r.strip(line)...)
	}
	return string(b)
}

// String returns the reply as one printable line, such as "550 5.1.1 no such user":
// lines are joined by " / ", octets that are not printable are escaped, and what is
// longer than 512 octets is cut.
func (r Reply) String() string {
	const most = 512
	b := appendCode(make([]byte, 0, 64), r.Code)
	if !r.Enhanced.IsZero() {
		b = append(b, ' ')
		b = r.Enhanced.append(b)
	}
	for i, line := range r.Lines {
		line = r.strip(line)
		switch {
		case i > 0:
			b = append(b, " / "...)
		case len(line) > 0:
			b = append(b, ' ')
		}
		b = appendPrintable(b, line[:min(len(line), most)])
		if len(b) > most {
			return string(b[:most]) + "..."
		}
	}
	return string(b)
}

// strip removes an enhanced status code of the reply's class from a line's front.
func (r Reply) strip(line []byte) []byte {
	if e, rest := ParseEnhanced(line); int(e.Class) == r.Code/100 && r.Code != 0 {
		return rest
	}
	return line
}

func appendCode(b []byte, code int) []byte {
	return append(b, '0'+byte(code/100%10), '0'+byte(code/10%10), '0'+byte(code%10))
}

// appendPrintable appends s so that no octet of it can move a cursor, end a line or
// be taken for another: what is not printable, and the backslash, is escaped.
func appendPrintable(b, s []byte) []byte {
	const hex = "0123456789abcdef"
	for len(s) > 0 {
		if c := s[0]; c < utf8.RuneSelf {
			s = s[1:]
			switch {
			case c == '\\':
				b = append(b, `\\`...)
			case c >= ' ' && c < 0x7f:
				b = append(b, c)
			case c == '\t':
				b = append(b, `\t`...)
			case c == '\r':
				b = append(b, `\r`...)
			default:
				b = append(b, '\\', 'x', hex[c>>4], hex[c&15])
			}
			continue
		}
		r, n := utf8.DecodeRune(s)
		if r == utf8.RuneError && n == 1 || !unicode.IsPrint(r) {
			for _, c := range s[:n] {
				b = append(b, '\\', 'x', hex[c>>4], hex[c&15])
			}
		} else {
			b = append(b, s[:n]...)
		}
		s = s[n:]
	}
	return b
}
