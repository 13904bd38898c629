package sink_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/textproto"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parley-mail/parley/internal/sink"
	"github.com/parley-mail/parley/transport/mem"
)

// serving starts a server in memory; stop ends it and waits.
func serving(t *testing.T, srv *sink.Server) (l *mem.Listener, stop func()) {
	t.Helper()
	l = mem.Listen("mx.example", mem.Options{})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- srv.Serve(ctx, l) }()
	return l, func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Serve: %v", err)
		}
	}
}

type client struct {
	*textproto.Conn
	t *testing.T
}

func dial(t *testing.T, l *mem.Listener) *client {
	t.Helper()
	nc, err := l.DialContext(context.Background(), "", "")
	if err != nil {
		t.Fatal(err)
	}
	return &client{textproto.NewConn(nc), t}
}

// say sends a line, unless it is empty, and expects a reply code.
func (c *client) say(line string, code int) {
	c.t.Helper()
	if line != "" {
		if err := c.PrintfLine("%s", line); err != nil {
			c.t.Fatal(err)
		}
	}
	if _, _, err := c.ReadResponse(code); err != nil {
		c.t.Fatalf("after %q: %v", line, err)
	}
}

func (c *client) eof() {
	c.t.Helper()
	if b, err := c.R.ReadByte(); !errors.Is(err, io.EOF) {
		c.t.Errorf("%q, %v instead of the end", b, err)
	}
	c.Close()
}

func TestShutdown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		memory := &sink.Memory{}
		srv := &sink.Server{Store: memory}
		l, stop := serving(t, srv)
		idle, busy, inContent := dial(t, l), dial(t, l), dial(t, l)
		for _, c := range []*client{idle, busy, inContent} {
			c.say("", 220)
			c.say("EHLO x", 250)
		}
		for _, c := range []*client{busy, inContent} {
			c.say("MAIL FROM:<>", 250)
			c.say("RCPT TO:<b@y.example>", 250)
		}
		inContent.say("DATA", 354)
		if err := inContent.PrintfLine("begun"); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()

		done := make(chan error, 1)
		go func() { done <- srv.Shutdown(context.Background()) }()
		idle.say("", 421)
		idle.eof()
		if _, err := l.DialContext(t.Context(), "", ""); err == nil {
			t.Error("a connection was accepted")
		}
		busy.say("DATA", 354)
		busy.say(".", 250)
		busy.say("", 421)
		busy.eof()
		inContent.say(".", 250)
		inContent.say("", 421)
		inContent.eof()
		if err := <-done; err != nil {
			t.Error(err)
		}
		stop()
		if n := len(memory.Messages()); n != 2 {
			t.Errorf("%d messages", n)
		}
		if err := srv.Serve(t.Context(), mem.Listen("", mem.Options{})); !errors.Is(err, sink.ErrStopped) {
			t.Errorf("Serve after Shutdown: %v", err)
		}
	})
}

func TestShutdownRunsOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := &sink.Server{}
		l, stop := serving(t, srv)
		c := dial(t, l)
		defer c.Close()
		c.say("", 220)
		c.say("EHLO x", 250)
		c.say("MAIL FROM:<>", 250)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := srv.Shutdown(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
		stop()
		if s := srv.Stats(); s.Open != 0 || s.Sessions != 1 {
			t.Errorf("%+v", s)
		}
	})
}

func TestCloseAndCancel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, end := range []func(*sink.Server, func()){
			func(srv *sink.Server, stop func()) {
				if err := srv.Close(); err != nil {
					t.Error(err)
				}
				stop()
			},
			func(_ *sink.Server, stop func()) { stop() },
		} {
			var mu sync.Mutex
			var errs []error
			srv := &sink.Server{OnError: func(_ net.Addr, err error) { mu.Lock(); errs = append(errs, err); mu.Unlock() }}
			l, stop := serving(t, srv)
			c := dial(t, l)
			c.say("", 220)
			c.say("EHLO x", 250)
			c.say("MAIL FROM:<>", 250)
			end(srv, stop)
			c.Close()
			if len(errs) != 1 {
				t.Errorf("%v", errs)
			}
		}
	})
}

type badListener struct{ net.Listener }

func (badListener) Accept() (net.Conn, error) { return nil, errors.New("cable cut") }

func TestListenerFails(t *testing.T) {
	l := mem.Listen("", mem.Options{})
	if err := new(sink.Server).Serve(t.Context(), badListener{l}); err == nil || !strings.Contains(err.Error(), "cable cut") {
		t.Error(err)
	}
}

