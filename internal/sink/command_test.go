package sink_test

import (
	"errors"
	"net"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/parley-mail/parley/internal/sink"
)

// Each script goes behind EHLO and ahead of QUIT.
func TestCommands(t *testing.T) {
	const ok = "S: 250 2.0.0 Ok\n"
	for _, tt := range []struct{ name, script string }{
		{"case and trailing space", "C: nOoP  \n" + ok + "C: rset \t\n" + ok},
		{"argument of NOOP", "C: NOOP what ever\n" + ok},
		{"no argument allowed", "C: RSET x\nS: 501 5.5.4 {any}\nC: DATA x\nS: 501 5.5.4 {any}\nC: QUIT x\nS: 501 5.5.4 {any}"},
		{"unknown", "C: XYZZY\nS: 500 5.5.2 {any}\nC: VERYLONGVERB x\nS: 500 5.5.2 {any}\nC:\nS: 500 5.5.2 {any}\nC: NOOP\n" + ok},
		{"known, not done", "C: TURN\nS: 502 5.5.1 {any}\nC: ETRN x\nS: 502 5.5.1 {any}"},
		{"LF, CR and NUL in a line", `C| NOOP\nRSET\r\n` + "\nS: 500 5.5.2 {any}\n" + `C| NO\rOP\r\n` + "\nS: 500 5.5.2 {any}\n" + `C| NO\0OP\r\n` + "\nS: 500 5.5.2 {any}"},
		{"LHLO", "C: LHLO client.example\nS: 500 5.5.1 {any}"},
		{"not offered", "C: STARTTLS\nS: 502 5.5.1 {any}\nC: AUTH PLAIN\nS: 502 5.5.1 {any}"},
		{"HELP", "C: HELP\nS: 214-2.0.0 {any}\nS: 214 2.0.0 {any}"},
		{"VRFY without a directory", "C: VRFY a\nS: 252 2.5.2 {any}"},

		{"EHLO: bad", "C: EHLO\nS: 501 {any}\nC: EHLO a_b\nS: 501 {any}\nC: EHLO -a\nS: 501 {any}\nC: EHLO a b\nS: 501 {any}\n" + `C: EHLO h\xC3\xA9` + "\nS: 501 {any}\nC: EHLO [1.2.3]\nS: 501 {any}"},
		{"EHLO: refused keeps the transaction", "C: MAIL FROM:<>\nS: 250 {any}\nC: EHLO\nS: 501 {any}\nC: RCPT TO:<b@y.example>\nS: 250 {any}"},
		{"HELO resets", "C: MAIL FROM:<>\nS: 250 {any}\nC: HELO x\nS: 250 mx.example\nC: RCPT TO:<b@y.example>\nS: 503 5.5.1 {any}"},
		{"HELO has no parameters", "C: HELO [IPv6:::1]\nS: 250 mx.example\nC: MAIL FROM:<> SIZE=1\nS: 555 5.5.4 {any}\nC: MAIL FROM:<>\nS: 250 {any}"},

		{"MAIL nested", "C: MAIL FROM:<a@x.example>\nS: 250 2.1.0 {any}\nC: MAIL FROM:<c@x.example>\nS: 503 5.5.1 {any}\nC: RCPT TO:<b@y.example>\nS: 250 2.1.5 {any}"},
		{"MAIL syntax", "C: MAIL\nS: 501 {any}\nC: MAIL FROM\nS: 501 {any}\nC: MAIL FROM: <a@x.example>\nS: 501 {any}\nC: MAIL FROM:a@x.example\nS: 501 {any}\nC: MAIL FROM:<a@x.example\nS: 501 5.1.7 {any}\nC: MAIL FROM:<a@x.example>SIZE=1\nS: 501 5.5.4 {any}\nC: mail from:<a@x.example>\nS: 250 {any}"},
		{"legacy verbs", "C: SEND FROM:<>\nS: 250 {any}\nC: RSET\n" + ok + "C: SOML FROM:<>\nS: 250 {any}\nC: RSET\n" + ok + "C: SAML FROM:<>\nS: 250 {any}"},
		{"RCPT without MAIL", "C: RCPT TO:<b@y.example>\nS: 503 5.5.1 {any}"},
		{"RCPT syntax", "C: MAIL FROM:<>\nS: 250 {any}\nC: RCPT TO:<>\nS: 501 5.1.3 {any}\nC: RCPT TO:<b>\nS: 501 5.1.3 {any}\nC: RCPT b@y.example\nS: 501 5.1.3 {any}\nC: RCPT TO:<postMaster>\nS: 250 {any}\nC: RCPT TO:<@r.example,@s.example:b@y.example>\nS: 250 {any}"},
		{"DATA without MAIL", "C: DATA\nS: 503 5.5.1 {any}"},
		{"DATA without RCPT", "C: MAIL FROM:<>\nS: 250 {any}\nC: DATA\nS: 554 5.5.1 {any}"},
		{"RSET ends it", "C: MAIL FROM:<>\nC: RCPT TO:<b@y.example>\nS: 250 {any}\nS: 250 {any}\nC: RSET\n" + ok + "C: DATA\nS: 503 5.5.1 {any}"},
		{"group, refused MAIL", "C: MAIL FROM:<x>\nC: RCPT TO:<b@y.example>\nC: DATA\nS: 501 5.1.7 {any}\nS: 503 5.5.1 {any}\nS: 503 5.5.1 {any}"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			play(t, server(t, "PIPELINING SIZE ENHANCEDSTATUSCODES VRFY EXPN HELP"),
				hello("PIPELINING", "SIZE 67108864", "ENHANCEDSTATUSCODES", "VRFY", "EXPN", "HELP")+tt.script+quit)
		})
	}
}

