package html

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// clean returns s as it can be shown: what is not seen, or makes other characters be seen
// elsewhere, is written as \u{202e}, an octet that is no UTF-8 as \xff. Line feeds stay.
func clean(s string) string {
	if !strings.ContainsFunc(s, unseen) && utf8.ValidString(s) {
		return s
	}
	var b strings.Builder
	for i, c := range s {
		switch {
		case c == utf8.RuneError && !strings.HasPrefix(s[i:], "\uFFFD"):
			fmt.Fprintf(&b, `\x%02x`, s[i])
		case unseen(c):
			fmt.Fprintf(&b, `\u{%x}`, c)
		default:
			b.WriteRune(c)
		}
	}
	return b.String()
}

// unseen reports whether c has no form of its own: controls, formats such as those that
// turn the direction, marks that pile up on what stands before, and unusual blanks.
func unseen(c rune) bool {
	return c != '\n' && c != ' ' && !unicode.IsPrint(c) || unicode.In(c, unicode.Mn, unicode.Me)
}

// cleanAll cleans a list.
func cleanAll(list []string) []string {
	all := make([]string, len(list))
	for i, s := range list {
		all[i] = clean(s)
	}
	return all
}

// oneLine cleans s and makes it one line.
func oneLine(s string) string { return strings.ReplaceAll(clean(s), "\n", `\n`) }

// clipped cleans s and cuts it to about n octets.
func clipped(s string, n int) string {
	if len(s) > n {
		n = len(strings.ToValidUTF8(s[:n], ""))
		s = s[:n] + "…"
	}
	return clean(s)
}
