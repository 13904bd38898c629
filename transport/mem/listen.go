package mem

import (
	"context"
	"net"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// Listener accepts links in memory, and dials them: it implements net.Listener
// and transport.Dialer. It is safe for concurrent use.
type Listener struct {
	options Options
	name    Addr
	queue   chan *Conn
	done    chan struct{}
	once    sync.Once
	dialled atomic.Int64
}

// Backlog is how many links wait to be accepted before a dialler has to wait.
const Backlog = 128

// Listen returns a listener whose links are as o says.
func Listen(name string, o Options) *Listener {
	return &Listener{options: o, name: Addr(name), queue: make(chan *Conn, Backlog), done: make(chan struct{})}
}

// Accept waits for a link and returns the server's end.
func (l *Listener) Accept() (net.Conn, error) {
	closed := &net.OpError{Op: "accept", Net: "mem", Addr: l.name, Err: net.ErrClosed}
	select {
	case <-l.done:
		return nil, closed
	default:
	}
	select {
	case <-l.done:
		return nil, closed
	case c := <-l.queue:
		return c, nil
	}
}

// Close refuses further links and loses those that nobody has accepted.
func (l *Listener) Close() error {
	l.once.Do(func() { close(l.done) })
	for {
		select {
		case c := <-l.queue:
			c.Break()
		default:
			return nil
		}
	}
}

// Addr returns the listener's name.
func (l *Listener) Addr() net.Addr { return l.name }

// DialContext returns the client's end of a new link after one round trip. The
// network and the address are not looked at. After Close it is refused.
func (l *Listener) DialContext(ctx context.Context, _, _ string) (net.Conn, error) {
	fail := func(err error) (net.Conn, error) {
		return nil, &net.OpError{Op: "dial", Net: "mem", Addr: l.name, Err: err}
	}
	if l.options.Latency > 0 {
		timer := time.NewTimer(2 * l.options.Latency)
		defer timer.Stop()
		select {
		case <-ctx.Done():
			return fail(ctx.Err())
		case <-timer.C:
		}
	}
	if err := ctx.Err(); err != nil {
		return fail(err)
	}
	select {
	case <-l.done:
		return fail(syscall.ECONNREFUSED)
	default:
	}
	client, server := pipe(l.options, Addr("client-"+strconv.FormatInt(l.dialled.Add(1), 10)), l.name)
	select {
	case <-ctx.Done():
		return fail(ctx.Err())
	case <-l.done:
		return fail(syscall.ECONNREFUSED)
	case l.queue <- server:
		select {
		case <-l.done: // it may have come too late for Close to find it
			l.Close()
		default:
		}
		return client, nil
	}
}

// Dialled returns how many links have been made.
func (l *Listener) Dialled() int { return int(l.dialled.Load()) }
