// Package escape writes octets as transcripts do, in printable ASCII, and reads them again.
package escape

import (
	"encoding/hex"
	"fmt"
	"strings"
)

// Octets returns the octets that s stands for: printable ASCII as it is, and \r \n
// \t \0 \\ \xHH. col is the index in s of what is wrong, if something is.
func Octets(s string) (octets []byte, col int, err error) {
	octets = make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c != '\\' {
			octets = append(octets, c)
			continue
		}
		if i+1 >= len(s) {
			return nil, i, fmt.Errorf(`a lone \ at the end`)
		}
		i++
		switch s[i] {
		case 'r':
			octets = append(octets, '\r')
		case 'n':
			octets = append(octets, '\n')
		case 't':
			octets = append(octets, '\t')
		case '0':
			octets = append(octets, 0)
		case '\\':
			octets = append(octets, '\\')
		case 'x':
			if i+2 >= len(s) {
				return nil, i - 1, fmt.Errorf(`\x needs two hexadecimal digits`)
			}
			b, err := hex.DecodeString(s[i+1 : i+3])
			if err != nil {
				return nil, i - 1, fmt.Errorf(`\x needs two hexadecimal digits`)
			}
			octets = append(octets, b...)
			i += 2
		default:
			return nil, i - 1, fmt.Errorf(`no escape \%c: there are \r \n \t \0 \\ \xHH`, s[i])
		}
	}
	return octets, 0, nil
}

// Text writes octets so that Octets reads them. Braces are escaped if pattern is
// set, so that they do not read as a template.
func Text(octets []byte, pattern bool) string {
	var b strings.Builder
	for _, c := range octets {
		switch {
		case c == '\\':
			b.WriteString(`\\`)
		case c == '\r':
			b.WriteString(`\r`)
		case c == '\n':
			b.WriteString(`\n`)
		case c == '\t':
			b.WriteString(`\t`)
		case c == 0:
			b.WriteString(`\0`)
		case c < 0x20 || c >= 0x7f || pattern && (c == '{' || c == '}'):
			fmt.Fprintf(&b, `\x%02x`, c)
		default:
			b.WriteByte(c)
		}
	}
	return b.String()
}
