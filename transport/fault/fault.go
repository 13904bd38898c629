// Package fault breaks links on purpose, at an exact octet and always in the same
// way: it cuts, resets, stalls, garbles, delays, and reads and writes in small
// pieces.
//
// A [Plan] is a plain value, so a test can run through every octet of a dialogue
// and print the plan that failed. It knows octets and their numbers; it refuses to
// know what they mean and draws no random numbers.
package fault

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/parley-mail/parley/transport"
)

// Side is a direction, seen from the one who holds the link.
type Side uint8

// The sides.
const (
	Read Side = iota
	Write
)

// String returns "read" or "write".
func (s Side) String() string {
	if s == Read {
		return "read"
	}
	return "write"
}

// Kind is a kind of fault.
type Kind uint8

// The kinds.
const (
	Cut    Kind = iota // orderly end: reads get io.EOF, writes EPIPE, the peer sees the end
	Reset              // both get ECONNRESET
	Stall              // nothing passes until the deadline or Close; the peer is not told
	Garble             // the octet At is exclusive-ored with Mask
	Short              // from At on, at most N octets pass per call
	Delay              // from At on, each call waits Wait first
	kindCount
)

var kindNames = [kindCount]string{"cut", "reset", "stall", "garble", "short", "delay"}

// String returns the kind's name.
func (k Kind) String() string {
	if k < kindCount {
		return kindNames[k]
	}
	return fmt.Sprintf("Kind(%d)", uint8(k))
}

// Fault is one fault. At counts the octets that pass before it, in its direction:
// Cut at 0 lets none through.
type Fault struct {
	Side Side
	Kind Kind
	At   int64
	Mask byte          // for Garble; 0: 0xff
	N    int           // for Short; less than 1: 1
	Wait time.Duration // for Delay
}

// String returns a name for a test, such as "read-cut@17".
func (f Fault) String() string {
	s := fmt.Sprintf("%v-%v@%d", f.Side, f.Kind, f.At)
	switch f.Kind {
	case Garble:
		s += fmt.Sprintf("^%02x", f.mask())
	case Short:
		s += fmt.Sprintf("/%d", max(f.N, 1))
	case Delay:
		s += "+" + f.Wait.String()
	}
	return s
}

func (f Fault) mask() byte {
	if f.Mask == 0 {
		return 0xff
	}
	return f.Mask
}

// Plan is a set of faults. Order does not matter.
type Plan []Fault

// String joins the faults' names.
func (p Plan) String() string {
	names := make([]string, len(p))
	for i, f := range p {
		names[i] = f.String()
	}
	return strings.Join(names, ",")
}

// New returns nc with the faults of the plan. Put it under [transport.New] to
// break what is on the wire, TLS included.
func New(nc net.Conn, p Plan) net.Conn { return newConn(nc, p) }

// Over returns c with the faults of the plan, above its TLS: octets are counted as
// the session sees them, and StartTLS passes through unharmed.
func Over(c transport.Conn, p Plan) transport.Conn { return &over{newConn(c, p), c} }

type over struct {
	*conn
	below transport.Conn
}

func (o *over) Security() transport.Security { return o.below.Security() }

func (o *over) StartTLS(ctx context.Context, c *transport.TLSConfig) (transport.Security, error) {
	return o.below.StartTLS(ctx, c)
}

// conn breaks nc. Each direction is used by one goroutine at a time.
type conn struct {
	net.Conn
	read, write direction
	closed      chan struct{}
	once        sync.Once
}

func newConn(nc net.Conn, p Plan) *conn {
	c := &conn{Conn: nc, closed: make(chan struct{})}
	for _, f := range p {
		if f.Side == Read {
			c.read.faults = append(c.read.faults, f)
		} else {
			c.write.faults = append(c.write.faults, f)
		}
	}
	c.read.alarm.init()
	c.write.alarm.init()
	return c
}

// NetConn returns the connection below.
func (c *conn) NetConn() net.Conn { return c.Conn }

