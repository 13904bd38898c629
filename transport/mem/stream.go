package mem

import (
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"time"
)

// stream is one direction of a link: a bounded queue of octets, each with the
// moment at which it arrives.
type stream struct {
	options Options

	mu      sync.Mutex
	changed sync.Cond // on mu: anything below has changed, or a moment has come

	queue []byte // written and not read
	head  int    // of the queue
	// Arrivals of the queue's octets, in order. Without latency and bandwidth it
	// stays empty, and everything has arrived.
	arrivals []arrival
	lineFree time.Time // when the sender's line is free again

	ended      bool      // the writer has said its last
	endArrives time.Time // when the reader learns of it
	writerGone bool      // the writing end is closed
	readerGone bool      // the reading end is closed
	lost       error     // the connection is lost

	readDeadline, writeDeadline deadline
}

// arrival says that n octets of the queue come at a moment.
type arrival struct {
	n  int
	at time.Time
}

type deadline struct {
	at    time.Time
	timer *time.Timer
}

// packet is the most that travels as one when bandwidth is limited.
const packet = 1460

func newStream(o Options) *stream {
	s := &stream{options: o}
	s.changed.L = &s.mu
	return s
}

func (s *stream) read(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for {
		now := time.Now()
		switch {
		case s.readerGone:
			return 0, net.ErrClosed
		case s.lost != nil:
			return 0, s.lost
		case s.readDeadline.passed(now):
			return 0, os.ErrDeadlineExceeded
		}
		if len(p) == 0 {
			return 0, nil
		}
		if n := min(s.arrived(now), len(p)); n > 0 {
			s.take(p[:n])
			return n, nil
		}
		if s.atEnd(now) {
			return 0, io.EOF
		}
		s.wait(s.nextArrival())
	}
}

func (s *stream) write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	written := 0
	for {
		now := time.Now()
		switch {
		case s.writerGone:
			return written, net.ErrClosed
		case s.lost != nil:
			return written, s.lost
		case s.ended, s.readerGone:
			return written, syscall.EPIPE
		case s.writeDeadline.passed(now):
			return written, os.ErrDeadlineExceeded
		}
		for written < len(p) {
			room := s.options.Buffer - (len(s.queue) - s.head)
			if room <= 0 {
				break
			}
			n := min(room, len(p)-written)
			if s.options.Bandwidth > 0 {
				n = min(n, packet)
			}
			s.put(p[written:written+n], now)
			written += n
		}
		if written == len(p) {
			return written, nil
		}
		s.changed.Wait()
	}
}

// put queues p and works out when it arrives.
func (s *stream) put(p []byte, now time.Time) {
	if s.head > 0 && len(s.queue)+len(p) > cap(s.queue) {
		s.queue = s.queue[:copy(s.queue, s.queue[s.head:])]
		s.head = 0
	}
	s.queue = append(s.queue, p...)
	if s.options.Latency > 0 || s.options.Bandwidth > 0 {
		if s.lineFree.Before(now) {
			s.lineFree = now
		}
		if s.options.Bandwidth > 0 {
			s.lineFree = s.lineFree.Add(time.Duration(float64(len(p)) / float64(s.options.Bandwidth) * float64(time.Second)))
		}
		s.arrivals = append(s.arrivals, arrival{len(p), s.lineFree.Add(s.options.Latency)})
	}
	s.changed.Broadcast()
}

// take moves octets that have arrived into p.
func (s *stream) take(p []byte) {
	copy(p, s.queue[s.head:])
	s.head += len(p)
	for n := len(p); n > 0 && len(s.arrivals) > 0; {
		k := min(n, s.arrivals[0].n)
		if s.arrivals[0].n -= k; s.arrivals[0].n == 0 {
			s.arrivals = s.arrivals[1:]
		}
		n -= k
	}
	if s.head == len(s.queue) {
		s.queue, s.head = s.queue[:0], 0
	}
	s.changed.Broadcast()
}

func (s *stream) arrived(now time.Time) int {
	if s.options.Latency <= 0 && s.options.Bandwidth <= 0 {
		return len(s.queue) - s.head
	}
	n := 0
	for _, a := range s.arrivals {
		if a.at.After(now) {
			break
		}
		n += a.n
	}
	return n
}

func (s *stream) atEnd(now time.Time) bool {
	return s.ended && s.head == len(s.queue) && !s.endArrives.After(now)
}

// nextArrival is the moment at which a reader has something new to look at
// although nobody does anything; zero: there is none.
func (s *stream) nextArrival() time.Time {
	switch {
	case len(s.arrivals) > 0:
		return s.arrivals[0].at
	case s.ended:
		return s.endArrives
	}
	return time.Time{}
}

// wait waits for a change or for the moment t.
func (s *stream) wait(t time.Time) {
	if !t.IsZero() {
		timer := time.AfterFunc(time.Until(t), s.wake)
		defer timer.Stop()
	}
	s.changed.Wait()
}

func (s *stream) wake() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.changed.Broadcast()
}

func (s *stream) readable() (bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch now := time.Now(); {
	case s.readerGone:
		return true, net.ErrClosed
	case s.lost != nil:
		return true, s.lost
	default:
		return s.arrived(now) > 0 || s.atEnd(now), nil
	}
}

// end closes the stream behind what was written.
func (s *stream) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended {
		return
	}
	now := time.Now()
	if s.lineFree.Before(now) {
		s.lineFree = now
	}
	s.ended, s.endArrives = true, s.lineFree.Add(s.options.Latency)
	s.changed.Broadcast()
}

func (s *stream) closeWriter() {
	s.end()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.writerGone = true
	s.writeDeadline.stop()
	s.changed.Broadcast()
}

func (s *stream) closeReader() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.readerGone = true
	s.readDeadline.stop()
	s.queue, s.head, s.arrivals = nil, 0, nil
	s.changed.Broadcast()
}

func (s *stream) lose(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.lost == nil {
		s.lost = err
	}
	s.queue, s.head, s.arrivals = nil, 0, nil
	s.changed.Broadcast()
}

func (s *stream) setDeadline(d *deadline, t time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	d.stop()
	d.at = t
	if !t.IsZero() {
		if wait := time.Until(t); wait > 0 {
			d.timer = time.AfterFunc(wait, s.wake)
		}
	}
	s.changed.Broadcast()
}

func (d *deadline) stop() {
	if d.timer != nil {
		d.timer.Stop()
		d.timer = nil
	}
}

func (d *deadline) passed(now time.Time) bool { return !d.at.IsZero() && !now.Before(d.at) }

func isEOF(err error) bool { return errors.Is(err, io.EOF) }
