package parley_test

import (
	"io"
	"testing"

	"github.com/parley-mail/parley"
)

// Seed data never makes randomness predictable: the same data gives other octets each time.
func TestSeeded(t *testing.T) {
	seen := map[string]bool{}
	for range 4 {
		p := make([]byte, 100)
		if _, err := io.ReadFull(parley.Seeded("the same"), p); err != nil {
			t.Fatal(err)
		}
		for i := 0; i+20 <= len(p); i += 20 {
			if key := string(p[i : i+20]); seen[key] {
				t.Fatal("the same octets twice")
			} else {
				seen[key] = true
			}
		}
	}
}
