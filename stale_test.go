package parley_test

import (
	"testing"

	"github.com/parley-mail/parley"
	"github.com/parley-mail/parley/internal/smtptest"
	"github.com/parley-mail/parley/transport"
)

// What a server says or does while nothing is asked of it shows without asking, in clear
// and inside TLS; a session that is well goes on.
func TestStale(t *testing.T) {
	for _, mode := range []parley.TLSMode{parley.TLSNone, parley.TLSStartTLS} {
		peer := smtptest.Server(t, nil)
		c, err := parley.Dial(t.Context(), &parley.Endpoint{
			Address: "mx.example:25", Dialer: peer, TLS: mode, TLSConfig: &transport.TLSConfig{RootCAs: peer.Roots, ServerName: "localhost"},
		})
		if err != nil {
			t.Fatal(err)
		}
		if c.Stale() {
			t.Errorf("%v: a new session is stale", mode)
		}
		if err := c.Send(t.Context(), transaction(t, "a@x.example", "b@y.example"), nil); err != nil {
			t.Errorf("%v: after looking: %v", mode, err)
		}
		peer.Close()
		if !c.Stale() {
			t.Errorf("%v: the server is gone and nobody sees it", mode)
		}
		c.Close()
		if !c.Stale() {
			t.Errorf("%v: a closed session is not stale", mode)
		}
	}
}
