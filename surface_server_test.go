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

// spy keeps what is dialled.
type spy struct {
	transport.Dialer
	address string
}

func (d *spy) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	d.address = address
	return d.Dialer.DialContext(ctx, network, address)
}

// dialled keeps what a class dials.
func dialled(s *parley.SMTP, peer *smtptest.Peer) *string {
	d := &spy{Dialer: peer}
	s.Dialer = d
	return &d.address
}

// overTCP makes a class dial for itself.
func overTCP(t *testing.T, s *parley.SMTP, peer *smtptest.Peer) {
	t.Helper()
	host, port, err := net.SplitHostPort(peer.Addr)
	if err != nil {
		t.Fatal(err)
	}
	s.Dialer = nil
	sets(t, s, "MailServer="+host, "MailPort="+port)
}

// frozen tests that a setting cannot change while connected, neither by name nor in code.
func frozen(t *testing.T, setting, value string, change func(*parley.SMTP)) {
	t.Helper()
	s, _ := class(t, nil)
	if err := s.Connect(t.Context()); err != nil {
		t.Fatal(err)
	}
	defer s.Disconnect(t.Context())
	before := reads(t, s, setting)
	_, err := s.Config(setting + "=" + value)
	if !errors.Is(err, parley.ErrFrozen) || reads(t, s, setting) != before {
		t.Errorf("changed while connected: %v, from %q to %q", err, before, reads(t, s, setting))
	}
	change(s)
	if _, err := s.Send(t.Context()); !errors.Is(err, parley.ErrFrozen) || parley.ErrorCode(err) != 117 {
		t.Errorf("changed in code while connected: %v", err)
	}
	if err := s.Disconnect(t.Context()); err != nil {
		t.Errorf("Disconnect afterwards: %v", err)
	}
}

