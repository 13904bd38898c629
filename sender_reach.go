package parley

import (
	"context"
	"errors"
	"time"
)

// reach is what a destination has taught about connections to it.
type reach struct {
	known      bool // it has answered, and has not been found silent since
	conns      int  // that it takes at once; 0: as far as is known any number
	connsSince time.Duration
	down       error // why there was no connection to be had
	downUntil  time.Duration
}

// failed takes note of a connection that could not be opened, and reports whether the
// message may wait for the others: a server that serves some and takes no more has enough of
// us. So it is for a firewall that counts connections.
//
// A destination with no other connection decides all messages that wait for it, and is left
// alone for as long as it took to find out: a minute of silence is not waited for by each
// message anew, and one that refused at once may be tried again at once.
func (d *destination) failed(err error, took time.Duration) bool {
	var e *Error
	if !errors.As(err, &e) || !e.Temporary() || e.Kind == ErrCanceled {
		return false
	}
	now := clock()
	if len(d.lanes) > 0 {
		d.conns, d.connsSince = len(d.lanes), now
		return true
	}
	d.known, d.down, d.downUntil = false, err, now+took
	for _, m := range d.queue {
		m.stage, m.err = unplaced, err
		m.rouse()
	}
	d.queue = nil
	return false
}

// reached takes note of a connection that was opened.
func (d *destination) reached() {
	if !d.known {
		d.known, d.conns, d.down = true, 0, nil
	}
}

// connsAt is how many connections may lead to the destination: one until it has answered, so
// that those that are silent take few of MaxDialing.
func (s *Sender) connsAt(d *destination) int {
	most := s.maxConns()
	switch {
	case !d.known:
		return 1
	case d.conns == 0 || d.conns >= most || clock()-d.connsSince >= shareHolds:
		return most
	}
	return d.conns
}

// silent reports whether the destination is left alone.
func (d *destination) silent() bool {
	return d.down != nil && len(d.lanes) == 0 && clock() < d.downUntil
}

// hopeless is why a message need not wait for a connection; nil: it may.
func (s *Sender) hopeless(ctx context.Context, d *destination) error {
	switch {
	case s.closing:
		return errClosed
	case ctx.Err() != nil:
		return &Error{Kind: ErrCanceled, Detail: "given up by the caller while waiting for a connection", Err: context.Cause(ctx)}
	case d.silent():
		return d.down
	}
	return nil
}

// keeps is for how long something that the destination has taught holds.
func (d *destination) keeps(now time.Duration) time.Duration {
	keep := d.downUntil - now
	if d.turned != "" {
		keep = max(keep, forgetAfter-(now-d.turnedAt))
	}
	if d.conns > 0 {
		keep = max(keep, shareHolds-(now-d.connsSince))
	}
	if d.most > 0 {
		keep = max(keep, shareHolds-(now-d.mostSince))
	}
	return keep
}
