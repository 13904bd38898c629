package transport

import (
	"context"
	"errors"
	"io"
	"net"
	"sync/atomic"
	"syscall"
	"time"
)

// Conn is a link that declares its own security.
//
// Read and Write may be used by one goroutine each at a time. StartTLS must not
// run beside either. Close and the deadline setters may be called from anywhere
// at any time.
type Conn interface {
	net.Conn

	// Security tells what protects the link now; its zero value is a clear link.
	Security() Security

	// StartTLS performs a TLS handshake as the client and goes on inside TLS.
	// Nothing of the clear stream may be buffered by the caller. A failed
	// handshake closes the link, because nothing sensible can be said on it any
	// more. On a link that is already secure it returns a [TLSError] with
	// [ReasonAlreadySecure] and leaves the link as it is. The context bounds the
	// handshake only. Every error is a *TLSError.
	StartTLS(ctx context.Context, c *TLSConfig) (Security, error)
}

// BuffersWriter is an optional interface of a [Conn]: it writes several buffers
// at once. On a clear socket they leave in one writev(2), inside TLS they are
// joined into full records. Like net.Buffers.WriteTo it consumes the buffers.
type BuffersWriter interface {
	WriteBuffers(b *net.Buffers) (int64, error)
}

// FileTaker is an optional interface of a [Conn]: it returns what takes the octets of an
// *os.File, or of an io.LimitedReader of one, without copying them through the program
// (sendfile(2) where there is one). Nil: they have to be seen on the way, as by TLS.
type FileTaker interface {
	TakesFiles() io.ReaderFrom
}

// Prober is an optional interface of a [Conn]: it tells, without a round trip
// and without waiting, whether a read would return at once, be it with octets,
// with the end of the stream or with an error. An idle SMTP connection that is
// readable is not fit for reuse: the server has closed it or says 421.
//
// It returns an error wrapping errors.ErrUnsupported where that cannot be known.
// Readable must not run beside Read, and clears the read deadline.
type Prober interface {
	Readable() (bool, error)
}

// New makes a Conn of any net.Conn. If nc declares its security with a method
// Security() Security, that declaration is kept; otherwise the link is clear. A
// net.Conn that is a Conn already is returned as it is.
func New(nc net.Conn) Conn {
	if c, ok := nc.(Conn); ok {
		return c
	}
	l := &link{raw: nc}
	if d, ok := nc.(interface{ Security() Security }); ok {
		if s := d.Security(); s.Secure {
			l.tls.Store(newLayer(nc, s, nil))
		}
	}
	return l
}

// NewSecure makes a Conn of a net.Conn that the caller has secured, described by
// s. For a *tls.Conn of crypto/tls [SecurityOf] makes the description.
func NewSecure(nc net.Conn, s Security) Conn {
	s.Secure = true
	l := &link{raw: nc}
	l.tls.Store(newLayer(nc, s, nil))
	return l
}

// link is the Conn over a net.Conn. Until a handshake is done tls is nil; it is
// set once.
type link struct {
	raw net.Conn
	tls atomic.Pointer[layer]

	rc     syscall.RawConn // nil: there was no need
	now    *nowWriter      // nil: there was no need
	glance *glance         // nil: nobody has asked whether a socket is readable
	peeked bool            // Readable had to take an octet out of the TLS layer
	peek   byte
}

// layer is what lies over the raw connection.
type layer struct {
	conn     net.Conn
	alike    *Security // of many links, perhaps: without bindings
	bindings *bindings
}

// newLayer describes conn by s. Links that are secured by one configuration and are alike share
// the description.
func newLayer(conn net.Conn, s Security, c *TLSConfig) *layer {
	l := &layer{conn: conn, bindings: s.bindings}
	s.bindings = nil
	if c != nil && c.Sessions != nil {
		l.alike = c.Sessions.described(&s, c)
	} else {
		l.alike = &s
	}
	return l
}

