package parley_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parley-mail/parley"
	"github.com/parley-mail/parley/events"
	"github.com/parley-mail/parley/internal/sink"
	"github.com/parley-mail/parley/internal/smtptest"
	"github.com/parley-mail/parley/message"
	"github.com/parley-mail/parley/session"
	"github.com/parley-mail/parley/transport"
	"github.com/parley-mail/parley/transport/fault"
	"github.com/parley-mail/parley/transport/mem"
	"github.com/parley-mail/parley/transport/proxy"
)

func bulk(t testing.TB, e *parley.Endpoint, body string) *parley.Message {
	t.Helper()
	tx := transaction(t, "a@x.example", "b@y.example")
	return &parley.Message{Endpoint: e, Mail: parley.Mail{Envelope: tx.Envelope, Content: message.FromBytes([]byte(body))}}
}

// inMemory starts a sink that the bubble's Sender reaches by the endpoint.
func inMemory(t *testing.T, set func(*sink.Server)) (*parley.Endpoint, *mem.Listener, *sink.Memory) {
	t.Helper()
	memory := &sink.Memory{}
	srv := &sink.Server{Name: "mx.example", Store: memory}
	if set != nil {
		set(srv)
	}
	l := mem.Listen("mx.example", mem.Options{Latency: time.Millisecond})
	var serving sync.WaitGroup
	ctx, cancel := context.WithCancel(context.Background())
	serving.Go(func() { srv.Serve(ctx, l) })
	t.Cleanup(func() {
		srv.Close()
		cancel()
		serving.Wait()
	})
	return &parley.Endpoint{Address: "mx.example:2525", Dialer: l}, l, memory
}

func shut(t *testing.T, s *parley.Sender) {
	t.Helper()
	if err := s.Close(t.Context()); err != nil {
		t.Error(err)
	}
	if st := s.Stats(); st.Conns != 0 || st.Waiting != 0 {
		t.Errorf("after Close: %+v", st)
	}
}

// Many goroutines share few connections; every message arrives once.
func TestSenderShares(t *testing.T) {
	for _, overlap := range []int{0, 4} {
		p := smtptest.Server(t, nil)
		e := &parley.Endpoint{Address: p.Addr, Session: session.Config{Overlap: overlap}}
		s := &parley.Sender{MaxConns: 3}
		var all sync.WaitGroup
		for i := range 16 {
			all.Go(func() {
				for k := range 20 {
					m := bulk(t, e, fmt.Sprintf("Subject: %d\r\n\r\n%d\r\n", i, k))
					if o, err := s.Send(t.Context(), m); o != parley.OutcomeAccepted || err != nil {
						t.Errorf("%v %v", o, err)
					}
					if r := m.Result(); r.Outcome() != parley.OutcomeAccepted || r.Reply.Code != 250 {
						t.Errorf("%+v", r)
					}
				}
			})
		}
		all.Wait()
		st := s.Stats()
		if st.Dials > 3 || st.Accepted != 320 || st.Messages != 320 || st.Again != 0 {
			t.Errorf("overlap %d: %+v", overlap, st)
		}
		shut(t, s)
		seen := map[string]int{}
		for _, m := range p.Wait(t, 320) {
			seen[string(m.Content)]++
		}
		if len(seen) != 320 {
			t.Errorf("overlap %d: %d different messages arrived", overlap, len(seen))
		}
	}
}

// A window of submitted messages costs one round trip for all of them.
func TestSenderSubmits(t *testing.T) {
	bubble(t, func(t *testing.T) {
		e, _, memory := inMemory(t, nil)
		e.Session.Overlap = 8
		s := &parley.Sender{MaxConns: 1}
		var window []*parley.Message
		for i := range 8 {
			m := bulk(t, e, fmt.Sprintf("\r\n%d\r\n", i))
			window = append(window, m)
			if err := s.Submit(t.Context(), m); err != nil {
				t.Fatal(err)
			}
		}
		before := s.Stats().Turns
		for _, m := range window {
			if _, err := s.Wait(t.Context(), m); err != nil {
				t.Error(err)
			}
		}
		if n := s.Stats().Turns - before; n > 3 { // dialling is counted with the first
			t.Errorf("%d round trips", n)
		}
		// A ninth has room as soon as it is asked for: whoever needs the room makes it.
		for _, m := range append(window, bulk(t, e, "\r\nninth\r\n")) {
			if err := s.Submit(t.Context(), m); err != nil {
				t.Fatal(err)
			}
		}
		if err := s.Submit(t.Context(), window[7]); !errors.Is(err, parley.ErrMisuse) {
			t.Errorf("submitted twice: %v", err)
		}
		shut(t, s) // waits for what nobody waits for
		if n := len(memory.Messages()); n != 17 {
			t.Errorf("%d messages arrived", n)
		}
		if o, err := s.Wait(t.Context(), window[7]); o != parley.OutcomeAccepted {
			t.Errorf("%v %v", o, err)
		}
		if _, err := s.Send(t.Context(), bulk(t, e, "\r\n")); !errors.Is(err, parley.ErrMisuse) {
			t.Errorf("sent by a closed sender: %v", err)
		}
	})
}

