package events_test

import (
	"slices"
	"sync"
	"testing"

	"github.com/parley-mail/parley/events"
)

func TestBusCallsInOrderWhoWants(t *testing.T) {
	var b events.Bus
	var got []string
	note := func(name string) events.Handler {
		return func(e events.Event) { got = append(got, name+" "+e.Kind().String()) }
	}
	b.Subscribe(events.All, note("a"))
	cancel := b.Subscribe(events.Of(events.KindGreeted), note("b"))
	b.Subscribe(events.Of(events.KindGreeted, events.KindClosed), note("c"))
	b.Publish(&events.Greeted{})
	b.Publish(&events.Closed{})
	cancel()
	cancel()
	b.Publish(&events.Greeted{})
	want := []string{"a greeted", "b greeted", "c greeted", "a closed", "c closed", "a greeted", "c greeted"}
	if !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}

func TestBusWants(t *testing.T) {
	var b events.Bus
	if b.Wants() != 0 {
		t.Errorf("a new bus wants %b", b.Wants())
	}
	first := b.Subscribe(events.Of(events.KindGreeted, events.KindClosed), func(events.Event) {})
	second := b.Subscribe(events.Of(events.KindClosed, events.KindNotice), func(events.Event) {})
	if got, want := b.Wants(), events.Of(events.KindGreeted, events.KindClosed, events.KindNotice); got != want {
		t.Errorf("wants %b, want %b", got, want)
	}
	first()
	if got, want := b.Wants(), events.Of(events.KindClosed, events.KindNotice); got != want {
		t.Errorf("wants %b, want %b", got, want)
	}
	second()
	if b.Wants() != 0 {
		t.Errorf("a deserted bus wants %b", b.Wants())
	}
}

func TestNilBus(t *testing.T) {
	var b *events.Bus
	b.Publish(&events.Greeted{})
	if b.Wants() != 0 {
		t.Error("a nil bus wants something")
	}
}

// What a handler changes counts from the next event on: the list in use is not
// touched.
func TestHandlersMayCancelAndSubscribe(t *testing.T) {
	var b events.Bus
	var got []string
	var cancelFirst, cancelLast func()
	cancelFirst = b.Subscribe(events.All, func(events.Event) {
		got = append(got, "first")
		cancelFirst()
		cancelLast()
		b.Subscribe(events.All, func(events.Event) { got = append(got, "new") })
	})
	b.Subscribe(events.All, func(events.Event) { got = append(got, "middle") })
	cancelLast = b.Subscribe(events.All, func(events.Event) { got = append(got, "last") })
	b.Publish(&events.Notice{})
	b.Publish(&events.Notice{})
	if want := []string{"first", "middle", "last", "middle", "new"}; !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}

// A panic goes up to the publisher and leaves the bus as it was.
func TestPanicOfAHandler(t *testing.T) {
	var b events.Bus
	cancel := b.Subscribe(events.All, func(events.Event) { panic("handler") })
	func() {
		defer func() {
			if r := recover(); r != "handler" {
				t.Errorf("recovered %v", r)
			}
		}()
		b.Publish(&events.Notice{})
	}()
	cancel()
	b.Publish(&events.Notice{})
}

func TestBusUnderConcurrentSubscribers(t *testing.T) {
	var b events.Bus
	var mu sync.Mutex
	seen := 0
	b.Subscribe(events.All, func(events.Event) { mu.Lock(); seen++; mu.Unlock() })
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 100 {
				cancel := b.Subscribe(events.All, func(events.Event) {})
				b.Publish(&events.Notice{})
				_ = b.Wants()
				cancel()
			}
		})
	}
	wg.Wait()
	if seen != 400 || b.Wants() != events.All {
		t.Errorf("saw %d of 400, wants %b", seen, b.Wants())
	}
}

func TestPublishDoesNotAllocate(t *testing.T) {
	e := &events.CommandSent{}
	for _, n := range []int{0, 3} {
		b := busOf(n)
		if allocs := testing.AllocsPerRun(100, func() { b.Publish(e) }); allocs != 0 {
			t.Errorf("%v allocations for %d handlers", allocs, n)
		}
	}
}

func BenchmarkPublish(b *testing.B) {
	e := &events.CommandSent{}
	for _, c := range []struct {
		name string
		n    int
	}{{"nobody", 0}, {"3 handlers", 3}} {
		b.Run(c.name, func(b *testing.B) {
			bus := busOf(c.n)
			b.ReportAllocs()
			for b.Loop() {
				bus.Publish(e)
			}
		})
	}
}

// busOf returns a bus with n handlers that do next to nothing.
func busOf(n int) *events.Bus {
	b, seen := &events.Bus{}, 0
	for range n {
		b.Subscribe(events.All, func(events.Event) { seen++ })
	}
	return b
}