func TestBeforeHello(t *testing.T) {
	play(t, server(t, "none"), `
		S: 220 mx.example ESMTP Parley sink
		C: NOOP
		S: 250 Ok
		C: RSET
		S: 250 Ok
		C: VRFY a
		S: 252 {any}
		C: MAIL FROM:<>
		S: 503 {any}
		C: EXPN a
		S: 502 {any}
		C: HELP
		S: 502 {any}
		C: BDAT 0 LAST
		S: 502 {any}`+quit)
}

// What is offered is what was asked for, as far as it can be.
func TestExtensions(t *testing.T) {
	for _, tt := range []struct {
		name, list string
		set        func(*sink.Server)
		want       []string
	}{
		{"none", "none", nil, nil},
		{"all without TLS and users", "all,-FUTURERELEASE", nil, []string{
			"PIPELINING", "8BITMIME", "SIZE 67108864", "SMTPUTF8", "CHUNKING", "BINARYMIME", "DSN", "ENHANCEDSTATUSCODES",
			"DELIVERBY", "MT-PRIORITY", "LIMITS RCPTMAX=1000", "VRFY", "EXPN", "HELP",
		}},
		{"one needs another", "binarymime,smtputf8", nil, nil},
		{"AUTH in clear", "AUTH", func(s *sink.Server) { s.Auth.Users = map[string]string{"u": "p"} }, []string{"AUTH SCRAM-SHA-256 SCRAM-SHA-1 CRAM-MD5"}},
		{"AUTH chosen", "AUTH", func(s *sink.Server) {
			s.Auth = sink.Auth{Users: map[string]string{"u": "p"}, Clear: true, Mechanisms: []string{"login", "PLAIN"}}
		}, []string{"AUTH LOGIN PLAIN"}},
		{"limits", "SIZE LIMITS", func(s *sink.Server) {
			s.Limits = sink.Limits{Size: -1, Recipients: 7, Messages: 3, RecipientDomains: 2}
		}, []string{"SIZE 0", "LIMITS RCPTMAX=7 MAILMAX=3 RCPTDOMAINMAX=2"}},
		{"keywords", "none", func(s *sink.Server) { s.Keywords = []string{"XFOO bar"} }, []string{"XFOO bar"}},
		{"future release", "FUTURERELEASE", nil, []string{"FUTURERELEASE 604800 {word}Z"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			srv := server(t, tt.list)
			if tt.set != nil {
				tt.set(srv)
			}
			play(t, srv, hello(tt.want...)+quit)
		})
	}
}

