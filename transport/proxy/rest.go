package proxy

import (
	"bufio"
	"errors"
	"net"
	"sync"

	"github.com/parley-mail/parley/transport"
)

// tunnelConn is a tunnel that cannot be the connection beneath itself: because its
// first octets have been read already, or because that connection says things about
// itself that do not hold up to the target.
type tunnelConn struct {
	net.Conn          // a link over below
	below    net.Conn // as the handshake left it

	mu   sync.Mutex
	rest []byte // read already and not yet given; nil once it is
}

func wrap(nc net.Conn, rest []byte) net.Conn {
	return &tunnelConn{Conn: transport.New(nc), below: nc, rest: rest}
}

// withRest returns a tunnel that first gives what is left in br. If nothing is, nc
// itself is the tunnel and keeps all its methods.
func withRest(nc net.Conn, br *bufio.Reader) net.Conn {
	rest, _ := br.Peek(br.Buffered())
	if len(rest) == 0 {
		return nc
	}
	return wrap(nc, append([]byte(nil), rest...))
}

// withoutClaims hides that a link to a proxy is secure, which nobody may take for
// security up to the target: neither to leave out TLS nor to send a password.
func withoutClaims(nc net.Conn) net.Conn {
	if _, ok := nc.(interface{ Security() transport.Security }); !ok {
		return nc
	}
	return wrap(nc, nil)
}

// Read gives what came with the proxy's answer, and after that is the connection's.
func (c *tunnelConn) Read(p []byte) (int, error) {
	if n := c.take(p); n > 0 {
		return n, nil
	}
	return c.Conn.Read(p)
}

func (c *tunnelConn) take(p []byte) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := copy(p, c.rest)
	if c.rest = c.rest[n:]; len(c.rest) == 0 {
		c.rest = nil
	}
	return n
}

// Buffered returns how many octets Read gives without reading the connection.
func (c *tunnelConn) Buffered() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.rest)
}

// Readable implements transport.Prober.
func (c *tunnelConn) Readable() (bool, error) {
	if c.Buffered() > 0 {
		return true, nil
	}
	if p, ok := c.Conn.(transport.Prober); ok {
		return p.Readable()
	}
	return false, errors.ErrUnsupported
}

// WriteBuffers implements transport.BuffersWriter.
func (c *tunnelConn) WriteBuffers(b *net.Buffers) (int64, error) {
	if w, ok := c.Conn.(transport.BuffersWriter); ok {
		return w.WriteBuffers(b)
	}
	return b.WriteTo(c.Conn)
}

// NetConn returns the connection beneath, for its options. It must not be read as
// long as Buffered is not zero.
func (c *tunnelConn) NetConn() net.Conn { return c.below }
