package parley_test

import (
	"net"
	"testing"

	"golang.org/x/sys/unix"
)

// socketOption is an option of a socket that the tests look at.
type socketOption struct{ level, name int }

var (
	keepAlive    = socketOption{unix.SOL_SOCKET, unix.SO_KEEPALIVE}
	keepIdle     = socketOption{unix.IPPROTO_TCP, unix.TCP_KEEPIDLE}
	keepInterval = socketOption{unix.IPPROTO_TCP, unix.TCP_KEEPINTVL}
	noDelay      = socketOption{unix.IPPROTO_TCP, unix.TCP_NODELAY}
	readBuffer   = socketOption{unix.SOL_SOCKET, unix.SO_RCVBUF}
	writeBuffer  = socketOption{unix.SOL_SOCKET, unix.SO_SNDBUF}
	lingering    = socketOption{unix.SOL_SOCKET, unix.SO_LINGER}
)

// lingerOff is what lingering is where it is left to the system.
const lingerOff = -1

func sockopt(t *testing.T, nc net.Conn, o socketOption) (value int) {
	t.Helper()
	raw, err := nc.(*net.TCPConn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	var operr error
	err = raw.Control(func(fd uintptr) {
		if o != lingering {
			value, operr = unix.GetsockoptInt(int(fd), o.level, o.name)
			return
		}
		var l *unix.Linger
		if l, operr = unix.GetsockoptLinger(int(fd), o.level, o.name); operr == nil {
			if value = int(l.Linger); l.Onoff == 0 {
				value = lingerOff
			}
		}
	})
	if err != nil || operr != nil {
		t.Fatal(err, operr)
	}
	return value
}
