//go:build interop

package interop_test

import (
	"context"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/parley-mail/parley"
	"github.com/parley-mail/parley/interop/peers"
)

// TestSenderBulk has a Sender deliver many messages to each server, eight in flight on each
// of four connections: nothing is lost, doubled or altered. PARLEY_LONG has it be ten
// thousand a server.
func TestSenderBulk(t *testing.T) {
	many := 200
	if os.Getenv("PARLEY_LONG") != "" {
		many = 10_000
	}
	for _, c := range []struct {
		p    peers.Peer
		kind peers.Kind
		long bool
	}{
		{peers.NewPostfix(), peers.SMTP, false},
		{peers.NewExim(), peers.SMTP, true},
		{peers.NewOpenSMTPD(), peers.SMTP, true},
		{peers.NewDovecot(nil), peers.LMTP, true},
	} {
		t.Run(c.p.Name(), func(t *testing.T) {
			if testing.Short() && c.long {
				t.Skip("interop-short has Postfix only")
			}
			site := start(t, c.p)
			e := endpoint(c.p, site, c.kind)
			e.Session.Overlap = 8
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
			defer cancel()
			s := &parley.Sender{MaxConns: 4}
			want := make(map[string]int, many)
			var mu sync.Mutex
			var all sync.WaitGroup
			begun := time.Now()
			for lane := range 4 {
				all.Go(func() {
					var window []*parley.Message
					for i := lane; i < many; i += 4 {
						content := fmt.Sprintf("%s%d\r\n..\r\n.%s\r\n", head, i, strings.Repeat("x", i%70))
						m := &parley.Message{Endpoint: e, Mail: *mail(content, peers.Bob)}
						mu.Lock()
						want[stored(content)]++
						mu.Unlock()
						if err := s.Submit(ctx, m); err != nil {
							t.Errorf("%d: %v", i, err)
							return
						}
						if window = append(window, m); len(window) == 8 {
							if _, err := s.Wait(ctx, window[0]); err != nil {
								t.Errorf("%v", err)
							}
							window = window[1:]
						}
					}
					for _, m := range window {
						if _, err := s.Wait(ctx, m); err != nil {
							t.Errorf("%v", err)
						}
					}
				})
			}
			all.Wait()
			took := time.Since(begun)
			if err := s.Close(ctx); err != nil {
				t.Error(err)
			}
			got, err := peers.Await(ctx, c.p, peers.Bob.User, many)
			if err != nil {
				t.Fatal(err)
			}
			for _, m := range got {
				want[string(m.Content)]--
			}
			for content, n := range want {
				if n != 0 {
					t.Errorf("%d too few: %q", n, content)
				}
			}
			st := s.Stats()
			// A server that takes so many messages on a connection costs a few tries.
			if len(got) != many || st.Accepted != uint64(many) || st.Unknown != 0 || st.NotSent+st.Refused != st.Again {
				t.Errorf("%d arrived: %+v", len(got), st)
			}
			k, err := e.Key()
			if err != nil {
				t.Fatal(err)
			}
			t.Logf("%d messages in %v: %.2f round trips and %.1f commands each, %d connections, turned down: %q",
				many, took.Round(time.Millisecond), float64(st.Turns)/float64(many), float64(st.Commands)/float64(many), st.Dials, s.TurnedDown(k))
		})
	}
}
