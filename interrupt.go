package parley

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/parley-mail/parley/transport"
)

// calling is what those share who run a connection and those who want it to stop: a context, a
// neighbour, the writer beside. They stop reads and writes by a deadline that has passed, so
// that nobody else may set one then.
type calling struct {
	state atomic.Uint32 // running, ended

	mu     sync.Mutex // over deadlines being set
	nudged bool       // the writer beside wants the reader's attention
	halted bool       // the reader wants the writer beside to stop
	gentle bool       // a context that is done while nothing is written ends the call, not the session
	hangUp func()     // ends the dialling that is going on; nil: none is
	heeded <-chan struct{}
	ignore func() bool // stops heeding
	cause  error
}

const (
	running = 1 << iota // the context counts
	ended               // it is done, or somebody wants the call to end
)

// heed has the context interrupt whatever is going on, in every state. A context that
// many calls share is asked once.
func (c *Conn) heed(ctx context.Context) {
	done := ctx.Done()
	if done == c.call.heeded && c.call.state.CompareAndSwap(0, running) {
		return
	}
	c.call.mu.Lock()
	defer c.call.mu.Unlock()
	if c.call.state.Or(running)&ended != 0 { // by somebody else, before the call
		c.cut()
	}
	if done == c.call.heeded {
		return
	}
	c.call.leave()
	if done == nil {
		return
	}
	c.call.heeded = done
	c.call.ignore = context.AfterFunc(ctx, func() {
		c.call.mu.Lock()
		defer c.call.mu.Unlock()
		if c.call.heeded == done && c.call.state.CompareAndSwap(running, running|ended) {
			c.cut()
		}
	})
}

// cut ends what is going on: the making of the connection, or what is read and written. The
// caller holds the lock.
func (c *Conn) cut() {
	switch {
	case c.call.hangUp != nil:
		c.call.hangUp()
	case c.nc != nil:
		c.nc.SetDeadline(longAgo)
	}
}

// unheed stops asking the context.
func (c *Conn) unheed() {
	c.call.mu.Lock()
	defer c.call.mu.Unlock()
	c.call.leave()
}

// leave stops asking the context. The caller holds the lock.
func (l *calling) leave() {
	if l.ignore != nil {
		l.ignore()
	}
	l.heeded, l.ignore = nil, nil
}

// rested says that the call is over: the context does not count any more.
func (c *Conn) rested() {
	if c.call.state.CompareAndSwap(running, 0) {
		return
	}
	c.call.mu.Lock()
	defer c.call.mu.Unlock()
	if c.call.state.And(^uint32(running))&ended != 0 && c.call.cause == nil {
		c.call.state.Store(0)
		c.unarmed()
	}
}

// interrupt ends the call that is running, or the next one, from any goroutine, as a context
// does. Everything that is not decided on the connection is given up.
func (c *Conn) interrupt(cause error) {
	c.call.mu.Lock()
	defer c.call.mu.Unlock()
	c.call.cause = cause
	if c.call.state.Or(ended)&running != 0 {
		c.cut()
	}
}

// isInterrupted reports whether the call has to end.
func (c *Conn) isInterrupted() bool { return c.call.state.Load()&ended != 0 }

// calm takes an interruption back that came too late.
func (c *Conn) calm() {
	if !c.isInterrupted() {
		return
	}
	c.call.mu.Lock()
	defer c.call.mu.Unlock()
	c.call.state.And(^uint32(ended))
	c.call.cause = nil
	c.unarmed()
}

// stopped returns why the call has to end, or nil.
func (c *Conn) stopped(ctx context.Context) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	c.call.mu.Lock()
	defer c.call.mu.Unlock()
	return c.call.cause
}

// reach takes note of what there is to be interrupted: a connection, or the making of one.
func (c *Conn) reach(nc transport.Conn, hangUp func()) {
	c.call.mu.Lock()
	defer c.call.mu.Unlock()
	c.nc, c.call.hangUp = nc, hangUp
	if c.call.cause != nil && hangUp != nil {
		hangUp()
	}
}

// setRead and setWrite set a deadline, unless the call has to end. They report whether it
// was set; an error shows at the next read or write.
func (c *Conn) setRead(now, d time.Duration) bool {
	c.call.mu.Lock()
	defer c.call.mu.Unlock()
	if c.isInterrupted() || c.call.nudged {
		return false
	}
	c.nc.SetReadDeadline(time.Now().Add(d))
	c.readArmed = deadline{now, now + d}
	return true
}

func (c *Conn) setWrite(now, d time.Duration) bool {
	c.call.mu.Lock()
	defer c.call.mu.Unlock()
	if c.isInterrupted() || c.call.halted {
		return false
	}
	c.nc.SetWriteDeadline(time.Now().Add(d))
	c.writeArmed = deadline{now, now + d}
	return true
}

// nudge has the reader look up: the writer beside is done. If all is well, and the reader would
// only go on reading, it need not be at once: mostly an answer comes first, and what ends a
// read without one costs more. Then later is true.
func (c *Conn) nudge(well bool) (later bool) {
	c.call.mu.Lock()
	defer c.call.mu.Unlock()
	c.call.nudged = true
	if well && c.gear.reading > 0 && !c.isInterrupted() {
		c.nc.SetReadDeadline(time.Now().Add(min(c.gear.reading, promptly)))
		return true
	}
	c.nc.SetReadDeadline(longAgo)
	return false
}

// promptly is how soon an answer has to come for that.
const promptly = time.Second

// isNudged reports whether the writer beside is done, and takes note of how long the reader
// would go on reading, and do nothing else, if it were.
func (c *Conn) isNudged(reading time.Duration) bool {
	c.call.mu.Lock()
	defer c.call.mu.Unlock()
	c.gear.reading = reading
	return c.call.nudged
}

// halt stops the writer beside.
func (c *Conn) halt() {
	c.call.mu.Lock()
	defer c.call.mu.Unlock()
	c.call.halted = true
	c.nc.SetWriteDeadline(longAgo)
}

// reunited says that one goroutine reads and writes again.
func (c *Conn) reunited() {
	c.call.mu.Lock()
	defer c.call.mu.Unlock()
	c.call.nudged, c.call.halted = false, false
	c.unarmed()
}
