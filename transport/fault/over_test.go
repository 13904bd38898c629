package fault_test

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/parley-mail/parley/internal/certs"
	"github.com/parley-mail/parley/transport"
	"github.com/parley-mail/parley/transport/fault"
	"github.com/parley-mail/parley/transport/mem"
	"github.com/parley-mail/parley/transport/utls"
)

// secureEcho makes a link through plan to a server that does a handshake and sends back
// what it gets.
func secureEcho(t *testing.T, under fault.Plan) (transport.Conn, *transport.TLSConfig) {
	t.Helper()
	a, b := mem.Pipe(mem.Options{})
	server := &tls.Config{Certificates: []tls.Certificate{leaf}, SessionTicketsDisabled: true, MaxVersion: tls.VersionTLS13}
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer b.Close()
		b.SetDeadline(time.Now().Add(20 * time.Second))
		conn := tls.Server(b, server)
		if conn.Handshake() == nil {
			io.Copy(conn, conn)
		}
	}()
	a.SetDeadline(time.Now().Add(20 * time.Second))
	t.Cleanup(func() {
		a.Close()
		<-done
	})
	return transport.New(fault.New(a, under)), &transport.TLSConfig{
		ServerName: "mx.example", RootCAs: ca.Pool(), Engines: []transport.TLSEngine{utls.Engine{}},
	}
}

var ca, leaf = func() (*certs.CA, tls.Certificate) {
	ca, err := certs.NewCA()
	if err != nil {
		panic(err)
	}
	leaf, err := ca.Issue(certs.Options{Hosts: []string{"mx.example"}})
	if err != nil {
		panic(err)
	}
	return ca, leaf
}()

// Above TLS, octets are those of the session, and the handshake is not harmed.
func TestOverTLS(t *testing.T) {
	clear, config := secureEcho(t, nil)
	c := fault.Over(clear, fault.Plan{
		{Side: fault.Write, Kind: fault.Garble, At: 1},
		{Side: fault.Read, Kind: fault.Cut, At: 3},
	})
	if c.Security().Secure {
		t.Error("secure before its handshake")
	}
	if s, err := c.StartTLS(t.Context(), config); err != nil || !s.Secure || !c.Security().Secure {
		t.Fatalf("%v, %v", s, err)
	}
	if _, err := c.Write([]byte("abcd")); err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(c)
	if string(got) != "a\x9dc" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
	if ok, err := c.(transport.Prober).Readable(); !ok || err != nil {
		t.Errorf("at its end: %v, %v", ok, err)
	}
}

// Invariant: whatever happens to any octet of a handshake, it ends with a *TLSError and
// a closed link. Cut and reset lead to the reason for it.
func TestHandshakeUnderFaults(t *testing.T) {
	const octets = 900 // more than either side says
	for _, engine := range []string{"std", "utls"} {
		for _, side := range []fault.Side{fault.Read, fault.Write} {
			for _, kind := range []fault.Kind{fault.Cut, fault.Reset, fault.Garble} {
				failed := 0
				for at := int64(0); at < octets; at += 29 {
					plan := fault.Plan{{Side: side, Kind: kind, At: at}}
					c, config := secureEcho(t, plan)
					config.Engine = engine
					s, err := c.StartTLS(t.Context(), config)
					if err == nil {
						c.Close() // it was after the handshake, or of no importance
						continue
					}
					failed++
					e, ok := err.(*transport.TLSError)
					if !ok || s.Secure || e.Reason == transport.ReasonInternal {
						t.Errorf("%s, %v: %v, %T %v", engine, plan, s, err, err)
					} else if e.Reason != transport.ReasonClosed && kind != fault.Garble {
						t.Errorf("%s, %v: %v", engine, plan, err)
					}
					if _, err := c.Write([]byte("x")); err == nil {
						t.Errorf("%s, %v: the link is open", engine, plan)
					}
				}
				if failed < 5 {
					t.Errorf("%s, %v, %v: only %d failures", engine, side, kind, failed)
				}
			}
		}
	}
}

// Small pieces and delays do no harm.
func TestHandshakeInPieces(t *testing.T) {
	for _, engine := range []string{"std", "utls"} {
		for n := 1; n < 8; n += 3 {
			c, config := secureEcho(t, fault.Plan{{Side: fault.Read, Kind: fault.Short, N: n}, {Side: fault.Write, Kind: fault.Short, N: n}, {Kind: fault.Delay}})
			config.Engine = engine
			if _, err := c.StartTLS(t.Context(), config); err != nil {
				t.Fatal(err)
			}
			c.Write([]byte("250 ok\r\n"))
			p := make([]byte, 8)
			if _, err := io.ReadFull(c, p); err != nil || string(p) != "250 ok\r\n" {
				t.Errorf("%q, %v", p, err)
			}
		}
	}
}

func TestStalledHandshake(t *testing.T) {
	for _, engine := range []string{"std", "utls"} {
		c, config := secureEcho(t, fault.Plan{{Side: fault.Read, Kind: fault.Stall, At: 50}})
		config.Engine = engine
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		if _, err := c.StartTLS(ctx, config); !errors.Is(err, transport.ReasonTimeout) {
			t.Errorf("%v", err)
		}
	}
}

func TestReadableUnderFaults(t *testing.T) {
	a, b := mem.Pipe(mem.Options{})
	defer b.Close()
	for _, c := range []struct {
		plan fault.Plan
		ok   bool
		err  error
	}{
		{nil, false, nil},
		{fault.Plan{{Kind: fault.Cut}}, true, nil},
		{fault.Plan{{Kind: fault.Cut, At: 1}}, false, nil},
		{fault.Plan{{Kind: fault.Reset}}, true, syscall.ECONNRESET},
		{fault.Plan{{Kind: fault.Stall}}, false, nil},
	} {
		if ok, err := fault.New(a, c.plan).(transport.Prober).Readable(); ok != c.ok || !errors.Is(err, c.err) {
			t.Errorf("%v: %v, %v", c.plan, ok, err)
		}
	}
	p, q := net.Pipe()
	defer p.Close()
	defer q.Close()
	if _, err := fault.New(p, nil).(transport.Prober).Readable(); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("%v", err)
	}
	if transport.Unwrap(fault.New(a, nil)) != a {
		t.Error("what lies below is hidden")
	}
}

func TestDeadlinesReachBelow(t *testing.T) {
	a, b := mem.Pipe(mem.Options{Buffer: 1})
	defer b.Close()
	c := fault.New(a, nil)
	c.SetDeadline(time.Unix(1, 0))
	if _, err := c.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("%v", err)
	}
	if _, err := c.Write([]byte("abc")); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("%v", err)
	}
}

// On a real socket a reset is one.
func TestResetOfASocket(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	a, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	b, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	if _, err := fault.New(a, fault.Plan{{Kind: fault.Reset}}).Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("%v", err)
	}
	if _, err := b.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("the peer: %v", err)
	}
	if s := fault.Write.String() + fault.Kind(99).String(); s != "writeKind(99)" {
		t.Error(s)
	}
}
