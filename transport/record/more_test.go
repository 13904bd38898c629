package record_test

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/parley-mail/parley/transport"
	"github.com/parley-mail/parley/transport/mem"
	"github.com/parley-mail/parley/transport/record"
)

func TestRecorderIsALink(t *testing.T) {
	a, b := mem.Pipe(mem.Options{})
	var log record.Log
	c := record.New(transport.New(a), &log)
	if transport.Unwrap(c) != a || c.Security().Secure {
		t.Errorf("%T, %v", transport.Unwrap(c), c.Security())
	}
	if ok, err := c.(transport.Prober).Readable(); ok || err != nil {
		t.Errorf("%v, %v", ok, err)
	}
	go b.Write([]byte("220 hi\r\n"))
	if _, err := io.ReadFull(c, make([]byte, 8)); err != nil {
		t.Error(err)
	}
	b.Close()
	if _, err := c.Read(make([]byte, 1)); err != io.EOF {
		t.Error(err)
	}
	c.Close()
	c.Close()
	frames := log.Frames()
	if len(frames) != 3 || !frames[1].End || frames[1].Dir != record.FromServer || !frames[2].End || frames[2].Dir != record.FromClient {
		t.Errorf("%+v", frames)
	}
	if s := record.FromServer.String() + record.FromClient.String(); s != "SC" {
		t.Error(s)
	}
	// What lies below need not be able to do everything.
	d := record.New(bare{transport.New(b)}, &log)
	if _, err := d.(transport.Prober).Readable(); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("%v", err)
	}
	if _, err := d.(transport.BuffersWriter).WriteBuffers(&net.Buffers{[]byte("x")}); err == nil {
		t.Error("wrote to a closed link")
	}
}

// bare hides the optional methods.
type bare struct{ transport.Conn }

// broken dials nothing.
type broken struct{}

func (broken) DialContext(context.Context, string, string) (net.Conn, error) {
	return nil, os.ErrPermission
}

func TestDialerThatFails(t *testing.T) {
	var log record.Log
	if _, err := record.Dialer(broken{}, &log).DialContext(t.Context(), "tcp", "mx:25"); !errors.Is(err, os.ErrPermission) || len(log.Frames()) != 0 {
		t.Errorf("%v", err)
	}
}

func TestPlayerIsALink(t *testing.T) {
	p := record.Play(talk(t, `
		TLS
		S: 220 hi\r\n
	`), true)
	if p.LocalAddr().String() != "client" || p.RemoteAddr().String() != "recording" || p.RemoteAddr().Network() != "replay" {
		t.Errorf("%v, %v", p.LocalAddr(), p.RemoteAddr())
	}
	if s := p.Security(); !s.Secure || s.Engine != "replay" {
		t.Errorf("%+v", s)
	}
	if err := p.SetWriteDeadline(time.Unix(1, 0)); err != nil {
		t.Error(err)
	}
	if n, err := p.Read(nil); n != 0 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
	_, err := p.Write([]byte("x\x1b"))
	if err == nil || err.Error() != `replay: octet 0 of the client: got "x\x1b", recorded is ""` {
		t.Errorf("%v", err)
	}
	p.Close()
	for _, err := range []error{p.Close(), second(p.Write([]byte("x"))), second(p.Read(make([]byte, 1)))} {
		if !errors.Is(err, net.ErrClosed) {
			t.Errorf("%v", err)
		}
	}

	clear := record.Play(talk(t, `S: 220 hi\r\n`), false)
	if s, err := clear.StartTLS(t.Context(), nil); s.Secure || !errors.Is(err, transport.ReasonOther) {
		t.Errorf("%v, %v", s, err)
	}
	if _, err := clear.Write(nil); !errors.Is(err, net.ErrClosed) {
		t.Errorf("a link that failed its handshake is open: %v", err)
	}
}

func second(_ int, err error) error { return err }

