package session_test

import (
	"testing"

	"github.com/parley-mail/parley/codec"
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
