package proxy_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parley-mail/parley/transport/proxy"
)

// success are the answers of a proxy that opens a tunnel, for every way to ask.
var success = []struct {
	name  string
	stage proxy.Stage
	reply string
}{
	{"SOCKS4", proxy.SOCKS4{Addr: "p", Resolver: resolver}, "\x00\x5a\x00\x19\xc0\x00\x02\x01"},
	{"SOCKS4a", proxy.SOCKS4A{Addr: "p"}, "\x00\x5a\xff\xff\xff\xff\xff\xff"},
	{"SOCKS5, IPv4", proxy.SOCKS5{Addr: "p"}, "\x05\x00\x05\x00\x00\x01\x7f\x00\x00\x01\x00\x19"},
	{"SOCKS5, O-P03", proxy.SOCKS5{Addr: "p"}, "\x05\x00\x05\x00\x00\x03\x09localhost\x04\x38"},
	{"SOCKS5, no name", proxy.SOCKS5{Addr: "p"}, "\x05\x00\x05\x00\x00\x03\x00\x04\x38"},
	{"SOCKS5, IPv6", proxy.SOCKS5{Addr: "p"}, "\x05\x00\x05\x00\x00\x04" + "0123456789abcdef" + "\x00\x19"},
	{"SOCKS5, reserved octet set", proxy.SOCKS5{Addr: "p"}, "\x05\x00\x05\x00\xff\x01\x00\x00\x00\x00\x00\x00"},
	{"SOCKS5, password", proxy.SOCKS5{Addr: "p", User: "me", Password: "pw"}, "\x05\x02\x01\x00\x05\x00\x00\x01\x00\x00\x00\x00\x00\x00"},
	{"CONNECT", proxy.Tunnel{Addr: "p"}, "HTTP/1.1 200 Connection established\r\nProxy-Agent: x\r\n\r\n"},
	{"CONNECT, LF", proxy.Tunnel{Addr: "p"}, "HTTP/1.0 200 OK\n\n"},
	{
		"CONNECT, Basic",
		proxy.Tunnel{Addr: "p", User: "me", Password: "pw"},
		"HTTP/1.1 407 x\r\nProxy-Authenticate: Basic\r\nContent-Length: 2\r\n\r\nnoHTTP/1.1 200 OK\r\n\r\n",
	},
}

// TestEverySplit: how an answer is cut into segments makes no difference, nor does
// what comes with its last octet.
func TestEverySplit(t *testing.T) {
	for _, tt := range success {
		stream := tt.reply + greeting
		cuts := [][]string{{}}
		for i := range len(stream) {
			cuts[0] = append(cuts[0], stream[i:i+1])
			cuts = append(cuts, []string{stream[:i], stream[i:]})
		}
		for _, pieces := range cuts {
			nc, err := dial(tt.stage, &script{pieces: pieces})
			if err != nil {
				t.Errorf("%s, %q: %v", tt.name, pieces, err)
				continue
			}
			wantGreeting(t, nc, greeting)
		}
	}
}

// TestNothingBeforeTheTunnel: until the last octet of the proxy's answer nobody has the
// connection, and nothing is sent on it but what asks for the tunnel (C-PROXY-014).
func TestNothingBeforeTheTunnel(t *testing.T) {
	for _, tt := range success {
		whole := &script{pieces: []string{tt.reply + greeting}}
		if _, err := dial(tt.stage, whole); err != nil {
			t.Fatal(err)
		}
		request := whole.written.String()
		synctest.Test(t, func(t *testing.T) {
			client, server := net.Pipe()
			defer server.Close()
			var sent strings.Builder
			go func() { _, _ = io.Copy(&sent, server) }()
			open := make(chan error, 1)
			go func() {
				nc, err := dial(tt.stage, dialFunc(func(context.Context, string, string) (net.Conn, error) { return client, nil }))
				if err == nil {
					defer nc.Close()
				}
				open <- err
			}()
			for i := range len(tt.reply) {
				time.Sleep(10 * time.Millisecond)
				synctest.Wait()
				if len(open) > 0 || !strings.HasPrefix(request, sent.String()) {
					t.Fatalf("%s: after %q of the answer it has sent %q, and thinks that it is open: %v", tt.name, tt.reply[:i], sent.String(), len(open) > 0)
				}
				if _, err := io.WriteString(server, tt.reply[i:i+1]); err != nil {
					t.Fatal(err)
				}
			}
			if err := <-open; err != nil {
				t.Errorf("%s: %v", tt.name, err)
			}
			synctest.Wait()
			if sent.String() != request {
				t.Errorf("%s: sent %q, want %q", tt.name, sent.String(), request)
			}
		})
	}
}

// TestEveryEnd: an answer cut off anywhere is an error, and what was dialled is closed.
func TestEveryEnd(t *testing.T) {
	for _, tt := range success {
		for i := range len(tt.reply) {
			s := &script{pieces: []string{tt.reply[:i]}}
			_, err := dial(tt.stage, s)
			var e *proxy.Error
			if !errors.As(err, &e) || e.Reason != proxy.ReasonClosed || s.closed != s.dials {
				t.Errorf("%s, %q: error is %v, %d of %d closed", tt.name, tt.reply[:i], err, s.closed, s.dials)
			}
		}
	}
}

