package events

import (
	"slices"
	"sync"
)

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
