package codec

import "strconv"

// Enhanced is an enhanced mail system status code (RFC 3463). The zero value is none.
type Enhanced struct {
	Class   uint16 // 2, 4 or 5
	Subject uint16 // 0 to 999
	Detail  uint16 // 0 to 999
}

// IsZero reports whether there is no code.
func (e Enhanced) IsZero() bool { return e == Enhanced{} }

// String returns the code as "5.1.1", or "" if there is none.
func (e Enhanced) String() string {
	if e.IsZero() {
		return ""
	}
	return string(e.append(nil))
}

func (e Enhanced) append(b []byte) []byte {
	b = strconv.AppendUint(b, uint64(e.Class), 10)
	b = append(b, '.')
	b = strconv.AppendUint(b, uint64(e.Subject), 10)
	b = append(b, '.')
	return strconv.AppendUint(b, uint64(e.Detail), 10)
}

// ParseEnhanced takes a code off the front of a reply line's text: class 2, 4 or 5,
// then twice "." and one to three digits, then a blank or the end (RFC 3463 §2,
// RFC 2034 §4). Anything else is no code; rest is then all of text.
func ParseEnhanced(text []byte) (e Enhanced, rest []byte) {
	if len(text) < 5 || text[1] != '.' || text[0] != '2' && text[0] != '4' && text[0] != '5' {
		return Enhanced{}, text
	}
	if len(text) > 6 && isDigit(text[2]) && text[3] == '.' && isDigit(text[4]) && text[5] == ' ' && !isBlank(text[6]) { // as nearly all are
		return Enhanced{uint16(text[0] - '0'), uint16(text[2] - '0'), uint16(text[4] - '0')}, text[6:]
	}
	subject, i := threeDigits(text, 2)
	if i < 0 || i == len(text) || text[i] != '.' {
		return Enhanced{}, text
	}
	detail, i := threeDigits(text, i+1)
	if i < 0 || i < len(text) && !isBlank(text[i]) {
		return Enhanced{}, text
	}
	for i < len(text) && isBlank(text[i]) {
		i++
	}
	return Enhanced{uint16(text[0] - '0'), subject, detail}, text[i:]
}

// threeDigits reads one to three digits from text[i] on and returns where they end,
// -1 if there are none or more than three.
func threeDigits(text []byte, i int) (n uint16, end int) {
	for end = i; end < len(text) && isDigit(text[end]); end++ {
		if end-i == 3 {
			return 0, -1
		}
		n = n*10 + uint16(text[end]-'0')
	}
	if end == i {
		return 0, -1
	}
	return n, end
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }
func isBlank(c byte) bool { return c == ' ' || c == '\t' }
