package parley

import (
	"context"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"github.com/parley-mail/parley/codec"
	"github.com/parley-mail/parley/session"
	"github.com/parley-mail/parley/transport"
)

// Sender hands messages over through connections that it opens, keeps and shares: for
// programs that send much. Its zero value is ready. It is safe for concurrent use.
//
// It runs no goroutine of its own while it waits: the callers of Send and Wait read and
// write, each for all who share a connection. What idles is closed after a while.
//
// A message is never sent again by itself unless nothing of it can have been taken: the
// connection had served before, and broke before the server had said anything about the
// message or had been given the end of it.
type Sender struct {
	// MaxConns is how many connections lead to one destination at most; 0: 16.
	MaxConns int
	// MaxTotal is how many connections there are at most; 0: no limit. When they are used
	// up, destinations take turns.
	MaxTotal int
	// MaxDialing is how many connections are being opened at once at most, handshakes
	// included; 0: 512.
	MaxDialing int
	// MaxIdle is how long a connection is kept that nobody uses; 0: one minute.
	MaxIdle time.Duration
	// MaxAge is how long a connection is used, so that changes of the network show; 0: five
	// minutes.
	MaxAge time.Duration
	// MaxMessages is how many messages are sent by one connection; 0: no limit. With 1
	// QUIT goes out together with the end of the message where the server allows it.
	MaxMessages int
	// Rate is how many messages a second are begun to one destination at most; 0: no limit.
	Rate float64

	mu           sync.Mutex
	sessions     transport.SessionCache // of TLS
	destinations map[Key]*destination
	starved      []*destination // waiting for a connection that MaxTotal denies, in turn
	idle         idleList       // connections that nobody is on, of all destinations
	conns        int            // open, or being opened
	load         int            // messages that have a lane, or open one
	dialing      chan struct{}
	limits       sync.Pool // of errands that are over
	sweeper      *time.Timer
	sweeping     bool // it runs
	closing      bool
	drained      chan struct{}   // closed when load is 0; nil: nobody waits for that
	leaving      sync.WaitGroup  // connections on which QUIT was said
	patient      context.Context // until Close is in a hurry: answers to QUIT are waited for
	hurry        context.CancelFunc
	stats        SenderStats
}

// Message is one message for a [Sender]: where it goes, and what. It may be used again
// when its outcome is there, and costs no allocation then; it must not be changed before.
type Message struct {
	// Endpoint is the server. It must not be changed once it was used. Messages whose endpoints have the same [Key] share
	// connections. Its Session.Overlap is how many messages may be in flight on one
	// connection; they share its fate. Session.Data DataAuto means BDAT where it is
	// offered: that is one round trip less.
	Endpoint *Endpoint
	Mail

	given  atomic.Bool // to a sender, until the outcome is there
	tx     session.Transaction
	body   io.ReadCloser
	dest   *destination // that of known
	known  *Endpoint
	lane   *lane
	stage  stage
	used   bool // the lane had served before
	tries  int
	err    error // why it did not get as far as a transaction
	wake   chan struct{}
	waited bool
}

// stage is how far a message has got. The sender's lock guards it.
type stage uint8

const (
	free     stage = iota // the caller's
	unplaced              // given to the sender, without a lane
	queued                // waiting in line for a lane
	opening               // its caller opens a connection
	taken                 // on a lane
	decided               // the outcome is there
)

// Send hands a message over and waits for what becomes of it. Result has the details.
// The error is an *Error: nil if at least one recipient was accepted.
func (s *Sender) Send(ctx context.Context, m *Message) (Outcome, error) {
	if err := s.submit(ctx, m); err != nil {
		return m.Outcome(), err
	}
	return s.wait(ctx, m)
}

// Submit gives a message to a connection that has room for it, and opens one if it must.
// It does not wait for the outcome, and the message may not have been written yet: Wait
// sees to both. An error means that nothing was sent, and that Wait is not to be called.
func (s *Sender) Submit(ctx context.Context, m *Message) error {
	if err := s.submit(ctx, m); err != nil {
		return err
	}
	s.mu.Unlock()
	return nil
}

// submit is Submit, and holds the lock if there is no error.
func (s *Sender) submit(ctx context.Context, m *Message) error {
	if !m.given.CompareAndSwap(false, true) {
		return &Error{Kind: ErrMisuse, Detail: "the message is being sent"}
	}
	m.tries = 0
	err := m.prepare()
	s.mu.Lock()
	m.stage = unplaced
	if err == nil {
		err = s.place(ctx, m)
	}
	if err != nil {
		s.unsent(m, err)
		s.mu.Unlock()
	}
	return err
}

