package conformance_test

import (
	"testing"

	"github.com/parley-mail/parley/conformance"
)

// A server that answers by chance does not bring the client to say what it must not, or
// to believe what is not so.
func TestWalks(t *testing.T) {
	facts := conformance.NewFacts()
	bad := 0
	for seed := range uint64(20000) {
		if o := conformance.Walk(seed, conformance.Options{Facts: facts}); o.Verdict.Finding() {
			t.Error(o.Report())
			if bad++; bad > 2 {
				break
			}
		}
	}
	for _, m := range facts.Table() {
		t.Log(m)
	}
}
