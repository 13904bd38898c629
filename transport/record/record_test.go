package record_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/parley-mail/parley/transport"
	"github.com/parley-mail/parley/transport/mem"
	"github.com/parley-mail/parley/transport/record"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// talk makes frames of lines "S: ", "C: ", "S+ ", "C+ " (the octets as they are
// written, in Go's escapes); "TLS" turns TLS on, "S!" and "C!" close.
func talk(t *testing.T, script string) []record.Frame {
	t.Helper()
	var frames []record.Frame
	secure := false
	for _, l := range strings.Split(strings.TrimSpace(script), "\n") {
		l = strings.TrimSpace(l)
		if l == "TLS" {
			secure = true
			continue
		}
		f := record.Frame{TLS: secure}
		if l[0] == 'C' {
			f.Dir = record.FromClient
		}
		if l[1] == '!' {
			f.End = true
		} else {
			var s string
			if _, err := fmt.Sscanf(`"`+l[3:]+`"`, "%q", &s); err != nil {
				t.Fatalf("%s: %v", l, err)
			}
			f.Bytes = []byte(s)
		}
		frames = append(frames, f)
	}
	return frames
}

const dialogue = `
S: 220 mx.example ESMTP\r\n
C: EHLO client.example\r\n
S: 250-mx.example\r\n250-PIPE
S: LINING\r\n250 AUTH PLAIN LOGIN\r\n
C: STARTTLS\r\n
S: 220 go\r\n
TLS
C: EHLO client.example\r\n
S: 250 AUTH PLAIN LOGIN\r\n
C: AUTH PLAIN AHVzZXIAaHVudGVyMg==\r\n
S: 535 5.7.8 no\r\n
C: auth LOGIN\r\n
S: 334 VXNlcm5hbWU6\r\n
C: aHVudGVyMg==\r\n
S: 334 UGFzc3dvcmQ6\r\n
C: aHVu
C: dGVyMg==\r\n
S: 235 2.7.0 ok\r\n
C: MAIL FROM:<a@c.example> SIZE=99\r\nRCPT TO:<{x}@s.example>\r\nDATA\r\n
S: 250 ok\r\n550 5.1.1 no \xe4\r\n354 odd\r\n
C: .\r\n
S: 554 nobody\r\n
C: MAIL FROM:<>\r\nRCPT TO:<y@s.example>\r\nDATA\r\n
S: 250 ok\r\n250 ok\r\n354 go\r\n
C: Subject: hunter2\r\n\r\nRSET hunter2\r
C: \n..\r\nhunter2\r\n.\r\nMAIL FROM:<>\r\nRCPT TO:<z@s.example>\r\nBDAT 12 LAST\r\nhunter2\r\n.\r\nQUIT\r\n
S: 250 accepted\r\n250 ok\n250 ok\r\n250 accepted\r\n221 bye\r\n
C: hunter2\r\nAUTH PLAIN hunter2
S: 50
S!
C!
`

