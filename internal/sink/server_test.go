package sink_test

import (
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
