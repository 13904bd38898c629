package sink_test

import (
	"bufio"
	"bytes"
	"context"
	"net"
	"strings"
	"testing"

	"github.com/parley-mail/parley/internal/sink"
)

// group is a message as a pipelining client sends it, in two writes.
var (
	group   = []byte("MAIL FROM:<a@x.example> SIZE=2048 BODY=8BITMIME\r\nRCPT TO:<b@y.example> NOTIFY=NEVER\r\nDATA\r\n")
	text    = []byte(strings.Repeat("0123456789012345678901234567890123456789012345678901234567890123456789\r\n", 27) + ".\r\n")
	chunked = []byte("MAIL FROM:<a@x.example>\r\nRCPT TO:<b@y.example>\r\nBDAT 2000 LAST\r\n" + strings.Repeat("x", 2000))
)

// loop is a client on loopback that sends messages and looks at nothing.
type loop struct {
	nc net.Conn
	r  *bufio.Reader
}

func newLoop(tb testing.TB) *loop {
	tb.Helper()
	srv := &sink.Server{}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- srv.Serve(ctx, l) }()
	nc, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		nc.Close()
		cancel()
		<-done
	})
	c := &loop{nc, bufio.NewReader(nc)}
	c.replies(tb, 1)
	c.write(tb, []byte("EHLO x\r\n"))
	for {
		line, err := c.r.ReadSlice('\n')
		if err != nil {
			tb.Fatal(err)
		}
		if line[3] == ' ' {
			return c
		}
	}
}

func (c *loop) write(tb testing.TB, p []byte) {
	if _, err := c.nc.Write(p); err != nil {
		tb.Fatal(err)
	}
}

func (c *loop) replies(tb testing.TB, n int) {
	for range n {
		if line, err := c.r.ReadSlice('\n'); err != nil || line[0] > '3' {
			tb.Fatalf("%q %v", line, err)
		}
	}
}

func (c *loop) byData(tb testing.TB) {
	c.write(tb, group)
	c.replies(tb, 3)
	c.write(tb, text)
	c.replies(tb, 1)
}

func (c *loop) byChunk(tb testing.TB) {
	c.write(tb, chunked)
	c.replies(tb, 3)
}

func TestAllocs(t *testing.T) {
	c := newLoop(t)
	for name, send := range map[string]func(testing.TB){"DATA": c.byData, "BDAT": c.byChunk} {
		send(t)
		if n := testing.AllocsPerRun(200, func() { send(t) }); n != 0 {
			t.Errorf("%s: %v allocations for a message", name, n)
		}
	}
}

func BenchmarkData(b *testing.B) {
	c := newLoop(b)
	b.ReportAllocs()
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		c.byData(b)
	}
}

func BenchmarkBdat(b *testing.B) {
	c := newLoop(b)
	b.ReportAllocs()
	b.SetBytes(2000)
	for b.Loop() {
		c.byChunk(b)
	}
}

func BenchmarkLargeData(b *testing.B) {
	c := newLoop(b)
	large := append(bytes.Repeat(text[:len(text)-3], 5000), ".\r\n"...)
	b.SetBytes(int64(len(large)))
	b.ReportAllocs()
	for b.Loop() {
		c.write(b, group)
		c.replies(b, 3)
		c.write(b, large)
		c.replies(b, 1)
	}
}
