package events_test

import (
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"go.uber.org/goleak"

	"github.com/parley-mail/parley/events"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func notice(seq uint64) *events.Notice { return &events.Notice{Meta: events.Meta{Seq: seq}} }

func TestAsyncHandlesEverythingInOrderBeforeStopReturns(t *testing.T) {
	var b events.Bus
	var got []uint64
	a := events.Async(&b, events.Of(events.KindNotice), 0, events.Block, func(e events.Event) { got = append(got, e.About().Seq) })
	e := notice(0)
	var want []uint64
	for seq := range uint64(100) {
		e.Seq = seq // borrowed: the handler must have its own
		b.Publish(e)
		b.Publish(&events.Closed{})
		want = append(want, seq)
	}
	a.Stop()
	a.Stop()
	b.Publish(e)
	if !slices.Equal(got, want) || a.Dropped() != 0 {
		t.Errorf("handled %v, dropped %d", got, a.Dropped())
	}
}

// With the handler held up, a full buffer does what its policy says.
func TestAsyncOverflow(t *testing.T) {
	for policy, want := range map[events.Overflow]struct {
		handled []uint64
		dropped uint64
	}{
		events.DropNewest: {[]uint64{1, 2, 3}, 3},
		events.DropOldest: {[]uint64{1, 5, 6}, 3},
		events.Block:      {[]uint64{1, 2, 3, 4, 5, 6}, 0},
	} {
		t.Run(policy.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var b events.Bus
				var got []uint64
				gate := make(chan struct{})
				a := events.Async(&b, events.All, 2, policy, func(e events.Event) {
					<-gate
					got = append(got, e.About().Seq)
				})
				b.Publish(notice(1))
				synctest.Wait() // the handler has it and waits
				published := false
				go func() {
					for seq := uint64(2); seq <= 6; seq++ {
						b.Publish(notice(seq))
					}
					published = true
				}()
				synctest.Wait()
				if blocked := policy == events.Block; published == blocked {
					t.Errorf("published: %v", published)
				}
				close(gate)
				synctest.Wait()
				a.Stop()
				if !slices.Equal(got, want.handled) || a.Dropped() != want.dropped {
					t.Errorf("handled %v, dropped %d; want %v", got, a.Dropped(), want)
				}
			})
		})
	}
}

// Stop frees a publisher that waits for room; its event counts as dropped.
func TestStopFreesAPublisher(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var b events.Bus
		handled := 0
		gate := make(chan struct{})
		a := events.Async(&b, events.All, 1, events.Block, func(events.Event) { <-gate; handled++ })
		go func() {
			for range 3 { // one with the handler, one in the buffer, one waiting
				b.Publish(notice(1))
			}
		}()
		synctest.Wait()
		go a.Stop()
		synctest.Wait()
		if a.Dropped() != 1 {
			t.Errorf("%d dropped", a.Dropped())
		}
		close(gate)
		a.Stop()
		if handled != 2 {
			t.Errorf("%d handled", handled)
		}
	})
}

// Whatever happens at the same time, each event that reached the handler's door is
// handled or counted.
func TestAsyncLosesNothingUncounted(t *testing.T) {
	for _, policy := range []events.Overflow{events.Block, events.DropNewest, events.DropOldest} {
		var b events.Bus
		var reached, handled atomic.Uint64
		b.Subscribe(events.All, func(events.Event) { reached.Add(1) })
		a := events.Async(&b, events.All, 3, policy, func(events.Event) { handled.Add(1) })
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				for seq := range uint64(200) {
					b.Publish(notice(seq))
				}
			})
		}
		wg.Wait()
		a.Stop()
		if got := handled.Load() + a.Dropped(); got != reached.Load() || got != 800 {
			t.Errorf("%v: %d handled, %d dropped, %d published", policy, handled.Load(), a.Dropped(), reached.Load())
		}
	}
}

func TestStopWhilePublishing(t *testing.T) {
	var b events.Bus
	var handled atomic.Uint64
	a := events.Async(&b, events.All, 2, events.Block, func(events.Event) { handled.Add(1) })
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for seq := range uint64(200) {
				b.Publish(notice(seq))
			}
		})
	}
	wg.Go(a.Stop)
	wg.Go(a.Stop)
	wg.Wait()
	after := handled.Load()
	b.Publish(notice(1))
	if handled.Load() != after || b.Wants() != 0 {
		t.Error("a stopped handler is still called")
	}
}

func TestQueueDeliversOnDemand(t *testing.T) {
	var b events.Bus
	var got []uint64
	q := &events.Queue{}
	q.Handle = func(e events.Event) {
		got = append(got, e.About().Seq)
		if e.About().Seq == 1 {
			b.Publish(notice(10)) // comes with the next delivery
		}
	}
	b.Subscribe(events.All, q.Put)
	e := notice(0)
	for seq := uint64(1); seq <= 3; seq++ {
		e.Seq = seq
		b.Publish(e)
	}
	if len(got) != 0 {
		t.Fatalf("handled %v before it was asked for", got)
	}
	if n := q.Deliver(); n != 3 || !slices.Equal(got, []uint64{1, 2, 3}) {
		t.Errorf("delivered %d: %v", n, got)
	}
	if n := q.Deliver(); n != 1 || got[3] != 10 {
		t.Errorf("delivered %d: %v", n, got)
	}
	if n := q.Deliver(); n != 0 || q.Dropped() != 0 {
		t.Errorf("delivered %d of nothing, dropped %d", n, q.Dropped())
	}
}

func TestQueueIsBounded(t *testing.T) {
	var got []uint64
	q := &events.Queue{Limit: 3, Handle: func(e events.Event) { got = append(got, e.About().Seq) }}
	for seq := range uint64(10) {
		q.Put(notice(seq))
	}
	if n := q.Deliver(); n != 3 || !slices.Equal(got, []uint64{7, 8, 9}) || q.Dropped() != 7 {
		t.Errorf("delivered %d: %v, dropped %d", n, got, q.Dropped())
	}
	q = &events.Queue{Handle: func(events.Event) {}}
	for seq := range uint64(5000) {
		q.Put(notice(seq))
	}
	if n := q.Deliver(); n != 4096 || q.Dropped() != 904 {
		t.Errorf("delivered %d, dropped %d", n, q.Dropped())
	}
}

func TestQueueIsSafeForConcurrentUse(t *testing.T) {
	var handled atomic.Uint64
	q := &events.Queue{Limit: 5, Handle: func(events.Event) { handled.Add(1) }}
	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() {
			for seq := range uint64(200) {
				q.Put(notice(seq))
				if seq%10 == 0 {
					q.Deliver()
				}
			}
		})
	}
	wg.Wait()
	q.Deliver()
	if got := handled.Load() + q.Dropped(); got != 600 {
		t.Errorf("%d of 600", got)
	}
}

func TestRecorder(t *testing.T) {
	var b events.Bus
	var r events.Recorder
	b.Subscribe(events.All, r.Record)
	e := notice(1)
	b.Publish(e)
	e.Seq = 2
	b.Publish(&events.Closed{})
	if got := r.Events(); len(got) != 2 || got[0].About().Seq != 1 {
		t.Errorf("recorded %v", got)
	}
	if got := r.Kinds(); !slices.Equal(got, []events.Kind{events.KindNotice, events.KindClosed}) {
		t.Errorf("recorded %v", got)
	}
	r.Events()[0] = nil
	if r.Events()[0] == nil {
		t.Error("the record was changed through its copy")
	}
}
