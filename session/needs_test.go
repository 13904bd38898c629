package session_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/parley-mail/parley/codec"
	"github.com/parley-mail/parley/events"
	"github.com/parley-mail/parley/fsm"
	"github.com/parley-mail/parley/message"
	"github.com/parley-mail/parley/session"
)

// What a message needs and the server does not offer is refused before MAIL; what it
// offers becomes a parameter.
func TestNegotiation(t *testing.T) {
	secure := session.Link{Secure: true, Verified: true}
	for _, c := range []struct {
		name   string
		set    func(*session.Transaction)
		cfg    session.Config
		link   session.Link
		offer  string // EHLO keywords
		mail   string // parameters of MAIL; "-": refused before MAIL
		rcpt   string
		body   string // command that begins the content; "": DATA
		notice string // what is noted; "": does not matter
	}{
		{name: "nothing"},
		{name: "size", offer: "SIZE 1000", set: func(tx *session.Transaction) { tx.Octets = 1000 }, mail: " SIZE=1000"},
		{name: "size, no limit", offer: "SIZE", set: func(tx *session.Transaction) { tx.Octets = 1 << 40 }, mail: " SIZE=1099511627776"},
		{name: "too large", offer: "SIZE 1000", set: func(tx *session.Transaction) { tx.Octets = 1001 }, mail: "-"},
		{name: "8 bit", offer: "8BITMIME", set: func(tx *session.Transaction) { tx.Body = codec.Body8BitMIME }, mail: " BODY=8BITMIME"},
		{name: "8 bit, not offered", set: func(tx *session.Transaction) { tx.Body = codec.Body8BitMIME }, mail: "-"},
		{name: "8 bit, sent all the same", cfg: session.Config{Raw8Bit: true}, set: func(tx *session.Transaction) { tx.Body = codec.Body8BitMIME }},
		{name: "8 bit and no MIME", offer: "8BITMIME", set: func(tx *session.Transaction) {
			tx.Body, tx.NotMIME = codec.Body8BitMIME, true
		}, mail: " BODY=8BITMIME", notice: "is no MIME"},
		{name: "8 bit and no MIME, strict", offer: "8BITMIME", cfg: session.Config{Strict: true}, set: func(tx *session.Transaction) {
			tx.Body, tx.NotMIME = codec.Body8BitMIME, true
		}, mail: "-"},
		{name: "8 bit, strict", offer: "8BITMIME", cfg: session.Config{Strict: true}, set: func(tx *session.Transaction) { tx.Body = codec.Body8BitMIME }, mail: " BODY=8BITMIME"},
		{name: "binary", offer: "BINARYMIME|CHUNKING", set: func(tx *session.Transaction) { tx.Body = codec.BodyBinaryMIME }, mail: " BODY=BINARYMIME", body: "BDAT 2 LAST"},
		{name: "binary, DATA wanted", offer: "BINARYMIME|CHUNKING", cfg: session.Config{Data: session.DataOnly}, set: func(tx *session.Transaction) { tx.Body = codec.BodyBinaryMIME }, mail: "-"},
		{name: "binary without chunking", offer: "BINARYMIME", set: func(tx *session.Transaction) { tx.Body = codec.BodyBinaryMIME }, mail: "-"},
		{name: "utf8 header", offer: "SMTPUTF8|8BITMIME", set: func(tx *session.Transaction) { tx.UTF8 = true }, mail: " SMTPUTF8"},
		{name: "utf8 header, not offered", set: func(tx *session.Transaction) { tx.UTF8 = true }, mail: "-"},
		{name: "utf8 address, not offered", set: func(tx *session.Transaction) { tx.Envelope.ReversePath = path(t, "bücher@x.example") }, mail: "-"},
		{name: "dsn", offer: "DSN", set: func(tx *session.Transaction) {
			tx.Envelope.Params.Return, tx.Envelope.Params.EnvelopeID = "HDRS", "a+b"
			tx.Envelope.Recipients[0].Params = codec.RcptParams{Notify: codec.NotifyFailure, OriginalRecipient: "rfc822;b@y.example"}
		}, mail: " RET=HDRS ENVID=a+2Bb", rcpt: " NOTIFY=FAILURE ORCPT=rfc822;b@y.example"},
		{name: "ret, not offered", set: func(tx *session.Transaction) { tx.Envelope.Params.Return = "FULL" }, mail: "-"},
		{name: "dsn dropped", set: func(tx *session.Transaction) {
			tx.Envelope.Params.Return, tx.MayDrop = "FULL", session.NeedDSN
			tx.Envelope.Recipients[0].Params.Notify = codec.NotifyNever
		}},
		{name: "by", offer: "DELIVERBY 60", set: func(tx *session.Transaction) {
			tx.Envelope.Params.DeliverBy = &codec.DeliverBy{Seconds: 120, Return: true}
		}, mail: " BY=120;R"},
		{name: "by, under the minimum", offer: "DELIVERBY 60", set: func(tx *session.Transaction) {
			tx.Envelope.Params.DeliverBy = &codec.DeliverBy{Seconds: 59, Return: true}
		}, mail: "-"},
		{name: "by, not offered", set: func(tx *session.Transaction) { tx.Envelope.Params.DeliverBy = &codec.DeliverBy{Seconds: 120} }, mail: "-"},
		{name: "by, to be returned, not offered", set: func(tx *session.Transaction) {
			tx.Envelope.Params.DeliverBy = &codec.DeliverBy{Seconds: 120, Return: true}
		}, mail: "-"},
		{name: "by, to be returned, cannot be dropped", set: func(tx *session.Transaction) {
			tx.Envelope.Params.DeliverBy, tx.MayDrop = &codec.DeliverBy{Seconds: 120, Return: true}, session.NeedDeliverBy
		}, mail: "-"},
		{name: "by, dropped", set: func(tx *session.Transaction) {
			tx.Envelope.Params.DeliverBy, tx.MayDrop = &codec.DeliverBy{Seconds: 120}, session.NeedDeliverBy
		}},
		{name: "hold", offer: "FUTURERELEASE 3600 2030-01-01T00:00:00Z", set: func(tx *session.Transaction) { tx.Envelope.Params.HoldFor = 60 }, mail: " HOLDFOR=60"},
		{name: "hold too long", offer: "FUTURERELEASE 3600 2030-01-01T00:00:00Z", set: func(tx *session.Transaction) { tx.Envelope.Params.HoldFor = 3601 }, mail: "-"},
		{name: "hold, not offered", set: func(tx *session.Transaction) { tx.Envelope.Params.HoldFor = 60 }, mail: "-"},
		{name: "hold, dropped", set: func(tx *session.Transaction) {
			tx.Envelope.Params.HoldUntil, tx.MayDrop = "2030-01-01T00:00:00Z", session.NeedFutureRelease
		}},
		{name: "priority", offer: "MT-PRIORITY", set: func(tx *session.Transaction) {
			tx.Envelope.Params.MTPriority, tx.Envelope.Params.HasMTPriority = -3, true
		}, mail: " MT-PRIORITY=-3"},
		{name: "priority, not offered", set: func(tx *session.Transaction) { tx.Envelope.Params.HasMTPriority = true }, mail: "-"},
		{name: "priority, dropped", set: func(tx *session.Transaction) {
			tx.Envelope.Params.HasMTPriority, tx.MayDrop = true, session.NeedPriority
		}},
		{name: "requiretls", offer: "REQUIRETLS", link: secure, set: func(tx *session.Transaction) { tx.Envelope.Params.RequireTLS = true }, mail: " REQUIRETLS"},
		{name: "requiretls, not offered", link: secure, set: func(tx *session.Transaction) { tx.Envelope.Params.RequireTLS = true }, mail: "-"},
		{name: "requiretls in clear", offer: "REQUIRETLS", set: func(tx *session.Transaction) { tx.Envelope.Params.RequireTLS = true }, mail: "-"},
		{name: "requiretls, not verified", offer: "REQUIRETLS", link: session.Link{Secure: true}, set: func(tx *session.Transaction) { tx.Envelope.Params.RequireTLS = true }, mail: "-"},
		{name: "auth=", offer: "AUTH PLAIN", set: func(tx *session.Transaction) { tx.Envelope.Params.Auth = "e=mc2@x.example" }, mail: " AUTH=e+3Dmc2@x.example"},
		{name: "auth=, not offered", set: func(tx *session.Transaction) { tx.Envelope.Params.Auth = "<>" }, mail: "-"},
		{name: "auth=, dropped", set: func(tx *session.Transaction) {
			tx.Envelope.Params.Auth, tx.MayDrop = "<>", session.NeedAuth
		}},
		{name: "bdat", offer: "CHUNKING", cfg: session.Config{Data: session.DataBDAT}, body: "BDAT 2 LAST"},
		{name: "bdat, not offered", cfg: session.Config{Data: session.DataBDAT}},
	} {
		tx := mail(t, "\r\n", "a@x.example", "b@y.example")
		if c.set != nil {
			c.set(tx)
		}
		sc := scenario{name: c.name, cfg: c.cfg, link: c.link, begin: begin(t, tx), state: fsm.Closed}
		sc.script = "S: 220 mx.example\nC: EHLO localhost\nS: 250-mx.example\n"
		for keyword := range strings.SplitSeq(c.offer, "|") {
			sc.script += "S: 250-" + keyword + "\n"
		}
		sc.script += "S: 250 HELP\n"
		if c.mail == "-" {
			sc.want = []string{"b@y.example not_sent 0"}
			sc.check = func(t *testing.T, _ *session.Session, all []events.Event) {
				for _, e := range all {
					if r, ok := e.(*events.Rejected); ok && r.Reason != "" {
						return
					}
				}
				t.Error("nobody says why")
			}
		} else {
			sc.want = []string{"b@y.example accepted 250"}
			sc.check = func(t *testing.T, _ *session.Session, all []events.Event) {
				noted := slices.ContainsFunc(all, func(e events.Event) bool {
					n, ok := e.(*events.Notice)
					return ok && strings.Contains(n.Detail, c.notice)
				})
				if c.notice != "" && !noted {
					t.Errorf("%q is not noted", c.notice)
				}
			}
			sc.script += "C: MAIL FROM:<" + tx.Envelope.ReversePath.String() + ">" + c.mail + "\nS: 250 ok\nC: RCPT TO:<b@y.example>" + c.rcpt + "\nS: 250 ok\n"
			if c.body != "" {
				sc.script += "C: " + c.body + "\nC: \nS: 250 ok\n"
			} else {
				sc.script += "C: DATA\nS: 354 go\nC: \nC: .\nS: 250 ok\n"
			}
		}
		sc.script += "C: QUIT\nS: 221 bye"
		sc.play(t)
	}
}

