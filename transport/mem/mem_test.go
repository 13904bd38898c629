package mem_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parley-mail/parley/transport/mem"
)

func TestOctetsArriveInOrderThroughAnyBuffer(t *testing.T) {
	want := bytes.Repeat([]byte("0123456789abcdef"), 512)
	for _, o := range []mem.Options{
		{},
		{Buffer: 1},
		{Buffer: 7},
		{Latency: time.Millisecond, Buffer: 100},
		{Bandwidth: 1 << 20},
		{Latency: time.Second, Bandwidth: 9600, Buffer: 3},
	} {
		synctest.Test(t, func(t *testing.T) {
			a, b := mem.Pipe(o)
			go func() {
				for _, p := range [][]byte{want[:1], want[1:1000], nil, want[1000:]} {
					if n, err := a.Write(p); err != nil || n != len(p) {
						t.Errorf("Write: %d, %v", n, err)
					}
				}
				a.Close()
			}()
			got, err := io.ReadAll(b)
			if err != nil || !bytes.Equal(got, want) {
				t.Errorf("%+v: %d octets, %v; want %d", o, len(got), err, len(want))
			}
			if _, err := b.Write([]byte("x")); !errors.Is(err, syscall.EPIPE) {
				t.Errorf("Write to a closed end: %v", err)
			}
			b.Close()
		})
	}
}

func TestLatencyAndBandwidthTakeTheirTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := mem.Pipe(mem.Options{Latency: 50 * time.Millisecond, Bandwidth: 1000})
		defer a.Close()
		defer b.Close()
		start := time.Now()
		a.Write(make([]byte, 500)) // half a second on the line
		if since := time.Since(start); since != 0 {
			t.Errorf("a write with room took %v", since)
		}
		if _, err := io.ReadFull(b, make([]byte, 500)); err != nil {
			t.Fatal(err)
		}
		if since := time.Since(start); since != 550*time.Millisecond {
			t.Errorf("500 octets took %v", since)
		}
		a.CloseWrite()
		if _, err := b.Read(make([]byte, 1)); err != io.EOF {
			t.Errorf("Read: %v", err)
		}
		if since := time.Since(start); since != 600*time.Millisecond {
			t.Errorf("the end came after %v", since)
		}
	})
}

func TestHalfClose(t *testing.T) {
	a, b := mem.Pipe(mem.Options{})
	defer a.Close()
	defer b.Close()
	a.Write([]byte("last"))
	a.CloseWrite()
	if _, err := a.Write([]byte("x")); !errors.Is(err, syscall.EPIPE) {
		t.Errorf("Write after CloseWrite: %v", err)
	}
	if got, err := io.ReadAll(b); err != nil || string(got) != "last" {
		t.Errorf("ReadAll: %q, %v", got, err)
	}
	if _, err := b.Write([]byte("reply")); err != nil {
		t.Error(err)
	}
	p := make([]byte, 9)
	if n, err := a.Read(p); err != nil || string(p[:n]) != "reply" {
		t.Errorf("Read: %q, %v", p[:n], err)
	}
}

func TestDeadlines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := mem.Pipe(mem.Options{Buffer: 4})
		defer a.Close()
		defer b.Close()
		start := time.Now()
		expect := func(what string, err error, after time.Duration) {
			t.Helper()
			var ne net.Error
			if !errors.Is(err, os.ErrDeadlineExceeded) || !errors.As(err, &ne) || !ne.Timeout() {
				t.Errorf("%s: %v", what, err)
			}
			if since := time.Since(start); since != after {
				t.Errorf("%s after %v, want %v", what, since, after)
			}
		}
		a.SetReadDeadline(start.Add(time.Minute))
		_, err := a.Read(make([]byte, 1))
		expect("read", err, time.Minute)
		_, err = a.Read(make([]byte, 1))
		expect("read again", err, time.Minute)

		a.SetWriteDeadline(time.Now().Add(time.Minute))
		n, err := a.Write([]byte("123456"))
		expect("write", err, 2*time.Minute)
		if n != 4 {
			t.Errorf("%d octets went in, want 4", n)
		}

		// A deadline set from elsewhere reaches a call that waits.
		a.SetDeadline(time.Time{})
		time.AfterFunc(time.Second, func() { a.SetReadDeadline(time.Unix(1, 0)) })
		_, err = a.Read(make([]byte, 1))
		expect("interrupted read", err, 2*time.Minute+time.Second)

		// One taken back in time does nothing.
		a.SetReadDeadline(time.Now().Add(time.Second))
		a.SetReadDeadline(time.Time{})
		time.AfterFunc(time.Hour, func() { b.Write([]byte("x")) })
		if n, err := a.Read(make([]byte, 1)); n != 1 || err != nil {
			t.Errorf("Read: %d, %v", n, err)
		}
	})
}

func TestBreakAndClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := mem.Pipe(mem.Options{Buffer: 1, Latency: time.Second})
		readErr, writeErr := make(chan error, 1), make(chan error, 1)
		go func() { _, err := b.Read(make([]byte, 1)); readErr <- err }()
		go func() { _, err := b.Write([]byte("ab")); writeErr <- err }()
		synctest.Wait()
		a.Break()
		if err := <-readErr; !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("Read: %v", err)
		}
		if err := <-writeErr; !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("Write: %v", err)
		}

		c, d := mem.Pipe(mem.Options{})
		go func() { _, err := c.Read(make([]byte, 1)); readErr <- err }()
		synctest.Wait()
		if err := c.Close(); err != nil {
			t.Error(err)
		}
		if err := <-readErr; !errors.Is(err, net.ErrClosed) {
			t.Errorf("Read of a closed end: %v", err)
		}
		if err := c.Close(); !errors.Is(err, net.ErrClosed) {
			t.Errorf("second Close: %v", err)
		}
		if _, err := c.Write([]byte("x")); !errors.Is(err, net.ErrClosed) {
			t.Errorf("Write on a closed end: %v", err)
		}
		if _, err := d.Read(make([]byte, 1)); err != io.EOF {
			t.Errorf("Read from a closed peer: %v", err)
		}
	})
}

func TestReadable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := mem.Pipe(mem.Options{Latency: time.Second})
		check := func(want bool) {
			t.Helper()
			if got, err := b.Readable(); got != want || err != nil {
				t.Errorf("Readable: %v, %v; want %v", got, err, want)
			}
		}
		check(false)
		a.Write([]byte("x"))
		check(false)
		time.Sleep(time.Second)
		check(true)
		b.Read(make([]byte, 1))
		check(false)
		a.Close()
		time.Sleep(time.Second)
		check(true)
		b.Break()
		if got, err := b.Readable(); !got || err == nil {
			t.Errorf("Readable after Break: %v, %v", got, err)
		}
	})
}

func TestListener(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := mem.Listen("mx.example:25", mem.Options{Latency: 20 * time.Millisecond})
		start := time.Now()
		client, err := l.DialContext(t.Context(), "tcp", "ignored:25")
		if err != nil {
			t.Fatal(err)
		}
		if since := time.Since(start); since != 40*time.Millisecond {
			t.Errorf("dialling took %v", since)
		}
		server, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		if got := client.RemoteAddr().String(); got != "mx.example:25" {
			t.Errorf("RemoteAddr %q", got)
		}
		go server.Write([]byte("220 hi"))
		p := make([]byte, 6)
		if _, err := io.ReadFull(client, p); err != nil || string(p) != "220 hi" {
			t.Errorf("%q, %v", p, err)
		}
		waiting, err := l.DialContext(t.Context(), "", "")
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		if _, err := l.DialContext(ctx, "", ""); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("DialContext: %v", err)
		}
		l.Close()
		if _, err := waiting.Read(p); !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("a link never accepted: %v", err)
		}
		if _, err := l.Accept(); !errors.Is(err, net.ErrClosed) {
			t.Errorf("Accept: %v", err)
		}
		if _, err := l.DialContext(t.Context(), "", ""); !errors.Is(err, syscall.ECONNREFUSED) {
			t.Errorf("DialContext after Close: %v", err)
		}
		if l.Dialled() != 2 {
			t.Errorf("Dialled %d", l.Dialled())
		}
	})
}
