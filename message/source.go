package message

import (
	"bytes"
	"encoding/base64"
	"errors"
	"io"

	"github.com/parley-mail/parley/codec"
)

// Attachments on their way to the wire. Each reader here works in constant memory,
// checks that its source has the size that was announced, and fails rather than
// end early: what follows a failure must never look like a complete message.

// source is an attachment's content with the way it will be written.
type source struct {
	content    Content
	name       string
	boundaries *[]string // of the composition; complete when the source is opened
	wrap       func(io.ReadCloser) io.Reader
	is         extent
}

// extent is what is known of octets before they are read. They begin a line.
type extent struct {
	octets   int64 // -1: unknown
	lines    int64 // line ends
	lastLine int   // octets behind the last line end
	features Features
	binary   bool // anything may be in them
}

// segment returns the segment that reads the source.
func (s *source) segment() segment {
	content, name, wrap := s.content, s.name, s.wrap
	return segment{is: s.is, open: func() (io.ReadCloser, error) {
		r, err := content.Open()
		if err != nil {
			return nil, sourceError(name, err)
		}
		counted := &countReader{ReadCloser: r, want: content.Size, name: name}
		return readCloser{wrap(counted), r}, nil
	}}
}

// base64 writes the source in base64.
func (s *source) base64() {
	s.is = base64Extent(s.content.Size)
	s.wrap = func(r io.ReadCloser) io.Reader { return &base64Reader{src: r} }
}

// binary writes the source as it is.
func (s *source) binary() {
	s.is = extent{octets: s.content.Size, binary: true}
	s.wrap = func(r io.ReadCloser) io.Reader { return s.watch(r) }
}

// plain writes the source without encoding it, and returns the name for that. For
// 7bit and 8bit its line ends become CRLF.
func (s *source) plain(transport Encoding) (Encoding, error) {
	if s.content.Reopens() {
		if err := s.content.Scan(); err != nil {
			return 0, sourceError(s.name, err)
		}
	}
	label := transport
	if f := s.content.Features; f != nil {
		long, nul := f.LongestLine > MaxLine, f.NUL
		switch {
		case transport == Binary && (long || nul):
		case long:
			return 0, &ContentError{Fault: FaultLongLine, Part: s.name, Line: f.First.Long, Octets: int64(f.LongestLine)}
		case nul:
			return 0, &ContentError{Fault: FaultNUL, Part: s.name, Line: f.First.NUL}
		case f.EightBit && transport < EightBit:
			return 0, &ContentError{Fault: FaultEightBit, Part: s.name, Line: f.First.EightBit}
		case f.EightBit:
			label = EightBit
		default:
			label = SevenBit
		}
		s.is = extent{octets: f.WireOctets, lines: f.Lines, features: *f}
	} else {
		s.is = extent{octets: -1, features: Features{EightBit: label == EightBit}}
	}
	if label == Binary {
		s.binary()
		return Binary, nil
	}
	s.wrap = func(r io.ReadCloser) io.Reader {
		return s.watch(&lineReader{src: r, limit: label, name: s.name})
	}
	return label, nil
}

// watch fails when a boundary comes by.
func (s *source) watch(r io.Reader) io.Reader {
	w := &boundaryReader{src: r, name: s.name}
	for _, b := range *s.boundaries {
		w.boundaries = append(w.boundaries, []byte(b))
	}
	return w
}

// sourceError says which attachment an error is about.
func sourceError(name string, err error) error {
	var ce *ContentError
	if errors.As(err, &ce) {
		named := *ce
		named.Part = name
		return &named
	}
	return &ContentError{Fault: FaultSource, Part: name, Err: err}
}

type readCloser struct {
	io.Reader
	io.Closer
}

// countReader checks that the source has the size it was said to have. Its end is
// io.EOF itself: one wrapped in another error tells of a failure.
type countReader struct {
	io.ReadCloser
	want, got int64 // want -1: any
	name      string
}

func (r *countReader) Read(p []byte) (int, error) {
	n, err := r.ReadCloser.Read(p)
	r.got += int64(n)
	switch {
	case r.want >= 0 && (r.got > r.want || err == io.EOF && r.got != r.want):
		return 0, &ContentError{Fault: FaultSize, Part: r.name, Octets: r.got}
	case err == nil || err == io.EOF:
		return n, err
	}
	return n, sourceError(r.name, err)
}

