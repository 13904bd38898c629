package fault_test

import (
	"errors"
	"io"
	"net"
	"os"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parley-mail/parley/transport"
	"github.com/parley-mail/parley/transport/fault"
	"github.com/parley-mail/parley/transport/mem"
)

const text = "220 mx.example ESMTP\r\n"

// Every fault at every octet: what comes before it passes, and the end is the one
// that the plan says, on both ends.
func TestReadFaultsAtEveryOctet(t *testing.T) {
	for _, c := range []struct {
		kind fault.Kind
		want error
		peer error
	}{
		{fault.Cut, io.EOF, syscall.EPIPE},
		{fault.Reset, syscall.ECONNRESET, syscall.ECONNRESET},
		{fault.Stall, os.ErrDeadlineExceeded, nil},
	} {
		for at := range int64(len(text)) + 1 {
			plan := fault.Plan{{Side: fault.Read, Kind: c.kind, At: at}}
			synctest.Test(t, func(t *testing.T) {
				a, b := mem.Pipe(mem.Options{})
				defer a.Close()
				defer b.Close()
				nc := fault.New(a, plan)
				nc.SetReadDeadline(time.Now().Add(time.Minute))
				b.Write([]byte(text))
				var got []byte
				var err error
				p := make([]byte, 7)
				for err == nil {
					var n int
					n, err = nc.Read(p)
					got = append(got, p[:n]...)
				}
				if string(got) != text[:at] || !errors.Is(err, c.want) {
					t.Errorf("%v: %q, %v", plan, got, err)
				}
				if _, err := b.Write([]byte("x")); !errors.Is(err, c.peer) {
					t.Errorf("%v: the peer got %v", plan, err)
				}
			})
		}
	}
}

func TestWriteFaultsAtEveryOctet(t *testing.T) {
	for _, c := range []struct {
		kind fault.Kind
		want error
	}{{fault.Cut, syscall.EPIPE}, {fault.Reset, syscall.ECONNRESET}, {fault.Stall, os.ErrDeadlineExceeded}} {
		for at := range int64(len(text)) {
			plan := fault.Plan{{Side: fault.Write, Kind: c.kind, At: at}}
			synctest.Test(t, func(t *testing.T) {
				a, b := mem.Pipe(mem.Options{})
				defer a.Close()
				defer b.Close()
				nc := fault.New(a, plan)
				nc.SetWriteDeadline(time.Now().Add(time.Minute))
				n, err := nc.Write([]byte(text))
				if int64(n) != at || !errors.Is(err, c.want) {
					t.Errorf("%v: %d, %v", plan, n, err)
				}
				if c.kind == fault.Cut {
					if got, err := io.ReadAll(b); string(got) != text[:at] || err != nil {
						t.Errorf("%v: the peer got %q, %v", plan, got, err)
					}
				}
			})
		}
	}
}

func TestGarbleShortAndDelay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := mem.Pipe(mem.Options{})
		defer b.Close()
		nc := fault.New(a, fault.Plan{
			{Side: fault.Read, Kind: fault.Garble, At: 1, Mask: 0x20},
			{Side: fault.Read, Kind: fault.Short, At: 2, N: 3},
			{Side: fault.Write, Kind: fault.Garble, At: 4},
			{Side: fault.Write, Kind: fault.Delay, Wait: time.Second},
		})
		defer nc.Close()
		b.Write([]byte("ABCDEFGH"))
		p := make([]byte, 2)
		if n, _ := nc.Read(p); string(p[:n]) != "Ab" {
			t.Errorf("read %q", p[:n])
		}
		p = make([]byte, 9)
		if n, _ := nc.Read(p); string(p[:n]) != "CDE" {
			t.Errorf("read %q", p[:n])
		}
		start := time.Now()
		sent := []byte("12345")
		if n, err := nc.Write(sent); n != 5 || err != nil {
			t.Errorf("write: %d, %v", n, err)
		}
		if since := time.Since(start); since != time.Second {
			t.Errorf("took %v", since)
		}
		if string(sent) != "12345" {
			t.Errorf("the caller's octets were changed: %q", sent)
		}
		if n, _ := b.Read(p); string(p[:n]) != "1234\xca" {
			t.Errorf("the peer read %q", p[:n])
		}
	})
}

func TestCloseAndDeadlineEndAStall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := mem.Pipe(mem.Options{})
		defer b.Close()
		c := transport.New(fault.New(a, fault.Plan{{Kind: fault.Stall}, {Side: fault.Write, Kind: fault.Stall}}))
		start := time.Now()
		time.AfterFunc(time.Second, func() { c.SetReadDeadline(time.Unix(1, 0)) })
		if _, err := c.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("Read: %v", err)
		}
		if ok, err := c.(transport.Prober).Readable(); ok || err != nil {
			t.Errorf("Readable: %v, %v", ok, err)
		}
		time.AfterFunc(time.Second, func() { c.Close() })
		if _, err := c.Write([]byte("x")); !errors.Is(err, net.ErrClosed) {
			t.Errorf("Write: %v", err)
		}
		if since := time.Since(start); since != 2*time.Second {
			t.Errorf("took %v", since)
		}
	})
}

func TestPlanNamesItself(t *testing.T) {
	p := fault.Plan{
		{Side: fault.Read, Kind: fault.Cut, At: 17},
		{Side: fault.Write, Kind: fault.Garble, At: 3},
		{Kind: fault.Short, N: 2},
		{Kind: fault.Delay, Wait: time.Second},
	}
	if got, want := p.String(), "read-cut@17,write-garble@3^ff,read-short@0/2,read-delay@0+1s"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}