// The ways of AUTH and of content that the dialogue does not have.
func TestMasks(t *testing.T) {
	for name, c := range map[string]struct{ script, want string }{
		"cancelled": {`
			C: AUTH CRAM-MD5\r\n
			S: 334 PGh1bnRlcjI+\r\n
			C: *\r\n
			S: 501 no\r\n
			C: QUIT\r\n`, "C: AUTH CRAM-MD5\nS: 334 cmVkYWN0ZWQ=\nC: {any}\nS: 501 no\nC: QUIT\n"},
		"no mechanism":  {`C: AUTH hunter2=\r\n`, "C: AUTH {any}\n"},
		"long name":     {`C: AUTH ` + strings.Repeat("A", 40) + `\r\n`, "C: AUTH {any}\n"},
		"no name":       {`C: AUTH\r\n`, "C: AUTH {any}\n"},
		"empty initial": {`C: AUTH EXTERNAL =\r\n`, "C: AUTH EXTERNAL {any}\n"},
		"continued challenge": {`
			C: AUTH X\r\n
			S: 334-hunter2\r\n334 hunter2\r\n`, "C: AUTH X\nS[join]: 334 cmVkYWN0ZWQ=\nS: 334 cmVkYWN0ZWQ=\n"},
		"challenge in pieces": {`
			C: AUTH X\r\n
			S: 334 hun
			S: ter2\r\n`, "C: AUTH X\nS: 334 cmVkYWN0ZWQ=\n"},
		"challenge breaks off": {`
			C: AUTH X\r\n
			S: 334 hun
			S!`, "C: AUTH X\nS| 334 \nX: fin\n"},
		"secret without a verb": {`C: hunter2\r\n`, "C: {any}\n"},
		"pipelined behind AUTH": {`
			C: AUTH PLAIN hunter2\r\nMAIL FROM:<>\r\n
			S: 235 ok\r\n250 ok\r\n`, "group one-write {\nC: AUTH PLAIN {any}\nC: MAIL FROM:<>\n}\nS[join]: 235 ok\nS: 250 ok\n"},
		"content in two": {`
			C: DATA\r\n
			S: 354 go\r\n
			C: hunter2\r\n
			C: .\r\n
			S: 250 ok\r\n`, "C: DATA\nS: 354 go\n# content of 12 octets\nC<<any\nS: 250 ok\n"},
		"chunks": {`
			C: BDAT 7\r\nhunter2BDAT 0 LAST\r\n
			S: 250 ok\r\n250 ok\r\n`, "group one-write {\nC: BDAT 7\n# content of 7 octets\nC<<any\nC: BDAT 0 LAST\n}\nS[join]: 250 ok\nS: 250 ok\n"},
		"chunk breaks off": {`
			C: BDAT 99\r\nhunter2
			C!`, "C: BDAT 99\n# 7 octets of content so far\nX: client-fin\n"},
		"content breaks off": {`
			C: DATA\r\n
			S: 354 go\r\n
			C: hunter2
			S: 421 bye\r\n`, "C: DATA\nS: 354 go\n# 7 octets of content so far\nS: 421 bye\n"},
		"an end that is none": {`
			C: DATA\r\n
			S: 354 go\r\n
			C: a\n.\nhunter2\r\n..\r\n.hunter2\r\n.\r\nRSET\r\n`, "C: DATA\nS: 354 go\ngroup one-write {\n# content of 30 octets\nC<<any\nC: RSET\n}\n"},
		"control octets": {`
			C: NOOP \t\\\x00\x7f{\n
			S: 250 \x1b{\r\n`, "C| NOOP \\t\\\\\\0\\x7f\\x7b\\n\nS: 250 \\x1b{\n"},
	} {
		if got := string(record.Transcript(talk(t, "S: 220 hi\\r\\n\n"+strings.TrimSpace(c.script)))); strings.TrimPrefix(got, "S: 220 hi\n") != c.want {
			t.Errorf("%s:\n%q\nwant\n%q", name, strings.TrimPrefix(got, "S: 220 hi\n"), c.want)
		}
	}
}

func FuzzTranscript(f *testing.F) {
	// Invariant: no panic, lines in printable ASCII, and what the client says inside AUTH
	// does not show.
	f.Add("334 \r\n", "235 ok\r\n", "x\r\n", 3)
	f.Add("334-a\r\n334 b\r\n", "354 go\r\n", "DATA\r\n.\r\n", 1)
	f.Fuzz(func(t *testing.T, challenge, reply, more string, cut int) {
		frames := []record.Frame{{Bytes: []byte("220 hi\r\n")}, {Dir: record.FromClient, Bytes: []byte("AUTH PLAIN hunter2\r\n")}}
		frames = append(frames, record.Frame{Bytes: []byte("334 \r\n")}, record.Frame{Dir: record.FromClient, Bytes: []byte("hunter2\r\n")})
		if cut >= 0 && cut < len(challenge) {
			frames = append(frames, record.Frame{Bytes: []byte(challenge[:cut])})
			challenge = challenge[cut:]
		}
		frames = append(frames, record.Frame{Bytes: []byte(challenge)}, record.Frame{Dir: record.FromClient, Bytes: []byte(more)},
			record.Frame{Bytes: []byte(reply)}, record.Frame{Dir: record.FromClient, Bytes: []byte(more), TLS: true})
		out := string(record.Transcript(frames))
		if strings.Contains(out, "hunter2") && !strings.Contains(challenge+reply+more, "hunter2") {
			t.Errorf("%q", out)
		}
		if strings.ContainsFunc(out, func(r rune) bool { return r != '\n' && (r < ' ' || r > '~') }) {
			t.Errorf("%q", out)
		}
	})
}
