package sink

import (
	"bytes"
	"math"
	"time"
	"unicode/utf8"
)

// paramRule is a MAIL or RCPT parameter (RFC 5321 §4.1.2).
type paramRule struct {
	keyword string
	of      Extensions // one of them has to be offered
	bit     uint16     // each may come once; those that exclude each other share one
	check   func(s *session, m *mail, value []byte) Reply
}

var (
	accepted = Reply{}
	badValue = Reply{Code: 501, Enhanced: "5.5.4", Text: "Bad value of a parameter"}
)

var mailRules = []paramRule{
	{"SIZE", Size, 1 << 0, checkSize},
	{"BODY", EightBitMIME | BinaryMIME, 1 << 1, checkBody},
	{"SMTPUTF8", SMTPUTF8, 1 << 2, func(_ *session, m *mail, v []byte) Reply { m.utf8 = true; return whether(v == nil) }},
	{"RET", DSN, 1 << 3, func(_ *session, _ *mail, v []byte) Reply { return whether(is(v, "FULL") || is(v, "HDRS")) }},
	{"ENVID", DSN, 1 << 4, func(_ *session, _ *mail, v []byte) Reply { return whether(len(v) <= 100 && isXtext(v)) }},
	{"AUTH", AuthExtension, 1 << 5, checkAuth},
	{"BY", DeliverBy, 1 << 6, checkBy},
	{"HOLDFOR", FutureRelease, 1 << 7, checkHoldFor},
	{"HOLDUNTIL", FutureRelease, 1 << 7, checkHoldUntil},
	{"MT-PRIORITY", MTPriority, 1 << 8, checkPriority},
	{"REQUIRETLS", RequireTLS, 1 << 9, func(_ *session, _ *mail, v []byte) Reply { return whether(v == nil) }},
}

var rcptRules = []paramRule{
	{"NOTIFY", DSN, 1 << 0, checkNotify},
	{"ORCPT", DSN, 1 << 1, checkORcpt},
}

func (s *session) mailParams(m *mail, p []byte) bool { return s.params(mailRules, m, p) }
func (s *session) rcptParams(p []byte) bool          { return s.params(rcptRules, &s.mail, p) }

// params checks the parameters behind a path and answers the first bad one.
func (s *session) params(rules []paramRule, m *mail, p []byte) bool {
	var seen uint16
	for len(p) > 0 {
		if p[0] != ' ' {
			s.say(501, "5.5.4", "A space has to come between path and parameters")
			return false
		}
		word, rest := p[1:], []byte(nil)
		if i := bytes.IndexByte(word, ' '); i >= 0 {
			word, rest = word[:i], word[i:]
		}
		p = rest
		keyword, value, hasValue := bytes.Cut(word, []byte("="))
		if !hasValue {
			value = nil
		}
		if !isKeyword(keyword) || hasValue && !isValue(value) {
			s.say(501, "5.5.4", "Not the grammar of a parameter")
			return false
		}
		rule := s.rule(rules, keyword)
		if rule == nil {
			s.say(555, "5.5.4", "Parameter not recognized or not offered")
			return false
		}
		if seen&rule.bit != 0 {
			s.say(501, "5.5.4", "A parameter came twice, or with one that excludes it")
			return false
		}
		seen |= rule.bit
		if r := rule.check(s, m, value); !r.IsZero() {
			s.say(r.Code, r.Enhanced, r.Text)
			return false
		}
	}
	return true
}

// rule finds a parameter among those offered to this client.
func (s *session) rule(rules []paramRule, keyword []byte) *paramRule {
	for i := range rules {
		if is(keyword, rules[i].keyword) && s.extended && s.offers(rules[i].of) {
			return &rules[i]
		}
	}
	return nil
}

func whether(ok bool) Reply {
	if ok {
		return accepted
	}
	return badValue
}

func checkSize(s *session, _ *mail, v []byte) Reply { // RFC 1870 §4
	n, ok := number(v, 20)
	if most := s.srv.Limits.size(); ok && most >= 0 && n > most {
		return Reply{Code: 552, Enhanced: "5.3.4", Text: "Message is larger than SIZE allows"}
	}
	return whether(ok)
}

