package session_test

import (
	"strings"
	"testing"

	"github.com/parley-mail/parley/events"
	"github.com/parley-mail/parley/fsm"
	"github.com/parley-mail/parley/session"
)

// streamed makes a transaction whose content is asked for.
func streamed(t testing.TB, to ...string) *session.Transaction {
	tx := mail(t, "", "a@x.example", to...)
	tx.Content = nil
	return tx
}

// Content that comes in pieces, by DATA and by BDAT, and content that does not come.
func TestBody(t *testing.T) {
	const (
		head    = "S: 220 mx.example\nC: EHLO localhost\nS: 250-mx.example\nS: 250 CHUNKING\n"
		headP   = "S: 220 mx.example\nC: EHLO localhost\nS: 250-mx.example\nS: 250-PIPELINING\nS: 250 CHUNKING\n"
		env     = "C: MAIL FROM:<a@x.example>\nS: 250 ok\nC: RCPT TO:<b@y.example>\nS: 250 ok\n"
		bye     = "C: QUIT\nS: 221 bye"
		refused = "b@y.example refused 452"
	)
	bdat := session.Config{Data: session.DataBDAT}
	for _, sc := range []scenario{
		{
			name: "data", begin: begin(t, streamed(t, "b@y.example")), want: []string{"b@y.example accepted 250"},
			script: head + env + "C: DATA\nS: 354 go\nB: .one\nC: ..one\nB! .two\nC: ..two\nC: .\nS: 250 ok\n" + bye,
			events: []events.Kind{events.KindContentSent, events.KindAccepted},
		},
		{
			name: "data fails", begin: begin(t, streamed(t, "b@y.example")), want: []string{"b@y.example not_sent 250"},
			script: head + env + "C: DATA\nS: 354 go\nB: one\nC: one\nF:", kind: session.ErrContent,
		},
		{
			name: "data refused before its end", begin: begin(t, streamed(t, "b@y.example")), want: []string{refused}, state: fsm.Failed,
			script: head + env + "C: DATA\nS: 354 go\nB: one\nC: one\nS: 452 full", kind: session.ErrRefused,
		},
		{
			name: "chunks", cfg: bdat, begin: begin(t, streamed(t, "b@y.example")), want: []string{"b@y.example accepted 250"},
			script: head + env + "B: .one\nC: BDAT 6\nC: .one\nS: 250 ok\nB! two\nC: BDAT 5 LAST\nC: two\nS: 250 ok\n" + bye,
		},
		{
			name: "chunks, the last one empty", cfg: bdat, begin: begin(t, streamed(t, "b@y.example")), want: []string{"b@y.example accepted 250"},
			script: head + env + "B: .one\nC: BDAT 6\nC: .one\nS: 250 ok\nB!\nC: BDAT 0 LAST\nS: 250 ok\n" + bye,
		},
		{
			name: "chunk refused", cfg: bdat, begin: begin(t, streamed(t, "b@y.example"), mail(t, "\r\n", "a@x.example", "c@y.example")),
			want: []string{refused, "c@y.example refused 550"},
			script: head + env + "B: one\nC: BDAT 5\nC: one\nS: 452 full\nC: RSET\nS: 250 ok\n" +
				"C: MAIL FROM:<a@x.example>\nS: 550 no\n" + bye,
		},
		{
			name: "chunks pipelined, the first refused", cfg: bdat, begin: begin(t, streamed(t, "b@y.example")), want: []string{refused},
			script: headP + "B: one\nC: MAIL FROM:<a@x.example>\nC: RCPT TO:<b@y.example>\nC: BDAT 5\nC: one\nB! two\nC: BDAT 5 LAST\nC: two\nC: QUIT\nS: 250 ok\nS: 250 ok\nS: 452 full\nS: 503 what\nS: 221 bye",
			cfg2:   2,
		},
		{
			name: "chunks pipelined, the first refused and the last accepted", cfg: bdat, begin: begin(t, streamed(t, "b@y.example")), want: []string{"b@y.example unknown 250"},
			script: headP + "B: one\nC: MAIL FROM:<a@x.example>\nC: RCPT TO:<b@y.example>\nC: BDAT 5\nC: one\nB! two\nC: BDAT 5 LAST\nC: two\nS: 250 ok\nS: 250 ok\nS: 452 full\nS: 250 what\n" + bye,
		},
		{
			name: "chunks fail", cfg: bdat, begin: begin(t, streamed(t, "b@y.example"), mail(t, "\r\n", "a@x.example", "c@y.example")),
			want:   []string{"b@y.example not_sent 250", "c@y.example refused 550"},
			script: head + env + "B: one\nC: BDAT 5\nC: one\nS: 250 ok\nF:\nC: RSET\nS: 250 ok\nC: MAIL FROM:<a@x.example>\nS: 550 no\n" + bye,
		},
		{
			name: "RSET refused", begin: begin(t, mail(t, "\r\n", "a@x.example", "b@y.example"), mail(t, "\r\n", "a@x.example", "c@y.example")),
			want: []string{"b@y.example refused 550", "c@y.example not_sent 0"}, state: fsm.Failed, kind: session.ErrRefused,
			script: head + "C: MAIL FROM:<a@x.example>\nS: 250 ok\nC: RCPT TO:<b@y.example>\nS: 550 no\nC: RSET\nS: 500 what",
		},
		{
			name: "RSET between", cfg: session.Config{RsetEach: true}, begin: begin(t, mail(t, "\r\n", "a@x.example", "b@y.example"), mail(t, "\r\n", "a@x.example", "b@y.example")),
			want: []string{"b@y.example accepted 250", "b@y.example refused 550"},
			script: head + env + "C: DATA\nS: 354 go\nC: \nC: .\nS: 250 ok\nC: RSET\nS: 250 ok\n" +
				"C: MAIL FROM:<a@x.example>\nS: 550 no\n" + bye,
		},
		{
			name: "HELO at once", cfg: session.Config{NoExtensions: true}, begin: begin(t, mail(t, "\r\n", "a@x.example", "b@y.example")),
			want: []string{"b@y.example refused 550"}, script: "S: 220 mx.example\nC: HELO localhost\nS: 250-mx.example\nS: 250 PIPELINING\nC: MAIL FROM:<a@x.example>\nS: 550 no\n" + bye,
		},
		{
			name: "expired", begin: begin(t, mail(t, "\r\n", "a@x.example", "b@y.example")), state: fsm.Failed, kind: session.ErrTimeout,
			want: []string{"b@y.example not_sent 0"}, script: head + "C: MAIL FROM:<a@x.example>\nX: expire",
		},
		{
			name: "expired behind QUIT", begin: begin(t), script: "S: 220 mx.example\nC: QUIT\nX: expire",
		},
		{
			name: "strict", cfg: session.Config{Strict: true}, begin: begin(t, mail(t, "\r\n", "a@x.example", "b@y.example")), state: fsm.Failed, kind: session.ErrViolation,
			want: []string{"b@y.example not_sent 0"}, script: "S: 200 mx.example",
		},
		{
			name: "STARTTLS refused, opportunistic", cfg: session.Config{StartTLS: session.StartTLSIfOffered}, begin: begin(t, mail(t, "\r\n", "a@x.example", "b@y.example")),
			want: []string{"b@y.example refused 550"}, events: []events.Kind{events.KindNotice},
			script: "S: 220 mx.example\nC: EHLO localhost\nS: 250-mx.example\nS: 250 STARTTLS\nC: STARTTLS\nS: 454 later\nC: MAIL FROM:<a@x.example>\nS: 550 no\n" + bye,
		},
		{
			name: "STARTTLS not offered, opportunistic", cfg: session.Config{StartTLS: session.StartTLSIfOffered}, begin: begin(t, mail(t, "\r\n", "a@x.example", "b@y.example")),
			want: []string{"b@y.example refused 550"}, events: []events.Kind{events.KindNotice},
			script: head + "C: MAIL FROM:<a@x.example>\nS: 550 no\n" + bye,
		},
		{
			name: "STARTTLS refused, required", cfg: session.Config{StartTLS: session.StartTLSOrNothing}, begin: begin(t, mail(t, "\r\n", "a@x.example", "b@y.example")),
			want: []string{"b@y.example not_sent 0"}, kind: session.ErrTLS,
			script: "S: 220 mx.example\nC: EHLO localhost\nS: 250-mx.example\nS: 250 STARTTLS\nC: STARTTLS\nS: 454 later\n" + bye,
		},
		{
			name: "the handshake fails", cfg: session.Config{StartTLS: session.StartTLSOrNothing}, begin: begin(t, mail(t, "\r\n", "a@x.example", "b@y.example")),
			want: []string{"b@y.example not_sent 0"}, kind: session.ErrTLS, state: fsm.Failed,
			script: "S: 220 mx.example\nC: EHLO localhost\nS: 250-mx.example\nS: 250 STARTTLS\nC: STARTTLS\nS: 220 go\nX: eof",
		},
		{
			name: "250 to STARTTLS", cfg: session.Config{StartTLS: session.StartTLSOrNothing}, begin: begin(t, mail(t, "\r\n", "a@x.example", "b@y.example")),
			want: []string{"b@y.example not_sent 0"}, kind: session.ErrViolation, state: fsm.Failed,
			script: "S: 220 mx.example\nC: EHLO localhost\nS: 250-mx.example\nS: 250 STARTTLS\nC: STARTTLS\nS: 250 go",
		},
		{
			name: "421 to RCPT within a group", begin: begin(t, mail(t, "\r\n", "a@x.example", "b@y.example", "c@y.example", "d@y.example")), state: fsm.Failed, kind: session.ErrRefused,
			want: []string{"b@y.example not_sent 250", "c@y.example refused 421", "d@y.example not_sent 0"},
			script: headP + "C: MAIL FROM:<a@x.example>\nC: RCPT TO:<b@y.example>\nC: RCPT TO:<c@y.example>\nC: RCPT TO:<d@y.example>\nC: DATA\n" +
				"S: 250 ok\nS: 250 ok\nS: 421 bye\nX: eof",
		},
		{
			name: "the lone dot", begin: begin(t, mail(t, "\r\n", "a@x.example", "b@y.example", "c@y.example")),
			want: []string{"b@y.example refused 550", "c@y.example refused 450"},
			script: headP + "C: MAIL FROM:<a@x.example>\nC: RCPT TO:<b@y.example>\nC: RCPT TO:<c@y.example>\nC: DATA\n" +
				"S: 250 ok\nS: 550 no\nS: 450 later\nS: 354 go\nC: .\nS: 250 accepted nobody\n" + bye,
		},
		{
			name: "DATA refused", begin: begin(t, mail(t, "\r\n", "a@x.example", "b@y.example", "c@y.example")),
			want: []string{"b@y.example refused 554", "c@y.example refused 450"},
			script: headP + "C: MAIL FROM:<a@x.example>\nC: RCPT TO:<b@y.example>\nC: RCPT TO:<c@y.example>\nC: DATA\n" +
				"S: 250 ok\nS: 250 ok\nS: 450 later\nS: 554 no\n" + bye,
		},
	} {
		if sc.state == 0 {
			sc.state = fsm.Closed
		}
		if sc.cfg2 > 0 {
			sc.cfg.Overlap = sc.cfg2
		}
		sc.play(t)
	}
}

