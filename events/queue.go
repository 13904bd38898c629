package events

import (
	"slices"
	"sync"
)

// Queue keeps events until they are asked for, so that handlers run on the caller's
// goroutine and when the caller wants: subscribe Put, then call Deliver. It is safe
// for concurrent use and bounded: beyond Limit the oldest are dropped and counted.
type Queue struct {
	Handle Handler
	Limit  int // 0: 4096

	mu      sync.Mutex
	waiting []Event
	dropped uint64
}

// Put keeps a copy of e.
func (q *Queue) Put(e Event) {
	limit := q.Limit
	if limit <= 0 {
		limit = 4096
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if excess := len(q.waiting) - limit + 1; excess > 0 {
		q.waiting = slices.Delete(q.waiting, 0, excess)
		q.dropped += uint64(excess)
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
func (q *Queue) Dropped() uint64 {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.dropped
}
