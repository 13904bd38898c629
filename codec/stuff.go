package codec

import (
	"bytes"
	"errors"
	"slices"
	"strconv"
)

// LineEnds says what is done about CR without LF and LF without CR in content. Neither
// ever goes out: a receiver might take it for a line end and see a terminator where
// there is none (RFC 5321 §2.3.8, §4.1.1.4).
type LineEnds uint8

// The policies.
const (
	Normalize LineEnds = iota // each bare CR and each bare LF becomes CRLF
	Refuse                    // the first one is a [*LineEndError]
)

// String returns "normalize" or "refuse".
func (m LineEnds) String() string {
	switch m {
	case Normalize:
		return "normalize"
	case Refuse:
		return "refuse"
	}
	return "line-ends(" + strconv.Itoa(int(m)) + ")"
}

// LineEndError says where a bare CR or LF is.
type LineEndError struct {
	Octet  byte  // '\r' or '\n'
	Line   int64 // from 1
	Offset int64 // of the octet in the content, from 0
}

// Error returns one printable line.
func (e *LineEndError) Error() string {
	return "codec: bare " + octetName(e.Octet) + " in line " + strconv.FormatInt(e.Line, 10) +
		" of the content, at offset " + strconv.FormatInt(e.Offset, 10) + " (RFC 5321 §2.3.8)"
}

// ErrEnded is returned for content behind its end, until the next Reset.
var ErrEnded = errors.New("codec: the content has been ended")

// Stuffer makes content ready for DATA: line ends are CRLF, a line that begins with a
// period gets one more (RFC 5321 §4.5.2). The content comes in pieces of any size; the
// borders make no difference. An error is final: after it there is no terminator. The
// zero value is ready and normalizes.
type Stuffer struct{ s scanner }

// Reset begins new content.
func (s *Stuffer) Reset(mode LineEnds) { s.s = scanner{mode: mode} }

// Append appends the next piece of the content as it goes to the wire. A CR that ends
// the piece is held back until it is known what follows.
func (s *Stuffer) Append(dst, src []byte) ([]byte, error) { return s.s.append(dst, src, true) }

// Segments is Append without copying: it appends runs of src and shared constants,
// which must not be written to, for one vectored write.
func (s *Stuffer) Segments(dst [][]byte, src []byte) ([][]byte, error) {
	return s.s.segments(dst, src, true)
}

// End appends CRLF if the last line has none, and the terminator ".\r\n".
func (s *Stuffer) End(dst []byte) ([]byte, error) { return s.s.end(dst, ".\r\n") }

// Lines returns how many lines have been ended.
func (s *Stuffer) Lines() int64 { return s.s.lines }

// Content returns how many octets of content have been put out, with CRLF as line end
// and without what transparency adds: what SIZE counts (RFC 1870 §3).
func (s *Stuffer) Content() int64 { return s.s.out }

// Normalizer makes content ready for BDAT: the line ends of [Stuffer] without its
// periods (RFC 3030 §2). The zero value is ready and normalizes.
type Normalizer struct{ s scanner }

// Reset begins new content.
func (z *Normalizer) Reset(mode LineEnds) { z.s = scanner{mode: mode} }

// Append appends the next piece of the content, as [Stuffer.Append].
func (z *Normalizer) Append(dst, src []byte) ([]byte, error) { return z.s.append(dst, src, false) }

// Segments is Append without copying, as [Stuffer.Segments].
func (z *Normalizer) Segments(dst [][]byte, src []byte) ([][]byte, error) {
	return z.s.segments(dst, src, false)
}

// End appends CRLF if the last line has none.
func (z *Normalizer) End(dst []byte) ([]byte, error) { return z.s.end(dst, "") }

// Lines returns how many lines have been ended.
func (z *Normalizer) Lines() int64 { return z.s.lines }

// Content returns how many octets have been put out.
func (z *Normalizer) Content() int64 { return z.s.out }

// scanner goes through content step by step. A step is a run of octets that go out as
// they are, what is put behind the run, and how many octets that stands for.
type scanner struct {
	mode  LineEnds
	at    place
	block int   // how far a step looks ahead, 0: maxBlock
	lines int64 // ended
	in    int64 // octets taken
	out   int64 // octets put out, without periods added
	err   error
}

// place is where in a line the scanner stands.
type place uint8

const (
	lineStart place = iota
	inLine
	afterCR // a CR is held back
)

