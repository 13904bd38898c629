package transport

import (
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"
)

var past = time.Unix(1, 0)

// Readable implements [Prober].
func (l *link) Readable() (bool, error) {
	if l.peeked {
		return true, nil
	}
	if t := l.tls.Load(); t != nil {
		// The TLS layer may hold octets that it has read and not yet given out.
		// With a deadline in the past it returns those and nothing else, and the
		// time-out does it no harm: it has been waiting at the border of a record.
		if err := l.raw.SetReadDeadline(past); err != nil {
			return true, err
		}
		var octet [1]byte
		n, err := t.conn.Read(octet[:])
		l.peek, l.peeked = octet[0], n > 0
		if cerr := l.raw.SetReadDeadline(time.Time{}); cerr != nil {
			return true, cerr
		}
		if n > 0 {
			return true, nil
		}
		if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
			return true, err
		}
	} else if err := l.raw.SetReadDeadline(time.Time{}); err != nil {
		return true, err
	}
	switch raw := l.raw.(type) {
	case Prober:
		return raw.Readable()
	case syscall.Conn:
		if l.glance == nil {
			g, err := newGlance(raw)
			if err != nil {
				return !errors.Is(err, errors.ErrUnsupported), err
			}
			l.glance = g
		}
		return l.glance.readable()
	}
	return false, fmt.Errorf("transport: cannot probe %T: %w", l.raw, errors.ErrUnsupported)
}
