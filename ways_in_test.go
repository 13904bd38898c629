package parley_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/parley-mail/parley"
	"github.com/parley-mail/parley/auth"
	"github.com/parley-mail/parley/internal/certs"
	"github.com/parley-mail/parley/internal/sink"
	"github.com/parley-mail/parley/transport"
	"github.com/parley-mail/parley/transport/mem"
	"github.com/parley-mail/parley/transport/proxy"
	"github.com/parley-mail/parley/transport/utls"
)

// What must not leave.
const (
	waysUser     = "alice"
	waysPassword = "correct horse battery staple"
	gatePassword = "staple battery horse"
	waysContent  = "Subject: private\r\n\r\nfor your eyes only\r\n"
)

// wayIn is a way to a mail server that is blocked.
type wayIn struct {
	name  string
	peer  func(*listener, net.Conn)      // the server, or the proxy before it; nil: one with STARTTLS or implicit TLS
	cert  func(waysPKI) *tls.Certificate // what the server shows; nil: a good one
	tls   func(*tls.Config)              // what else the server wants of TLS
	gate  proxy.Stage                    // the proxy before the server
	by    string                         // the mechanism, by implicit TLS; "": any
	shows string                         // the secret that must be presented, because by is made so
	want  string                         // how the error is told from all others
}

// overTLS are the rows that hold for STARTTLS and for implicit TLS, with every engine.
var overTLS = []wayIn{
	{name: "expired certificate", cert: func(p waysPKI) *tls.Certificate { return &p.expired }, want: "tls, tls: certificate has expired or is not yet valid"},
	{name: "certificate of another name", cert: func(p waysPKI) *tls.Certificate { return &p.otherName }, want: "tls, tls: certificate is not valid for the server's name"},
	{name: "self-signed certificate", cert: func(p waysPKI) *tls.Certificate { return &p.selfSigned }, want: "tls, tls: certificate is self-signed"},
	{name: "certificate of another CA", cert: func(p waysPKI) *tls.Certificate { return &p.otherCA }, want: "tls, tls: certificate signed by an unknown authority"},
	{name: "alert after the handshake", tls: func(c *tls.Config) { c.ClientAuth = tls.RequireAnyClientCert }, want: "transport, tls: peer sent an alert 116"},
}

const (
	greets   = "220 mx.example ESMTP\r\n"
	stripped = "250-mx.example\r\n250 AUTH PLAIN LOGIN\r\n"
	offersIt = "250-mx.example\r\n250-AUTH PLAIN LOGIN\r\n250 STARTTLS\r\n"
)

var (
	connects    = proxy.Tunnel{Addr: "gate.example:1080"}
	logsIn      = proxy.Tunnel{Addr: "gate.example:1080", User: "me", Password: gatePassword, Auth: proxy.AuthDigest}
	socks5      = proxy.SOCKS5{Addr: "gate.example:1080"}
	socks5Login = proxy.SOCKS5{Addr: "gate.example:1080", User: "me", Password: gatePassword}
	socks4a     = proxy.SOCKS4A{Addr: "gate.example:1080"}
)

