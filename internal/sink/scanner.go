package sink

import "bytes"

// scanner finds the end of the content of DATA and takes the transparency dots
// away (RFC 5321 §4.5.2). Only CRLF "." CRLF ends content: a CR or LF alone is
// content, and begins no line.
type scanner struct {
	at   place
	bare bool // a CR or LF alone was seen (RFC 5321 §2.3.8)
}

// place is where in a line the next octet stands.
type place uint8

const (
	lineStart place = iota // the zero scanner is at the start of a line
	inLine
	afterCR
	afterDot   // a line has begun with "."
	afterDotCR // and went on with CR, which is held back
)

var heldCR = []byte{'\r'}

// scan takes octets as they come in and passes content on in runs of p. It returns
// how many it has taken; fewer than all only at the end of the content.
func (sc *scanner) scan(p []byte, emit func([]byte)) (n int, end bool) {
	from, i := 0, 0 // p[from:i] is a run of content not yet passed on
	for i < len(p) {
		switch sc.at {
		case lineStart:
			if p[i] != '.' {
				sc.at = inLine
				continue
			}
			run(emit, p[from:i])
			i++
			from, sc.at = i, afterDot
		case afterDot:
			if p[i] != '\r' {
				sc.at = inLine
				continue
			}
			i++
			from, sc.at = i, afterDotCR
		case afterDotCR:
			if p[i] == '\n' {
				return i + 1, true
			}
			run(emit, heldCR)
			sc.bare = true
			sc.at = inLine
		case afterCR:
			if p[i] == '\n' {
				i++
				sc.at = lineStart
				continue
			}
			sc.bare = true
			sc.at = inLine
		case inLine:
			i += sc.line(p[i:])
		}
	}
	run(emit, p[from:])
	return len(p), false
}

// line takes the rest of a line as far as it has come in.
func (sc *scanner) line(p []byte) int {
	end := bytes.IndexByte(p, '\n')
	n := end + 1
	if end < 0 {
		n, end = len(p), len(p)
	}
	cr := bytes.IndexByte(p[:end], '\r')
	switch {
	case n > end && cr >= 0 && cr == end-1:
		sc.at = lineStart
	case n > end:
		sc.bare = true // LF alone, or CR before it; a line starts if CR LF is what ended it
		if end > 0 && p[end-1] == '\r' {
			sc.at = lineStart
		}
	case cr >= 0:
		sc.bare = sc.bare || cr < end-1
		if p[end-1] == '\r' {
			sc.at = afterCR
		}
	}
	return n
}

func run(emit func([]byte), p []byte) {
	if len(p) > 0 {
		emit(p)
	}
}
