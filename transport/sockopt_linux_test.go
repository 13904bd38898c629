package transport_test

import (
	"errors"
	"net"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/parley-mail/parley/transport"
)

// option asks the kernel for a setting of the socket.
func option(t *testing.T, nc net.Conn, ask func(fd int) (int, error)) int {
	t.Helper()
	rc, err := nc.(syscall.Conn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	var v int
	var asked error
	if err := rc.Control(func(fd uintptr) { v, asked = ask(int(fd)) }); err != nil || asked != nil {
		t.Fatal(err, asked)
	}
	return v
}

// What is asked for is what the kernel then says.
func TestSocketOptions(t *testing.T) {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	get := func(level, name int) func(int) (int, error) {
		return func(fd int) (int, error) { return unix.GetsockoptInt(fd, level, name) }
	}
	linger := func(fd int) (int, error) { // seconds; -1: off
		v, err := unix.GetsockoptLinger(fd, unix.SOL_SOCKET, unix.SO_LINGER)
		if err != nil || v.Onoff == 0 {
			return -1, err
		}
		return int(v.Linger), nil
	}
	type options struct{ KeepAlive, Idle, Interval, Count, NoDelay, Linger int }
	for name, c := range map[string]struct {
		d    transport.TCPDialer
		want options
	}{
		"zero value": {transport.TCPDialer{}, options{1, 15, 15, 9, 1, -1}},
		"all set": {transport.TCPDialer{
			KeepAlive: time.Minute, KeepAliveInterval: 7 * time.Second, KeepAliveCount: 3,
			Delay: true, Linger: 1500 * time.Millisecond,
		}, options{1, 60, 7, 3, 0, 2}},
		"reset at once": {transport.TCPDialer{Linger: -1}, options{1, 15, 15, 9, 1, 0}},
	} {
		nc, err := c.d.DialContext(t.Context(), "tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		got := options{
			KeepAlive: option(t, nc, get(unix.SOL_SOCKET, unix.SO_KEEPALIVE)),
			Idle:      option(t, nc, get(unix.IPPROTO_TCP, unix.TCP_KEEPIDLE)),
			Interval:  option(t, nc, get(unix.IPPROTO_TCP, unix.TCP_KEEPINTVL)),
			Count:     option(t, nc, get(unix.IPPROTO_TCP, unix.TCP_KEEPCNT)),
			NoDelay:   option(t, nc, get(unix.IPPROTO_TCP, unix.TCP_NODELAY)),
			Linger:    option(t, nc, linger),
		}
		if got != c.want {
			t.Errorf("%s: %+v, want %+v", name, got, c.want)
		}
		nc.Close()
	}

	nc, err := (&transport.TCPDialer{KeepAlive: -1, ReadBuffer: 16 << 10, WriteBuffer: 24 << 10}).DialContext(t.Context(), "tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	if option(t, nc, get(unix.SOL_SOCKET, unix.SO_KEEPALIVE)) != 0 {
		t.Error("keep-alive is on")
	}
	// Linux doubles what it is told, for its own books.
	if in, out := option(t, nc, get(unix.SOL_SOCKET, unix.SO_RCVBUF)), option(t, nc, get(unix.SOL_SOCKET, unix.SO_SNDBUF)); in != 32<<10 || out != 48<<10 {
		t.Errorf("buffers of %d and %d octets", in, out)
	}
}

// The local port is the one that was asked for.
func TestLocalPort(t *testing.T) {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	for _, local := range []string{"127.0.0.3", ""} {
		// A port that is free now may be taken by somebody else in the next moment.
		for try := 1; ; try++ {
			port := freePort(t)
			d := transport.TCPDialer{LocalHost: local, LocalPort: port, Linger: -1} // leaves no TIME-WAIT behind
			nc, err := d.DialContext(t.Context(), "tcp", l.Addr().String())
			if errors.Is(err, syscall.EADDRINUSE) && try < 20 {
				continue
			}
			if err != nil {
				t.Fatal(err)
			}
			from := nc.LocalAddr().(*net.TCPAddr)
			if from.Port != port || local != "" && from.IP.String() != local {
				t.Errorf("from %v, want %q, port %d", from, local, port)
			}
			nc.Close()
			break
		}
	}
}

func freePort(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp4", ":0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}
