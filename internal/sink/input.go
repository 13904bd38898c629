package sink

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"
)

const (
	maxLine   = 12288    // of an AUTH exchange (RFC 4954 §4), and of any command
	maxExcess = 1 << 20  // of an overlong line that is skipped before we give up
	maxOutput = 64 << 10 // of replies that gather
	smallSize = 4 << 10
	largeSize = 64 << 10 // above maxLine
)

var (
	errLongLine = errors.New("sink: line too long")
	errEndless  = errors.New("sink: line without end")
	errClosing  = errors.New("sink: shutting down")
)

var largeBuffers = sync.Pool{New: func() any { return new([largeSize]byte) }}

// input is the buffer of a session: buf[r:w] has come in and was not yet taken.
type input struct {
	buf   []byte
	r, w  int
	small []byte           // own, for commands
	large *[largeSize]byte // borrowed, for content and long lines
}

// buffered returns how many octets have come in and were not yet taken.
func (in *input) buffered() int { return in.w - in.r }

// room makes room for reading. The large buffer is borrowed when asked for or when
// the small one is full, and given back when empty.
func (in *input) room(large bool) {
	rest := in.buf[in.r:in.w]
	switch {
	case in.large == nil && (large || len(rest) == smallSize):
		in.large = largeBuffers.Get().(*[largeSize]byte)
		in.buf = in.large[:]
	case in.large != nil && !large && len(rest) < smallSize:
		if in.small == nil {
			in.small = make([]byte, smallSize)
		}
		copy(in.small, rest)
		in.release()
		in.buf, in.r, in.w = in.small, 0, len(rest)
		return
	case in.buf == nil:
		in.small = make([]byte, smallSize)
		in.buf = in.small
	}
	in.r, in.w = 0, copy(in.buf, rest)
}

// release gives the large buffer back.
func (in *input) release() {
	if in.large != nil {
		largeBuffers.Put(in.large)
		in.large, in.buf = nil, nil
	}
}

// read reads once into the room there is.
func (in *input) read(r io.Reader) error {
	n, err := r.Read(in.buf[in.w:])
	in.w += n
	if n > 0 {
		return nil // an error will come again
	}
	return err
}

// fill gets more input. When it has to wait for it, what was answered goes out
// first: this is the only place in the course of a session where replies are sent.
func (s *session) fill(until time.Time) error {
	s.room(s.phase == content)
	if len(s.out) > maxOutput {
		if err := s.flush(); err != nil {
			return err
		}
	}
	var from io.Reader = s.nc
	switch ready, ok := s.nc.(interface{ Readable() (bool, error) }); {
	case s.poller != nil && s.tls == nil:
		from = s.poller // which calls turn
	case ok:
		if is, err := ready.Readable(); is && err == nil {
			break
		}
		fallthrough
	default:
		if err := s.turn(); err != nil {
			return err
		}
	}
	for {
		s.raw.SetReadDeadline(until)
		// Shutdown sets closing and then wakes us; in this order neither is missed.
		if s.srv.closing.Load() && s.phase == between {
			return errClosing
		}
		err := s.read(from)
		switch {
		case err == nil:
			return nil
		case timedOut(err) && time.Now().Before(until):
			continue // woken, see above
		case errors.Is(err, io.EOF) && s.phase == between && s.buffered() == 0:
			return fmt.Errorf("sink: closed without QUIT: %w", err)
		default:
			return fmt.Errorf("sink: reading: %w", err)
		}
	}
}

// turn sends the replies because there is nothing left to read.
func (s *session) turn() error {
	if len(s.out) > 0 {
		s.srv.stats.turns.Add(1)
	}
	return s.flush()
}

func timedOut(err error) bool {
	var ne net.Error
	return errors.As(err, &ne) && ne.Timeout()
}

// readLine returns the next command line without its CRLF, which alone ends a line
// (RFC 5321 §2.3.8). It is valid until the next fill. A longer line is skipped.
func (s *session) readLine(limit int) ([]byte, error) {
	var until time.Time // the line as a whole has to come in time
	for scanned := 0; ; {
		if i := crlf(s.buf[s.r+scanned : s.w]); i >= 0 {
			line := s.buf[s.r : s.r+scanned+i]
			s.r += len(line) + 2
			if len(line)+2 > limit {
				return nil, errLongLine
			}
			return line, nil
		}
		if s.buffered() > limit {
			return nil, s.skipLine(until)
		}
		scanned = max(s.buffered()-1, 0) // a CR may have come last
		if until.IsZero() {
			until = time.Now().Add(s.srv.Limits.wait())
		}
		if err := s.fill(until); err != nil {
			return nil, err
		}
	}
}

// skipLine takes the rest of a line that is over its limit.
func (s *session) skipLine(until time.Time) error {
	if until.IsZero() {
		until = time.Now().Add(s.srv.Limits.wait())
	}
	for skipped := 0; skipped < maxExcess; {
		if i := crlf(s.buf[s.r:s.w]); i >= 0 {
			s.r += i + 2
			return errLongLine
		}
		n := s.buffered() - 1
		s.r += n
		skipped += n
		if err := s.fill(until); err != nil {
			return err
		}
	}
	return errEndless
}

// crlf returns where the first CRLF begins, or -1.
func crlf(p []byte) int {
	for from := 0; ; {
		i := bytes.IndexByte(p[from:], '\n')
		if i < 0 {
			return -1
		}
		if i += from; i > 0 && p[i-1] == '\r' {
			return i - 1
		}
		from = i + 1
	}
}