// A connection is not used for too long, for too many messages, or after it idled for too
// long, nor after the server has closed it.
func TestSenderRenews(t *testing.T) {
	count := func(t *testing.T, s *parley.Sender, pause time.Duration, set func(*sink.Server)) int {
		n := 0
		bubble(t, func(t *testing.T) {
			e, l, memory := inMemory(t, set)
			for range 6 {
				if _, err := s.Send(t.Context(), bulk(t, e, "\r\nhi\r\n")); err != nil {
					t.Error(err)
				}
				time.Sleep(pause)
				synctest.Wait()
			}
			shut(t, s)
			if len(memory.Messages()) != 6 {
				t.Errorf("%d messages arrived", len(memory.Messages()))
			}
			n = l.Dialled()
		})
		return n
	}
	for _, c := range []struct {
		what  string
		s     *parley.Sender
		pause time.Duration
		set   func(*sink.Server)
		want  int
	}{
		{"kept", &parley.Sender{}, 10 * time.Second, nil, 1},
		{"idle", &parley.Sender{MaxIdle: 5 * time.Second}, 10 * time.Second, nil, 6},
		{"age", &parley.Sender{MaxAge: 25 * time.Second}, 10 * time.Second, nil, 2},
		{"messages", &parley.Sender{MaxMessages: 2}, time.Second, nil, 3},
		{"one each", &parley.Sender{MaxMessages: 1}, time.Second, nil, 6},
		{"closed by the server", &parley.Sender{}, 10 * time.Second, func(s *sink.Server) { s.Limits.Wait = 5 * time.Second }, 6},
		{"MAILMAX", &parley.Sender{}, time.Second, func(s *sink.Server) { s.Limits.Messages = 3 }, 2},
	} {
		if n := count(t, c.s, c.pause, c.set); n != c.want {
			t.Errorf("%s: %d connections, want %d", c.what, n, c.want)
		}
	}
}

// A server that does not answer QUIT, or answers it octet by octet, is waited for ten seconds,
// and never longer than the caller of Close does.
func TestSenderFarewell(t *testing.T) {
	for _, c := range []struct {
		answers bool // slowly, and never to the end
		patient time.Duration
		want    time.Duration
	}{
		{false, time.Minute, 10 * time.Second},
		{true, time.Minute, 10 * time.Second},
		{true, 2 * time.Second, 2 * time.Second},
	} {
		bubble(t, func(t *testing.T) {
			var serving sync.WaitGroup
			dial := dialFunc(func() net.Conn {
				a, b := mem.Pipe(mem.Options{})
				serving.Go(func() {
					buf := make([]byte, 4<<10)
					io.WriteString(b, "220 mx.example\r\n")
					b.Read(buf)
					io.WriteString(b, "250-mx.example\r\n250-PIPELINING\r\n250 CHUNKING\r\n")
					b.Read(buf)
					io.WriteString(b, "250 ok\r\n250 ok\r\n250 ok\r\n")
					b.Read(buf) // QUIT
					for _, err := io.WriteString(b, "221 "); err == nil; _, err = io.WriteString(b, "x") {
						if !c.answers {
							b.Read(buf)
							break
						}
						time.Sleep(700 * time.Millisecond)
					}
					b.Close()
				})
				return a
			})
			s := &parley.Sender{}
			e := &parley.Endpoint{Address: "mx.example:25", Dialer: &dial}
			if o, err := s.Send(t.Context(), bulk(t, e, "\r\nhi\r\n")); o != parley.OutcomeAccepted {
				t.Fatal(o, err)
			}
			ctx, cancel := context.WithTimeout(t.Context(), c.patient)
			defer cancel()
			start := time.Now()
			s.Close(ctx)
			if took := time.Since(start); took != c.want {
				t.Errorf("%+v: took %v", c, took)
			}
			serving.Wait()
		})
	}
}

// flaky dials through to a listener, each time with other faults.
type flaky struct {
	*mem.Listener
	plans []fault.Plan
	n     atomic.Int32
}

