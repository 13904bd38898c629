package parley_test

import (
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/parley-mail/parley"
	"github.com/parley-mail/parley/events"
	"github.com/parley-mail/parley/internal/sink"
	"github.com/parley-mail/parley/internal/smtptest"
	"github.com/parley-mail/parley/transport"
)

// secure makes a class start TLS with the peer.
func secure(s *parley.SMTP, peer *smtptest.Peer) {
	s.SSLStartMode = parley.SSLExplicit
	s.TLSConfig = &transport.TLSConfig{RootCAs: peer.Roots}
}

// implicitly makes a class dial the port of the peer where TLS begins at once.
func implicitly(t *testing.T, s *parley.SMTP, peer *smtptest.Peer) {
	t.Helper()
	overTCP(t, s, peer)
	_, port, _ := strings.Cut(peer.TLSAddr, ":")
	sets(t, s, "MailServer=localhost", "MailPort="+port, "SSLStartMode=1")
	s.TLSConfig = &transport.TLSConfig{RootCAs: peer.Roots}
}

var eventRows = rowTests{
	"event/ConnectionStatus": func(t *testing.T) {
		s, peer := class(t, nil)
		var got []string
		s.OnConnectionStatus = func(e *events.ConnectionStatus) {
			got = append(got, fmt.Sprintf("%s %d", e.ConnectionEvent, e.StatusCode))
			if e.Description == "" {
				t.Errorf("%s: no description", e.ConnectionEvent)
			}
		}
		expect := func(what string, want ...string) {
			t.Helper()
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s (-want +got):\n%s", what, diff)
			}
			got = nil
		}
		send(t, s, peer)
		expect("in clear", "Remote host connection complete 0", "Remote host disconnected 0")
		secure(s, peer)
		send(t, s, peer)
		expect("STARTTLS", "Remote host connection complete 0", "TLS handshake complete 0", "Remote host disconnected 0", "TLS connection broken 0")
		s.Firewall.Type, s.Firewall.Host = parley.FirewallTunnel, "gate.example"
		s.Dialer = (&gate{peer: peer}).start(t)
		send(t, s, peer)
		expect("firewall", "Firewall connection complete 0", "Remote host connection complete 0", "TLS handshake complete 0",
			"Remote host disconnected 0", "TLS connection broken 0", "Firewall host disconnected 0")
		s.Firewall, s.Dialer = parley.Firewall{}, peer
		peer.Close()
		if _, err := s.Send(t.Context()); err == nil {
			t.Error("sent to nobody")
		}
		if len(got) != 1 || !strings.HasPrefix(got[0], "Remote host connection complete ") || strings.HasSuffix(got[0], " 0") {
			t.Errorf("nobody there: %q", got)
		}
	},
	"event/PITrail": func(t *testing.T) {
		s, _ := class(t, func(s *sink.Server) {
			s.Extensions = sink.AuthExtension
			s.Auth = sink.Auth{Users: map[string]string{"alice": "hunter2"}, Clear: true, Mechanisms: []string{"LOGIN"}}
		})
		s.User, s.Password, s.AllowPlaintextAuth = "alice", secretOf("hunter2"), true
		s.MessageText = "content is not traced\r\n"
		var got []string
		s.OnPITrail = func(e *events.PITrail) { got = append(got, fmt.Sprintf("%d %s", e.Direction, e.Message)) }
		if _, err := s.Send(t.Context()); err != nil {
			t.Fatal(err)
		}
		want := []string{"0 EHLO client.example", "0 MAIL FROM:<a@x.example>", "0 RCPT TO:<b@y.example>", "0 DATA", "0 QUIT"}
		clients := slices.DeleteFunc(slices.Clone(got), func(l string) bool { return l[0] != '0' || strings.Contains(l, "AUTH") || strings.Contains(l, "*") })
		for _, line := range want {
			if !slices.Contains(clients, line) {
				t.Errorf("%q is missing among %q", line, got)
			}
		}
		if !strings.HasPrefix(got[0], "1 220 ") || !slices.Contains(got, "1 250-mx.example greets client.example") && !strings.HasPrefix(got[2], "1 250-") {
			t.Errorf("the server's side: %q", got)
		}
		all := strings.Join(got, "\n")
		for _, hidden := range []string{"hunter2", "aHVudGVyMg", "YWxpY2U", "content is not traced"} {
			if strings.Contains(all, hidden) {
				t.Errorf("%q is in the trail: %s", hidden, all)
			}
		}
	},
	"event/StartTransfer": transferEvents,
	"event/Transfer":      transferEvents,
	"event/EndTransfer":   transferEvents,
	"setting/TransferText": func(t *testing.T) {
		s, peer := class(t, nil)
		s.Message = []byte("Subject: hi\r\n\r\n" + strings.Repeat("0123456789\r\n", 30000))
		var text strings.Builder
		s.OnTransfer = func(*events.Transfer) { text.WriteString(reads(t, s, "TransferText")) }
		s.OnEndTransfer = func(*events.EndTransfer) {
			if got := s.TransferText(); got != "" {
				t.Errorf("behind the last Transfer it is %d octets long", len(got))
			}
		}
		send(t, s, peer)
		if text.String() != string(s.Message) {
			t.Errorf("%d octets, not the %d sent", text.Len(), len(s.Message))
		}
		if s.TransferText() != "" {
			t.Error("it stays behind")
		}
	},
	"event/Expand": func(t *testing.T) {
		s, _ := class(t, directory)
		var got []string
		s.OnExpand = func(e *events.Expand) { got = append(got, e.Address) }
		if _, err := s.Expand(t.Context(), "staff"); err != nil {
			t.Fatal(err)
		}
		if want := []string{"<ada@mx.example>", "Bob <bob@mx.example>"}; !slices.Equal(got, want) {
			t.Errorf("%q, want %q", got, want)
		}
		s.SendTo = strings.Join(got, ", ") // usable as it is
		if _, err := s.Send(t.Context()); err != nil {
			t.Error(err)
		}
	},
	"event/Error": func(t *testing.T) {
		s, peer := class(t, refusing("secret@y.example"))
		s.BCc = "secret@y.example"
		var got []string
		s.OnError = func(e *events.Error) { got = append(got, fmt.Sprintf("%d %s", e.ErrorCode, e.Description)) }
		send(t, s, peer)
		if want := []string{"161 secret@y.example: 550 5.1.1 nobody here"}; !slices.Equal(got, want) {
			t.Errorf("%q, want %q", got, want)
		}
		got = nil
		s.SendTo, s.BCc = "secret@y.example", ""
		if _, err := s.Send(t.Context()); err == nil || got != nil {
			t.Errorf("what stops the method is its error %v, not the events %q", err, got)
		}
	},
	"event/SSLServerAuthentication": func(t *testing.T) {
		s, peer := class(t, nil)
		secure(s, peer)
		var seen events.SSLServerAuthentication
		s.OnSSLServerAuthentication = func(e *events.SSLServerAuthentication) { seen = *e }
		send(t, s, peer)
		leaf, err := x509.ParseCertificate(seen.CertEncoded)
		if err != nil || seen.CertSubject != leaf.Subject.String() || seen.CertIssuer != leaf.Issuer.String() || seen.Status != "OK" || !seen.Accept {
			t.Errorf("good: %+v, %v", seen, err)
		}
		s.OnSSLServerAuthentication = func(e *events.SSLServerAuthentication) { e.Accept = false }
		if _, err := s.Send(t.Context()); !errors.Is(err, parley.ErrTLS) || parley.ErrorCode(err) != 280 {
			t.Errorf("good, and the handler says no: %v, code %d", err, parley.ErrorCode(err))
		}
		s.TLSConfig = nil // nobody knows the authority
		s.OnSSLServerAuthentication = func(e *events.SSLServerAuthentication) { seen = *e }
		if _, err := s.Send(t.Context()); !errors.Is(err, parley.ErrTLS) || seen.Accept || seen.Status == "OK" {
			t.Errorf("bad: %v, %+v", err, seen)
		}
		s.OnSSLServerAuthentication = func(e *events.SSLServerAuthentication) { e.Accept = true }
		send(t, s, peer)
		s.QueueEvents = true // the one that is never queued
		send(t, s, peer)
	},
	"event/SSLStatus": func(t *testing.T) {
		s, peer := class(t, nil)
		secure(s, peer)
		var got []string
		s.OnSSLStatus = func(e *events.SSLStatus) { got = append(got, e.Message) }
		send(t, s, peer)
		if len(got) == 0 || !strings.Contains(strings.Join(got, "\n"), "TLS 1.3") {
			t.Errorf("%q", got)
		}
	},
}

