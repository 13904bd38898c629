package proxy_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"strings"
	"testing"

	"github.com/parley-mail/parley/transport/proxy"
)

// TestChain sends a dialogue through all kinds in a row, in several orders.
func TestChain(t *testing.T) {
	target := mail(t)
	four := proxy.SOCKS4{Addr: socks4Server(t).Addr}
	fourA := proxy.SOCKS4A{Addr: socks4Server(t).Addr, User: "me"}
	five := proxy.SOCKS5{Addr: socks5Server(t, "", "").Addr}
	login := proxy.SOCKS5{Addr: socks5Server(t, "me", "pw").Addr, User: "me", Password: "pw"}
	tunnel := proxy.Tunnel{Addr: httpServer(t, func(int, string) string { return "" }).Addr}
	for _, stages := range [][]proxy.Stage{
		{},
		{four},
		{five, tunnel, fourA},
		{tunnel, fourA, login},
		{four, login, tunnel},
		{tunnel, tunnel, tunnel},
		{fourA, five, tunnel, login, four, tunnel},
	} {
		nc, err := proxy.Chain(&net.Dialer{}, stages...).DialContext(t.Context(), "tcp", target.Addr)
		if err != nil {
			t.Errorf("%v: %v", stages, err)
			continue
		}
		talk(t, nc)
	}
}

// TestChainOrder: the first stage is dialled first, each is asked for the next, and
// an error tells which one failed.
func TestChainOrder(t *testing.T) {
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed.Close()
	nowhere := closed.Addr().String()
	five := proxy.SOCKS5{Addr: socks5Server(t, "me", "pw").Addr, User: "me", Password: "pw"}
	bad := proxy.SOCKS5{Addr: five.Addr, User: "me", Password: "no"}
	tunnel := proxy.Tunnel{Addr: httpServer(t, func(int, string) string { return "" }).Addr}
	gone := proxy.Tunnel{Addr: nowhere}
	for _, tt := range []struct {
		name   string
		stages []proxy.Stage
		want   proxy.Error
	}{
		{"first not there", []proxy.Stage{gone, five, tunnel}, proxy.Error{Stage: 1, Op: proxy.OpDial, Reason: proxy.ReasonNoProxy}},
		{"second not there", []proxy.Stage{five, gone, tunnel}, proxy.Error{Stage: 1, Op: proxy.OpConnect, Reason: proxy.ReasonHostUnreachable, Status: 4}},
		{"second refuses", []proxy.Stage{tunnel, bad, tunnel}, proxy.Error{Stage: 2, Op: proxy.OpAuth, Reason: proxy.ReasonAuthFailed, Status: 1}},
		{"target not there", []proxy.Stage{five, tunnel, tunnel}, proxy.Error{Stage: 3, Op: proxy.OpConnect, Reason: proxy.ReasonHostUnreachable, Status: 503}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := proxy.Chain(nil, tt.stages...).DialContext(t.Context(), "tcp", nowhere)
			wantError(t, err, tt.want)
		})
	}
}

