package parley

import (
	"context"
	"sync"
	"time"
)

// errand is the context of the making of one connection: it has the caller's values, and
// ends by a limit.
type errand struct {
	*limit
	caller context.Context
	until  time.Time
}

// limit ends an errand. One that has ended nothing is used again by another errand: a new
// one costs seven objects, of a session's thirty.
type limit struct {
	context.Context // nobody's
	hangUp          func()
	done            func() // the errand is over
	late            *time.Timer
}

func newLimit(used *sync.Pool) *limit {
	ctx, cancel := context.WithCancelCause(context.Background())
	l := &limit{Context: ctx}
	l.hangUp = func() { cancel(nil) }
	l.late = time.AfterFunc(time.Hour, func() { cancel(context.DeadlineExceeded) })
	l.late.Stop()
	l.done = func() {
		if l.late.Stop() && ctx.Err() == nil {
			used.Put(l)
		}
		// Otherwise somebody has ended it, or is about to.
	}
	return l
}

// within returns a context that is done after d. Besides what ends it sooner, which is to
// happen when ctx is done, and what is to be called when that cannot happen any more. Limits
// are taken from used and go there again; nil: it is a context like any other, because somebody
// may keep it and expect that it ends.
func within(ctx context.Context, d time.Duration, used *sync.Pool) (_ context.Context, hangUp, done func()) {
	if used == nil {
		bounded, cancel := context.WithTimeout(ctx, d)
		return bounded, cancel, cancel
	}
	l, ok := used.Get().(*limit)
	if !ok {
		l = newLimit(used)
	}
	e := &errand{limit: l, caller: ctx, until: time.Now().Add(d)}
	if until, ok := ctx.Deadline(); ok && until.Before(e.until) {
		e.until = until
	}
	l.late.Reset(time.Until(e.until))
	return e, l.hangUp, l.done
}

// Deadline implements context.Context.
func (e *errand) Deadline() (time.Time, bool) { return e.until, true }

// Err implements context.Context.
func (e *errand) Err() error {
	err := e.Context.Err()
	if err != nil && context.Cause(e.Context) == context.DeadlineExceeded {
		return context.DeadlineExceeded
	}
	return err
}

// Value implements context.Context.
func (e *errand) Value(key any) any {
	if v := e.Context.Value(key); v != nil {
		return v
	}
	return e.caller.Value(key)
}
