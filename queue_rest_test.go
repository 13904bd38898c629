package parley_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/parley-mail/parley"
	"github.com/parley-mail/parley/internal/sink"
	"github.com/parley-mail/parley/internal/smtptest"
	"github.com/parley-mail/parley/message"
	"github.com/parley-mail/parley/queue"
)

// The 101st recipient is one too many for the server: the hundred get one copy, and the
// rest another one the next time. Nobody is left out and nobody is served twice
// (C-5321-057, C-5321-058).
func TestQueueServesTheRest(t *testing.T) {
	peer := smtptest.Server(t, func(s *sink.Server) { s.Limits.Recipients = 100 })
	var all []string
	tx := transaction(t, "a@x.example", "b@y.example")
	tx.Envelope.Recipients = nil
	for i := range 101 {
		to := fmt.Sprintf("u%d@y.example", i)
		all = append(all, to)
		tx.Envelope.Recipients = append(tx.Envelope.Recipients, message.Recipient{Path: message.MustParsePath(to)})
	}
	m := &parley.Mail{Envelope: tx.Envelope, Content: message.FromBytes([]byte("Subject: hi\r\n\r\nhello\r\n"))}
	dir := t.TempDir()
	if _, err := queue.Put(t.Context(), dir, parley.NewQueueEntry(m, "")); err != nil {
		t.Fatal(err)
	}
	q := &parley.QueueSender{Endpoint: &parley.Endpoint{Address: peer.Addr}}
	for _, want := range []queue.Report{{Requeued: 1}, {Sent: 1}, {}} {
		report, err := queue.Process(t.Context(), dir, q, queue.Options{RequeueTemporary: true, ContinueOnError: true})
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(&want, report); diff != "" {
			t.Error(diff)
		}
	}
	if err := q.Close(t.Context()); err != nil {
		t.Error(err)
	}
	got := peer.Memory.Messages()
	if len(got) != 2 || len(got[0].Recipients) != 100 || string(got[1].Content) != "Subject: hi\r\n\r\nhello\r\n" {
		t.Fatalf("%d messages", len(got))
	}
	if diff := cmp.Diff(all, slices.Concat(got[0].Paths(), got[1].Paths())); diff != "" {
		t.Error(diff)
	}
}
