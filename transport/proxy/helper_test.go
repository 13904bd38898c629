package proxy_test

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/parley-mail/parley/transport/proxy"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const greeting = "220 mx.example ESMTP\r\n"

// dialFunc is a Dialer.
type dialFunc func(ctx context.Context, network, address string) (net.Conn, error)

func (f dialFunc) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	return f(ctx, network, address)
}

// noDial fails the test if it is asked to dial.
func noDial(t *testing.T) proxy.Dialer {
	return dialFunc(func(_ context.Context, _, address string) (net.Conn, error) {
		t.Errorf("dialled %s", address)
		return nil, errors.New("dialled")
	})
}

// script is a connection without a network: it reads what was laid in, a piece per
// Read, and then the end; it keeps what is written. It has no deadlines.
type script struct {
	pieces  []string
	written strings.Builder
	dials   int
	closed  int
	addr    string // what was dialled
}

// DialContext makes a script its own dialer.
func (s *script) DialContext(_ context.Context, _, address string) (net.Conn, error) {
	s.addr = address
	s.dials++
	return s, nil
}

func (s *script) Read(p []byte) (int, error) {
	for len(s.pieces) > 0 && s.pieces[0] == "" {
		s.pieces = s.pieces[1:]
	}
	if len(s.pieces) == 0 {
		return 0, io.EOF
	}
	n := copy(p, s.pieces[0])
	s.pieces[0] = s.pieces[0][n:]
	return n, nil
}

func (s *script) Write(p []byte) (int, error)      { return s.written.Write(p) }
func (s *script) Close() error                     { s.closed++; return nil }
func (s *script) LocalAddr() net.Addr              { return &net.TCPAddr{} }
func (s *script) RemoteAddr() net.Addr             { return &net.TCPAddr{} }
func (s *script) SetDeadline(time.Time) error      { return nil }
func (s *script) SetReadDeadline(time.Time) error  { return nil }
func (s *script) SetWriteDeadline(time.Time) error { return nil }

func dial(s proxy.Stage, forward proxy.Dialer) (net.Conn, error) {
	return s.DialThrough(context.Background(), forward, "tcp", "mx.example:25")
}

// wantError checks the fields that a test names.
func wantError(t *testing.T, err error, want proxy.Error) *proxy.Error {
	t.Helper()
	var e *proxy.Error
	if !errors.As(err, &e) {
		t.Fatalf("error is %T (%v), want *proxy.Error", err, err)
	}
	if e.Reason != want.Reason || e.Op != want.Op || e.Status != want.Status || want.Stage != 0 && e.Stage != want.Stage {
		t.Errorf("got  %v\nwith op %q, reason %q, status %d, stage %d\nwant op %q, reason %q, status %d, stage %d",
			e, e.Op, e.Reason, e.Status, e.Stage, want.Op, want.Reason, want.Status, want.Stage)
	}
	if !errors.Is(err, want.Reason) {
		t.Errorf("errors.Is(err, %q) is false", want.Reason)
	}
	return e
}

// wantGreeting reads the connection to its end: nothing of the tunnel may be lost,
// nothing of the proxy's answer left.
func wantGreeting(t *testing.T, nc net.Conn, want string) {
	t.Helper()
	got, err := io.ReadAll(nc)
	if err != nil || string(got) != want {
		t.Errorf("tunnel gave %q, %v; want %q", got, err, want)
	}
}

// peer is a server on loopback; each connection runs serve in a goroutine.
type peer struct {
	Addr string
	wg   sync.WaitGroup
}

func listen(t *testing.T, serve func(net.Conn)) *peer {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &peer{Addr: l.Addr().String()}
	p.wg.Go(func() {
		for {
			nc, err := l.Accept()
			if err != nil {
				return
			}
			_ = nc.SetDeadline(time.Now().Add(20 * time.Second))
			p.wg.Go(func() {
				defer nc.Close()
				serve(nc)
			})
		}
	})
	t.Cleanup(func() {
		l.Close()
		p.wg.Wait()
	})
	return p
}

// splice carries octets both ways until either side ends.
func splice(a, b net.Conn) {
	var wg sync.WaitGroup
	wg.Go(func() { _, _ = io.Copy(a, b); a.Close() })
	_, _ = io.Copy(b, a)
	b.Close()
	wg.Wait()
}
