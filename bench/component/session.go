package component

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/parley-mail/parley/codec"
	"github.com/parley-mail/parley/fsm"
	"github.com/parley-mail/parley/message"
	"github.com/parley-mail/parley/session"
)

const offers = "250-mx.example at your service\r\n250-PIPELINING\r\n250-SIZE 52428800\r\n250-VRFY\r\n250-ETRN\r\n250-STARTTLS\r\n250-AUTH PLAIN LOGIN\r\n" +
	"250-ENHANCEDSTATUSCODES\r\n250-8BITMIME\r\n250-DSN\r\n250 CHUNKING\r\n"

func extensions(b *testing.B) {
	var d codec.Decoder
	d.Feed([]byte(offers))
	r, err := d.Next()
	if err != nil {
		b.Fatal(err)
	}
	var x codec.Extensions
	b.ReportAllocs()
	for b.Loop() {
		x.Parse(r)
	}
}

// messages sends one after the other through a session whose server is a few octets.
func messages(b *testing.B, machine fsm.Machine, data session.DataMode, rcpts int) {
	env := &message.Envelope{ReversePath: parsed(b, "sender@client.example")}
	for i := range rcpts {
		env.Recipients = append(env.Recipients, message.Recipient{Path: parsed(b, fmt.Sprintf("recipient%d@mx.example", i))})
	}
	content := bytes.Repeat([]byte("a line of text that is not very long at all, as lines go\r\n"), 70)
	replies := strings.Repeat("250 2.1.0 ok\r\n", 1+rcpts) // MAIL, RCPT
	turns := [][]byte{[]byte(replies + "250 2.0.0 queued\r\n")}
	if data == session.DataOnly {
		turns = [][]byte{[]byte(replies + "354 go on\r\n"), []byte("250 2.0.0 queued\r\n")}
	}
	s := session.New(session.Config{Machine: machine, Data: data, Window: 64 << 10})
	write := func() {
		n := 0
		for _, p := range s.Output() {
			n += len(p)
		}
		s.Wrote(int64(n))
	}
	s.Dialing()
	s.Connected(session.Link{})
	s.Receive([]byte("220 mx.example\r\n"))
	write()
	s.Receive([]byte(offers))
	var tx session.Transaction
	b.ReportAllocs()
	for b.Loop() {
		tx.Reset()
		tx.Envelope, tx.Content = env, content
		if err := s.Begin(&tx); err != nil {
			b.Fatal(err)
		}
		for _, replies := range turns {
			write()
			s.Receive(replies)
		}
		if tx.Err() != nil || tx.Status(rcpts-1) != session.Accepted {
			b.Fatal(tx.Err(), s.Err())
		}
	}
}

func parsed(b *testing.B, text string) message.Path {
	p, err := message.ParsePath(text)
	if err != nil {
		b.Fatal(err)
	}
	return p
}