func TestParseExtensions(t *testing.T) {
	if _, err := sink.ParseExtensions("PIPELINING,NONSENSE"); err == nil || !strings.Contains(err.Error(), `"NONSENSE"`) {
		t.Errorf("unknown keyword: %v", err)
	}
	x, err := sink.ParseExtensions("all, -auth -STARTTLS")
	if err != nil || strings.Contains(x.String(), "AUTH") || !strings.Contains(x.String(), "PIPELINING") {
		t.Errorf("%v %v", x, err)
	}
	if again, err := sink.ParseExtensions(x.String()); err != nil || again != x {
		t.Errorf("%v read back: %v %v", x, again, err)
	}
}

func TestPaths(t *testing.T) {
	long := func(n int) string { return strings.Repeat("a", n) }
	labels := strings.Repeat("abcdefghijklmnopqrstuvwxyz.", 6)
	for _, tt := range []struct{ path, reply string }{
		{"a@x.example", "250 2.1.0"},
		{"a.b+c@x.example", "250 2.1.0"},
		{"!#$%&'*+-/=?^_`{|}~@x", "250 2.1.0"},
		{`"a b\\\\\\"<>@"@x.example`, "250 2.1.0"},
		{`""@x.example`, "250 2.1.0"},
		{"a@[192.0.2.1]", "250 2.1.0"},
		{"a@[IPv6:2001:db8::1]", "250 2.1.0"},
		{"a@1.example-x.example", "250 2.1.0"},
		{long(64) + "@x.example", "250 2.1.0"},
		{long(64) + "@" + labels + "abc.example", "250 2.1.0"},
		{"@r.example:a@x.example", "250 2.1.0"},

		{long(65) + "@x.example", "501 5.1.7"},
		{"a@" + long(64) + ".example", "501 5.1.7"},
		{long(64) + "@" + labels + labels, "501 5.1.7"},
		{"a", "501 5.1.7"},
		{"a@", "501 5.1.7"},
		{"@x.example", "501 5.1.7"},
		{"postmaster", "501 5.1.7"},
		{".a@x.example", "501 5.1.7"},
		{"a.@x.example", "501 5.1.7"},
		{"a..b@x.example", "501 5.1.7"},
		{"a b@x.example", "501 5.1.7"},
		{`a"b"@x.example`, "501 5.1.7"},
		{`"a"b@x.example`, "501 5.1.7"},
		{`"a\\"@x.example`, "501 5.1.7"},
		{`a\x01@x.example`, "501 5.1.7"},
		{"a@x..example", "501 5.1.7"},
		{"a@x.example.", "501 5.1.7"},
		{"a@-x.example", "501 5.1.7"},
		{"a@x_y.example", "501 5.1.7"},
		{"a@[192.0.2]", "501 5.1.7"},
		{"a@[::1]", "501 5.1.7"},
		{"a@[IPv6:192.0.2.1]", "501 5.1.7"},
		{"r.example:a@x.example", "501 5.1.7"},
		{"@r.example,s.example:a@x.example", "501 5.1.7"},
		{`j\xC3\xB6rg@x.example`, "553 5.6.7"},
		{`a@b\xC3\xBCro.example`, "553 5.6.7"},
		{`j\xC3@x.example`, "501 5.1.7"},
	} {
		t.Run(tt.path, func(t *testing.T) {
			play(t, server(t, "ENHANCEDSTATUSCODES"), hello("ENHANCEDSTATUSCODES")+"C: MAIL FROM:<"+tt.path+">\nS: "+tt.reply+" {any}"+quit)
		})
	}
}

