package message

import (
	"bytes"
	"encoding/binary"
	"io"
	"unicode/utf8"
)

// The scanner reads a content once and finds its Features. It goes from line end
// to line end by bytes.IndexByte; octets are looked at one by one only in a header
// section beyond ASCII. It knows what a line and a header section are, and nothing
// of fields or MIME parts.

// Scan reads r to its end and returns the features of the content. Its error is
// r's.
func Scan(r io.Reader) (Features, error) {
	var s Scanner
	buf := make([]byte, scanChunk)
	for {
		n, err := r.Read(buf)
		s.scan(buf[:n])
		switch {
		case err == io.EOF:
			return s.Features(), nil
		case err != nil:
			return s.Features(), err
		}
	}
}

// ScanBytes is [Scan] for a content in memory.
func ScanBytes(content []byte) Features {
	var s Scanner
	s.scan(content)
	return s.Features()
}

// Scanner finds the features of what is written to it. The zero value is ready.
// It is not safe for concurrent use.
type Scanner struct {
	f     Features
	line  int    // octets of the current line so far
	cr    bool   // the last octet was a CR; what follows decides what it is
	crlf  bool   // the last line end was CRLF
	body  bool   // the empty line has been seen
	look  bool   // this chunk has the first NUL or octet over 127
	field []byte // the current header line, as far as it may be "MIME-Version:"
	rest  []byte // an unfinished UTF-8 sequence of the header section

	unknown bool // octets of unknown number were skipped
	binary  bool // octets of which nothing is known were skipped
}

// Write adds p to the content. It never fails.
func (s *Scanner) Write(p []byte) (int, error) {
	s.scan(p)
	return len(p), nil
}

// Features returns the facts about what has been written so far, taken as a whole
// content.
func (s *Scanner) Features() Features {
	end := *s
	end.rest = bytes.Clone(s.rest)
	end.field = bytes.Clone(s.field)
	switch {
	case end.cr:
		end.bareCR()
	case end.line > 0:
		end.endLine(0, false)
	}
	end.f.FinalCRLF = end.f.Octets == 0 || end.crlf
	if !end.body {
		end.f.HeaderOctets = end.f.Octets
	}
	if end.binary {
		end.f.WireOctets = end.f.Octets
	}
	if end.unknown {
		end.f.Octets, end.f.WireOctets, end.f.Lines = -1, -1, -1
	}
	return end.f
}

func (s *Scanner) scan(p []byte) {
	if len(p) == 0 {
		return
	}
	s.look = !s.f.NUL && bytes.IndexByte(p, 0) >= 0 || !s.f.EightBit && hasEightBit(p)
	if s.cr {
		if p[0] == '\n' {
			s.cr = false
			s.endLine(2, true)
			p = p[1:]
		} else {
			s.bareCR()
		}
	}
	for len(p) > 0 {
		i := bytes.IndexByte(p, '\n')
		run := p
		if i >= 0 {
			run = p[:i]
		}
		for {
			j := bytes.IndexByte(run, '\r')
			if j < 0 || j == len(run)-1 {
				break
			}
			s.text(run[:j])
			s.bareCR()
			run = run[j+1:]
		}
		cr := len(run) > 0 && run[len(run)-1] == '\r'
		if cr {
			run = run[:len(run)-1]
		}
		s.text(run)
		switch {
		case i < 0:
			s.cr = cr
			return
		case cr:
			s.endLine(2, true)
		default:
			s.f.BareLF = true
			first(&s.f.First.BareLF, s.f.Lines+1)
			s.endLine(1, false)
		}
		p = p[i+1:]
	}
}

