package message

import (
	"bytes"
	"errors"
	"io"
	"strings"
)

// Raw messages: a complete RFC 5322 message of the caller's, sent as it is, but for
// the fields that must not leave.

// rawContent makes the content of a raw message.
func (m *Message) rawContent() (Content, error) {
	c := m.Raw
	if !m.RawVerbatim {
		c = withoutBcc(c)
	}
	if c.Features == nil && c.Reopens() {
		if err := c.Scan(); err != nil {
			return Content{}, err
		}
	}
	return c, nil
}

// rawHead returns the header section of a raw message.
func (m *Message) rawHead() (string, error) {
	c := m.Raw
	switch {
	case !c.Reopens():
		return "", &ContentError{Fault: FaultReopen}
	case !m.RawVerbatim:
		c = withoutBcc(c)
	}
	r, err := c.Open()
	if err != nil {
		return "", &ContentError{Fault: FaultSource, Err: err}
	}
	text, err := io.ReadAll(io.LimitReader(r, maxHead))
	if err = errors.Join(err, r.Close()); err != nil {
		return "", &ContentError{Fault: FaultSource, Err: err}
	}
	f := ScanBytes(text)
	if f.HeaderOctets == maxHead {
		return "", &HeaderError{Offset: -1, Rule: "header section over 1 MiB"}
	}
	return normalizeLines(string(text[:f.HeaderOctets])), nil
}

// withoutBcc leaves out Bcc, Resent-Bcc and Return-Path fields (RFC 5322 §3.6.3,
// RFC 5321 §4.4).
func withoutBcc(c Content) Content {
	if b, ok := c.Bytes(); ok {
		if kept := appendKept(nil, b); len(kept) < len(b) {
			return FromBytes(kept)
		}
		return c
	}
	out := Content{Size: -1, once: c.once}
	out.Open = func() (io.ReadCloser, error) {
		r, err := c.Open()
		if err != nil {
			return nil, err
		}
		return readCloser{&bccReader{src: r}, r}, nil
	}
	return out
}

func appendKept(dst, b []byte) []byte {
	var f bccFilter
	return f.end(f.filter(dst, b))
}

// bccReader filters the header section and reads the body straight through.
type bccReader struct {
	src    io.Reader
	filter bccFilter
	in     []byte
	out    []byte
	rest   []byte // of out, not yet read
	err    error
}

func (r *bccReader) Read(p []byte) (int, error) {
	for len(r.rest) == 0 {
		if r.err != nil {
			return 0, r.err
		}
		if r.filter.body {
			return r.src.Read(p)
		}
		if r.in == nil {
			r.in = make([]byte, lineChunk)
		}
		var n int
		n, r.err = r.src.Read(r.in)
		r.out = r.filter.filter(r.out[:0], r.in[:n])
		if r.err == io.EOF {
			r.out = r.filter.end(r.out)
		}
		r.rest = r.out
	}
	n := copy(p, r.rest)
	r.rest = r.rest[n:]
	return n, nil
}

// bccFilter passes a header section octet by octet. CR, LF and CRLF all end a line:
// on the wire they will, so a field behind any of them is one.
type bccFilter struct {
	body bool   // the empty line has passed
	cr   bool   // the last octet was a CR
	mid  bool   // within a line
	drop bool   // within a field to leave out
	name []byte // the beginning of a line that may be the name of such a field
	hold bool   // name has not been written yet
}

func (f *bccFilter) filter(dst, p []byte) []byte {
	for i, c := range p {
		if f.body {
			return append(dst, p[i:]...)
		}
		switch {
		case c == '\n' && f.cr: // the rest of a CRLF
			f.cr = false
			if !f.drop {
				dst = append(dst, c)
			}
			continue
		case c == '\r' || c == '\n':
			if !f.mid {
				f.body, f.drop = true, false
			}
			dst = f.release(dst)
			f.mid, f.cr = false, c == '\r'
			if !f.drop {
				dst = append(dst, c)
			}
			continue
		case !f.mid && c != ' ' && c != '\t':
			f.drop, f.hold = false, true
		}
		f.mid, f.cr = true, false
		if f.hold {
			dst = f.collect(dst, c)
		} else if !f.drop {
			dst = append(dst, c)
		}
	}
	return dst
}

// collect takes an octet of a field's name.
func (f *bccFilter) collect(dst []byte, c byte) []byte {
	f.name = append(f.name, c)
	if c == ':' {
		switch strings.ToLower(strings.TrimRight(string(f.name[:len(f.name)-1]), " \t")) {
		case "bcc", "resent-bcc", "return-path":
			f.drop, f.hold, f.name = true, false, f.name[:0]
			return dst
		}
		return f.release(dst)
	}
	if len(bytes.TrimRight(f.name, " \t")) > len("return-path") || len(f.name) > 2*MaxLine {
		return f.release(dst)
	}
	return dst
}

// release writes what was held back.
func (f *bccFilter) release(dst []byte) []byte {
	if f.hold {
		dst = append(dst, f.name...)
		f.name, f.hold = f.name[:0], false
	}
	return dst
}

// end writes what is held back at the end of the content.
func (f *bccFilter) end(dst []byte) []byte { return f.release(dst) }
