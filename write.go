package parley

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"time"

	"github.com/parley-mail/parley/message"
	"github.com/parley-mail/parley/session"
	"github.com/parley-mail/parley/transport"
)

// feed reads a block of content and hands it to the session. A short message is read
// whole before anything of it is written, so that it goes out in one write.
func (c *Conn) feed(ctx context.Context) {
	src := c.source(c.session.Current())
	if src == nil || src.body == nil {
		c.session.Body(nil, true)
		return
	}
	if c.feedFile(ctx, src) {
		return
	}
	if c.block == nil {
		c.block = make([]byte, inline)
	}
	n, err := readFull(src.body, c.block)
	switch {
	case err == nil:
		c.session.Body(c.block[:n], false)
		src.progress.block(c.block[:n], false)
		c.writeBeside(ctx)
		if len(c.block) < blockSize {
			c.block = make([]byte, blockSize) // more is to come: fewer and larger writes
		}
	case isEOF(err):
		c.session.Body(c.block[:n], true)
		src.progress.block(c.block[:n], true)
		if n > inline {
			c.write(ctx) // the output refers to the block, and another message may be read into it
		}
	default:
		c.session.BodyFailed(err)
	}
}

// feedFile has the whole content go from its file to the socket, in one chunk, if nobody needs
// to see it on the way: neither the session, nor TLS, nor who follows its progress.
func (c *Conn) feedFile(ctx context.Context, src *source) bool {
	taker, ok := c.nc.(transport.FileTaker)
	if !ok || src.progress.bus != nil || !c.session.BodyUnseen() {
		return false
	}
	to := taker.TakesFiles()
	if to == nil {
		return false
	}
	f, n := message.InFile(src.body)
	if n <= inline {
		return false
	}
	c.file, c.taker = f, to
	c.session.BodyOwed(n, true)
	c.writeBeside(ctx)
	c.file, c.taker = nil, nil
	return true
}

// readFull fills p. At the end of r it returns io.EOF with what there was.
func readFull(r io.Reader, p []byte) (n int, err error) {
	for empty := 0; n < len(p) && err == nil; {
		var k int
		k, err = r.Read(p[n:])
		n += k
		if k > 0 {
			empty = 0
		} else if empty++; empty > 100 {
			return n, io.ErrNoProgress
		}
	}
	return n, err
}

// write writes everything that waits. What the socket takes at once is simply written.
// With more this goroutine goes on reading while another one writes: the server may
// answer early, or every command of a group for itself, and each side would wait for
// ever until the other one reads (RFC 2920 §3.1). So it does while more answers are owed
// than there is certainly room for. One command alone is always read.
func (c *Conn) write(ctx context.Context) {
	out := c.session.Output()
	total := 0
	for _, p := range out {
		total += len(p)
	}
	flying := c.session.InFlight()
	if flying > unread && total <= c.takes && c.writeNow(out) {
		return
	}
	if total > c.takes && (total > inline || flying > 1) || flying > unread {
		c.writeBeside(ctx)
		return
	}
	if len(out) == 1 && c.exchange(ctx, out[0]) {
		return
	}
	n, err := c.writeOut(out)
	c.session.Wrote(n)
	if err != nil {
		c.writeFailed(ctx, err)
	}
}

// exchange writes p and reads what is answered, in one, and reports whether it did anything. It
// does only on a clear socket, and if no answer is on its way.
func (c *Conn) exchange(ctx context.Context, p []byte) bool {
	x, ok := c.nc.(transport.Exchanger)
	if !ok || len(p) > c.takes || c.session.Link().Secure || !c.session.Unasked() {
		return false
	}
	cmd, _ := c.session.Awaited()
	patience := c.patience(cmd)
	due := clock() + patience
	c.armRead(min(patience/2, overlooked))
	wrote, n, err := x.Exchange(&c.traffic, p, c.in)
	if wrote == 0 && err == nil {
		return false
	}
	c.session.Wrote(int64(wrote))
	if n > 0 {
		c.session.Receive(c.in[:n])
	}
	if wrote < len(p) && err != nil {
		c.writeFailed(ctx, err)
	} else {
		c.await(ctx, due, err)
	}
	return true
}

// overlooked is how long it may take until a server is noticed that had spoken before it was
// written to, and does not answer.
const overlooked = 4 * time.Second

// writeNow writes what goes out without waiting, and reports whether that was anything.
func (c *Conn) writeNow(out [][]byte) bool {
	w, ok := c.nc.(transport.NowWriter)
	if !ok {
		return false
	}
	n, err := w.WriteNow(out[0])
	if err != nil || n == 0 {
		return false // it shows when the rest is written
	}
	c.session.Wrote(int64(n))
	return true
}

// writeFailed fetches what the server may have said before it stopped listening, be it a
// reply or an alert of TLS: that is the reason, not the broken pipe.
func (c *Conn) writeFailed(ctx context.Context, err error) {
	if c.stopped(ctx) == nil && !timedOut(err) {
		c.armRead(time.Second)
		for range 16 {
			said := c.receive()
			if errors.Is(said, transport.ReasonAlert) {
				err = said
			}
			if said != nil || c.session.State().Over() {
				break
			}
		}
	}
	c.lost(ctx, err)
}

