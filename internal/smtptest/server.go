package smtptest

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/parley-mail/parley/internal/certs"
	"github.com/parley-mail/parley/internal/sink"
	"github.com/parley-mail/parley/transport/mem"
)

// patience is how long a test waits for what should come at once.
const patience = 20 * time.Second

// Play plays the server's side of a script in memory and returns the client's end.
// A mismatch fails the test when it ends.
func Play(t testing.TB, script string, conf *tls.Config) net.Conn {
	t.Helper()
	s, err := Parse(script)
	if err != nil {
		t.Fatal(err)
	}
	client, server := mem.Pipe(mem.Options{})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Serve(ctx, server, conf) }()
	t.Cleanup(func() {
		client.Close()
		cancel()
		if err := <-done; err != nil {
			t.Errorf("the client left the script: %v", err)
		}
	})
	return client
}

// Peer is a sink server that runs for a test.
type Peer struct {
	*sink.Server
	Addr    string         // "127.0.0.1:port"
	TLSAddr string         // of a listener with implicit TLS
	Memory  *sink.Memory   // what was delivered, unless the server has another store
	Roots   *x509.CertPool // that the server's certificate leads to

	mem *mem.Listener
}

var authority = sync.OnceValues(certs.NewCA)

// Server starts a sink on loopback and in memory, with a certificate for localhost,
// 127.0.0.1 and ::1 and with messages kept in memory where set leaves that open. It
// is shut down when the test ends. set may be nil.
func Server(t testing.TB, set func(*sink.Server)) *Peer {
	t.Helper()
	ca, err := authority()
	if err != nil {
		t.Fatal(err)
	}
	cert, err := ca.Issue(certs.Options{})
	if err != nil {
		t.Fatal(err)
	}
	p := &Peer{Server: &sink.Server{Name: "mx.example"}, Memory: &sink.Memory{}, Roots: ca.Pool()}
	p.TLS = &tls.Config{Certificates: []tls.Certificate{cert}}
	p.Store = p.Memory
	if set != nil {
		set(p.Server)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute)
	var serving sync.WaitGroup
	p.mem = mem.Listen("mx.example", mem.Options{})
	serving.Go(func() { p.Serve(ctx, p.mem) })
	p.Addr = p.listen(t, &serving, func(l net.Listener) { p.Serve(ctx, l) })
	if p.TLS != nil {
		p.TLSAddr = p.listen(t, &serving, func(l net.Listener) { p.ServeTLS(ctx, l) })
	}
	t.Cleanup(func() {
		p.Close()
		cancel()
		serving.Wait()
	})
	return p
}

func (p *Peer) listen(t testing.TB, serving *sync.WaitGroup, serve func(net.Listener)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	serving.Go(func() { serve(l) })
	return l.Addr().String()
}

// DialContext connects to the server in memory, whatever the address.
func (p *Peer) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	return p.mem.DialContext(ctx, network, address)
}

// ClientTLS returns a configuration with which a client trusts the server.
func (p *Peer) ClientTLS() *tls.Config {
	return &tls.Config{RootCAs: p.Roots, ServerName: "localhost"}
}

// Wait returns the messages delivered once there are n, and fails the test when
// they do not come.
func (p *Peer) Wait(t testing.TB, n int) []*sink.Message {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	got, err := p.Memory.Wait(ctx, n)
	if err != nil {
		t.Fatalf("%d messages instead of %d: %v", len(got), n, err)
	}
	return got
}
