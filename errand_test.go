package parley_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/parley-mail/parley"
)

// An errand is a context like any other, whether what ends it is new or was used before; what
// has ended one ends no other.
func TestErrand(t *testing.T) {
	bubble(t, func(t *testing.T) {
		type key struct{}
		caller := context.WithValue(t.Context(), key{}, "value")
		used := &sync.Pool{}
		for range 3 {
			start := time.Now()
			ctx, _, done := parley.Within(caller, time.Second, used)
			child, cancel := context.WithCancel(ctx)
			if ctx.Value(key{}) != "value" || child.Value(key{}) != "value" || ctx.Err() != nil {
				t.Error("it is not the caller's")
			}
			if until, ok := child.Deadline(); !ok || !until.Equal(start.Add(time.Second)) {
				t.Errorf("deadline %v, %v", until, ok)
			}
			cancel()
			time.Sleep(time.Millisecond)
			done()
		}

		start := time.Now()
		ctx, _, done := parley.Within(caller, time.Second, used)
		<-ctx.Done()
		if took := time.Since(start); took != time.Second || !errors.Is(ctx.Err(), context.DeadlineExceeded) {
			t.Errorf("%v after %v", ctx.Err(), took)
		}
		done()

		ctx, hangUp, done := parley.Within(caller, time.Second, used)
		if ctx.Err() != nil {
			t.Errorf("the end of another: %v", ctx.Err())
		}
		child, cancel := context.WithCancel(ctx)
		defer cancel()
		hangUp()
		<-child.Done()
		if !errors.Is(ctx.Err(), context.Canceled) {
			t.Error(ctx.Err())
		}
		done()
		if used.Get() != nil {
			t.Error("what has ended one is there for another")
		}

		early, cancel := context.WithTimeout(caller, time.Minute)
		defer cancel()
		ctx, _, done = parley.Within(early, time.Hour, used)
		defer done()
		if until, _ := ctx.Deadline(); time.Until(until) != time.Minute {
			t.Errorf("the caller's deadline is sooner than %v", until)
		}
	})
}
