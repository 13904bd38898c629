package transport_test

import (
	"crypto/tls"
	"slices"
	"sync"
	"testing"

	"github.com/parley-mail/parley/internal/certs"
	"github.com/parley-mail/parley/transport"
	"github.com/parley-mail/parley/transport/internal/tlstest"
	"github.com/parley-mail/parley/transport/utls"
)

// The tests in engine_*_test.go hold for every engine, for TLS from the first octet on
// and behind STARTTLS alike. What only one engine can do is tested beside it.

const host = "mx.example"

// run is one of the ways in which each of those tests is done.
type run struct {
	engine   string
	starttls bool
}

func eachRun(t *testing.T, f func(t *testing.T, r run)) {
	for _, engine := range []string{transport.EngineStd, utls.Engine{}.Name()} {
		for _, starttls := range []bool{false, true} {
			name := engine + "/implicit"
			if starttls {
				name = engine + "/starttls"
			}
			t.Run(name, func(t *testing.T) { f(t, run{engine, starttls}) })
		}
	}
}

// config is c with the engine of the run, and full verification of host unless c
// says otherwise.
func (r run) config(c transport.TLSConfig) *transport.TLSConfig {
	c.Engine, c.Engines = r.engine, []transport.TLSEngine{utls.Engine{}}
	if c.ServerName == "" {
		c.ServerName = host
	}
	if c.RootCAs == nil {
		c.RootCAs = authority().Pool()
	}
	return &c
}

// connect does the handshake, which must succeed, and uses the link.
func (r run) connect(t *testing.T, c *transport.TLSConfig, server *tls.Config) (*tlstest.Link, transport.Security) {
	t.Helper()
	l := tlstest.Dial(t, server, r.starttls)
	s, err := l.StartTLS(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	if s.Engine != r.engine || !s.Secure || !slices.Equal(s.PeerCertificates, l.Security().PeerCertificates) {
		t.Errorf("engine %q, secure %v; the link says %v", s.Engine, s.Secure, l.Security())
	}
	l.Echo(t)
	return l, s
}

// fail does the handshake, which must not succeed.
func (r run) fail(t *testing.T, c *transport.TLSConfig, server *tls.Config) *transport.TLSError {
	t.Helper()
	l := tlstest.Dial(t, server, r.starttls)
	return refused(t, l, c)
}

func refused(t *testing.T, l *tlstest.Link, c *transport.TLSConfig) *transport.TLSError {
	t.Helper()
	s, err := l.StartTLS(t.Context(), c)
	if err == nil {
		t.Fatalf("no error: %v", s)
	}
	e, ok := err.(*transport.TLSError)
	if !ok {
		t.Fatalf("%T %v", err, err)
	}
	if l.Security().Secure {
		t.Error("the link says that it is secure")
	}
	if _, err := l.Write([]byte("x")); err == nil {
		t.Error("the link is still open")
	}
	return e
}

var authority = sync.OnceValue(newAuthority)

func newAuthority() *certs.CA {
	ca, err := certs.NewCA()
	if err != nil {
		panic(err)
	}
	return ca
}

// issue returns a certificate of the authority for host, or what o says.
func issue(t testing.TB, o certs.Options) tls.Certificate {
	t.Helper()
	if len(o.Hosts) == 0 {
		o.Hosts = []string{host, "192.0.2.1"}
	}
	c, err := authority().Issue(o)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

var (
	ecdsaServer = sync.OnceValue(func() tls.Certificate { return mustIssue(certs.Options{Hosts: []string{host, "192.0.2.1"}}) })
	rsaServer   = sync.OnceValue(func() tls.Certificate {
		return mustIssue(certs.Options{Hosts: []string{host, "192.0.2.1"}, RSA: true})
	})
)

func mustIssue(o certs.Options) tls.Certificate {
	c, err := authority().Issue(o)
	if err != nil {
		panic(err)
	}
	return c
}

// server is a server's configuration with the good certificates.
func server(change ...func(*tls.Config)) *tls.Config {
	c := &tls.Config{Certificates: []tls.Certificate{ecdsaServer(), rsaServer()}, MinVersion: tls.VersionTLS10}
	for _, f := range change {
		f(c)
	}
	return c
}

func upTo(version uint16) func(*tls.Config) { return func(c *tls.Config) { c.MaxVersion = version } }

func with(certificates ...tls.Certificate) func(*tls.Config) {
	return func(c *tls.Config) { c.Certificates = certificates }
}