func TestSMTPUTF8(t *testing.T) {
	play(t, server(t, "8BITMIME SMTPUTF8 ENHANCEDSTATUSCODES DSN VRFY EXPN"), hello("8BITMIME", "SMTPUTF8", "DSN", "ENHANCEDSTATUSCODES", "VRFY", "EXPN")+`
		C: MAIL FROM:<j\xC3\xB6rg@b\xC3\xBCro.example>
		S: 553 5.6.7 {any}
		C: MAIL FROM:<j\xC3\xB6rg@b\xC3\xBCro.example> SMTPUTF8 BODY=8BITMIME
		S: 250 2.1.0 {any}
		C: RCPT TO:<j\xC3\xB6rg@x.example> ORCPT=utf-8;j\xC3\xB6rg@x.example
		S: 250 2.1.5 {any}
		C: RCPT TO:<j\xC3rg@x.example>
		S: 501 5.1.3 {any}
		C: RSET
		S: 250 {any}
		C: MAIL FROM:<> SMTPUTF8=yes
		S: 501 5.5.4 {any}
		C: MAIL FROM:<>
		S: 250 {any}
		C: RCPT TO:<j\xC3\xB6rg@x.example>
		S: 553 5.6.7 {any}`+quit)
}

func TestParameters(t *testing.T) {
	const mail, rcpt = "C: MAIL FROM:<>", "C: MAIL FROM:<>\nS: 250 {any}\nC: RCPT TO:<b@y.example>"
	for _, tt := range []struct{ command, params, code string }{
		{mail, " SIZE=0", "250"},
		{mail, " size=67108864", "250"},
		{mail, " SIZE=67108865", "552 5.3.4"},
		{mail, " SIZE=99999999999999999999", "552 5.3.4"},
		{mail, " SIZE=123456789012345678901", "501 5.5.4"},
		{mail, " SIZE=-1", "501 5.5.4"},
		{mail, " SIZE=", "501 5.5.4"},
		{mail, " SIZE", "501 5.5.4"},
		{mail, " SIZE=1 SIZE=1", "501 5.5.4"},
		{mail, "  SIZE=1", "501 5.5.4"},
		{mail, " BODY=7bit", "250"},
		{mail, " BODY=8BITMIME", "250"},
		{mail, " BODY=BINARYMIME", "250"},
		{mail, " BODY=9BIT", "501 5.5.4"},
		{mail, " RET=HDRS ENVID=QQ314159", "250"},
		{mail, " RET=FOO", "501 5.5.4"},
		{mail, " RET=FULL RET=FULL", "501 5.5.4"},
		{mail, " ENVID=a+3Db", "250"},
		{mail, " ENVID=a+3db", "501 5.5.4"},
		{mail, " ENVID=" + strings.Repeat("a", 101), "501 5.5.4"},
		{mail, " BY=120;R", "250"},
		{mail, " BY=-5;NT", "250"},
		{mail, " BY=0;R", "501 5.5.4"},
		{mail, " BY=120", "501 5.5.4"},
		{mail, " BY=120;X", "501 5.5.4"},
		{mail, " HOLDFOR=60", "250"},
		{mail, " HOLDFOR=604801", "501 5.5.4"},
		{mail, " HOLDUNTIL=2020-01-01T00:00:00Z", "250"},
		{mail, " HOLDUNTIL=2020", "501 5.5.4"},
		{mail, " HOLDFOR=60 HOLDUNTIL=2020-01-01T00:00:00Z", "501 5.5.4"},
		{mail, " MT-PRIORITY=-9", "250"},
		{mail, " MT-PRIORITY=10", "501 5.5.2"},
		{mail, " REQUIRETLS", "555 5.5.4"},
		{mail, " AUTH=<>", "250"},
		{mail, " AUTH=a+40b", "250"},
		{mail, " AUTH", "501 5.5.4"},
		{mail, " FOO=BAR", "555 5.5.4"},
		{mail, " NOTIFY=NEVER", "555 5.5.4"},
		{mail, " =1", "501 5.5.4"},
		{mail, " A=B=C", "501 5.5.4"},
		{rcpt, " NOTIFY=NEVER ORCPT=rfc822;b+40y", "250"},
		{rcpt, " NOTIFY=success,DELAY", "250"},
		{rcpt, " NOTIFY=NEVER,SUCCESS", "501 5.5.4"},
		{rcpt, " NOTIFY=", "501 5.5.4"},
		{rcpt, " ORCPT=rfc822", "501 5.5.4"},
		{rcpt, " ORCPT=rfc822;", "501 5.5.4"},
		{rcpt, " ORCPT=rfc822;" + strings.Repeat("a", 500), "501 5.5.4"},
		{rcpt, " SIZE=1", "555 5.5.4"},
	} {
		t.Run(tt.params, func(t *testing.T) {
			srv := server(t, "8BITMIME SIZE CHUNKING BINARYMIME DSN ENHANCEDSTATUSCODES AUTH DELIVERBY FUTURERELEASE MT-PRIORITY REQUIRETLS")
			srv.Auth.Users = map[string]string{"u": "p"}
			play(t, srv, hello("8BITMIME", "SIZE 67108864", "CHUNKING", "BINARYMIME", "DSN", "ENHANCEDSTATUSCODES",
				"AUTH {any}", "DELIVERBY", "FUTURERELEASE {any}", "MT-PRIORITY")+tt.command+tt.params+"\nS: "+tt.code+" {any}"+quit)
		})
	}
}

