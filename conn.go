package parley

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/parley-mail/parley/codec"
	"github.com/parley-mail/parley/fsm"
	"github.com/parley-mail/parley/session"
	"github.com/parley-mail/parley/transport"
)

// Conn drives one session over one connection. It knows sockets, time and contexts;
// what to say is the session's affair. It belongs to one goroutine at a time, and
// starts one of its own only while more is written than a socket takes at once.
type Conn struct {
	endpoint *Endpoint
	session  session.Session
	nc       transport.Conn

	*gear // nil: the connection idles

	until time.Duration // when all has to be over; 0: nobody says
	call  calling
}

const (
	inSize    = 4 << 10
	inline    = 32 << 10  // content up to here is read whole before anything of it is written
	atOnce    = 64 << 10  // what a socket takes at once, whatever the peer does
	blockSize = 256 << 10 // what is read from a content source at once, from the second block on
	slice     = 1 << 20   // what is written under one deadline
	unread    = 256       // replies that find room on their way, although nobody reads
)

// gear is what a connection works with. One that idles has none.
type gear struct {
	memory  session.Memory
	takes   int      // octets that nc takes at once, whatever the peer does
	sources []source // of the transactions begun, in order
	block   []byte   // what was read from a source
	in      []byte   // what was read from nc
	traffic transport.Exchange
	vec     net.Buffers
	rest    net.Buffers
	aside   [][]byte // what the goroutine beside writes
	owed    int64    // octets of the file that it writes behind
	file    *os.File
	taker   io.ReaderFrom
	written chan written  // by it; nil: there was none
	beside  func()        // what it runs, made once
	user    *Conn         // for whom
	reading time.Duration // how long the reader would only go on reading; 0: it has more to do; call.mu guards it

	readArmed  deadline // of nc, as far as is known
	writeArmed deadline
}

var gears = sync.Pool{New: func() any { return &gear{in: make([]byte, inSize)} }}

var sessions atomic.Uint64 // numbers for Endpoint.Session.ID

// Dial connects and opens a session: greeting, EHLO, TLS and AUTH as the endpoint
// says. The error is an *Error, and then there is no connection left.
func Dial(ctx context.Context, e *Endpoint) (*Conn, error) {
	c := &Conn{}
	err := c.init(e)
	if err == nil {
		err = c.open(ctx, nil)
	}
	if err != nil {
		return nil, err
	}
	return c, nil
}

// init makes a connection of c that leads nowhere yet.
func (c *Conn) init(e *Endpoint) error {
	if err := e.check(); err != nil {
		return err
	}
	cfg := e.Session
	cfg.StartTLS = e.starttls()
	cfg.Authenticate = e.Credentials != nil
	cfg.ID = sessions.Add(1)
	if cfg.Offers == nil {
		cfg.Offers = &offers
	}
	if e.Events != nil {
		cfg.Events = &trail{bus: e.Events, firewall: e.firewall}
	}
	c.endpoint = e
	c.session.Init(cfg)
	return nil
}

// open makes the connection, see within for what is used again, and opens the session.
func (c *Conn) open(ctx context.Context, used *sync.Pool) error {
	s := &c.session
	timeout := c.endpoint.ConnectTimeout
	if timeout <= 0 {
		timeout = defaultConnect
	}
	s.Dialing()
	dialing, hangUp, done := within(ctx, timeout, used)
	c.reach(nil, hangUp)
	c.heed(ctx)
	nc, err := c.endpoint.connect(dialing)
	expired := dialing.Err() != nil || timedOut(err)
	c.reach(nc, nil)
	c.rested()
	done()
	if err != nil {
		c.unheed()
		cause := c.stopped(ctx)
		switch {
		case cause != nil:
			s.Abort(cause)
		case expired:
			s.Lost(&Error{Kind: ErrTimeout, Err: asError(ErrTimeout, err).Err})
		default:
			s.Lost(err)
		}
		return s.Err()
	}
	c.wake()
	s.Connected(c.endpoint.link(nc))
	if err := c.run(ctx, s.Open); err != nil {
		return err
	}
	return nil
}

