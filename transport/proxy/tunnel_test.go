package proxy_test

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"strings"
	"testing"

	"github.com/parley-mail/parley/internal/certs"
	"github.com/parley-mail/parley/transport"
	"github.com/parley-mail/parley/transport/proxy"
)

// accepted are answers after which the tunnel stands. The rows O-P06, O-P08 and
// O-P09 of the collection of odd replies are among them.
var accepted = []struct{ name, reply string }{
	{"plain", "HTTP/1.1 200 OK\r\n\r\n"},
	{"O-P06", "HTTP/1.1 200 Connection established\r\nProxy-Agent: x\r\n\r\n"},
	{"O-P08 content length", "HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n"},
	{"transfer encoding", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"},
	{"O-P09 HTTP/1.0, LF only", "HTTP/1.0 200 OK\n\n"},
	{"LF fields", "HTTP/1.0 200 OK\nVia: x\n\n"},
	{"204", "HTTP/1.1 204 x\r\n\r\n"},
	{"no reason", "HTTP/1.1 200\r\n\r\n"},
	{"empty reason", "HTTP/1.1 200 \r\n\r\n"},
	{"spaces", "HTTP/1.1  200 OK\r\n\r\n"},
	{"interim", "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 102 x\r\nA: b\r\n\r\nHTTP/1.1 200 OK\r\n\r\n"},
	{"not a field", "HTTP/1.1 200 OK\r\nwhat is this\r\n folded\r\n\r\n"},
	{"eight-bit", "HTTP/1.1 200 \xe9tabli\r\nX: \xff\r\n\r\n"},
}

func TestTunnelAccepted(t *testing.T) {
	for _, tt := range accepted {
		t.Run(tt.name, func(t *testing.T) {
			s := &script{pieces: []string{tt.reply + greeting}}
			nc, err := dial(proxy.Tunnel{Addr: "proxy.example"}, s)
			if err != nil {
				t.Fatal(err)
			}
			if nc.(interface{ NetConn() net.Conn }).NetConn() != net.Conn(s) {
				t.Error("NetConn is not the dialer's connection")
			}
			if n := nc.(interface{ Buffered() int }).Buffered(); n != len(greeting) {
				t.Errorf("%d octets buffered, want %d", n, len(greeting))
			}
			wantGreeting(t, nc, greeting)
			if n := nc.(interface{ Buffered() int }).Buffered(); n != 0 {
				t.Errorf("%d octets still buffered", n)
			}

			s = &script{pieces: []string{tt.reply}}
			if nc, err = dial(proxy.Tunnel{Addr: "proxy.example"}, s); err != nil || nc != net.Conn(s) {
				t.Errorf("without surplus: %T, %v; want the dialer's own connection", nc, err)
			}
		})
	}
}

func TestTunnelRefused(t *testing.T) {
	for _, tt := range []struct {
		name, reply string
		want        proxy.Error
	}{
		{"O-P07 403", "HTTP/1.1 403 Forbidden\r\nContent-Length: 1234\r\n\r\n<html>…", proxy.Error{Reason: proxy.ReasonNotAllowed, Status: 403}},
		{"O-P07 405", "HTTP/1.1 405 Method Not Allowed\r\n\r\n", proxy.Error{Reason: proxy.ReasonCommandUnsupported, Status: 405}},
		{"O-P07 502", "HTTP/1.0 502 Bad Gateway\r\n\r\n", proxy.Error{Reason: proxy.ReasonHostUnreachable, Status: 502}},
		{"503", "HTTP/1.1 503 Service Unavailable\r\n\r\n", proxy.Error{Reason: proxy.ReasonHostUnreachable, Status: 503}},
		{"504", "HTTP/1.1 504 Gateway Timeout\r\n\r\n", proxy.Error{Reason: proxy.ReasonHostUnreachable, Status: 504}},
		{"401", "HTTP/1.1 401 Unauthorized\r\n\r\n", proxy.Error{Reason: proxy.ReasonAuthRequired, Status: 401}},
		{"302", "HTTP/1.1 302 Found\r\nLocation: http://portal.example/\r\n\r\n", proxy.Error{Reason: proxy.ReasonRefused, Status: 302}},
		{"400", "HTTP/1.1 400 Bad Request\r\n\r\n", proxy.Error{Reason: proxy.ReasonRefused, Status: 400}},
		{"O-P07 407, no user", "HTTP/1.1 407 Auth\r\nProxy-Authenticate: Basic realm=\"x\"\r\n\r\n", proxy.Error{Op: proxy.OpAuth, Reason: proxy.ReasonAuthRequired, Status: 407}},
		{"101", "HTTP/1.1 101 Switching Protocols\r\n\r\n", proxy.Error{Reason: proxy.ReasonBadReply, Status: 101}},
		{"code 099", "HTTP/1.1 099 x\r\n\r\n", proxy.Error{Reason: proxy.ReasonBadReply}},
		{"code 2000", "HTTP/1.1 2000 x\r\n\r\n", proxy.Error{Reason: proxy.ReasonBadReply}},
		{"code +20", "HTTP/1.1 +20 x\r\n\r\n", proxy.Error{Reason: proxy.ReasonBadReply}},
		{"no code", "HTTP/1.1\r\n\r\n", proxy.Error{Reason: proxy.ReasonBadReply}},
		{"version 1.x", "HTTP/1.x 200 OK\r\n\r\n", proxy.Error{Reason: proxy.ReasonBadReply}},
		{"version 1.10", "HTTP/1.10 200 OK\r\n\r\n", proxy.Error{Reason: proxy.ReasonBadReply}},
		{"version 2", "HTTP/2 200\r\n\r\n", proxy.Error{Reason: proxy.ReasonBadReply}},
		{"no HTTP", "ICY 200 OK\r\n\r\n", proxy.Error{Reason: proxy.ReasonBadReply}},
		{"O-P10 SMTP", "421 concurrent connection limit in avast! exceeded(pass:0, processes:x.exe[1])\r\n", proxy.Error{Reason: proxy.ReasonBadReply}},
		{"NUL in a field", "HTTP/1.1 200 OK\r\nA: \x00\r\n\r\n", proxy.Error{Reason: proxy.ReasonBadReply, Status: 200}},
		{"NUL before a field", "HTTP/1.1 200 OK\r\n\x00A: b\r\n\r\n", proxy.Error{Reason: proxy.ReasonBadReply, Status: 200}},
		{"bare CR in a field", "HTTP/1.1 200 OK\r\nA: b\rc\r\n\r\n", proxy.Error{Reason: proxy.ReasonBadReply, Status: 200}},
		{"closed at once", "", proxy.Error{Reason: proxy.ReasonClosed}},
		{"closed in the line", "HTTP/1.1 200", proxy.Error{Reason: proxy.ReasonClosed}},
		{"closed in the fields", "HTTP/1.1 200 OK\r\n", proxy.Error{Reason: proxy.ReasonClosed}},
		{"long line", "HTTP/1.1 200 " + strings.Repeat("x", 9000) + "\r\n\r\n", proxy.Error{Reason: proxy.ReasonLongReply}},
		{"many fields", "HTTP/1.1 200 OK\r\n" + strings.Repeat("a:b\r\n", 300) + "\r\n", proxy.Error{Reason: proxy.ReasonLongReply}},
		{"long section", "HTTP/1.1 200 OK\r\n" + strings.Repeat("a:"+strings.Repeat("b", 4000)+"\r\n", 20) + "\r\n", proxy.Error{Reason: proxy.ReasonLongReply}},
		{"interim for ever", strings.Repeat("HTTP/1.1 100 Continue\r\n\r\n", 100), proxy.Error{Reason: proxy.ReasonLongReply}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := &script{pieces: []string{tt.reply}}
			_, err := dial(proxy.Tunnel{Addr: "proxy.example"}, s)
			if tt.want.Op == 0 {
				tt.want.Op = proxy.OpConnect
			}
			wantError(t, err, tt.want)
			if s.closed != 1 {
				t.Errorf("closed %d times", s.closed)
			}
		})
	}
}

