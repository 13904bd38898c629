package codec_test

import (
	"math"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/parley-mail/parley/codec"
)

// ehlo renders lines as a 250 reply.
func ehlo(lines ...string) string {
	var b strings.Builder
	for i, line := range lines {
		sep := "-"
		if i == len(lines)-1 {
			sep = " "
		}
		b.WriteString("250" + sep + line + "\r\n")
	}
	return b.String()
}

func TestExtensions(t *testing.T) {
	tests := []struct {
		name  string
		lines []string
		want  codec.Extensions
	}{
		{"O-E01", []string{"mail.example", "STARTTLS"}, codec.Extensions{Domain: "mail.example", StartTLS: true}},
		{"O-E02", []string{"mail.example"}, codec.Extensions{Domain: "mail.example"}},
		{"O-E03", []string{"a", "8BITMIME", "STARTTLS", "AUTH PLAIN LOGIN", "Ok"}, codec.Extensions{Domain: "a", EightBitMIME: true, StartTLS: true, Auth: []string{"PLAIN", "LOGIN"}}},
		{"O-E06", []string{"mail.example250-SIZE 1000", "HELP"}, codec.Extensions{Domain: "mail.example250-SIZE", Help: true}},
		{"O-E10", []string{"a", "starttls", "auth plain login", "size 10240000"}, codec.Extensions{Domain: "a", StartTLS: true, Auth: []string{"PLAIN", "LOGIN"}, Size: true, MaxSize: 10240000}},
		{"O-E11 O-E12", []string{"a", "AUTH=LOGIN PLAIN", "AUTH PLAIN cram-md5"}, codec.Extensions{Domain: "a", Auth: []string{"LOGIN", "PLAIN", "CRAM-MD5"}}},
		{"auth with blanks", []string{"a", "AUTH= LOGIN", "auth\t PLAIN\t\tXOAUTH2 "}, codec.Extensions{Domain: "a", Auth: []string{"LOGIN", "PLAIN", "XOAUTH2"}}},
		{"auth without mechanisms", []string{"a", "AUTH", "AUTH="}, codec.Extensions{Domain: "a"}},
		{"auth, bad names", []string{"a", "AUTH PLAIN,LOGIN \x80 NAME-OF-MORE-THAN-20-X X_Y-2"}, codec.Extensions{Domain: "a", Auth: []string{"X_Y-2"}}},
		{"O-E14", []string{"a", "X-EXPS NTLM LOGIN", "X-EXPS=LOGIN", "AUTH NTLM", "X-LINK2STATE", "XEXCH50", "XRDST"}, codec.Extensions{Domain: "a", Auth: []string{"NTLM"}}},
		{"O-E17", []string{"a", "XXXXXXXA", "XXXA"}, codec.Extensions{Domain: "a"}},
		{"O-E18", []string{"a", "SIZE", "50000000"}, codec.Extensions{Domain: "a", Size: true}},
		{"O-E21", []string{"a", "SMTPUTF8", "HELP"}, codec.Extensions{Domain: "a", SMTPUTF8: true, Help: true}},
		{"SMTPUTF8 with parameters", []string{"a", "SMTPUTF8 foo=1"}, codec.Extensions{Domain: "a", SMTPUTF8: true}},
		{"O-E22", []string{"a", "BINARYMIME", "HELP"}, codec.Extensions{Domain: "a", Help: true}},
		{"BINARYMIME before CHUNKING", []string{"a", "BINARYMIME", "CHUNKING"}, codec.Extensions{Domain: "a", BinaryMIME: true, Chunking: true}},
		{"O-E26", []string{"Hello client.example [192.0.2.1], pleased", "PIPELINING"}, codec.Extensions{Domain: "Hello", Pipelining: true}},
		{"O-E40", []string{"a", "DSN", ""}, codec.Extensions{Domain: "a", DSN: true}},
		{"O-E41", []string{"a", "XFORWARD NAME ADDR", "BURL imap"}, codec.Extensions{Domain: "a"}},
		{"O-G41", []string{"host", "AUTH LOGIN", "8BITMIME", "SIZE", "DSN"}, codec.Extensions{Domain: "host", Auth: []string{"LOGIN"}, EightBitMIME: true, Size: true, DSN: true}},
		{"first line is none", []string{"STARTTLS", "OK"}, codec.Extensions{Domain: "STARTTLS"}},
		{"domain not printable", []string{"\x1b[31m x", "ETRN"}, codec.Extensions{ETRN: true}},
		{"domain too long", []string{strings.Repeat("a", 256), "EXPN"}, codec.Extensions{Expand: true}},
		{"all that take no value", []string{"a", "PIPELINING", "8BITMIME", "CHUNKING", "BINARYMIME", "SMTPUTF8", "DSN", "STARTTLS", "ENHANCEDSTATUSCODES", "REQUIRETLS", "VRFY", "EXPN", "HELP", "ETRN"}, codec.Extensions{
			Domain: "a", Pipelining: true, EightBitMIME: true, Chunking: true, BinaryMIME: true, SMTPUTF8: true, DSN: true, StartTLS: true,
			EnhancedStatusCodes: true, RequireTLS: true, Verify: true, Expand: true, Help: true, ETRN: true,
		}},
		{"substrings are no keywords", []string{"a", "XSTARTTLS", "STARTTLSX", "SIZE=10", "8BITMIME:"}, codec.Extensions{Domain: "a"}},

		{"SIZE 0", []string{"a", "SIZE 0"}, codec.Extensions{Domain: "a", Size: true}},
		{"SIZE not a number", []string{"a", "SIZE -1"}, codec.Extensions{Domain: "a", Size: true}},
		{"SIZE with more", []string{"a", "SIZE 10 20"}, codec.Extensions{Domain: "a", Size: true, MaxSize: 10}},
		{"SIZE overflows", []string{"a", "SIZE 99999999999999999999"}, codec.Extensions{Domain: "a", Size: true, MaxSize: math.MaxInt64}},
		{"SIZE of 21 digits", []string{"a", "SIZE 999999999999999999999"}, codec.Extensions{Domain: "a", Size: true}},
		{"SIZE twice", []string{"a", "SIZE 10", "SIZE 20"}, codec.Extensions{Domain: "a", Size: true, MaxSize: 10}},

		{"DELIVERBY", []string{"a", "DELIVERBY 240"}, codec.Extensions{Domain: "a", DeliverBy: true, DeliverByMin: 240}},
		{"DELIVERBY alone", []string{"a", "DELIVERBY"}, codec.Extensions{Domain: "a", DeliverBy: true}},
		{"DELIVERBY list", []string{"a", "DELIVERBY 240,FOO"}, codec.Extensions{Domain: "a", DeliverBy: true, DeliverByMin: 240}},
		{"DELIVERBY of ten digits", []string{"a", "DELIVERBY 1234567890"}, codec.Extensions{Domain: "a", DeliverBy: true}},
		{"FUTURERELEASE", []string{"a", "FUTURERELEASE 3600  2026-12-01T00:00:00Z"}, codec.Extensions{Domain: "a", FutureRelease: true, MaxHold: 3600, MaxHoldUntil: "2026-12-01T00:00:00Z"}},
		{"FUTURERELEASE alone", []string{"a", "FUTURERELEASE"}, codec.Extensions{Domain: "a", FutureRelease: true}},
		{"MT-PRIORITY", []string{"a", "MT-PRIORITY STANAG4406"}, codec.Extensions{Domain: "a", MTPriority: true, MTPriorityProfile: "STANAG4406"}},

		{"LIMITS", []string{"a", "LIMITS MAILMAX=5 rcptmax=10 RCPTDOMAINMAX=1"}, codec.Extensions{Domain: "a", Limits: true, MailMax: 5, RcptMax: 10, RcptDomainMax: 1}},
		{"LIMITS unknown", []string{"a", "LIMITS FOO=1 BAR RCPTMAX=2"}, codec.Extensions{Domain: "a", Limits: true, RcptMax: 2}},
		{"LIMITS bad values", []string{"a", "LIMITS MAILMAX=x RCPTMAX=0100 RCPTDOMAINMAX=9999999"}, codec.Extensions{Domain: "a", Limits: true}},
		{"LIMITS zero", []string{"a", "LIMITS RCPTMAX=0 MAILMAX=999999"}, codec.Extensions{Domain: "a", Limits: true, MailMax: 999999}},
		{"LIMITS without value", []string{"a", "LIMITS RCPTMAX"}, codec.Extensions{Domain: "a", Limits: true}},
		{"LIMITS malformed", []string{"a", "LIMITS RCPTMAX=2 =5"}, codec.Extensions{Domain: "a"}},
		{"LIMITS empty value", []string{"a", "LIMITS RCPTMAX=2 FOO="}, codec.Extensions{Domain: "a"}},
		{"LIMITS semicolon", []string{"a", "LIMITS RCPTMAX=2;MAILMAX=1"}, codec.Extensions{Domain: "a"}},
		{"LIMITS bad name", []string{"a", "LIMITS RCPT.MAX=2"}, codec.Extensions{Domain: "a"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			x := codec.Extensions{Domain: "before", RcptMax: 7, Auth: []string{"OLD"}, StartTLS: true} // replaced as a whole
			x.Parse(decodeReply(t, ehlo(test.lines...)))
			if diff := cmp.Diff(test.want, x, cmpopts.IgnoreFields(codec.Extensions{}, "Keywords"), cmpopts.EquateEmpty()); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestExtensionsRaw(t *testing.T) {
	var x codec.Extensions
	x.Parse(decodeReply(t, ehlo("a", "XCLIENT  NAME ADDR ", "Size 10", "\x80X", "", " x-odd\t1", "AUTH=LOGIN", "auth plain", strings.Repeat("K", 65))))
	want := []codec.Keyword{{"XCLIENT", "NAME ADDR"}, {"SIZE", "10"}, {"X-ODD", "1"}, {"AUTH", "LOGIN"}}
	if diff := cmp.Diff(want, x.Keywords); diff != "" {
		t.Error(diff)
	}
	if p, ok := x.Param("xclient"); p != "NAME ADDR" || !ok || !x.Has("size") || x.Has("SIZ") {
		t.Errorf("%q %t", p, ok)
	}
	if !x.HasAuth("Plain") || !x.HasAuth("LOGIN") || x.HasAuth("PLAI") {
		t.Errorf("%q", x.Auth)
	}
	c := x.Clone()
	c.Auth[0], c.Keywords[0].Name, c.Domain = "CHANGED", "CHANGED", "changed"
	if x.Auth[0] != "LOGIN" || x.Keywords[0].Name != "XCLIENT" || x.Domain != "a" {
		t.Error("the clone shares memory")
	}
}

func TestExtensionsOfNoReply(t *testing.T) {
	for _, r := range []*codec.Reply{nil, {}, {Code: 250}, decodeReply(t, "502-a\r\n502 STARTTLS\r\n")} {
		x := codec.Extensions{StartTLS: true}
		x.Parse(r)
		if diff := cmp.Diff(codec.Extensions{}, x); diff != "" {
			t.Error(diff)
		}
	}
}

// O-E38: what a reply makes a session keep is bounded, and what is known is found behind
// any number of what is not.
func TestExtensionsFlood(t *testing.T) {
	lines := []string{"a"}
	for i := range 1900 {
		lines = append(lines, "X"+strconv.Itoa(i))
	}
	lines = append(lines, strings.Repeat("K", 2000), "SIZE "+strings.Repeat("1", 2000), "STARTTLS", "AUTH")
	for i := range 70 {
		lines = append(lines, "AUTH M"+strconv.Itoa(i))
	}
	var x codec.Extensions
	x.Parse(decodeReply(t, ehlo(lines...)))
	if len(x.Keywords) != 130 || len(x.Auth) != 64 || !x.StartTLS || !x.Has("STARTTLS") || x.Size {
		t.Errorf("%d keywords, %d mechanisms, %t", len(x.Keywords), len(x.Auth), x.StartTLS)
	}
}
