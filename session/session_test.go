package session_test

import (
	"strings"
	"testing"

	"github.com/parley-mail/parley/codec"
	"github.com/parley-mail/parley/events"
	"github.com/parley-mail/parley/fsm"
	"github.com/parley-mail/parley/session"
)

const hi = "Subject: hi\r\n\r\n.dot\r\n"

// The dialogues that the RFCs show, and their surprises.
func TestDialogues(t *testing.T) {
	for _, sc := range []scenario{
		{
			name: "plain", begin: begin(t, mail(t, hi, "a@x.example", "b@y.example")),
			script: `
			S: 220 mx.example
			C: EHLO localhost
			S: 250 mx.example
			C: MAIL FROM:<a@x.example>
			S: 250 ok
			C: RCPT TO:<b@y.example>
			S: 250 ok
			C: DATA
			S: 354 go
			C: Subject: hi
			C:
			C: ..dot
			C: .
			S: 250 queued
			C: QUIT
			S: 221 bye`,
			state: fsm.Closed, want: []string{"b@y.example accepted 250"},
		},
		{
			name: "pipelined, one recipient refused", begin: begin(t, mail(t, hi, "a@x.example", "b@y.example", "c@y.example")),
			script: `
			S: 220 mx.example
			C: EHLO localhost
			S: 250-mx.example
			S: 250 PIPELINING
			C: MAIL FROM:<a@x.example>
			C: RCPT TO:<b@y.example>
			C: RCPT TO:<c@y.example>
			C: DATA
			S: 250 ok
			S: 250 ok
			S: 550 5.1.1 no such user
			S: 354 go
			C: Subject: hi
			C:
			C: ..dot
			C: .
			S: 250 queued
			C: QUIT
			S: 221 bye`,
			state: fsm.Closed, want: []string{"b@y.example accepted 250", "c@y.example refused 550"},
		},
		{
			name: "pipelined, MAIL refused and DATA answered by 354", begin: begin(t, mail(t, hi, "a@x.example", "b@y.example")),
			script: `
			S: 220 mx.example
			C: EHLO localhost
			S: 250-mx.example
			S: 250 PIPELINING
			C: MAIL FROM:<a@x.example>
			C: RCPT TO:<b@y.example>
			C: DATA
			S: 550 5.7.1 no
			S: 503 5.5.1 no
			S: 354 odd
			C: .
			S: 554 5.5.1 nobody
			C: QUIT
			S: 221 bye`,
			state: fsm.Closed, want: []string{"b@y.example refused 550"},
		},
		{
			name: "all recipients refused, in lock-step", begin: begin(t, mail(t, hi, "a@x.example", "b@y.example", "c@y.example"), mail(t, hi, "a@x.example", "d@y.example")),
			script: `
			S: 220 mx.example
			C: EHLO localhost
			S: 250 mx.example
			C: MAIL FROM:<a@x.example>
			S: 250 ok
			C: RCPT TO:<b@y.example>
			S: 550 no
			C: RCPT TO:<c@y.example>
			S: 450 later
			C: RSET
			S: 250 ok
			C: MAIL FROM:<a@x.example>
			S: 250 ok
			C: RCPT TO:<d@y.example>
			S: 550 no
			C: QUIT
			S: 221 bye`,
			state: fsm.Closed, want: []string{"b@y.example refused 550", "c@y.example refused 450", "d@y.example refused 550"},
		},
		{
			name: "STARTTLS", cfg: session.Config{StartTLS: session.StartTLSOrNothing},
			tls: session.Link{Secure: true, Verified: true}, begin: begin(t, mail(t, hi, "a@x.example", "b@y.example")),
			script: `
			S: 220 mx.example
			C: EHLO localhost
			S: 250-mx.example
			S: 250-PIPELINING
			S: 250 STARTTLS
			C: STARTTLS
			S: 220 go ahead
			T:
			C: EHLO localhost
			S: 250 mx.example
			C: MAIL FROM:<a@x.example>
			S: 450 later
			C: QUIT
			S: 221 bye`,
			state: fsm.Closed, want: []string{"b@y.example refused 450"},
		},
		{
			name: "STARTTLS is required and not offered", kind: session.ErrUnsupported, cfg: session.Config{StartTLS: session.StartTLSOrNothing},
			begin: begin(t, mail(t, hi, "a@x.example", "b@y.example")),
			script: `
			S: 220 mx.example
			C: EHLO localhost
			S: 250-mx.example
			S: 250 SIZE
			C: QUIT
			S: 221 bye`,
			state: fsm.Closed, want: []string{"b@y.example not_sent 0"},
		},
		{
			name: "octets behind the 220 to STARTTLS", cfg: session.Config{StartTLS: session.StartTLSIfOffered},
			begin: begin(t, mail(t, hi, "a@x.example", "b@y.example")),
			script: `
			S: 220 mx.example
			C: EHLO localhost
			S: 250-mx.example
			S: 250 STARTTLS
			C: STARTTLS
			S: 220 go ahead
			S: 250 evil`,
			state: fsm.Failed, want: []string{"b@y.example not_sent 0"},
		},
		{
			name: "HELO after 502", begin: begin(t, mail(t, hi, "a@x.example", "b@y.example")),
			script: `
			S: 220 mx.example
			C: EHLO localhost
			S: 502 what
			C: HELO localhost
			S: 250 mx.example
			C: MAIL FROM:<a@x.example>
			S: 421 closing`,
			state: fsm.Failed, want: []string{"b@y.example not_sent 0"},
		},
		{
			name: "no HELO after 550", begin: begin(t, mail(t, hi, "a@x.example", "b@y.example")),
			script: `
			S: 220 mx.example
			C: EHLO localhost
			S: 550 5.7.1 invalid name
			C: QUIT
			S: 221 bye`,
			state: fsm.Closed, want: []string{"b@y.example not_sent 0"},
		},
		{
			name: "greeting refused", begin: begin(t, mail(t, hi, "a@x.example", "b@y.example")),
			script: `
			S: 554 no service
			C: QUIT
			S: 221 bye`,
			state: fsm.Closed, want: []string{"b@y.example not_sent 0"},
		},
		{
			name: "malformed within a pipeline", begin: begin(t, mail(t, hi, "a@x.example", "b@y.example", "c@y.example")),
			script: `
			S: 220 mx.example
			C: EHLO localhost
			S: 250-mx.example
			S: 250 PIPELINING
			C: MAIL FROM:<a@x.example>
			C: RCPT TO:<b@y.example>
			C: RCPT TO:<c@y.example>
			C: DATA
			S: 250 ok
			S: 250 ok
			S: 25O ok
			S: 354 go`,
			state: fsm.Failed, want: []string{"b@y.example not_sent 250", "c@y.example not_sent 0"},
		},
		{
			name: "lost after the end of data", begin: begin(t, mail(t, hi, "a@x.example", "b@y.example", "c@y.example")),
			script: `
			S: 220 mx.example
			C: EHLO localhost
			S: 250-mx.example
			S: 250 PIPELINING
			C: MAIL FROM:<a@x.example>
			C: RCPT TO:<b@y.example>
			C: RCPT TO:<c@y.example>
			C: DATA
			S: 250 ok
			S: 250 ok
			S: 550 no
			S: 354 go
			C: Subject: hi
			C:
			C: ..dot
			C: .
			S: 250-2.0.0 ok
			X: eof`,
			state: fsm.Failed, want: []string{"b@y.example unknown 250", "c@y.example refused 550"},
		},
		{
			name: "two replies to the end of data", begin: begin(t, mail(t, hi, "a@x.example", "b@y.example"), mail(t, hi, "a@x.example", "b@y.example")),
			script: `
			S: 220 mx.example
			C: EHLO localhost
			S: 250 mx.example
			C: MAIL FROM:<a@x.example>
			S: 250 ok
			C: RCPT TO:<b@y.example>
			S: 250 ok
			C: DATA
			S: 354 go
			C: Subject: hi
			C:
			C: ..dot
			C: .
			S: 250 ok
			S: 250 ok`,
			state: fsm.Failed, want: []string{"b@y.example accepted 250", "b@y.example not_sent 0"},
		},
		{
			name: "LMTP", cfg: session.Config{LMTP: true},
			begin: begin(t, mail(t, hi, "a@x.example", "b@y.example", "c@y.example", "d@y.example", "e@y.example")),
			script: `
			S: 220 mx.example
			C: LHLO localhost
			S: 250-mx.example
			S: 250 PIPELINING
			C: MAIL FROM:<a@x.example>
			C: RCPT TO:<b@y.example>
			C: RCPT TO:<c@y.example>
			C: RCPT TO:<d@y.example>
			C: RCPT TO:<e@y.example>
			C: DATA
			S: 250 ok
			S: 250 ok
			S: 550 no
			S: 250 ok
			S: 250 ok
			S: 354 go
			C: Subject: hi
			C:
			C: ..dot
			C: .
			S: 250 b has it
			S: 452 d is full
			X: eof`,
			state: fsm.Failed, want: []string{"b@y.example accepted 250", "c@y.example refused 550", "d@y.example refused 452", "e@y.example unknown 250"},
		},
		{
			name: "BDAT, pipelined, two messages ahead", cfg: session.Config{Data: session.DataBDAT, Overlap: 8},
			begin: begin(t, mail(t, hi, "a@x.example", "b@y.example"), mail(t, hi, "", "c@y.example")),
			script: `
			S: 220 mx.example
			C: EHLO localhost
			S: 250-mx.example
			S: 250-PIPELINING
			S: 250 CHUNKING
			C: MAIL FROM:<a@x.example>
			C: RCPT TO:<b@y.example>
			C: BDAT 21 LAST
			C: Subject: hi
			C:
			C: .dot
			C: RSET
			C: MAIL FROM:<>
			C: RCPT TO:<c@y.example>
			C: BDAT 21 LAST
			C: Subject: hi
			C:
			C: .dot
			C: QUIT
			S: 250 ok
			S: 250 ok
			S: 250 queued 1
			S: 250 reset
			S: 250 ok
			S: 550 no
			S: 503 nobody
			S: 221 bye`,
			state: fsm.Closed, want: []string{"b@y.example accepted 250", "c@y.example refused 550"},
		},
		{
			name: "DATA, pipelined, the next envelope behind the dot", cfg: session.Config{Overlap: 2},
			begin: begin(t, mail(t, hi, "a@x.example", "b@y.example"), mail(t, hi, "", "c@y.example")),
			script: `
			S: 220 mx.example
			C: EHLO localhost
			S: 250-mx.example
			S: 250 PIPELINING
			C: MAIL FROM:<a@x.example>
			C: RCPT TO:<b@y.example>
			C: DATA
			S: 250 ok
			S: 250 ok
			S: 354 go
			C: Subject: hi
			C:
			C: ..dot
			C: .
			C: MAIL FROM:<>
			C: RCPT TO:<c@y.example>
			C: DATA
			S: 451 try again
			S: 250 ok
			S: 250 ok
			S: 354 go
			C: Subject: hi
			C:
			C: ..dot
			C: .
			C: QUIT
			S: 250 queued
			X: eof`,
			state: fsm.Closed, want: []string{"b@y.example refused 451", "c@y.example accepted 250"},
		},
	} {
		sc.play(t)
	}
}

