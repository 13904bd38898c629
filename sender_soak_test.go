package parley_test

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/parley-mail/parley"
	"github.com/parley-mail/parley/internal/sink"
	"github.com/parley-mail/parley/internal/smtptest"
	"github.com/parley-mail/parley/message"
	"github.com/parley-mail/parley/session"
	"github.com/parley-mail/parley/transport"
	"github.com/parley-mail/parley/transport/fault"
)

// storm dials connections with faults: about one in four breaks, stalls or stutters.
type storm struct{ transport.TCPDialer }

func (d *storm) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	nc, err := d.TCPDialer.DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	side := []fault.Side{fault.Read, fault.Write}[rand.IntN(2)]
	at := rand.Int64N(20_000)
	switch rand.IntN(16) {
	case 0:
		return fault.New(nc, fault.Plan{{Side: side, Kind: fault.Cut, At: at}}), nil
	case 1:
		return fault.New(nc, fault.Plan{{Side: side, Kind: fault.Reset, At: at}}), nil
	case 2:
		return fault.New(nc, fault.Plan{{Side: side, Kind: fault.Stall, At: at}}), nil
	case 3:
		return fault.New(nc, fault.Plan{{Side: side, Kind: fault.Short, At: at, N: 7}}), nil
	}
	return nc, nil
}

// ids remembers which messages arrived, and how often.
type ids struct {
	mu   sync.Mutex
	seen map[string]int
}

func (i *ids) Open(*sink.Envelope) (sink.Writer, error) { return &idWriter{ids: i}, nil }

type idWriter struct {
	*ids
	head bytes.Buffer
}

func (w *idWriter) Write(p []byte) (int, error) {
	w.head.Write(p[:min(len(p), 64-min(w.head.Len(), 64))])
	return len(p), nil
}

func (w *idWriter) Commit(*sink.Envelope) error {
	id, _, _ := strings.Cut(w.head.String(), "\r\n")
	w.mu.Lock()
	defer w.mu.Unlock()
	w.seen[id]++
	return nil
}

func (w *idWriter) Abort() {}

// A Sender under faults (cuts, resets, stalls, 421, slow peers, callers who give up) keeps
// exact accounts: every recipient has one outcome, what is accepted arrived once, what was
// refused or not sent did not, and memory and goroutines stay where they were. PARLEY_SOAK
// is for how long; two seconds otherwise.
func TestSenderSoak(t *testing.T) {
	length := 2 * time.Second
	if s := os.Getenv("PARLEY_SOAK"); s != "" {
		var err error
		if length, err = time.ParseDuration(s); err != nil {
			t.Fatal(err)
		}
	}
	store := &ids{seen: map[string]int{}}
	p := smtptest.Server(t, func(s *sink.Server) {
		s.Store = store
		chance := func(n int, r sink.Reply) sink.Reply {
			if rand.IntN(n) == 0 {
				return r
			}
			return sink.Reply{}
		}
		s.Hooks.Mail = func(string) sink.Reply { return chance(100, sink.Reply{Code: 421, Text: "busy"}) }
		s.Hooks.Rcpt = func(string) sink.Reply { return chance(50, sink.Reply{Code: 450, Text: "later"}) }
		s.Hooks.End = func(string) sink.Reply {
			if rand.IntN(200) == 0 {
				time.Sleep(20 * time.Millisecond)
			}
			return chance(50, sink.Reply{Code: 554, Text: "no"})
		}
	})
	d := &storm{}
	var endpoints []*parley.Endpoint
	for i, c := range []session.Config{{}, {Overlap: 4}, {Data: session.DataOnly}, {Data: session.DataOnly, Overlap: 4}, {Serial: true}} {
		c.Hello = fmt.Sprintf("client%d.example", i)
		endpoints = append(endpoints, &parley.Endpoint{Address: p.Addr, Dialer: d, Session: c})
	}
	s := &parley.Sender{MaxConns: 4, MaxTotal: 12, MaxAge: time.Second, MaxIdle: 100 * time.Millisecond}
	warm := runtime.NumGoroutine()
	var counts [parley.Unknown + 1]atomic.Int64
	var number, calls atomic.Int64
	stop := make(chan struct{})
	var all sync.WaitGroup
	check := func(id string, m *parley.Message, o parley.Outcome) {
		calls.Add(1)
		r := m.Result()
		for i := range r.Recipients {
			counts[r.Recipients[i].Status].Add(1)
		}
		store.mu.Lock()
		n := store.seen[id]
		delete(store.seen, id)
		store.mu.Unlock()
		switch {
		case o == parley.OutcomeAccepted && n != 1, (o == parley.OutcomeRefused || o == parley.OutcomeNotSent) && n != 0, n > 1:
			t.Errorf("%s: %v, and it arrived %d times: %v", id, o, n, m.Err())
		}
	}
	for range 24 {
		all.Go(func() {
			m := &parley.Message{}
			tx := transaction(t, "a@x.example", "b@y.example")
			for {
				select {
				case <-stop:
					return
				default:
				}
				id := fmt.Sprintf("Subject: %d", number.Add(1))
				body := id + "\r\n\r\n" + strings.Repeat("0123456789abcdef\r\n", rand.IntN(300))
				m.Endpoint = endpoints[rand.IntN(len(endpoints))]
				m.Mail = parley.Mail{Envelope: tx.Envelope, Content: message.FromBytes([]byte(body))}
				patience := 300 * time.Millisecond
				if rand.IntN(50) == 0 {
					patience = time.Duration(rand.IntN(3000)) * time.Microsecond
				}
				ctx, cancel := context.WithTimeout(t.Context(), patience)
				o, _ := s.Send(ctx, m)
				cancel()
				check(id, m, o)
			}
		})
	}
	var peak, first uint64
	var stats runtime.MemStats
	end := time.After(length)
	for tick := time.NewTicker(length / 20); ; {
		select {
		case <-tick.C:
			runtime.GC()
			runtime.ReadMemStats(&stats)
			if first == 0 {
				first = stats.HeapAlloc
			}
			peak = max(peak, stats.HeapAlloc)
			continue
		case <-end:
			tick.Stop()
		}
		break
	}
	close(stop)
	all.Wait()
	s.Close(t.Context())
	st := s.Stats()
	sum := int64(0)
	for i := range counts {
		sum += counts[i].Load()
	}
	if sum != calls.Load() {
		t.Errorf("%d messages, %d outcomes", calls.Load(), sum)
	}
	if got := st.Accepted + st.Refused + st.NotSent + st.Unknown; got != st.Messages {
		t.Errorf("%d recipients counted for %d messages of one each: %+v", got, st.Messages, st)
	}
	if st.Accepted != uint64(counts[parley.Accepted].Load()) || st.Unknown != uint64(counts[parley.Unknown].Load()) {
		t.Errorf("the counters differ from the outcomes: %+v", st)
	}
	if n := runtime.NumGoroutine(); n > warm+20 { // the server's own may still be ending
		t.Errorf("%d goroutines at first, %d in the end", warm, n)
	}
	if peak > first+8<<20 {
		t.Errorf("the heap has grown from %d to %d KiB", first>>10, peak>>10)
	}
	t.Logf("%v: %d messages, %d accepted, %d refused, %d not sent, %d unknown; %+v; heap %d KiB at first, %d at most",
		length, calls.Load(), counts[parley.Accepted].Load(), counts[parley.Refused].Load(), counts[parley.NotSent].Load(), counts[parley.Unknown].Load(), st, first>>10, peak>>10)
}
