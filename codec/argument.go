package codec

import (
	"net/netip"
	"strconv"
	"unicode/utf8"
)

// ArgumentError says that an argument cannot be put into a command. Nothing was
// appended. It does not hold the argument, which may be a secret.
type ArgumentError struct {
	What   string // the argument: "reverse-path", "ENVID"
	Found  string // what is wrong with it: "CR", "301 octets"
	Offset int    // of the wrong octet in the argument, from 0; -1: it is wrong as a whole
	Rule   string // what the rule asks for
	RFC    string // where it says so: "RFC 5321 §4.1.2"; "": it is a rule of this package
}

// Error returns one printable line.
func (e *ArgumentError) Error() string {
	s := "codec: " + e.What + ": " + e.Found
	if e.Offset >= 0 {
		s += " at offset " + strconv.Itoa(e.Offset)
	}
	s += " (" + e.Rule
	if e.RFC != "" {
		s += ", " + e.RFC
	}
	return s + ")"
}

// Lengths in octets (RFC 5321 §4.5.3.1).
const (
	CommandLine = 512 // a command line with its CRLF, before extensions raise it
	maxPath     = 256 // a path with < and >
	maxLabel    = 63  // a label of a domain name
)

// Classes of octets.
const (
	isText    = 1 << iota // printable ASCII, SP included
	isAtext               // of a local part without quotes (RFC 5321 §4.1.2), and "."
	isQtext               // inside quotes: printable but the quotation mark and the backslash
	isDomain              // letters, digits, "-", ".", and "_", which real names have
	isLiteral             // inside an address literal (RFC 5321 §4.1.3), but for what might end the path too soon
	isXchar               // of xtext, standing for itself (RFC 3461 §4)
	isValue               // of an esmtp-value (RFC 5321 §4.1.2)
)

var class = func() (t [256]uint8) {
	for c := ' '; c < 0x7f; c++ {
		t[c] |= isText
		if c != '"' && c != '\\' {
			t[c] |= isQtext
		}
		if c > ' ' && (c < '[' || c > ']') && c != '"' && c != '<' && c != '>' {
			t[c] |= isLiteral
		}
		if c > ' ' && c != '+' && c != '=' {
			t[c] |= isXchar
		}
		if c > ' ' && c != '=' {
			t[c] |= isValue
		}
		if isAlnum(byte(c)) {
			t[c] |= isAtext | isDomain
		}
	}
	for _, c := range "!#$%&'*+-/=?^_`{|}~." {
		t[c] |= isAtext
	}
	for _, c := range "-._" {
		t[c] |= isDomain
	}
	return t
}()

// spanClass returns where in s, from i on, the first octet is that is not in the class
// mask; octets that are not ASCII are passed over if utf8OK.
func spanClass(s string, i int, mask uint8, utf8OK bool) int {
	for ; len(s)-i >= 4; i += 4 { // by fours while nothing is wrong
		if p := s[i : i+4]; class[p[0]]&class[p[1]]&class[p[2]]&class[p[3]]&mask == 0 {
			break
		}
	}
	for ; i < len(s); i++ {
		if c := s[i]; class[c]&mask == 0 && (!utf8OK || c < utf8.RuneSelf) {
			break
		}
	}
	return i
}

// checkClass demands that all of s is in the classes of mask.
func checkClass(what, s string, mask uint8, utf8OK bool, rule, rfc string) *ArgumentError {
	if i := spanClass(s, 0, mask, utf8OK); i < len(s) {
		return wrongOctet(what, s, i, rule, rfc)
	}
	return checkUTF8(what, s, utf8OK)
}

// checkPath demands the syntax of Path in RFC 5321 §4.1.2 without source routes, so
// that nothing in it can end the path or the line. The null path and a local part alone
// ("Postmaster") are good; what a domain or a literal says is not looked at.
func checkPath(what, path string, utf8OK bool) *ArgumentError {
	const rfc = "RFC 5321 §4.1.2"
	if len(path)+2 > maxPath {
		return wrong(what, octets(len(path)+2), "at most 256 with < and >", "RFC 5321 §4.5.3.1.3")
	}
	i := 0
	if path != "" && path[0] == '"' {
		ok := false
		if i, ok = spanQuoted(path, utf8OK); !ok {
			return wrongOctet(what, path, i, "printable characters, then a closing quotation mark", rfc)
		}
	} else {
		i = spanClass(path, 0, isAtext, utf8OK)
	}
	if i == len(path) {
		return checkUTF8(what, path, utf8OK)
	}
	if path[i] != '@' || i == 0 {
		return wrongOctet(what, path, i, "a local part, quoted where needed, then @", rfc)
	}
	from := i + 1
	switch {
	case from == len(path):
		return wrong(what, "no domain", "a name or an address literal behind @", rfc)
	case path[from] == '[':
		i = spanClass(path, from+1, isLiteral, false)
		if i == from+1 || i == len(path) || path[i] != ']' {
			return wrongOctet(what, path, i, "an address literal in brackets", "RFC 5321 §4.1.3")
		}
		if i+1 != len(path) {
			return wrongOctet(what, path, i+1, "the path ends with its address literal", "RFC 5321 §4.1.3")
		}
	default:
		if i = spanClass(path, from, isDomain, utf8OK); i < len(path) {
			return wrongOctet(what, path, i, "letters, digits and hyphens in a domain", rfc)
		}
	}
	return checkUTF8(what, path, utf8OK)
}