// waysIn are all others.
var waysIn = []wayIn{
	{name: "wrong password, SCRAM", peer: wrongPassword, by: "SCRAM-SHA-256", want: "auth AUTH 535 SCRAM-SHA-256"},
	{name: "wrong password, CRAM-MD5", peer: wrongPassword, by: "CRAM-MD5", want: "auth AUTH 535 CRAM-MD5"},
	{name: "wrong password, PLAIN", peer: wrongPassword, by: "PLAIN", shows: waysPassword, want: "auth AUTH 535 PLAIN"},
	{name: "wrong password, LOGIN", peer: wrongPassword, by: "LOGIN", shows: waysPassword, want: "auth AUTH 535 LOGIN"},
	{name: "STARTTLS stripped", peer: plays(greets, "<", stripped), want: "unsupported STARTTLS"},
	{name: "STARTTLS refused", peer: plays(greets, "<", offersIt, "<", "454 4.7.0 not now\r\n"), want: "tls STARTTLS 454"},
	{name: "STARTTLS refused for good", peer: plays(greets, "<", offersIt, "<", "502 5.5.1 what\r\n"), want: "tls STARTTLS 502"},
	{name: "capability injected before TLS", peer: plays(greets, "<", offersIt, "<", "220 go\r\n", "TLS", "<", "250 mx.example\r\n"), want: "unsupported AUTH"},
	{name: "octets behind the 220", peer: plays(greets, "<", offersIt, "<", "220 go\r\n"+stripped), want: "violation STARTTLS"},
	{name: "no TLS behind the 220", peer: plays(greets, "<", offersIt, "<", "220 go\r\n", "hello", "554 not today\r\n"), want: "tls, tls: peer does not speak TLS"},

	{name: "proxy: 403", gate: connects, peer: answers("HTTP/1.1 403 No\r\n\r\n"), want: "transport, http: connect: not allowed by the proxy's rules 403"},
	{name: "proxy: 407", gate: connects, peer: answers(wantsLogin("Basic")), want: "transport, http: authentication: proxy wants credentials 407"},
	{name: "proxy: 407, no scheme in common", gate: logsIn, peer: answers(wantsLogin("Negotiate")), want: "transport, http: authentication: no common authentication method 407"},
	{name: "proxy: 407, wrong password", gate: logsIn, peer: answers(wantsDigest, wantsDigest), want: "transport, http: authentication: credentials refused 407"},
	{name: "proxy: garbage", gate: connects, peer: answers("\x00\xff\x16garbage\r\n\r\n"), want: "transport, http: connect: malformed answer"},
	{name: "proxy: slow", gate: connects, peer: trickles(time.Second), want: "timeout, http: connect: timed out"},
	{name: "proxy: endless", gate: connects, peer: trickles(0), want: "transport, http: connect: answer too long"},
	{name: "proxy: closes", gate: connects, peer: answers(""), want: "transport, http: connect: proxy closed the connection"},

	{name: "SOCKS5: no method", gate: socks5, peer: answers("\x05\xff"), want: "transport, socks5: greeting: proxy wants credentials 255"},
	{name: "SOCKS5: wrong password", gate: socks5Login, shows: gatePassword, peer: answers("\x05\x02", "\x01\x01"), want: "transport, socks5: authentication: credentials refused 1"},
	{name: "SOCKS5: 1", gate: socks5, peer: answers("\x05\x00", "\x05\x01"), want: "transport, socks5: connect: refused 1"},
	{name: "SOCKS5: 2", gate: socks5, peer: answers("\x05\x00", "\x05\x02"), want: "transport, socks5: connect: not allowed by the proxy's rules 2"},
	{name: "SOCKS5: 3", gate: socks5, peer: answers("\x05\x00", "\x05\x03"), want: "transport, socks5: connect: network unreachable 3"},
	{name: "SOCKS5: 4", gate: socks5, peer: answers("\x05\x00", "\x05\x04"), want: "transport, socks5: connect: host unreachable 4"},
	{name: "SOCKS5: 5", gate: socks5, peer: answers("\x05\x00", "\x05\x05"), want: "transport, socks5: connect: connection refused 5"},
	{name: "SOCKS5: 6", gate: socks5, peer: answers("\x05\x00", "\x05\x06"), want: "transport, socks5: connect: TTL expired 6"},
	{name: "SOCKS5: 7", gate: socks5, peer: answers("\x05\x00", "\x05\x07"), want: "transport, socks5: connect: command not supported 7"},
	{name: "SOCKS5: 8", gate: socks5, peer: answers("\x05\x00", "\x05\x08"), want: "transport, socks5: connect: address type not supported 8"},
	{name: "SOCKS4a: 91", gate: socks4a, peer: answers("\x00\x5b\x00\x00\x00\x00\x00\x00"), want: "transport, socks4a: connect: refused 91"},
	{name: "SOCKS4a: 92", gate: socks4a, peer: answers("\x00\x5c\x00\x00\x00\x00\x00\x00"), want: "transport, socks4a: connect: credentials refused 92"},
	{name: "SOCKS4a: 93", gate: socks4a, peer: answers("\x00\x5d\x00\x00\x00\x00\x00\x00"), want: "transport, socks4a: connect: credentials refused 93"},
}

func wantsLogin(schemes string) string {
	return "HTTP/1.1 407 Who\r\nProxy-Authenticate: " + schemes + "\r\nContent-Length: 0\r\n\r\n"
}

var wantsDigest = wantsLogin(`Digest realm="x", nonce="n", qop="auth"`)