// TestEndlessHeader: an answer that never ends costs a bounded read.
func TestEndlessHeader(t *testing.T) {
	for _, line := range []string{"x", "a: b\r\n", strings.Repeat("y", 999) + "\n"} {
		e := &endless{script: script{pieces: []string{"HTTP/1.1 200 OK\r\n"}}, line: line}
		_, err := dial(proxy.Tunnel{Addr: "p"}, dialFunc(func(context.Context, string, string) (net.Conn, error) { return e, nil }))
		wantError(t, err, proxy.Error{Op: proxy.OpConnect, Reason: proxy.ReasonLongReply})
		if e.given > 100<<10 {
			t.Errorf("%d octets were read", e.given)
		}
	}
}

type endless struct {
	script
	line  string
	given int
}

func (e *endless) Read(p []byte) (int, error) {
	if len(e.pieces) > 0 && e.pieces[0] != "" {
		return e.script.Read(p)
	}
	n := copy(p, e.line)
	e.given += n
	return n, nil
}

func TestTunnelRequest(t *testing.T) {
	for _, tt := range []struct {
		name, target string
		stage        proxy.Tunnel
		want         string
	}{
		{"name", "mx.example:25", proxy.Tunnel{Addr: "p"}, "CONNECT mx.example:25 HTTP/1.1\r\nHost: mx.example:25\r\n\r\n"},
		{"all octets of a name", "azAZ09-._:1", proxy.Tunnel{Addr: "p"}, "CONNECT azAZ09-._:1 HTTP/1.1\r\nHost: azAZ09-._:1\r\n\r\n"},
		{"IPv6", "[2001:DB8::1]:25", proxy.Tunnel{Addr: "p"}, "CONNECT [2001:db8::1]:25 HTTP/1.1\r\nHost: [2001:db8::1]:25\r\n\r\n"},
		{
			"fields", "x:587",
			proxy.Tunnel{Addr: "p", Header: proxy.HeaderLines("User-Agent: Parley\r\n\nProxy-Authorization: Bearer t\n")},
			"CONNECT x:587 HTTP/1.1\r\nHost: x:587\r\nUser-Agent: Parley\r\nProxy-Authorization: Bearer t\r\n\r\n",
		},
		{
			"Basic, unasked", "x:25",
			proxy.Tunnel{Addr: "p", User: "Aladdin", Password: "open sesame", Auth: proxy.AuthBasic},
			"CONNECT x:25 HTTP/1.1\r\nHost: x:25\r\nProxy-Authorization: Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==\r\nProxy-Connection: keep-alive\r\n\r\n",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := &script{pieces: []string{"HTTP/1.1 200 OK\r\n\r\n"}}
			if _, err := tt.stage.DialThrough(context.Background(), s, "tcp", tt.target); err != nil {
				t.Fatal(err)
			}
			if got := s.written.String(); got != tt.want {
				t.Errorf("wrote\n%q\nwant\n%q", got, tt.want)
			}
			if s.addr != "p:80" {
				t.Errorf("dialled %s", s.addr)
			}
		})
	}
}

