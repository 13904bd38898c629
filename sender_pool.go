package parley

import (
	"context"
	"errors"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/parley-mail/parley/auth"
	"github.com/parley-mail/parley/events"
	"github.com/parley-mail/parley/fsm"
	"github.com/parley-mail/parley/session"
	"github.com/parley-mail/parley/transport"
)

// Key says which endpoints may share connections: everything that decides where a
// connection leads, by which way, under which identity and with how much trust is in it.
// What an endpoint points to counts by identity: two TLSConfig with the same fields are
// two policies. It is comparable.
type Key struct {
	network, address string
	dialer           transport.Dialer
	tls              TLSMode
	tlsConfig        *transport.TLSConfig
	credentials      *auth.Credentials
	mechanisms       string
	policy           [5]int
	session          session.Config
	connect, block   time.Duration
	patience         uintptr
	rate             int64
	events           *events.Bus
}

// Key returns the key of the endpoint. The error says what keeps the endpoint from being
// shared.
func (e *Endpoint) Key() (Key, error) {
	misuse := func(detail string) (Key, error) { return Key{}, &Error{Kind: ErrMisuse, Detail: detail} }
	switch {
	case e.Session.Machine != nil:
		return misuse("a machine serves one session only: leave Session.Machine nil and set Session.Table")
	case e.Dialer != nil && !reflect.ValueOf(e.Dialer).Comparable():
		return misuse("connections can be shared only by a dialer that can be compared: give a pointer to it")
	}
	p := e.AuthPolicy
	k := Key{
		network: e.Network, address: e.Address, dialer: e.Dialer,
		tls: e.TLS, tlsConfig: e.TLSConfig, credentials: e.Credentials,
		policy:  [5]int{flags(p.AllowPlaintext, p.AllowLoopback, p.AllowUnverified, p.Legacy, p.Raw), int(p.Floor)},
		session: e.Session, connect: e.ConnectTimeout, block: e.BlockTimeout, rate: e.MaxRate, events: e.Events,
	}
	k.session.Events, k.session.ID = nil, 0
	if len(p.Mechanisms) > 0 {
		k.mechanisms = strings.Join(p.Mechanisms, "\x00")
	}
	if e.Patience != nil {
		k.patience = reflect.ValueOf(e.Patience).Pointer()
	}
	return k, nil
}

func flags(all ...bool) int {
	n := 0
	for i, f := range all {
		if f {
			n |= 1 << i
		}
	}
	return n
}

// destination is where connections with one key lead.
type destination struct {
	key       Key
	endpoint  *Endpoint
	lanes     []*lane    // open, or being opened
	idle      []*lane    // of them those nobody is on; the one used last is last
	queue     []*Message // waiting for room, in line
	most      int        // messages that the server takes on one connection; 0: as far as is known any number
	mostSince time.Duration
	reach
	window   int    // messages in flight on one connection
	chunks   bool   // BDAT is our choice, not the caller's
	turned   string // why less is done than could be
	turnedAt time.Duration
	next     time.Duration // when Rate allows the next message
	users    int           // callers who look for a lane now
	gone     bool          // nobody used it, and it was forgotten
	sender   *Sender
}

// destination returns that of the message. The caller holds the lock.
func (s *Sender) destination(m *Message) (*destination, error) {
	if d := m.dest; d != nil && m.known == m.Endpoint && d.sender == s && !d.gone {
		return d, nil
	}
	k, err := m.Endpoint.Key()
	if err != nil {
		return nil, err
	}
	d := s.destinations[k]
	if d == nil {
		e := *m.Endpoint
		d = &destination{key: k, sender: s, endpoint: &e, window: max(1, e.Session.Overlap)}
		if e.Session.Data == session.DataAuto {
			e.Session.Data, d.chunks = session.DataBDAT, true
		}
		if e.TLS != TLSNone {
			c := *e.tlsConfig() // one for all connections
			if c.Sessions == nil {
				c.Sessions = &s.sessions
			}
			e.TLSConfig = &c
		}
		if s.MaxMessages == 1 {
			e.Session.Overlap = max(2, e.Session.Overlap) // lets QUIT go behind the message
		}
		if s.destinations == nil {
			s.destinations = map[Key]*destination{}
		}
		s.destinations[k] = d
	}
	m.dest, m.known = d, m.Endpoint
	return d, nil
}

