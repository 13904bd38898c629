//go:build unix

package transport

import (
	"errors"
	"syscall"

	"golang.org/x/sys/unix"
)

// glance is a look at whether a socket has something to read. It is kept with the link, so
// that one that is looked at often costs no allocation.
type glance struct {
	rc    syscall.RawConn
	look  func(fd uintptr) bool
	fds   [1]unix.PollFd
	ready bool
	err   error
}

func newGlance(c syscall.Conn) (*glance, error) {
	rc, err := c.SyscallConn()
	if err != nil {
		return nil, err
	}
	g := &glance{rc: rc}
	g.look = g.poll
	return g, nil
}

// poll asks without waiting. It never has the runtime wait either.
func (g *glance) poll(fd uintptr) bool {
	g.fds[0] = unix.PollFd{Fd: int32(fd), Events: unix.POLLIN}
	n := 0
	for {
		n, g.err = unix.Poll(g.fds[:], 0)
		if !errors.Is(g.err, unix.EINTR) {
			break
		}
	}
	g.ready = n > 0 // octets, the end of the stream, or an error
	return true
}

func (g *glance) readable() (bool, error) {
	if err := g.rc.Read(g.look); err != nil {
		return true, err
	}
	return g.ready || g.err != nil, g.err
}