func (g *flaky) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	nc, err := g.Listener.DialContext(ctx, network, address)
	if i := int(g.n.Add(1)) - 1; err == nil && i < len(g.plans) {
		nc = fault.New(nc, g.plans[i])
	}
	return nc, err
}

// Cut the connection that served one message at every octet of the second: the second is
// sent again only if nothing of it can have been taken, and nothing arrives twice.
func TestSenderSendsAgain(t *testing.T) {
	for _, side := range []fault.Side{fault.Read, fault.Write} {
		again, unknown, lengths := 0, 0, []int64{}
		for at := int64(20); at < 500; at += 3 {
			bubble(t, func(t *testing.T) {
				e, l, memory := inMemory(t, nil)
				e.Dialer = &flaky{Listener: l, plans: []fault.Plan{{{Side: side, Kind: fault.Cut, At: at}}}}
				s := &parley.Sender{}
				if _, err := s.Send(t.Context(), bulk(t, e, "\r\nfirst\r\n")); err != nil {
					s.Close(t.Context())
					return // cut too early
				}
				m := bulk(t, e, "\r\nsecond\r\n")
				o, err := s.Send(t.Context(), m)
				st := s.Stats()
				s.Close(t.Context())
				synctest.Wait()
				arrived := 0
				for _, got := range memory.Messages() {
					if bytes.Contains(got.Content, []byte("second")) {
						arrived++
					}
				}
				switch {
				case o == parley.OutcomeAccepted && arrived == 1:
					again += int(st.Again)
				case o == parley.OutcomeUnknown && arrived <= 1:
					unknown++
					var pe *parley.Error
					if !errors.As(err, &pe) || !pe.Ambiguous() || st.Again != 0 {
						t.Errorf("%v at %d: unknown, but %v, again %d", side, at, err, st.Again)
					}
				default:
					t.Errorf("%v at %d: %v, %d arrived: %v", side, at, o, arrived, err)
				}
				lengths = append(lengths, at)
			})
		}
		if len(lengths) < 10 || side == fault.Write && again == 0 || side == fault.Read && unknown == 0 {
			t.Errorf("%v: %d runs, %d sent again, %d unknown", side, len(lengths), again, unknown)
		}
	}
}

// A server that says 421 to a second message is left, and another connection is made.
func TestSenderIsTurnedAway(t *testing.T) {
	bubble(t, func(t *testing.T) {
		mails := 0
		e, l, memory := inMemory(t, func(s *sink.Server) {
			s.Hooks.Mail = func(string) sink.Reply {
				if mails++; mails == 2 {
					return sink.Reply{Code: 421, Text: "4.3.2 too busy"}
				}
				return sink.Reply{}
			}
		})
		s := &parley.Sender{}
		for range 2 {
			if _, err := s.Send(t.Context(), bulk(t, e, "\r\nhi\r\n")); err != nil {
				t.Error(err)
			}
		}
		shut(t, s)
		if len(memory.Messages()) != 2 || l.Dialled() != 2 {
			t.Errorf("%d messages by %d connections", len(memory.Messages()), l.Dialled())
		}
	})
}

// A server that takes only so many messages on a connection, and says so by refusing MAIL,
// gets the others by other connections; after the first time they are left in time.
func TestSenderLearnsTheShare(t *testing.T) {
	for _, refusal := range []sink.Reply{{Code: 452, Enhanced: "4.5.3", Text: "Too many messages sent"}, {Code: 421, Enhanced: "4.3.2", Text: "too many messages"}} {
		for _, window := range []int{1, 4} {
			bubble(t, func(t *testing.T) {
				memory := &sink.Memory{}
				l := mem.Listen("mx.example", mem.Options{Latency: time.Millisecond})
				var serving sync.WaitGroup
				serving.Go(func() {
					for { // a server a connection, so that each counts for itself
						nc, err := l.Accept()
						if err != nil {
							return
						}
						srv, mails := &sink.Server{Name: "mx.example", Store: memory}, 0
						srv.Hooks.Mail = func(string) sink.Reply {
							if mails++; mails > 5 {
								return refusal
							}
							return sink.Reply{}
						}
						serving.Go(func() { srv.ServeConn(context.Background(), nc) })
					}
				})
				e := &parley.Endpoint{Address: "mx.example:2525", Dialer: l, Session: session.Config{Overlap: window}}
				s := &parley.Sender{MaxConns: 1}
				var all []*parley.Message
				for i := range 40 {
					m := bulk(t, e, fmt.Sprintf("\r\n%d\r\n", i))
					if err := s.Submit(t.Context(), m); err != nil {
						t.Fatal(err)
					}
					if all = append(all, m); i >= window {
						if o, err := s.Wait(t.Context(), all[i-window]); o != parley.OutcomeAccepted {
							t.Errorf("%d: %v %v", i-window, o, err)
						}
					}
				}
				for _, m := range all[40-window:] {
					if o, err := s.Wait(t.Context(), m); o != parley.OutcomeAccepted {
						t.Errorf("%v %v", o, err)
					}
				}
				shut(t, s)
				st := s.Stats()
				if n := len(memory.Messages()); n != 40 || st.Unknown != 0 || st.Again > uint64(window) || l.Dialled() > 9 {
					t.Errorf("%d, window %d: %d arrived by %d connections: %+v", refusal.Code, window, n, l.Dialled(), st)
				}
				l.Close()
				serving.Wait()
			})
		}
	}
}

