package codec

import (
	"encoding/base64"
	"strconv"
	"strings"
)

// Each appender appends one command line with its CRLF to dst, or returns dst as it was
// and an [*ArgumentError].

// AppendEhlo appends EHLO (RFC 5321 §4.1.1.1). The name is a domain name in A-labels or
// an address literal.
func AppendEhlo(dst []byte, name string) ([]byte, error) { return appendHello(dst, "EHLO ", name) }

// AppendHelo appends HELO (RFC 5321 §4.1.1.1).
func AppendHelo(dst []byte, name string) ([]byte, error) { return appendHello(dst, "HELO ", name) }

// AppendLhlo appends LHLO (RFC 2033 §4.1).
func AppendLhlo(dst []byte, name string) ([]byte, error) { return appendHello(dst, "LHLO ", name) }

func appendHello(dst []byte, verb, name string) ([]byte, error) {
	if err := checkName(name); err != nil {
		return dst, err
	}
	dst = append(dst, verb...)
	dst = append(dst, name...)
	return append(dst, "\r\n"...), nil
}

// AppendBdat appends BDAT for a chunk of n octets, n >= 0 (RFC 3030 §2).
func AppendBdat(dst []byte, n int64, last bool) []byte {
	dst = append(dst, "BDAT "...)
	dst = strconv.AppendInt(dst, n, 10)
	if last {
		dst = append(dst, " LAST"...)
	}
	return append(dst, "\r\n"...)
}

// AppendAuth appends AUTH with the name of a SASL mechanism and, if hasInitial, the
// initial response in base64, "=" for an empty one (RFC 4954 §4). A line over 512
// octets is an error: such a response has to wait for the empty challenge.
func AppendAuth(dst []byte, mech string, initial []byte, hasInitial bool) ([]byte, error) {
	if !isMechanism(mech) {
		return dst, wrong("mechanism", "not a name", "1 to 20 capitals, digits, hyphens and underscores", "RFC 4422 §3.1")
	}
	size := len("AUTH \r\n") + len(mech)
	if hasInitial {
		size += 1 + max(1, base64.StdEncoding.EncodedLen(len(initial)))
	}
	if size > CommandLine {
		return dst, wrong("initial response", "a line of "+octets(size), "at most 512", "RFC 4954 §4")
	}
	dst = append(dst, "AUTH "...)
	dst = append(dst, mech...)
	if hasInitial {
		dst = append(dst, ' ')
		if len(initial) == 0 {
			dst = append(dst, '=')
		}
		dst = base64.StdEncoding.AppendEncode(dst, initial)
	}
	return append(dst, "\r\n"...), nil
}

// AppendAuthResponse appends the answer to a challenge in base64 (RFC 4954 §4).
func AppendAuthResponse(dst, response []byte) []byte {
	return append(base64.StdEncoding.AppendEncode(dst, response), "\r\n"...)
}

// AppendAuthCancel appends the line that cancels an AUTH exchange (RFC 4954 §4).
func AppendAuthCancel(dst []byte) []byte { return append(dst, "*\r\n"...) }

// DecodeChallenge appends the decoded text of a 334 reply. An empty text is an empty
// challenge; what is not base64, to the last padding bit, is an error and has to be
// answered by [AppendAuthCancel] (RFC 4954 §4).
func DecodeChallenge(dst, text []byte) ([]byte, error) {
	for i, c := range text { // the decoder would skip CR and LF
		if c == '\r' || c == '\n' {
			return dst, &ArgumentError{"challenge", octetName(c), i, "base64 only", "RFC 4954 §4"}
		}
	}
	out, err := base64.StdEncoding.Strict().AppendDecode(dst, text)
	if err != nil {
		return dst, wrong("challenge", "not base64", "base64 with padding", "RFC 4954 §4")
	}
	return out, nil
}