func TestTranscript(t *testing.T) {
	got := record.Transcript(talk(t, dialogue))
	if secret := regexpSecret(got); secret != "" {
		t.Errorf("the transcript holds %q", secret)
	}
	golden := filepath.Join("testdata", "dialogue.smtpt")
	if *update {
		if err := os.WriteFile(golden, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Error(diff)
	}
}

// regexpSecret finds what must not be in a transcript of the dialogue.
func regexpSecret(p []byte) string {
	for _, s := range []string{"hunter2", "aHVu", "dGVyMg", "AHVzZXIA", "VXNlcm5h"} {
		if bytes.Contains(p, []byte(s)) {
			return s
		}
	}
	return ""
}

// Invariant: however the frames of a dialogue are cut, no secret shows.
func TestNoSecretShowsHoweverFramesAreCut(t *testing.T) {
	frames := talk(t, dialogue)
	for size := 1; size <= 40; size++ {
		var cut []record.Frame
		for _, f := range frames {
			for len(f.Bytes) > size {
				g := f
				g.Bytes = f.Bytes[:size]
				cut = append(cut, g)
				f.Bytes = f.Bytes[size:]
			}
			cut = append(cut, f)
		}
		for n := range len(cut) {
			if secret := regexpSecret(record.Transcript(cut[:n+1])); secret != "" {
				t.Fatalf("pieces of %d, %d of them: the transcript holds %q", size, n+1, secret)
			}
		}
	}
}

func serve(t *testing.T, nc net.Conn) {
	fmt.Fprint(nc, "220 mx.example\r\n")
	in := bufio.NewScanner(nc)
	for in.Scan() {
		switch in.Text() {
		case "QUIT":
			fmt.Fprint(nc, "221 bye\r\n")
			nc.Close()
			return
		default:
			fmt.Fprint(nc, "250-one\r\n250 two\r\n")
		}
	}
}

// converse is a client that says three things and reads to the end.
func converse(c transport.Conn) (string, error) {
	var heard strings.Builder
	in := bufio.NewReader(c)
	for _, say := range []string{"EHLO x\r\n", "NOOP\r\n", "QUIT\r\n", "", ""} {
		for {
			l, err := in.ReadString('\n')
			heard.WriteString(l)
			if err == io.EOF {
				return heard.String(), c.Close()
			}
			if err != nil {
				return heard.String(), err
			}
			if l[3] == ' ' {
				break
			}
		}
		if say == "" {
			continue
		}
		b := net.Buffers{[]byte(say[:len(say)/2]), []byte(say[len(say)/2:])}
		if _, err := c.(interface {
			WriteBuffers(*net.Buffers) (int64, error)
		}).WriteBuffers(&b); err != nil {
			return heard.String(), err
		}
	}
	return heard.String(), errors.New("no end")
}

func TestWhatWasRecordedCanBePlayed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := mem.Listen("mx", mem.Options{Latency: time.Second})
		defer l.Close()
		go func() {
			nc, err := l.Accept()
			if err != nil {
				t.Error(err)
				return
			}
			serve(t, nc)
		}()
		var log record.Log
		sunk := 0
		log.Sink = func(record.Frame) { sunk++ }
		nc, err := record.Dialer(l, &log).DialContext(t.Context(), "tcp", "mx:25")
		if err != nil {
			t.Fatal(err)
		}
		live, err := converse(nc.(transport.Conn))
		if err != nil {
			t.Fatal(err)
		}
		frames := log.Frames()
		if sunk != len(frames) || log.Dropped() != 0 {
			t.Errorf("%d frames sunk, %d kept", sunk, len(frames))
		}
		if at := frames[2].At; at < 2*time.Second {
			t.Errorf("the answer to EHLO came at %v", at)
		}
		p := record.Play(frames, true)
		played, err := converse(player{p})
		if err != nil || played != live {
			t.Errorf("%v, %s", err, cmp.Diff(live, played))
		}
		if c, s := p.Rest(); c != 0 || s != 0 {
			t.Errorf("left: %d, %d", c, s)
		}
	})
}

// player gives a Player the method that converse wants.
type player struct{ *record.Player }

func (p player) WriteBuffers(b *net.Buffers) (int64, error) { return b.WriteTo(p.Player) }

func TestPlayerIsStrict(t *testing.T) {
	p := record.Play(talk(t, `
		S: 220 hi\r\n
		C: EHLO a\r\n
		S: 250 ok\r\n
	`), true)
	defer p.Close()
	n, err := p.Write([]byte("EHLO b\r\n"))
	var m *record.MismatchError
	if n != 5 || !errors.As(err, &m) || m.Offset != 5 || string(m.Want) != "a\r\n" {
		t.Errorf("Write: %d, %v", n, err)
	}
}

func TestPlayerWaitsForTheClientAndForTLS(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := record.Play(talk(t, `
			C: STARTTLS\r\n
			S: 220 go\r\n
			TLS
			C: NOOP\r\n
			S: 250 ok\r\n
		`), false)
		defer p.Close()
		if ok, _ := p.Readable(); ok {
			t.Error("readable before the client spoke")
		}
		p.SetDeadline(time.Now().Add(time.Minute))
		if _, err := p.Read(make([]byte, 9)); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("Read: %v", err)
		}
		p.SetDeadline(time.Time{})
		p.Write([]byte("STARTTLS\r\n"))
		if ok, _ := p.Readable(); !ok {
			t.Error("not readable")
		}
		buf := make([]byte, 99)
		if n, err := p.Read(buf); err != nil || string(buf[:n]) != "220 go\r\n" {
			t.Errorf("Read: %q, %v", buf[:n], err)
		}
		if s, err := p.StartTLS(context.Background(), nil); err != nil || !s.Secure {
			t.Errorf("StartTLS: %v, %v", s, err)
		}
		if _, err := p.StartTLS(context.Background(), nil); !errors.Is(err, transport.ReasonAlreadySecure) {
			t.Errorf("StartTLS: %v", err)
		}
	})
}

func TestLogKeepsItsLimit(t *testing.T) {
	a, b := mem.Pipe(mem.Options{})
	defer b.Close()
	log := record.Log{Limit: 10}
	c := record.New(transport.New(a), &log)
	defer c.Close()
	for range 4 {
		c.Write([]byte("1234"))
	}
	if n := len(log.Frames()); n != 2 || log.Dropped() != 8 {
		t.Errorf("%d frames, %d octets dropped", n, log.Dropped())
	}
}