// skip takes octets that will be read later, at the beginning of a line of the
// body.
func (s *Scanner) skip(e extent) {
	s.binary = s.binary || e.binary
	if e.octets < 0 {
		s.unknown = true
	} else {
		s.f.Octets += e.octets
		s.f.WireOctets += e.octets - int64(e.lastLine)
	}
	s.f.LongestLine = max(s.f.LongestLine, e.features.LongestLine)
	if e.features.EightBit || e.binary {
		s.f.EightBit = true
		first(&s.f.First.EightBit, s.f.Lines+max(e.features.First.EightBit, 1))
	}
	if e.binary {
		s.f.NUL = true
		first(&s.f.First.NUL, s.f.Lines+max(e.features.First.NUL, 1))
	}
	s.f.Lines += e.lines
	s.line = e.lastLine
	s.crlf = s.crlf && e.lastLine == 0
}

// text takes octets of a line that are no line end.
func (s *Scanner) text(t []byte) {
	s.line += len(t)
	s.f.Octets += int64(len(t))
	if s.look {
		if !s.f.NUL && bytes.IndexByte(t, 0) >= 0 {
			s.f.NUL, s.f.First.NUL = true, s.f.Lines+1
		}
		if !s.f.EightBit && hasEightBit(t) {
			s.f.EightBit, s.f.First.EightBit = true, s.f.Lines+1
		}
	}
	if !s.body {
		s.header(t)
	}
}

// header watches octets of the header section.
func (s *Scanner) header(t []byte) {
	if room := len(mimeVersion) - len(s.field); room > 0 {
		s.field = append(s.field, t[:min(room, len(t))]...)
	}
	if len(s.rest) == 0 && !hasEightBit(t) {
		return
	}
	s.f.UTF8Header = true
	if len(s.rest) > 0 {
		t = append(s.rest, t...)
	}
	for len(t) > 0 {
		r, n := utf8.DecodeRune(t)
		if r == utf8.RuneError && n == 1 {
			if !utf8.FullRune(t) {
				break
			}
			s.f.BadHeader = true
		}
		t = t[n:]
	}
	s.rest = append(s.rest[:0], t...)
}

// bareCR ends a line by a CR that has no LF.
func (s *Scanner) bareCR() {
	s.cr = false
	s.f.BareCR = true
	first(&s.f.First.BareCR, s.f.Lines+1)
	s.endLine(1, false)
}

// endLine ends a line whose line end had n octets.
func (s *Scanner) endLine(n int, crlf bool) {
	s.f.Octets += int64(n)
	s.f.WireOctets += int64(s.line) + 2
	s.f.Lines++
	s.crlf = crlf
	if s.line > s.f.LongestLine {
		s.f.LongestLine = s.line
	}
	if s.line > MaxLine {
		first(&s.f.First.Long, s.f.Lines)
	}
	if !s.body {
		s.endField(int64(n))
	}
	s.line = 0
}

// endField ends a line of the header section; an empty one ends the section.
func (s *Scanner) endField(n int64) {
	if s.line == 0 {
		s.body = true
		s.f.HeaderOctets = s.f.Octets - n
	}
	if len(s.rest) > 0 {
		s.f.BadHeader = true
		s.rest = s.rest[:0]
	}
	if bytes.EqualFold(s.field, mimeVersion) {
		s.f.MIME = true
	}
	s.field = s.field[:0]
}

// first sets a line number that is not set yet.
func first(at *int64, line int64) {
	if *at == 0 {
		*at = line
	}
}

// hasEightBit reports whether p has an octet over 127.
func hasEightBit(p []byte) bool {
	const high = 0x8080808080808080
	for len(p) >= 32 {
		if (binary.LittleEndian.Uint64(p)|binary.LittleEndian.Uint64(p[8:])|
			binary.LittleEndian.Uint64(p[16:])|binary.LittleEndian.Uint64(p[24:]))&high != 0 {
			return true
		}
		p = p[32:]
	}
	for _, c := range p {
		if c >= utf8.RuneSelf {
			return true
		}
	}
	return false
}

var mimeVersion = []byte("MIME-Version:")

const scanChunk = 64 << 10