// Content of which the caller knows that it is canonical is not looked at again: a chunk is
// what was given. Under DATA it is, because of its dots.
func TestCanonicalContent(t *testing.T) {
	for data, want := range map[session.DataMode]string{session.DataBDAT: "a\nb\r\n", session.DataOnly: "a\r\nb\r\n.\r\n"} {
		s := session.New(session.Config{Data: data})
		s.Dialing()
		s.Connected(session.Link{})
		out := func() string {
			var all []byte
			for _, p := range s.Output() {
				all = append(all, p...)
			}
			s.Wrote(int64(len(all)))
			return string(all)
		}
		s.Receive([]byte("220 mx.example\r\n"))
		out()
		s.Receive([]byte("250-mx.example\r\n250-PIPELINING\r\n250 CHUNKING\r\n"))
		tx := mail(t, "a\nb\r\n", "a@x.example", "b@y.example")
		tx.Canonical = true
		if err := s.Begin(tx); err != nil {
			t.Fatal(err)
		}
		got := out()
		if data == session.DataOnly {
			s.Receive([]byte("250 ok\r\n250 ok\r\n354 go\r\n"))
			got = out()
		}
		if !strings.HasSuffix(got, want) {
			t.Errorf("%v: %q", data, got)
		}
	}
}

// Large content is not copied: what is written points into the caller's memory.
func TestLargeContentStaysWhereItIs(t *testing.T) {
	for _, data := range []session.DataMode{session.DataOnly, session.DataBDAT} {
		tx := mail(t, strings.Repeat(".0123456789abcdef\r\n", 10000)+"end", "a@x.example", "b@y.example")
		l := newLoop(t, &fsm.Compiled{}, data, 1, nil)
		if err := l.s.Begin(tx); err != nil {
			t.Fatal(err)
		}
		if data == session.DataOnly {
			l.drain()
			l.s.Receive(l.group)
		}
		foreign, total, first := 0, 0, int64(0)
		for _, p := range l.s.Output() {
			total += len(p)
			if len(p) > 0 && within(tx.Content, p) {
				foreign += len(p)
			}
		}
		if foreign < len(tx.Content) {
			t.Errorf("%v: %d of %d octets point into the content", data, foreign, len(tx.Content))
		}
		// A short write goes on where it stopped.
		all := string(joinAll(l.s.Output()))
		for first < int64(total) {
			n := min(int64(total)-first, 997)
			if got := string(joinAll(l.s.Output())[:n]); got != all[first:first+n] {
				t.Fatalf("%v: after %d octets: %q", data, first, got)
			}
			l.s.Wrote(n)
			first += n
		}
		if data == session.DataOnly {
			l.s.Receive(l.final)
		} else {
			l.s.Receive(l.group)
		}
		if !tx.Done() || tx.Status(0) != session.Accepted || tx.Sent() != int64(len(tx.Content)) {
			t.Errorf("%v: %v", data, tx.Err())
		}
		l.s.Release()
		l.message(t)
	}
}

func joinAll(all [][]byte) (b []byte) {
	for _, p := range all {
		b = append(b, p...)
	}
	return b
}

// within reports whether p is part of the memory of all.
func within(all, p []byte) bool {
	for i := range all {
		if &all[i] == &p[0] {
			return true
		}
	}
	return false
}
