//go:build goexperiment.simd && amd64

package codec_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/parley-mail/parley/codec"
)

// checkLooks compares vectors with what looks line by line, on whole vectors: the rest of a
// block is left for the next time.
func checkLooks(t *testing.T, content []byte) {
	t.Helper()
	block := content[:min(len(content), 16<<10)&^63]
	if len(block) == 0 {
		return
	}
	for _, start := range []bool{true, false} {
		for _, dots := range []bool{true, false} {
			vectors, plain := codec.Looks(block, start, dots)
			if plain.Full() && vectors.N == 0 {
				continue // the vectors saw something bare behind the period too many
			}
			if diff := cmp.Diff(plain, vectors); diff != "" {
				t.Fatalf("start %t, dots %t, %q:\n%s", start, dots, block, diff)
			}
		}
	}
}

// Something odd at each place of two vectors and at their borders.
func TestVectors(t *testing.T) {
	line := strings.Repeat("x", 30) + "\r\n"
	for _, odd := range contents {
		for at := range 130 {
			content := strings.Repeat(line, 5)
			checkLooks(t, []byte(content[:at]+odd+content[at:]+content))
		}
	}
	for _, c := range benchContents {
		checkLooks(t, c.content)
	}
	checkLooks(t, bytes.Repeat([]byte(".\r\n"), 1<<10)) // more periods than there is room for
}

// FuzzVectors: what looks with vectors sees what looks line by line.
func FuzzVectors(f *testing.F) {
	for _, c := range contents {
		f.Add([]byte(strings.Repeat(c+"\r\n", 64)))
	}
	f.Fuzz(checkLooks)
}