// Who waits for room, for a connection or for an answer can give up at any time. What was
// not begun is not sent; what was in flight is unknown to those who share the connection.
func TestSenderGivesUp(t *testing.T) {
	bubble(t, func(t *testing.T) {
		hold := make(chan struct{})
		e, _, memory := inMemory(t, func(s *sink.Server) {
			s.Hooks.End = func(string) sink.Reply {
				<-hold
				return sink.Reply{}
			}
		})
		s := &parley.Sender{MaxConns: 1}
		first := make(chan error, 1)
		go func() {
			_, err := s.Send(context.Background(), bulk(t, e, "\r\nfirst\r\n"))
			first <- err
		}()
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		start := time.Now()
		o, err := s.Send(ctx, bulk(t, e, "\r\nsecond\r\n"))
		if o != parley.OutcomeNotSent || !errors.Is(err, parley.ErrCanceled) || time.Since(start) > 1100*time.Millisecond {
			t.Errorf("%v %v after %v", o, err, time.Since(start))
		}
		close(hold)
		if err := <-first; err != nil {
			t.Error(err)
		}
		shut(t, s)
		if n := len(memory.Messages()); n != 1 {
			t.Errorf("%d messages arrived", n)
		}
	})
	bubble(t, func(t *testing.T) { // a neighbour in flight
		hold := make(chan struct{})
		e, _, _ := inMemory(t, func(s *sink.Server) {
			s.Hooks.End = func(string) sink.Reply {
				<-hold
				return sink.Reply{}
			}
		})
		e.Session.Overlap = 4
		s := &parley.Sender{MaxConns: 1}
		ctx, cancel := context.WithCancel(t.Context())
		type result struct {
			o   parley.Outcome
			err error
		}
		results := make(chan result, 2)
		leader, follower := bulk(t, e, "\r\nleader\r\n"), bulk(t, e, "\r\nfollower\r\n")
		for _, m := range []*parley.Message{leader, follower} {
			if err := s.Submit(t.Context(), m); err != nil {
				t.Fatal(err)
			}
		}
		go func() {
			o, err := s.Wait(t.Context(), leader)
			results <- result{o, err}
		}()
		synctest.Wait()
		go func() {
			o, err := s.Wait(ctx, follower)
			results <- result{o, err}
		}()
		synctest.Wait()
		cancel()
		start := time.Now()
		for range 2 {
			if r := <-results; r.o != parley.OutcomeUnknown || !errors.Is(r.err, parley.ErrCanceled) {
				t.Errorf("%+v", r)
			}
		}
		if time.Since(start) > 100*time.Millisecond {
			t.Errorf("giving up took %v", time.Since(start))
		}
		close(hold)
		s.Close(t.Context())
	})
}

// When connections are used up, destinations take turns.
func TestSenderIsFair(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := &parley.Sender{MaxTotal: 2, MaxConns: 2}
		var all sync.WaitGroup
		var ends [3]atomic.Int64
		start := time.Now()
		for d := range ends {
			e, _, _ := inMemory(t, nil)
			e.Address = fmt.Sprintf("mx%d.example:2525", d)
			for range 4 {
				all.Go(func() {
					for range 25 {
						if _, err := s.Send(t.Context(), bulk(t, e, "\r\nhi\r\n")); err != nil {
							t.Error(err)
						}
					}
					ends[d].Store(int64(time.Since(start)))
				})
			}
		}
		all.Wait()
		if st := s.Stats(); st.Accepted != 300 || st.Conns > 2 {
			t.Errorf("%+v", st)
		}
		whole := max(ends[0].Load(), ends[1].Load(), ends[2].Load())
		for d := range ends {
			if end := ends[d].Load(); end < whole/2 {
				t.Errorf("destination %d was served first: %v of %v", d, time.Duration(end), time.Duration(whole))
			}
		}
		shut(t, s)
	})
}

