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

// scanner goes through content, block by block: first it surveys a block, and if all
// line ends in it are CRLF, as they nearly always are, the block goes out in the runs
// between the periods found; otherwise the block is gone through step by step.
type scanner struct {
	mode  LineEnds
	at    place
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

const (
	maxBlock = 16 << 10 // fits the processor's first cache: a survey goes over it three times
	maxMarks = 256      // periods in a block; one with more is cut short
	maxStep  = 128      // octets a step looks ahead
)

// marks are the offsets in a block of periods that begin a line.
type marks struct {
	at [maxMarks]uint16
	n  int
}

var (
	crlf = []byte("\r\n")
	dot  = []byte(".")
)

func (s *scanner) append(dst, src []byte, dots bool) ([]byte, error) {
	dst = slices.Grow(dst, len(src)+len(crlf))
	var m marks
	for len(src) > 0 && s.err == nil {
		block := src[:min(len(src), maxBlock)]
		if n := s.survey(block, dots, &m); n > 0 {
			from := 0
			for _, i := range m.at[:m.n] { // the period goes out with this run and with the next
				dst = append(dst, block[from:i+1]...)
				from = int(i)
			}
			dst = append(dst, block[from:n]...)
			src = src[n:]
			continue
		}
		for len(block) > 0 && s.err == nil {
			n, add, skip := s.step(block, dots)
			dst = append(dst, block[:n]...)
			dst = append(dst, add...)
			block = block[n+skip:]
			src = src[n+skip:]
		}
	}
	return dst, s.err
}

func (s *scanner) segments(dst [][]byte, src []byte, dots bool) ([][]byte, error) {
	var m marks
	run, i := 0, 0 // src[run:i] goes out and is not in dst yet
	cut := func(end, next int) {
		if end > run {
			dst = append(dst, src[run:end:end])
		}
		run = next
	}
	for i < len(src) && s.err == nil {
		block := src[i:min(len(src), i+maxBlock)]
		if n := s.survey(block, dots, &m); n > 0 {
			for _, k := range m.at[:m.n] {
				cut(i+int(k)+1, i+int(k))
			}
			i += n
			continue
		}
		for len(block) > 0 && s.err == nil {
			n, add, skip := s.step(block, dots)
			i += n + skip
			if len(add) > 0 || skip > 0 {
				cut(i-skip, i)
			}
			if len(add) > 0 {
				dst = append(dst, add)
			}
			block = block[n+skip:]
		}
	}
	cut(i, i)
	return dst, s.err
}

func (s *scanner) end(dst []byte, terminator string) ([]byte, error) {
	if s.err != nil {
		return dst, s.err
	}
	if s.at == afterCR && s.mode == Refuse {
		s.bare('\r', s.in-1)
		return dst, s.err
	}
	if s.at != lineStart {
		dst = append(dst, crlf...)
		s.newLine()
	}
	s.err = ErrEnded
	return append(dst, terminator...), nil
}

// survey tells how much of the front of block can go out as it is but for the marked
// periods; 0: nothing, or it takes a closer look.
func (s *scanner) survey(block []byte, dots bool, m *marks) int {
	if s.at == afterCR {
		return 0
	}
	n, lines := s.look(block, dots, m)
	if n == 0 {
		return 0
	}
	s.at = inLine
	if block[n-1] == '\n' {
		s.at = lineStart
	}
	s.lines += int64(lines)
	s.in += int64(n)
	s.out += int64(n)
	return n
}

// step takes a closer look at the front of src, which is not empty: src[:n] goes out,
// then add, which stands for the skip octets behind.
func (s *scanner) step(src []byte, dots bool) (n int, add []byte, skip int) {
	switch {
	case s.at == afterCR:
		if src[0] == '\n' {
			skip = 1
			s.in++
		} else if s.mode == Refuse {
			s.bare('\r', s.in-1)
			return 0, nil, 0
		}
		s.newLine()
		return 0, crlf, skip
	case s.at == lineStart && dots && src[0] == '.':
		s.at = inLine
		return 0, dot, 0
	}
	src = src[:min(len(src), maxStep)]
	if n = bytes.IndexByte(src, '\n'); n < 0 {
		n = len(src)
	}
	if i := bytes.IndexByte(src[:n], '\r'); i >= 0 {
		n = i
	}
	s.at = inLine
	s.in += int64(n)
	s.out += int64(n)
	if n == len(src) {
		return n, nil, 0
	}
	if src[n] == '\r' {
		s.at = afterCR
		s.in++
		return n, nil, 1
	}
	if s.mode == Refuse {
		s.bare('\n', s.in)
		return n, nil, 0
	}
	s.in++
	s.newLine()
	return n, crlf, 1
}

// newLine counts a CRLF that is put out.
func (s *scanner) newLine() {
	s.at = lineStart
	s.lines++
	s.out += int64(len(crlf))
}

// bare ends the content with an error.
func (s *scanner) bare(octet byte, offset int64) {
	s.err = &LineEndError{Octet: octet, Line: s.lines + 1, Offset: offset}
}
