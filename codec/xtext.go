package codec

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

const upperHex = "0123456789ABCDEF"

// AppendXtext appends s as xtext (RFC 3461 §4): "+", "=" and every octet that is not
// printable ASCII become "+" and two capital hexadecimal digits.
func AppendXtext(dst []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; class[c]&isXchar != 0 {
			dst = append(dst, c)
		} else {
			dst = append(dst, '+', upperHex[c>>4], upperHex[c&15])
		}
	}
	return dst
}

// DecodeXtext is the reverse of [AppendXtext]. What is no xtext is an
// [*ArgumentError].
func DecodeXtext(s string) (string, error) {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch {
		case class[c]&isXchar != 0:
		case c == '+' && i+2 < len(s) && upperHexDigit(s[i+1]) >= 0 && upperHexDigit(s[i+2]) >= 0:
			c = byte(upperHexDigit(s[i+1])<<4 | upperHexDigit(s[i+2]))
			i += 2
		default:
			return "", wrongOctet("xtext", s, i, "printable ASCII, or + and two capital hexadecimal digits", "RFC 3461 §4")
		}
		b.WriteByte(c)
	}
	return b.String(), nil
}

// AppendUTF8Xtext appends s in the form that the address type utf-8 has where nothing
// but ASCII may be sent (utf-8-addr-xtext, RFC 6533 §3): "+", "=", the backslash and
// what is not printable ASCII become \x{...} with the number of the character.
func AppendUTF8Xtext(dst []byte, s string) []byte {
	for _, r := range s {
		if r != '\\' && r < utf8.RuneSelf && class[r]&isXchar != 0 {
			dst = append(dst, byte(r))
			continue
		}
		dst = append(dst, `\x{`...)
		if r < 0x10 {
			dst = append(dst, '0')
		}
		from := len(dst)
		dst = strconv.AppendUint(dst, uint64(r), 16)
		for i, c := range dst[from:] {
			if c >= 'a' {
				dst[from+i] = c - 'a' + 'A'
			}
		}
		dst = append(dst, '}')
	}
	return dst
}

// DecodeUTF8Xtext is the reverse of [AppendUTF8Xtext]; it also takes characters that
// are there as UTF-8 (utf-8-addr-unitext). What is neither is an [*ArgumentError].
func DecodeUTF8Xtext(s string) (string, error) {
	const rule, rfc = `printable characters, or \x{...}`, "RFC 6533 §3"
	var b strings.Builder
	for i := 0; i < len(s); {
		if s[i] == '\\' {
			digits, _, ok := strings.Cut(strings.TrimPrefix(s[i:], `\x{`), "}")
			r := hexPoint(digits)
			if !ok || !strings.HasPrefix(s[i:], `\x{`) || r < 0 {
				return "", wrongOctet("utf-8 address", s, i, rule, rfc)
			}
			b.WriteRune(r)
			i += len(`\x{}`) + len(digits)
			continue
		}
		r, n := utf8.DecodeRuneInString(s[i:])
		if r < utf8.RuneSelf && class[r]&isXchar == 0 || r == utf8.RuneError && n == 1 {
			return "", wrongOctet("utf-8 address", s, i, rule, rfc)
		}
		b.WriteString(s[i : i+n])
		i += n
	}
	return b.String(), nil
}

// hexPoint reads the two to six capital digits of an embedded character, -1 if they are
// none or name what may not be embedded: surrogates, and printable ASCII that stands
// for itself.
func hexPoint(digits string) rune {
	if len(digits) < 2 || len(digits) > 6 || len(digits) > 2 && digits[0] == '0' {
		return -1
	}
	var r rune
	for i := range len(digits) {
		d := upperHexDigit(digits[i])
		if d < 0 {
			return -1
		}
		r = r<<4 | rune(d)
	}
	if !utf8.ValidRune(r) || r < utf8.RuneSelf && r != '\\' && class[r]&isXchar != 0 {
		return -1
	}
	return r
}

func upperHexDigit(c byte) int { return strings.IndexByte(upperHex, c) }