// A step looks at no more than fits the processor's first cache, since it goes over it
// more than once. After a bare CR, which it finds late, it looks less far for a while:
// content that is full of them must not cost a block each.
const (
	maxBlock = 16 << 10
	minBlock = 64
)

var (
	crlf = []byte("\r\n")
	dot  = []byte(".")
)

func (s *scanner) append(dst, src []byte, dots bool) ([]byte, error) {
	dst = slices.Grow(dst, len(src)+len(crlf))
	for len(src) > 0 && s.err == nil {
		n, add, skip := s.step(src, dots)
		dst = append(dst, src[:n]...)
		dst = append(dst, add...)
		src = src[n+skip:]
	}
	return dst, s.err
}

func (s *scanner) segments(dst [][]byte, src []byte, dots bool) ([][]byte, error) {
	run := 0 // where in src the run begins that is not in dst yet
	i := 0
	for i < len(src) && s.err == nil {
		n, add, skip := s.step(src[i:], dots)
		i += n
		if len(add) > 0 || skip > 0 {
			if i > run {
				dst = append(dst, src[run:i:i])
			}
			run = i + skip
		}
		if len(add) > 0 {
			dst = append(dst, add)
		}
		i += skip
	}
	if i > run {
		dst = append(dst, src[run:i:i])
	}
	return dst, s.err
}

func (s *scanner) end(dst []byte, terminator string) ([]byte, error) {
	if s.err != nil {
		return dst, s.err
	}
	if s.at == afterCR && s.mode == Refuse {
		s.bare('\r', 0, s.in-1)
		return dst, s.err
	}
	if s.at != lineStart {
		dst = append(dst, crlf...)
		s.newLine()
	}
	s.err = ErrEnded
	return append(dst, terminator...), nil
}

// step looks at the front of src, which is not empty: src[:n] goes out, then add, which
// stands for the skip octets behind.
func (s *scanner) step(src []byte, dots bool) (n int, add []byte, skip int) {
	switch {
	case s.at == afterCR:
		if src[0] == '\n' {
			skip = 1
			s.in++
		} else if s.mode == Refuse {
			s.bare('\r', 0, s.in-1)
			return 0, nil, 0
		}
		s.newLine()
		return 0, crlf, skip
	case s.at == lineStart && dots && src[0] == '.':
		s.at = inLine
		return 0, dot, 0
	}
	block := src[:min(len(src), s.ahead())]
	var odd byte // a bare CR or LF at block[n]
	lines := 0   // CRLF in block[:n]
	s.at = inLine
	for {
		i := bytes.IndexByte(block[n:], '\n')
		if i < 0 {
			n = len(block)
			if block[n-1] == '\r' {
				n, skip = n-1, 1
				s.at = afterCR
			}
			break
		}
		if i += n; i == 0 || block[i-1] != '\r' {
			n, odd = i, '\n'
			break
		}
		lines++
		if n = i + 1; n == len(block) {
			s.at = lineStart
			break
		}
		if dots && block[n] == '.' {
			add = dot
			break
		}
	}
	// So far each LF has its CR. If there are more CRs than that, one is bare.
	if bytes.Count(block[:n], crlf[:1]) != lines {
		n, add, skip, odd, s.at = bareCR(block[:n]), nil, 0, '\r', inLine
		lines = bytes.Count(block[:n], crlf[1:])
		s.block = minBlock
	} else if s.block > 0 {
		s.block = min(2*s.block, maxBlock)
	}
	if odd != 0 && s.mode == Refuse {
		s.bare(odd, int64(lines), s.in+int64(n))
		return n, nil, 0
	}
	s.lines += int64(lines)
	s.out += int64(n)
	if odd != 0 {
		s.newLine()
		add, skip = crlf, 1
	}
	s.in += int64(n + skip)
	return n, add, skip
}

func (s *scanner) ahead() int {
	if s.block == 0 {
		return maxBlock
	}
	return s.block
}

// newLine counts a CRLF that is put out.
func (s *scanner) newLine() {
	s.at = lineStart
	s.lines++
	s.out += int64(len(crlf))
}

// bare ends the content with an error, in the line that is so many lines further.
func (s *scanner) bare(octet byte, lines, offset int64) {
	s.err = &LineEndError{Octet: octet, Line: s.lines + lines + 1, Offset: offset}
}

// bareCR returns where in p the first CR is that no LF follows.
func bareCR(p []byte) int {
	for i := 0; ; i++ {
		i += bytes.IndexByte(p[i:], '\r')
		if i+1 == len(p) || p[i+1] != '\n' {
			return i
		}
	}
}
