package proxy

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"time"
)

// Tunnel is an HTTP proxy that opens tunnels by CONNECT (RFC 9110 §9.3.6). With TLS
// set, HTTP is spoken inside TLS: an https proxy.
type Tunnel struct {
	Addr     string // "host" or "host:port"; default port 80, with TLS 443
	User     string // "" for none
	Password string `json:"-"`
	Auth     Auth   // how User and Password are presented

	// Header are further lines of the request, "Name: value", without line ends. They
	// may carry a Proxy-Authorization of the caller's own if User is empty. Host and
	// the fields that announce a body are refused.
	Header []string

	// TLS secures the link to the proxy; nil: none. [VerifiedTLS] makes one. It gets
	// a context that ends with Timeout. The session cache it uses must not be the
	// target's.
	TLS func(ctx context.Context, nc net.Conn) (net.Conn, error)

	Timeout time.Duration // for each connection to the proxy; 0: DefaultTimeout
}

const (
	httpPort  = 80
	httpsPort = 443
)

// maxConns is how many connections one tunnel may cost: proxies may close after a
// 407 (Proxy Authentication Required), and after a stale nonce once more.
const maxConns = 4

// errAgain says that the request has to be repeated on a new connection.
var errAgain = errors.New("the proxy closes after its challenge")

// VerifiedTLS returns a function for Tunnel.TLS that runs crypto/tls and verifies
// the proxy's certificate against serverName. config may be nil; it is cloned.
func VerifiedTLS(serverName string, config *tls.Config) func(context.Context, net.Conn) (net.Conn, error) {
	if config == nil {
		config = &tls.Config{MinVersion: tls.VersionTLS12}
	}
	config = config.Clone()
	config.ServerName = serverName
	return func(ctx context.Context, nc net.Conn) (net.Conn, error) {
		c := tls.Client(nc, config)
		if err := c.HandshakeContext(ctx); err != nil {
			return nil, err
		}
		return c, nil
	}
}

// String returns the stage as a URL without the password.
func (t Tunnel) String() string { return stageURL(t.kind(), t.Addr, t.User) }

// GoString is String.
func (t Tunnel) GoString() string { return t.String() }

func (t Tunnel) kind() Kind {
	if t.TLS != nil {
		return KindHTTPS
	}
	return KindHTTP
}

// DialThrough implements [Stage]. The target's name goes to the proxy as it is.
func (t Tunnel) DialThrough(ctx context.Context, forward Dialer, network, address string) (net.Conn, error) {
	a := &attempt{kind: t.kind(), addr: t.Addr, target: address}
	to, err := t.check(a, network, address)
	if err != nil {
		return nil, a.fail(ReasonArgument, err)
	}
	login := &login{mode: t.Auth, user: t.User, password: t.Password, uri: to.String()}
	login.start()
	for range maxConns {
		nc, err := a.open(ctx, forward, network, t.Timeout, func(ctx context.Context, nc net.Conn) (net.Conn, error) {
			nc, err := t.secure(ctx, a, nc)
			if err != nil {
				return nil, err
			}
			return t.connect(a, nc, login)
		})
		if !errors.Is(err, errAgain) {
			return nc, err
		}
	}
	return nil, a.fail(ReasonAuthFailed, errAgain)
}

func (t Tunnel) check(a *attempt, network, address string) (target, error) {
	port := uint16(httpPort)
	if t.TLS != nil {
		port = httpsPort
	}
	addr, err := endpoint(t.Addr, port)
	if err != nil {
		return target{}, err
	}
	a.addr = addr
	if err := checkLogin(t.Auth, t.User, t.Password); err != nil {
		return target{}, err
	}
	if err := checkHeader(t.Header, t.User != ""); err != nil {
		return target{}, err
	}
	return parseTarget(network, address)
}

// maxHeader is how much the caller may add to a request, in octets.
const maxHeader = 16 << 10