// Send hands one message over and returns when every recipient is decided. Content
// comes from tx.Content, or from body if that is nil. The outcome is in tx, whatever
// the error; the error is tx.Err, or that of the session if it cannot serve any more.
func (c *Conn) Send(ctx context.Context, tx *session.Transaction, body io.Reader) error {
	if err := c.begin(tx, body); err != nil {
		return err
	}
	err := c.run(ctx, tx.Done)
	c.forget()
	if err != nil && !tx.Done() {
		return err
	}
	if e := tx.Err(); e != nil {
		return e
	}
	return nil
}

// Do sends a single command and waits for its reply.
func (c *Conn) Do(ctx context.Context, r *session.Request) error {
	if err := c.session.Do(r); err != nil {
		return err
	}
	if err := c.run(ctx, r.Done); err != nil && !r.Done() {
		return err
	}
	return r.Err()
}

// Quit ends the session in order and closes the connection. That QUIT is answered
// badly or not at all, or that the connection does not close cleanly, is no error:
// nothing depends on it (RFC 5321 §4.1.1.10). The only error is that of the context, if
// it was done before the session was.
func (c *Conn) Quit(ctx context.Context) error {
	c.session.Quit()
	err := c.run(ctx, func() bool { return c.session.State().Over() })
	if err != nil {
		c.session.Abort(err)
	}
	c.finish()
	return ctxError(ctx, err)
}

// leave is Quit with little patience: nothing depends on the answer.
func (c *Conn) leave(ctx context.Context) {
	c.until = clock() + farewell
	c.Quit(ctx)
}

// farewell is how long the answer to QUIT may take then.
const farewell = 10 * time.Second

func ctxError(ctx context.Context, err error) error {
	if ctx.Err() == nil {
		return nil
	}
	return err
}

// Close ends the session without QUIT and closes the connection.
func (c *Conn) Close() error {
	c.session.Abort(nil)
	return c.finish()
}

// finish closes the connection when the session is over. Where it did not end in order
// TLS does not say farewell: that could wait for a peer that does not read.
func (c *Conn) finish() error {
	if !c.session.Wants().Has(session.WantClose) {
		return nil
	}
	c.session.CloseDone()
	c.Idle()
	if c.session.Err() != nil {
		transport.Unwrap(c.nc).Close()
		c.nc.Close()
		return nil
	}
	return c.nc.Close()
}

// Session returns the session, to be asked and not to be driven.
func (c *Conn) Session() *session.Session { return &c.session }

// Security returns what protects the connection.
func (c *Conn) Security() transport.Security { return c.nc.Security() }

// NetConn returns the connection, for its addresses.
func (c *Conn) NetConn() transport.Conn { return c.nc }

// Extensions returns what the server offers.
func (c *Conn) Extensions() *codec.Extensions { return c.session.Extensions() }

// run does what the session wants until the goal is reached, the session idles, or it
// is over. When it is over the connection is closed and the error says why.
func (c *Conn) run(ctx context.Context, goal func() bool) error {
	c.heed(ctx)
	defer c.rested()
	c.wake()
	s := &c.session
	for !goal() {
		if c.call.gentle && ctx.Err() != nil {
			return context.Cause(ctx)
		}
		w := s.Wants()
		switch {
		case w.Has(session.WantClose):
			err := s.Err()
			c.finish()
			if err == nil {
				err = &Error{Kind: ErrMisuse, State: s.State(), Detail: "the session is over"}
			}
			return err
		case w == 0:
			if err := s.Err(); err != nil {
				return err
			}
			return &Error{Kind: ErrMisuse, State: s.State(), Detail: "the session idles"}
		case ctx.Err() != nil:
			s.Abort(context.Cause(ctx))
		case w.Has(session.WantCredentials):
			c.authenticate(ctx)
		case w.Has(session.WantBody):
			c.feed(ctx)
		case w.Has(session.WantWrite):
			c.write(ctx)
		case w.Has(session.WantTLS):
			c.startTLS(ctx)
		case w.Has(session.WantRead):
			c.read(ctx)
		}
	}
	return nil
}

// begin gives the session a message.
func (c *Conn) begin(tx *session.Transaction, body io.Reader) error {
	c.wake()
	if len(c.sources) < cap(c.sources) {
		c.sources = c.sources[:len(c.sources)+1]
	} else {
		c.sources = append(c.sources, source{})
	}
	c.sources[len(c.sources)-1].set(c.endpoint, &c.session, tx, body)
	err := c.session.Begin(tx)
	if err != nil {
		c.sources = c.sources[:len(c.sources)-1]
	}
	return err
}