func TestConnections(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := &sink.Server{Limits: sink.Limits{Connections: 1}}
		l, stop := serving(t, srv)
		defer stop()
		first, second := dial(t, l), (*client)(nil)
		first.say("", 220)
		second = dial(t, l)
		second.say("", 421)
		second.eof()
		first.say("QUIT", 221)
		first.eof()
		synctest.Wait()
		third := dial(t, l)
		third.say("", 220)
		third.Close()
	})
}

// Every way of saying nothing, or next to nothing, has an end.
func TestSlow(t *testing.T) {
	const start = "EHLO x\r\nMAIL FROM:<>\r\nRCPT TO:<b@y.example>\r\n"
	for _, tt := range []struct {
		name, begin, drip string
		every             time.Duration
		want              time.Duration
	}{
		{"silence", "", "", time.Hour, 5 * time.Minute},
		{"a command octet by octet", "", "N", time.Minute, 5 * time.Minute},
		{"silence in content", start + "DATA\r\n", "", time.Hour, 5 * time.Minute},
		{"content octet by octet", start + "DATA\r\n", "x", time.Minute, time.Hour},
		{"a chunk octet by octet", start + "BDAT 1000 LAST\r\n", "x", time.Minute, time.Hour},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				srv := &sink.Server{Tolerance: sink.InputAhead}
				l, stop := serving(t, srv)
				defer stop()
				nc, err := l.DialContext(t.Context(), "", "")
				if err != nil {
					t.Fatal(err)
				}
				defer nc.Close()
				begun := time.Now()
				done := make(chan string, 1)
				go func() {
					all, _ := io.ReadAll(nc)
					done <- string(all)
				}()
				io.WriteString(nc, tt.begin)
				for {
					select {
					case all := <-done:
						if !strings.HasSuffix(all, "421 4.4.2 localhost Waited too long\r\n") {
							t.Errorf("%q", all)
						}
						if took := time.Since(begun); took != tt.want {
							t.Errorf("after %v instead of %v", took, tt.want)
						}
						return
					case <-time.After(tt.every):
						io.WriteString(nc, tt.drip)
					}
				}
			})
		})
	}
}

// A client that does not take its replies is cut, too.
func TestDeaf(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, stop := serving(t, &sink.Server{Tolerance: sink.InputAhead})
		defer stop()
		nc, err := l.DialContext(t.Context(), "", "")
		if err != nil {
			t.Fatal(err)
		}
		defer nc.Close()
		begun := time.Now()
		io.WriteString(nc, "EHLO x\r\n")
		commands := []byte(strings.Repeat("RSET\r\n", 1000))
		for err == nil {
			_, err = nc.Write(commands)
		}
		if took := time.Since(begun); took != 5*time.Minute {
			t.Errorf("after %v", took)
		}
	})
}

// repeat writes p over and over until the server has had enough, and returns what
// the server said behind the first replies.
func repeat(t *testing.T, srv *sink.Server, begin string, p []byte) string {
	t.Helper()
	client, server := mem.Pipe(mem.Options{})
	done := make(chan struct{})
	go func() { defer close(done); srv.ServeConn(context.Background(), server) }()
	said := make(chan string, 1)
	go func() {
		all, _ := io.ReadAll(client)
		said <- string(all)
	}()
	io.WriteString(client, begin)
	for i := 0; ; i++ {
		if _, err := client.Write(p); err != nil {
			break
		}
		if i*len(p) > 1<<24 {
			t.Fatal("the server does not tire")
		}
	}
	<-done
	client.Close()
	return <-said
}

func TestHostile(t *testing.T) {
	const start = "EHLO x\r\nMAIL FROM:<>\r\nRCPT TO:<b@y.example>\r\n"
	kib := bytes.Repeat([]byte("x"), 1<<10)
	header := []byte("X-Header: " + strings.Repeat("x", 1000) + "\r\n")
	for _, tt := range []struct {
		name, begin string
		drip        []byte
		limits      sink.Limits
		want        string
	}{
		{"line without end", "", kib, sink.Limits{}, "\r\n421 4.7.0 Endless line\r\n"},
		{"headers without end", start + "DATA\r\n", header, sink.Limits{Size: 1 << 20}, "\r\n552 5.3.4 {any}"},
		{"content line without end", start + "DATA\r\n", kib, sink.Limits{Size: 1 << 20}, "\r\n552 5.3.4 {any}"},
		{"chunks without end", start, []byte("BDAT 1024\r\n" + string(kib)), sink.Limits{Size: 1 << 20, Errors: 5}, "\r\n421 4.7.0 Too many errors\r\n"},
		{"nonsense", "", []byte("XYZZY\r\n"), sink.Limits{}, "\r\n421 4.7.0 Too many errors\r\n"},
		{"commands", "", []byte("RSET\r\n"), sink.Limits{Commands: 1000}, "\r\n421 4.7.0 Too many commands\r\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			srv := &sink.Server{Limits: tt.limits, Tolerance: sink.InputAhead}
			said := repeat(t, srv, tt.begin, tt.drip)
			want, open := strings.CutSuffix(tt.want, "{any}")
			if i := strings.LastIndex(said, want); i < 0 || !open && i+len(want) != len(said) {
				t.Errorf("%.200q…%q", said, said[max(0, len(said)-200):])
			}
			if n := srv.Stats().Messages; n != 0 {
				t.Errorf("%d messages", n)
			}
		})
	}
}

