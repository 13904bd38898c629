package conformance_test

import (
	"testing"

	"github.com/parley-mail/parley/conformance"
)

// Every case kills the mutants that it says it kills.
func TestKills(t *testing.T) {
	cases, err := conformance.Suite()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range cases {
		for _, name := range c.Kills {
			m, ok := conformance.LookupMutant(name)
			if !ok {
				t.Errorf("%s: no mutant %q", c.ID, name)
				continue
			}
			opt := m.Options
			opt.Sweeps = true
			if o := conformance.Run(c, opt); o.Failure == nil {
				t.Errorf("%s does not kill %s, which %s", c.ID, name, m.About)
			}
		}
	}
}
