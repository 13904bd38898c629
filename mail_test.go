package parley_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/parley-mail/parley"
	"github.com/parley-mail/parley/codec"
	"github.com/parley-mail/parley/internal/sink"
	"github.com/parley-mail/parley/internal/smtptest"
	"github.com/parley-mail/parley/message"
)

// Content is looked through before MAIL: what it needs is declared, and what cannot be
// sent is refused while nothing has been said.
func TestDeliverLooksFirst(t *testing.T) {
	const head = "Subject: hi\r\n\r\n"
	all := sink.EightBitMIME | sink.SMTPUTF8 | sink.Size | sink.Pipelining | sink.Chunking | sink.BinaryMIME
	long := head + strings.Repeat("x", 999) + "\r\n"
	for _, c := range []struct {
		name, content, params string
		offer                 sink.Extensions
		set                   func(*parley.Mail)
		want                  string // content as stored; "": as given
		fault                 error
	}{
		{name: "7 bit", content: head, params: "SIZE=15", offer: all},
		{name: "lines of a file", content: "Subject: hi\n\nhi", params: "SIZE=19", offer: all, want: head + "hi\r\n"},
		{name: "8 bit", content: head + "\xe9\r\n", params: "SIZE=18 BODY=8BITMIME", offer: all},
		{name: "8 bit, not offered", content: head + "\xe9\r\n", offer: sink.Size, fault: parley.ErrUnsupported},
		{name: "UTF-8 header", content: "Subject: h\u00e9\r\n\r\n", params: "SIZE=16 BODY=8BITMIME SMTPUTF8", offer: all},
		{name: "UTF-8 header, not offered", content: "Subject: h\u00e9\r\n\r\n", offer: sink.EightBitMIME, fault: parley.ErrUnsupported},
		{name: "Latin-1 header", content: "Subject: h\xe9\r\n\r\n", offer: all, fault: message.FaultBadHeader},
		{name: "Latin-1 header, as it is", content: "Subject: h\xe9\r\n\r\n", params: "SIZE=15 BODY=8BITMIME", offer: all, set: func(m *parley.Mail) { m.AsIs = true }},
		{name: "long line", content: long, offer: all, fault: message.FaultLongLine},
		{name: "long line, as it is", content: long, params: "SIZE=1016", offer: all, set: func(m *parley.Mail) { m.AsIs = true }},
		{name: "longest line", content: head + strings.Repeat("x", 998) + "\r\n", params: "SIZE=1015", offer: all},
		{name: "NUL", content: head + "\x00\r\n", params: "SIZE=18 BODY=BINARYMIME", offer: all},
		{name: "NUL, not offered", content: head + "\x00\r\n", offer: all &^ sink.BinaryMIME, fault: parley.ErrUnsupported},
		{name: "bare CR", content: head + "a\rb\r\n", params: "SIZE=21", offer: all, want: head + "a\r\nb\r\n"},
		{name: "bare CR refused", content: head + "a\rb\r\n", offer: all, set: func(m *parley.Mail) { m.LineEnds = codec.Refuse }, fault: message.FaultBareCR},
		{name: "too large", content: head + strings.Repeat("0123456789\r\n", 100), offer: all, fault: parley.ErrUnsupported},
	} {
		t.Run(c.name, func(t *testing.T) {
			peer := smtptest.Server(t, func(s *sink.Server) {
				s.Extensions = c.offer | sink.Verify
				s.Limits.Size = 1100
			})
			conn, err := parley.Dial(t.Context(), &parley.Endpoint{Address: peer.Addr})
			if err != nil {
				t.Fatal(err)
			}
			tx := transaction(t, "a@x.example", "b@y.example")
			m := &parley.Mail{Envelope: tx.Envelope, Content: message.FromBytes([]byte(c.content))}
			if c.set != nil {
				c.set(m)
			}
			before := peer.Stats().Commands
			result, err := conn.Deliver(t.Context(), m)
			if c.fault != nil {
				if !errors.Is(err, c.fault) {
					t.Errorf("error %v, want %v", err, c.fault)
				}
				if conn.Quit(t.Context()); peer.Stats().Commands > before+1 {
					t.Error("something was said")
				}
				return
			}
			if err != nil || result.Outcome() != parley.OutcomeAccepted {
				t.Fatalf("%v, %v", result, err)
			}
			conn.Quit(t.Context())
			got := peer.Wait(t, 1)[0]
			want := c.want
			if want == "" {
				want = c.content
			}
			if diff := cmp.Diff(want, string(got.Content)); diff != "" {
				t.Errorf("content (-want +got):\n%s", diff)
			}
			if got.Params != c.params {
				t.Errorf("MAIL had %q, want %q", got.Params, c.params)
			}
		})
	}
}