// forget lets go of the sources of decided transactions.
func (c *Conn) forget() {
	if c.gear == nil {
		return // the session is over
	}
	n := 0
	for n < len(c.sources) && c.sources[n].tx.Done() {
		n++
	}
	if n == 0 {
		return
	}
	for i := range c.sources[:n] {
		c.sources[i].clear()
	}
	if n < len(c.sources) { // what is decided goes behind, so that its memory is used again
		rotate(c.sources, n)
	}
	c.sources = c.sources[:len(c.sources)-n]
}

// rotate moves the first n of p behind the others.
func rotate[T any](p []T, n int) {
	slices.Reverse(p[:n])
	slices.Reverse(p[n:])
	slices.Reverse(p)
}

// Idle gives back the memory that a connection does not need while nobody uses it. It
// may be used again at any time.
func (c *Conn) Idle() {
	c.unheed()
	g := c.gear
	if g == nil || len(g.sources) > 0 || c.session.Release() != &g.memory {
		return
	}
	if len(g.block) > inline {
		g.block = nil
	}
	c.unarmed()
	g.written = nil // a channel made inside a synctest bubble must not leave it
	c.gear = nil
	gears.Put(g)
}

// wake comes before everything that needs the gear.
func (c *Conn) wake() {
	if c.gear == nil {
		c.gear = gears.Get().(*gear)
		c.session.Use(&c.memory)
		c.takes = 0
		switch transport.Unwrap(c.nc).(type) {
		case *net.TCPConn, *net.UnixConn:
			c.takes = atOnce
		}
	}
}

// authenticate fetches the credentials that the offered mechanisms call for.
func (c *Conn) authenticate(ctx context.Context) {
	creds, err := c.endpoint.Credentials.Resolve(ctx, c.endpoint.AuthPolicy, c.session.Extensions().Auth...)
	if err != nil {
		c.session.NoCredentials(err)
		return
	}
	c.session.Authenticate(creds, c.endpoint.AuthPolicy)
}

// startTLS runs the handshake that follows STARTTLS.
func (c *Conn) startTLS(ctx context.Context) {
	c.unarmed()
	c.armRead(c.patience(fsm.StartTLS))
	c.armWrite(c.patience(fsm.StartTLS))
	_, err := c.nc.StartTLS(ctx, c.endpoint.tlsConfig())
	c.unarmed()
	if err != nil {
		c.lost(ctx, err)
		return
	}
	c.session.Secured(c.endpoint.link(c.nc))
}

// read waits for octets from the server, at most as long as the session is patient.
func (c *Conn) read(ctx context.Context) {
	cmd, _ := c.session.Awaited()
	due := c.armRead(c.patience(cmd))
	c.await(ctx, due, c.receive())
}

// await goes on reading until something comes if a read has ended with err before it was due.
func (c *Conn) await(ctx context.Context, due time.Duration, err error) {
	for timedOut(err) && c.early(due) {
		err = c.receive()
	}
	if err == nil || c.call.gentle && ctx.Err() != nil && timedOut(err) {
		return
	}
	c.lost(ctx, err)
}

// receive reads once and hands over what came.
func (c *Conn) receive() error {
	n, err := c.nc.Read(c.in)
	if n > 0 {
		c.session.Receive(c.in[:n])
	}
	return err
}

// lost tells the session what an error of the connection means.
func (c *Conn) lost(ctx context.Context, err error) {
	cause := c.stopped(ctx)
	switch {
	case cause != nil:
		c.session.Abort(cause)
	case timedOut(err):
		c.session.Expire()
	default:
		c.session.Lost(err)
	}
}

// patience returns how long the reply to cmd may take.
func (c *Conn) patience(cmd fsm.Command) time.Duration {
	if c.endpoint.Patience != nil {
		if p := c.endpoint.Patience(cmd); p > 0 {
			return c.left(p)
		}
	}
	return c.left(cmd.Patience())
}

func (c *Conn) blockTimeout() time.Duration {
	if c.endpoint.BlockTimeout > 0 {
		return c.left(c.endpoint.BlockTimeout)
	}
	return c.left(defaultBlock)
}

// isEOF reports whether err is the end of the stream.
func isEOF(err error) bool { return errors.Is(err, io.EOF) }
