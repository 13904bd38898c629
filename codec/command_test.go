package codec_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/parley-mail/parley/codec"
)

// argument is one string that a caller can put into a command, and the command's
// beginning.
type argument struct {
	name, begin string
	put         func(dst []byte, s string, utf8 bool) ([]byte, error)
}

func mailWith(set func(p *codec.MailParams, s string)) func([]byte, string, bool) ([]byte, error) {
	return func(dst []byte, s string, utf8 bool) ([]byte, error) {
		p := codec.MailParams{SMTPUTF8: utf8}
		set(&p, s)
		return codec.AppendMail(dst, "MAIL", "a@b.example", &p)
	}
}

func rcptWith(set func(p *codec.RcptParams, s string)) func([]byte, string, bool) ([]byte, error) {
	return func(dst []byte, s string, utf8 bool) ([]byte, error) {
		p := codec.RcptParams{SMTPUTF8: utf8}
		set(&p, s)
		return codec.AppendRcpt(dst, "a@b.example", &p)
	}
}

func ascii(f func([]byte, string) ([]byte, error)) func([]byte, string, bool) ([]byte, error) {
	return func(dst []byte, s string, _ bool) ([]byte, error) { return f(dst, s) }
}

// arguments lists every string that reaches a command line.
var arguments = []argument{
	{"EHLO", "EHLO ", ascii(codec.AppendEhlo)},
	{"HELO", "HELO ", ascii(codec.AppendHelo)},
	{"LHLO", "LHLO ", ascii(codec.AppendLhlo)},
	{"VRFY", "VRFY", codec.AppendVrfy},
	{"EXPN", "EXPN", codec.AppendExpn},
	{"HELP", "HELP", codec.AppendHelp},
	{"NOOP", "NOOP", codec.AppendNoop},
	{"mechanism", "AUTH ", func(dst []byte, s string, _ bool) ([]byte, error) { return codec.AppendAuth(dst, s, []byte(s), true) }},
	{"line", "", func(dst []byte, s string, _ bool) ([]byte, error) { return codec.AppendLine(dst, s) }},
	{"verb", "", func(dst []byte, s string, _ bool) ([]byte, error) {
		return codec.AppendMail(dst, s, "a@b.example", nil)
	}},
	{"reverse-path", "MAIL FROM:<", func(dst []byte, s string, utf8 bool) ([]byte, error) {
		return codec.AppendMail(dst, "MAIL", s, &codec.MailParams{SMTPUTF8: utf8})
	}},
	{"RET", "MAIL FROM:<", mailWith(func(p *codec.MailParams, s string) { p.Return = s })},
	{"ENVID", "MAIL FROM:<", mailWith(func(p *codec.MailParams, s string) { p.EnvelopeID = s })},
	{"AUTH parameter", "MAIL FROM:<", mailWith(func(p *codec.MailParams, s string) { p.Auth = s })},
	{"HOLDUNTIL", "MAIL FROM:<", mailWith(func(p *codec.MailParams, s string) { p.HoldUntil = s })},
	{"MAIL parameter", "MAIL FROM:<", mailWith(func(p *codec.MailParams, s string) { p.Extra = []string{"X=1", s} })},
	{"forward-path", "RCPT TO:<", func(dst []byte, s string, utf8 bool) ([]byte, error) {
		return codec.AppendRcpt(dst, s, &codec.RcptParams{SMTPUTF8: utf8})
	}},
	{"ORCPT", "RCPT TO:<", rcptWith(func(p *codec.RcptParams, s string) { p.OriginalRecipient = s })},
	{"RCPT parameter", "RCPT TO:<", rcptWith(func(p *codec.RcptParams, s string) { p.Extra = []string{"X=1", s} })},
}

// checkArgument puts s behind what is there already: that stays, and behind it is
// nothing but an error, or one line of the command that was asked for, whose parts
// are where they belong.
func checkArgument(t *testing.T, a argument, s string, utf8OK bool) {
	t.Helper()
	const before = "QUIT\r\n"
	got, err := a.put([]byte(before), s, utf8OK)
	rest, ok := bytes.CutPrefix(got, []byte(before))
	if !ok {
		t.Fatalf("%s %q: %q was changed", a.name, s, got)
	}
	var wrong *codec.ArgumentError
	if err != nil {
		if !errors.As(err, &wrong) || len(rest) > 0 || strings.ContainsFunc(err.Error(), func(r rune) bool { return !unicode.IsPrint(r) }) {
			t.Fatalf("%s %q: %q, %q", a.name, s, rest, err)
		}
		return
	}
	line, ok := strings.CutSuffix(string(rest), "\r\n")
	if !ok || !strings.HasPrefix(line, a.begin) || strings.HasSuffix(line, " ") || len(rest) > 1258 || !utf8.ValidString(line) {
		t.Fatalf("%s %q: %q", a.name, s, rest)
	}
	for i := range len(line) {
		if c := line[i]; c < ' ' || c == 0x7f || c >= utf8.RuneSelf && !utf8OK && a.name != "line" {
			t.Fatalf("%s %q: octet %#x in %q", a.name, s, c, line)
		}
	}
	if strings.HasSuffix(a.begin, "<") {
		checkEnvelope(t, a, s, line)
	}
}

