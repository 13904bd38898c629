package parley_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"runtime"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/parley-mail/parley"
)

// deaf returns the address of a socket that takes no connections, and refuses none.
func deaf(t *testing.T) string {
	t.Helper()
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(fd) })
	err = errors.Join(unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}), unix.Listen(fd, 0))
	name, nerr := unix.Getsockname(fd)
	if err = errors.Join(err, nerr); err != nil {
		t.Fatal(err)
	}
	address := fmt.Sprintf("127.0.0.1:%d", name.(*unix.SockaddrInet4).Port)
	for { // until the queue is full
		nc, err := net.DialTimeout("tcp", address, 50*time.Millisecond)
		if t, ok := errors.AsType[net.Error](err); ok && t.Timeout() {
			return address
		}
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { nc.Close() })
	}
}

// A connection that hangs while it is made is ended by the caller, by time, and by the
// Sender's end; one that was ended does no harm to the next.
func TestSenderDialEnds(t *testing.T) {
	hangs := &parley.Endpoint{Address: deaf(t)}
	said := "MAIL FROM:<a@x.example>\r\nRCPT TO:<b@y.example>\r\nBDAT 6 LAST\r\n\r\nhi\r\nQUIT\r\n"
	replies := []byte("250 2.1.0 ok\r\n250 2.1.5 ok\r\n250 2.0.0 ok\r\n221 2.0.0 bye\r\n")
	l := canned(t, "250-PIPELINING\r\n250 CHUNKING\r\n", []canning{{len(said), replies}})
	answers := &parley.Endpoint{Address: l.Addr().String()}
	s := &parley.Sender{MaxMessages: 1}
	fine := func() {
		t.Helper()
		if o, err := s.Send(t.Context(), bulk(t, answers, "\r\nhi\r\n")); o != parley.OutcomeAccepted {
			t.Error(o, err)
		}
	}
	dials := func() {
		for s.Stats().Conns == 0 {
			runtime.Gosched()
		}
	}
	for range 3 {
		fine()
		ctx, cancel := context.WithCancel(t.Context())
		go func() {
			dials()
			cancel()
		}()
		if _, err := s.Send(ctx, bulk(t, hangs, "\r\nhi\r\n")); !errors.Is(err, parley.ErrCanceled) || !errors.Is(err, context.Canceled) {
			t.Errorf("the caller: %v", err)
		}
		fine()
		soon := *hangs
		soon.ConnectTimeout = 10 * time.Millisecond
		if _, err := s.Send(t.Context(), bulk(t, &soon, "\r\nhi\r\n")); !errors.Is(err, parley.ErrTimeout) {
			t.Errorf("time: %v", err)
		}
	}
	fine()
	done := make(chan error, 1)
	go func() {
		_, err := s.Send(context.Background(), bulk(t, hangs, "\r\nhi\r\n"))
		done <- err
	}()
	dials()
	shut(t, s)
	if err := <-done; err == nil {
		t.Error("a connection was made with nobody")
	}
}
