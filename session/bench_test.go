package session_test

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/parley-mail/parley/events"
	"github.com/parley-mail/parley/fsm"
	"github.com/parley-mail/parley/message"
	"github.com/parley-mail/parley/session"
)

// loop sends messages over one session without I/O, again and again.
type loop struct {
	s       *session.Session
	tx      session.Transaction
	env     *message.Envelope
	content []byte
	group   []byte // replies to MAIL, RCPT and DATA, or to all of it with BDAT
	final   []byte // reply to the end of data; nil with BDAT
	got     int64
}

func newLoop(tb testing.TB, machine fsm.Machine, data session.DataMode, rcpts int, sink session.Sink) *loop {
	tb.Helper()
	l := &loop{content: bytes.Repeat([]byte("a line of text that is not very long at all, as lines go\r\n"), 70)}
	var to []string
	for i := range rcpts {
		to = append(to, fmt.Sprintf("user%d@y.example", i))
	}
	l.env = mail(tb, "", "a@x.example", to...).Envelope
	var b bytes.Buffer
	b.WriteString("250 2.1.0 ok\r\n")
	for range rcpts {
		b.WriteString("250 2.1.5 ok\r\n")
	}
	if data == session.DataBDAT {
		b.WriteString("250 2.0.0 queued\r\n")
	} else {
		b.WriteString("354 go\r\n")
		l.final = []byte("250 2.0.0 queued\r\n")
	}
	l.group = b.Bytes()
	l.s = session.New(session.Config{Machine: machine, Data: data, Window: 64 << 10, Events: sink})
	l.s.Dialing()
	l.s.Connected(session.Link{})
	l.s.Receive([]byte("220 mx.example\r\n"))
	l.drain()
	l.s.Receive([]byte("250-mx.example\r\n250-PIPELINING\r\n250 CHUNKING\r\n"))
	if !l.s.Open() {
		tb.Fatal(l.s.Err())
	}
	return l
}

func (l *loop) drain() {
	n := int64(0)
	for _, p := range l.s.Output() {
		n += int64(len(p))
	}
	l.s.Wrote(n)
	l.got += n
}

func (l *loop) message(tb testing.TB) {
	l.tx.Reset()
	l.tx.Envelope, l.tx.Content = l.env, l.content
	if err := l.s.Begin(&l.tx); err != nil {
		tb.Fatal(err)
	}
	l.drain()
	l.s.Receive(l.group)
	if l.final != nil {
		l.drain()
		l.s.Receive(l.final)
	}
	if !l.tx.Done() || l.tx.Err() != nil || l.tx.Status(0) != session.Accepted {
		tb.Fatalf("not accepted: %v, session %v", l.tx.Err(), l.s.Err())
	}
}

// A message costs no allocation once the session is warm, with a listener for every
// event too.
func TestMessageDoesNotAllocate(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	bus := &events.Bus{}
	bus.Subscribe(events.All, func(events.Event) {})
	for _, data := range []session.DataMode{session.DataOnly, session.DataBDAT} {
		for name, sink := range map[string]session.Sink{"nobody": nil, "subscriber": bus} {
			for _, rcpts := range []int{1, 100} {
				l := newLoop(t, &fsm.Compiled{}, data, rcpts, sink)
				l.message(t)
				if n := testing.AllocsPerRun(200, func() { l.message(t) }); n != 0 {
					t.Errorf("%v, %s, %d recipients: %v allocations a message", data, name, rcpts, n)
				}
			}
		}
	}
}

func BenchmarkSession(b *testing.B) {
	for _, data := range []session.DataMode{session.DataOnly, session.DataBDAT} {
		for _, rcpts := range []int{1, 100} {
			for name, machine := range map[string]func() fsm.Machine{
				"compiled": func() fsm.Machine { return &fsm.Compiled{} },
				"looplab":  func() fsm.Machine { return fsm.NewLooplab() },
			} {
				b.Run(fmt.Sprintf("%v/%d/%s", data, rcpts, name), func(b *testing.B) {
					l := newLoop(b, machine(), data, rcpts, nil)
					l.message(b)
					b.ReportAllocs()
					for b.Loop() {
						l.message(b)
					}
				})
			}
		}
	}
}
