package conformance_test

import (
	"testing"

	"github.com/parley-mail/parley/conformance"
)

// Every case that comes with the program passes against the engine, played in all ways.
func TestSuite(t *testing.T) {
	cases, err := conformance.Suite()
	if err != nil {
		t.Fatal(err)
	}
	for i, c := range cases {
		t.Run(c.ID, func(t *testing.T) {
			t.Parallel()
			some := (raceEnabled || testing.Short()) && i%32 > 0
			o := conformance.Run(c, conformance.Options{Sweeps: !some})
			if o.Verdict.Finding() || o.Verdict == conformance.Inconclusive {
				t.Errorf("%s", o.Report())
			}
		})
	}
}