func TestDirectory(t *testing.T) {
	srv := server(t, "8BITMIME SMTPUTF8 VRFY EXPN")
	srv.Directory = sink.Directory{
		Mailboxes: []string{"Sam Q. Smith <smith@mx.example>", "Ann Smith <ann@mx.example>", "joe@mx.example", "Jürgen <j@mx.example>"},
		Lists:     map[string][]string{"Staff": {"Sam Q. Smith <smith@mx.example>", "joe@mx.example"}, "empty": nil},
	}
	play(t, srv, hello("8BITMIME", "SMTPUTF8", "VRFY", "EXPN")+`
		C: VRFY
		S: 501 {any}
		C: VRFY joe
		S: 250 joe@mx.example
		C: VRFY <ANN@mx.example>
		S: 250 Ann Smith <ann@mx.example>
		C: VRFY smith
		S: 553-Ambiguous; Possibilities are
		S: 553-Sam Q. Smith <smith@mx.example>
		S: 553 Ann Smith <ann@mx.example>
		C: VRFY nobody
		S: 550 {any}
		C: VRFY j
		S: 252 {any}
		C: VRFY j SMTPUTF8
		S: 250 J\xC3\xBCrgen <j@mx.example>
		C: VRFY j\xC3\xB6
		S: 553 {any}
		C: EXPN staff
		S: 250-Sam Q. Smith <smith@mx.example>
		S: 250 joe@mx.example
		C: EXPN empty
		S: 550 {any}`+quit)
}

