//go:build unix

package sink

import (
	"errors"
	"io"
	"net"
	"syscall"
)

// poller reads from a socket in such a way that it is known whether there was
// something to read or one had to wait. It costs no system call more than reading.
type poller struct {
	link syscall.RawConn
	try  func(fd uintptr) bool
	into []byte
	n    int
	err  error
}

// newPoller returns nil for what is no socket. idle is called each time before
// waiting; its error ends the read.
func newPoller(nc net.Conn, idle func() error) *poller {
	sc, ok := nc.(syscall.Conn)
	if !ok {
		return nil
	}
	link, err := sc.SyscallConn()
	if err != nil {
		return nil
	}
	p := &poller{link: link}
	p.try = func(fd uintptr) bool {
		for {
			p.n, p.err = syscall.Read(int(fd), p.into)
			switch {
			case errors.Is(p.err, syscall.EINTR):
				continue
			case errors.Is(p.err, syscall.EAGAIN):
				p.n, p.err = 0, idle()
				return p.err != nil
			case p.n == 0 && p.err == nil:
				p.err = io.EOF
			}
			return true
		}
	}
	return p
}

// Read implements io.Reader.
func (p *poller) Read(into []byte) (int, error) {
	p.into, p.n, p.err = into, 0, nil
	if err := p.link.Read(p.try); err != nil {
		return 0, err
	}
	return max(p.n, 0), p.err
}

func tooManyFiles(err error) bool {
	return errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE) || errors.Is(err, syscall.ECONNABORTED)
}
