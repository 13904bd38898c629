package sink

import (
	"bytes"
	"net/netip"
	"strings"
	"unicode/utf8"
)

// fault is what is wrong with a path.
type fault uint8

const (
	faultNone   fault = iota
	faultSyntax       // not the grammar of RFC 5321 §4.1.2
	faultLong         // over the lengths of RFC 5321 §4.5.3.1
	faultUTF8         // not ASCII, and SMTPUTF8 was not asked for (RFC 6531 §3.4)
)

// cutPath splits the argument of MAIL and RCPT behind its colon: "<path>" and what
// comes after. The path is as between the angle brackets.
func cutPath(p []byte) (path, rest []byte, ok bool) {
	if len(p) == 0 || p[0] != '<' {
		return nil, nil, false
	}
	quoted := false
	for i := 1; i < len(p); i++ {
		switch {
		case quoted && p[i] == '\\':
			i++
		case p[i] == '"':
			quoted = !quoted
		case p[i] == '>' && !quoted:
			return p[1:i], p[i+1:], true
		}
	}
	return nil, nil, false
}

// checkPath checks a path that is not empty and takes a source route away, which
// is to be accepted and ignored (RFC 5321 §4.1.1.3, appendix C).
func checkPath(path []byte, utf8OK bool) (mailbox []byte, f fault) {
	if len(path) > 254 { // with its brackets 256
		return nil, faultLong
	}
	if path[0] == '@' {
		route, rest, ok := bytes.Cut(path, []byte(":"))
		if !ok {
			return nil, faultSyntax
		}
		for hop := range bytes.SplitSeq(route, []byte(",")) {
			if len(hop) == 0 || hop[0] != '@' {
				return nil, faultSyntax
			}
			if f := checkDomain(hop[1:], utf8OK); f != faultNone {
				return nil, f
			}
		}
		path = rest
	}
	return path, checkMailbox(path, utf8OK)
}

// checkMailbox checks Local-part "@" ( Domain / address-literal ).
func checkMailbox(p []byte, utf8OK bool) fault {
	at := bytes.LastIndexByte(p, '@')
	if at <= 0 {
		return faultSyntax
	}
	if bytes.IndexByte(p[at:], ']') < 0 || p[len(p)-1] != ']' {
		if f := checkDomain(p[at+1:], utf8OK); f != faultNone {
			return f
		}
	} else if !isLiteral(p[at+1:]) {
		return faultSyntax
	}
	return checkLocal(p[:at], utf8OK)
}

// checkLocal checks a Dot-string or a Quoted-string.
func checkLocal(p []byte, utf8OK bool) fault {
	switch {
	case len(p) > 64:
		return faultLong
	case !ascii(p) && !utf8.Valid(p):
		return faultSyntax
	case !ascii(p) && !utf8OK:
		return faultUTF8
	case p[0] == '"':
		if !isQuoted(p) {
			return faultSyntax
		}
		return faultNone
	}
	dot := true // an atom has to follow
	for _, c := range p {
		switch {
		case c == '.' && dot:
			return faultSyntax
		case c == '.':
			dot = true
		case isAtom(c):
			dot = false
		default:
			return faultSyntax
		}
	}
	if dot {
		return faultSyntax
	}
	return faultNone
}

func isQuoted(p []byte) bool {
	if len(p) < 2 || p[len(p)-1] != '"' {
		return false
	}
	p = p[1 : len(p)-1]
	for i := 0; i < len(p); i++ {
		switch c := p[i]; {
		case c == '\\':
			if i++; i == len(p) || p[i] < ' ' || p[i] > '~' {
				return false
			}
		case c == '"' || c < ' ' || c == 0x7F:
			return false
		}
	}
	return true
}

// checkDomain checks sub-domain *("." sub-domain) of letters, digits and inner
// hyphens, with U-labels under SMTPUTF8.
func checkDomain(p []byte, utf8OK bool) fault {
	switch {
	case len(p) > 255:
		return faultLong
	case !ascii(p) && !utf8.Valid(p):
		return faultSyntax
	case !ascii(p) && !utf8OK:
		return faultUTF8
	}
	start := 0
	for i := 0; i <= len(p); i++ {
		if i < len(p) && p[i] != '.' {
			if c := p[i]; !isLetDig(c) && c != '-' && c < 0x80 {
				return faultSyntax
			}
			continue
		}
		label := p[start:i]
		if len(label) == 0 || label[0] == '-' || label[len(label)-1] == '-' {
			return faultSyntax
		}
		if len(label) > 63 && ascii(label) {
			return faultLong
		}
		start = i + 1
	}
	return faultNone
}

// isLiteral checks an address literal with its square brackets (RFC 5321 §4.1.3).
func isLiteral(p []byte) bool {
	if len(p) < 2 || len(p) > 255 || p[0] != '[' || p[len(p)-1] != ']' {
		return false
	}
	p = p[1 : len(p)-1]
	if len(p) > 5 && is(p[:5], "IPV6:") {
		a, err := netip.ParseAddr(string(p[5:]))
		return err == nil && a.Is6() && a.Zone() == ""
	}
	a, err := netip.ParseAddr(string(p))
	return err == nil && a.Is4()
}

// isHost checks the argument of EHLO and HELO: a domain or an address literal.
func isHost(p []byte) bool { return checkDomain(p, false) == faultNone || isLiteral(p) }

func isLetDig(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c|0x20 && c|0x20 <= 'z'
}

// isAtom reports whether c is atext (RFC 5322 §3.2.3) or part of a UTF-8 sequence.
func isAtom(c byte) bool {
	return isLetDig(c) || c >= 0x80 || strings.IndexByte("!#$%&'*+-/=?^_`{|}~", c) >= 0
}

func ascii(p []byte) bool {
	for _, c := range p {
		if c >= 0x80 {
			return false
		}
	}
	return true
}

// is compares p with an upper-case word without regard to case.
func is(p []byte, upper string) bool {
	if len(p) != len(upper) {
		return false
	}
	for i, c := range p {
		if 'a' <= c && c <= 'z' {
			c -= 0x20
		}
		if c != upper[i] {
			return false
		}
	}
	return true
}
