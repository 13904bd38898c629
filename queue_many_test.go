package parley_test

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/parley-mail/parley"
	"github.com/parley-mail/parley/codec"
	"github.com/parley-mail/parley/events"
	"github.com/parley-mail/parley/internal/sink"
	"github.com/parley-mail/parley/internal/smtptest"
	"github.com/parley-mail/parley/message"
	"github.com/parley-mail/parley/queue"
)

// counting keeps nothing but how many messages and octets came.
type counting struct{ messages, octets atomic.Int64 }

func (c *counting) Open(*sink.Envelope) (sink.Writer, error) { return &counted{counting: c}, nil }

type counted struct {
	*counting
	n int64
}

func (c *counted) Write(p []byte) (int, error) { c.n += int64(len(p)); return len(p), nil }

func (c *counted) Commit(*sink.Envelope) error { c.messages.Add(1); c.octets.Add(c.n); return nil }

func (c *counted) Abort() {}

// Ten thousand queued files go over one connection, and need no more memory than few.
// Without PARLEY_LONG it is a thousand.
func TestQueueOfManyFiles(t *testing.T) {
	many := 1000
	if os.Getenv("PARLEY_LONG") != "" {
		many = 10_000
	}
	store := &counting{}
	connections := atomic.Int32{}
	p := smtptest.Server(t, func(s *sink.Server) {
		s.Store = store
		s.Hooks.Command = func(line []byte) sink.Reply {
			if strings.HasPrefix(string(line), "EHLO") {
				connections.Add(1)
			}
			return sink.Reply{}
		}
	})
	dir := t.TempDir()
	tx := transaction(t, "a@x.example", "b@y.example")
	content := []byte("Subject: one of many\r\n\r\n" + strings.Repeat("0123456789abcdef\r\n", 200))
	m := &parley.Mail{Envelope: tx.Envelope, Content: message.FromBytes(content), LineEnds: codec.Refuse}
	for range many {
		if _, err := queue.Put(t.Context(), dir, parley.NewQueueEntry(m, "")); err != nil {
			t.Fatal(err)
		}
	}
	s := parley.New()
	s.Dialer, s.MailServer, s.Hello = p, "localhost", "client.example"
	var peak, base uint64
	var stats runtime.MemStats
	n := 0
	heap := func() uint64 {
		runtime.GC()
		runtime.ReadMemStats(&stats)
		return stats.HeapAlloc
	}
	base = heap()
	s.OnEndTransfer = func(*events.EndTransfer) {
		if n++; n%(many/10) == 0 {
			peak = max(peak, heap())
		}
	}
	if err := s.ProcessQueue(t.Context(), dir); err != nil {
		t.Fatal(err)
	}
	left, _ := filepath.Glob(filepath.Join(dir, "*"))
	if got := store.messages.Load(); got != int64(many) || connections.Load() != 1 || len(left) != 0 || n != many {
		t.Errorf("%d messages over %d connections, %d files left, %d events", got, connections.Load(), len(left), n)
	}
	if store.octets.Load() != int64(many*len(content)) {
		t.Errorf("%d octets", store.octets.Load())
	}
	if grown := int64(peak) - int64(base); grown > 2<<20 {
		t.Errorf("the heap has grown by %d KiB", grown>>10)
	} else {
		t.Logf("%d files, heap %d KiB above the start", many, grown>>10)
	}
}