var serverRows = rowTests{
	"property/MailServer": func(t *testing.T) {
		s, peer := class(t, nil)
		address := dialled(s, peer)
		sets(t, s, "MailServer=mx.example")
		send(t, s, peer)
		if *address != "mx.example:25" || s.MailServer != "mx.example" {
			t.Errorf("dialled %q, MailServer %q", *address, s.MailServer)
		}
		s.MailServer = ""
		if _, err := s.Send(t.Context()); !errors.Is(err, parley.ErrNoServer) || parley.ErrorCode(err) != 163 {
			t.Errorf("none: %v", err)
		}
		frozen(t, "MailServer", "other.example", func(s *parley.SMTP) { s.MailServer = "other.example" })
	},
	"property/MailPort": func(t *testing.T) {
		s, peer := class(t, nil)
		address := dialled(s, peer)
		sets(t, s, "MailPort=2525")
		send(t, s, peer)
		if *address != "localhost:2525" {
			t.Errorf("dialled %q", *address)
		}
		for _, bad := range []string{"0", "65536", "-1", "x", ""} {
			if _, err := s.Config("MailPort=" + bad); !errors.Is(err, parley.ErrBadValue) {
				t.Errorf("port %q: %v", bad, err)
			}
		}
		frozen(t, "MailPort", "2526", func(s *parley.SMTP) { s.MailPort = 2526 })
	},
	"property/AllowExtensions": func(t *testing.T) {
		var w wire
		s, peer := class(t, w.listen)
		send(t, s, peer)
		sets(t, s, "AllowExtensions=False")
		got := send(t, s, peer)
		if len(w.with("EHLO")) != 1 || len(w.with("HELO")) != 1 || got.Params != "" {
			t.Errorf("EHLO %q, HELO %q, MAIL %q", w.with("EHLO"), w.with("HELO"), got.Params)
		}
		s.User, s.Password = "alice", auth.NewSecret("secret")
		if err := s.Connect(t.Context()); !errors.Is(err, parley.ErrMisuse) {
			t.Errorf("AUTH without EHLO: %v", err)
		}
		s.User, s.SSLStartMode = "", parley.SSLExplicit
		if err := s.Connect(t.Context()); !errors.Is(err, parley.ErrMisuse) {
			t.Errorf("STARTTLS without EHLO: %v", err)
		}
		if len(w.with("HELO")) != 1 {
			t.Error("something was said")
		}
	},
	"setting/Hello": func(t *testing.T) {
		s, peer := class(t, nil)
		sets(t, s, "Hello=me.example")
		if got := send(t, s, peer).Hello; got != "me.example" {
			t.Errorf("greeted as %q", got)
		}
		sets(t, s, "Hello=")
		if got := send(t, s, peer).Hello; !strings.Contains(got, ".") && !strings.HasPrefix(got, "[") {
			t.Errorf("by default as %q", got)
		}
	},
	"property/LocalHost": localHost,
	"setting/LocalHost":  localHost,
	"setting/LocalPort": func(t *testing.T) {
		s, peer := class(t, nil)
		overTCP(t, s, peer)
		if err := s.Connect(t.Context()); err != nil {
			t.Fatal(err)
		}
		port := reads(t, s, "LocalPort")
		if port == "0" {
			t.Error("connected, no port shows")
		}
		if _, err := s.Config("LocalPort=2525"); !errors.Is(err, parley.ErrFrozen) {
			t.Errorf("changed while connected: %v", err)
		}
		if err := s.Disconnect(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := reads(t, s, "LocalPort"); got != "0" {
			t.Errorf("afterwards it is %s", got)
		}
		free, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		_, want, _ := net.SplitHostPort(free.Addr().String())
		free.Close()
		sets(t, s, "LocalPort="+want)
		if err := s.Connect(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := reads(t, s, "LocalPort"); got != want {
			t.Errorf("dialled from port %s, want %s", got, want)
		}
		s.Disconnect(t.Context())
	},
	"property/Connected": func(t *testing.T) {
		s, peer := class(t, nil)
		if s.Connected() || reads(t, s, "Connected") != "False" {
			t.Error("a new one is connected")
		}
		if err := s.Connect(t.Context()); err != nil {
			t.Fatal(err)
		}
		if !s.Connected() || reads(t, s, "Connected") != "True" {
			t.Error("not connected after Connect")
		}
		peer.Close()
		if s.Connected() {
			t.Error("connected to a server that is gone")
		}
		if _, err := s.Config("Connected=True"); !errors.Is(err, parley.ErrReadOnly) {
			t.Errorf("set: %v", err)
		}
	},
	"property/Idle": func(t *testing.T) {
		s, peer := class(t, nil)
		if !s.Idle() {
			t.Error("a new one is not idle")
		}
		busy := false
		s.OnPITrail = func(*events.PITrail) { busy = !s.Idle() && reads(t, s, "Idle") == "False" }
		send(t, s, peer)
		if !busy || !s.Idle() || reads(t, s, "Idle") != "True" {
			t.Errorf("within a method busy is %v, afterwards idle %v", busy, s.Idle())
		}
	},
	"property/LastReply": func(t *testing.T) {
		s, _ := class(t, func(s *sink.Server) {
			s.Hooks.Mail = func(string) sink.Reply { return sink.Reply{Code: 550, Enhanced: "5.7.1", Text: "one\ntwo"} }
		})
		s.Session.Serial = true
		if s.LastReply() != "" {
			t.Errorf("a new one has %q", s.LastReply())
		}
		if err := s.Connect(t.Context()); err != nil {
			t.Fatal(err)
		}
		defer s.Disconnect(t.Context())
		if _, err := s.Command(t.Context(), "NOOP"); err != nil || !strings.HasPrefix(s.LastReply(), "250 ") {
			t.Errorf("after NOOP %q, %v", s.LastReply(), err)
		}
		if _, err := s.Send(t.Context()); err == nil {
			t.Error("MAIL was not refused")
		}
		if got := reads(t, s, "LastReply"); !strings.Contains(got, "one") {
			t.Errorf("after MAIL %q", got)
		}
	},
	"property/Command": func(t *testing.T) {
		var w wire
		s, _ := class(t, w.listen)
		if _, err := s.Command(t.Context(), "NOOP"); !errors.Is(err, parley.ErrNotConnected) || parley.ErrorCode(err) != 212 {
			t.Errorf("not connected: %v", err)
		}
		if err := s.Connect(t.Context()); err != nil {
			t.Fatal(err)
		}
		defer s.Disconnect(t.Context())
		reply, err := s.Command(t.Context(), "NOOP some words")
		if err != nil || reply.Code != 250 || len(w.with("NOOP some words")) != 1 {
			t.Errorf("%v, %v; the wire had %q", reply, err, w.with("NOOP"))
		}
		reply, err = s.Command(t.Context(), "XYZZY")
		if !errors.Is(err, parley.ErrRefused) || reply.Code != 500 && reply.Code != 502 || parley.ErrorCode(err) != 161 {
			t.Errorf("a refusal: %v, %v", reply, err)
		}
		for _, line := range []string{"NOOP\r\nQUIT", "DATA", "data", "BDAT 4 LAST", "STARTTLS", "AUTH PLAIN", ""} {
			if reply, err := s.Command(t.Context(), line); !errors.Is(err, parley.ErrMisuse) || reply.Code != 0 {
				t.Errorf("%q: %v, %v", line, reply, err)
			}
		}
		if n := len(w.with("")); n != 3 {
			t.Errorf("%d lines were sent: %q", n, w.with(""))
		}
	},
	"setting/BuildInfo": func(t *testing.T) {
		if got := reads(t, parley.New(), "BuildInfo"); got != parley.BuildInfo() || !strings.Contains(got, "parley") || !strings.Contains(got, "go1") {
			t.Errorf("%q", got)
		}
	},
	"setting/LicenseInfo": func(t *testing.T) {
		if got := reads(t, parley.New(), "LicenseInfo"); got != parley.LicenseInfo() || !strings.Contains(got, "License") {
			t.Errorf("%q", got)
		}
	},
}

func localHost(t *testing.T) {
	s, peer := class(t, func(s *sink.Server) {})
	overTCP(t, s, peer)
	sets(t, s, "LocalHost=127.0.0.1")
	if err := s.Connect(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := reads(t, s, "LocalHost"); got != "127.0.0.1" {
		t.Errorf("connected from %q", got)
	}
	if _, err := s.Config("LocalHost="); !errors.Is(err, parley.ErrFrozen) {
		t.Errorf("changed while connected: %v", err)
	}
	s.Disconnect(t.Context())
	sets(t, s, "LocalHost=")
	if err := s.Connect(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := reads(t, s, "LocalHost"); got != "127.0.0.1" {
		t.Errorf("by default connected from %q", got)
	}
	s.Disconnect(t.Context())
	if got := reads(t, s, "LocalHost"); got != "" {
		t.Errorf("afterwards it is %q", got)
	}
	sets(t, s, "LocalHost=192.0.2.77") // nobody here has it
	if err := s.Connect(t.Context()); !errors.Is(err, parley.ErrTransport) {
		t.Errorf("from an address of nobody: %v", err)
	}
}