// Rate spreads messages over time.
func TestSenderKeepsRate(t *testing.T) {
	bubble(t, func(t *testing.T) {
		e, _, _ := inMemory(t, nil)
		s := &parley.Sender{Rate: 2}
		start := time.Now()
		for range 5 {
			if _, err := s.Send(t.Context(), bulk(t, e, "\r\nhi\r\n")); err != nil {
				t.Error(err)
			}
		}
		if took := time.Since(start); took < 2*time.Second || took > 3*time.Second {
			t.Errorf("5 messages at 2 a second took %v", took)
		}
		shut(t, s)
	})
}

// A server that answers out of step when messages overlap gets one at a time from then on.
func TestSenderTurnsDown(t *testing.T) {
	bubble(t, func(t *testing.T) {
		mails := 0
		e, _, memory := inMemory(t, func(s *sink.Server) {
			s.Hooks.Mail = func(string) sink.Reply {
				if mails++; mails == 3 {
					return sink.Reply{Code: 354, Text: "what?"}
				}
				return sink.Reply{}
			}
		})
		e.Session.Overlap = 4
		s := &parley.Sender{MaxConns: 1}
		var window []*parley.Message
		for i := range 4 {
			m := bulk(t, e, fmt.Sprintf("\r\n%d\r\n", i))
			window = append(window, m)
			if err := s.Submit(t.Context(), m); err != nil {
				t.Fatal(err)
			}
		}
		accepted, unknown := 0, 0
		for _, m := range window {
			switch o, _ := s.Wait(t.Context(), m); o {
			case parley.OutcomeAccepted:
				accepted++
			case parley.OutcomeUnknown:
				unknown++
			}
		}
		k, err := e.Key()
		if err != nil {
			t.Fatal(err)
		}
		if st := s.Stats(); st.TurnedDown != 1 || s.TurnedDown(k) == "" || accepted != 2 || unknown != 2 {
			t.Errorf("%d accepted, %d unknown, %+v, %q", accepted, unknown, st, s.TurnedDown(k))
		}
		for _, m := range window {
			if o, err := s.Send(t.Context(), m); o != parley.OutcomeAccepted {
				t.Errorf("%v %v", o, err)
			}
		}
		shut(t, s)
		if n := len(memory.Messages()); n < 6 {
			t.Errorf("%d arrived", n)
		}
	})
}

// What is closed while messages are under way is waited for, or given up in time.
func TestSenderCloses(t *testing.T) {
	bubble(t, func(t *testing.T) {
		e, _, _ := inMemory(t, func(s *sink.Server) {
			s.Hooks.End = func(string) sink.Reply {
				time.Sleep(time.Hour)
				return sink.Reply{}
			}
		})
		s := &parley.Sender{MaxConns: 1}
		results := make(chan error, 2)
		for range 2 {
			go func() {
				_, err := s.Send(context.Background(), bulk(t, e, "\r\nhi\r\n"))
				results <- err
			}()
		}
		time.Sleep(100 * time.Millisecond)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := s.Close(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
		for range 2 {
			if err := <-results; err == nil {
				t.Error("accepted")
			}
		}
		if st := s.Stats(); st.Conns != 0 || st.NotSent != 1 || st.Unknown != 1 {
			t.Errorf("%+v", st)
		}
	})
}

// The key tells endpoints apart by everything that trust depends on.
func TestKey(t *testing.T) {
	base := parley.Endpoint{Address: "mx.example:25", TLSConfig: &transport.TLSConfig{}, Dialer: &transport.TCPDialer{}}
	key := func(e parley.Endpoint) parley.Key {
		k, err := e.Key()
		if err != nil {
			t.Fatal(err)
		}
		return k
	}
	if key(base) != key(base) {
		t.Error("equal endpoints have different keys")
	}
	for what, change := range map[string]func(*parley.Endpoint){
		"address":    func(e *parley.Endpoint) { e.Address = "mx.example:26" },
		"network":    func(e *parley.Endpoint) { e.Network = "tcp6" },
		"TLS":        func(e *parley.Endpoint) { e.TLS = parley.TLSStartTLS },
		"TLS policy": func(e *parley.Endpoint) { e.TLSConfig = &transport.TLSConfig{} },
		"dialer":     func(e *parley.Endpoint) { e.Dialer = &transport.TCPDialer{LocalPort: 1} },
		"strict":     func(e *parley.Endpoint) { e.Session.Strict = true },
		"floor":      func(e *parley.Endpoint) { e.AuthPolicy.AllowPlaintext = true },
		"mechanisms": func(e *parley.Endpoint) { e.AuthPolicy.Mechanisms = []string{"PLAIN"} },
		"rate":       func(e *parley.Endpoint) { e.MaxRate = 1 },
		"events":     func(e *parley.Endpoint) { e.Events = &events.Bus{} },
	} {
		e := base
		change(&e)
		if key(e) == key(base) {
			t.Errorf("%s does not count", what)
		}
	}
	for what, d := range map[string]transport.Dialer{"a function": dialFunc(nil), "a function behind an interface": wrapped{dialFunc(nil)}} {
		e := base
		e.Dialer = d
		if _, err := e.Key(); !errors.Is(err, parley.ErrMisuse) {
			t.Errorf("%s cannot be compared: %v", what, err)
		}
	}
	e := base
	e.Dialer = proxy.Chain(nil, proxy.Tunnel{Addr: "proxy.example:3128", Header: []string{"X: y"}})
	if key(e) != key(e) {
		t.Error("equal chains have different keys")
	}
}

// wrapped is a dialer whose type can be compared and whose value cannot.
type wrapped struct{ transport.Dialer }

// canned answers the octets of one message, again and again, without looking at them.
func canned(t testing.TB, extensions string, turns []canning) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	t.Cleanup(func() { l.Close(); <-done })
	go func() {
		defer close(done)
		buf := make([]byte, 1<<20)
		greeting, ehlo := []byte("220 mx.example\r\n"), []byte("250-mx.example\r\n"+extensions)
		serve := func(nc net.Conn) {
			defer nc.Close()
			nc.Write(greeting)
			nc.Read(buf)
			nc.Write(ehlo)
			for {
				for _, turn := range turns {
					if _, err := io.ReadFull(nc, buf[:turn.octets]); err != nil || bytes.HasPrefix(buf, []byte("QUIT")) {
						return
					}
					if _, err := nc.Write(turn.reply); err != nil {
						return
					}
				}
			}
		}
		for {
			nc, err := l.Accept()
			if err != nil {
				return
			}
			serve(nc)
		}
	}()
	return l
}

