package codec_test

import (
	"strings"
	"testing"

	"github.com/parley-mail/parley/codec"
)

func TestMail(t *testing.T) {
	n := strings.Repeat
	long := n("a", 64) + "@" + n("b", 189) // a path of 256 octets with < and >
	p := func(p codec.MailParams) *codec.MailParams { return &p }
	tests := []struct {
		verb, path string
		params     *codec.MailParams
		want       string
	}{
		{"MAIL", "", nil, "MAIL FROM:<>\r\n"},
		{"MAIL", "a@b.example", nil, "MAIL FROM:<a@b.example>\r\n"},
		{"SEND", "a@b.example", nil, "SEND FROM:<a@b.example>\r\n"},
		{"SOML", "a@b.example", nil, "SOML FROM:<a@b.example>\r\n"},
		{"SAML", "a@b.example", nil, "SAML FROM:<a@b.example>\r\n"},
		{"EHLO", "a@b.example", nil, "codec: verb: not of the MAIL family (MAIL, SEND, SOML or SAML, RFC 5321 §4.1.1.2)"},

		// Paths.
		{"MAIL", "\"a b\\\"\\\\\"@b.example", nil, "MAIL FROM:<\"a b\\\"\\\\\"@b.example>\r\n"},
		{"MAIL", "\"a>b\"@b.example", nil, "MAIL FROM:<\"a>b\"@b.example>\r\n"},
		{"MAIL", "a@[IPv6:2001:db8::1]", nil, "MAIL FROM:<a@[IPv6:2001:db8::1]>\r\n"},
		{"MAIL", "a!#$%&'*+-/=?^_`{|}~.b@c", nil, "MAIL FROM:<a!#$%&'*+-/=?^_`{|}~.b@c>\r\n"},
		{"MAIL", long, nil, "MAIL FROM:<" + long + ">\r\n"},
		{"MAIL", long + "b", nil, "codec: reverse-path: 257 octets (at most 256 with < and >, RFC 5321 §4.5.3.1.3)"},
		{"MAIL", "a@b> BODY=8BITMIME", nil, "codec: reverse-path: '>' at offset 3 (letters, digits and hyphens in a domain, RFC 5321 §4.1.2)"},
		{"MAIL", "a@b\r\nDATA", nil, "codec: reverse-path: CR at offset 3 (letters, digits and hyphens in a domain, RFC 5321 §4.1.2)"},
		{"MAIL", "a b@c", nil, "codec: reverse-path: SP at offset 1 (a local part, quoted where needed, then @, RFC 5321 §4.1.2)"},
		{"MAIL", "@c,@d:a@b", nil, "codec: reverse-path: '@' at offset 0 (a local part, quoted where needed, then @, RFC 5321 §4.1.2)"},
		{"MAIL", "a@", nil, "codec: reverse-path: no domain (a name or an address literal behind @, RFC 5321 §4.1.2)"},
		{"MAIL", "\"a", nil, "codec: reverse-path: end at offset 2 (printable characters, then a closing quotation mark, RFC 5321 §4.1.2)"},
		{"MAIL", "\"a\n\"@b", nil, "codec: reverse-path: LF at offset 2 (printable characters, then a closing quotation mark, RFC 5321 §4.1.2)"},
		{"MAIL", "\"a\\\n\"@b", nil, "codec: reverse-path: LF at offset 3 (printable characters, then a closing quotation mark, RFC 5321 §4.1.2)"},
		{"MAIL", "a@[]", nil, "codec: reverse-path: ']' at offset 3 (an address literal in brackets, RFC 5321 §4.1.3)"},
		{"MAIL", "a@[1", nil, "codec: reverse-path: end at offset 4 (an address literal in brackets, RFC 5321 §4.1.3)"},
		{"MAIL", "a@[1>]", nil, "codec: reverse-path: '>' at offset 4 (an address literal in brackets, RFC 5321 §4.1.3)"},
		{"MAIL", "a@[[1]", nil, "codec: reverse-path: '[' at offset 3 (an address literal in brackets, RFC 5321 §4.1.3)"},
		{"MAIL", "a@[1]b", nil, "codec: reverse-path: 'b' at offset 5 (the path ends with its address literal, RFC 5321 §4.1.3)"},

		// UTF-8.
		{"MAIL", "\u00e9@\u00fc.example", p(codec.MailParams{SMTPUTF8: true}), "MAIL FROM:<\u00e9@\u00fc.example> SMTPUTF8\r\n"},
		{"MAIL", "\"\u00e9\"@b", p(codec.MailParams{SMTPUTF8: true}), "MAIL FROM:<\"\u00e9\"@b> SMTPUTF8\r\n"},
		{"MAIL", "\u00e9@b", nil, "codec: reverse-path: octet 0xc3 at offset 0 (a local part, quoted where needed, then @, RFC 5321 §4.1.2)"},
		{"MAIL", "a\xe9@b", p(codec.MailParams{SMTPUTF8: true}), "codec: reverse-path: octet 0xe9 at offset 1 (UTF-8 only, RFC 6531 §3.3)"},

		// Parameters.
		{"MAIL", "a@b", p(codec.MailParams{Size: 1 << 40, Body: codec.Body8BitMIME}), "MAIL FROM:<a@b> SIZE=1099511627776 BODY=8BITMIME\r\n"},
		{"MAIL", "a@b", p(codec.MailParams{Body: codec.Body7Bit}), "MAIL FROM:<a@b> BODY=7BIT\r\n"},
		{"MAIL", "a@b", p(codec.MailParams{Body: codec.BodyBinaryMIME}), "MAIL FROM:<a@b> BODY=BINARYMIME\r\n"},
		{"MAIL", "a@b", p(codec.MailParams{Body: 9}), "codec: BODY: an unknown value (7BIT, 8BITMIME or BINARYMIME, RFC 6152 §3)"},
		{"MAIL", "a@b", p(codec.MailParams{Size: -1}), "codec: SIZE: a negative number (a number of octets, RFC 1870 §6)"},
		{"MAIL", "a@b", p(codec.MailParams{Return: "full", EnvelopeID: "a+b=c d"}), "MAIL FROM:<a@b> RET=FULL ENVID=a+2Bb+3Dc+20d\r\n"},
		{"MAIL", "a@b", p(codec.MailParams{Return: "HDRS"}), "MAIL FROM:<a@b> RET=HDRS\r\n"},
		{"MAIL", "a@b", p(codec.MailParams{Return: "BODY"}), "codec: RET: an unknown value (FULL or HDRS, RFC 3461 §4.3)"},
		{"MAIL", "a@b", p(codec.MailParams{EnvelopeID: n("x", 100)}), "MAIL FROM:<a@b> ENVID=" + n("x", 100) + "\r\n"},
		{"MAIL", "a@b", p(codec.MailParams{EnvelopeID: n("+", 34)}), "codec: ENVID: 102 octets in xtext (at most 100, RFC 3461 §4.4)"},
		{"MAIL", "a@b", p(codec.MailParams{EnvelopeID: "a\nb"}), "codec: ENVID: LF at offset 1 (printable ASCII only, RFC 3461 §4.4)"},
		{"MAIL", "a@b", p(codec.MailParams{Auth: "<>"}), "MAIL FROM:<a@b> AUTH=<>\r\n"},
		{"MAIL", "a@b", p(codec.MailParams{Auth: "e+mc2=1@b.example"}), "MAIL FROM:<a@b> AUTH=e+2Bmc2+3D1@b.example\r\n"},
		{"MAIL", "a@b", p(codec.MailParams{Auth: "a@b c"}), "codec: AUTH: SP at offset 3 (letters, digits and hyphens in a domain, RFC 5321 §4.1.2)"},
		{"MAIL", "a@b", p(codec.MailParams{RequireTLS: true, HasMTPriority: true, MTPriority: -9}), "MAIL FROM:<a@b> MT-PRIORITY=-9 REQUIRETLS\r\n"},
		{"MAIL", "a@b", p(codec.MailParams{HasMTPriority: true}), "MAIL FROM:<a@b> MT-PRIORITY=0\r\n"},
		{"MAIL", "a@b", p(codec.MailParams{MTPriority: 5}), "MAIL FROM:<a@b>\r\n"},
		{"MAIL", "a@b", p(codec.MailParams{HasMTPriority: true, MTPriority: 10}), "codec: MT-PRIORITY: 10 (-9 to 9, RFC 6710 §5)"},

		// Time.
		{"MAIL", "a@b", p(codec.MailParams{DeliverBy: &codec.DeliverBy{Seconds: 120, Return: true, Trace: true}}), "MAIL FROM:<a@b> BY=120;RT\r\n"},
		{"MAIL", "a@b", p(codec.MailParams{DeliverBy: &codec.DeliverBy{Seconds: -999999999}}), "MAIL FROM:<a@b> BY=-999999999;N\r\n"},
		{"MAIL", "a@b", p(codec.MailParams{DeliverBy: &codec.DeliverBy{Return: true}}), "codec: BY: 0 (at most nine digits, over 0 in mode R, RFC 2852 §4)"},
		{"MAIL", "a@b", p(codec.MailParams{DeliverBy: &codec.DeliverBy{Seconds: 1e9}}), "codec: BY: 1000000000 (at most nine digits, over 0 in mode R, RFC 2852 §4)"},
		{"MAIL", "a@b", p(codec.MailParams{HoldFor: 999999999}), "MAIL FROM:<a@b> HOLDFOR=999999999\r\n"},
		{"MAIL", "a@b", p(codec.MailParams{HoldFor: -1}), "codec: HOLDFOR: -1 (1 to 999999999, RFC 4865 §4)"},
		{"MAIL", "a@b", p(codec.MailParams{HoldFor: 1e9}), "codec: HOLDFOR: 1000000000 (1 to 999999999, RFC 4865 §4)"},
		{"MAIL", "a@b", p(codec.MailParams{HoldUntil: "2026-11-25T10:00:00Z"}), "MAIL FROM:<a@b> HOLDUNTIL=2026-11-25T10:00:00Z\r\n"},
		{"MAIL", "a@b", p(codec.MailParams{HoldUntil: "2026-11-25T10:00:00+01:00"}), "codec: HOLDUNTIL: no date-time in UTC (2006-01-02T15:04:05Z, RFC 4865 §4)"},
		{"MAIL", "a@b", p(codec.MailParams{HoldUntil: "tomorrow"}), "codec: HOLDUNTIL: no date-time in UTC (2006-01-02T15:04:05Z, RFC 4865 §4)"},
		{"MAIL", "a@b", p(codec.MailParams{HoldFor: 1, HoldUntil: "2026-11-25T10:00:00Z"}), "codec: HOLDUNTIL: HOLDFOR beside it (one of the two, RFC 4865 §4)"},
		{"MAIL", "", p(codec.MailParams{HoldFor: 1}), "codec: HOLDFOR or HOLDUNTIL: a null reverse-path (notifications are not held, RFC 4865 §5.1.1)"},
		{"MAIL", "a@b", p(codec.MailParams{HoldFor: 60, DeliverBy: &codec.DeliverBy{Seconds: 60}}), "codec: BY: earlier than HOLDFOR (a message is not due before it is released, RFC 4865 §5.2.1)"},
		{"MAIL", "a@b", p(codec.MailParams{HoldFor: 60, DeliverBy: &codec.DeliverBy{Seconds: 61}}), "MAIL FROM:<a@b> BY=61;N HOLDFOR=60\r\n"},

		// The caller's own.
		{"MAIL", "a@b", p(codec.MailParams{Extra: []string{"XDATE", "X-Y=<1>"}}), "MAIL FROM:<a@b> XDATE X-Y=<1>\r\n"},
		{"MAIL", "a@b", p(codec.MailParams{SMTPUTF8: true, Extra: []string{"X=\u00e9"}}), "MAIL FROM:<a@b> SMTPUTF8 X=\u00e9\r\n"},
		{"MAIL", "a@b", p(codec.MailParams{Extra: []string{"X=1 Y=2"}}), "codec: parameter: SP at offset 3 (no blanks, no control characters, no =, RFC 5321 §4.1.2)"},
		{"MAIL", "a@b", p(codec.MailParams{Extra: []string{"X="}}), "codec: parameter: an empty value (a value behind =, RFC 5321 §4.1.2)"},
		{"MAIL", "a@b", p(codec.MailParams{Extra: []string{"-X"}}), "codec: parameter: no keyword (a letter or digit, then letters, digits and hyphens, RFC 5321 §4.1.2)"},
		{"MAIL", "a@b", p(codec.MailParams{Size: 1, Extra: []string{"size=2"}}), "codec: parameter: SIZE twice (each parameter once, RFC 5321 §4.1.1.11)"},

		// Lengths.
		{"MAIL", "a@b", p(codec.MailParams{Extra: []string{"X=" + n("x", 492)}}), "MAIL FROM:<a@b> X=" + n("x", 492) + "\r\n"},
		{"MAIL", "a@b", p(codec.MailParams{Extra: []string{"X=" + n("x", 493)}}), "codec: command line: 513 octets (at most 512 with these parameters, RFC 5321 §4.5.3.1.4)"},
		{"MAIL", "a@b", p(codec.MailParams{Size: 1, Extra: []string{"X=" + n("x", 512)}}), "codec: command line: 539 octets (at most 538 with these parameters, RFC 5321 §4.5.3.1.4)"},
	}
	for _, test := range tests {
		if got := of(codec.AppendMail(nil, test.verb, test.path, test.params)); got != test.want {
			t.Errorf("%s <%s> %+v:\n got %q\nwant %q", test.verb, test.path, test.params, got, test.want)
		}
	}
}

