package conformance_test

import (
	"runtime"
	"testing"

	"github.com/parley-mail/parley/conformance"
)

// A server that answers by chance does not bring the client to say what it must not, or
// to believe what is not so. Cases and walks come by everything in the table that a
// client of this kind can come by, and by nothing that is said to be impossible.
func TestWalks(t *testing.T) {
	if raceEnabled || testing.Short() {
		if o := conformance.Walks(0, 5000, runtime.GOMAXPROCS(0), conformance.Options{}); o != nil {
			t.Error(o.Report())
		}
		return
	}
	cases, err := conformance.Suite()
	if err != nil {
		t.Fatal(err)
	}
	facts := conformance.NewFacts()
	plan := conformance.Plan{Cases: cases, Workers: runtime.GOMAXPROCS(0)}
	plan.Sweeps, plan.Facts = true, facts
	conformance.RunAll(plan)
	if o := conformance.Walks(0, 100000, runtime.GOMAXPROCS(0), conformance.Options{Facts: facts}); o != nil {
		t.Error(o.Report())
	}
	least := conformance.Thresholds{"states": 100, "rows": 100, "cells": 100, "guards": 100, "timers": 100, "pairs": 90}
	under, err := least.Under(facts.Table())
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range under {
		t.Errorf("%v, as %s", m, m.Missing[0])
	}
	for _, what := range facts.Wrong() {
		t.Errorf("%s is excluded and happens", what)
	}
	for _, x := range conformance.Exclusions() {
		if len(x.Out) == 0 {
			t.Errorf("nothing is excluded because %s", x.Reason)
		}
	}
}
