package transport_test

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"testing"
	"time"

	"github.com/parley-mail/parley/internal/certs"
	"github.com/parley-mail/parley/transport"
)

var resumable = []uint16{tls.VersionTLS12, tls.VersionTLS13}

func TestResumption(t *testing.T) {
	eachRun(t, func(t *testing.T, r run) {
		for _, version := range resumable {
			srv := server(upTo(version))
			var cache transport.SessionCache
			c := r.config(transport.TLSConfig{Sessions: &cache})
			if _, s := r.connect(t, c, srv); s.Resumed || cache.Len() != 1 {
				t.Fatalf("%s: first: resumed %v, %d kept", tls.VersionName(version), s.Resumed, cache.Len())
			}
			for range 3 {
				l, s := r.connect(t, c, srv)
				cs, err := l.Server()
				if err != nil || !s.Resumed || !cs.DidResume {
					t.Fatalf("%s: resumed %v, says the server %v, %v", tls.VersionName(version), s.Resumed, cs.DidResume, err)
				}
				if !s.Verified || s.Trust != transport.TrustChain || len(s.VerifiedChains) != 1 || len(s.PeerCertificates) != 1 {
					t.Errorf("%v", s)
				}
				sameBindings(t, s, cs)
			}
			cache.Clear()
			if _, s := r.connect(t, c, srv); s.Resumed {
				t.Error("resumed what was forgotten")
			}
			now := time.Now()
			c = c.Clone()
			cache.Lifetime = time.Hour
			c.Time = func() time.Time { return now.Add(time.Hour + time.Minute) }
			if _, s := r.connect(t, c, srv); s.Resumed {
				t.Error("resumed what is too old")
			}
		}
	})
}

// Where resumption is not wanted no ticket is asked for, and none kept.
func TestNoResumptionWanted(t *testing.T) {
	eachRun(t, func(t *testing.T, r run) {
		cache := transport.SessionCache{NoResumption: true}
		c, srv := r.config(transport.TLSConfig{Sessions: &cache}), server()
		for range 2 {
			if _, s := r.connect(t, c, srv); s.Resumed || cache.Len() != 0 {
				t.Errorf("resumed %v, %d kept", s.Resumed, cache.Len())
			}
		}
	})
}

// Invariant: a session is only resumed under the policy under which it was made.
func TestNoResumptionUnderAnotherPolicy(t *testing.T) {
	client := issue(t, certs.Options{Client: true})
	eachRun(t, func(t *testing.T, r run) {
		for _, version := range resumable {
			srv := server(upTo(version))
			for name, change := range map[string]func(*transport.TLSConfig){
				"roots":       func(c *transport.TLSConfig) { c.RootCAs = authority().Pool() },
				"extra roots": func(c *transport.TLSConfig) { c.ExtraRootCAs = []*x509.Certificate{newAuthority().Certificate()} },
				"name":        func(c *transport.TLSConfig) { c.ServerName = "192.0.2.1" },
				"endpoint":    func(c *transport.TLSConfig) { c.Endpoint = "mx.example:587" },
				"pin":         func(c *transport.TLSConfig) { c.Pin = client.Leaf },
				"any":         func(c *transport.TLSConfig) { c.InsecureSkipVerify = true },
				"forgive":     func(c *transport.TLSConfig) { c.Forgive = transport.ForgiveExpired },
				"hook":        func(c *transport.TLSConfig) { c.VerifyPeer = func(transport.Peer) error { return nil } },
				"certificate": func(c *transport.TLSConfig) { c.Certificates = []tls.Certificate{client} },
				"versions":    func(c *transport.TLSConfig) { c.MinVersion = tls.VersionTLS11 },
				"protocols":   func(c *transport.TLSConfig) { c.NextProtos = []string{"smtp"} },
				"cipher bits": func(c *transport.TLSConfig) { c.MinCipherBits = 128 },
				"callback": func(c *transport.TLSConfig) {
					c.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &client, nil }
				},
				"nothing at all (the control)": func(*transport.TLSConfig) {},
			} {
				c := r.config(transport.TLSConfig{Sessions: new(transport.SessionCache)})
				r.connect(t, c, srv)
				d := c.Clone()
				change(d)
				_, s := r.connect(t, d, srv)
				if want := name == "nothing at all (the control)"; s.Resumed != want {
					t.Errorf("%s, another %s: resumed %v", tls.VersionName(version), name, s.Resumed)
				}
			}
		}
	})
}

