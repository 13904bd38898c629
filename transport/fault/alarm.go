package fault

import (
	"net"
	"os"
	"sync"
	"time"
)

// alarm is a deadline that can be waited for, and moved meanwhile.
type alarm struct {
	mu    sync.Mutex
	at    time.Time
	moved chan struct{} // closed and replaced when at changes
}

func (a *alarm) init() { a.moved = make(chan struct{}) }

func (a *alarm) set(t time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.at = t
	close(a.moved)
	a.moved = make(chan struct{})
}

// wait returns nil after d, or an error at the deadline or when closed is
// closed, whichever comes first. A negative d is for ever.
func (a *alarm) wait(closed <-chan struct{}, d time.Duration) error {
	var over <-chan time.Time
	if d >= 0 {
		timer := time.NewTimer(d)
		defer timer.Stop()
		over = timer.C
	}
	for {
		a.mu.Lock()
		at, moved := a.at, a.moved
		a.mu.Unlock()
		var alarm <-chan time.Time
		var timer *time.Timer
		if !at.IsZero() {
			timer = time.NewTimer(time.Until(at))
			alarm = timer.C
		}
		var err error
		again := false
		select {
		case <-closed:
			err = net.ErrClosed
		case <-alarm:
			err = os.ErrDeadlineExceeded
		case <-over:
		case <-moved:
			again = true
		}
		if timer != nil {
			timer.Stop()
		}
		if !again {
			return err
		}
	}
}
