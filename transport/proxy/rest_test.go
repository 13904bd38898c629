package proxy_test

import (
	"context"
	"io"
	"net"
	"testing"

	"github.com/parley-mail/parley/transport"
	"github.com/parley-mail/parley/transport/proxy"
)

// withSurplus returns a tunnel over loopback whose greeting came with the proxy's
// answer, and the far end of it.
func withSurplus(t *testing.T) (nc, far net.Conn) {
	t.Helper()
	ends := make(chan net.Conn, 1)
	p := listen(t, func(nc net.Conn) {
		buf := make([]byte, 1024)
		if _, err := nc.Read(buf); err != nil {
			return
		}
		_, _ = io.WriteString(nc, "HTTP/1.1 200 OK\r\n\r\n"+greeting)
		closed := make(chan struct{})
		ends <- closer{nc, closed}
		<-closed
	})
	nc, err := dial(proxy.Tunnel{Addr: p.Addr}, proxy.Chain(nil))
	if err != nil {
		t.Fatal(err)
	}
	far = <-ends
	t.Cleanup(func() { nc.Close(); far.Close() })
	return nc, far
}

// closer tells by a channel that it was closed.
type closer struct {
	net.Conn
	done chan struct{}
}

func (c closer) Close() error { close(c.done); return nil }

// TestTunnelIsALink: a tunnel with a surplus can do what a link of package transport
// asks of a connection.
func TestTunnelIsALink(t *testing.T) {
	nc, far := withSurplus(t)
	link := transport.New(nc)
	if _, ok := transport.Unwrap(link).(*net.TCPConn); !ok {
		t.Errorf("beneath is a %T, want a socket", transport.Unwrap(link))
	}
	prober := link.(transport.Prober)
	readable, err := prober.Readable()
	if !readable || err != nil {
		t.Errorf("with the greeting unread: readable %v, %v", readable, err)
	}
	got := make([]byte, len(greeting))
	if _, err := io.ReadFull(link, got); err != nil || string(got) != greeting {
		t.Errorf("greeting is %q, %v", got, err)
	}
	if readable, err = prober.Readable(); readable || err != nil {
		t.Errorf("with nothing to read: readable %v, %v", readable, err)
	}

	if _, err := link.(transport.BuffersWriter).WriteBuffers(&net.Buffers{[]byte("NO"), []byte("OP\r\n")}); err != nil {
		t.Fatal(err)
	}
	line := make([]byte, len("NOOP\r\n"))
	if _, err := io.ReadFull(far, line); err != nil || string(line) != "NOOP\r\n" {
		t.Errorf("the far end got %q, %v", line, err)
	}
}

// TestReadAllocates nothing, before and after the surplus.
func TestReadAllocates(t *testing.T) {
	s := &endless{line: "250 ok\r\n", script: script{pieces: []string{"HTTP/1.1 200 OK\r\n\r\n" + greeting}}}
	nc, err := dial(proxy.Tunnel{Addr: "p"}, dialFunc(func(context.Context, string, string) (net.Conn, error) { return s, nil }))
	if err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 1)
	if n := testing.AllocsPerRun(100, func() { _, _ = nc.Read(buf) }); n != 0 {
		t.Errorf("%v allocations per Read", n)
	}
}

// secured is a link that calls itself secure.
type secured struct{ *script }

func (secured) Security() transport.Security { return transport.Security{Secure: true, Verified: true} }

// TestSecureHopIsNotASecureLink: what protects the way to a proxy is no protection
// up to the target, whoever set it up.
func TestSecureHopIsNotASecureLink(t *testing.T) {
	inTLS := func(_ context.Context, nc net.Conn) (net.Conn, error) { return secured{nc.(*script)}, nil }
	byDialer := dialFunc(func(context.Context, string, string) (net.Conn, error) {
		return secured{&script{pieces: []string{"\x00\x5a\x00\x00\x00\x00\x00\x00" + greeting}}}, nil
	})
	ok := "HTTP/1.1 200 OK\r\n\r\n"
	for name, dialled := range map[string]func() (net.Conn, error){
		"https": func() (net.Conn, error) {
			return dial(proxy.Tunnel{Addr: "p", TLS: inTLS}, &script{pieces: []string{ok, greeting}})
		},
		"https, surplus": func() (net.Conn, error) {
			return dial(proxy.Tunnel{Addr: "p", TLS: inTLS}, &script{pieces: []string{ok + greeting}})
		},
		"caller's dialer": func() (net.Conn, error) { return dial(proxy.SOCKS4A{Addr: "p"}, byDialer) },
	} {
		nc, err := dialled()
		if err != nil {
			t.Fatal(err)
		}
		if transport.New(nc).Security().Secure {
			t.Errorf("%s: a secured hop passes for a secure link", name)
		}
		wantGreeting(t, nc, greeting)
	}

	direct := dialFunc(func(context.Context, string, string) (net.Conn, error) { return secured{&script{}}, nil })
	nc, err := dial(proxy.Header{}, direct)
	if err != nil || !transport.New(nc).Security().Secure {
		t.Errorf("a PROXY header took the link's security away: %v", err)
	}
}