// Roots that no longer hold are asked again although the pool is the same, and a
// session that is refused is forgotten.
func TestResumedSessionIsVerifiedAgain(t *testing.T) {
	usage := newFaulty(t).client
	eachRun(t, func(t *testing.T, r run) {
		for _, version := range resumable {
			srv := server(upTo(version))
			no := errors.New("no more")
			refuse, resumed := false, 0
			c := r.config(transport.TLSConfig{Sessions: new(transport.SessionCache), VerifyPeer: func(p transport.Peer) error {
				if p.Resumed {
					resumed++
				}
				if refuse {
					return no
				}
				return p.Verdict
			}})
			r.connect(t, c, srv)
			if _, s := r.connect(t, c, srv); !s.Resumed || resumed != 1 {
				t.Errorf("resumed %v, judged %d times", s.Resumed, resumed)
			}
			refuse = true
			if e := r.fail(t, c, srv); !errors.Is(e, no) || resumed != 2 {
				t.Errorf("%v; judged %d times", e, resumed)
			}
			refuse = false
			if _, s := r.connect(t, c, srv); s.Resumed {
				t.Error("resumed what was refused")
			}
			// Time goes on: what was valid then has expired.
			c = r.config(transport.TLSConfig{Sessions: &transport.SessionCache{Lifetime: 10 * 365 * 24 * time.Hour}})
			ages := time.Now()
			c.Time = func() time.Time { return ages }
			r.connect(t, c, srv)
			ages = ages.AddDate(1, 0, 0)
			if e := r.fail(t, c, srv); e.Reason != transport.ReasonExpired {
				t.Errorf("%v", e)
			}
			// A root is withdrawn.
			c = r.config(transport.TLSConfig{Sessions: new(transport.SessionCache), RootCAs: authority().Pool()})
			r.connect(t, c, srv)
			if _, s := r.connect(t, c, srv); !s.Resumed || s.Trust != transport.TrustChain || len(s.VerifiedChains) == 0 {
				t.Errorf("%v with %d chains", s, len(s.VerifiedChains))
			}
			*c.RootCAs = *x509.NewCertPool()
			if e := r.fail(t, c, srv); e.Reason != transport.ReasonUnknownAuthority {
				t.Errorf("%v", e)
			}
			// What was forgiven has to be forgiven again.
			srv = server(upTo(version), with(usage))
			c = r.config(transport.TLSConfig{Sessions: new(transport.SessionCache), Forgive: transport.ForgiveWrongUsage})
			r.connect(t, c, srv)
			if _, s := r.connect(t, c, srv); !s.Resumed || s.Trust != transport.TrustForgiven || s.Problem == nil {
				t.Errorf("%v: trusted by %v, problem %v", s, s.Trust, s.Problem)
			}
		}
	})
}

// A server that has lost its keys gets a whole handshake.
func TestResumptionRefusedByTheServer(t *testing.T) {
	eachRun(t, func(t *testing.T, r run) {
		for _, version := range resumable {
			c := r.config(transport.TLSConfig{Sessions: new(transport.SessionCache)})
			r.connect(t, c, server(upTo(version)))
			if _, s := r.connect(t, c, server(upTo(version))); s.Resumed || !s.Verified {
				t.Errorf("%v", s)
			}
			// And may have changed its mind about versions and groups meanwhile.
			r.connect(t, c, server(upTo(tls.VersionTLS12)))
			other := server(func(c *tls.Config) { c.CurvePreferences = []tls.CurveID{tls.CurveP384} })
			r.connect(t, c, other)
			if _, s := r.connect(t, c, other); s.Group != transport.P384 {
				t.Errorf("%v", s)
			}
		}
	})
}

func TestSessionCacheForgetsTheOldest(t *testing.T) {
	eachRun(t, func(t *testing.T, r run) {
		srv := server()
		cache := &transport.SessionCache{Capacity: 2}
		at, roots := time.Now(), authority().Pool()
		config := func(endpoint string) *transport.TLSConfig {
			at = at.Add(time.Second)
			now := at
			return r.config(transport.TLSConfig{Sessions: cache, RootCAs: roots, Endpoint: endpoint, Time: func() time.Time { return now }})
		}
		for _, e := range []string{"a:25", "b:25", "c:25"} {
			r.connect(t, config(e), srv)
		}
		if cache.Len() != 2 {
			t.Errorf("%d kept", cache.Len())
		}
		if _, s := r.connect(t, config("c:25"), srv); !s.Resumed {
			t.Error("the newest was forgotten")
		}
		if _, s := r.connect(t, config("a:25"), srv); s.Resumed {
			t.Error("the oldest was kept")
		}
	})
}
