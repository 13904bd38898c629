package events

import (
	"slices"
	"sync"
	"sync/atomic"
)

// Clone returns a copy of e that owns its memory.
func Clone(e Event) Event {
	switch e := e.(type) {
	case *Connected:
		return clone(e)
	case *Greeted:
		c := clone(e)
		c.Reply = e.Reply.Clone()
		return c
	case *ExtensionsOffered:
		c := clone(e)
		if e.Extensions != nil {
			c.Extensions = e.Extensions.Clone()
		}
		return c
	case *Secured:
		return clone(e)
	case *Authenticated:
		return clone(e)
	case *CommandSent:
		c := clone(e)
		c.Line = slices.Clone(e.Line)
		return c
	case *ReplyReceived:
		c := clone(e)
		c.Reply = e.Reply.Clone()
		return c
	case *StateChanged:
		return clone(e)
	case *SenderAccepted:
		c := clone(e)
		c.Reply = e.Reply.Clone()
		return c
	case *SenderRefused:
		c := clone(e)
		c.Reply = e.Reply.Clone()
		return c
	case *RecipientAccepted:
		c := clone(e)
		c.Reply = e.Reply.Clone()
		return c
	case *RecipientRefused:
		c := clone(e)
		c.Reply = e.Reply.Clone()
		return c
	case *ContentSent:
		return clone(e)
	case *Accepted:
		c := clone(e)
		c.Reply = e.Reply.Clone()
		return c
	case *Rejected:
		c := clone(e)
		c.Reply = e.Reply.Clone()
		return c
	case *OutcomeUnknown:
		return clone(e)
	case *Anomaly:
		return clone(e)
	case *Violation:
		return clone(e)
	case *Notice:
		return clone(e)
	case *Closed:
		return clone(e)
	case *ConnectionStatus:
		return clone(e)
	case *PITrail:
		return clone(e)
	case *StartTransfer:
		return clone(e)
	case *Transfer:
		c := clone(e)
		c.Text = slices.Clone(e.Text)
		return c
	case *EndTransfer:
		return clone(e)
	case *Expand:
		return clone(e)
	case *Error:
		return clone(e)
	case *SSLServerAuthentication:
		c := clone(e)
		c.CertEncoded = slices.Clone(e.CertEncoded)
		return c
	case *SSLStatus:
		return clone(e)
	}
	return e
}

func clone[T any](e *T) *T {
	c := *e
	return &c
}

// Queue keeps events until they are asked for, so that handlers run on the caller's
// goroutine and when the caller wants: subscribe Put, then call Deliver. It is safe
// for concurrent use and bounded: beyond Limit the oldest are dropped and counted.
type Queue struct {
	Handle Handler
	Limit  int // 0: 4096

	mu      sync.Mutex
	waiting []Event
	dropped atomic.Uint64
}

// Put keeps a copy of e.
func (q *Queue) Put(e Event) {
	limit := q.Limit
	if limit <= 0 {
		limit = 4096
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.waiting) >= limit {
		q.waiting = slices.Delete(q.waiting, 0, len(q.waiting)-limit+1)
		q.dropped.Add(1)
	}
	q.waiting = append(q.waiting, Clone(e))
}

// Deliver calls Handle for what has been kept so far and returns how many events
// that were.
func (q *Queue) Deliver() int {
	q.mu.Lock()
	batch := q.waiting
	q.waiting = nil
	q.mu.Unlock()
	for _, e := range batch {
		q.Handle(e)
	}
	return len(batch)
}

// Dropped returns how many events were lost because nobody delivered them.
func (q *Queue) Dropped() uint64 { return q.dropped.Load() }

// Overflow says what [Async] does with an event when its buffer is full.
type Overflow uint8

// The overflow policies.
const (
	Block      Overflow = iota // the session waits for the handler
	DropNewest                 // the event is not kept
	DropOldest                 // the oldest event waiting makes room
)

// AsyncHandler is the handle on a handler that runs on a goroutine of its own.
type AsyncHandler struct {
	cancel  func()
	events  chan Event
	stop    chan struct{}
	done    chan struct{}
	once    sync.Once
	dropped atomic.Uint64
}

// Async subscribes handle to b so that it runs on its own goroutine, behind a buffer
// of n events (at least 1).
func Async(b *Bus, set Set, n int, policy Overflow, handle Handler) *AsyncHandler {
	a := &AsyncHandler{events: make(chan Event, max(n, 1)), stop: make(chan struct{}), done: make(chan struct{})}
	go func() {
		defer close(a.done)
		for {
			select {
			case e := <-a.events:
				handle(e)
			case <-a.stop:
				for { // what was published before Stop is still delivered
					select {
					case e := <-a.events:
						handle(e)
					default:
						return
					}
				}
			}
		}
	}()
	a.cancel = b.Subscribe(set, func(e Event) { a.put(Clone(e), policy) })
	return a
}

// Dropped returns how many events found the buffer full and were lost.
func (a *AsyncHandler) Dropped() uint64 { return a.dropped.Load() }

// Stop ends the subscription, waits until what was published is handled, and
// returns. It must not be called from the handler.
func (a *AsyncHandler) Stop() {
	a.once.Do(func() {
		a.cancel()
		close(a.stop)
	})
	<-a.done
}

func (a *AsyncHandler) put(e Event, policy Overflow) {
	for {
		select {
		case a.events <- e:
			return
		default:
		}
		switch policy {
		case Block:
			select {
			case a.events <- e:
			case <-a.stop:
				a.dropped.Add(1)
			}
			return
		case DropNewest:
			a.dropped.Add(1)
			return
		case DropOldest:
			select {
			case <-a.events:
				a.dropped.Add(1)
			default:
			}
		}
	}
}

// Recorder keeps every event, for tests.
type Recorder struct {
	mu     sync.Mutex
	events []Event
}

// Record is the handler to subscribe.
func (r *Recorder) Record(e Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.events = append(r.events, Clone(e))
}

// Events returns what was recorded, in order.
func (r *Recorder) Events() []Event {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.events)
}

// Kinds returns the kinds of what was recorded, in order.
func (r *Recorder) Kinds() []Kind {
	var kinds []Kind
	for _, e := range r.Events() {
		kinds = append(kinds, e.Kind())
	}
	return kinds
}