func (l *layer) security() Security {
	s := *l.alike
	s.bindings = l.bindings
	return s
}

func (l *link) top() net.Conn {
	if t := l.tls.Load(); t != nil {
		return t.conn
	}
	return l.raw
}

func (l *link) Read(p []byte) (int, error) {
	if l.peeked && len(p) > 0 {
		p[0], l.peeked = l.peek, false
		return 1, nil
	}
	n, err := l.top().Read(p)
	if err != nil {
		err = l.alert(err)
	}
	return n, err
}

// alert makes a *TLSError of an alert that comes behind the handshake: in TLS 1.3 that
// is how a server refuses the client's certificate.
func (l *link) alert(err error) error {
	t := l.tls.Load()
	if t == nil {
		return err
	}
	if op, ok := errors.AsType[*net.OpError](err); !ok || op.Op != "remote error" {
		return err
	}
	return asTLSError(context.Background(), err, l.raw, &TLSConfig{ServerName: t.alike.ServerName})
}

func (l *link) Write(p []byte) (int, error) { return l.top().Write(p) }

// TakesFiles implements [FileTaker]: it is the socket, if nothing lies over it.
func (l *link) TakesFiles() io.ReaderFrom {
	if c, ok := l.raw.(*net.TCPConn); ok && l.tls.Load() == nil {
		return c
	}
	return nil
}

func (l *link) Close() error { return l.top().Close() }

func (l *link) LocalAddr() net.Addr  { return l.raw.LocalAddr() }
func (l *link) RemoteAddr() net.Addr { return l.raw.RemoteAddr() }

// Deadlines are set on the socket and not on the TLS layer, which only passes
// them on: so they reach it in the middle of a handshake too.

func (l *link) SetDeadline(t time.Time) error      { return l.raw.SetDeadline(t) }
func (l *link) SetReadDeadline(t time.Time) error  { return l.raw.SetReadDeadline(t) }
func (l *link) SetWriteDeadline(t time.Time) error { return l.raw.SetWriteDeadline(t) }

func (l *link) Security() Security {
	if t := l.tls.Load(); t != nil {
		return t.security()
	}
	return Security{}
}

func (l *link) StartTLS(ctx context.Context, c *TLSConfig) (Security, error) {
	if t := l.tls.Load(); t != nil {
		return t.security(), &TLSError{Reason: ReasonAlreadySecure, Peer: l.peer()}
	}
	conn, security, err := handshake(ctx, l.raw, c)
	if err != nil {
		l.raw.Close()
		return Security{}, err
	}
	l.tls.Store(newLayer(conn, security, c))
	return security, nil
}

func (l *link) peer() string {
	if a := l.raw.RemoteAddr(); a != nil {
		return a.String()
	}
	return ""
}

// NetConn returns the connection below any TLS, for socket settings.
func (l *link) NetConn() net.Conn { return l.raw }

// Unwrap returns the connection at the bottom of nc: it follows the methods
// NetConn() net.Conn that wrapping connections have, crypto/tls's among them.
func Unwrap(nc net.Conn) net.Conn {
	for range 16 {
		w, ok := nc.(interface{ NetConn() net.Conn })
		if !ok {
			break
		}
		nc = w.NetConn()
	}
	return nc
}

// handshake runs the engine that c chooses over nc.
func handshake(ctx context.Context, nc net.Conn, c *TLSConfig) (net.Conn, Security, error) {
	if c == nil {
		c = &TLSConfig{}
	}
	engine, err := c.engine()
	if err != nil {
		return nil, Security{}, err
	}
	conn, security, err := engine.Client(ctx, nc, c)
	if err == nil && !security.Secure {
		err = &TLSError{Reason: ReasonInternal, Err: errors.New("engine " + engine.Name() + " returned a link that is not secure")}
	}
	if err != nil {
		return nil, Security{}, asTLSError(ctx, err, nc, c)
	}
	security.Engine = engine.Name()
	return conn, security, nil
}