type canning struct {
	octets int
	reply  []byte
}

// A message costs no allocation once a Sender is warm, whatever the way and with somebody
// listening, and an idle one has no goroutine.
func TestSenderDoesNotAllocate(t *testing.T) {
	if stride > 1 {
		t.Skip("the race detector allocates")
	}
	text := func(lines int) string {
		return "Subject: x\r\n\r\n" + strings.Repeat("a line of text that is not very long at all, as lines go\r\n", lines)
	}
	content, large := text(70), text(10_000) // which is written by another goroutine
	envelope := len("MAIL FROM:<a@x.example>\r\nRCPT TO:<b@y.example>\r\n")
	ok := "250 2.1.0 ok\r\n250 2.1.5 ok\r\n"
	bdat := func(content string) int { return len(fmt.Sprintf("BDAT %d LAST\r\n%s", len(content), content)) }
	bus, incurious := &events.Bus{}, &events.Bus{}
	most := events.All &^ events.Of(events.KindPITrail) // its text is made for the ear
	bus.Subscribe(most, func(events.Event) {})
	incurious.Subscribe(most&^events.Of(events.KindStartTransfer, events.KindTransfer, events.KindEndTransfer), func(events.Event) {})
	alone := canning{envelope + bdat(content), []byte(ok + "250 2.0.0 ok\r\n")}
	behind := canning{alone.octets + len("RSET\r\n"), append([]byte("250 2.0.0 ok\r\n"), alone.reply...)}
	for _, c := range []struct {
		name, extensions, content string
		turns                     []canning
		window                    int
	}{
		{"pipelined", "250 PIPELINING\r\n", content, []canning{{envelope + 6, []byte(ok + "354 go\r\n")}, {len(content) + 3, []byte("250 2.0.0 ok\r\n")}}, 1},
		{"chunked", "250-PIPELINING\r\n250 CHUNKING\r\n", content, []canning{alone}, 1},
		{"chunked, overlapping", "250-PIPELINING\r\n250 CHUNKING\r\n", content, []canning{alone, behind, behind, behind, behind, behind, behind, behind}, 8},
		{"pipelined, large", "250 PIPELINING\r\n", large, []canning{{envelope + 6, []byte(ok + "354 go\r\n")}, {len(large) + 3, []byte("250 2.0.0 ok\r\n")}}, 1},
		{"chunked, large", "250-PIPELINING\r\n250 CHUNKING\r\n", large, []canning{{envelope + bdat(large), []byte(ok + "250 2.0.0 ok\r\n")}}, 1},
	} {
		for name, listener := range map[string]*events.Bus{"nobody": nil, "subscriber": bus} {
			if listener != nil && len(c.content) == len(large) {
				listener = incurious // content whose progress is followed goes in blocks: the next one is to wait for no answer
			}
			before := runtime.NumGoroutine()
			l := canned(t, c.extensions, c.turns)
			e := &parley.Endpoint{Address: l.Addr().String(), Events: listener, Session: session.Config{Overlap: c.window}}
			s := &parley.Sender{MaxConns: 1}
			ctx, cancel := context.WithCancel(t.Context())
			var window []*parley.Message
			for range c.window {
				window = append(window, bulk(t, e, c.content))
			}
			round := func() {
				for _, m := range window {
					if err := s.Submit(ctx, m); err != nil {
						t.Fatal(err)
					}
				}
				for _, m := range window {
					if o, err := s.Wait(ctx, m); o != parley.OutcomeAccepted {
						t.Fatal(o, err)
					}
				}
			}
			for range 20 {
				round()
			}
			if n := testing.AllocsPerRun(200, round); n != 0 {
				t.Errorf("%s, %s: %v allocations for %d messages", c.name, name, n, c.window)
			}
			if n := runtime.NumGoroutine(); n > before+1 {
				t.Errorf("%d goroutines beside the server's", n-before-1)
			}
			cancel()
			l.Close()
			s.Close(ctx)
		}
	}
}

