package parley_test

import (
	"context"
	"encoding/base64"
	"errors"
	"net"
	"strconv"
	"testing"

	"github.com/parley-mail/parley"
	"github.com/parley-mail/parley/auth"
	"github.com/parley-mail/parley/internal/sink"
	"github.com/parley-mail/parley/internal/smtptest"
)

// users makes a server that wants a login, by one of these mechanisms.
func users(mechanisms ...string) func(*sink.Server) {
	return func(s *sink.Server) {
		s.Auth = sink.Auth{Users: map[string]string{"alice": "secret"}, Mechanisms: mechanisms, Clear: true, Required: true}
	}
}

// b64 is base64.
func b64(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }

// scripted returns a class whose server plays a script.
func scripted(t *testing.T, script string) *parley.SMTP {
	t.Helper()
	s := parley.New()
	s.Dialer = dialFunc(func() net.Conn { return smtptest.Play(t, script, nil) })
	s.MailServer, s.Hello = "localhost", "client.example"
	return s
}

var authRows = rowTests{
	"property/User": func(t *testing.T) {
		var w wire
		s, peer := class(t, func(s *sink.Server) { users("LOGIN")(s); s.Auth.Required = false; w.listen(s) })
		s.Password, s.AllowPlaintextAuth = secretOf("secret"), true
		send(t, s, peer)
		if len(w.with("AUTH")) != 0 {
			t.Error("AUTH without a User")
		}
		sets(t, s, "User=alice")
		if got := send(t, s, peer).User; got != "alice" {
			t.Errorf("logged in as %q", got)
		}
	},
	"property/Password": func(t *testing.T) {
		s, peer := class(t, users("LOGIN"))
		s.AllowPlaintextAuth = true
		sets(t, s, "User=alice", "Password=secret")
		send(t, s, peer)
		sets(t, s, "Password=wrong")
		_, err := s.Send(t.Context())
		if !errors.Is(err, parley.ErrAuth) || parley.ErrorCode(err) != 161 || s.Connected() || len(peer.Memory.Messages()) != 1 {
			t.Errorf("wrong: %v, code %d", err, parley.ErrorCode(err))
		}
	},
	"property/AuthMechanism": func(t *testing.T) {
		for _, c := range []struct {
			setting string
			offered []string
			want    string
		}{
			{"0", []string{"LOGIN", "PLAIN", "CRAM-MD5"}, "AUTH LOGIN"},
			{"0", []string{"PLAIN", "CRAM-MD5"}, "AUTH PLAIN"},
			{"1", []string{"LOGIN", "PLAIN", "CRAM-MD5"}, "AUTH CRAM-MD5"},
			{"4", []string{"LOGIN", "PLAIN", "CRAM-MD5"}, "AUTH PLAIN"},
			{"SCRAM", []string{"SCRAM-SHA-256", "PLAIN"}, "AUTH SCRAM-SHA-256"},
			{"auto", []string{"PLAIN", "SCRAM-SHA-256", "CRAM-MD5"}, "AUTH SCRAM-SHA-256"},
		} {
			var w wire
			s, peer := class(t, func(s *sink.Server) { users(c.offered...)(s); w.listen(s) })
			s.User, s.Password, s.AllowPlaintextAuth = "alice", secretOf("secret"), true
			sets(t, s, "AuthMechanism="+c.setting)
			if send(t, s, peer).User != "alice" || len(w.with(c.want)) != 1 {
				t.Errorf("%s among %q: %q", c.setting, c.offered, w.with("AUTH"))
			}
		}
		// What is not offered is an error before anything is said.
		for _, setting := range []string{"1", "2", "5", "6", "7"} {
			var w wire
			s, _ := class(t, func(s *sink.Server) { users("PLAIN")(s); w.listen(s) })
			s.User, s.Password, s.AuthorizationIdentity, s.AllowPlaintextAuth = "alice", secretOf("secret"), secretOf("Bearer t"), true
			sets(t, s, "AuthMechanism="+setting)
			if _, err := s.Send(t.Context()); err == nil || len(w.with("AUTH")) != 0 {
				t.Errorf("%s is not offered: %v, said %q", setting, err, w.with("AUTH"))
			}
		}
		for setting, first := range map[string]string{"2": "NTLM", "5": "DIGEST-MD5"} {
			s := scripted(t, "S: 220 hi\nC: EHLO {any}\nS: 250-hi\nS: 250 AUTH "+first+"\nC: AUTH "+first+"{any}\nS: 535 5.7.8 no\nC: QUIT\nS: 221 bye\n")
			s.User, s.Password, s.AllowPlaintextAuth = "alice", secretOf("secret"), true
			sets(t, s, "AuthMechanism="+setting)
			if err := s.Connect(t.Context()); !errors.Is(err, parley.ErrAuth) {
				t.Errorf("%s: %v", first, err)
			}
		}
		if _, err := parley.New().Config("AuthMechanism=APOP"); !errors.Is(err, parley.ErrBadValue) {
			t.Errorf("APOP: %v", err)
		}
		s, peer := class(t, users("PLAIN"))
		s.User, s.Password, s.MailServer = "alice", secretOf("secret"), "mx.example"
		if _, err := s.Send(t.Context()); !errors.Is(err, auth.RuleClearLink) || len(peer.Memory.Messages()) != 0 {
			t.Errorf("a secret on a clear link: %v", err)
		}
	},
	"setting/AuthorizationIdentity": func(t *testing.T) {
		plain := b64("admin\x00alice\x00secret")
		s := scripted(t, "S: 220 hi\nC: EHLO {any}\nS: 250-hi\nS: 250 AUTH PLAIN\nC: AUTH PLAIN "+plain+"\nS: 235 ok\nC: QUIT\nS: 221 bye\n")
		s.AllowPlaintextAuth = true
		sets(t, s, "User=alice", "Password=secret", "AuthMechanism=4", "AuthorizationIdentity=admin")
		if err := s.Connect(t.Context()); err != nil {
			t.Error(err)
		}
		s.Disconnect(t.Context())

		token := b64("user=alice\x01auth=Bearer t0ken\x01\x01")
		s = scripted(t, "S: 220 hi\nC: EHLO {any}\nS: 250-hi\nS: 250 AUTH XOAUTH2\nC: AUTH XOAUTH2 "+token+
			"\nS: 334 "+b64(`{"status":"400"}`)+"\nC: \nS: 535 no\nC: QUIT\nS: 221 bye\n")
		s.AllowPlaintextAuth = true
		sets(t, s, "User=alice", "AuthMechanism=XOAUTH2", "AuthorizationIdentity=Bearer t0ken")
		if err := s.Connect(t.Context()); !errors.Is(err, parley.ErrAuth) {
			t.Error(err)
		}
	},
}

// A link to this machine is one by its name, not because a proxy of this machine is on the
// other side of it.
func TestLoopback(t *testing.T) {
	peer := smtptest.Server(t, users("PLAIN"))
	_, port, _ := net.SplitHostPort(peer.Addr)
	for host, ok := range map[string]bool{"127.0.0.1": true, "localhost": true, "mx.example": false} {
		s := parley.New()
		s.From, s.SendTo, s.User, s.Password, s.MailServer = "a@x.example", "b@y.example", "alice", secretOf("secret"), host
		s.MailPort, _ = strconv.Atoi(port)
		s.Dialer = toAddr(peer.Addr)
		_, err := s.Send(t.Context())
		if ok && err != nil || !ok && !errors.Is(err, auth.RuleClearLink) {
			t.Errorf("%s: %v", host, err)
		}
	}
}

// toAddr dials one address whatever it is asked for.
type toAddr string

func (a toAddr) DialContext(ctx context.Context, network, _ string) (net.Conn, error) {
	return new(net.Dialer).DialContext(ctx, network, string(a))
}