// spanQuoted returns where the quoted string at the front of s ends, behind its closing
// mark, or else where it goes wrong.
func spanQuoted(s string, utf8OK bool) (end int, ok bool) {
	for i := 1; ; i += 2 {
		i = spanClass(s, i, isQtext, utf8OK)
		switch {
		case i == len(s):
			return i, false
		case s[i] == '"':
			return i + 1, true
		case s[i] != '\\':
			return i, false
		case i+1 == len(s) || class[s[i+1]]&isText == 0:
			return i + 1, false
		}
	}
}

func checkUTF8(what, s string, utf8OK bool) *ArgumentError {
	if utf8OK && !utf8.ValidString(s) {
		return wrongOctet(what, s, invalidUTF8(s), "UTF-8 only", "RFC 6531 §3.3")
	}
	return nil
}

// checkName demands what a client may call itself: a domain name of letters, digits and
// hyphens, or an address literal (RFC 5321 §4.1.1.1, §2.3.5).
func checkName(name string) *ArgumentError {
	const what, rfc = "EHLO name", "RFC 5321 §2.3.5"
	switch {
	case name == "":
		return wrong(what, "empty", "a domain name or an address literal", "RFC 5321 §4.1.1.1")
	case len(name) > maxDomain:
		return wrong(what, octets(len(name)), "at most 255", "RFC 5321 §4.5.3.1.2")
	case name[0] == '[':
		i := spanClass(name, 1, isLiteral, false)
		if i == 1 || i+1 != len(name) || name[i] != ']' {
			return wrongOctet(what, name, i, "an address literal in brackets and nothing else", "RFC 5321 §4.1.3")
		}
		if addr, err := netip.ParseAddr(name[1:i]); err == nil && addr.Is6() {
			return wrong(what, "an IPv6 address without its tag", "IPv6: in front of the address", "RFC 5321 §4.1.3")
		}
		return nil
	}
	label := 0
	for i := range len(name) {
		switch c := name[i]; {
		case isAlnum(c):
		case c == '-' && i > label && i+1 < len(name) && name[i+1] != '.':
		case c == '.' && i > label && i+1 < len(name):
			label = i + 1
			continue
		default:
			return wrongOctet(what, name, i, "labels of letters, digits and inner hyphens", rfc)
		}
		if i-label >= maxLabel {
			return wrongOctet(what, name, i, "at most 63 octets in a label", "RFC 1035 §2.3.4")
		}
	}
	if label == 0 && name != "localhost" {
		return wrong(what, "one label", "a fully-qualified name, or an address literal", rfc)
	}
	return nil
}

// wrong makes the error of an argument that is wrong as a whole.
func wrong(what, found, rule, rfc string) *ArgumentError {
	return &ArgumentError{What: what, Found: found, Offset: -1, Rule: rule, RFC: rfc}
}

// wrongOctet makes the error of an argument that is wrong at s[i], or ends there.
func wrongOctet(what, s string, i int, rule, rfc string) *ArgumentError {
	found := "end"
	if i < len(s) {
		found = octetName(s[i])
	}
	return &ArgumentError{What: what, Found: found, Offset: i, Rule: rule, RFC: rfc}
}

func octets(n int) string { return strconv.Itoa(n) + " octets" }

// octetName names an octet so that it can be printed.
func octetName(c byte) string {
	switch {
	case c == '\r':
		return "CR"
	case c == '\n':
		return "LF"
	case c == 0:
		return "NUL"
	case c == ' ':
		return "SP"
	case c == '\t':
		return "HT"
	case c == 0x7f:
		return "DEL"
	case c > ' ' && c < 0x7f:
		return string([]byte{'\'', c, '\''})
	}
	return "octet 0x" + strconv.FormatUint(uint64(c), 16)
}

// invalidUTF8 returns the offset of the first octet of s that is not part of a
// character.
func invalidUTF8(s string) int {
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		if r == utf8.RuneError && n == 1 {
			return i
		}
		i += n
	}
	return len(s)
}