// transferEvents tests the three together: their order, their numbers, and that an empty
// text has none.
func transferEvents(t *testing.T) {
	s, peer := class(t, nil)
	var got []string
	var transferred int64
	percent := 0
	s.OnStartTransfer = func(e *events.StartTransfer) { got = append(got, fmt.Sprintf("start %d", e.Direction)) }
	s.OnTransfer = func(e *events.Transfer) {
		if e.BytesTransferred <= transferred || e.PercentDone < percent || e.Direction != events.FromClient {
			t.Errorf("%d after %d octets, %d after %d per cent", e.BytesTransferred, transferred, e.PercentDone, percent)
		}
		transferred, percent = e.BytesTransferred, e.PercentDone
		got = append(got, "transfer")
	}
	s.OnEndTransfer = func(e *events.EndTransfer) { got = append(got, fmt.Sprintf("end %d", e.Direction)) }
	s.Message = []byte("Subject: hi\r\n\r\n" + strings.Repeat("0123456789\r\n", 30000))
	send(t, s, peer)
	if len(got) < 4 || got[0] != "start 0" || got[len(got)-1] != "end 0" || slices.Contains(got[1:len(got)-1], "end 0") {
		t.Errorf("order %q", got)
	}
	if transferred != int64(len(s.Message)) || percent != 100 {
		t.Errorf("%d of %d octets, %d per cent", transferred, len(s.Message), percent)
	}
	got = nil
	s.Message, s.MessageText = nil, ""
	send(t, s, peer)
	if slices.Contains(got, "start 0") || slices.Contains(got, "end 0") {
		t.Errorf("empty text: %q", got)
	}
}