func checkBody(s *session, m *mail, v []byte) Reply {
	switch {
	case is(v, "7BIT"):
	case is(v, "8BITMIME") && s.offers(EightBitMIME):
		m.body = body8Bit
	case is(v, "BINARYMIME") && s.offers(BinaryMIME):
		m.body = bodyBinary
	default:
		return badValue
	}
	return accepted
}

func checkAuth(_ *session, _ *mail, v []byte) Reply { // RFC 4954 §5
	return whether(len(v) > 0 && len(v) <= 500 && isXtext(v))
}

func checkBy(_ *session, _ *mail, v []byte) Reply { // RFC 2852 §4
	seconds, mode, ok := bytes.Cut(v, []byte(";"))
	digits, negative := bytes.CutPrefix(seconds, []byte("-"))
	n, isNumber := number(digits, 9)
	mode = bytes.TrimSuffix(bytes.ToUpper(mode), []byte("T"))
	switch {
	case !ok || !isNumber || string(mode) != "R" && string(mode) != "N":
		return badValue
	case string(mode) == "R" && (negative || n == 0):
		return badValue
	}
	return accepted
}

func checkHoldFor(_ *session, _ *mail, v []byte) Reply { // RFC 4865 §4.2
	n, ok := number(v, 9)
	return whether(ok && n > 0 && n <= int64(holdMax.Seconds()))
}

func checkHoldUntil(_ *session, _ *mail, v []byte) Reply {
	t, err := time.Parse(time.RFC3339, string(v))
	return whether(err == nil && time.Until(t) <= holdMax)
}

func checkPriority(_ *session, _ *mail, v []byte) Reply { // RFC 6710 §4.1
	digit := bytes.TrimPrefix(v, []byte("-"))
	if len(digit) != 1 || digit[0] < '0' || digit[0] > '9' || string(v) == "-0" {
		return Reply{Code: 501, Enhanced: "5.5.2", Text: "MT-PRIORITY is -9 to 9"}
	}
	return accepted
}

func checkNotify(_ *session, _ *mail, v []byte) Reply { // RFC 3461 §4.1
	if is(v, "NEVER") {
		return accepted
	}
	for word := range bytes.SplitSeq(v, []byte(",")) {
		if !is(word, "SUCCESS") && !is(word, "FAILURE") && !is(word, "DELAY") {
			return badValue
		}
	}
	return accepted
}

func checkORcpt(s *session, m *mail, v []byte) Reply { // RFC 3461 §4.2, RFC 6533 §3
	kind, address, ok := bytes.Cut(v, []byte(";"))
	if !ok || len(v) > 500 || len(address) == 0 || !isKeyword(kind) {
		return badValue
	}
	if is(kind, "UTF-8") && s.offers(SMTPUTF8) {
		return whether((m.utf8 || ascii(address)) && utf8.Valid(address))
	}
	return whether(isXtext(address))
}

// number reads 1 to most digits; what does not fit is the largest number.
func number(p []byte, most int) (n int64, ok bool) {
	if len(p) == 0 || len(p) > most {
		return 0, false
	}
	for _, c := range p {
		if c < '0' || c > '9' {
			return 0, false
		}
		if n > (math.MaxInt64-9)/10 {
			n = math.MaxInt64
			continue
		}
		n = n*10 + int64(c-'0')
	}
	return n, true
}

// isXtext checks RFC 3461 §4: printable ASCII but "+" and "=", and "+" with two
// upper-case hexadecimal digits.
func isXtext(p []byte) bool {
	hex := func(c byte) bool { return '0' <= c && c <= '9' || 'A' <= c && c <= 'F' }
	for i := 0; i < len(p); i++ {
		switch c := p[i]; {
		case c == '+':
			if i+2 >= len(p) || !hex(p[i+1]) || !hex(p[i+2]) {
				return false
			}
			i += 2
		case c < '!' || c > '~' || c == '=':
			return false
		}
	}
	return true
}

func isKeyword(p []byte) bool {
	if len(p) == 0 || !isLetDig(p[0]) {
		return false
	}
	for _, c := range p {
		if !isLetDig(c) && c != '-' {
			return false
		}
	}
	return true
}

// isValue checks esmtp-value, in which "=" and control characters are forbidden.
// What is not ASCII is left to the parameter's own rule (RFC 6531 §3.3).
func isValue(p []byte) bool {
	for _, c := range p {
		if c <= ' ' || c == '=' || c == 0x7F {
			return false
		}
	}
	return len(p) > 0
}
