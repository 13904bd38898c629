package parley_test

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/parley-mail/parley"
	"github.com/parley-mail/parley/auth"
	"github.com/parley-mail/parley/internal/sink"
	"github.com/parley-mail/parley/internal/smtptest"
)

// rowTests are the tests of single rows, by kind/name. Each must fail when its row does
// nothing.
type rowTests map[string]func(*testing.T)

// rows gathers the tests of all groups.
func rows(t *testing.T) rowTests {
	all := rowTests{}
	for _, group := range []rowTests{messageRows, envelopeRows, serverRows, authRows, firewallRows, tlsRows, shapeRows, socketRows, eventRows, methodRows} {
		for name, test := range group {
			if all[name] != nil {
				t.Errorf("%s is tested twice", name)
			}
			all[name] = test
		}
	}
	return all
}

// Every row does what it says.
func TestSurface(t *testing.T) {
	for name, test := range rows(t) {
		t.Run(name, test)
	}
}

// The settings table and the surface name the same rows.
func TestSettingsAreTheSurface(t *testing.T) {
	var got, want []string
	for _, s := range parley.Settings() {
		if s.Property {
			got = append(got, "property/"+s.Name)
		}
		if s.Config {
			got = append(got, "setting/"+s.Name)
		}
	}
	for _, r := range parley.Surface() {
		if r.Kind == parley.RowProperty || r.Kind == parley.RowSetting {
			want = append(want, fmt.Sprintf("%v/%s", r.Kind, r.Name))
		}
	}
	sorted := cmp.Transformer("sorted", func(list []string) map[string]bool {
		m := map[string]bool{}
		for _, s := range list {
			m[s] = true
		}
		return m
	})
	if diff := cmp.Diff(want, got, sorted); diff != "" {
		t.Errorf("rows (-surface +settings):\n%s", diff)
	}
}

// class returns one that is ready to send a small message to a sink in memory.
func class(t *testing.T, set func(*sink.Server)) (*parley.SMTP, *smtptest.Peer) {
	t.Helper()
	peer := smtptest.Server(t, set)
	s := parley.New()
	s.Dialer, s.MailServer, s.Hello = peer, "localhost", "client.example"
	s.From, s.SendTo, s.Subject, s.MessageText = "a@x.example", "b@y.example", "hi", "hello\r\n"
	return s, peer
}

// send sends and returns what arrived.
func send(t *testing.T, s *parley.SMTP, peer *smtptest.Peer) *sink.Message {
	t.Helper()
	n := len(peer.Memory.Messages())
	if _, err := s.Send(t.Context()); err != nil {
		t.Fatal(err)
	}
	return peer.Wait(t, n+1)[n]
}

// sets sets a setting by its name.
func sets(t *testing.T, s *parley.SMTP, assignments ...string) {
	t.Helper()
	for _, a := range assignments {
		if _, err := s.Config(a); err != nil {
			t.Fatal(err)
		}
	}
}

// reads reads a setting by its name.
func reads(t *testing.T, s *parley.SMTP, name string) string {
	t.Helper()
	v, err := s.Config(name)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func secretOf(s string) auth.Secret { return auth.NewSecret(s) }
