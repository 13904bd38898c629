//go:build unix

package transport

import (
	"errors"
	"syscall"

	"golang.org/x/sys/unix"
)

// peekSocket looks into the socket's receive buffer without taking anything out.
func peekSocket(c syscall.Conn) (bool, error) {
	rc, err := c.SyscallConn()
	if err != nil {
		return true, err
	}
	var perr error
	err = rc.Read(func(fd uintptr) bool {
		var b [1]byte
		for {
			_, _, perr = unix.Recvfrom(int(fd), b[:], unix.MSG_PEEK|unix.MSG_DONTWAIT)
			if !errors.Is(perr, unix.EINTR) {
				return true
			}
		}
	})
	switch {
	case err != nil:
		return true, err
	case errors.Is(perr, unix.EAGAIN):
		return false, nil
	}
	return true, perr
}