// A session of one message costs few allocations beyond those of the connection that package
// net makes.
func TestSenderSessionAllocates(t *testing.T) {
	if stride > 1 {
		t.Skip("the race detector allocates")
	}
	content := "Subject: x\r\n\r\nhi\r\n"
	octets := len(fmt.Sprintf("MAIL FROM:<a@x.example>\r\nRCPT TO:<b@y.example>\r\nBDAT %d LAST\r\n%sQUIT\r\n", len(content), content))
	replies := []byte("250 2.1.0 ok\r\n250 2.1.5 ok\r\n250 2.0.0 ok\r\n221 2.0.0 bye\r\n")
	l := canned(t, "250-PIPELINING\r\n250 CHUNKING\r\n", []canning{{octets, replies}})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()

	buf := make([]byte, 4<<10)
	bare := func() {
		nc, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer nc.Close()
		nc.Read(buf)
		nc.Write(buf[:len("EHLO localhost\r\n")])
		nc.Read(buf)
		nc.Write(buf[:octets])
		if _, err := io.ReadFull(nc, buf[:len(replies)]); err != nil {
			t.Fatal(err)
		}
	}
	s := &parley.Sender{MaxMessages: 1}
	defer s.Close(ctx)
	m := bulk(t, &parley.Endpoint{Address: l.Addr().String()}, content)
	whole := func() {
		if o, err := s.Send(ctx, m); o != parley.OutcomeAccepted {
			t.Fatal(o, err)
		}
	}
	const most = 9
	least, is := testing.AllocsPerRun(200, bare), testing.AllocsPerRun(200, whole)
	t.Logf("a connection alone %v, with a session on it %v", least, is)
	if is > least+most {
		t.Errorf("a session of one message costs %v allocations beyond the %v of its connection; %d are allowed", is-least, least, most)
	}
}

// However little the link takes, and however long the server's replies are, neither side
// waits for the other for ever: while more is written than the link takes at once, what the
// server says is read.
func TestSenderNeedsNoRoom(t *testing.T) {
	for _, buffer := range []int{1, 3, 64, 1000} {
		for _, window := range []int{1, 2, 8, 40} {
			for _, data := range []session.DataMode{session.DataOnly, session.DataBDAT} {
				bubble(t, func(t *testing.T) {
					srv := &sink.Server{Name: "mx.example", Store: &sink.Memory{}}
					long := sink.Reply{Code: 451, Text: strings.Repeat("not now ", 50)}
					srv.Hooks.Rcpt = func(path string) sink.Reply {
						if strings.HasPrefix(path, "no@") {
							return long
						}
						return sink.Reply{}
					}
					l := mem.Listen("mx.example", mem.Options{Buffer: buffer})
					var serving sync.WaitGroup
					serving.Go(func() { srv.Serve(context.Background(), l) })
					e := &parley.Endpoint{Address: "mx.example:2525", Dialer: l, Session: session.Config{Overlap: window, Data: data}}
					s := &parley.Sender{MaxConns: 1}
					tx := transaction(t, "a@x.example", "no@y.example", "b@y.example", "no@z.example")
					start := time.Now()
					var all []*parley.Message
					for i := range window + 3 {
						m := &parley.Message{Endpoint: e, Mail: parley.Mail{
							Envelope: tx.Envelope, Content: message.FromBytes([]byte(strings.Repeat("0123456789abcdef\r\n", 1+i*100%300))),
						}}
						if err := s.Submit(t.Context(), m); err != nil {
							t.Fatal(err)
						}
						all = append(all, m)
					}
					for _, m := range all {
						if o, err := s.Wait(t.Context(), m); o != parley.OutcomePartial || err != nil {
							t.Errorf("buffer %d, window %d, %v: %v %v", buffer, window, data, o, err)
						}
					}
					if took := time.Since(start); took > time.Second {
						t.Errorf("buffer %d, window %d, %v: took %v", buffer, window, data, took)
					}
					s.Close(t.Context())
					srv.Close()
					serving.Wait()
				})
			}
		}
	}
}

