//go:build interop

package kerberos_test

import (
	"context"
	"net"
	"os"
	"testing"
	"time"

	"github.com/parley-mail/parley"
	"github.com/parley-mail/parley/auth"
	"github.com/parley-mail/parley/auth/gssapi"
	"github.com/parley-mail/parley/interop/cube"
	"github.com/parley-mail/parley/interop/peers"
)

// TestMatrix delivers in every cell of the cube that a Kerberos ticket opens: each server
// that has the realm's keys knows Alice by her ticket only. PARLEY_INTEROP_KERBEROS names
// the file where the cells are kept for the matrix of the other mechanisms.
func TestMatrix(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	site, err := peers.NewSite()
	if err != nil {
		t.Fatal(err)
	}
	defer site.Close()
	realm := peers.NewKerberos()
	if err := realm.Start(ctx, site); err != nil {
		t.Fatal(err)
	}
	defer realm.Stop()
	ticket, err := realm.Ticket(peers.Alice)
	if err != nil {
		t.Fatal(err)
	}
	report := &cube.Report{}
	if version, err := realm.Version(); err != nil {
		t.Fatal(err)
	} else {
		report.Program("krb5kdc", version)
	}
	login := cube.Login{Mechanism: "GSSAPI", Set: func(e *parley.Endpoint, _ *peers.Site) (func(), error) {
		mechanism, err := gssapi.New(gssapi.Config{Krb5Conf: realm.Config(), CCache: ticket})
		if err != nil {
			return nil, err
		}
		// The ticket is for a service by its name.
		_, port, _ := net.SplitHostPort(e.Address)
		e.Dialer, e.Address = &fixed{e.Address}, net.JoinHostPort(peers.Host, port)
		e.Credentials = &auth.Credentials{Extra: []auth.Mechanism{mechanism}}
		e.AuthPolicy.Mechanisms = []string{"GSSAPI"}
		return mechanism.Close, nil
	}}
	for _, s := range cube.Servers(realm) {
		t.Run(s.Title, func(t *testing.T) {
			if err := s.Peer.Start(ctx, site); err != nil {
				t.Fatal(err)
			}
			defer s.Peer.Stop()
			s.Site, s.Logins = site, []cube.Login{login}
			jobs, err := s.Jobs(ctx)
			if err != nil {
				t.Fatal(err)
			}
			c := &cube.Courier{Peer: s.Peer, To: peers.Carol}
			if err := c.Table(ctx, report, s.Title, cube.Heads, cube.ModeNames(), jobs); err != nil {
				t.Errorf("%v\n%s", err, s.Peer.Log())
			}
		})
	}
	if name := os.Getenv("PARLEY_INTEROP_KERBEROS"); name != "" && !t.Failed() {
		if err := report.Save(name); err != nil {
			t.Fatal(err)
		}
	}
}

// fixed reaches one address, whatever it is asked for.
type fixed struct{ addr string }

func (f *fixed) DialContext(ctx context.Context, network, _ string) (net.Conn, error) {
	return new(net.Dialer).DialContext(ctx, network, f.addr)
}
