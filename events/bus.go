package events

import (
	"slices"
	"sync"
	"sync/atomic"
)

// Handler is called with each event, on the goroutine of the session. The event is
// borrowed; see [Clone]. A handler must not call back into the session that fires it.
type Handler func(Event)

// Bus hands events to subscribers. The zero value is ready; publishing to nobody
// costs one load. Subscribing is safe at any time and from any goroutine; events
// being published meanwhile may or may not reach the new subscriber.
type Bus struct {
	mu   sync.Mutex // serialises writers of list
	list atomic.Pointer[[]*subscriber]
	set  atomic.Uint64 // union of what is wanted
}

type subscriber struct {
	set    Set
	handle Handler
}

// Subscribe has handle called for every event whose kind is in set, after those who
// subscribed before. It returns a function that ends the subscription; to call it
// again does nothing.
func (b *Bus) Subscribe(set Set, handle Handler) (cancel func()) {
	s := &subscriber{set, handle}
	b.change(func(list []*subscriber) []*subscriber { return append(list, s) })
	return func() {
		b.change(func(list []*subscriber) []*subscriber {
			return slices.DeleteFunc(list, func(o *subscriber) bool { return o == s })
		})
	}
}

// Wants returns the kinds that somebody listens to. Who builds costly events asks
// first.
func (b *Bus) Wants() Set {
	if b == nil {
		return 0
	}
	return Set(b.set.Load())
}

// Publish calls every subscriber that wants e, in the order of their subscription.
// A handler may subscribe and cancel; that counts from the next event on. A nil bus
// has no subscribers. What a handler panics with goes up to the publisher.
func (b *Bus) Publish(e Event) {
	if b == nil {
		return
	}
	list := b.list.Load()
	if list == nil {
		return
	}
	for _, s := range *list {
		if s.set == All || s.set.Has(e.Kind()) { // who wants all need not be asked
			s.handle(e)
		}
	}
}

// change replaces the list by an edited copy, so that Publish needs no lock.
func (b *Bus) change(edit func([]*subscriber) []*subscriber) {
	b.mu.Lock()
	defer b.mu.Unlock()
	var list []*subscriber
	if old := b.list.Load(); old != nil {
		list = slices.Clone(*old)
	}
	list = edit(list)
	var set Set
	for _, s := range list {
		set |= s.set
	}
	b.list.Store(&list)
	b.set.Store(uint64(set))
}
