// Package mem is a network in memory: duplex links with latency, bandwidth,
// bounded buffers, half-close, deadlines and loss of the connection.
//
// It knows what a stream socket does and imitates it closely enough that a driver
// cannot tell the difference. It refuses to know what travels. All waiting is on
// condition variables and timers, so that inside testing/synctest time is virtual:
// a minute of silence costs nothing, and a deadlock is found at once.
package mem

import (
	"net"
	"sync/atomic"
	"syscall"
	"time"
)

// Options describe a link. The zero value is one without delay and with buffers
// of 64 KiB.
type Options struct {
	// Latency is how long an octet, or the end of the stream, travels.
	Latency time.Duration
	// Bandwidth is how many octets a second go into each direction; 0: no limit.
	Bandwidth int64
	// Buffer is how many octets may be written and not yet read, in each
	// direction, at least 1; 0: 65536. What is on its way counts, so this bounds
	// throughput to Buffer per Latency as a window does.
	Buffer int
}

const defaultBuffer = 64 << 10

// Addr is the name of an end.
type Addr string

// Network returns "mem".
func (Addr) Network() string { return "mem" }

// String returns the name.
func (a Addr) String() string { return string(a) }

// Conn is one end of a link. It implements net.Conn and the optional interfaces
// of package transport.
type Conn struct {
	in, out *stream
	local   Addr
	remote  Addr
	closed  *atomic.Bool
}

// Pipe returns the two ends of a link, named "client" and "server".
func Pipe(o Options) (client, server *Conn) { return pipe(o, "client", "server") }

func pipe(o Options, client, server Addr) (*Conn, *Conn) {
	if o.Buffer <= 0 {
		o.Buffer = defaultBuffer
	}
	up, down := newStream(o), newStream(o)
	return &Conn{in: down, out: up, local: client, remote: server, closed: new(atomic.Bool)},
		&Conn{in: up, out: down, local: server, remote: client, closed: new(atomic.Bool)}
}

// Read returns what has arrived, at most len(p) octets, and waits if that is
// nothing. After the peer's CloseWrite or Close and the last octet it returns io.EOF.
func (c *Conn) Read(p []byte) (int, error) {
	n, err := c.in.read(p)
	return n, c.wrap("read", err)
}

// Write waits for room in the buffer and returns when all of p is in it, on an
// error, or at the deadline; then n tells how much went in.
func (c *Conn) Write(p []byte) (int, error) {
	n, err := c.out.write(p)
	return n, c.wrap("write", err)
}

// WriteBuffers writes all of b, and consumes it as net.Buffers.WriteTo does.
func (c *Conn) WriteBuffers(b *net.Buffers) (int64, error) {
	var total int64
	for len(*b) > 0 {
		n, err := c.Write((*b)[0])
		total += int64(n)
		if err != nil {
			(*b)[0] = (*b)[0][n:]
			return total, err
		}
		(*b)[0] = nil
		*b = (*b)[1:]
	}
	return total, nil
}

// Readable reports whether Read would return at once.
func (c *Conn) Readable() (bool, error) { return c.in.readable() }

// CloseWrite ends the outgoing stream: the peer reads io.EOF behind the last
// octet. The incoming stream goes on.
func (c *Conn) CloseWrite() error {
	c.out.end()
	return nil
}

// Close ends both directions. What has been written still arrives; what the
// peer writes from now on fails with EPIPE. Closing again is an error.
func (c *Conn) Close() error {
	if c.closed.Swap(true) {
		return c.wrap("close", net.ErrClosed)
	}
	c.out.closeWriter()
	c.in.closeReader()
	return nil
}

// Break loses the connection: octets on their way vanish, and on both ends every
// read and write fails with ECONNRESET.
func (c *Conn) Break() {
	c.in.lose(syscall.ECONNRESET)
	c.out.lose(syscall.ECONNRESET)
}

// LocalAddr returns the name of this end.
func (c *Conn) LocalAddr() net.Addr { return c.local }

// RemoteAddr returns the name of the other end.
func (c *Conn) RemoteAddr() net.Addr { return c.remote }

// SetDeadline sets both deadlines; like the other two it also reaches a call that
// is waiting already.
func (c *Conn) SetDeadline(t time.Time) error {
	if err := c.SetReadDeadline(t); err != nil {
		return err
	}
	return c.SetWriteDeadline(t)
}

// SetReadDeadline sets the deadline of Read; zero: none.
func (c *Conn) SetReadDeadline(t time.Time) error {
	if c.closed.Load() {
		return c.wrap("set", net.ErrClosed)
	}
	c.in.setDeadline(&c.in.readDeadline, t)
	return nil
}

// SetWriteDeadline sets the deadline of Write; zero: none.
func (c *Conn) SetWriteDeadline(t time.Time) error {
	if c.closed.Load() {
		return c.wrap("set", net.ErrClosed)
	}
	c.out.setDeadline(&c.out.writeDeadline, t)
	return nil
}

// wrap dresses an error as package net does. io.EOF stays bare.
func (c *Conn) wrap(op string, err error) error {
	if err == nil || isEOF(err) {
		return err
	}
	return &net.OpError{Op: op, Net: "mem", Source: c.local, Addr: c.remote, Err: err}
}