// stalled runs a dial against a proxy that says a part of its answer and no more.
func stalled(ctx context.Context, s proxy.Stage, part string) (net.Conn, error) {
	return dial2(ctx, s, dialFunc(func(context.Context, string, string) (net.Conn, error) {
		client, server := net.Pipe()
		go func() { _, _ = io.Copy(io.Discard, server); server.Close() }()
		go func() { _, _ = io.WriteString(server, part) }()
		return client, nil
	}))
}

func dial2(ctx context.Context, s proxy.Stage, forward proxy.Dialer) (net.Conn, error) {
	return s.DialThrough(ctx, forward, "tcp", "mx.example:25")
}

// TestEveryStall: at each octet a silent proxy ends by the stage's own timeout, by
// the caller's deadline and by cancellation, when each is due.
func TestEveryStall(t *testing.T) {
	for _, tt := range success {
		for i := range len(tt.reply) {
			part := tt.reply[:i]
			synctest.Test(t, func(t *testing.T) {
				start := time.Now()
				_, err := stalled(context.Background(), tt.stage, part)
				if took := time.Since(start); took != proxy.DefaultTimeout {
					t.Errorf("%s, %q: gave up after %v", tt.name, part, took)
				}
				var e *proxy.Error
				if !errors.As(err, &e) || e.Reason != proxy.ReasonTimeout || !e.Timeout() || !e.Temporary() {
					t.Errorf("%s, %q: error is %v", tt.name, part, err)
				}

				start = time.Now()
				ctx, cancel := context.WithTimeout(context.Background(), time.Second)
				defer cancel()
				_, err = stalled(ctx, tt.stage, part)
				if !errors.Is(err, proxy.ReasonTimeout) || !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != time.Second {
					t.Errorf("%s, %q: after %v error is %v", tt.name, part, time.Since(start), err)
				}

				why := errors.New("the user pressed a key")
				cancelled, stop := context.WithCancelCause(context.Background())
				time.AfterFunc(3*time.Second, func() { stop(why) })
				start = time.Now()
				_, err = stalled(cancelled, tt.stage, part)
				if !errors.Is(err, proxy.ReasonCanceled) || !errors.Is(err, why) || time.Since(start) != 3*time.Second {
					t.Errorf("%s, %q: after %v error is %v", tt.name, part, time.Since(start), err)
				}
			})
		}
	}
}

// TestOtherWaits: the dial, the look-up, TLS, a write nobody reads, and a link
// without deadlines end with the context as well.
func TestOtherWaits(t *testing.T) {
	deaf := func(context.Context, string, string) (net.Conn, error) {
		client, _ := net.Pipe()
		return client, nil
	}
	for _, tt := range []struct {
		name    string
		stage   proxy.Stage
		forward dialFunc
		op      proxy.Op
	}{
		{"dial", proxy.Tunnel{Addr: "p"}, func(ctx context.Context, _, _ string) (net.Conn, error) { <-ctx.Done(); return nil, ctx.Err() }, proxy.OpDial},
		{"look-up", proxy.SOCKS4{Addr: "p", Resolver: slowNames{}}, nil, proxy.OpResolve},
		{"SOCKS4 write", proxy.SOCKS4A{Addr: "p"}, deaf, proxy.OpConnect},
		{"SOCKS5 write", proxy.SOCKS5{Addr: "p"}, deaf, proxy.OpGreeting},
		{"CONNECT write", proxy.Tunnel{Addr: "p"}, deaf, proxy.OpConnect},
		{"PROXY header write", proxy.Header{}, deaf, proxy.OpHeader},
		{"TLS", proxy.Tunnel{Addr: "p", TLS: proxy.VerifiedTLS("p", nil)}, deaf, proxy.OpTLS},
		{"no deadlines", proxy.Tunnel{Addr: "p"}, func(ctx context.Context, _, _ string) (net.Conn, error) {
			nc, err := deaf(ctx, "", "")
			return noDeadlines{nc}, err
		}, proxy.OpConnect},
	} {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithCancel(context.Background())
			time.AfterFunc(5*time.Second, cancel)
			_, err := dial2(ctx, tt.stage, tt.forward)
			if e := wantError(t, err, proxy.Error{Op: tt.op, Reason: proxy.ReasonCanceled}); e.Temporary() {
				t.Errorf("%s: a cancelled attempt is said to be temporary", tt.name)
			}
			if !errors.Is(err, context.Canceled) {
				t.Errorf("%s: error is %v", tt.name, err)
			}
		})
	}
}

type slowNames struct{}

func (slowNames) LookupNetIP(ctx context.Context, _, _ string) (list []netip.Addr, err error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

type noDeadlines struct{ net.Conn }

func (noDeadlines) SetDeadline(time.Time) error { return errors.New("not supported") }

// TestNoDeadlineLeft: a tunnel outlives the timeout of its handshake.
func TestNoDeadlineLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(context.Background())
		client, server := net.Pipe()
		go func() {
			buf := make([]byte, 1024)
			_, _ = server.Read(buf)
			_, _ = io.WriteString(server, "HTTP/1.1 200 OK\r\n\r\n22")
			time.Sleep(time.Hour)
			_, _ = io.WriteString(server, "0")
			server.Close()
		}()
		nc, err := dial2(ctx, proxy.Tunnel{Addr: "p"}, dialFunc(func(context.Context, string, string) (net.Conn, error) { return client, nil }))
		if err != nil {
			t.Fatal(err)
		}
		cancel()
		synctest.Wait()
		wantGreeting(t, nc, "220")
	})
}
