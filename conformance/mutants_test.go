package conformance_test

import (
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/parley-mail/parley/conformance"
)

// No mutant lives but those that behave like the engine, and of each kind of those one does.
func TestMutants(t *testing.T) {
	cases, err := conformance.Suite()
	if err != nil {
		t.Fatal(err)
	}
	if raceEnabled || testing.Short() {
		t.Skip("it takes many plays")
	}
	mutants := conformance.Mutants()
	killed, same := 0, map[string]int{}
	for _, k := range conformance.NewHunter(cases, runtime.GOMAXPROCS(0)).All(mutants, runtime.GOMAXPROCS(0)) {
		reason, equivalent := conformance.Equivalent(k.Mutant.Name)
		switch {
		case k.Case != nil:
			killed++
			if equivalent && !strings.HasPrefix(k.Mutant.Name, "drop:QUIT@") { // a path that names its cause tells those
				t.Errorf("%s is killed by %s, and is said to be no fault", k.Mutant.Name, k.Case.ID)
			}
		case equivalent:
			same[reason]++
		default:
			t.Errorf("%s lives: an engine that %s", k.Mutant.Name, k.Mutant.About)
		}
	}
	t.Logf("%d mutants, %d killed", len(mutants), killed)
	for _, reason := range conformance.Equivalents() {
		if same[reason] == 0 {
			t.Errorf("no mutant lives because %s", reason)
		}
	}
}

// What kills faults does not kill their harness.
func TestHarmless(t *testing.T) {
	if raceEnabled || testing.Short() {
		t.Skip("it takes many plays")
	}
	cases, err := conformance.Suite()
	if err != nil {
		t.Fatal(err)
	}
	for i, c := range cases {
		if slices.Contains(c.Kills, "no-limits") {
			continue // the harness waits for the end of a reply
		}
		opt := conformance.Harmless.Options
		opt.Sweeps = i%8 == 0
		if o := conformance.Run(c, opt); o.Failure != nil && c.Xfail == "" {
			t.Error(o.Report())
		}
	}
	if o := conformance.Walks(0, 5000, 1, conformance.Harmless.Options); o != nil {
		t.Error(o.Report())
	}
}

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
