package parley_test

import (
	"bytes"
	"context"
	"fmt"
	"testing"

	"github.com/parley-mail/parley"
	"github.com/parley-mail/parley/session"
)

// A message of 4 KiB over a socket, to a peer that answers without looking.
func BenchmarkSender(b *testing.B) {
	content := "Subject: x\r\n\r\n" + string(bytes.Repeat([]byte("a line of text that is not very long at all, as lines go\r\n"), 70))
	envelope := len("MAIL FROM:<a@x.example>\r\nRCPT TO:<b@y.example>\r\n")
	ok := "250 2.1.0 ok\r\n250 2.1.5 ok\r\n"
	alone := canning{envelope + len(fmt.Sprintf("BDAT %d LAST\r\n", len(content))) + len(content), []byte(ok + "250 2.0.0 ok\r\n")}
	behind := canning{alone.octets + len("RSET\r\n"), append([]byte("250 2.0.0 ok\r\n"), alone.reply...)}
	for _, c := range []struct {
		name, extensions string
		turns            []canning
		window           int
	}{
		{"plain", "250 HELP\r\n", []canning{
			{len("MAIL FROM:<a@x.example>\r\n"), []byte("250 2.1.0 ok\r\n")},
			{len("RCPT TO:<b@y.example>\r\n"), []byte("250 2.1.5 ok\r\n")},
			{6, []byte("354 go\r\n")},
			{len(content) + 3, []byte("250 2.0.0 ok\r\n")},
		}, 1},
		{"pipelined", "250 PIPELINING\r\n", []canning{{envelope + 6, []byte(ok + "354 go\r\n")}, {len(content) + 3, []byte("250 2.0.0 ok\r\n")}}, 1},
		{"chunked", "250-PIPELINING\r\n250 CHUNKING\r\n", []canning{alone}, 1},
		{"chunked-8", "250-PIPELINING\r\n250 CHUNKING\r\n", []canning{alone, behind, behind, behind, behind, behind, behind, behind}, 8},
	} {
		b.Run(c.name, func(b *testing.B) {
			l := canned(b, c.extensions, c.turns)
			e := &parley.Endpoint{Address: l.Addr().String(), Session: session.Config{Overlap: c.window}}
			s := &parley.Sender{MaxConns: 1}
			ctx, cancel := context.WithCancel(context.Background())
			var window []*parley.Message
			for range c.window {
				window = append(window, bulk(b, e, content))
			}
			n := 0
			b.ReportAllocs()
			for b.Loop() {
				n += len(window)
				for _, m := range window {
					if err := s.Submit(ctx, m); err != nil {
						b.Fatal(err)
					}
				}
				for _, m := range window {
					if o, err := s.Wait(ctx, m); o != parley.OutcomeAccepted {
						b.Fatal(o, err)
					}
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(n), "ns/msg")
			cancel()
			l.Close()
			s.Close(ctx)
		})
	}
}