// SEND, SOML and SAML take no parameters and nothing that needs one (RFC 821 §3.4).
func TestTerminalVerbs(t *testing.T) {
	const head = "S: 220 mx.example\nC: EHLO localhost\nS: 250-mx.example\nS: 250-DSN\nS: 250-8BITMIME\nS: 250-SMTPUTF8\nS: 250 SIZE\n"
	for _, verb := range []fsm.Command{fsm.Send, fsm.Soml, fsm.Saml} {
		tx := mail(t, "\r\n", "a@x.example", "b@y.example")
		tx.Verb, tx.Octets = verb, 2
		tx.Envelope.Recipients[0].Params.Notify = codec.NotifyNever
		sc := scenario{
			name: verb.String(), begin: begin(t, tx), state: fsm.Closed, want: []string{"b@y.example accepted 250"},
			script: head + "C: " + verb.String() + " FROM:<a@x.example>\nS: 250 ok\nC: RCPT TO:<b@y.example>\nS: 250 ok\nC: DATA\nS: 354 go\nC: \nC: .\nS: 250 ok\nC: QUIT\nS: 221 bye",
		}
		sc.play(t)
	}
	eight, utf8, binary := mail(t, "\r\n", "a@x.example", "b@y.example"), mail(t, "\r\n", "ä@x.example", "b@y.example"), mail(t, "\r\n", "a@x.example", "b@y.example")
	eight.Body, binary.Body = codec.Body8BitMIME, codec.BodyBinaryMIME
	for name, tx := range map[string]*session.Transaction{"8 bit": eight, "utf8": utf8, "binary": binary} {
		tx.Verb = fsm.Saml
		sc := scenario{name: name, begin: begin(t, tx), state: fsm.Closed, want: []string{"b@y.example not_sent 0"}, script: head + "C: QUIT\nS: 221 bye"}
		sc.play(t)
	}
}

