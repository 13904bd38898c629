package parley_test

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"testing"
	"time"

	"github.com/parley-mail/parley"
	"github.com/parley-mail/parley/session"
)

// A message of 4 KiB: over a socket to a peer that answers without looking, and alone, over a
// connection whose reads and writes cost nothing.
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
		b.Run("socket/"+c.name, func(b *testing.B) {
			l := canned(b, c.extensions, c.turns)
			defer l.Close()
			benchmarkSender(b, &parley.Endpoint{Address: l.Addr().String()}, c.window, content)
		})
		b.Run("alone/"+c.name, func(b *testing.B) {
			d := &instantly{func() net.Conn {
				return &instant{turns: c.turns, answer: []byte("220 mx.example\r\n"), ehlo: "250-mx.example\r\n" + c.extensions}
			}}
			benchmarkSender(b, &parley.Endpoint{Address: "mx.example:25", Dialer: d}, c.window, content)
		})
	}
}

func benchmarkSender(b *testing.B, e *parley.Endpoint, inFlight int, content string) {
	e.Session = session.Config{Overlap: inFlight}
	s := &parley.Sender{MaxConns: 1}
	ctx, cancel := context.WithCancel(context.Background())
	var window []*parley.Message
	for range inFlight {
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
	s.Close(ctx)
}

// instantly is a dialer of such connections.
type instantly struct{ dialFunc }

// instant is a connection that answers at once as much as was written.
type instant struct {
	net.TCPConn
	turns  []canning
	turn   int
	owed   int
	answer []byte
	ehlo   string
}

func (i *instant) NetConn() net.Conn { return &i.TCPConn }
func (i *instant) Write(p []byte) (int, error) {
	if i.ehlo != "" {
		i.answer, i.ehlo = append(i.answer, i.ehlo...), ""
		return len(p), nil
	}
	i.owed += len(p)
	for i.owed >= i.turns[i.turn].octets {
		i.owed -= i.turns[i.turn].octets
		i.answer = append(i.answer, i.turns[i.turn].reply...)
		i.turn = (i.turn + 1) % len(i.turns)
	}
	return len(p), nil
}

func (i *instant) Read(p []byte) (int, error) {
	n := copy(p, i.answer)
	i.answer = i.answer[:copy(i.answer, i.answer[n:])]
	return n, nil
}
func (i *instant) Close() error                       { return nil }
func (i *instant) SetDeadline(t time.Time) error      { return nil }
func (i *instant) SetReadDeadline(t time.Time) error  { return nil }
func (i *instant) SetWriteDeadline(t time.Time) error { return nil }
func (i *instant) LocalAddr() net.Addr                { return &net.TCPAddr{} }
func (i *instant) RemoteAddr() net.Addr               { return &net.TCPAddr{} }
