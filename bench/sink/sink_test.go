package sink_test

import (
	"bufio"
	"bytes"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/parley-mail/parley/bench/sink"
)

// start serves on the loopback until the test is over.
func start(t *testing.T) (*sink.Server, string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &sink.Server{}
	done := make(chan error, 1)
	go func() { done <- s.Serve(l, false) }()
	t.Cleanup(func() {
		l.Close()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return s, l.Addr().String()
}

// converse writes pieces, each when so many lines have come back, and returns all lines.
func converse(t *testing.T, addr string, pieces []string, lines []int) []string {
	t.Helper()
	nc, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	in := bufio.NewScanner(nc)
	var got []string
	read := func(n int) {
		for range n {
			if !in.Scan() {
				t.Fatalf("no more than %q: %v", got, in.Err())
			}
			got = append(got, in.Text())
		}
	}
	read(1)
	for i, p := range pieces {
		if _, err := io.WriteString(nc, p); err != nil {
			t.Fatal(err)
		}
		read(lines[i])
	}
	return got
}

func TestDialogues(t *testing.T) {
	const envelope = "MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\n"
	big := strings.Repeat("x", 300<<10)
	for name, test := range map[string]struct {
		pieces []string
		lines  []int
		want   sink.Stats
	}{
		"plain": {
			[]string{"EHLO x\r\n", "MAIL FROM:<a@b>\r\n", "rcpt to:<c@d>\r\n", "DATA\r\n", "text\r\n.\r\n", "QUIT\r\n"},
			[]int{6, 1, 1, 1, 1, 1},
			sink.Stats{Turns: 7, Messages: 1, Sessions: 1, Octets: 9},
		},
		"pipelined": {
			[]string{envelope + "DATA\r\n", "one\r\n.\r\n" + envelope + "DATA\r\n", "two\r\n.\r\n"},
			[]int{3, 4, 1},
			sink.Stats{Turns: 4, Messages: 2, Sessions: 1, Octets: 16},
		},
		"chunked": {
			[]string{envelope + "BDAT 4\r\nab\r\nBDAT 5 LAST\r\n.\r\n.\r"},
			[]int{4},
			sink.Stats{Turns: 2, Messages: 1, Sessions: 1, Octets: 9},
		},
		"nothing but a dot": {
			[]string{envelope + "DATA\r\n", ".\r\n"},
			[]int{3, 1},
			sink.Stats{Turns: 3, Messages: 1, Sessions: 1, Octets: 3},
		},
		"dots that end nothing": {
			[]string{envelope + "DATA\r\n", "..\r\na.\r\n.b\r\n\n.\r\r\n.\r\n"},
			[]int{3, 1},
			sink.Stats{Turns: 3, Messages: 1, Sessions: 1, Octets: 20},
		},
		"larger than every buffer": {
			[]string{envelope + "DATA\r\n", big + "\r\n.\r\n" + envelope + "BDAT 307200 LAST\r\n" + big},
			[]int{3, 4},
			sink.Stats{Turns: 3, Messages: 2, Sessions: 1, Octets: 2*300<<10 + 5},
		},
	} {
		t.Run(name, func(t *testing.T) {
			s, addr := start(t)
			converse(t, addr, test.pieces, test.lines)
			got := s.Stats()
			got.CPU = 0
			if d := cmp.Diff(test.want, got); d != "" {
				t.Error(d)
			}
		})
	}
}

// However the octets are cut, the end is found where it is.
func TestBorders(t *testing.T) {
	s, addr := start(t)
	nc, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	for _, c := range []byte("MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\n.\r.\r\n\r\n..\r\n.\r\nQUIT\r\n") {
		if _, err := nc.Write([]byte{c}); err != nil {
			t.Fatal(err)
		}
	}
	in := bufio.NewScanner(nc)
	var codes []string
	for in.Scan() {
		codes = append(codes, in.Text()[:3])
		if len(codes) == 6 {
			break
		}
	}
	nc.Close()
	if d := cmp.Diff([]string{"220", "250", "250", "354", "250", "221"}, codes); d != "" {
		t.Error(d)
	}
	if got := s.Stats(); got.Messages != 1 {
		t.Errorf("%d messages", got.Messages)
	}
}

func TestControl(t *testing.T) {
	s, _ := start(t)
	var out bytes.Buffer
	if err := s.Control(strings.NewReader("\n\n"), &out); err != nil {
		t.Fatal(err)
	}
	if got := strings.Count(out.String(), `"turns":0`); got != 2 {
		t.Errorf("%q", out.String())
	}
}

// What passes through a relay is what went in, and it takes its time.
func TestRelay(t *testing.T) {
	_, addr := start(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	const oneWay = 5 * time.Millisecond
	done := make(chan error, 1)
	go func() { done <- (&sink.Relay{To: addr, OneWay: oneWay}).Serve(l) }()
	begin := time.Now()
	got := converse(t, l.Addr().String(), []string{"NOOP\r\n", "QUIT\r\n"}, []int{1, 1})
	if took := time.Since(begin); took < 5*oneWay {
		t.Errorf("five ways took %v", took)
	}
	if d := cmp.Diff([]string{"220 sink.example ESMTP", "250 2.0.0 Ok", "221 2.0.0 Bye"}, got); d != "" {
		t.Error(d)
	}
	l.Close()
	if err := <-done; err != nil {
		t.Error(err)
	}
}