// AppendVrfy appends VRFY (RFC 5321 §4.1.1.6); utf8 adds the parameter SMTPUTF8 and
// allows UTF-8 (RFC 6531 §3.7.4.2).
func AppendVrfy(dst []byte, arg string, utf8 bool) ([]byte, error) {
	return appendQuestion(dst, "VRFY", arg, utf8)
}

// AppendExpn appends EXPN (RFC 5321 §4.1.1.7); utf8 as for [AppendVrfy].
func AppendExpn(dst []byte, arg string, utf8 bool) ([]byte, error) {
	return appendQuestion(dst, "EXPN", arg, utf8)
}

// AppendHelp appends HELP (RFC 5321 §4.1.1.8); arg may be empty.
func AppendHelp(dst []byte, arg string, utf8 bool) ([]byte, error) {
	return appendString(dst, "HELP", arg, utf8, "")
}

// AppendNoop appends NOOP (RFC 5321 §4.1.1.9); arg may be empty.
func AppendNoop(dst []byte, arg string, utf8 bool) ([]byte, error) {
	return appendString(dst, "NOOP", arg, utf8, "")
}

func appendQuestion(dst []byte, verb, arg string, utf8 bool) ([]byte, error) {
	if arg == "" {
		return dst, wrong(verb+" argument", "empty", "a user, mailbox or list", "RFC 5321 §3.5.1")
	}
	if utf8 {
		return appendString(dst, verb, arg, utf8, " SMTPUTF8")
	}
	return appendString(dst, verb, arg, utf8, "")
}

// appendString appends a verb with a free argument, which may be empty, and a parameter.
func appendString(dst []byte, verb, arg string, utf8 bool, param string) ([]byte, error) {
	if arg != "" {
		if err := checkText(verb, arg, utf8); err != nil {
			return dst, err
		}
	}
	size := len(verb) + 1 + len(arg) + len("\r\n")
	if size > CommandLine { // RFC 6531 §3.1 raises the limit by what param takes
		return dst, wrong(verb+" argument", "a line of "+octets(size), "at most 512", "RFC 5321 §4.5.3.1.4")
	}
	dst = append(dst, verb...)
	if arg != "" {
		dst = append(dst, ' ')
		dst = append(dst, arg...)
	}
	dst = append(dst, param...)
	return append(dst, "\r\n"...), nil
}

// AppendLine appends a command line of the caller's own, without CRLF. It may hold
// printable characters, UTF-8 included, and be as long as the longest command that
// extensions allow. DATA, BDAT, STARTTLS and AUTH change what the octets behind them
// mean, EHLO, HELO and LHLO what is offered: they are refused.
func AppendLine(dst []byte, line string) ([]byte, error) {
	const what = "command line"
	if line == "" {
		return dst, wrong(what, "empty", "a verb", "RFC 5321 §4.1.1")
	}
	if err := checkText(what, line, true); err != nil {
		return dst, err
	}
	if size := len(line) + len("\r\n"); size > mostMail {
		return dst, wrong(what, octets(size), "at most "+strconv.Itoa(mostMail), "RFC 5321 §4.5.3.1.4")
	}
	verb, _, _ := strings.Cut(line, " ")
	for _, own := range [...]string{"DATA", "BDAT", "STARTTLS", "AUTH", "EHLO", "HELO", "LHLO"} {
		if strings.EqualFold(verb, own) {
			return dst, wrong(what, own, "commands that change the stream are not sent as a line", "")
		}
	}
	dst = append(dst, line...)
	return append(dst, "\r\n"...), nil
}

// checkText demands printable characters without blanks at the ends: some servers
// refuse a line that ends with one (RFC 5321 §4.1.1).
func checkText(what, s string, utf8 bool) *ArgumentError {
	if s[0] == ' ' || s[len(s)-1] == ' ' {
		return wrong(what, "SP at an end", "no blanks at the ends", "RFC 5321 §4.1.1")
	}
	return checkClass(what, s, isText, utf8, "printable characters only", "RFC 5321 §4.1.2")
}
