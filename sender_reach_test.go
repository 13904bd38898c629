package parley_test

import (
	"context"
	"net"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/parley-mail/parley"
	"github.com/parley-mail/parley/transport/mem"
)

// door lets through so many connections at once; the next are refused by the firewall, or
// with 421 by the server. -1 is silence.
type door struct {
	*mem.Listener
	most  atomic.Int64
	greet bool
	open  atomic.Int64
	tried atomic.Int64
}

func (g *door) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	g.tried.Add(1)
	if g.most.Load() < 0 {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	if g.open.Add(1) > g.most.Load() {
		g.open.Add(-1)
		if !g.greet {
			time.Sleep(time.Millisecond)
			return nil, syscall.ECONNREFUSED
		}
		client, server := mem.Pipe(mem.Options{Latency: time.Millisecond})
		server.Write([]byte("421 4.7.0 too many of you\r\n"))
		server.Close()
		return client, nil
	}
	nc, err := g.Listener.DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	return &doorConn{nc.(*mem.Conn), g, sync.Once{}}, nil
}

type doorConn struct {
	*mem.Conn
	door *door
	once sync.Once
}

func (c *doorConn) Close() error {
	c.once.Do(func() { c.door.open.Add(-1) })
	return c.Conn.Close()
}

// behindDoor is an endpoint behind a door.
func behindDoor(t *testing.T, most int64) (*parley.Endpoint, *door) {
	t.Helper()
	e, l, _ := inMemory(t, nil)
	g := &door{Listener: l}
	g.most.Store(most)
	e.Dialer = g
	return e, g
}

// sendAll sends so many messages at once and returns how many were accepted.
func sendAll(t *testing.T, s *parley.Sender, e *parley.Endpoint, n int) int {
	t.Helper()
	var all sync.WaitGroup
	var accepted atomic.Int64
	for range n {
		all.Go(func() {
			if o, _ := s.Send(t.Context(), bulk(t, e, "\r\nhi\r\n")); o == parley.OutcomeAccepted {
				accepted.Add(1)
			}
		})
	}
	all.Wait()
	return int(accepted.Load())
}

// Where a server takes fewer connections than there might be no message suffers: it waits
// for one that is open, and the server is left in peace for a while.
func TestSenderLearnsConnections(t *testing.T) {
	for _, greet := range []bool{false, true} {
		bubble(t, func(t *testing.T) {
			e, g := behindDoor(t, 3)
			g.greet = greet
			s := &parley.Sender{MaxConns: 8, MaxIdle: 5 * time.Second}
			if n := sendAll(t, s, e, 50); n != 50 {
				t.Errorf("%d of 50 were accepted", n)
			}
			if n := g.tried.Load(); n > 8 {
				t.Errorf("%d connections were tried", n)
			}
			time.Sleep(time.Minute) // all are closed, and what was learned is kept
			before := g.tried.Load()
			if n := sendAll(t, s, e, 50); n != 50 {
				t.Errorf("%d of 50 were accepted", n)
			}
			if n := g.tried.Load() - before; n > 3 {
				t.Errorf("%d connections were tried soon after", n)
			}
			time.Sleep(10 * time.Minute)
			g.most.Store(8)
			before = g.tried.Load()
			sendAll(t, s, e, 50)
			if n := g.tried.Load() - before; n != 8 {
				t.Errorf("%d connections were tried later", n)
			}
			shut(t, s)
		})
	}
}

// A destination that does not answer is tried by one connection, which decides all
// messages that wait for it, and is left alone for as long as that took.
func TestSenderLeavesTheSilentAlone(t *testing.T) {
	bubble(t, func(t *testing.T) {
		e, g := behindDoor(t, -1)
		s := &parley.Sender{}
		start := time.Now()
		if n := sendAll(t, s, e, 20); n != 0 || g.tried.Load() != 1 || time.Since(start) != time.Minute {
			t.Errorf("%d accepted, %d tried, after %v", n, g.tried.Load(), time.Since(start))
		}
		time.Sleep(50 * time.Second)
		start = time.Now()
		m := bulk(t, e, "\r\nhi\r\n")
		if _, err := s.Send(t.Context(), m); err == nil || g.tried.Load() != 1 || time.Since(start) != 0 {
			t.Errorf("%v, %d tried, after %v", err, g.tried.Load(), time.Since(start))
		}
		if r := m.Result(); r.Outcome() != parley.OutcomeNotSent {
			t.Errorf("%+v", r)
		}
		g.most.Store(8)
		time.Sleep(10 * time.Second)
		if n := sendAll(t, s, e, 20); n != 20 || g.tried.Load() != 1+16 {
			t.Errorf("%d accepted, %d tried", n, g.tried.Load())
		}
		shut(t, s)
	})
}

// Destinations of which no connection ever idles are forgotten too.
func TestSenderForgets(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := &parley.Sender{MaxMessages: 1}
		for _, most := range []int64{8, 0} {
			e, _ := behindDoor(t, most)
			sendAll(t, s, e, 1)
		}
		if n := s.Stats().Destinations; n != 2 {
			t.Errorf("%d destinations", n)
		}
		time.Sleep(3 * time.Second)
		if n := s.Stats().Destinations; n != 0 {
			t.Errorf("%d destinations are left", n)
		}
		shut(t, s)
	})
}

// One that refuses at once decides all who wait, and may be tried again at once.
func TestSenderTriesTheRefusingAgain(t *testing.T) {
	bubble(t, func(t *testing.T) {
		e, g := behindDoor(t, 0)
		s := &parley.Sender{}
		if n := sendAll(t, s, e, 20); n != 0 || g.tried.Load() != 1 {
			t.Errorf("%d accepted, %d tried", n, g.tried.Load())
		}
		time.Sleep(time.Millisecond)
		g.most.Store(8)
		if n := sendAll(t, s, e, 1); n != 1 {
			t.Error("the second message was not even tried")
		}
		shut(t, s)
	})
}
