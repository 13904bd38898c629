package transport

import "errors"

// NowWriter is an optional interface of a [Conn]: it writes what can be written without
// waiting for the peer, and says how much that is; the rest is the caller's to write again.
// The error wraps errors.ErrUnsupported where that cannot be done, inside TLS for instance.
type NowWriter interface {
	WriteNow(p []byte) (int, error)
}

// WriteNow is for a clear socket.
func (l *link) WriteNow(p []byte) (int, error) {
	rc := l.socket()
	if rc == nil {
		return 0, errors.ErrUnsupported
	}
	if l.now == nil {
		l.now = newNowWriter(rc)
	}
	return l.now.write(p)
}