// checkHeader checks the caller's header lines. What they hold may be secret, so an
// error tells a line's number and, once it is known to be one, its name.
func checkHeader(lines []string, authorized bool) error {
	total := 0
	for i, line := range lines {
		name, _, ok := strings.Cut(line, ":")
		if !ok || !isToken(name) {
			return fmt.Errorf("header line %d is not of the form \"Name: value\" (RFC 9112 §5)", i+1)
		}
		for j := range len(line) {
			if c := line[j]; c < ' ' && c != '\t' || c == 0x7f {
				return fmt.Errorf("header line %d (%.40s) has a control character at octet %d", i+1, name, j)
			}
		}
		switch strings.ToLower(name) {
		case "host", "content-length", "transfer-encoding", "expect", "upgrade", "trailer":
			return fmt.Errorf("header line %d: %s is not the caller's to set in a CONNECT", i+1, name)
		case "proxy-authorization":
			if authorized {
				return fmt.Errorf("header line %d: %s and a user at once", i+1, name)
			}
		}
		if total += len(line); total > maxHeader {
			return fmt.Errorf("header lines of more than %d octets", maxHeader)
		}
	}
	return nil
}

// HeaderLines splits text into lines for Tunnel.Header. Lines may end in CRLF or LF;
// empty ones are dropped. The lines are checked when they are used.
func HeaderLines(text string) []string {
	var lines []string
	for line := range strings.SplitSeq(text, "\n") {
		if line = strings.TrimSuffix(line, "\r"); line != "" {
			lines = append(lines, line)
		}
	}
	return lines
}

// isToken reports whether s is a token, RFC 9110 §5.6.2.
func isToken(s string) bool {
	for i := range len(s) {
		c := s[i]
		if c <= ' ' || c >= 0x7f || strings.IndexByte(`"(),/:;<=>?@[\]{}`, c) >= 0 {
			return false
		}
	}
	return s != ""
}

func (t Tunnel) secure(ctx context.Context, a *attempt, nc net.Conn) (net.Conn, error) {
	if t.TLS == nil {
		return nc, nil
	}
	a.op = OpTLS
	secured, err := t.TLS(ctx, nc)
	if err == nil && secured == nil {
		err = errors.New("Tunnel.TLS returned neither a connection nor an error")
	}
	if err != nil {
		return nil, a.fail(ReasonTLS, err)
	}
	return secured, nil
}

// connect sends requests until the proxy opens the tunnel, refuses it, or wants a
// new connection. login ends the loop: it knows how often it may answer.
func (t Tunnel) connect(a *attempt, nc net.Conn, login *login) (net.Conn, error) {
	br := bufio.NewReaderSize(nc, maxLine)
	for {
		a.op = OpConnect
		if _, err := io.WriteString(nc, t.request(login)); err != nil {
			return nil, err
		}
		r, err := a.readResponse(br)
		if err != nil {
			return nil, err
		}
		switch {
		case r.status/100 == 2: // any of them, RFC 9110 §9.3.6
			return withRest(nc, br), nil
		case r.status != 407:
			return nil, a.refused(httpReason(r.status, login.value != ""), r.status, r.reason)
		}
		a.op = OpAuth
		if err := login.answer(a, r); err != nil {
			return nil, err
		}
		if !r.reusable(br) && !login.tied() {
			return nil, errAgain
		}
	}
}

// request writes the request: authority-form, the port always there, RFC 9112
// §3.2.3. Nothing in it is unchecked.
func (t Tunnel) request(login *login) string {
	var b strings.Builder
	b.WriteString("CONNECT " + login.uri + " HTTP/1.1\r\nHost: " + login.uri + "\r\n")
	if login.value != "" {
		b.WriteString("Proxy-Authorization: " + login.value + "\r\n")
	}
	if t.User != "" { // old proxies close after a 407 unless they are asked not to
		b.WriteString("Proxy-Connection: keep-alive\r\n")
	}
	for _, line := range t.Header {
		b.WriteString(line + "\r\n")
	}
	b.WriteString("\r\n")
	return b.String()
}

// httpReason is what a status means for a tunnel. Some proxies say 401 where 407 is
// meant.
func httpReason(status int, authorized bool) Reason {
	switch status {
	case 401:
		if authorized {
			return ReasonAuthFailed
		}
		return ReasonAuthRequired
	case 403:
		return ReasonNotAllowed
	case 405, 501:
		return ReasonCommandUnsupported
	case 502, 503, 504:
		return ReasonHostUnreachable
	}
	return ReasonRefused
}
