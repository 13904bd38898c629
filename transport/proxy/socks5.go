package proxy

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/parley-mail/parley/transport"
	"golang.org/x/net/proxy"
)

// SOCKS5 is a SOCKS5 proxy (RFC 1928), without authentication or with user name and
// password (RFC 1929).
type SOCKS5 struct {
	Addr     string // "host" or "host:port"; default port 1080
	User     string // "" for none, else 1 to 255 octets
	Password string `json:"-"` // with a user, 1 to 255 octets; goes out in clear

	ResolveLocally bool               // look names up here; otherwise the proxy does
	Resolver       transport.Resolver // for ResolveLocally; nil: net.DefaultResolver
	Timeout        time.Duration      // 0: DefaultTimeout
}

// String returns the stage as a URL without the password.
func (s SOCKS5) String() string { return stageURL(KindSOCKS5, s.Addr, s.User) }

// GoString is String.
func (s SOCKS5) GoString() string { return s.String() }

// DialThrough implements [Stage]. A name that is resolved locally is tried at each
// of its addresses, up to 8.
func (s SOCKS5) DialThrough(ctx context.Context, forward Dialer, network, address string) (net.Conn, error) {
	a := &attempt{kind: KindSOCKS5, addr: s.Addr, target: address}
	t, err := s.check(a, network, address)
	if err != nil {
		return nil, a.fail(ReasonArgument, err)
	}
	list := []target{t}
	if s.ResolveLocally {
		if list, err = a.resolve(ctx, s.Resolver, network, t, s.Timeout); err != nil {
			return nil, err
		}
	}
	return firstOf(list, func(t target) (net.Conn, error) {
		return a.open(ctx, forward, network, s.Timeout, func(_ context.Context, nc net.Conn) (net.Conn, error) {
			return nc, s.talk(a, nc, t)
		})
	})
}

func (s SOCKS5) check(a *attempt, network, address string) (target, error) {
	addr, err := endpoint(s.Addr, socksPort)
	if err != nil {
		return target{}, err
	}
	a.addr = addr
	if s.User != "" || s.Password != "" {
		if err := checkSecret("user", s.User, 1, 255); err != nil {
			return target{}, fmt.Errorf("RFC 1929 §2: %w", err)
		}
		if err := checkSecret("password", s.Password, 1, 255); err != nil {
			return target{}, fmt.Errorf("RFC 1929 §2: %w", err)
		}
	}
	return parseTarget(network, address)
}

// talk has golang.org/x/net/proxy do the exchange over a connection that watches
// the answers. The library knows no error codes, takes a method that was never
// offered for consent, and insists on a zero in the reserved octet; the watch makes
// that good. Deadlines and cancellation are open's business, hence the context.
func (s SOCKS5) talk(a *attempt, nc net.Conn, t target) error {
	var login *proxy.Auth
	if s.User != "" {
		login = &proxy.Auth{User: s.User, Password: s.Password}
	}
	d, err := proxy.SOCKS5("tcp", a.addr, login, nil)
	if err != nil {
		return a.fail(ReasonArgument, err)
	}
	dialer, ok := d.(interface {
		DialWithConn(ctx context.Context, c net.Conn, network, address string) (net.Addr, error)
	})
	if !ok {
		return a.fail(ReasonArgument, errors.New("golang.org/x/net/proxy has lost DialWithConn"))
	}
	a.op = OpGreeting
	_, err = dialer.DialWithConn(context.Background(), &socks5Watch{Conn: nc, a: a, login: login != nil}, "tcp", t.String())
	var outer *net.OpError // names both addresses, which our error does too
	if errors.As(err, &outer) {
		return outer.Err
	}
	return err
}

// socks5Watch passes a SOCKS5 server's answers on, octet by octet, and stops at the
// first that is not in order. The library reads exactly what an answer consists of,
// at most 262 octets, so nothing of the tunnel passes here.
type socks5Watch struct {
	net.Conn
	a     *attempt
	login bool // credentials were offered
	at    int  // octets seen of the present answer
}

// Read reads no more than was asked for and checks it.
func (w *socks5Watch) Read(p []byte) (int, error) {
	n, err := w.Conn.Read(p)
	for i := range n {
		if bad := w.octet(&p[i]); bad != nil {
			return 0, bad
		}
	}
	return n, err
}

// octet checks the next octet of the answer that the step in hand awaits.
func (w *socks5Watch) octet(c *byte) error {
	w.at++
	switch w.a.op {
	case OpGreeting: // VER METHOD, RFC 1928 §3
		if w.at == 1 {
			return w.version(*c, 5)
		}
		return w.method(*c)
	case OpAuth: // VER STATUS, RFC 1929 §2
		if w.at == 1 {
			return w.version(*c, 1)
		}
		if *c != 0 {
			return w.a.refused(ReasonAuthFailed, int(*c), "")
		}
		w.next(OpConnect)
	default: // VER REP RSV ATYP and more, RFC 1928 §6
		switch w.at {
		case 1:
			return w.version(*c, 5)
		case 2:
			return w.reply(*c)
		case 3:
			*c = 0 // reserved; some set it
		case 4:
			if *c != 1 && *c != 3 && *c != 4 {
				return w.bad("address type", *c)
			}
		}
	}
	return nil
}

func (w *socks5Watch) next(op Op) { w.a.op, w.at = op, 0 }

func (w *socks5Watch) version(c, want byte) error {
	if c != want {
		return w.bad("version", c)
	}
	return nil
}

func (w *socks5Watch) method(c byte) error {
	switch {
	case c == 0:
		w.next(OpConnect)
	case c == 2 && w.login:
		w.next(OpAuth)
	case c == 2:
		return w.a.refused(ReasonAuthRequired, int(c), "")
	case c == 0xff && w.login:
		return w.a.refused(ReasonAuthUnsupported, int(c), "")
	case c == 0xff:
		e := w.a.refused(ReasonAuthRequired, int(c), "")
		e.Err = errors.New("the proxy does not take the method offered, 0 (no authentication)")
		return e
	default:
		return w.bad("method that was not offered", c)
	}
	return nil
}

// socks5Reasons are the reply codes 1 to 8, RFC 1928 §6.
var socks5Reasons = [...]Reason{
	1: ReasonRefused,
	2: ReasonNotAllowed,
	3: ReasonNetworkUnreachable,
	4: ReasonHostUnreachable,
	5: ReasonConnectionRefused,
	6: ReasonTTLExpired,
	7: ReasonCommandUnsupported,
	8: ReasonAddressUnsupported,
}

func (w *socks5Watch) reply(c byte) error {
	switch {
	case c == 0:
		return nil
	case int(c) < len(socks5Reasons):
		return w.a.refused(socks5Reasons[c], int(c), "")
	}
	return w.a.refused(ReasonRefused, int(c), "")
}

func (w *socks5Watch) bad(what string, c byte) error {
	e := w.a.refused(ReasonBadReply, 0, string([]byte{c}))
	e.Err = fmt.Errorf("%s %#02x", what, c)
	return e
}
