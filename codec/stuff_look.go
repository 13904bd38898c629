package codec

import "bytes"

// lookOver tells how much of the front of block, which does not begin behind a CR, can go
// out as it is but for the marked periods, and how many lines end in it. 0: nothing, or it
// takes a closer look. A CR at the end is left for the next time.
func (s *scanner) lookOver(block []byte, dots bool, m *marks) (n, lines int) {
	n, lines, guessed := s.hop(block, dots, true, m)
	if guessed && !ends(block[:n], '\n', lines) { // it may have jumped over a line
		n, lines, _ = s.hop(block, dots, false, m)
	}
	if !ends(block[:n], '\r', lines) {
		return 0, 0
	}
	return n, lines
}

// ends reports whether p holds as many of an octet as there are lines: if each of the lines
// was seen to end with CRLF, then there is no other.
func ends(p []byte, octet byte, lines int) bool { return bytes.Count(p, []byte{octet}) == lines }

// hop goes from CRLF to CRLF and marks the periods behind them. After two lines of one
// length it may guess that the next has it too: in encoded content, most of what is large,
// it does. Without a guess it sees every LF. It returns 0 if it meets one without CR.
func (s *scanner) hop(block []byte, dots, guess bool, m *marks) (n, lines int, guessed bool) {
	m.n = 0
	if dots && s.at == lineStart && block[0] == '.' {
		m.n = 1
		m.at[0] = 0
	}
	i, length, last := 0, len(block), -1
	for {
		if end := i + length; end+1 < len(block) && block[end] == '\r' && block[end+1] == '\n' {
			i = end + 2
			guessed = true
		} else {
			j := bytes.IndexByte(block[i:], '\n')
			if j < 0 {
				break
			}
			if j == 0 || block[i+j-1] != '\r' {
				return 0, 0, false
			}
			i += j + 1
			length = len(block) // no guess
			if guess && j == last {
				length = j - 1
			}
			last = j
		}
		lines++
		if dots && i < len(block) && block[i] == '.' {
			if m.n == maxMarks {
				return i, lines, guessed
			}
			m.at[m.n] = uint16(i)
			m.n++
		}
	}
	n = len(block)
	if block[n-1] == '\r' {
		n--
	}
	return n, lines, guessed
}