// place finds a lane for the message, and waits in line for one if it must. The caller
// holds the lock, which is let go meanwhile.
func (s *Sender) place(ctx context.Context, m *Message) error {
	d, err := s.destination(m)
	if err != nil {
		return err
	}
	d.users++
	defer func() { d.users-- }()
	if err := s.pace(ctx, d); err != nil {
		return err
	}
	for {
		if m.err != nil { // of who tried to open a connection for all
			return m.err
		}
		if m.stage == unplaced && len(d.queue) == 0 && !s.closing && !d.silent() {
			s.assign(d, m)
		}
		switch m.stage {
		case taken, decided: // who wanted room on the lane may have driven it already
			return nil
		case opening:
			if err := s.open(ctx, d, m); err != nil || m.stage != unplaced {
				return err
			}
			continue
		}
		if err := s.hopeless(ctx, d); err != nil {
			d.queue = slices.DeleteFunc(d.queue, func(x *Message) bool { return x == m })
			m.stage = unplaced
			return err
		}
		if l := d.stuck(); l != nil {
			s.drive(ctx, l, nil)
			continue
		}
		if m.stage == unplaced {
			m.stage = queued
			d.queue = append(d.queue, m)
		}
		if s.MaxTotal > 0 && s.conns >= s.MaxTotal && !slices.Contains(s.starved, d) {
			s.starved = append(s.starved, d)
		}
		s.sleep(ctx, m)
	}
}

var errClosed = &Error{Kind: ErrMisuse, Detail: "the sender is closed"}

// assign gives the message a lane, or leave to open one, if there is either.
func (s *Sender) assign(d *destination, m *Message) {
	var now time.Duration
	for len(d.idle) > 0 {
		l := d.idle[len(d.idle)-1]
		d.idle = d.idle[:len(d.idle)-1]
		s.idle.remove(l)
		if now == 0 {
			now = clock()
		}
		switch {
		case s.worn(l, now) || now-l.idle >= s.maxIdle():
			s.retire(l)
		case now-l.idle >= fresh && l.conn.Stale():
			s.stats.Stale++
			conn := l.conn
			s.remove(l)
			go conn.Close()
		default:
			s.stats.Reused++
			s.put(l, m)
			return
		}
	}
	if d.window > 1 {
		if l := m.lane; l != nil && l.dest == d && l.room() {
			s.put(l, m)
			return
		}
		for _, l := range d.lanes {
			if l.room() {
				s.put(l, m)
				return
			}
		}
	}
	if len(d.lanes) < s.connsAt(d) && s.slot() {
		s.conns++
		s.load++
		m.lane, m.stage = newLane(d), opening
		d.lanes = append(d.lanes, m.lane)
	}
}

// fresh is how lately a connection must have been used not to be looked at before it is
// used again. Whatever the server says sooner is on its way at any time.
const fresh = time.Millisecond

// stuck returns a lane that is full and that nobody drives.
func (d *destination) stuck() *lane {
	for _, l := range d.lanes {
		if l.load > 0 && !l.driving && l.conn != nil {
			return l
		}
	}
	return nil
}

// slot reports whether another connection may be opened. One that idles elsewhere makes
// way.
func (s *Sender) slot() bool {
	if s.MaxTotal <= 0 || s.conns < s.MaxTotal {
		return true
	}
	if s.idle.oldest == nil {
		return false
	}
	s.retire(s.idle.oldest)
	return true
}

// serve gives those who wait in line for a destination what there is.
func (s *Sender) serve(d *destination) {
	for s.serveOne(d) {
	}
}

// serveOne gives it to the first in line.
func (s *Sender) serveOne(d *destination) bool {
	if len(d.queue) == 0 || s.closing || d.silent() {
		return false
	}
	m := d.queue[0]
	m.stage = unplaced
	s.assign(d, m)
	if m.stage == unplaced {
		m.stage = queued
		return false
	}
	d.queue = slices.Delete(d.queue, 0, 1)
	m.rouse()
	return true
}

// starving reports whether a destination waits for a connection that MaxTotal denies.
func (s *Sender) starving() bool {
	s.starved = slices.DeleteFunc(s.starved, func(d *destination) bool { return len(d.queue) == 0 })
	return len(s.starved) > 0
}

// feed gives a connection that has become free to the destinations that wait for one, in
// turn.
func (s *Sender) feed() {
	for s.starving() && (s.MaxTotal <= 0 || s.conns < s.MaxTotal) {
		d := s.starved[0]
		s.starved = slices.Delete(s.starved, 0, 1)
		served := s.serveOne(d)
		if len(d.queue) > 0 {
			s.starved = append(s.starved, d)
		}
		if !served && len(d.queue) > 0 {
			return
		}
	}
}

// shareHolds is how long what a server takes on one connection is taken for granted.
const shareHolds = 10 * time.Minute

