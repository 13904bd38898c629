package auth

import "strings"

// maxDigestChallenge is the length of a challenge in octets (RFC 2831 §2.1.1).
const maxDigestChallenge = 2048

// directives are the name=value pairs of a challenge, by name in lower case,
// in the order they came.
type directives map[string][]string

// one returns the value of a directive that came exactly once.
func (d directives) one(name string) (string, bool) {
	if len(d[name]) != 1 {
		return "", false
	}
	return d[name][0], true
}

// parseDirectives reads 1#( token "=" ( token | quoted-string ) ), the list of
// RFC 2831 §7.1: elements may be empty, blanks may stand around them.
func parseDirectives(text []byte) (directives, error) {
	if len(text) >= maxDigestChallenge {
		return nil, broken(RuleLongChallenge, "limit 2047 octets")
	}
	d := directives{}
	rest := string(text)
	for {
		rest = strings.TrimLeft(rest, ", \t\r\n")
		if rest == "" {
			break
		}
		name, after := cutToken(rest)
		after = trimBlank(after)
		if name == "" || !strings.HasPrefix(after, "=") {
			return nil, brokenBy(RuleBadChallenge, "no name=value", text)
		}
		value, after, ok := cutValue(trimBlank(after[1:]))
		after = trimBlank(after)
		if !ok || after != "" && after[0] != ',' {
			return nil, brokenBy(RuleBadChallenge, "value of a directive", text)
		}
		name = strings.ToLower(name)
		d[name] = append(d[name], value)
		rest = after
	}
	if len(d) == 0 {
		return nil, brokenBy(RuleBadChallenge, "no directive", text)
	}
	return d, nil
}

func trimBlank(s string) string { return strings.TrimLeft(s, " \t\r\n") }

// cutToken splits off a token (RFC 2831 §7.1).
func cutToken(s string) (token, rest string) {
	i := 0
	for i < len(s) && s[i] > ' ' && s[i] < 0x7F && !strings.ContainsRune(`()<>@,;:\"/[]?={}`, rune(s[i])) {
		i++
	}
	return s[:i], s[i:]
}

// cutValue splits off a token or a quoted-string, which it unquotes.
func cutValue(s string) (value, rest string, ok bool) {
	if !strings.HasPrefix(s, `"`) {
		value, rest = cutToken(s)
		return value, rest, value != ""
	}
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		switch s[i] {
		case '"':
			return b.String(), s[i+1:], true
		case '\\':
			if i++; i == len(s) {
				return "", "", false
			}
		}
		b.WriteByte(s[i])
	}
	return "", "", false
}

// quote writes a quoted-string.
func quote(s string) string { return `"` + quotedPair.Replace(s) + `"` }

var quotedPair = strings.NewReplacer(`\`, `\\`, `"`, `\"`)
