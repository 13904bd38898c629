package server_test

import (
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/parley-mail/parley/conformance"
	"github.com/parley-mail/parley/conformance/server"
	"github.com/parley-mail/parley/conformance/smtpt"
)

// hears answers the octets given, whatever it is told, and ends there unless it stays. It
// returns what it was told.
func hears(t *testing.T, answers string, stays bool) (addr string, told func() string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	all := make(chan string, 1)
	go func() {
		defer close(all)
		nc, err := l.Accept()
		l.Close()
		if err != nil {
			return
		}
		defer nc.Close()
		io.WriteString(nc, answers)
		if !stays {
			nc.(*net.TCPConn).CloseWrite()
		}
		octets, _ := io.ReadAll(nc)
		all <- string(octets)
	}()
	t.Cleanup(func() { l.Close(); <-all })
	return l.Addr().String(), func() string { return <-all }
}

// What the client of a transcript says is said octet for octet, and what a recording does not
// keep is made up.
func TestRecordedIsSaid(t *testing.T) {
	const body = "-- body --\n.x\n..y\nz\n"
	for name, c := range map[string]struct{ script, said, answers string }{
		"names and octets":    {"S: 220 a\nC: EHLO {name}\nS: 250 a\nC| \\x7bNOOP\\x7d\\0\\r\\n\nS: 250 a\n", "EHLO me.example\r\n{NOOP}\x00\r\n", "220 a\r\n250 a\r\n250 a\r\n"},
		"unstuffed":           {"S: 220 a\nC: DATA\nS: 354 a\nC<< unstuffed=@body\nS: 250 a\n" + body, "DATA\r\n..x\r\n...y\r\nz\r\n.\r\n", "220 a\r\n354 a\r\n250 a\r\n"},
		"as it was":           {"S: 220 a\nC: DATA\nS: 354 a\nC<< @body\nS: 250 a\n" + body, "DATA\r\n.x\r\n..y\r\nz\r\n.\r\n", "220 a\r\n354 a\r\n250 a\r\n"},
		"a chunk":             {"S: 220 a\nC: BDAT 12 LAST\nC<< unstuffed=@body\nS: 250 a\n" + body, "BDAT 12 LAST\r\n.x\r\n..y\r\nz\r\n", "220 a\r\n250 a\r\n"},
		"a chunk made up":     {"S: 220 a\nC: BDAT 12 LAST\nC<<any\nS: 250 a\n", "BDAT 12 LAST\r\nSubject: rep", "220 a\r\n250 a\r\n"},
		"again and again":     {"S: 220 a\nC: NOOP\nS[rep=3]: 250 a\n", "NOOP\r\n", "220 a\r\n250 a\r\n250 a\r\n250 a\r\n"},
		"an engine's affairs": {"call send from=a@x.example to=b@y.example body=@body\nS: 220 a\n[looplab] C: NOOP\nC: QUIT\nS: 221 a\nR: message failed\n" + body, "QUIT\r\n", "220 a\r\n221 a\r\n"},
	} {
		t.Run(name, func(t *testing.T) {
			script, err := smtpt.Parse("a.smtpt", []byte(c.script))
			if err != nil {
				t.Fatal(err)
			}
			check, err := server.Recorded(script)
			if err != nil {
				t.Fatal(err)
			}
			addr, told := hears(t, c.answers, false)
			o := server.Replay(t.Context(), server.Target{Addr: addr, Hello: "me.example", Timeout: time.Minute}, check)
			if o.Verdict != conformance.Pass || len(o.Wire) == 0 {
				t.Errorf("%v: %s %+v", o.Verdict, o.Reason, o.Failure)
			}
			said := told()
			if !strings.HasSuffix(c.said, "QUIT\r\n") {
				said = strings.TrimSuffix(said, "QUIT\r\n") // which ends every session
			}
			if diff := cmp.Diff(c.said, said); diff != "" {
				t.Errorf("said (-want +got):\n%s", diff)
			}
		})
	}
}

// What a server does that is not what it did is told, with the line of the transcript.
func TestRecordedIsHeld(t *testing.T) {
	const script = "S: 220 a\nC: NOOP\nS: 250 2.0.0 a\nC: QUIT\nS: 221 a\nX: fin\n"
	for answers, want := range map[string]struct {
		verdict conformance.Verdict
		line    int
	}{
		"220 a\r\n250 2.0.0 other\r\n221 a\r\n": {conformance.Fail, 6}, // and it stays
		"220 a\r\n250 2.9.9 a\r\n500 a\r\n":     {conformance.Fail, 5},
		"220 a\r\n550 a\r\n":                    {conformance.Fail, 3},
		"220 a\r\n":                             {conformance.Fail, 3},
		"554 a\r\n":                             {conformance.Fail, 1},
		"HTTP/1.1 400 Bad Request\r\n":          {conformance.Fail, 1},
	} {
		parsed, err := smtpt.Parse("a.smtpt", []byte(script))
		if err != nil {
			t.Fatal(err)
		}
		check, err := server.Recorded(parsed)
		if err != nil {
			t.Fatal(err)
		}
		stays, patience := want.line == 6, time.Minute
		if stays {
			patience = 2 * time.Second
		}
		addr, told := hears(t, answers, stays)
		o := server.Replay(t.Context(), server.Target{Addr: addr, Timeout: patience}, check)
		told()
		if o.Verdict != want.verdict || o.Failure == nil || o.Failure.Pos.Line != want.line {
			t.Errorf("%q: %v %+v", answers, o.Verdict, o.Failure)
		}
	}
}

// What cannot be said is refused before anything is.
func TestRecordedCannotBeSaid(t *testing.T) {
	for script, line := range map[string]int{
		"S: 220 a\nC: AUTH PLAIN {any}\nS: 235 a\n":                   2,
		"S: 220 a\nC: BDAT x\nS: 501 a\n":                             2,
		"S: 220 a\nC: BDAT 3 LAST\nC<< @b\nS: 250 a\n-- b --\nlong\n": 3,
		"S| junk\\r\\n\nC: QUIT\n":                                    1,
		"S| 220\nC: QUIT\n":                                           1,
		"S: 220 a\nC: NOOP\nS| 250\n":                                 3,
		"S: 220 a\nTLS: fail\n":                                       2,
		"S: 220 a\nX: stall\n":                                        2,
		"S: 220 a\nalt {\nC: QUIT\n} or {\nC: NOOP\n}\n":              2,
	} {
		parsed, err := smtpt.Parse("a.smtpt", []byte(script))
		if err != nil {
			t.Fatal(err)
		}
		_, err = server.Recorded(parsed)
		var wrong *smtpt.Error
		if !errors.As(err, &wrong) || wrong.Pos.Line != line {
			t.Errorf("%q: %v", script, err)
		}
	}
}
