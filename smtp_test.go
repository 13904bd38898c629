package parley_test

import (
	"context"
	"errors"
	"net"
	"strings"
	"testing"

	"github.com/parley-mail/parley"
	"github.com/parley-mail/parley/auth"
	"github.com/parley-mail/parley/events"
	"github.com/parley-mail/parley/internal/sink"
	"github.com/parley-mail/parley/internal/smtptest"
	"github.com/parley-mail/parley/transport"
)

// classFor returns a class that talks to a peer.
func classFor(t testing.TB, peer *smtptest.Peer) *parley.SMTP {
	t.Helper()
	s := parley.New()
	host, port, err := net.SplitHostPort(peer.Addr)
	if err != nil {
		t.Fatal(err)
	}
	s.MailServer = host
	if _, err := s.Config("MailPort=" + port); err != nil {
		t.Fatal(err)
	}
	s.From, s.SendTo, s.Subject, s.MessageText = "a@x.example", "b@y.example", "hi", "hello"
	s.TLSConfig = &transport.TLSConfig{RootCAs: peer.Roots, ServerName: "localhost"}
	return s
}

// config reads a setting by its name.
func config(t testing.TB, s *parley.SMTP, name string) string {
	t.Helper()
	v, err := s.Config(name)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// The main flow: send without a session, then with one, then ask.
func TestSMTP(t *testing.T) {
	peer := smtptest.Server(t, func(s *sink.Server) {
		s.Auth.Users = map[string]string{"alice": "secret"}
		s.Directory.Lists = map[string][]string{"staff": {"<ada@y.example>", "Bob <bob@y.example>"}}
	})
	s := classFor(t, peer)
	if s.Connected() || !s.Idle() {
		t.Error("a new object is connected or busy")
	}
	r, err := s.Send(t.Context())
	if err != nil || r.Outcome() != parley.OutcomeAccepted || s.Connected() {
		t.Fatalf("%v, %v", r, err)
	}
	s.SSLStartMode, s.User, s.Password = parley.SSLExplicit, "alice", auth.NewSecret("secret")
	if err := s.Connect(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := s.Connect(t.Context()); !errors.Is(err, parley.ErrConnected) {
		t.Errorf("a second Connect: %v", err)
	}
	if !s.Connected() || s.SSLNegotiatedVersion() != "TLSv1.3" || s.SSLServerCert() == nil || config(t, s, "LocalPort") == "0" {
		t.Errorf("connected %v, %s", s.Connected(), s.SSLNegotiatedVersion())
	}
	for range 3 {
		if _, err := s.Send(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if !s.Connected() || !strings.HasPrefix(s.LastReply(), "250 2.0.0") {
		t.Errorf("connected %v, last reply %q", s.Connected(), s.LastReply())
	}
	var expanded []string
	s.OnExpand = func(e *events.Expand) { expanded = append(expanded, e.Address) }
	all, err := s.Expand(t.Context(), "staff")
	if err != nil || len(all) != 2 || len(expanded) != 2 {
		t.Errorf("%q, %q, %v", all, expanded, err)
	}
	if reply, err := s.Verify(t.Context(), "nobody@y.example"); err != nil || reply.Code != 252 {
		t.Errorf("%v, %v", reply, err)
	}
	if reply, err := s.Command(t.Context(), "NOOP"); err != nil || reply.Code != 250 {
		t.Errorf("%v, %v", reply, err)
	}
	if err := s.Disconnect(t.Context()); err != nil || s.Connected() {
		t.Error(err)
	}
	if err := s.Disconnect(t.Context()); err != nil {
		t.Error(err)
	}
	if n := len(peer.Memory.Messages()); n != 4 {
		t.Errorf("%d messages", n)
	}
}

// A method called while another one runs, also from a handler, is refused.
func TestBusy(t *testing.T) {
	peer := smtptest.Server(t, nil)
	s := classFor(t, peer)
	var inner error
	s.OnPITrail = func(*events.PITrail) {
		if s.Idle() {
			t.Error("idle within a handler")
		}
		_, inner = s.Send(context.Background())
		s.LastReply()
	}
	if _, err := s.Send(t.Context()); err != nil {
		t.Fatal(err)
	}
	if !errors.Is(inner, parley.ErrBusy) {
		t.Errorf("within a handler: %v", inner)
	}
	s.OnPITrail = func(*events.PITrail) { s.Interrupt() }
	if _, err := s.Send(t.Context()); !errors.Is(err, parley.ErrInterrupted) || !errors.Is(err, context.Canceled) {
		t.Errorf("interrupted: %v", err)
	}
	s.Interrupt() // with nothing running
	s.OnPITrail = nil
	if _, err := s.Send(t.Context()); err != nil {
		t.Errorf("afterwards: %v", err)
	}
}
