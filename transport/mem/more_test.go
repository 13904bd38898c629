package mem_test

import (
	"errors"
	"net"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parley-mail/parley/transport/mem"
)

func TestNamesOfEnds(t *testing.T) {
	a, b := mem.Pipe(mem.Options{})
	if a.LocalAddr() != b.RemoteAddr() || b.LocalAddr() != a.RemoteAddr() || a.LocalAddr().Network() != "mem" || a.LocalAddr().String() != "client" {
		t.Errorf("%v, %v", a.LocalAddr(), b.LocalAddr())
	}
	l := mem.Listen("mx:25", mem.Options{})
	if l.Addr().String() != "mx:25" {
		t.Error(l.Addr())
	}
	l.Close()
	l.Close()
	if _, err := l.Accept(); !errors.Is(err, net.ErrClosed) {
		t.Error(err)
	}
	a.Close()
	for _, err := range []error{a.SetDeadline(time.Time{}), a.SetReadDeadline(time.Time{}), a.SetWriteDeadline(time.Time{})} {
		if !errors.Is(err, net.ErrClosed) {
			t.Error(err)
		}
	}
	if ok, err := a.Readable(); !ok || !errors.Is(err, net.ErrClosed) {
		t.Errorf("%v, %v", ok, err)
	}
}

// Buffers are used up as far as they went out.
func TestWriteBuffers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := mem.Pipe(mem.Options{Buffer: 8})
		defer a.Close()
		buffers := net.Buffers{[]byte("MAIL "), nil, []byte("FROM:<>")}
		a.SetWriteDeadline(time.Now().Add(time.Second))
		n, err := a.WriteBuffers(&buffers)
		if n != 8 || err == nil || len(buffers) != 1 || string(buffers[0]) != "M:<>" {
			t.Errorf("%d, %v, left %q", n, err, buffers)
		}
		p := make([]byte, 9)
		if k, err := b.Read(p); err != nil || string(p[:k]) != "MAIL FRO" {
			t.Errorf("%q, %v", p[:k], err)
		}
		a.SetWriteDeadline(time.Time{})
		if n, err := a.WriteBuffers(&buffers); n != 4 || err != nil || len(buffers) != 0 {
			t.Errorf("%d, %v, left %q", n, err, buffers)
		}
		b.Close()
		if _, err := a.Write([]byte("x")); !errors.Is(err, syscall.EPIPE) {
			t.Error(err)
		}
	})
}

// A dialler waits when nobody accepts, and is refused when the listener goes.
func TestBacklog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := mem.Listen("mx:25", mem.Options{})
		for range mem.Backlog {
			if _, err := l.DialContext(t.Context(), "", ""); err != nil {
				t.Fatal(err)
			}
		}
		refused := make(chan error, 1)
		go func() {
			_, err := l.DialContext(t.Context(), "", "")
			refused <- err
		}()
		synctest.Wait()
		l.Close()
		if err := <-refused; err != nil && !errors.Is(err, syscall.ECONNREFUSED) {
			t.Error(err)
		}
	})
}
