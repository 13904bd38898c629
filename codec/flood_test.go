package codec_test

import (
	"bytes"
	"errors"
	"runtime"
	"strconv"
	"testing"

	"github.com/parley-mail/parley/codec"
)

func itoa(n int) string { return strconv.Itoa(n) }

// A server that never stops: the decoder fails at its limit, keeps failing while 256 MiB
// go by, and allocates less than 1 MiB in all (O-F08, O-E38, seed family S-LEN).
func TestFlood(t *testing.T) {
	const total, piece = 256 << 20, 16 << 10
	tests := []struct {
		name string
		unit string
		want codec.Anomaly
	}{
		{"endless line", "x", codec.LongLine},
		{"endless reply line", "2", codec.LongLine},
		{"endless continuation lines", "250-\r\n", codec.ManyLines},
		{"endless long lines", "250-" + string(bytes.Repeat([]byte("y"), 4090)) + "\r\n", codec.LongReply},
		{"endless empty lines", "\r\n", codec.BadCode},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			chunk := bytes.Repeat([]byte(test.unit), piece/len(test.unit))
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			var d codec.Decoder
			var failed error
			for fed := 0; fed < total; fed += len(chunk) {
				d.Feed(chunk)
				if r, err := d.Next(); r != nil {
					t.Fatal("a reply")
				} else if err != nil {
					failed = err
				}
			}
			runtime.ReadMemStats(&after)
			var syntax *codec.SyntaxError
			if !errors.As(failed, &syntax) || syntax.Anomaly != test.want {
				t.Errorf("got %v, want %v", failed, test.want)
			}
			if n := after.TotalAlloc - before.TotalAlloc; n >= 1<<20 {
				t.Errorf("allocated %d octets", n)
			}
		})
	}
}

// A stream of good replies does not make the buffer grow, whatever the pieces.
func TestSteadyMemory(t *testing.T) {
	stream := bytes.Repeat([]byte("250-mail.example\r\n250-PIPELINING\r\n250 SIZE 1000\r\n250 ok\r\n"), 1000)
	var d codec.Decoder
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	replies := 0
	for range 50 {
		for p := stream; len(p) > 0; {
			n := min(len(p), 1000)
			d.Feed(p[:n])
			p = p[n:]
			for {
				r, err := d.Next()
				if err != nil {
					t.Fatal(err)
				}
				if r == nil {
					break
				}
				replies++
			}
		}
	}
	runtime.ReadMemStats(&after)
	if replies != 100_000 {
		t.Errorf("%d replies", replies)
	}
	if n := after.TotalAlloc - before.TotalAlloc; n >= 64<<10 {
		t.Errorf("allocated %d octets", n)
	}
}
