package events

import (
	"strconv"
	"sync"
)

// Overflow says what an [AsyncHandler] does with an event when its buffer is full.
type Overflow uint8

// The overflow policies.
const (
	Block      Overflow = iota // the session waits for the handler
	DropNewest                 // the event is not kept
	DropOldest                 // the oldest event waiting makes room
)

var overflowNames = [...]string{"block", "drop-newest", "drop-oldest"}

// String returns "block", "drop-newest" or "drop-oldest".
func (o Overflow) String() string {
	if int(o) < len(overflowNames) {
		return overflowNames[o]
	}
	return "overflow(" + strconv.Itoa(int(o)) + ")"
}

// AsyncHandler is a handler that runs on a goroutine of its own. Of all events that
// reach it each is handled or counted by Dropped, in the end.
type AsyncHandler struct {
	handle Handler
	policy Overflow
	cancel func()
	done   chan struct{}

	mu      sync.Mutex
	change  sync.Cond // of anything below
	ring    []Event   // what waits: n events from first on
	first   int
	n       int
	dropped uint64
	stopped bool
}

// Async subscribes handle to b so that it runs on a goroutine of its own, behind a
// buffer of n events (at least 1). With [Block] the handler must not publish to b:
// it could wait for itself.
func Async(b *Bus, set Set, n int, policy Overflow, handle Handler) *AsyncHandler {
	a := &AsyncHandler{handle: handle, policy: policy, done: make(chan struct{}), ring: make([]Event, max(n, 1))}
	a.change.L = &a.mu
	go a.run()
	a.cancel = b.Subscribe(set, func(e Event) { a.put(Clone(e)) })
	return a
}

// Dropped returns how many events were lost: they found the buffer full, or came
// while Stop was called.
func (a *AsyncHandler) Dropped() uint64 {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.dropped
}

// Stop ends the subscription, waits until everything in the buffer is handled, and
// returns. It may be called twice, but not from the handler.
func (a *AsyncHandler) Stop() {
	a.cancel()
	a.mu.Lock()
	a.stopped = true
	a.change.Broadcast()
	a.mu.Unlock()
	<-a.done
}

func (a *AsyncHandler) put(e Event) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for a.policy == Block && a.n == len(a.ring) && !a.stopped {
		a.change.Wait()
	}
	switch full := a.n == len(a.ring); {
	case a.stopped, full && a.policy == DropNewest:
		a.dropped++
		return
	case full:
		a.take()
		a.dropped++
	}
	a.ring[(a.first+a.n)%len(a.ring)] = e
	a.n++
	a.change.Broadcast()
}

// take removes the oldest event.
func (a *AsyncHandler) take() Event {
	e := a.ring[a.first]
	a.ring[a.first] = nil
	a.first = (a.first + 1) % len(a.ring)
	a.n--
	return e
}

func (a *AsyncHandler) run() {
	defer close(a.done)
	for {
		a.mu.Lock()
		for a.n == 0 && !a.stopped {
			a.change.Wait()
		}
		if a.n == 0 {
			a.mu.Unlock()
			return
		}
		e := a.take()
		a.change.Broadcast()
		a.mu.Unlock()
		a.handle(e)
	}
}
