//go:build unix

package cube_test

import (
	"bytes"
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/parley-mail/parley/interop/cube"
	"github.com/parley-mail/parley/interop/peers"
)

// spoiled is a peer that does something to what it has stored.
type spoiled struct {
	peers.Peer
	spoil func([]peers.Message) []peers.Message
}

func (p spoiled) Mailbox(user string) ([]peers.Message, error) {
	messages, err := p.Peer.Mailbox(user)
	if len(messages) == 0 {
		return messages, err
	}
	return p.spoil(messages), err
}

// Every cell of a server that does what it says is delivered, and each way of not storing
// what was sent fails.
func TestCourier(t *testing.T) {
	site, err := peers.NewSite()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { site.Close() })
	for _, tt := range []struct {
		name  string
		spoil func([]peers.Message) []peers.Message
		want  string // in the error; "": there is none
	}{
		{"sound", func(m []peers.Message) []peers.Message { return m }, ""},
		{"an octet", func(m []peers.Message) []peers.Message {
			m[0].Content = bytes.Replace(m[0].Content, []byte("quick"), []byte("quack"), 1)
			return m
		}, `altered at octet`},
		{"the end", func(m []peers.Message) []peers.Message {
			m[0].Content = bytes.TrimSuffix(m[0].Content, []byte("end\n"))
			return m
		}, `altered at octet`},
		{"twice", func(m []peers.Message) []peers.Message { return append(m, m[0]) }, "delivered twice"},
		{"another in its place", func(m []peers.Message) []peers.Message { return slices.Concat(m[1:], m[1:2]) }, "not stored"},
		{"a stranger", func(m []peers.Message) []peers.Message {
			return append(m, peers.Message{Content: []byte("Subject: hello\n\n")})
		}, "a message nobody sent"},
	} {
		p := peers.NewSink()
		if err := p.Start(t.Context(), site); err != nil {
			t.Fatal(err)
		}
		s := cube.Server{Peer: p, Site: site, Ports: []peers.Kind{peers.SMTP, peers.LMTPUnix}, Logins: cube.Logins()}
		if tt.want == "" {
			s.Ports = append(s.Ports, peers.Submissions)
		}
		jobs, err := s.Jobs(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		c := &cube.Courier{Peer: spoiled{p, tt.spoil}, To: peers.Carol}
		report := &cube.Report{}
		err = c.Table(t.Context(), report, "t", cube.Heads, cube.ModeNames(), jobs)
		if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
			t.Errorf("%s: %v, want %q", tt.name, err, tt.want)
		}
		for _, j := range jobs {
			if j.Cell.Why == "" && j.Cell.Delivered == 0 && j.Cell.Err == "" {
				t.Errorf("%s: %s: neither delivered nor failed nor explained", tt.name, j.Cell)
			}
		}
		if err := p.Stop(); err != nil {
			t.Error(err)
		}
	}
}

// What is known not to work is tried, and must fail as it is known to.
func TestBar(t *testing.T) {
	site, err := peers.NewSite()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { site.Close() })
	p := peers.NewSink()
	if err := p.Start(t.Context(), site); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Stop() })
	s := cube.Server{
		Peer: p, Site: site, Ports: []peers.Kind{peers.Submissions}, Logins: cube.Logins(),
		Bars: []cube.Bar{{Kinds: []peers.Kind{peers.Submissions}, Login: "PLAIN", Why: "broken", Err: context.Canceled}},
	}
	if _, err := s.Jobs(t.Context()); err == nil || !strings.Contains(err.Error(), "take the bar away") {
		t.Errorf("a bar over what works: %v", err)
	}
	s.Bars, s.NoTLS = nil, s.Ports
	if _, err := s.Jobs(t.Context()); err == nil || !strings.Contains(err.Error(), "TLS works") {
		t.Errorf("TLS that works: %v", err)
	}
}
