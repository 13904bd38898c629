package parley_test

import (
	"errors"
	"net"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/parley-mail/parley"
	"github.com/parley-mail/parley/fsm"
	"github.com/parley-mail/parley/transport"
	"github.com/parley-mail/parley/transport/mem"
)

// exchanger is a connection that writes and reads in one, as a socket does, and says of itself
// that there is one below.
type exchanger struct {
	transport.Conn
	silent *mem.Conn // hard of hearing: what it listens to instead
	turns  int

	mu  sync.Mutex
	due time.Time // of writes
}

func exchanging(c transport.Conn) net.Conn { return &exchanger{Conn: c} }

// hardOfHearing is one that notices no answer before the deadline: what a socket does at worst, when the
// server had spoken before.
func hardOfHearing(c transport.Conn) net.Conn {
	silent, _ := mem.Pipe(mem.Options{})
	return &exchanger{Conn: c, silent: silent}
}

func (x *exchanger) NetConn() net.Conn { return &net.TCPConn{} }

func (x *exchanger) Exchange(_ *transport.Exchange, out, in []byte) (wrote, read int, err error) {
	if x.Security().Secure {
		return 0, 0, nil
	}
	x.turns++
	if wrote, err = x.writeNow(out); err != nil || wrote < len(out) {
		return wrote, 0, err
	}
	if x.silent != nil {
		read, err = x.silent.Read(in)
	} else {
		read, err = x.Read(in)
	}
	return wrote, read, err
}

// writeNow writes what goes out without waiting.
func (x *exchanger) writeNow(p []byte) (int, error) {
	x.Conn.SetWriteDeadline(time.Now().Add(1))
	n, err := x.Write(p)
	x.mu.Lock()
	defer x.mu.Unlock()
	x.Conn.SetWriteDeadline(x.due)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		err = nil
	}
	return n, err
}

func (x *exchanger) SetWriteDeadline(t time.Time) error {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.due = t
	return x.Conn.SetWriteDeadline(t)
}

func (x *exchanger) SetReadDeadline(t time.Time) error {
	if x.silent != nil {
		x.silent.SetReadDeadline(t)
	}
	return x.Conn.SetReadDeadline(t)
}

func (x *exchanger) SetDeadline(t time.Time) error {
	return errors.Join(x.SetReadDeadline(t), x.SetWriteDeadline(t))
}

// Every turn is one exchange. A server that had spoken before it was written to is heard after
// four seconds, or after half of the patience there is.
func TestExchange(t *testing.T) {
	for _, c := range []struct {
		name           string
		over           func(transport.Conn) net.Conn
		patience, want time.Duration // of each turn
	}{
		{"heard", exchanging, 0, 0},
		{"overlooked", hardOfHearing, 0, 4 * time.Second},
		{"overlooked, with little patience", hardOfHearing, time.Second, time.Second / 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				var x *exchanger
				e := &parley.Endpoint{
					Address:  "mx.example:25",
					Patience: func(fsm.Command) time.Duration { return c.patience },
					Dialer: dialFunc(func() net.Conn {
						x = c.over(transport.New(tarrying("none", 0))).(*exchanger)
						return x
					}),
				}
				conn, err := parley.Dial(t.Context(), e)
				if err != nil {
					t.Fatal(err)
				}
				defer conn.Close()
				x.turns = 0
				tx := transaction(t, "a@x.example", "b@y.example")
				tx.Content = []byte("Subject: hi\r\n\r\n")
				begun := time.Now()
				if err := conn.Send(t.Context(), tx, nil); err != nil {
					t.Fatal(err)
				}
				const turns = 4 // MAIL, RCPT, DATA, the end of data
				if took := time.Since(begun); took != turns*c.want || x.turns != turns {
					t.Errorf("%d exchanges in %v", x.turns, took)
				}
			})
		})
	}
}
