package load_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/parley-mail/parley/bench/load"
)

func TestArgs(t *testing.T) {
	for _, want := range []load.Load{
		{Addr: "127.0.0.1:25", Messages: 3, Size: 64, Rcpts: 2, Sessions: 4, Mode: load.Chunked, Inflight: 8, TLS: load.NoTLS},
		{Addr: "a:1", Messages: 1, Size: 9, Rcpts: 1, Sessions: 1, Mode: load.Plain, Inflight: 1, TLS: load.ImplicitTLS, CA: "ca.pem", Resume: true, Reconnect: true},
		{Addr: "a:1", Messages: 1, Size: 9, Rcpts: 1, Sessions: 1, Mode: load.Plain, Inflight: 1, TLS: load.NoTLS, BodyFile: "b", Hold: true},
	} {
		got, err := load.Parse(want.Args())
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(&want, got, cmpopts.IgnoreUnexported(load.Load{})); d != "" {
			t.Error(d)
		}
	}
	for _, bad := range [][]string{nil, {"--addr", "a:1", "--messages", "0"}, {"--addr", "a:1", "more"}, {"--what"}} {
		if _, err := load.Parse(bad); err == nil {
			t.Errorf("%q was taken", bad)
		}
	}
}

// The message has the size that was asked for, and lines that need neither stuffing nor
// normalizing.
func TestText(t *testing.T) {
	for size := 64; size < 700; size++ {
		text := load.Text(size)
		switch {
		case len(text) != size:
			t.Fatalf("%d octets, want %d", len(text), size)
		case !bytes.HasSuffix(text, []byte("\r\n")):
			t.Fatalf("%d: the last line has no end", size)
		case bytes.Count(text, []byte("\r")) != bytes.Count(text, []byte("\r\n")), bytes.Count(text, []byte("\n")) != bytes.Count(text, []byte("\r\n")):
			t.Fatalf("%d: a bare CR or LF", size)
		case bytes.Contains(text, []byte("\n.")):
			t.Fatalf("%d: a line begins with a dot", size)
		}
		for _, line := range bytes.Split(text, []byte("\r\n")) {
			if len(line) > 998 {
				t.Fatalf("%d: a line of %d octets", size, len(line))
			}
		}
	}
}

type counter struct{ sent, open, closed *atomic.Int64 }

func (c counter) Send(n int) error { c.sent.Add(int64(n)); return nil }
func (c counter) Close() error     { c.closed.Add(1); return nil }

func TestRun(t *testing.T) {
	for name, test := range map[string]struct {
		load               load.Load
		sent, open, closed int64
	}{
		"one":       {load.Load{Messages: 10, Sessions: 1}, 14, 1, 1},
		"several":   {load.Load{Messages: 10, Sessions: 3}, 22, 3, 3},
		"large":     {load.Load{Messages: 10, Sessions: 1, Size: 1 << 20}, 11, 1, 1},
		"reconnect": {load.Load{Messages: 10, Sessions: 1, Reconnect: true}, 14, 14, 14},
		"hold":      {load.Load{Messages: 10, Sessions: 5, Hold: true}, 0, 9, 0},
	} {
		t.Run(name, func(t *testing.T) {
			var sent, open, closed atomic.Int64
			var out bytes.Buffer
			err := load.Run(&test.load, func() (load.Session, error) { open.Add(1); return counter{&sent, &open, &closed}, nil }, &out)
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff([]int64{test.sent, test.open, test.closed}, []int64{sent.Load(), open.Load(), closed.Load()}); d != "" {
				t.Error(d)
			}
			var r load.Result
			if err := json.Unmarshal(out.Bytes(), &r); err != nil {
				t.Fatal(err)
			}
			if !test.load.Hold && r.Messages != 10 || r.Allocs == nil || r.Bytes == nil {
				t.Errorf("%s", out.Bytes())
			}
		})
	}
	failed := errors.New("no server")
	if err := load.Run(&load.Load{Messages: 1, Sessions: 2}, func() (load.Session, error) { return nil, failed }, io.Discard); !errors.Is(err, failed) {
		t.Errorf("%v, want %v", err, failed)
	}
}