func TestRcpt(t *testing.T) {
	n := strings.Repeat
	p := func(p codec.RcptParams) *codec.RcptParams { return &p }
	tests := []struct {
		path   string
		params *codec.RcptParams
		want   string
	}{
		{"a@b.example", nil, "RCPT TO:<a@b.example>\r\n"},
		{"Postmaster", nil, "RCPT TO:<Postmaster>\r\n"},
		{"", nil, "codec: forward-path: empty (a mailbox or Postmaster, RFC 5321 §4.1.1.3)"},
		{"a@b c", nil, "codec: forward-path: SP at offset 3 (letters, digits and hyphens in a domain, RFC 5321 §4.1.2)"},
		{"\u00e9@b", p(codec.RcptParams{SMTPUTF8: true}), "RCPT TO:<\u00e9@b>\r\n"},

		{"a@b", p(codec.RcptParams{Notify: codec.NotifyNever}), "RCPT TO:<a@b> NOTIFY=NEVER\r\n"},
		{"a@b", p(codec.RcptParams{Notify: codec.NotifyDelay | codec.NotifySuccess | codec.NotifyFailure}), "RCPT TO:<a@b> NOTIFY=SUCCESS,FAILURE,DELAY\r\n"},
		{"a@b", p(codec.RcptParams{Notify: codec.NotifyNever | codec.NotifyDelay}), "codec: NOTIFY: NEVER beside other conditions (NEVER alone, or SUCCESS, FAILURE and DELAY, RFC 3461 §4.1)"},

		{"a@b", p(codec.RcptParams{OriginalRecipient: "rfc822;a+x=y@b"}), "RCPT TO:<a@b> ORCPT=rfc822;a+2Bx+3Dy@b\r\n"},
		{"a@b", p(codec.RcptParams{OriginalRecipient: "rfc822;\"a b\"@c"}), "RCPT TO:<a@b> ORCPT=rfc822;\"a+20b\"@c\r\n"},
		{"a@b", p(codec.RcptParams{OriginalRecipient: "utf-8;\u00fc\\@b"}), "RCPT TO:<a@b> ORCPT=utf-8;\\x{FC}\\x{5C}@b\r\n"},
		{"a@b", p(codec.RcptParams{OriginalRecipient: "a@b"}), "codec: ORCPT: no address type (type;address, RFC 3461 §4.2)"},
		{"a@b", p(codec.RcptParams{OriginalRecipient: "rfc822;"}), "codec: ORCPT: no address type (type;address, RFC 3461 §4.2)"},
		{"a@b", p(codec.RcptParams{OriginalRecipient: "a=b;c"}), "codec: ORCPT: '=' in the address type (a registered type, RFC 3461 §4.2)"},
		{"a@b", p(codec.RcptParams{OriginalRecipient: "rfc822;a\r\n"}), "codec: ORCPT: CR at offset 8 (printable characters only, RFC 3461 §4.2)"},
		{"a@b", p(codec.RcptParams{OriginalRecipient: "rfc822;\u00fc"}), "codec: ORCPT: octet 0xc3 at offset 7 (printable characters only, RFC 3461 §4.2)"},
		{"a@b", p(codec.RcptParams{OriginalRecipient: "rfc822;" + n("x", 487)}), "RCPT TO:<a@b> ORCPT=rfc822;" + n("x", 487) + "\r\n"},
		{"a@b", p(codec.RcptParams{OriginalRecipient: "rfc822;" + n("x", 488)}), "codec: ORCPT: 501 octets (at most 500, RFC 3461 §4.2)"},

		{"a@b", p(codec.RcptParams{Extra: []string{"X=1", "y=2"}}), "RCPT TO:<a@b> X=1 y=2\r\n"},
		{"a@b", p(codec.RcptParams{Notify: codec.NotifyNever, Extra: []string{"Notify=NEVER"}}), "codec: parameter: NOTIFY twice (each parameter once, RFC 5321 §4.1.1.11)"},
		{"a@b", p(codec.RcptParams{Extra: []string{"X=" + n("x", 495)}}), "codec: command line: 513 octets (at most 512 with these parameters, RFC 5321 §4.5.3.1.4)"},
	}
	for _, test := range tests {
		if got := of(codec.AppendRcpt(nil, test.path, test.params)); got != test.want {
			t.Errorf("<%s> %+v:\n got %q\nwant %q", test.path, test.params, got, test.want)
		}
	}
}

