package parley

import (
	"context"
	"time"
)

// tick is how long a connection keeps the memory that it worked with.
const tick = time.Second

// forgetAfter is how long it is remembered that a destination was turned down.
const forgetAfter = time.Hour

// watch has somebody look after what idles. The caller holds the lock.
func (s *Sender) watch() {
	if !s.sweeping {
		s.sweepIn(tick)
	}
}

// sweepIn has the next look after d. The caller holds the lock.
func (s *Sender) sweepIn(d time.Duration) {
	s.sweeping = true
	if s.sweeper == nil {
		s.sweeper = time.AfterFunc(d, s.sweep)
	} else {
		s.sweeper.Reset(d)
	}
}

// sweep gives memory back, closes what has idled for too long and forgets destinations
// that nobody uses.
func (s *Sender) sweep() {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := clock()
	next := time.Duration(-1)
	in := func(d time.Duration) {
		if d = max(d, tick); next < 0 || d < next {
			next = d
		}
	}
	for l := s.idle.oldest; l != nil; {
		idle, newer := now-l.idle, l.newer
		switch {
		case idle >= s.maxIdle() || s.worn(l, now):
			s.retire(l)
		case l.cooled || idle >= tick:
			if !l.cooled {
				l.conn.Idle()
				l.cooled = true
			}
			in(min(s.maxIdle()-idle, s.maxAge()-(now-l.opened)))
		default:
			in(tick - idle)
		}
		l = newer
	}
	for k, d := range s.destinations {
		if len(d.lanes) == 0 && len(d.queue) == 0 && d.users == 0 && d.next < now {
			if keep := d.keeps(now); keep > 0 {
				in(keep)
			} else {
				delete(s.destinations, k)
				d.gone = true
			}
		}
	}
	s.feed()
	s.sweeping = false
	if next >= 0 && !s.closing {
		s.sweepIn(next)
	}
}

// Close takes no more messages, waits for those that are on a connection, and ends every
// session in order. Messages that wait for a connection are not sent. When the context is done
// what is left is given up; the error is the context's then.
func (s *Sender) Close(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closing = true
	for _, d := range s.destinations {
		for _, m := range d.queue {
			m.rouse()
		}
		for _, l := range d.lanes {
			if l.opening != nil {
				l.opening.interrupt(errClosed)
			}
		}
	}
	for s.load > 0 {
		if l := s.undriven(); l != nil {
			s.drive(ctx, l, l.first())
			continue
		}
		if s.drained == nil {
			s.drained = make(chan struct{})
		}
		drained := s.drained
		s.mu.Unlock()
		select {
		case <-drained:
		case <-ctx.Done():
		case <-time.After(tick): // somebody may have stopped driving
		}
		s.mu.Lock()
		if ctx.Err() != nil {
			for _, d := range s.destinations {
				for _, l := range d.lanes {
					if l.conn != nil && l.driving {
						l.conn.interrupt(context.Cause(ctx))
					}
				}
			}
		}
	}
	var conns []*Conn
	for _, d := range s.destinations {
		for len(d.idle) > 0 {
			l := d.idle[0]
			conns = append(conns, l.conn)
			s.remove(l)
		}
	}
	if s.sweeper != nil {
		s.sweeper.Stop()
		s.sweeping = false
	}
	if s.hurry != nil {
		defer context.AfterFunc(ctx, s.hurry)()
	}
	s.mu.Unlock()
	s.farewells(ctx, conns)
	s.mu.Lock()
	return ctx.Err()
}

// undriven returns a lane with messages that nobody drives.
func (s *Sender) undriven() *lane {
	for _, d := range s.destinations {
		if l := d.stuck(); l != nil {
			return l
		}
	}
	return nil
}

// first returns a message on the lane.
func (l *lane) first() *Message {
	if len(l.flying) > 0 {
		return l.flying[0]
	}
	return l.pending[0]
}

// farewells says QUIT on all connections, on some at once, and waits until everybody has
// left.
func (s *Sender) farewells(ctx context.Context, conns []*Conn) {
	const atOnce = 64
	slots := make(chan struct{}, atOnce)
	for _, c := range conns {
		slots <- struct{}{}
		s.leaving.Go(func() {
			defer func() { <-slots }()
			c.leave(ctx)
		})
	}
	s.leaving.Wait()
}