// TestHTTPSProxy: the link to the proxy is verified for the proxy's name, and what is
// inside is untouched.
func TestHTTPSProxy(t *testing.T) {
	ca, err := certs.NewCA()
	if err != nil {
		t.Fatal(err)
	}
	cert, err := ca.Issue(certs.Options{Hosts: []string{"proxy.example"}})
	if err != nil {
		t.Fatal(err)
	}
	p := listen(t, func(nc net.Conn) {
		c := tls.Server(nc, &tls.Config{Certificates: []tls.Certificate{cert}})
		buf := make([]byte, 4096)
		if _, err := c.Read(buf); err != nil {
			return
		}
		_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\n\r\n"+greeting)
		_ = c.Close()
	})
	config := &tls.Config{RootCAs: ca.Pool()}
	nc, err := dial(proxy.Tunnel{Addr: p.Addr, TLS: proxy.VerifiedTLS("proxy.example", config)}, proxy.Chain(nil))
	if err != nil {
		t.Fatal(err)
	}
	wantGreeting(t, nc, greeting)
	nc.Close()

	_, err = dial(proxy.Tunnel{Addr: p.Addr, TLS: proxy.VerifiedTLS("mx.example", config)}, proxy.Chain(nil))
	if e := wantError(t, err, proxy.Error{Op: proxy.OpTLS, Reason: proxy.ReasonTLS}); e.Kind != proxy.KindHTTPS {
		t.Errorf("kind is %s", e.Kind)
	}

	nothing := func(context.Context, net.Conn) (net.Conn, error) { return nil, nil }
	_, err = dial(proxy.Tunnel{Addr: "p", TLS: nothing}, &script{})
	wantError(t, err, proxy.Error{Op: proxy.OpTLS, Reason: proxy.ReasonTLS})
}

// TestTargetIsVerified: inside a tunnel the certificate must be the target's. The proxy's
// own, from the same authority, does not do.
func TestTargetIsVerified(t *testing.T) {
	ca, err := certs.NewCA()
	if err != nil {
		t.Fatal(err)
	}
	for name, ok := range map[string]bool{"mx.example": true, "proxy.example": false} {
		cert, err := ca.Issue(certs.Options{Hosts: []string{name}})
		if err != nil {
			t.Fatal(err)
		}
		p := listen(t, func(nc net.Conn) {
			buf := make([]byte, 4096)
			if _, err := nc.Read(buf); err != nil {
				return
			}
			_, _ = io.WriteString(nc, "HTTP/1.1 200 OK\r\n\r\n")
			_ = tls.Server(nc, &tls.Config{Certificates: []tls.Certificate{cert}}).Handshake()
		})
		nc, err := dial(proxy.Tunnel{Addr: p.Addr}, proxy.Chain(nil))
		if err != nil {
			t.Fatal(err)
		}
		link := transport.New(nc)
		s, err := link.StartTLS(t.Context(), &transport.TLSConfig{ServerName: "mx.example", RootCAs: ca.Pool()})
		if (err == nil) != ok || s.Verified != ok || !ok && !errors.Is(err, transport.ReasonWrongName) {
			t.Errorf("certificate for %s: %v, %v", name, s, err)
		}
		link.Close()
	}
}