// Each way in that is blocked is an error of its own, found by its type. Neither credentials
// nor the message have left, which is looked for in all that the other side has heard, inside
// TLS and outside of it; only what a mechanism itself presents is there, and so is found.
func TestWaysInFail(t *testing.T) {
	trust := newWaysPKI(t)
	seen := map[string]string{}
	check := func(name string, w *wayIn, mode parley.TLSMode, engine string) {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				heard, err := w.try(t, trust, mode, engine)
				if got := identity(err); got != w.want {
					t.Errorf("%v\nis %q, want %q", err, got, w.want)
				}
				for _, secret := range []string{waysPassword, gatePassword, "private", "for your eyes only"} {
					if left := holds(heard, secret); left != (secret == w.shows) {
						t.Errorf("%q left: %v, in %.2000q", secret, left, heard)
					}
					if err != nil && holds(err.Error(), secret) {
						t.Errorf("%q is in the error: %v", secret, err)
					}
				}
				if strings.Contains(heard, "MAIL FROM") {
					t.Errorf("the transaction was begun: %.2000q", heard)
				}
			})
		})
		if other, ok := seen[w.want]; ok && other != w.name {
			t.Errorf("%s and %s cannot be told apart: %s", w.name, other, w.want)
		}
		seen[w.want] = w.name
	}
	for i := range overTLS {
		for _, mode := range []parley.TLSMode{parley.TLSStartTLS, parley.TLSImplicit} {
			for _, engine := range []string{"std", "utls"} {
				check(fmt.Sprintf("%s/%s/%s", overTLS[i].name, mode, engine), &overTLS[i], mode, engine)
			}
		}
	}
	for i := range waysIn {
		mode := parley.TLSStartTLS
		if waysIn[i].by != "" {
			mode = parley.TLSImplicit
		}
		check(waysIn[i].name, &waysIn[i], mode, "std")
	}
}

// try goes the way, and returns all that the other side heard, and the error.
func (w *wayIn) try(t *testing.T, trust waysPKI, mode parley.TLSMode, engine string) (heard string, err error) {
	now := trust.now
	server := &tls.Config{Certificates: []tls.Certificate{trust.good}, Time: func() time.Time { return now }}
	if w.cert != nil {
		server.Certificates[0] = *w.cert(trust)
	}
	if w.tls != nil {
		w.tls(server)
	}
	peer := w.peer
	switch {
	case peer != nil:
	case mode == parley.TLSImplicit:
		peer = plays("TLS", greets)
	default:
		peer = plays(greets, "<", offersIt, "<", "220 go\r\n", "TLS", "<", "250 AUTH PLAIN LOGIN\r\n")
	}
	l := &listener{config: server}
	e := &parley.Endpoint{
		Address: "mx.example:587", Dialer: l.serve(peer), TLS: mode,
		TLSConfig: &transport.TLSConfig{
			ServerName: "mx.example", RootCAs: trust.roots.Pool(), Time: func() time.Time { return now },
			Engine: engine, Engines: []transport.TLSEngine{utls.Engine{}},
		},
		Credentials: &auth.Credentials{User: waysUser, Password: auth.NewSecret(waysPassword)},
	}
	target := e.Address
	if w.gate != nil {
		e.Dialer = proxy.Chain(e.Dialer, w.gate)
		target = "gate.example:1080"
	}
	if w.by != "" {
		e.AuthPolicy.Mechanisms = []string{w.by}
	}
	err = w.send(t, e)
	l.serving.Wait()
	for _, address := range l.dialled {
		if address != target {
			t.Errorf("%s was dialled instead of %s", address, target)
		}
	}
	return l.heard.String(), err
}

// send delivers the message, or fails.
func (*wayIn) send(t *testing.T, e *parley.Endpoint) error {
	c, err := parley.Dial(t.Context(), e)
	if err != nil {
		return err
	}
	defer c.Close()
	tx := transaction(t, "a@x.example", "b@y.example")
	tx.Content = []byte(waysContent)
	return c.Send(t.Context(), tx, nil)
}

// identity is what tells an error from others, from its types alone.
func identity(err error) string {
	var b strings.Builder
	var e *parley.Error
	if !errors.As(err, &e) {
		return fmt.Sprintf("%T", err)
	}
	number := func(n int) {
		if n != 0 {
			fmt.Fprint(&b, " ", n)
		}
	}
	b.WriteString(e.Kind.String())
	var inTLS *transport.TLSError
	var inProxy *proxy.Error
	switch {
	case errors.As(err, &inTLS):
		b.WriteString(", tls: " + inTLS.Reason.String())
		number(int(inTLS.Alert))
	case errors.As(err, &inProxy):
		fmt.Fprintf(&b, ", %v: %v: %v", inProxy.Kind, inProxy.Op, inProxy.Reason)
		number(inProxy.Status)
	case e.During:
		fmt.Fprint(&b, " ", e.Command)
		if e.Reply != nil {
			number(e.Reply.Code)
		}
		if e.Kind == parley.ErrAuth {
			b.WriteString(" " + e.Detail)
		}
	}
	return b.String()
}

