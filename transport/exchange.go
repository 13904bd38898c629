package transport

import (
	"errors"
	"io"
	"net"
	"os"
	"syscall"
)

// Exchanger is an optional interface of a [Conn]: it writes, and waits for the answer without
// asking first whether it is there, which it cannot be: that is a system call less. So nothing
// may be awaited but answers to what is written.
type Exchanger interface {
	// Exchange writes out without waiting, then waits for octets and reads them into in.
	// What was not written is the caller's to write: then nothing was read, and an error is
	// that of the write. Where it cannot be done, inside TLS for instance, nothing is written.
	//
	// What the peer had sent before may not show until it sends more, or until the read
	// deadline: then it shows to Read.
	Exchange(x *Exchange, out, in []byte) (wrote, read int, err error)
}

// Exchange implements [Exchanger] for a clear socket.
func (l *link) Exchange(x *Exchange, out, in []byte) (wrote, read int, err error) {
	rc := l.socket()
	if rc == nil {
		return 0, 0, nil
	}
	err = x.run(rc, out, in)
	switch {
	case x.err != nil:
		err = l.opError(x.err, x.wrote < len(out))
	case x.wrote < len(out):
		err = nil // whatever keeps it from being written, a write will say so
	case err != nil:
		err = l.opError(err, false)
	case x.read == 0:
		err = io.EOF
	}
	return x.wrote, x.read, err
}

// opError makes what a write or a read of the socket would have made of it.
func (l *link) opError(err error, writing bool) error {
	op := "read"
	if writing {
		op = "write"
	}
	var of *net.OpError
	switch {
	case errors.As(err, &of):
		err = of.Err
	default:
		err = os.NewSyscallError(op, err)
	}
	local := l.raw.LocalAddr()
	return &net.OpError{Op: op, Net: local.Network(), Source: local, Addr: l.raw.RemoteAddr(), Err: err}
}

// socket is what lies below a clear link that is nothing but a socket, or nil.
func (l *link) socket() syscall.RawConn {
	if l.tls.Load() != nil {
		return nil
	}
	if l.rc == nil {
		switch raw := l.raw.(type) { // no others: who wraps one may want to see what is written
		case *net.TCPConn:
			l.rc, _ = raw.SyscallConn()
		case *net.UnixConn:
			l.rc, _ = raw.SyscallConn()
		}
	}
	return l.rc
}