// An unsupported need is refused before MAIL, and nothing of it is sent.
func TestNeeds(t *testing.T) {
	eight := mail(t, "Subject: h\xc3\xa9\r\n\r\n", "a@x.example", "b@y.example")
	eight.Body = codec.Body8BitMIME
	big := mail(t, hi, "a@x.example", "b@y.example")
	big.Octets = 1001
	dsn := mail(t, hi, "a@x.example", "b@y.example")
	dsn.Envelope.Recipients[0].Params.Notify = codec.NotifySuccess
	for name, tx := range map[string]*session.Transaction{"8bit": eight, "size": big, "dsn": dsn} {
		sc := scenario{
			name: name, begin: begin(t, tx),
			script: `
			S: 220 mx.example
			C: EHLO localhost
			S: 250-mx.example
			S: 250 SIZE 1000
			C: QUIT
			S: 221 bye`,
			state: fsm.Closed, want: []string{"b@y.example not_sent 0"},
		}
		sc.play(t)
	}
}

// Exact codes where more than the class is at stake, and oddities that are let pass.
func TestOddCodes(t *testing.T) {
	const head = "S: 220 mx.example\nC: EHLO localhost\nS: 250 mx.example\n"
	const env = head + "C: MAIL FROM:<a@x.example>\nS: 250 ok\nC: RCPT TO:<b@y.example>\nS: 250 ok\nC: DATA\n"
	const rest = "C: \nC: .\nS: 250 ok\nC: QUIT\nS: 221 bye"
	for _, sc := range []scenario{
		{name: "345 to DATA", script: env + "S: 345 go\n" + rest, events: []events.Kind{events.KindAnomaly}},
		{name: "334 to DATA", script: env + "S: 334 go", kind: session.ErrViolation},
		{name: "250 to DATA", script: env + "S: 250 go", kind: session.ErrViolation},
		{name: "221 to DATA", script: env + "S: 221 bye", kind: session.ErrRefused, events: []events.Kind{events.KindAnomaly}},
		{name: "200 greets", script: "S: 200 hello\n" + env[len("S: 220 mx.example\n"):] + "S: 354 go\n" + rest, events: []events.Kind{events.KindAnomaly}},
		{name: "codes differ", script: env + "S: 354-go\nS: 355 go\n" + rest, events: []events.Kind{events.KindAnomaly}},
		{name: "classes differ", script: env + "S: 354-go\nS: 554 no", kind: session.ErrViolation, events: []events.Kind{events.KindViolation}},
		{name: "552 to RCPT", script: head + "C: MAIL FROM:<a@x.example>\nS: 250 ok\nC: RCPT TO:<b@y.example>\nS: 552 too many\nC: QUIT\nS: 221 bye"},
		{name: "354 to QUIT", script: head + "C: MAIL FROM:<a@x.example>\nS: 550 no\nC: QUIT\nS: 354 go"},
		{name: "junk to QUIT", script: head + "C: MAIL FROM:<a@x.example>\nS: 550 no\nC: QUIT\nS: junk"},
		{name: "a reply nobody asked for", script: head + "C: MAIL FROM:<a@x.example>\nS: 550 no\nC: QUIT\nS: 221 bye\nS: 250 what"},
		{name: "strict", cfg: session.Config{Strict: true}, script: env + "S: 345 go", kind: session.ErrViolation},
		{name: "strict 221", cfg: session.Config{Strict: true}, script: env + "S: 221 go", kind: session.ErrViolation},
		{name: "nothing but the end", script: "S: \nX: eof", kind: session.ErrViolation},
		{name: "the end at once", script: "X: eof", kind: session.ErrTransport},
		{name: "the end within a reply", script: "S: 220-mx.example\nX: eof", kind: session.ErrTransport},
	} {
		sc.begin = begin(t, mail(t, "\r\n", "a@x.example", "b@y.example"))
		switch {
		case sc.kind != nil:
			sc.state, sc.want = fsm.Failed, []string{"b@y.example not_sent 0"}
			if len(sc.script) > len(env) {
				sc.want = []string{"b@y.example not_sent 250"}
			}
		case strings.Contains(sc.script, "C: ."):
			sc.state, sc.want = fsm.Closed, []string{"b@y.example accepted 250"}
		case strings.Contains(sc.script, "552"):
			sc.state, sc.want = fsm.Closed, []string{"b@y.example refused 552"}
		default:
			sc.state, sc.want = fsm.Closed, []string{"b@y.example refused 550"}
		}
		sc.play(t)
	}
	e := &session.Error{Kind: session.ErrRefused, During: true, Command: fsm.Rcpt, Reply: &codec.Reply{Code: 552}}
	if !e.Temporary() {
		t.Error("552 to RCPT is not temporary")
	}
	e.Command = fsm.EndOfData
	if e.Temporary() {
		t.Error("552 to the end of data is temporary")
	}
}