// checkEnvelope reads a MAIL or RCPT line as a server does: a path up to the first ">"
// outside of quotes, then parameters, no keyword twice.
func checkEnvelope(t *testing.T, a argument, s, line string) {
	t.Helper()
	line = line[len(a.begin):]
	end, quoted := -1, false
	for i := 0; i < len(line) && end < 0; i++ {
		switch c := line[i]; {
		case c == '"':
			quoted = !quoted
		case c == '\\' && quoted:
			i++
		case c == '>' && !quoted:
			end = i
		}
	}
	path := "a@b.example"
	if strings.HasSuffix(a.name, "-path") {
		path = s
	}
	if end < 0 || line[:end] != path {
		t.Fatalf("%s %q: the path is not whole in %q", a.name, s, line)
	}
	seen := map[string]bool{}
	params, count := line[end+1:], 0
	for params != "" {
		var param string
		param, params, _ = strings.Cut(params[1:], " ")
		if params != "" {
			params = " " + params
		}
		keyword, value, has := strings.Cut(strings.ToUpper(param), "=")
		if keyword == "" || seen[keyword] || has && value == "" || strings.Contains(value, "=") {
			t.Fatalf("%s %q: parameter %q in %q", a.name, s, param, line)
		}
		seen[keyword] = true
		count++
	}
	if count > 3 {
		t.Fatalf("%s %q makes %d parameters: %q", a.name, s, count, line)
	}
}

// attacks are arguments that would end something early, if they were let through.
var attacks = []string{
	"", " ", "a", "a@b", "<>", "a@b>", "<a@b>", "a@b\r\nDATA", "a@b\nRCPT TO:<c@d>", "a@b\r", "\x00", "a@b> NOTIFY=NEVER",
	"\"a", "\"a\\", "\"a\\\"@b", "\"a\" @b", "\"a>b\"@c", "\"\\\r\"@b", "@b", "a@", "a@[", "a@[]", "a@[1", "a@[1]x", "a@[1] x",
	"a@b c", "X", "x=2", "Y", "Y=", "Y==", "Y=a=b", "Y=a b", "=a", "-a=b", "SMTPUTF8", "smtputf8", "rfc822;a", "rfc822;", ";a", "a=b;c", "utf-8;\u00e9", "rfc822;\u00e9",
	"rfc822;\x00", "utf-8;\\", "FULL", "hdrs", "PLAIN", "plain", "DATA", "data x", "DATAX", "BDAT 1", "STARTTLS", "auth PLAIN", "XFOO\r\nDATA", "a ", " a",
	"\u00e9@b", "\"\u00e9\"@b", "a@\u00e9.example", "\xff@b", "\"\xff\"@b", "\u2028", "\u0085", "\xed\xa0\x80",
	"2026-11-25T10:00:00Z", "2026-11-25T10:00:00.5Z", "2026-11-25T10:00:00+00:00", "mx.example", "mx..example", "-mx", "mx-", "mx.", ".mx", "[192.0.2.1]", "[IPv6:2001:db8::1]", "[]", "[", "[a]b",
}

func TestArguments(t *testing.T) {
	long := []int{63, 64, 100, 101, 253, 254, 255, 256, 300, 480, 505, 506, 507, 508, 700, 1260}
	for _, a := range arguments {
		for _, utf8OK := range []bool{false, true} {
			for _, s := range attacks {
				checkArgument(t, a, s, utf8OK)
			}
			for _, n := range long {
				for _, s := range []string{"x", "\"", "+", "\u00e9", "a."} {
					checkArgument(t, a, strings.Repeat(s, n/len(s)), utf8OK)
				}
			}
		}
	}
}

