package load

import (
	"encoding/json"
	"io"
	"runtime"
	"sync"
	"time"

	"github.com/parley-mail/parley/internal/rusage"
)

// Result is the line that a client prints. A program that cannot tell a figure leaves
// it out.
type Result struct {
	Seconds  float64  `json:"seconds"` // of sending only
	Messages int      `json:"messages"`
	CPUUser  float64  `json:"cpu_user"` // seconds
	CPUSys   float64  `json:"cpu_sys"`
	Allocs   *float64 `json:"allocs_per_msg,omitempty"` // with Hold: for each session
	Bytes    *float64 `json:"bytes_per_msg,omitempty"`
	// Peak is the most memory that was in use above that of the program when it had its
	// message and no session yet, in KiB.
	Peak *float64 `json:"peak_kib,omitempty"`

	// With Hold only.
	RSS        float64 `json:"rss_kib_per_session,omitempty"`
	Heap       float64 `json:"heap_kib_per_session,omitempty"`
	Goroutines int     `json:"goroutines,omitempty"`
}

// Session is a client with a connection.
type Session interface {
	// Send sends n messages, one after the other.
	Send(n int) error
	// Close ends the session with QUIT.
	Close() error
}

// Opener connects and says EHLO. It may be called by several goroutines.
type Opener func() (Session, error)

// Run sends the load, measures that, and prints the line.
func Run(l *Load, open Opener, out io.Writer) error {
	if l.Hold {
		return hold(l, open, out)
	}
	beside := rusage.WatchMemory()
	var r *Result
	var err error
	if l.Reconnect {
		r, err = reconnect(l, open)
	} else {
		r, err = keep(l, open)
	}
	if err != nil {
		return err
	}
	r.Messages, r.Peak = l.Messages, beside()
	return json.NewEncoder(out).Encode(r)
}

// keep sends all over sessions that stay.
func keep(l *Load, open Opener) (*Result, error) {
	sessions := make([]Session, l.Sessions)
	for i := range sessions {
		s, err := open()
		if err != nil {
			return nil, err
		}
		sessions[i] = s
	}
	warm := 4
	if l.Size >= 1<<20 {
		warm = 1
	}
	err := each(l.Sessions, func(i int) error { return sessions[i].Send(warm) })
	if err != nil {
		return nil, err
	}
	r, err := measure(l.Messages, func() error {
		return each(l.Sessions, func(i int) error { return sessions[i].Send(share(l, i)) })
	})
	if err != nil {
		return nil, err
	}
	return r, each(l.Sessions, func(i int) error { return sessions[i].Close() })
}

// reconnect opens a session for each message.
func reconnect(l *Load, open Opener) (*Result, error) {
	some := func(n int) error {
		for range n {
			s, err := open()
			if err != nil {
				return err
			}
			if err := s.Send(1); err != nil {
				return err
			}
			if err := s.Close(); err != nil {
				return err
			}
		}
		return nil
	}
	if err := some(4); err != nil {
		return nil, err
	}
	return measure(l.Messages, func() error {
		return each(l.Sessions, func(i int) error { return some(share(l, i)) })
	})
}

// share is how many messages the session i sends.
func share(l *Load, i int) int {
	n := l.Messages / l.Sessions
	if i < l.Messages%l.Sessions {
		n++
	}
	return n
}

// each calls work for every session, at once if there are several; one runs as in a
// program that has one.
func each(n int, work func(i int) error) error {
	if n == 1 {
		return work(0)
	}
	var all sync.WaitGroup
	failed := make(chan error, n)
	for i := range n {
		all.Go(func() {
			if err := work(i); err != nil {
				failed <- err
			}
		})
	}
	all.Wait()
	close(failed)
	return <-failed
}

func measure(n int, work func() error) (*Result, error) {
	r := new(Result)
	runtime.GC()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	user, sys := rusage.CPU()
	start := time.Now()
	err := work()
	r.Seconds = time.Since(start).Seconds()
	u, y := rusage.CPU()
	runtime.ReadMemStats(&after)
	r.CPUUser, r.CPUSys = (u - user).Seconds(), (y - sys).Seconds()
	allocs, octets := float64(after.Mallocs-before.Mallocs)/float64(n), float64(after.TotalAlloc-before.TotalAlloc)/float64(n)
	r.Allocs, r.Bytes = &allocs, &octets
	return r, err
}

// hold opens the sessions and tells what each costs while it idles.
func hold(l *Load, open Opener, out io.Writer) error {
	var sessions []Session
	more := func(n int) error {
		for range n {
			s, err := open()
			if err != nil {
				return err
			}
			sessions = append(sessions, s)
		}
		return nil
	}
	if err := more(4); err != nil {
		return err
	}
	var before, opened, after runtime.MemStats
	rusage.Settle()
	runtime.ReadMemStats(&before)
	rss, goroutines := rusage.Resident(), runtime.NumGoroutine()
	if err := more(l.Sessions); err != nil {
		return err
	}
	runtime.ReadMemStats(&opened)
	rusage.Settle()
	runtime.ReadMemStats(&after)
	n := float64(l.Sessions)
	allocs, octets := float64(opened.Mallocs-before.Mallocs)/n, float64(opened.TotalAlloc-before.TotalAlloc)/n
	r := Result{
		RSS: float64(rusage.Resident()-rss) / 1024 / n, Heap: (float64(after.HeapAlloc) - float64(before.HeapAlloc)) / 1024 / n,
		Goroutines: runtime.NumGoroutine() - goroutines, Allocs: &allocs, Bytes: &octets,
	}
	runtime.KeepAlive(sessions)
	return json.NewEncoder(out).Encode(r)
}