// TestRefusedBeforeAnyOctet: what a protocol cannot carry never reaches a network.
func TestRefusedBeforeAnyOctet(t *testing.T) {
	s4, s4a, s5, h := proxy.SOCKS4{Addr: "p"}, proxy.SOCKS4A{Addr: "p"}, proxy.SOCKS5{Addr: "p"}, proxy.Tunnel{Addr: "p"}
	long := strings.Repeat("a", 256)
	all := []proxy.Stage{s4, s4a, s5, h}
	field := func(lines ...string) proxy.Stage { return proxy.Tunnel{Addr: "p", Header: lines} }
	for _, tt := range []struct {
		name, target string
		stages       []proxy.Stage
	}{
		{"long host", long + ":25", all},
		{"no host", ":25", all},
		{"no port", "mx.example", all},
		{"port 0", "mx.example:0", all},
		{"port 65536", "mx.example:65536", all},
		{"port name", "mx.example:smtp", all},
		{"NUL in the host", "mx\x00.example:25", all},
		{"CRLF in the host", "mx\r\nHost: evil:25", all},
		{"split request", "mx.example:25 HTTP/1.1\r\n\r\nGET /:25", all},
		{"space in the host", "mx example:25", all},
		{"userinfo in the host", "me@mx.example:25", all},
		{"path in the host", "mx.example/x:25", all},
		{"eight-bit host", "m\xfcx.example:25", all},
		{"rune that narrows to CR LF", "mx\u760d\u760a.example:25", all},
		{"zone", "[fe80::1%eth0]:25", all},
		{"IPv6 by SOCKS4", "[2001:db8::1]:25", []proxy.Stage{s4, s4a}},
		{"SOCKS4a's mark as an address", "0.0.0.7:25", []proxy.Stage{s4, s4a}},
		{"proxy without address", "x:25", []proxy.Stage{proxy.SOCKS4{}, proxy.SOCKS4A{}, proxy.SOCKS5{}, proxy.Tunnel{}}},
		{"CRLF in the proxy", "x:25", []proxy.Stage{proxy.SOCKS4{Addr: "p\r\n"}, proxy.SOCKS4A{Addr: "p\n:1"}, proxy.SOCKS5{Addr: "p\x00"}, proxy.Tunnel{Addr: "p q"}}},
		{"port of the proxy", "x:25", []proxy.Stage{proxy.SOCKS5{Addr: "p:0"}, proxy.SOCKS5{Addr: "p:"}, proxy.SOCKS5{Addr: "p:1:2"}}},
		{"user id", "x:25", []proxy.Stage{
			proxy.SOCKS4{Addr: "p", User: "a\x00b"}, proxy.SOCKS4A{Addr: "p", User: "a\x00b"}, proxy.SOCKS4A{Addr: "p", User: long},
		}},
		{"SOCKS5 credentials", "x:25", []proxy.Stage{
			proxy.SOCKS5{Addr: "p", User: "me"},
			proxy.SOCKS5{Addr: "p", Password: "pw"},
			proxy.SOCKS5{Addr: "p", User: long, Password: "pw"},
			proxy.SOCKS5{Addr: "p", User: "me", Password: long},
			proxy.SOCKS5{Addr: "p", User: "m\x00e", Password: "pw"},
			proxy.SOCKS5{Addr: "p", User: "me", Password: "p\nw"},
		}},
		{"HTTP credentials", "x:25", []proxy.Stage{
			proxy.Tunnel{Addr: "p", Password: "pw"},
			proxy.Tunnel{Addr: "p", User: "m:e", Password: "pw"},
			proxy.Tunnel{Addr: "p", User: "m\re", Password: "pw"},
			proxy.Tunnel{Addr: "p", User: "me", Password: "\xff"},
			proxy.Tunnel{Addr: "p", User: "me", Password: strings.Repeat("x", 2000)},
			proxy.Tunnel{Addr: "p", Auth: proxy.AuthBasic},
			proxy.Tunnel{Addr: "p", User: "me", Auth: 9},
		}},
		{"field lines", "x:25", []proxy.Stage{
			field("A: b\r\nEvil: c"), field("A: b\nEvil: c"), field("A: \x00"), field("no colon"), field(": b"), field("A b: c"), field(" folded: x"), field(""),
			field("Host: other"), field("content-length: 5"), field("Transfer-Encoding: chunked"), field("A: " + strings.Repeat("x", 20000)),
			proxy.Tunnel{Addr: "p", User: "me", Header: []string{"Proxy-Authorization: Bearer t"}},
		}},
		{"PROXY header", "x:25", []proxy.Stage{proxy.Header{Version: 3}, proxy.Header{Source: netip.MustParseAddrPort("192.0.2.1:1")}}},
	} {
		for _, s := range tt.stages {
			_, err := s.DialThrough(context.Background(), noDial(t), "tcp", tt.target)
			var e *proxy.Error
			if !errors.As(err, &e) || e.Reason != proxy.ReasonArgument || e.Op != proxy.OpCheck {
				t.Errorf("%s, %v: error is %v", tt.name, s, err)
				continue
			}
			if strings.ContainsFunc(e.Error(), func(c rune) bool { return c != '§' && (c < ' ' || c > '~') }) {
				t.Errorf("%s: the error is not printable: %q", tt.name, e)
			}
		}
	}
	_, err := s5.DialThrough(context.Background(), noDial(t), "udp", "x:25")
	wantError(t, err, proxy.Error{Reason: proxy.ReasonArgument})
	_, err = s4.DialThrough(context.Background(), noDial(t), "tcp6", "x:25")
	wantError(t, err, proxy.Error{Reason: proxy.ReasonArgument})
	_, err = dial(s5, dialFunc(func(context.Context, string, string) (net.Conn, error) { return nil, nil }))
	wantError(t, err, proxy.Error{Op: proxy.OpDial, Reason: proxy.ReasonNoProxy})
}

