package smtptest_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/smtp"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/parley-mail/parley/internal/smtptest"
	"github.com/parley-mail/parley/transport/mem"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestParseErrors(t *testing.T) {
	for _, text := range []string{"Q: x", "S", "X: jump", `S: \q`, `C: \x4`, `C: \xzz`, `S: \`} {
		if _, err := smtptest.Parse("# first\n" + text); err == nil || !strings.Contains(err.Error(), "line 2") {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// serve plays the server over a link while the client's octets are written, and
// returns what the client got and the server's error.
func serve(t *testing.T, script, client string) (string, error) {
	t.Helper()
	s, err := smtptest.Parse(script)
	if err != nil {
		t.Fatal(err)
	}
	a, b := mem.Pipe(mem.Options{})
	done := make(chan error, 1)
	go func() { done <- s.Serve(context.Background(), b, nil) }()
	if _, err := a.Write([]byte(client)); err != nil {
		t.Fatal(err)
	}
	if err := a.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	got, _ := io.ReadAll(a)
	a.Close()
	return string(got), <-done
}

func TestServe(t *testing.T) {
	for _, tt := range []struct {
		name, script, client, want string
		line                       int // of the mismatch; 0: none
	}{
		{"fits", "S: 220 hi\nC: EHLO {any}\nS: 250-a\nS: 250 b\nX: eof", "EHLO x y\r\n", "220 hi\r\n250-a\r\n250 b\r\n", 0},
		{"escapes and 8 bit", `S| \x00\xffé\\` + "\n" + `C| \0\xFF\r` + "\nX: eof", "\x00\xff\r", "\x00\xffé\\", 0},
		{"word and int", "C: A {word} {int} Z", "A b 12 Z\r\n", "", 0},
		{"int does not fit", "C: A {int}", "A b\r\n", "", 1},
		{"word does not fit", "C: A {word}.", "A b c.\r\n", "", 1},
		{"bare LF is no line", "C: A", "A\n", "", 1},
		{"cut short", "S: 220 hi\nC: A\nC: B", "A\r\n", "220 hi\r\n", 3},
		{"more than scripted", "C: A\nX: eof", "A\r\nB\r\n", "", 2},
		{"close", "C: A\nS: 421 bye\nX: close\nC: B", "A\r\n", "421 bye\r\n", 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := serve(t, tt.script, tt.client)
			var mismatch *smtptest.MismatchError
			switch {
			case tt.line == 0 && err != nil:
				t.Error(err)
			case tt.line != 0 && !errors.As(err, &mismatch):
				t.Errorf("%v is no mismatch", err)
			case tt.line != 0 && mismatch.Line != tt.line:
				t.Errorf("line %d instead of %d: %v", mismatch.Line, tt.line, err)
			}
			if got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestMismatchText(t *testing.T) {
	_, err := serve(t, "S: 220 hi\nC: EHLO {any}\nS: 250 ok", "HELO x\r\n")
	want := "script line 2\n  S: 220 hi\n- C: EHLO {any}\n+ sent \"HELO x\\r\\n\"\n  S: 250 ok"
	if fmt.Sprint(err) != want {
		t.Errorf("got\n%v\nwant\n%s", err, want)
	}
}

// A client of the standard library against a script, with TLS in the middle.
func TestPlayTLS(t *testing.T) {
	peer := smtptest.Server(t, nil) // for its certificate
	nc := smtptest.Play(t, `
		S: 220 mx.example
		C: EHLO localhost
		S: 250-mx.example
		S: 250 STARTTLS
		C: STARTTLS
		S: 220 go
		TLS:
		C: EHLO localhost
		S: 250 mx.example
		C: QUIT
		S: 221 bye
		X: eof`, peer.TLS)
	c, err := smtp.NewClient(nc, "localhost")
	if err != nil {
		t.Fatal(err)
	}
	if err := c.StartTLS(peer.ClientTLS()); err != nil {
		t.Fatal(err)
	}
	if err := c.Quit(); err != nil {
		t.Fatal(err)
	}
}

// A stalling server is let go when the test is over, and a reset is no EOF.
func TestStallAndReset(t *testing.T) {
	stalled := smtptest.Play(t, "S: 220 hi\nX: stall", nil)
	if _, err := io.ReadFull(stalled, make([]byte, len("220 hi\r\n"))); err != nil {
		t.Error(err)
	}
	reset := smtptest.Play(t, "X: rst", nil)
	if _, err := reset.Read(make([]byte, 1)); err == nil || errors.Is(err, io.EOF) {
		t.Errorf("after a reset: %v", err)
	}
}

func TestServer(t *testing.T) {
	peer := smtptest.Server(t, nil)
	send := func(c *smtp.Client, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if err := c.Mail("a@client.example"); err != nil {
			t.Fatal(err)
		}
		if err := c.Rcpt("b@mx.example"); err != nil {
			t.Fatal(err)
		}
		w, err := c.Data()
		if err != nil {
			t.Fatal(err)
		}
		io.WriteString(w, "Subject: hi\r\n\r\n.dot\r\n")
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		if err := c.Quit(); err != nil {
			t.Fatal(err)
		}
	}
	send(smtp.Dial(peer.Addr))
	link, err := tls.Dial("tcp", peer.TLSAddr, peer.ClientTLS())
	if err != nil {
		t.Fatal(err)
	}
	send(smtp.NewClient(link, "localhost"))
	inMemory, err := peer.DialContext(context.Background(), "", "")
	if err != nil {
		t.Fatal(err)
	}
	send(smtp.NewClient(inMemory, "localhost"))
	for _, m := range peer.Wait(t, 3) {
		if got := string(m.Content); got != "Subject: hi\r\n\r\n.dot\r\n" {
			t.Errorf("content %q", got)
		}
	}
}
