package codec

import "bytes"

// Unstuffer is the receiver's side of transparency (RFC 5321 §4.5.2): it takes the
// octets behind the 354 in pieces of any size, removes the added periods and finds the
// end. Only CRLF ends a line and only CRLF "." CRLF the content; a bare CR or LF is
// passed on as content and remembered. The zero value is ready.
type Unstuffer struct {
	at    unstuffing
	lines int64 // ended by CRLF
	in    int64
	bare  *LineEndError
}

// unstuffing is where in a line the unstuffer stands.
type unstuffing uint8

const (
	atStart  unstuffing = iota
	atDot               // a period at the start of a line is held back
	atDotCR             // and a CR behind it
	atText              // within a line
	atTextCR            // behind a CR that was passed on
	atEnd
)

// Reset begins new content.
func (u *Unstuffer) Reset() { *u = Unstuffer{} }

// Append appends the content in src to dst and returns how much of src that was: all of
// it, unless the end was found; what is behind belongs to the next command.
func (u *Unstuffer) Append(dst, src []byte) (out []byte, n int) {
	for n < len(src) && u.at != atEnd {
		c := src[n]
		switch u.at {
		case atStart:
			if c != '.' {
				u.at = atText
				continue
			}
			u.at = atDot
			n++
		case atDot:
			if c != '\r' {
				u.at = atText
				continue
			}
			u.at = atDotCR
			n++
		case atDotCR:
			if c != '\n' {
				dst = append(dst, '\r')
				u.at = atTextCR
				continue
			}
			u.at = atEnd
			n++
		case atTextCR:
			if c != '\n' {
				u.note('\r', u.in+int64(n)-1)
				u.at = atText
				continue
			}
			dst = append(dst, c)
			u.lines++
			u.at = atStart
			n++
		case atText:
			k := u.line(src[n:], u.in+int64(n))
			dst = append(dst, src[n:n+k]...)
			n += k
		}
	}
	u.in += int64(n)
	return dst, n
}

// line takes text up to the end of its line or of p and returns how much that is.
func (u *Unstuffer) line(p []byte, offset int64) int {
	n := bytes.IndexByte(p, '\n') + 1
	text := p
	switch {
	case n == 0 && p[len(p)-1] == '\r':
		n = len(p)
		text = p[:n-1]
		u.at = atTextCR
	case n == 0:
		n = len(p)
	case n > 1 && p[n-2] == '\r':
		text = p[:n-2]
		u.at = atStart
	default:
		text = p[:n-1]
	}
	if i := bytes.IndexByte(text, '\r'); i >= 0 {
		u.note('\r', offset+int64(i))
	}
	if u.at == atStart {
		u.lines++
	} else if p[n-1] == '\n' {
		u.note('\n', offset+int64(n-1))
	}
	return n
}

// Done reports whether the end has been found.
func (u *Unstuffer) Done() bool { return u.at == atEnd }

// Bare returns where the first bare CR or LF was, nil if there was none.
func (u *Unstuffer) Bare() *LineEndError { return u.bare }

func (u *Unstuffer) note(octet byte, offset int64) {
	if u.bare == nil {
		u.bare = &LineEndError{Octet: octet, Line: u.lines + 1, Offset: offset}
	}
}
