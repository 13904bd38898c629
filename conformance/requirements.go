package conformance

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Standing is how a group of requirements stands: those of one layer and level.
type Standing struct {
	Layer    string `json:"layer"`
	Level    string `json:"level"` // MUST, SHOULD, MAY or "de facto"; MUST NOT counts as MUST
	Rows     int    `json:"rows"`
	Excluded int    `json:"excluded"` // do not apply to this project, with a reason
	ByTest   int    `json:"by_test"`  // no transcript can show them: a test does
	Positive int    `json:"positive"` // a case or that test shows that the client does as is demanded
	Negative int    `json:"negative"` // a case tempts the client to do otherwise, or the test fails where it does
	Killed   int    `json:"killed"`   // a case that is about it kills a mutant, or the test one of the source
}

// String returns the standing as a row of a table; its head is [StandingHead].
func (s Standing) String() string {
	shown := s.Rows - s.Excluded
	return fmt.Sprintf("%-10s %-8s %4d %5d %7d %5d/%-4d %5d/%-4d %5d/%-4d", s.Layer, s.Level, s.Rows, s.Excluded, s.ByTest, s.Positive, shown, s.Negative, shown, s.Killed, shown)
}

// StandingHead is the head of a table of standings.
const StandingHead = "layer      level    rows  n.a. by test   positive   negative     killed"

// about is what cases have on a requirement or an odd reply.
type about struct{ positive, negative, killed bool }

// shown is what is known of a requirement: by cases, or by the tests that hold it. That a
// test tempts the client is only believed if it finds a fault in the source.
func shown(r Requirement, cases map[string]about) about {
	if r.Test == "" {
		return cases[r.ID]
	}
	return about{positive: true, negative: r.caught(), killed: r.caught()}
}

// written collects what cases say they are about.
func written(cases []*Case) map[string]about {
	all := map[string]about{}
	for _, c := range cases {
		for _, id := range c.Names() {
			a := all[id]
			a.positive = a.positive || !slices.Contains(c.Against, id) || slices.Contains(c.Rfc, id)
			a.negative = a.negative || slices.Contains(c.Against, id)
			a.killed = a.killed || len(c.Kills) > 0
			all[id] = a
		}
	}
	return all
}

// levelOf returns the class of a requirement's level.
func levelOf(r Requirement) string {
	word, _, _ := strings.Cut(strings.ToUpper(r.Level), " NOT")
	if slices.Contains(levels, word) {
		return word
	}
	return "de facto"
}

// Standings returns how the requirements stand by layer and level, in the order in which
// the register has them.
func Standings(cases []*Case) []Standing {
	var all []Standing
	known := written(cases)
	for _, r := range Register() {
		level := levelOf(r)
		i := slices.IndexFunc(all, func(s Standing) bool { return s.Layer == r.Layer && s.Level == level })
		if i < 0 {
			i = len(all)
			all = append(all, Standing{Layer: r.Layer, Level: level})
		}
		all[i].count(r, shown(r, known))
	}
	return all
}

func (s *Standing) count(r Requirement, a about) {
	s.Rows++
	if r.Exclusion != "" {
		s.Excluded++
		return
	}
	if r.Test != "" {
		s.ByTest++
	}
	if a.positive {
		s.Positive++
	}
	if a.negative {
		s.Negative++
	}
	if a.killed {
		s.Killed++
	}
}

// Written returns which requirements and odd replies have a case, or a test where no
// case can be: "positive", "negative" and "killed" are about what a client must do, "odd"
// about odd replies.
func Written(cases []*Case) []Measure {
	known := written(cases)
	var musts []Requirement
	for _, r := range Register() {
		if r.Layer != "server" && levelOf(r) == "MUST" && r.Exclusion == "" {
			musts = append(musts, r)
		}
	}
	var odd []OddReply
	for _, o := range OddReplies() {
		if o.Exclusion == "" {
			odd = append(odd, o)
		}
	}
	name := func(r Requirement) string { return r.ID + ": " + r.Text }
	return []Measure{
		measure("positive", musts, func(r Requirement) bool { return shown(r, known).positive }, name),
		measure("negative", musts, func(r Requirement) bool { return shown(r, known).negative }, name),
		measure("killed", musts, func(r Requirement) bool { return shown(r, known).killed }, name),
		measure("odd", odd, func(o OddReply) bool { return o.Test != "" || known[o.ID].positive }, func(o OddReply) string { return o.ID + ": " + o.Name }),
	}
}

// lookupOdd returns the odd reply with an ID.
func lookupOdd(id string) (OddReply, bool) {
	all := OddReplies()
	i := slices.IndexFunc(all, func(o OddReply) bool { return o.ID == id })
	if i < 0 {
		return OddReply{}, false
	}
	return all[i], true
}

// CheckHeaders says which mutants, requirements and odd replies the cases name that do
// not exist.
func CheckHeaders(cases []*Case) error {
	odd := map[string]bool{}
	for _, o := range OddReplies() {
		odd[o.ID] = true
	}
	var all []error
	for _, c := range cases {
		for _, name := range c.Kills {
			if _, ok := LookupMutant(name); !ok {
				all = append(all, fmt.Errorf("%s: no mutant %q", c.ID, name))
			}
		}
		for _, id := range slices.Concat(c.Rfc, c.Against) {
			if _, ok := Lookup(id); !ok {
				all = append(all, fmt.Errorf("%s: no requirement %q", c.ID, id))
			}
		}
		for _, id := range c.Odd {
			if !odd[id] {
				all = append(all, fmt.Errorf("%s: no odd reply %q", c.ID, id))
			}
		}
	}
	return errors.Join(all...)
}