// Thousands of replies may be owed, more than the sockets hold: they are read while more is
// written, so that nobody waits for ever.
func TestSenderOwesThousands(t *testing.T) {
	tcp, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var serving sync.WaitGroup
	serving.Go(func() { answerEach(tcp) })
	defer serving.Wait()
	defer tcp.Close()
	var to []string
	for i := range 100 {
		to = append(to, fmt.Sprintf("user%d@y.example", i))
	}
	tx := transaction(t, "a@x.example", to...)
	e := &parley.Endpoint{Address: tcp.Addr().String(), Dialer: &transport.TCPDialer{ReadBuffer: tightly, WriteBuffer: tightly}, BlockTimeout: 5 * time.Second}
	e.Session.Overlap = 64
	s := &parley.Sender{MaxConns: 1}
	defer s.Close(t.Context())
	var all []*parley.Message
	for range 400 {
		m := &parley.Message{Endpoint: e, Mail: parley.Mail{Envelope: tx.Envelope, Content: message.FromBytes([]byte("x\r\n"))}}
		if err := s.Submit(t.Context(), m); err != nil {
			t.Fatal(err)
		}
		all = append(all, m)
	}
	for i, m := range all {
		if o, err := s.Wait(t.Context(), m); o != parley.OutcomeAccepted || err != nil {
			t.Fatal(i, o, err)
		}
	}
}

const tightly = 16 << 10

// answerEach serves whoever comes, by sockets that hold little. It reads no further before
// each answer is written, and those to RCPT are long.
func answerEach(l net.Listener) {
	var all sync.WaitGroup
	defer all.Wait()
	for {
		nc, err := l.Accept()
		if err != nil {
			return
		}
		all.Go(func() { answerOne(nc) })
	}
}

func answerOne(nc net.Conn) {
	defer nc.Close()
	nc.(*net.TCPConn).SetReadBuffer(tightly)
	nc.(*net.TCPConn).SetWriteBuffer(tightly)
	r := bufio.NewReaderSize(nc, 512)
	answer := "220 mx.example\r\n"
	for {
		if _, err := io.WriteString(nc, answer); err != nil {
			return
		}
		line, err := r.ReadString('\n')
		if err != nil {
			return
		}
		answer = "250 ok\r\n"
		switch line[:4] {
		case "EHLO":
			answer = "250-mx.example\r\n250-PIPELINING\r\n250 CHUNKING\r\n"
		case "RCPT":
			answer = "250 " + strings.Repeat("very well ", 45) + "\r\n"
		case "BDAT":
			var n int64
			fmt.Sscanf(line, "BDAT %d", &n)
			if _, err := io.CopyN(io.Discard, r, n); err != nil {
				return
			}
		}
	}
}

// TLS sessions are resumed from one connection to the next.
func TestSenderResumes(t *testing.T) {
	var full, resumed atomic.Int32
	p := smtptest.Server(t, func(s *sink.Server) {
		s.TLS = s.TLS.Clone()
		s.TLS.VerifyConnection = func(c tls.ConnectionState) error {
			if c.DidResume {
				resumed.Add(1)
			} else {
				full.Add(1)
			}
			return nil
		}
	})
	e := &parley.Endpoint{Address: p.Addr, TLS: parley.TLSStartTLS, TLSConfig: &transport.TLSConfig{RootCAs: p.Roots, ServerName: "localhost"}}
	s := &parley.Sender{MaxMessages: 1}
	for range 3 {
		if _, err := s.Send(t.Context(), bulk(t, e, "\r\nhi\r\n")); err != nil {
			t.Fatal(err)
		}
	}
	shut(t, s)
	if full.Load() != 1 || resumed.Load() != 2 {
		t.Errorf("%d full handshakes and %d resumed ones", full.Load(), resumed.Load())
	}
}
