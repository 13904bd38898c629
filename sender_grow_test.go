package parley_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/parley-mail/parley"
	"github.com/parley-mail/parley/internal/sink"
	"github.com/parley-mail/parley/transport/mem"
)

// Messages to ever other destinations, with room for a few connections: what a message
// costs does not depend on how many destinations there are.
func BenchmarkSenderDestinations(b *testing.B) {
	for _, many := range []int{1, 100, 10_000, 100_000} {
		b.Run(fmt.Sprint(many), func(b *testing.B) {
			l := mem.Listen("mx.example", mem.Options{})
			srv := &sink.Server{Name: "mx.example", Extensions: sink.Pipelining | sink.Chunking}
			ctx, cancel := context.WithCancel(context.Background())
			go srv.Serve(ctx, l)
			endpoints := make([]*parley.Endpoint, many)
			for i := range endpoints {
				endpoints[i] = &parley.Endpoint{Address: fmt.Sprintf("mx%d.example:25", i), Dialer: l}
			}
			s := &parley.Sender{MaxTotal: 64}
			m := bulk(b, nil, "\r\nhi\r\n")
			i := 0
			send := func() {
				m.Endpoint = endpoints[i%many]
				i++
				if _, err := s.Send(ctx, m); err != nil {
					b.Fatal(err)
				}
			}
			for range many {
				send()
			}
			b.ReportAllocs()
			for b.Loop() {
				send()
			}
			b.StopTimer()
			s.Close(ctx)
			cancel()
			srv.Close()
		})
	}
}