// LIMITS (RFC 9422) cuts a transaction short, and a session too.
func TestLimits(t *testing.T) {
	const head = "S: 220 mx.example\nC: EHLO localhost\nS: 250-mx.example\nS: 250 LIMITS MAILMAX=1 RCPTMAX=2\n"
	sc := scenario{
		name: "limits", begin: begin(t, mail(t, "\r\n", "a@x.example", "b@y.example", "c@y.example", "d@y.example"), mail(t, "\r\n", "a@x.example", "e@y.example")),
		script: head + `
		C: MAIL FROM:<a@x.example>
		S: 250 ok
		C: RCPT TO:<b@y.example>
		S: 250 ok
		C: RCPT TO:<c@y.example>
		S: 250 ok
		C: DATA
		S: 354 go
		C: 
		C: .
		S: 250 ok
		C: QUIT
		S: 221 bye`,
		state: fsm.Closed, want: []string{"b@y.example accepted 250", "c@y.example accepted 250", "d@y.example not_sent 0", "e@y.example not_sent 0"},
		events: []events.Kind{events.KindNotice, events.KindAccepted, events.KindRejected},
	}
	sc.play(t)
}

// What cannot be asked for is refused at once.
func TestMisuse(t *testing.T) {
	s := session.New(session.Config{})
	empty := &session.Transaction{Envelope: &message.Envelope{}}
	verb := mail(t, "", "a@x.example", "b@y.example")
	verb.Verb = fsm.Rcpt
	used := mail(t, "", "a@x.example", "b@y.example")
	if err := s.Begin(used); err != nil {
		t.Fatal(err)
	}
	for name, tx := range map[string]*session.Transaction{"none": {}, "empty": empty, "verb": verb, "twice": used} {
		if err := s.Begin(tx); !errors.Is(err, session.ErrMisuse) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := s.Do(&session.Request{Command: fsm.Mail}); !errors.Is(err, session.ErrMisuse) {
		t.Errorf("MAIL as a request: %v", err)
	}
	s.Quit()
	if !used.Done() || used.Status(0) != session.NotSent {
		t.Errorf("before there was a connection: %v", used.Status(0))
	}
	if err := s.Begin(mail(t, "", "a@x.example", "b@y.example")); !errors.Is(err, session.ErrMisuse) {
		t.Errorf("afterwards: %v", err)
	}
	if err := s.Do(&session.Request{Command: fsm.Noop}); !errors.Is(err, session.ErrMisuse) {
		t.Errorf("afterwards: %v", err)
	}
}
