package parley_test

import (
	"testing"

	"github.com/parley-mail/parley"
	"github.com/parley-mail/parley/internal/smtptest"
	"github.com/parley-mail/parley/transport"
	"github.com/parley-mail/parley/transport/utls"
)

// What a server says or does while nothing is asked of it shows without asking, in clear
// and inside TLS; a session that is well goes on.
func TestStale(t *testing.T) {
	for _, engine := range []string{"", "std", "utls"} {
		mode := parley.TLSStartTLS
		if engine == "" {
			mode = parley.TLSNone
		}
		peer := smtptest.Server(t, nil)
		c, err := parley.Dial(t.Context(), &parley.Endpoint{
			Address: "mx.example:25", Dialer: peer, TLS: mode, TLSConfig: &transport.TLSConfig{
				RootCAs: peer.Roots, ServerName: "localhost", Engine: engine, Engines: []transport.TLSEngine{utls.Engine{}},
			},
		})
		if err != nil {
			t.Fatal(err)
		}
		if c.Stale() {
			t.Errorf("%s: a new session is stale", engine)
		}
		if err := c.Send(t.Context(), transaction(t, "a@x.example", "b@y.example"), nil); err != nil {
			t.Errorf("%s: after looking: %v", engine, err)
		}
		peer.Close()
		if !c.Stale() {
			t.Errorf("%s: the server is gone and nobody sees it", engine)
		}
		c.Close()
		if !c.Stale() {
			t.Errorf("%s: a closed session is not stale", engine)
		}
	}
}
