package parley

import (
	"context"
	"errors"
	"slices"
	"time"
)

// lane is one connection of a Sender, and who is on it. The sender's lock guards it, but
// for conn, which belongs to who drives.
type lane struct {
	dest    *destination
	conn    *Conn
	opening *Conn // until it is conn
	its     Conn  // both
	opened  time.Duration
	idle    time.Duration // since when nobody is on it
	older   *lane         // in the list of those that idle
	newer   *lane
	served  int        // messages given to it so far
	taken   int        // messages of which the server has accepted MAIL, as far as is known
	most    int        // messages it may be given; 0: no limit
	load    int        // messages on it that are not decided
	driving bool       // somebody runs conn
	cooled  bool       // what it works with was given back
	pending []*Message // not begun
	flying  []*Message // begun
	batch   []*Message
	few     [3][1]*Message                // what the three begin with
	counted struct{ commands, turns int } // of the session's, so far
}

func newLane(d *destination) *lane {
	l := &lane{dest: d}
	l.pending, l.flying, l.batch = l.few[0][:0], l.few[1][:0], l.few[2][:0]
	return l
}

// room reports whether the lane can take another message.
func (l *lane) room() bool { return l.conn != nil && l.load < l.dest.window && !l.spent() }

// spent reports whether the lane must not be given another message.
func (l *lane) spent() bool { return l.most > 0 && l.served >= l.most }

// put gives the lane a message.
func (s *Sender) put(l *lane, m *Message) {
	m.lane, m.stage, m.used = l, taken, l.served > 0
	l.served++
	l.load++
	s.load++
	l.pending = append(l.pending, m)
}

// drive does what is to be done on a lane until m is decided, or has to look for another
// lane. With nil, until there is room. The caller holds the lock.
func (s *Sender) drive(ctx context.Context, l *lane, m *Message) {
	l.driving = true
	for l.conn != nil && l.load > 0 && (m == nil && !l.room() || m != nil && m.lane == l && m.stage == taken) {
		if ctx.Err() != nil && (m == nil || s.withdraw(ctx, l, m)) {
			break
		}
		l.batch = append(l.batch[:0], l.pending...)
		clear(l.pending)
		l.pending = l.pending[:0]
		l.flying = append(l.flying, l.batch...)
		last := l.spent()
		s.mu.Unlock()
		l.work(ctx, last, m == nil)
		s.mu.Lock()
		s.collect(l)
	}
	l.driving = false
	if l.load > 0 {
		s.handOver(l)
	}
}

// work begins the batch and runs the connection until a message is decided.
func (l *lane) work(ctx context.Context, last, gentle bool) {
	c := l.conn
	for _, m := range l.batch {
		if err := c.begin(&m.tx, m.body); err != nil {
			m.err = err
		}
	}
	clear(l.batch)
	if last {
		c.session.Quit()
	}
	c.call.gentle = gentle
	err := c.run(ctx, l.landed)
	c.forget()
	switch {
	case c.session.State().Over():
		c.finish()
	case err != nil && !(gentle && ctx.Err() != nil):
		c.session.Abort(err)
		c.finish()
	}
}

// landed reports whether a message is decided, so that somebody can be told.
func (l *lane) landed() bool {
	for _, m := range l.flying {
		if m.tx.Done() || m.err != nil {
			return true
		}
	}
	return len(l.flying) == 0
}

// collect takes what is decided off the lane.
func (s *Sender) collect(l *lane) {
	keep := l.flying[:0]
	for _, m := range l.flying {
		if !m.tx.Done() && m.err == nil {
			keep = append(keep, m)
			continue
		}
		s.land(l, m)
	}
	clear(l.flying[len(keep):])
	l.flying = keep
	if len(keep) == 0 {
		l.conn.calm()
	}
	s.count(l)
	if !l.conn.session.State().Over() {
		if l.load == 0 {
			s.rest(l)
		}
		s.serve(l.dest)
		return
	}
	err := l.conn.session.Err()
	if errors.Is(err, ErrViolation) {
		s.learn(l, err)
	}
	for _, m := range l.pending { // never begun: they look for another lane
		m.lane, m.stage = nil, unplaced
		l.load--
		s.unload()
		m.rouse()
	}
	l.pending = nil
	s.remove(l)
	s.serve(l.dest)
	s.feed()
}

// land takes note of what became of a message.
func (s *Sender) land(l *lane, m *Message) {
	m.stage = decided
	m.close()
	l.load--
	switch e := m.tx.Err(); {
	case e == nil:
		l.taken++
	case usedUp(e) && l.taken > 0:
		l.most = max(1, l.served) // none after those that are on it
		// The next connections are left in time, for a while: it may have been a bad moment.
		l.dest.most, l.dest.mostSince = l.taken, clock()
	}
	s.stats.Messages++
	s.stats.Accepted += uint64(m.tx.Count(Accepted))
	s.stats.Refused += uint64(m.tx.Count(Refused))
	s.stats.Unknown += uint64(m.tx.Count(Unknown))
	s.stats.NotSent += uint64(m.tx.Count(NotSent))
	if m.tx.Len() == 0 {
		s.stats.NotSent += uint64(len(m.Envelope.Recipients))
	}
	s.stats.Octets += uint64(m.tx.Sent())
	m.rouse()
	s.unload()
}