func TestHooks(t *testing.T) {
	srv := server(t, "ENHANCEDSTATUSCODES")
	memory := &sink.Memory{}
	srv.Store = memory
	srv.Hooks = sink.Hooks{
		Mail: func(path string) sink.Reply {
			if path == "bad@x.example" {
				return sink.Reply{Code: 451, Text: "later\r\nmaybe"}
			}
			return sink.Reply{}
		},
		Rcpt: func(path string) sink.Reply {
			switch path {
			case "nobody@y.example":
				return sink.Reply{Code: 550, Enhanced: "5.1.1", Text: "No such user"}
			case "moved@y.example":
				return sink.Reply{Code: 251, Enhanced: "2.1.5", Text: "will forward"}
			}
			return sink.Reply{}
		},
		Data: func() sink.Reply {
			if len(memory.Messages()) > 0 {
				return sink.Reply{Code: 452, Enhanced: "4.3.1", Text: "full"}
			}
			return sink.Reply{}
		},
		Command: func(line []byte) sink.Reply {
			switch string(line) {
			case "NOOP drop":
				return sink.Hangup
			case "NOOP close":
				return sink.Reply{Code: 421, Text: "bye"}
			}
			return sink.Reply{}
		},
	}
	play(t, srv, hello("ENHANCEDSTATUSCODES")+`
		C: MAIL FROM:<bad@x.example>
		S: 451-4.0.0 later
		S: 451 4.0.0 maybe
		C: MAIL FROM:<a@x.example>
		S: 250 {any}
		C: RCPT TO:<nobody@y.example>
		S: 550 5.1.1 No such user
		C: RCPT TO:<moved@y.example>
		S: 251 2.1.5 will forward
		C: DATA
		S: 354 {any}
		C: .
		S: 250 2.0.0 {any}
		C: MAIL FROM:<a@x.example>
		S: 250 {any}
		C: RCPT TO:<b@y.example>
		S: 250 {any}
		C: DATA
		S: 452 4.3.1 full
		C: NOOP drop
		X: eof`)
	play(t, srv, hello("ENHANCEDSTATUSCODES")+"C: NOOP close\nS: 421 4.0.0 bye\nX: eof")
	got := memory.Messages()
	if len(got) != 1 {
		t.Fatalf("%d messages", len(got))
	}
	if diff := cmp.Diff([]string{"moved@y.example"}, got[0].Paths()); diff != "" {
		t.Error(diff)
	}
}

// A hook is not shown a secret.
func TestCommandHookAuth(t *testing.T) {
	srv := authServer(t)
	var seen []string
	srv.Hooks.Command = func(line []byte) sink.Reply {
		seen = append(seen, string(line))
		if strings.HasPrefix(string(line), "AUTH LOGIN") {
			return sink.Reply{Code: 454, Enhanced: "4.7.0", Text: "not now"}
		}
		return sink.Reply{}
	}
	play(t, srv, hello("ENHANCEDSTATUSCODES", "AUTH {any}")+`
		C: AUTH LOGIN c2VjcmV0
		S: 454 4.7.0 not now
		C: auth  c2VjcmV0
		S: 501 5.5.4 {any}
		C: AUTH PLAIN
		S| 334 \r\n
		C: c2VjcmV0
		S: 535 5.7.8 {any}`+quit)
	want := []string{"EHLO client.example", "AUTH LOGIN", "auth ", "AUTH PLAIN", "QUIT"}
	if diff := cmp.Diff(want, seen); diff != "" {
		t.Error(diff)
	}
}

