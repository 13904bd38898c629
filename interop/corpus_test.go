//go:build interop

package interop_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/parley-mail/parley"
	"github.com/parley-mail/parley/interop/cube"
	"github.com/parley-mail/parley/interop/peers"
	"github.com/parley-mail/parley/message"
	"github.com/parley-mail/parley/session"
	"github.com/parley-mail/parley/transport"
	"github.com/parley-mail/parley/transport/record"
)

// corpus is what real messages have in them; each must arrive as it is, its line ends
// made CRLF, and what cannot must be refused before MAIL.
var corpus = []struct {
	name, content string
	asIs          bool
	large         bool
	fault         error // refused before MAIL
}{
	{name: "plain", content: head + "hello\r\n"},
	{name: "a file's line ends", content: strings.ReplaceAll(head, "\r\n", "\n") + "hello\nworld\n"},
	{name: "8 bit", content: head + "gr\xc3\xbc\xc3\x9fe \xff\xfe\r\n"},
	{name: "every octet but NUL, CR and LF", content: head + octets() + "\r\n"},
	{name: "UTF-8 header", content: "Subject: gr\u00fc\u00dfe\r\n" + head + "hello\r\n"},
	{name: "Latin-1 header", content: "Subject: gr\xfc\xdfe\r\n" + head, fault: parley.ErrContent},
	{name: "Latin-1 header, as it is", content: "Subject: gr\xfc\xdfe\r\n" + head + "hello\r\n", asIs: true},
	{name: "line of 998", content: head + strings.Repeat("x", 998) + "\r\nend\r\n"},
	{name: "line of 998, a dot first", content: head + "." + strings.Repeat("x", 997) + "\r\nend\r\n"},
	{name: "line of 999", content: head + strings.Repeat("x", 999) + "\r\n", fault: message.FaultLongLine},
	{name: "long line", content: head + strings.Repeat("x", 5000) + "\r\n", fault: message.FaultLongLine},
	{name: "long line, as it is", content: head + strings.Repeat("x", 5000) + "\r\nend\r\n", asIs: true},
	{name: "dots", content: head + ".\r\n..\r\n.hidden\r\n...\r\n.\r\n"},
	{name: "a dot first of all", content: ".Subject: hi\r\n\r\n.\r\n"},
	{name: "the end of content within", content: head + "a\r\n.\r\nMAIL FROM:<evil@client.test>\r\nRCPT TO:<alice@parley.test>\r\nDATA\r\nb\r\n.\r\nQUIT\r\n"},
	{name: "the end of content with bare LF and CR", content: head + "a\n.\nb\r.\rc\n.\r\nd\r\n.\ne\r\n"},
	{name: "no final line end", content: head + "no end"},
	{name: "a dot and no line end", content: head + "."},
	{name: "CR last", content: head + "end\r"},
	{name: "bare CR and LF", content: head + "a\rb\nc\r\r\nd\n\r\n"},
	{name: "blank lines and spaces", content: head + "\r\n\r\n  trailing  \r\n\t\r\n\r\n"},
	{name: "headers only", content: head},
	{name: "headers and no empty line", content: strings.TrimSuffix(head, "\r\n")},
	{name: "an empty line alone", content: "\r\n"},
	{name: "nothing", content: ""},
	{name: "NUL", content: head + "a\x00b\r\n", fault: parley.ErrUnsupported},
	{name: "many lines", content: head + strings.Repeat(".The quick brown fox jumps over the lazy dog.\r\n", 40000)},
	{name: "50 MiB", content: head + strings.Repeat("0123456789abcdef0123456789abcdef0123456789abcdef0123456789ab\r\n", (50<<20-4000)/62), large: true},
	{name: "over 50 MiB", content: head + strings.Repeat("0123456789abcdef0123456789abcdef0123456789abcdef0123456789ab\r\n", (50<<20)/62+1), large: true, fault: parley.ErrUnsupported},
}

const head = "From: <sender@client.test>\r\nTo: <bob@parley.test>\r\nSubject: interop\r\nDate: Wed, 25 Nov 2026 12:00:00 +0000\r\nMessage-ID: <1@client.test>\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n"

// octets are all that a line may have.
func octets() string {
	var b strings.Builder
	for c := 1; c < 256; c++ {
		if c != '\r' && c != '\n' {
			b.WriteByte(byte(c))
		}
	}
	return b.String()
}

// stored is how a peer keeps content: with the line ends of a file.
var stored = cube.Stored

// corpusWays are the ways the whole corpus goes. In clear what is on the wire is recorded.
var corpusWays = []struct {
	kind   peers.Kind
	data   session.DataMode
	serial bool
}{
	{peers.SMTP, session.DataOnly, false},
	{peers.SMTP, session.DataBDAT, false},
	{peers.SMTP, session.DataOnly, true},
	{peers.StartTLS, session.DataBDAT, true},
	{peers.SMTPS, session.DataOnly, false},
	{peers.Submission, session.DataBDAT, false},
}

// TestSendCorpus sends every message of the corpus to Postfix in every one of the ways,
// and then compares what is stored with what was sent.
func TestSendCorpus(t *testing.T) {
	p := peers.NewPostfix()
	site := start(t, p)
	sent := map[string][]string{} // names by what has to be stored
	n := 0
	for _, way := range corpusWays {
		for _, c := range corpus {
			if c.large && (way.serial || testing.Short() && way.kind == peers.Submission) {
				continue
			}
			name := fmt.Sprintf("%s, %s, serial %v, %s", way.kind, way.data, way.serial, c.name)
			e := endpoint(p, site, way.kind)
			e.Session.Data, e.Session.Serial = way.data, way.serial
			log := &record.Log{Limit: 64 << 10}
			e.Dialer = record.Dialer(&transport.TCPDialer{}, log)
			m := mail(c.content, peers.Bob)
			m.AsIs = c.asIs
			result, err := send(t, e, m)
			if c.fault != nil {
				if !errors.Is(err, c.fault) {
					t.Errorf("%s: error %v, want %v", name, err, c.fault)
				}
				if said(log, "MAIL") {
					t.Errorf("%s: MAIL was said", name)
				}
				continue
			}
			if err != nil || result.Outcome() != parley.OutcomeAccepted {
				t.Errorf("%s: %v\n%s", name, err, record.Transcript(log.Frames()))
				continue
			}
			n++
			sent[stored(c.content)] = append(sent[stored(c.content)], name)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	messages, err := peers.Await(ctx, p, peers.Bob.User, n)
	if err != nil {
		t.Error(err)
	}
	for _, m := range messages {
		names := sent[string(m.Content)]
		if len(names) == 0 {
			t.Errorf("stored and not sent so: %.2000q", m.Content)
			continue
		}
		sent[string(m.Content)] = names[1:]
	}
	for content, names := range sent {
		if len(names) > 0 {
			t.Errorf("sent and not stored so: %q: %.2000q", names, content)
		}
	}
	if messages, err := p.Mailbox(peers.Alice.User); err != nil || len(messages) > 0 {
		t.Errorf("%d messages for somebody who was only named in a content, %v", len(messages), err)
	}
}