func (s *Sender) unload() {
	s.load--
	if s.load == 0 && s.drained != nil {
		close(s.drained)
		s.drained = nil
	}
}

// count takes note of what the session has done since the last time.
func (s *Sender) count(l *lane) {
	now := l.conn.session.Stats()
	s.stats.Commands += uint64(now.Commands - l.counted.commands)
	s.stats.Turns += uint64(now.Turns - l.counted.turns)
	l.counted.commands, l.counted.turns = now.Commands, now.Turns
}

// rouse tells who waits for the message that something has changed.
func (m *Message) rouse() {
	if m.waited {
		select {
		case m.wake <- struct{}{}:
		default:
		}
	}
}

// handOver has somebody else drive, if somebody waits for a message on the lane or for room.
func (s *Sender) handOver(l *lane) {
	for _, list := range [][]*Message{l.flying, l.pending} {
		for _, m := range list {
			if m.waited {
				m.rouse()
				return
			}
		}
	}
	if q := l.dest.queue; len(q) > 0 {
		q[0].rouse()
	}
}

// sleep waits until the message is roused or the context is done. The caller holds the
// lock, which is let go meanwhile.
func (s *Sender) sleep(ctx context.Context, m *Message) {
	if m.wake == nil {
		m.wake = make(chan struct{}, 1)
	}
	m.waited = true
	s.mu.Unlock()
	select {
	case <-m.wake:
	case <-ctx.Done():
	}
	s.mu.Lock()
	m.waited = false
}

// follow waits while somebody else drives. Who gives up with a message in flight takes
// the connection down: an answer could not be told from the next one's.
func (s *Sender) follow(ctx context.Context, l *lane, m *Message) {
	s.sleep(ctx, m)
	if ctx.Err() == nil || m.stage != taken || m.lane != l {
		return
	}
	if !s.withdraw(ctx, l, m) && l.driving {
		l.conn.interrupt(context.Cause(ctx))
		s.sleep(context.Background(), m)
	}
}

// withdraw takes a message off the lane of which nothing was said, because the context is
// done.
func (s *Sender) withdraw(ctx context.Context, l *lane, m *Message) bool {
	i := slices.Index(l.pending, m)
	if i < 0 {
		return false
	}
	l.pending = slices.Delete(l.pending, i, i+1)
	m.err = &Error{Kind: ErrCanceled, Detail: "given up by the caller", Err: context.Cause(ctx)}
	l.served--
	s.land(l, m)
	if l.load == 0 {
		s.rest(l)
	}
	s.serve(l.dest)
	return true
}

// rest puts a lane that nobody is on among those that idle, unless its time has come.
func (s *Sender) rest(l *lane) {
	now := clock()
	if s.worn(l, now) || s.closing || s.starving() && (l.served >= turn || len(l.dest.queue) == 0) {
		s.retire(l)
		s.feed()
		return
	}
	l.idle, l.cooled = now, false
	l.dest.idle = append(l.dest.idle, l)
	s.idle.add(l)
	s.watch()
}

// turn is how many messages a connection serves before it makes way for another
// destination.
const turn = 16

// worn reports whether a lane has served long enough.
func (s *Sender) worn(l *lane, now time.Duration) bool {
	return l.spent() || now-l.opened >= s.maxAge()
}

// retire ends a lane that nobody is on, in order.
func (s *Sender) retire(l *lane) {
	conn := l.conn
	s.remove(l)
	patient := s.patient
	s.leaving.Go(func() { conn.leave(patient) })
}

// remove takes a lane out of its destination; a connection fewer is open.
func (s *Sender) remove(l *lane) {
	d := l.dest
	l.conn = nil
	if i := slices.Index(d.lanes, l); i >= 0 {
		d.lanes = slices.Delete(d.lanes, i, i+1)
		s.conns--
		if len(d.lanes) == 0 {
			s.watch() // so that it is forgotten
		}
	}
	if i := slices.Index(d.idle, l); i >= 0 {
		d.idle = slices.Delete(d.idle, i, i+1)
		s.idle.remove(l)
	}
}

// idleList is in the order in which its lanes were used.
type idleList struct{ oldest, newest *lane }

func (i *idleList) add(l *lane) {
	l.older, l.newer = i.newest, nil
	if i.newest != nil {
		i.newest.newer = l
	} else {
		i.oldest = l
	}
	i.newest = l
}

func (i *idleList) remove(l *lane) {
	if l.older != nil {
		l.older.newer = l.newer
	} else {
		i.oldest = l.newer
	}
	if l.newer != nil {
		l.newer.older = l.older
	} else {
		i.newest = l.older
	}
	l.older, l.newer = nil, nil
}
