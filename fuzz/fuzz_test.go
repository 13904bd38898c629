package fuzz_test

import (
	"math/rand/v2"
	"testing"

	"github.com/parley-mail/parley/fuzz"
)

// FuzzSession: whatever a server sends, in whatever pieces and with whatever end, no
// outcome is a lie, nothing is sent when the session is over, and both machines and all
// splits agree.
func FuzzSession(f *testing.F) {
	for _, seed := range seeds(200, 40) {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if err := fuzz.Session(data); err != nil {
			t.Fatal(err)
		}
	})
}

// FuzzDiff: what becomes of messages does not depend on how they are sent, and is what
// a lawful server believes.
func FuzzDiff(f *testing.F) {
	for _, seed := range seeds(200, 24) {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if err := fuzz.Diff(data); err != nil {
			t.Fatal(err)
		}
	})
}

// seeds are plans by chance, always the same ones.
func seeds(n, length int) (all [][]byte) {
	r := rand.New(rand.NewPCG(5321, 2920))
	for range n {
		b := make([]byte, 1+r.IntN(length))
		for i := range b {
			b[i] = byte(r.Uint32())
		}
		all = append(all, b)
	}
	return all
}

func BenchmarkSession(b *testing.B) {
	all := seeds(1000, 60)
	for i := 0; b.Loop(); i++ {
		if err := fuzz.Session(all[i%len(all)]); err != nil {
			b.Fatal(err)
		}
	}
}
