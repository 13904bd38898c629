package fuzz_test

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"github.com/parley-mail/parley/conformance"
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

// FuzzServer: what holds in FuzzSession holds for whatever a server says to a client that
// goes straight on; turns are parted by 0xfe.
func FuzzServer(f *testing.F) {
	for _, seed := range family(f, "server") {
		f.Add(bytes.Join(seed.Turns, []byte{0xfe}))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if err := fuzz.Server(bytes.Split(data, []byte{0xfe})); err != nil {
			t.Fatal(err)
		}
	})
}

// FuzzContent: a server has the content that was sent, its line ends made CRLF, and nothing
// in it ends it.
func FuzzContent(f *testing.F) {
	for _, seed := range family(f, "content") {
		f.Add(bytes.Join(seed.Turns, nil))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if err := fuzz.Content(data); err != nil {
			t.Fatal(err)
		}
	})
}

// FuzzArgument: whatever a caller hands over stays within its line, or is refused.
func FuzzArgument(f *testing.F) {
	for _, seed := range family(f, "argument") {
		f.Add(string(bytes.Join(seed.Turns, nil)))
	}
	f.Fuzz(func(t *testing.T, text string) {
		if err := fuzz.Argument(text); err != nil {
			t.Fatal(err)
		}
	})
}

// family returns the seeds of a kind.
func family(f testing.TB, what string) (some []fuzz.Seed) {
	f.Helper()
	all, err := fuzz.Families()
	if err != nil {
		f.Fatal(err)
	}
	for _, seed := range all {
		if seed.What == what {
			some = append(some, seed)
		}
	}
	if len(some) == 0 {
		f.Fatalf("no seeds for %s", what)
	}
	return some
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

// The families name requirements that exist, and each family has seeds.
func TestFamilies(t *testing.T) {
	all, err := fuzz.Families()
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]int{}
	for _, seed := range all {
		seen[seed.Family]++
		for _, id := range seed.Rows {
			if _, ok := conformance.Lookup(id); !ok {
				t.Errorf("%s: there is no requirement %s", seed.Family, id)
			}
		}
	}
	for _, name := range []string{"S-TLS", "S-LEN", "S-CODE", "S-SYNC", "S-WS", "S-AUTH", "S-EOD", "S-ARG"} {
		if seen[name] < 3 {
			t.Errorf("%s has %d seeds", name, seen[name])
		}
	}
}