// open opens the connection that the message has leave for, and puts the message on it.
// The caller holds the lock, which is let go meanwhile.
func (s *Sender) open(ctx context.Context, d *destination, m *Message) error {
	l, endpoint := m.lane, d.endpoint
	if s.dialing == nil {
		n := s.MaxDialing
		if n <= 0 {
			n = 512
		}
		s.dialing = make(chan struct{}, n)
		s.patient, s.hurry = context.WithCancel(context.Background())
	}
	s.mu.Unlock()
	conn, err := s.dial(ctx, l, endpoint)
	s.mu.Lock()
	l.opening = nil
	defer s.unload()
	s.stats.Dials++
	if err != nil {
		s.stats.DialErrors++
		m.lane, m.stage = nil, unplaced
		s.remove(l)
		if d.failed(err, clock()-l.opened) {
			s.feed()
			return nil // the message waits for a connection that is open
		}
		s.serve(d)
		s.feed()
		if s.closing && ctx.Err() == nil {
			return errClosed
		}
		return err
	}
	l.conn, l.opened, l.most = conn, clock(), s.MaxMessages
	d.reached()
	if most := conn.Extensions().MailMax; most > 0 && (l.most <= 0 || most < l.most) {
		l.most = most // RFC 9422 §4.1
	}
	if d.most > 0 && l.opened-d.mostSince < shareHolds && (l.most <= 0 || d.most < l.most) {
		l.most = d.most
	}
	s.put(l, m)
	s.serve(d)
	return nil
}

func (s *Sender) dial(ctx context.Context, l *lane, e *Endpoint) (*Conn, error) {
	select {
	case s.dialing <- struct{}{}:
	case <-ctx.Done():
		return nil, &Error{Kind: ErrCanceled, Detail: "given up by the caller before dialling", Err: context.Cause(ctx)}
	}
	defer func() { <-s.dialing }()
	c := &l.its
	if err := c.init(e); err != nil {
		return nil, err
	}
	s.mu.Lock()
	closing := s.closing
	l.opening, l.opened = c, clock()
	s.mu.Unlock()
	if closing {
		return nil, errClosed
	}
	if e.toItself() {
		return c, c.open(ctx, &s.limits)
	}
	return c, c.open(ctx, nil)
}

// pace waits until Rate allows another message. The caller holds the lock, which is let
// go meanwhile.
func (s *Sender) pace(ctx context.Context, d *destination) error {
	if s.Rate <= 0 {
		return nil
	}
	now := clock()
	at := now
	if d.next > now {
		at = d.next
	}
	d.next = at + time.Duration(float64(time.Second)/s.Rate)
	wait := at - now
	if wait <= 0 {
		return nil
	}
	s.mu.Unlock()
	defer s.mu.Lock()
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return &Error{Kind: ErrCanceled, Detail: "given up by the caller while the rate was kept", Err: context.Cause(ctx)}
	}
}

// learn does less at a destination that broke the protocol while more was done than
// clients usually do.
func (s *Sender) learn(l *lane, err error) {
	d := l.dest
	why := ""
	var e *Error
	switch {
	case d.window > 1:
		d.window = 1
		why = "one message at a time"
	case d.chunks && d.endpoint.Session.Data == session.DataBDAT && errors.As(err, &e) && e.During && (e.Command == fsm.Bdat || e.Command == fsm.BdatLast):
		c := *d.endpoint
		c.Session.Data = session.DataOnly
		d.endpoint = &c
		why = "DATA instead of BDAT"
	default:
		return
	}
	d.turned, d.turnedAt = why+": "+err.Error(), clock()
	s.stats.TurnedDown++
}

// SenderStats counts what a Sender has done. Accepted, Refused, NotSent and Unknown count
// recipients, and add up to all that were asked for; one that was tried again counts for
// each time.
type SenderStats struct {
	Messages uint64 // messages, each time they were tried
	Accepted uint64
	Refused  uint64
	NotSent  uint64
	Unknown  uint64
	Octets   uint64 // of content
	Commands uint64
	Turns    uint64 // round trips

	Dials      uint64 // connections opened or tried
	DialErrors uint64
	Reused     uint64 // times a connection that idled was used
	Stale      uint64 // times one was found closed by the server
	Again      uint64 // messages tried again on another connection
	TurnedDown uint64 // times less was done at a destination from then on

	Conns        int // open now, or being opened
	Idle         int // of them those nobody uses
	Waiting      int // messages in line for a connection
	Destinations int
}

// Stats returns what has been counted so far.
func (s *Sender) Stats() SenderStats {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := s.stats
	st.Conns, st.Destinations = s.conns, len(s.destinations)
	for _, d := range s.destinations {
		st.Idle += len(d.idle)
		st.Waiting += len(d.queue)
	}
	return st
}

// TurnedDown returns why less is done at a destination than could be: the server broke
// the protocol when it was. "": it did not, or not lately.
func (s *Sender) TurnedDown(k Key) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if d := s.destinations[k]; d != nil {
		return d.turned
	}
	return ""
}

func (s *Sender) maxConns() int {
	if s.MaxConns > 0 {
		return s.MaxConns
	}
	return 16
}

func (s *Sender) maxIdle() time.Duration {
	if s.MaxIdle > 0 {
		return s.MaxIdle
	}
	return time.Minute
}

func (s *Sender) maxAge() time.Duration {
	if s.MaxAge > 0 {
		return s.MaxAge
	}
	return 5 * time.Minute
}