// All that extensions allow at once is one line, and no longer than the longest that
// AppendLine takes.
func TestLongestMail(t *testing.T) {
	n := strings.Repeat
	line, err := codec.AppendMail(nil, "MAIL", n("a", 64)+"@"+n("b", 189), &codec.MailParams{
		Size: 1<<63 - 1, Body: codec.BodyBinaryMIME, SMTPUTF8: true, Return: "FULL", EnvelopeID: n("x", 100), Auth: "\"" + n("=", 60) + "\"@" + n("c", 180),
		DeliverBy: &codec.DeliverBy{Seconds: 999999999, Return: true, Trace: true}, HoldFor: 1, HasMTPriority: true, MTPriority: -1, RequireTLS: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	if again, err := codec.AppendLine(nil, strings.TrimSuffix(string(line), "\r\n")); err != nil || string(again) != string(line) {
		t.Errorf("%q, %v", again, err)
	}
}

func TestParamStrings(t *testing.T) {
	for got, want := range map[string]string{
		codec.BodyDefault.String():                               "",
		codec.BodyBinaryMIME.String():                            "BINARYMIME",
		codec.BodyType(7).String():                               "body(7)",
		codec.Notify(0).String() + "-":                           "-",
		codec.NotifyNever.String():                               "NEVER",
		(codec.NotifyFailure | codec.NotifyDelay).String():       "FAILURE,DELAY",
		(codec.NotifySuccess | codec.NotifyNever).String() + ".": "NEVER,SUCCESS.",
	} {
		if got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