// Each octet at the front, in the middle and at the end of good arguments.
func TestArgumentsEveryOctet(t *testing.T) {
	good := []string{"a@b.example", "\"a b\"@b.example", "a@[192.0.2.1]", "mx.example", "rfc822;a@b.example", "KEY=value", "PLAIN", "2026-11-25T10:00:00Z"}
	for _, a := range arguments {
		for _, s := range good {
			for c := range 256 {
				for _, at := range []int{0, 1, len(s) / 2, len(s)} {
					checkArgument(t, a, s[:at]+string([]byte{byte(c)})+s[at:], c&1 == 0)
				}
			}
		}
	}
}

// of makes a row's command out of what an appender returns.
func of(line []byte, err error) string {
	if err != nil {
		if len(line) > 0 {
			return "a line and an error"
		}
		return err.Error()
	}
	return string(line)
}

func TestCommands(t *testing.T) {
	n := strings.Repeat
	tests := []struct{ got, want string }{
		{of(codec.AppendEhlo(nil, "client.example")), "EHLO client.example\r\n"},
		{of(codec.AppendHelo(nil, "[192.0.2.1]")), "HELO [192.0.2.1]\r\n"},
		{of(codec.AppendLhlo(nil, "[IPv6:2001:db8::1]")), "LHLO [IPv6:2001:db8::1]\r\n"},
		{of(codec.AppendEhlo(nil, "xn--bcher-kva.example")), "EHLO xn--bcher-kva.example\r\n"},
		{of(codec.AppendEhlo(nil, n("a", 63)+".example")), "EHLO " + n("a", 63) + ".example\r\n"},
		{of(codec.AppendEhlo(nil, "")), "codec: EHLO name: empty (a domain name or an address literal, RFC 5321 §4.1.1.1)"},
		{of(codec.AppendEhlo(nil, "a\r\nQUIT")), "codec: EHLO name: CR at offset 1 (labels of letters, digits and inner hyphens, RFC 5321 §2.3.5)"},
		{of(codec.AppendEhlo(nil, "a_b")), "codec: EHLO name: '_' at offset 1 (labels of letters, digits and inner hyphens, RFC 5321 §2.3.5)"},
		{of(codec.AppendEhlo(nil, "b\u00fccher")), "codec: EHLO name: octet 0xc3 at offset 1 (labels of letters, digits and inner hyphens, RFC 5321 §2.3.5)"},
		{of(codec.AppendEhlo(nil, "a-.b")), "codec: EHLO name: '-' at offset 1 (labels of letters, digits and inner hyphens, RFC 5321 §2.3.5)"},
		{of(codec.AppendEhlo(nil, n("a", 64))), "codec: EHLO name: 'a' at offset 63 (at most 63 octets in a label, RFC 1035 §2.3.4)"},
		{of(codec.AppendEhlo(nil, n("a.", 127)+"a")), "EHLO " + n("a.", 127) + "a\r\n"},
		{of(codec.AppendEhlo(nil, n("a.", 128))), "codec: EHLO name: 256 octets (at most 255, RFC 5321 §4.5.3.1.2)"},
		{of(codec.AppendEhlo(nil, "[192.0.2.1")), "codec: EHLO name: end at offset 10 (an address literal in brackets and nothing else, RFC 5321 §4.1.3)"},
		{of(codec.AppendEhlo(nil, "[a b]")), "codec: EHLO name: SP at offset 2 (an address literal in brackets and nothing else, RFC 5321 §4.1.3)"},

		{of(codec.AppendBdat(nil, 0, true), nil), "BDAT 0 LAST\r\n"},
		{of(codec.AppendBdat(nil, 1<<40, false), nil), "BDAT 1099511627776\r\n"},

		{of(codec.AppendAuth(nil, "PLAIN", []byte("\x00u\x00p"), true)), "AUTH PLAIN AHUAcA==\r\n"},
		{of(codec.AppendAuth(nil, "EXTERNAL", nil, true)), "AUTH EXTERNAL =\r\n"},
		{of(codec.AppendAuth(nil, "SCRAM-SHA-256-PLUS", nil, false)), "AUTH SCRAM-SHA-256-PLUS\r\n"},
		{of(codec.AppendAuth(nil, "PLAIN", make([]byte, 372), true)), "AUTH PLAIN " + n("A", 496) + "\r\n"},
		{of(codec.AppendAuth(nil, "PLAIN", make([]byte, 375), true)), "codec: initial response: a line of 513 octets (at most 512, RFC 4954 §4)"},
		{of(codec.AppendAuth(nil, "plain", nil, false)), "codec: mechanism: not a name (1 to 20 capitals, digits, hyphens and underscores, RFC 4422 §3.1)"},
		{of(codec.AppendAuthResponse(nil, nil), nil), "\r\n"},
		{of(codec.AppendAuthResponse(nil, []byte{1}), nil), "AQ==\r\n"},
		{of(codec.AppendAuthResponse(nil, make([]byte, 600)), nil), n("A", 800) + "\r\n"},
		{of(codec.AppendAuthCancel(nil), nil), "*\r\n"},

		{of(codec.AppendVrfy(nil, "Jones", false)), "VRFY Jones\r\n"},
		{of(codec.AppendVrfy(nil, "J\u00f6nes", true)), "VRFY J\u00f6nes SMTPUTF8\r\n"},
		{of(codec.AppendExpn(nil, "a list", true)), "EXPN a list SMTPUTF8\r\n"},
		{of(codec.AppendHelp(nil, "", false)), "HELP\r\n"},
		{of(codec.AppendHelp(nil, "\u00e9", true)), "HELP \u00e9\r\n"},
		{of(codec.AppendNoop(nil, "x y", false)), "NOOP x y\r\n"},
		{of(codec.AppendVrfy(nil, "", false)), "codec: VRFY argument: empty (a user, mailbox or list, RFC 5321 §3.5.1)"},
		{of(codec.AppendVrfy(nil, "\u00e9", false)), "codec: VRFY: octet 0xc3 at offset 0 (printable characters only, RFC 5321 §4.1.2)"},
		{of(codec.AppendExpn(nil, "a\xff", true)), "codec: EXPN: octet 0xff at offset 1 (UTF-8 only, RFC 6531 §3.3)"},
		{of(codec.AppendNoop(nil, "x ", false)), "codec: NOOP: SP at an end (no blanks at the ends, RFC 5321 §4.1.1)"},
		{of(codec.AppendNoop(nil, "a\tb", false)), "codec: NOOP: HT at offset 1 (printable characters only, RFC 5321 §4.1.2)"},
		{of(codec.AppendNoop(nil, "\x7f", false)), "codec: NOOP: DEL at offset 0 (printable characters only, RFC 5321 §4.1.2)"},
		{of(codec.AppendNoop(nil, n("x", 505), false)), "NOOP " + n("x", 505) + "\r\n"},
		{of(codec.AppendNoop(nil, n("x", 506), false)), "codec: NOOP argument: a line of 513 octets (at most 512, RFC 5321 §4.5.3.1.4)"},

		{of(codec.AppendLine(nil, "XCLIENT NAME=a")), "XCLIENT NAME=a\r\n"},
		{of(codec.AppendLine(nil, n("x", 1256))), n("x", 1256) + "\r\n"},
		{of(codec.AppendLine(nil, n("x", 1257))), "codec: command line: 1259 octets (at most 1258, RFC 5321 §4.5.3.1.4)"},
		{of(codec.AppendLine(nil, "")), "codec: command line: empty (a verb, RFC 5321 §4.1.1)"},
		{of(codec.AppendLine(nil, "RSET\r\nDATA")), "codec: command line: CR at offset 4 (printable characters only, RFC 5321 §4.1.2)"},
		{of(codec.AppendLine(nil, "a\x00b")), "codec: command line: NUL at offset 1 (printable characters only, RFC 5321 §4.1.2)"},
		{of(codec.AppendLine(nil, "starttls")), "codec: command line: STARTTLS (commands that change the stream are not sent as a line)"},
		{of(codec.AppendLine(nil, "Bdat 3 LAST")), "codec: command line: BDAT (commands that change the stream are not sent as a line)"},
	}
	for _, test := range tests {
		if test.got != test.want {
			t.Errorf("\n got %q\nwant %q", test.got, test.want)
		}
	}
}

func TestDecodeChallenge(t *testing.T) {
	const bad = "codec: challenge: not base64 (base64 with padding, RFC 4954 §4)"
	tests := []struct{ text, want string }{
		{"", ""},
		{"VXNlcm5hbWU6", "Username:"},
		{"AQ==", "\x01"},
		{"AQ=", bad},
		{"AR==", bad}, // a bit set in the padding
		{"AQ", bad},
		{"=", bad},
		{"GSSAPI supported", bad}, // O-A03
		{"User?", bad},            // O-A04
		{"AQ\r==", "codec: challenge: CR at offset 2 (base64 only, RFC 4954 §4)"},
		{"AQ\n==", "codec: challenge: LF at offset 2 (base64 only, RFC 4954 §4)"},
	}
	for _, test := range tests {
		if got := of(codec.DecodeChallenge(nil, []byte(test.text))); got != test.want {
			t.Errorf("%q: %q, want %q", test.text, got, test.want)
		}
	}
}