// Read implements net.Conn.
func (c *conn) Read(p []byte) (int, error) {
	n, err := c.before(&c.read, len(p), io.EOF)
	if err != nil || len(p) > 0 && n == 0 {
		return 0, err
	}
	n, err = c.Conn.Read(p[:n])
	c.read.garble(p[:n])
	c.read.passed += int64(n)
	return n, err
}

// Write implements net.Conn. A fault inside p lets through what comes before it.
func (c *conn) Write(p []byte) (int, error) {
	written := 0
	for {
		n, err := c.before(&c.write, len(p)-written, syscall.EPIPE)
		if err != nil {
			return written, err
		}
		piece := p[written : written+n]
		if c.write.garbles(n) {
			piece = append([]byte(nil), piece...)
			c.write.garble(piece)
		}
		k, err := c.Conn.Write(piece)
		written, c.write.passed = written+k, c.write.passed+int64(k)
		if err != nil || written == len(p) {
			return written, err
		}
	}
}

// before lets the faults act that stand at the current octet, and returns how
// many of want octets may pass now.
func (c *conn) before(d *direction, want int, end error) (int, error) {
	for _, f := range d.faults {
		if f.At > d.passed {
			if f.Kind <= Stall {
				want = int(min(int64(want), f.At-d.passed))
			}
			continue
		}
		switch f.Kind {
		case Cut:
			c.Conn.Close()
			return 0, end
		case Reset:
			c.reset()
			return 0, syscall.ECONNRESET
		case Stall:
			return 0, d.alarm.wait(c.closed, -1)
		case Short:
			want = min(want, max(f.N, 1))
		case Delay:
			if err := d.alarm.wait(c.closed, f.Wait); err != nil {
				return 0, err
			}
		}
	}
	return want, nil
}

// reset tells the peer in the hardest way that the connection below knows.
func (c *conn) reset() {
	switch nc := transport.Unwrap(c.Conn).(type) {
	case interface{ Break() }:
		nc.Break()
	case interface{ SetLinger(int) error }:
		_ = nc.SetLinger(0) // where this fails the peer sees an orderly end
	}
	c.Conn.Close()
}

// Close closes the link and ends every stall.
func (c *conn) Close() error {
	c.once.Do(func() { close(c.closed) })
	return c.Conn.Close()
}

// Readable implements transport.Prober.
func (c *conn) Readable() (bool, error) {
	for _, f := range c.read.faults {
		if f.At > c.read.passed {
			continue
		}
		switch f.Kind {
		case Cut:
			return true, nil
		case Reset:
			return true, syscall.ECONNRESET
		case Stall:
			return false, nil
		}
	}
	if p, ok := c.Conn.(transport.Prober); ok {
		return p.Readable()
	}
	return false, fmt.Errorf("fault: cannot probe %T: %w", c.Conn, errors.ErrUnsupported)
}

// SetDeadline implements net.Conn; it ends stalls too.
func (c *conn) SetDeadline(t time.Time) error {
	c.read.alarm.set(t)
	c.write.alarm.set(t)
	return c.Conn.SetDeadline(t)
}

// SetReadDeadline implements net.Conn.
func (c *conn) SetReadDeadline(t time.Time) error {
	c.read.alarm.set(t)
	return c.Conn.SetReadDeadline(t)
}

// SetWriteDeadline implements net.Conn.
func (c *conn) SetWriteDeadline(t time.Time) error {
	c.write.alarm.set(t)
	return c.Conn.SetWriteDeadline(t)
}

// direction is one side's faults and how far it has come.
type direction struct {
	faults []Fault
	passed int64
	alarm  alarm
}

func (d *direction) garbles(n int) bool {
	for _, f := range d.faults {
		if f.Kind == Garble && f.At >= d.passed && f.At < d.passed+int64(n) {
			return true
		}
	}
	return false
}

// garble spoils p, whose first octet is number d.passed.
func (d *direction) garble(p []byte) {
	for _, f := range d.faults {
		if i := f.At - d.passed; f.Kind == Garble && i >= 0 && i < int64(len(p)) {
			p[i] ^= f.mask()
		}
	}
}