// base64Reader encodes what it reads, in lines of 76 octets without a last line
// end.
type base64Reader struct {
	src  io.Reader
	in   [base64Line * base64Block]byte
	out  [(base64Width + 2) * base64Block]byte
	rest []byte // of out, not yet read
	some bool   // a line has been written
	err  error
}

func (r *base64Reader) Read(p []byte) (int, error) {
	for len(r.rest) == 0 {
		if r.err != nil {
			return 0, r.err
		}
		var n int
		n, r.err = io.ReadFull(r.src, r.in[:])
		if r.err == io.ErrUnexpectedEOF {
			r.err = io.EOF
		}
		if r.err != nil && r.err != io.EOF {
			return 0, r.err
		}
		r.rest = r.encode(r.in[:n])
	}
	n := copy(p, r.rest)
	r.rest = r.rest[n:]
	return n, nil
}

func (r *base64Reader) encode(in []byte) []byte {
	out := r.out[:0]
	for len(in) > 0 {
		n := min(base64Line, len(in))
		if r.some {
			out = append(out, "\r\n"...)
		}
		r.some = true
		out = base64.StdEncoding.AppendEncode(out, in[:n])
		in = in[n:]
	}
	return out
}

// base64Extent computes what n octets become; n is -1 if unknown.
func base64Extent(n int64) extent {
	switch {
	case n < 0:
		return extent{octets: -1, features: Features{LongestLine: base64Width}}
	case n == 0:
		return extent{}
	}
	encoded := (n + 2) / 3 * 4
	lines := (encoded - 1) / base64Width
	return extent{
		octets:   encoded + 2*lines,
		lines:    lines,
		lastLine: int(encoded - lines*base64Width),
		features: Features{LongestLine: int(min(encoded, base64Width))},
	}
}

// lineReader gives every line CRLF as its end, the last one too, and refuses what
// limit does not carry.
type lineReader struct {
	src   io.Reader
	limit Encoding
	name  string
	norm  codec.Normalizer
	scan  Scanner
	in    []byte
	out   []byte
	rest  []byte // of out, not yet read
	err   error
}

func (r *lineReader) Read(p []byte) (int, error) {
	if r.in == nil {
		r.in = make([]byte, lineChunk)
	}
	for len(r.rest) == 0 {
		if r.err != nil {
			return 0, r.err
		}
		n, err := r.src.Read(r.in)
		r.out, r.err = r.norm.Append(r.out[:0], r.in[:n])
		if r.err == nil && err == io.EOF {
			r.out, r.err = r.norm.End(r.out)
		}
		if r.err != nil {
			return 0, sourceError(r.name, r.err)
		}
		r.scan.scan(r.out)
		if f := r.scan.Features(); f.LongestLine > MaxLine {
			r.err = &ContentError{Fault: FaultLongLine, Part: r.name, Line: f.First.Long, Octets: int64(f.LongestLine)}
		} else if f.NUL {
			r.err = &ContentError{Fault: FaultNUL, Part: r.name, Line: f.First.NUL}
		} else if f.EightBit && r.limit < EightBit {
			r.err = &ContentError{Fault: FaultEightBit, Part: r.name, Line: f.First.EightBit}
		}
		if r.err != nil {
			return 0, r.err
		}
		r.err, r.rest = err, r.out
	}
	n := copy(p, r.rest)
	r.rest = r.rest[n:]
	return n, nil
}

// boundaryReader refuses a source that has one of the boundaries in it.
type boundaryReader struct {
	src        io.Reader
	boundaries [][]byte
	name       string
	tail       []byte // the last octets read, too few for a boundary
	seam       []byte // tail and the octets behind it
}

func (r *boundaryReader) Read(p []byte) (int, error) {
	const keep = boundaryLen - 1
	n, err := r.src.Read(p)
	p = p[:n]
	r.seam = append(append(r.seam[:0], r.tail...), p[:min(n, keep)]...)
	for _, b := range r.boundaries {
		if bytes.Contains(r.seam, b) || bytes.Contains(p, b) {
			return 0, &ContentError{Fault: FaultBoundary, Part: r.name}
		}
	}
	if n < keep {
		p = r.seam
	}
	r.tail = append(r.tail[:0], p[max(0, len(p)-keep):]...)
	return n, err
}

var errNoContent = errors.New("an attachment without content")

const (
	base64Line  = 57 // octets that make a line of base64
	base64Width = 76 // RFC 2045 §6.8
	base64Block = 64 // lines encoded at once
	lineChunk   = 32 << 10
	boundaryLen = 34
)