func TestReplyString(t *testing.T) {
	for want, r := range map[string]sink.Reply{
		"550 5.1.1 no / such user": {Code: 550, Enhanced: "5.1.1", Text: "no\nsuch user"},
		"250 ok":                   {Code: 250, Text: "ok"},
		"connection closed":        sink.Hangup,
	} {
		if got := r.Error(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

func TestEndHook(t *testing.T) {
	srv := server(t, "none")
	memory := &sink.Memory{}
	srv.Store = memory
	replies := []sink.Reply{{Code: 554, Text: "spam"}, {Code: 451, Text: "later"}, {Code: 250, Text: "fine"}, sink.Hangup}
	srv.Hooks.End = func(string) sink.Reply {
		r := replies[0]
		replies = replies[1:]
		return r
	}
	message := func(reply string) string {
		return "C: MAIL FROM:<>\nS: 250 {any}\nC: RCPT TO:<b@y.example>\nS: 250 {any}\nC: DATA\nS: 354 {any}\nC: .\n" + reply
	}
	play(t, srv, hello()+message("S: 554 spam\n")+message("S: 451 later\n")+message("S: 250 Accepted, 0 octets\n")+message("X: eof"))
	if n := len(memory.Messages()); n != 1 {
		t.Errorf("%d messages stored", n)
	}
}

func TestConnectHook(t *testing.T) {
	srv := server(t, "none")
	srv.Hooks.Connect = func(net.Addr) sink.Reply { return sink.Reply{Code: 554, Text: "mx.example no service\nsee elsewhere"} }
	play(t, srv, `
		S: 554-mx.example no service
		S: 554 see elsewhere
		C: EHLO client.example
		S: 503 {any}`+quit)
	srv.Hooks.Connect = func(net.Addr) sink.Reply { return sink.Reply{Code: 421, Text: "mx.example busy"} }
	play(t, srv, "S: 421 mx.example busy\nX: eof")
}

func TestLMTP(t *testing.T) {
	srv := server(t, "PIPELINING CHUNKING ENHANCEDSTATUSCODES")
	srv.LMTP = true
	memory := &sink.Memory{}
	srv.Store = memory
	srv.Hooks.End = func(path string) sink.Reply {
		if strings.HasPrefix(path, "full") {
			return sink.Reply{Code: 452, Enhanced: "4.2.2", Text: "Mailbox full"}
		}
		return sink.Reply{}
	}
	play(t, srv, `
		S: 220 mx.example LMTP Parley sink
		C: EHLO client.example
		S: 500 {any}
		C: HELO client.example
		S: 500 {any}
		C: LHLO client.example
		S: 250-mx.example greets you
		S: 250-PIPELINING
		S: 250-CHUNKING
		S: 250 ENHANCEDSTATUSCODES
		C: MAIL FROM:<a@x.example>
		C: DATA
		S: 250 2.1.0 Ok
		S: 503 5.5.1 {any}
		C: RCPT TO:<b@y.example>
		C: RCPT TO:<bad>
		C: RCPT TO:<full@y.example>
		C: RCPT TO:<b@y.example>
		C: DATA
		S: 250 2.1.5 Ok
		S: 501 5.1.3 {any}
		S: 250 2.1.5 Ok
		S: 250 2.1.5 Ok
		S: 354 {any}
		C: one
		C: .
		S: 250 2.1.5 Delivered
		S: 452 4.2.2 Mailbox full
		S: 250 2.1.5 Delivered
		C: MAIL FROM:<a@x.example>
		C: RCPT TO:<c@y.example>
		C: RCPT TO:<d@y.example>
		C: BDAT 2
		C| hi
		C: BDAT 0 LAST
		S: 250 2.1.0 Ok
		S: 250 2.1.5 Ok
		S: 250 2.1.5 Ok
		S: 250 2.0.0 Ok, 2 octets
		S: 250 2.1.5 Delivered
		S: 250 2.1.5 Delivered
		C: MAIL FROM:<a@x.example>
		C: RCPT TO:<full@y.example>
		C: DATA
		S: 250 {any}
		S: 250 {any}
		S: 354 {any}
		C: .
		S: 452 4.2.2 Mailbox full`+quit)
	var got [][]string
	for _, m := range memory.Messages() {
		got = append(got, append(m.Paths(), string(m.Content)))
	}
	want := [][]string{{"b@y.example", "b@y.example", "one\r\n"}, {"c@y.example", "d@y.example", "hi"}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if s := srv.Stats(); s.Messages != 2 || s.Recipients != 4 || s.Octets != 7 {
		t.Errorf("%+v", s)
	}
}

// Refusals of the whole message, a store's and a closing one.
func TestLMTPRefused(t *testing.T) {
	srv := server(t, "PIPELINING")
	srv.LMTP = true
	srv.Store = sink.Func(func(*sink.Message) error { return errors.New("disk full") })
	message := `
		C: MAIL FROM:<>
		C: RCPT TO:<b@y.example>
		C: RCPT TO:<c@y.example>
		C: DATA
		S: 250 Ok
		S: 250 Ok
		S: 250 Ok
		S: 354 {any}
		C: .
		`
	opening := "S: 220 {any}\nC: LHLO x\nS: 250-{any}\nS: 250 PIPELINING\n"
	play(t, srv, opening+message+"S: 451 {any}\nS: 451 {any}"+quit)
	srv.Hooks.End = func(string) sink.Reply { return sink.Reply{Code: 421, Text: "gone"} }
	play(t, srv, opening+message+"S: 421 gone\nX: eof")
	if s := srv.Stats(); s.Messages != 0 || s.Recipients != 0 {
		t.Errorf("%+v", s)
	}
}
