//go:build unix

package transport

import (
	"errors"
	"syscall"

	"golang.org/x/sys/unix"
)

// nowWriter writes to a socket without waiting. It is kept, so that a write costs nothing.
type nowWriter struct {
	rc  syscall.RawConn
	try func(fd uintptr) bool
	p   []byte
	n   int
	err error
}

func newNowWriter(rc syscall.RawConn) *nowWriter {
	w := &nowWriter{rc: rc}
	w.try = func(fd uintptr) bool {
		for {
			w.n, w.err = unix.Write(int(fd), w.p)
			if !errors.Is(w.err, unix.EINTR) {
				return true
			}
		}
	}
	return w
}

func (w *nowWriter) write(p []byte) (int, error) {
	w.p = p
	err := w.rc.Write(w.try)
	n := max(w.n, 0)
	w.p, w.n = nil, 0
	switch {
	case err != nil:
		return n, err
	case errors.Is(w.err, unix.EAGAIN):
		return n, nil
	}
	return n, w.err
}
