package session_test

import (
	"errors"
	"io"
	"testing"

	"github.com/parley-mail/parley/fsm"
	"github.com/parley-mail/parley/session"
)

// open returns a session in fsm.Ready.
func open(t testing.TB, cfg session.Config) *session.Session {
	t.Helper()
	s := session.New(cfg)
	s.Dialing()
	s.Connected(session.Link{})
	s.Receive([]byte("220 mx.example\r\n"))
	drain(s)
	s.Receive([]byte("250-mx.example\r\n250 HELP\r\n"))
	if !s.Open() {
		t.Fatal(s.Err())
	}
	return s
}

// Single commands are answered one by one, and never within a transaction.
func TestRequests(t *testing.T) {
	s := open(t, session.Config{})
	for _, c := range []struct {
		cmd              fsm.Command
		arg, line, reply string
		kind             error
	}{
		{fsm.Noop, "", "NOOP\r\n", "250 ok", nil},
		{fsm.Vrfy, "alice", "VRFY alice\r\n", "252 perhaps", nil},
		{fsm.Expn, "list", "EXPN list\r\n", "550 no list", session.ErrRefused},
		{fsm.Help, "", "HELP\r\n", "214 help yourself", nil},
		{fsm.Rset, "", "RSET\r\n", "250 ok", nil},
		{fsm.Other, "XYZZY 1", "XYZZY 1\r\n", "502 what", session.ErrRefused},
		{fsm.Vrfy, "a\r\nb", "", "", session.ErrMisuse},
	} {
		r := &session.Request{Command: c.cmd, Arg: c.arg}
		if err := s.Do(r); err != nil {
			t.Fatal(err)
		}
		if got := drain(s); got != c.line {
			t.Errorf("%v: said %q, want %q", c.cmd, got, c.line)
		}
		if c.reply != "" {
			if r.Done() {
				t.Errorf("%v: done too early", c.cmd)
			}
			s.Receive([]byte(c.reply + "\r\n"))
			if got := r.Reply.String(); got != c.reply {
				t.Errorf("%v: reply %q", c.cmd, got)
			}
		}
		if !r.Done() || c.kind == nil && r.Err() != nil || c.kind != nil && !errors.Is(r.Err(), c.kind) {
			t.Errorf("%v: %v", c.cmd, r.Err())
		}
	}
	first, second := &session.Request{Command: fsm.Noop}, &session.Request{Command: fsm.Noop}
	s.Do(first)
	s.Do(second)
	drain(s)
	s.Lost(io.ErrUnexpectedEOF)
	for _, r := range []*session.Request{first, second} {
		if !r.Done() || !errors.Is(r.Err(), session.ErrTransport) || !errors.Is(r.Err(), io.ErrUnexpectedEOF) {
			t.Errorf("after the connection: %v", r.Err())
		}
	}
}

// A refused RSET of the caller's is the end too.
func TestRequestedRsetRefused(t *testing.T) {
	s := open(t, session.Config{})
	r := &session.Request{Command: fsm.Rset}
	s.Do(r)
	drain(s)
	s.Receive([]byte("500 what\r\n"))
	if s.State() != fsm.Failed || !errors.Is(r.Err(), session.ErrRefused) || s.Wants() != session.WantClose {
		t.Errorf("%v, %v, wants %b", s.State(), r.Err(), s.Wants())
	}
	s.CloseDone()
	if s.Wants() != 0 || s.Patience() != 0 {
		t.Errorf("wants %b after the close", s.Wants())
	}
}

// What a session tells about itself.
func TestFacts(t *testing.T) {
	s := open(t, session.Config{ID: 7})
	if s.ID() != 7 || s.Greeting().Code != 220 || !s.Extensions().Help || s.Link().Secure || s.Authenticated() != "" || s.Dirty() {
		t.Errorf("%d %v %v", s.ID(), s.Greeting(), s.Extensions())
	}
	if st := s.Stats(); st.Commands != 1 || st.Replies != 2 || st.Turns != 1 {
		t.Errorf("%+v", st)
	}
	if s.Wants() != 0 || s.Patience() != 0 || s.InFlight() != 0 {
		t.Errorf("an idle session wants %b", s.Wants())
	}
	if _, ok := s.Awaited(); ok {
		t.Error("an idle session awaits something")
	}
	tx := mail(t, "\r\n", "a@x.example", "b@y.example")
	s.Begin(tx)
	drain(s)
	if cmd, ok := s.Awaited(); !ok || cmd != fsm.Mail || s.Patience() != fsm.Mail.Patience() || !s.Wants().Has(session.WantRead) {
		t.Errorf("awaits %v", cmd)
	}
	s.Receive([]byte("250 ok\r\n"))
	drain(s)
	s.Receive([]byte("550 no\r\n"))
	if !s.Dirty() || tx.ID() != 1 {
		t.Error("a transaction that nobody wants is not dirty")
	}
	s.Abort(nil)
	if !errors.Is(s.Err(), session.ErrCanceled) || s.LastReply().Code != 550 {
		t.Error(s.Err())
	}
}

// Every error says what, where and why, and whether to try again.
func TestErrors(t *testing.T) {
	for k := session.ErrRefused; k <= session.ErrContent; k++ {
		e := &session.Error{Kind: k}
		if k.String() == "" || !errors.Is(e, k) || errors.Is(e, session.Kind(0)) || e.Error() != "parley: "+k.String() || k.Error() == "" {
			t.Errorf("%d: %v", k, e)
		}
		e.Unknown = true
		if e.Temporary() || !e.Ambiguous() {
			t.Errorf("%v: unknown is temporary", k)
		}
		if b, err := k.MarshalText(); err != nil || string(b) != k.String() {
			t.Errorf("%s %v", b, err)
		}
	}
	for _, s := range []session.Status{session.NotSent, session.Accepted, session.Refused, session.Unknown} {
		if b, err := s.MarshalText(); err != nil || string(b) != s.String() || s.String() == "status(?)" {
			t.Errorf("%s %v", b, err)
		}
	}
	if (session.NeedSize | session.NeedAuth).String() != "SIZE AUTH" {
		t.Error((session.NeedSize | session.NeedAuth).String())
	}
	for _, s := range []string{session.StartTLSNever.String(), session.StartTLSIfOffered.String(), session.StartTLSOrNothing.String(), session.DataAuto.String(), session.DataOnly.String(), session.DataBDAT.String()} {
		if s == "" {
			t.Error("a nameless policy")
		}
	}
}