func TestLimits(t *testing.T) {
	t.Run("recipients", func(t *testing.T) {
		srv := server(t, "PIPELINING")
		srv.Limits.Recipients = 100
		play(t, srv, hello("PIPELINING")+"C: MAIL FROM:<>\nS: 250 Ok\n"+strings.Repeat("C: RCPT TO:<b@y.example>\n", 102)+
			strings.Repeat("S: 250 Ok\n", 100)+"S: 452 {any}\nS: 452 {any}\nC: DATA\nS: 354 {any}\nC: .\nS: 250 {any}"+quit)
		if s := srv.Stats(); s.Recipients != 100 || s.Refused != 2 {
			t.Errorf("%+v", s)
		}
	})
	t.Run("domains", func(t *testing.T) {
		srv := server(t, "none")
		srv.Limits.RecipientDomains = 1
		play(t, srv, hello()+"C: MAIL FROM:<>\nS: 250 Ok\nC: RCPT TO:<a@y.example>\nS: 250 Ok\nC: RCPT TO:<b@Y.example>\nS: 250 Ok\nC: RCPT TO:<b@z.example>\nS: 452 {any}"+quit)
	})
	t.Run("messages", func(t *testing.T) {
		srv := server(t, "none")
		srv.Limits.Messages = 1
		play(t, srv, hello()+envelope+"C: DATA\nS: 354 {any}\nC: .\nS: 250 {any}\nC: MAIL FROM:<>\nS: 452 {any}"+quit)
	})
	t.Run("line", func(t *testing.T) {
		srv := server(t, "none")
		srv.Limits.Line = 512
		fits := "NOOP " + strings.Repeat("x", 505)
		play(t, srv, hello()+"C: "+fits+"\nS: 250 Ok\nC: "+fits+"x\nS: 500 {any}\nC: "+strings.Repeat("x", 100000)+"\nS: 500 {any}\nC: NOOP\nS: 250 Ok"+quit)
	})
	t.Run("line of twelve thousand", func(t *testing.T) {
		srv := server(t, "none")
		srv.Limits.Line = 12288
		fits := "NOOP " + strings.Repeat("x", 12288-7)
		play(t, srv, hello()+"C: "+fits+"\nS: 250 Ok\nC: "+fits+"x\nS: 500 {any}"+quit)
	})
}

func TestMemoryWait(t *testing.T) {
	memory := &sink.Memory{}
	srv := server(t, "none")
	srv.Store = memory
	got := make(chan int, 1)
	go func() {
		m, _ := memory.Wait(context.Background(), 2)
		got <- len(m)
	}()
	message := envelope + "C: DATA\nS: 354 {any}\nC: .\nS: 250 {any}\n"
	play(t, srv, hello()+message+message+quit)
	if n := <-got; n != 2 {
		t.Errorf("%d messages", n)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if m, err := memory.Wait(ctx, 3); !errors.Is(err, context.Canceled) || len(m) != 2 {
		t.Errorf("%d messages, %v", len(m), err)
	}
}

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

// Messages sent without waiting cost no turn of their own, however the octets come.
func TestTurnsOverTCP(t *testing.T) {
	srv := &sink.Server{}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- srv.Serve(ctx, l) }()
	nc, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	c := &client{textproto.NewConn(nc), t}
	c.say("", 220)
	c.say("EHLO x", 250)
	const messages = 20
	if _, err := nc.Write(bytes.Repeat(chunked, messages)); err != nil {
		t.Fatal(err)
	}
	for range 3 * messages {
		c.say("", 250)
	}
	c.say("QUIT", 221)
	c.eof()
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	// One write of 40 kB may still arrive in a few pieces.
	if s := srv.Stats(); s.Messages != messages || s.Turns < 3 || s.Turns > 2+messages/2 {
		t.Errorf("%+v", s)
	}
}
