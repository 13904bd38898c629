package smtpt

import (
	"strings"

	"github.com/parley-mail/parley/internal/escape"
)

// Unescape returns the octets that s stands for: printable ASCII as it is, and \r \n
// \t \0 \\ \xHH. col is the index in s of what is wrong, if something is.
func Unescape(s string) (octets []byte, col int, err error) { return escape.Octets(s) }

// Escape writes octets so that Unescape reads them. Braces are escaped if pattern is
// set, so that they do not read as a template.
func Escape(octets []byte, pattern bool) string { return escape.Text(octets, pattern) }

// quoteWord writes the value of an attribute: bare if it can be, otherwise in double
// quotes, in which a quote is \x22.
func quoteWord(s string) string {
	if s != "" && !strings.ContainsAny(s, " \"]{}\\") {
		return s
	}
	return `"` + s + `"`
}
