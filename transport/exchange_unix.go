//go:build unix

package transport

import (
	"syscall"

	"golang.org/x/sys/unix"
)

// Exchange is what an [Exchanger] works with. Any connection may use it, one at a time. Its
// zero value is ready.
type Exchange struct {
	turn        func(fd uintptr) bool // x.step, made once
	out, in     []byte
	wrote, read int
	asked       bool  // it was written
	err         error // of a system call
}

func (x *Exchange) run(rc syscall.RawConn, out, in []byte) error {
	if x.turn == nil {
		x.turn = x.step
	}
	x.out, x.in, x.wrote, x.read, x.asked, x.err = out, in, 0, 0, false, nil
	err := rc.Read(x.turn)
	x.out, x.in = nil, nil
	return err
}

// step reports whether there is nothing more to wait for. The runtime has begun to listen for
// octets before the first, so that none that answer the write are missed.
func (x *Exchange) step(fd uintptr) bool {
	var n int
	for again := true; again; again = x.err == unix.EINTR {
		if x.asked {
			n, x.err = unix.Read(int(fd), x.in)
		} else {
			n, x.err = unix.Write(int(fd), x.out)
		}
	}
	blocked := x.err == unix.EAGAIN
	if blocked {
		x.err = nil
	}
	if x.asked {
		x.read = max(n, 0)
		return !blocked
	}
	x.asked, x.wrote = true, max(n, 0)
	return x.wrote < len(x.out)
}
