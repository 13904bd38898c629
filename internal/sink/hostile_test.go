package sink_test

import (
	"bytes"
	"context"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parley-mail/parley/internal/sink"
	"github.com/parley-mail/parley/transport/mem"
)

// Every way of saying nothing, or next to nothing, has an end.
func TestSlow(t *testing.T) {
	const start = "EHLO x\r\nMAIL FROM:<>\r\nRCPT TO:<b@y.example>\r\n"
	for _, tt := range []struct {
		name, begin, drip string
		every             time.Duration
		want              time.Duration
	}{
		{"silence", "", "", time.Hour, 5 * time.Minute},
		{"a command octet by octet", "", "N", time.Minute, 5 * time.Minute},
		{"silence in content", start + "DATA\r\n", "", time.Hour, 5 * time.Minute},
		{"content octet by octet", start + "DATA\r\n", "x", time.Minute, time.Hour},
		{"a chunk octet by octet", start + "BDAT 1000 LAST\r\n", "x", time.Minute, time.Hour},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				srv := &sink.Server{Tolerance: sink.InputAhead}
				l, stop := serving(t, srv)
				defer stop()
				nc, err := l.DialContext(t.Context(), "", "")
				if err != nil {
					t.Fatal(err)
				}
				defer nc.Close()
				begun := time.Now()
				done := make(chan string, 1)
				go func() {
					all, _ := io.ReadAll(nc)
					done <- string(all)
				}()
				io.WriteString(nc, tt.begin)
				for {
					select {
					case all := <-done:
						if !strings.HasSuffix(all, "421 4.4.2 localhost Waited too long\r\n") {
							t.Errorf("%q", all)
						}
						if took := time.Since(begun); took != tt.want {
							t.Errorf("after %v instead of %v", took, tt.want)
						}
						return
					case <-time.After(tt.every):
						io.WriteString(nc, tt.drip)
					}
				}
			})
		})
	}
}

// A client that does not take its replies is cut, too.
func TestDeaf(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, stop := serving(t, &sink.Server{Tolerance: sink.InputAhead})
		defer stop()
		nc, err := l.DialContext(t.Context(), "", "")
		if err != nil {
			t.Fatal(err)
		}
		defer nc.Close()
		begun := time.Now()
		io.WriteString(nc, "EHLO x\r\n")
		commands := []byte(strings.Repeat("RSET\r\n", 1000))
		for err == nil {
			_, err = nc.Write(commands)
		}
		if took := time.Since(begun); took != 5*time.Minute {
			t.Errorf("after %v", took)
		}
	})
}

// repeat writes p over and over until the server has had enough, and returns what
// the server said behind the first replies.
func repeat(t *testing.T, srv *sink.Server, begin string, p []byte) string {
	t.Helper()
	client, server := mem.Pipe(mem.Options{})
	done := make(chan struct{})
	go func() { defer close(done); srv.ServeConn(context.Background(), server) }()
	said := make(chan string, 1)
	go func() {
		all, _ := io.ReadAll(client)
		said <- string(all)
	}()
	io.WriteString(client, begin)
	for i := 0; ; i++ {
		if _, err := client.Write(p); err != nil {
			break
		}
		if i*len(p) > 1<<24 {
			t.Fatal("the server does not tire")
		}
	}
	<-done
	all := <-said // up to the server's end of it; what is unread when it is closed is lost
	client.Close()
	return all
}

func TestHostile(t *testing.T) {
	const start = "EHLO x\r\nMAIL FROM:<>\r\nRCPT TO:<b@y.example>\r\n"
	kib := bytes.Repeat([]byte("x"), 1<<10)
	header := []byte("X-Header: " + strings.Repeat("x", 1000) + "\r\n")
	for _, tt := range []struct {
		name, begin string
		drip        []byte
		limits      sink.Limits
		want        string
	}{
		{"line without end", "", kib, sink.Limits{}, "\r\n421 4.7.0 Endless line\r\n"},
		{"headers without end", start + "DATA\r\n", header, sink.Limits{Size: 1 << 20}, "\r\n552 5.3.4 {any}"},
		{"content line without end", start + "DATA\r\n", kib, sink.Limits{Size: 1 << 20}, "\r\n552 5.3.4 {any}"},
		{"chunks without end", start, []byte("BDAT 1024\r\n" + string(kib)), sink.Limits{Size: 1 << 20, Errors: 5}, "\r\n421 4.7.0 Too many errors\r\n"},
		{"nonsense", "", []byte("XYZZY\r\n"), sink.Limits{}, "\r\n421 4.7.0 Too many errors\r\n"},
		{"commands", "", []byte("RSET\r\n"), sink.Limits{Commands: 1000}, "\r\n421 4.7.0 Too many commands\r\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			srv := &sink.Server{Limits: tt.limits, Tolerance: sink.InputAhead}
			said := repeat(t, srv, tt.begin, tt.drip)
			want, open := strings.CutSuffix(tt.want, "{any}")
			if i := strings.LastIndex(said, want); i < 0 || !open && i+len(want) != len(said) {
				t.Errorf("%.200q…%q", said, said[max(0, len(said)-200):])
			}
			if n := srv.Stats().Messages; n != 0 {
				t.Errorf("%d messages", n)
			}
		})
	}
}

func TestLimits(t *testing.T) {
	t.Run("recipients", func(t *testing.T) {
		srv := server(t, "PIPELINING")
		srv.Limits.Recipients = 100
		play(t, srv, hello("PIPELINING")+"C: MAIL FROM:<>\nS: 250 Ok\n"+strings.Repeat("C: RCPT TO:<b@y.example>\n", 102)+
			strings.Repeat("S: 250 Ok\n", 100)+"S: 452 {any}\nS: 452 {any}\nC: DATA\nS: 354 {any}\nC: .\nS: 250 {any}"+quit)
		if s := srv.Stats(); s.Recipients != 100 || s.Refused != 2 {
			t.Errorf("%+v", s)
		}
	})
	t.Run("domains", func(t *testing.T) {
		srv := server(t, "none")
		srv.Limits.RecipientDomains = 1
		play(t, srv, hello()+"C: MAIL FROM:<>\nS: 250 Ok\nC: RCPT TO:<a@y.example>\nS: 250 Ok\nC: RCPT TO:<b@Y.example>\nS: 250 Ok\nC: RCPT TO:<b@z.example>\nS: 452 {any}"+quit)
	})
	t.Run("messages", func(t *testing.T) {
		srv := server(t, "none")
		srv.Limits.Messages = 1
		play(t, srv, hello()+envelope+"C: DATA\nS: 354 {any}\nC: .\nS: 250 {any}\nC: MAIL FROM:<>\nS: 452 {any}"+quit)
	})
	t.Run("line", func(t *testing.T) {
		srv := server(t, "none")
		srv.Limits.Line = 512
		fits := "NOOP " + strings.Repeat("x", 505)
		play(t, srv, hello()+"C: "+fits+"\nS: 250 Ok\nC: "+fits+"x\nS: 500 {any}\nC: "+strings.Repeat("x", 100000)+"\nS: 500 {any}\nC: NOOP\nS: 250 Ok"+quit)
	})
	t.Run("line of twelve thousand", func(t *testing.T) {
		srv := server(t, "none")
		srv.Limits.Line = 12288
		fits := "NOOP " + strings.Repeat("x", 12288-7)
		play(t, srv, hello()+"C: "+fits+"\nS: 250 Ok\nC: "+fits+"x\nS: 500 {any}"+quit)
	})
}