// writeOut writes the vectors and returns how many octets may be on their way. A TLS
// layer that fails cannot say how much the peer will see: then it is everything.
func (c *Conn) writeOut(out [][]byte) (total int64, err error) {
	c.armWrite(c.blockTimeout())
	secure := c.session.Link().Secure
	several, ok := c.nc.(transport.BuffersWriter)
	if len(out) == 1 && len(out[0]) <= slice || !ok {
		for _, p := range out {
			for len(p) > 0 && err == nil {
				var n int
				n, err = c.nc.Write(p[:min(len(p), slice)])
				total += int64(n)
				if p = p[n:]; len(p) > 0 {
					c.armWrite(c.blockTimeout())
				}
			}
		}
	} else {
		c.vec = append(c.vec[:0], out...)
		c.rest = c.vec // the one gets shorter, the other keeps the memory
		for len(c.rest) > 0 && err == nil {
			var n int64
			n, err = several.WriteBuffers(&c.rest)
			total += n
			if err != nil && n > 0 && !secure && timedOut(err) && !c.isInterrupted() {
				err = nil // there was progress, if slow
				c.writeArmed = deadline{}
				c.armWrite(c.blockTimeout())
			}
		}
		clear(c.vec)
	}
	if err != nil && secure {
		total = 0
		for _, p := range out {
			total += int64(len(p))
		}
	}
	return total, err
}

// writeBeside has another goroutine write everything that waits, and reads meanwhile.
func (c *Conn) writeBeside(ctx context.Context) {
	out, owed := c.session.OutputOwed()
	if len(out) == 0 && owed == 0 {
		return
	}
	if c.written == nil {
		c.written = make(chan written, 1)
	}
	if c.beside == nil {
		g := c.gear
		g.beside = func() { g.user.writeAside() }
	}
	c.user, c.aside, c.owed = c, out, owed
	go c.beside()
	c.readArmed = deadline{}
	var rerr error
	for rerr == nil && !c.session.State().Over() {
		if c.isNudged(c.readingOn()) {
			break
		}
		c.armRead(whileWriting)
		rerr = c.receive()
	}
	if c.session.State().Over() || rerr != nil && !timedOut(rerr) {
		c.halt() // nobody listens any more
	}
	w := <-c.written
	c.user, c.aside = nil, nil
	c.reunited()
	c.session.Wrote(w.n)
	switch {
	case c.session.State().Over():
	case w.missing != nil:
		c.session.BodyFailed(w.missing)
	case w.err != nil:
		c.writeFailed(ctx, w.err)
	case rerr != nil && !timedOut(rerr):
		c.lost(ctx, rerr)
	case w.later && rerr != nil:
		c.await(ctx, w.at+c.reading, rerr)
	default:
		if cause := c.stopped(ctx); cause != nil {
			c.session.Abort(cause)
		}
	}
}

// readingOn returns how long an answer would be waited for, and nothing else be done, if all that
// was given to be written were; 0: there would be more to do.
func (c *Conn) readingOn() time.Duration {
	if c.session.Wants()&^session.WantWrite != session.WantRead || c.session.Queued() {
		return 0
	}
	cmd, _ := c.session.Awaited()
	return c.patience(cmd)
}

// writeAside is what the goroutine beside does.
func (c *Conn) writeAside() {
	var w written
	w.n, w.err = c.writeOut(c.aside)
	if w.err == nil && c.owed > 0 {
		var n int64
		n, w.missing, w.err = c.writeFile(c.owed)
		w.n += n
	}
	w.at = clock()
	w.later = c.nudge(w.err == nil && w.missing == nil)
	c.written <- w
}

// writeFile writes so many octets of the file. It tells apart that they could not be had, and
// that the connection did not take them.
func (c *Conn) writeFile(octets int64) (total int64, missing, err error) {
	from := io.LimitedReader{R: c.file}
	for total < octets && err == nil {
		c.armWrite(c.blockTimeout())
		from.N = min(octets-total, slice)
		want := from.N
		var n int64
		n, err = c.taker.ReadFrom(&from)
		total += n
		var file *fs.PathError
		switch {
		case err == nil && n < want:
			return total, &message.ContentError{Fault: message.FaultSize, Octets: total}, nil
		case errors.As(err, &file):
			return total, err, nil
		case n > 0 && timedOut(err) && !c.isInterrupted():
			err = nil // there was progress, if slow
			c.writeArmed = deadline{}
		}
	}
	return total, nil, err
}

// written is what came of it.
type written struct {
	n       int64
	err     error
	missing error // what the session promised to the server cannot be had
	at      time.Duration
	later   bool // the reader was not stopped at once
}

// whileWriting is how long a read may take beside a write. The write has a deadline of
// its own, so this one only has to be longer.
const whileWriting = 24 * time.Hour
