package proxy

import (
	"bufio"
	"net"
	"sync"
)

// restConn is a connection whose first octets have been read already.
type restConn struct {
	net.Conn
	mu   sync.Mutex
	rest []byte // not yet given; nil once it is
}

// withRest returns nc itself if nothing is left in br, so that the usual tunnel is
// the socket and keeps all its methods.
func withRest(nc net.Conn, br *bufio.Reader) net.Conn {
	rest, _ := br.Peek(br.Buffered())
	if len(rest) == 0 {
		return nc
	}
	return &restConn{Conn: nc, rest: append([]byte(nil), rest...)}
}

// Read gives what came with the proxy's answer, and after that is the connection's.
func (c *restConn) Read(p []byte) (int, error) {
	if n := c.take(p); n > 0 {
		return n, nil
	}
	return c.Conn.Read(p)
}

func (c *restConn) take(p []byte) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := copy(p, c.rest)
	if c.rest = c.rest[n:]; len(c.rest) == 0 {
		c.rest = nil
	}
	return n
}

// Buffered returns how many octets Read gives without reading the connection.
func (c *restConn) Buffered() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.rest)
}

// NetConn returns the connection beneath, for its options and for writing. It must
// not be read as long as Buffered is not zero.
func (c *restConn) NetConn() net.Conn { return c.Conn }
