package transport

import (
	"errors"
	"syscall"
)

// NowWriter is an optional interface of a [Conn]: it writes what can be written without
// waiting for the peer, and says how much that is; the rest is the caller's to write again.
// The error wraps errors.ErrUnsupported where that cannot be done, inside TLS for instance.
type NowWriter interface {
	WriteNow(p []byte) (int, error)
}

// WriteNow is for a clear socket.
func (l *link) WriteNow(p []byte) (int, error) {
	c, ok := l.raw.(syscall.Conn)
	if !ok || l.tls.Load() != nil {
		return 0, errors.ErrUnsupported
	}
	if l.now == nil {
		w, err := newNowWriter(c)
		if err != nil {
			return 0, err
		}
		l.now = w
	}
	return l.now.write(p)
}