// Wait waits for the outcome of a message that was submitted. It does what is to be done
// on the connection, for others too.
func (s *Sender) Wait(ctx context.Context, m *Message) (Outcome, error) {
	s.mu.Lock()
	if m.stage == free {
		s.mu.Unlock()
		return m.Outcome(), &Error{Kind: ErrMisuse, Detail: "the message was not submitted"}
	}
	return s.wait(ctx, m)
}

// wait is Wait. The caller holds the lock, which is let go.
func (s *Sender) wait(ctx context.Context, m *Message) (Outcome, error) {
	for m.stage != decided || s.again(ctx, m) {
		l := m.lane // its, if the stage is taken
		switch {
		case m.stage == unplaced:
			if err := s.place(ctx, m); err != nil {
				s.unsent(m, err)
				s.mu.Unlock()
				return m.Outcome(), err
			}
		case l.driving:
			s.follow(ctx, l, m)
		default:
			s.drive(ctx, l, m)
		}
	}
	m.stage = free
	s.mu.Unlock()
	o, err := m.Outcome(), m.Err()
	m.given.Store(false)
	return o, err
}

// Outcome sums up what became of the message.
func (m *Message) Outcome() Outcome {
	return outcomeOf(m.tx.Len(), m.tx.Count(Accepted), m.tx.Count(Refused), m.tx.Count(Unknown))
}

// Err returns why nobody got the message, or why it is not known; nil if it was accepted
// for at least one recipient.
func (m *Message) Err() error {
	if e := m.tx.Err(); e != nil {
		return e
	}
	return m.err
}

// Result returns what became of the message, recipient by recipient. It is the caller's.
func (m *Message) Result() *Result {
	if m.tx.Len() == 0 && m.Envelope != nil {
		return notSent(m.Envelope, m.err)
	}
	return newResult(&m.tx, m.err)
}

// prepare makes the message ready for its first, or another, transaction.
func (m *Message) prepare() error {
	m.tx.Reset()
	m.err, m.used = nil, false
	if m.Endpoint == nil {
		return &Error{Kind: ErrMisuse, Detail: "a message needs an endpoint"}
	}
	if err := m.fill(&m.tx); err != nil {
		return err
	}
	if m.tx.Content == nil {
		body, err := m.Content.Open()
		if err != nil {
			return &Error{Kind: ErrContent, Err: err}
		}
		m.body = body
	}
	return nil
}

// again reports whether the message is to be sent once more: nothing of it was taken, its
// connection was not new, and the reason is one that another connection may not have. It
// is prepared then. The caller holds the lock, which is let go meanwhile.
func (s *Sender) again(ctx context.Context, m *Message) bool {
	const most = 2
	e := m.tx.Err()
	if e == nil || !m.used || m.tries >= most || ctx.Err() != nil || s.closing {
		return false
	}
	switch e.Kind {
	case ErrTransport, ErrViolation:
	case ErrCanceled: // a neighbour on the connection gave up
	case ErrRefused:
		if e.Reply == nil || e.Reply.Code != 421 && e.Reply.Code != 221 && !usedUp(e) {
			return false
		}
	default:
		return false
	}
	if m.tx.Count(NotSent) < m.tx.Len() && !usedUp(e) {
		return false
	}
	if m.tx.Content == nil && m.tx.Sent() > 0 && !m.Content.Reopens() {
		return false
	}
	s.stats.Again++
	m.stage = unplaced
	s.mu.Unlock()
	m.tries++
	err := m.prepare()
	s.mu.Lock()
	if err != nil {
		m.err, m.stage = err, decided
		return false
	}
	return true
}

// usedUp reports whether a server has refused MAIL because the connection has had its share:
// with 421, or with 452 and 4.5.3 while it stays open.
func usedUp(e *Error) bool {
	return e.During && e.Command.OpensTransaction() && e.Reply != nil &&
		(e.Reply.Code == 421 || e.Reply.Code == 452 && e.Reply.Enhanced == codec.Enhanced{Class: 4, Subject: 5, Detail: 3})
}

// unsent decides a message that did not get as far as a connection. The caller holds the
// lock.
func (s *Sender) unsent(m *Message, err error) {
	m.close()
	m.err, m.stage = err, free
	s.stats.Messages++
	if m.Envelope != nil {
		s.stats.NotSent += uint64(len(m.Envelope.Recipients))
	}
	m.given.Store(false)
}

func (m *Message) close() {
	if m.body != nil {
		m.body.Close()
		m.body = nil
	}
}