// holds reports whether octets hold a secret as it is, in hexadecimal, or in base64 at any
// offset.
func holds(octets, secret string) bool {
	forms := []string{secret, hex.EncodeToString([]byte(secret))}
	for offset := range 3 {
		text := base64.StdEncoding.EncodeToString([]byte(strings.Repeat("x", offset) + secret))
		// The first and the last group are mixed with what is around.
		forms = append(forms, text[4:len(text)/4*4-4])
	}
	return slices.ContainsFunc(forms, func(form string) bool { return strings.Contains(octets, form) })
}

// waysPKI has a certificate for each fault.
type waysPKI struct {
	now                                           time.Time
	roots                                         *certs.CA
	good, expired, otherName, selfSigned, otherCA tls.Certificate
}

func newWaysPKI(t *testing.T) (p waysPKI) {
	t.Helper()
	must := func(c tls.Certificate, err error) tls.Certificate {
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	var err, err2 error
	var other *certs.CA
	p.roots, err = certs.NewCA()
	other, err2 = certs.NewCA()
	if err != nil || err2 != nil {
		t.Fatal(err, err2)
	}
	host := certs.Options{Hosts: []string{"mx.example"}}
	p.now = time.Now()
	p.good, p.expired = must(p.roots.Issue(host)), must(p.roots.Issue(certs.Expired(host)))
	p.otherName = must(p.roots.Issue(certs.Options{Hosts: []string{"other.example"}}))
	p.selfSigned, p.otherCA = must(certs.SelfSigned(host)), must(other.Issue(host))
	return p
}

// listener is the other side, and keeps all that it hears: as it comes, and out of TLS.
type listener struct {
	config  *tls.Config
	serving sync.WaitGroup
	mu      sync.Mutex
	heard   bytes.Buffer
	dialled []string
}

// serve returns a dialer to the listener.
func (l *listener) serve(peer func(*listener, net.Conn)) transport.Dialer {
	return dialing(func(address string) net.Conn {
		client, server := mem.Pipe(mem.Options{})
		l.mu.Lock()
		l.dialled = append(l.dialled, address)
		l.mu.Unlock()
		l.serving.Go(func() {
			defer server.Close()
			peer(l, &hearing{server, l})
		})
		return client
	})
}

type dialing func(address string) net.Conn

func (d dialing) DialContext(_ context.Context, _, address string) (net.Conn, error) {
	return d(address), nil
}

type hearing struct {
	net.Conn
	by *listener
}

func (h *hearing) Read(p []byte) (int, error) {
	n, err := h.Conn.Read(p)
	h.by.mu.Lock()
	h.by.heard.Write(p[:n])
	h.by.mu.Unlock()
	return n, err
}

// plays says its steps one after the other: "<" waits for a line, "hello" for the first
// octets of a handshake, "TLS" does one. Then it listens to the end.
func plays(steps ...string) func(*listener, net.Conn) {
	return func(l *listener, nc net.Conn) {
		in := bufio.NewReader(nc)
		for _, step := range steps {
			var err error
			switch step {
			case "<":
				_, err = in.ReadString('\n')
			case "hello":
				_, err = in.Peek(1)
			case "TLS":
				secure := tls.Server(nc, l.config)
				err = secure.Handshake()
				nc = &hearing{secure, l}
				in.Reset(nc)
			default:
				_, err = io.WriteString(nc, step)
			}
			if err != nil {
				return
			}
		}
		io.Copy(io.Discard, in)
	}
}

// answers is a proxy that says one thing after each request, and nothing more.
func answers(replies ...string) func(*listener, net.Conn) {
	return func(_ *listener, nc net.Conn) {
		request := make([]byte, 4096)
		for _, reply := range replies {
			if _, err := nc.Read(request); err != nil {
				return
			}
			io.WriteString(nc, reply)
		}
	}
}

// trickles is a proxy whose answer never ends, an octet at a time.
func trickles(pause time.Duration) func(*listener, net.Conn) {
	return func(_ *listener, nc net.Conn) {
		nc.Read(make([]byte, 4096))
		_, err := io.WriteString(nc, "HTTP/1.1 200 OK\r\nX: ")
		for err == nil {
			time.Sleep(pause)
			_, err = io.WriteString(nc, "x")
		}
	}
}

// wrongPassword is a server that knows the user by another password. TLS is done before it,
// so that what is inside is heard.
func wrongPassword(l *listener, nc net.Conn) {
	secure := tls.Server(nc, l.config)
	if secure.Handshake() != nil {
		return
	}
	srv := &sink.Server{Auth: sink.Auth{Users: map[string]string{waysUser: "another"}, Clear: true}}
	srv.ServeConn(context.Background(), &hearing{secure, l})
}
