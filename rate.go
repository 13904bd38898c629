package parley

import (
	"net"
	"os"
	"sync"
	"time"
)

// paced is a connection that writes no faster than so many octets a second. What
// stands in a burst is a fifth of a second's worth, so that short commands do not wait.
type paced struct {
	net.Conn
	rate int64 // octets a second

	mu       sync.Mutex
	ready    time.Time     // when the next octet may go
	deadline time.Time     // of writing
	changed  chan struct{} // closed when the deadline changes, or the connection is closed
	closed   bool
}

func pace(nc net.Conn, rate int64) net.Conn {
	return &paced{Conn: nc, rate: rate, changed: make(chan struct{})}
}

// NetConn returns the connection below.
func (c *paced) NetConn() net.Conn { return c.Conn }

// Write writes p in pieces, each when its time has come.
func (c *paced) Write(p []byte) (n int, err error) {
	piece := int(max(c.rate/20, 1))
	for n < len(p) {
		part := p[n:min(n+piece, len(p))]
		if err := c.wait(len(part)); err != nil {
			return n, err
		}
		k, err := c.Conn.Write(part)
		n += k
		if err != nil {
			return n, err
		}
	}
	return n, nil
}

// wait returns when n octets may go, at the deadline, or when the connection is closed.
func (c *paced) wait(n int) error {
	for {
		c.mu.Lock()
		now, changed := time.Now(), c.changed
		switch {
		case c.closed:
			c.mu.Unlock()
			return net.ErrClosed
		case !c.deadline.IsZero() && !now.Before(c.deadline):
			c.mu.Unlock()
			return os.ErrDeadlineExceeded
		case !now.Before(c.ready):
			const burst = time.Second / 5
			if behind := now.Add(-burst); c.ready.Before(behind) {
				c.ready = behind
			}
			c.ready = c.ready.Add(time.Duration(int64(n) * int64(time.Second) / c.rate))
			c.mu.Unlock()
			return nil
		}
		pause := c.ready.Sub(now)
		if !c.deadline.IsZero() {
			pause = min(pause, c.deadline.Sub(now))
		}
		c.mu.Unlock()
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case <-changed:
			timer.Stop()
		}
	}
}

// Close closes the connection and ends a Write that waits.
func (c *paced) Close() error {
	c.change(func() { c.closed = true })
	return c.Conn.Close()
}

// SetDeadline sets both deadlines.
func (c *paced) SetDeadline(t time.Time) error {
	c.change(func() { c.deadline = t })
	return c.Conn.SetDeadline(t)
}

// SetWriteDeadline sets the deadline of Write, its waits included.
func (c *paced) SetWriteDeadline(t time.Time) error {
	c.change(func() { c.deadline = t })
	return c.Conn.SetWriteDeadline(t)
}

func (c *paced) change(f func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	f()
	close(c.changed)
	c.changed = make(chan struct{})
}
