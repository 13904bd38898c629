package utls_test

import (
	"crypto/tls"
	"slices"
	"testing"

	"github.com/parley-mail/parley/transport"
	"github.com/parley-mail/parley/transport/internal/tlstest"
)

// A retry cannot follow an offer to resume. So the share of the second hello is of the
// group that the server chose before, whatever the first one's was.
func TestResumptionAvoidsTheRetry(t *testing.T) {
	for _, g := range []transport.Group{transport.P256, transport.P384, transport.P521} {
		srv := server(onlyGroup(g))
		c := config(transport.TLSConfig{Sessions: new(transport.SessionCache)})
		l, s := connect(t, c, srv)
		if len(l.Hellos(t)) != 2 || s.Resumed {
			t.Fatalf("%v: no retry", g)
		}
		l, s = connect(t, c, srv)
		hellos := l.Hellos(t)
		if !s.Resumed || len(hellos) != 1 || !hellos[0].PSK || !slices.Equal(hellos[0].KeyShares, []transport.Group{g}) || s.Group != g {
			t.Errorf("%v: %v, %+v", g, s, hellos)
		}
	}
}

// Where a retry must follow, because the server has changed its mind, the attempt
// fails once and the next one does without the session.
func TestServerChangesItsGroup(t *testing.T) {
	ticketKey := func(c *tls.Config) { c.SetSessionTicketKeys([][32]byte{{1}}) }
	c := config(transport.TLSConfig{Sessions: new(transport.SessionCache)})
	connect(t, c, server(onlyGroup(transport.X25519), ticketKey))
	moved := server(onlyGroup(transport.P384), ticketKey)
	l := tlstest.Dial(t, moved, false)
	if s, err := l.StartTLS(t.Context(), c); err == nil {
		t.Skipf("the library has learnt to retry: %v", s)
	}
	if c.Sessions.Len() != 0 {
		t.Error("the session is still there")
	}
	if _, s := connect(t, c, moved); s.Resumed || s.Group != transport.P384 {
		t.Errorf("%v", s)
	}
}

// A profile whose shares do not hold the server's group does not offer the session.
func TestProfileDoesNotOfferWhatCannotBeRetried(t *testing.T) {
	srv := server(onlyGroup(transport.P384))
	c := config(transport.TLSConfig{ClientHello: "chrome", Sessions: new(transport.SessionCache)})
	for range 2 {
		if _, s := connect(t, c, srv); s.Resumed || s.Group != transport.P384 {
			t.Errorf("%v", s)
		}
	}
}