func TestHeader(t *testing.T) {
	v4, w4 := netip.MustParseAddrPort("192.0.2.1:56324"), netip.MustParseAddrPort("198.51.100.2:25")
	v6, w6 := netip.MustParseAddrPort("[2001:db8::1]:56324"), netip.MustParseAddrPort("[2001:db8::2]:25")
	mapped := netip.MustParseAddrPort("[::ffff:192.0.2.1]:56324")
	const signature = "\x0d\x0a\x0d\x0a\x00\x0d\x0a\x51\x55\x49\x54\x0a"
	for _, tt := range []struct {
		name   string
		header proxy.Header
		want   string
	}{
		{"1, IPv4", proxy.Header{Source: v4, Destination: w4}, "PROXY TCP4 192.0.2.1 198.51.100.2 56324 25\r\n"},
		{"1, IPv6", proxy.Header{Source: v6, Destination: w6, Version: 1}, "PROXY TCP6 2001:db8::1 2001:db8::2 56324 25\r\n"},
		{"1, mapped", proxy.Header{Source: mapped, Destination: w4}, "PROXY TCP4 192.0.2.1 198.51.100.2 56324 25\r\n"},
		{"1, unknown", proxy.Header{}, "PROXY UNKNOWN\r\n"},
		{"2, IPv4", proxy.Header{Source: v4, Destination: w4, Version: 2}, signature + "\x21\x11\x00\x0c\xc0\x00\x02\x01\xc6\x33\x64\x02\xdc\x04\x00\x19"},
		{"2, IPv6", proxy.Header{Source: v6, Destination: w6, Version: 2}, signature + "\x21\x21\x00\x24" +
			"\x20\x01\x0d\xb8\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01\x20\x01\x0d\xb8\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\xdc\x04\x00\x19"},
		{"2, unknown", proxy.Header{Version: 2}, signature + "\x20\x00\x00\x00"},
	} {
		s := &script{pieces: []string{greeting}}
		nc, err := dial(tt.header, s)
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		if got := s.written.String(); got != tt.want || s.addr != "mx.example:25" {
			t.Errorf("%s: wrote %q to %s, want %q", tt.name, got, s.addr, tt.want)
		}
		wantGreeting(t, nc, greeting)
	}
	if _, err := (proxy.Header{Source: v4, Destination: w6}).Append(nil); err == nil {
		t.Error("two families went into one header")
	}
}

// TestHeaderInChain: the header is the first thing the target sees, behind proxies.
func TestHeaderInChain(t *testing.T) {
	lines := make(chan string, 1)
	target := listen(t, func(nc net.Conn) {
		line, _ := bufio.NewReader(nc).ReadString('\n')
		lines <- line
		_, _ = io.WriteString(nc, greeting)
	})
	d := proxy.Chain(nil, proxy.SOCKS5{Addr: socks5Server(t, "", "").Addr}, proxy.Header{})
	nc, err := d.DialContext(t.Context(), "tcp", target.Addr)
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	wantGreeting(t, nc, greeting)
	if got := <-lines; got != "PROXY UNKNOWN\r\n" {
		t.Errorf("the target saw %q first", got)
	}

	refused := errors.New("refused")
	failing := dialFunc(func(context.Context, string, string) (net.Conn, error) { return nil, refused })
	if _, err := dial(proxy.Header{}, failing); err != refused {
		t.Errorf("error is %v, want the dialer's own", err)
	}
}
