package conformance

import (
	"fmt"
	"slices"
	"strings"

	"github.com/parley-mail/parley/fsm"
)

// Measure is one figure of coverage: how many of how many, and which are missing.
type Measure struct {
	Name    string   `json:"name"`
	Hit     int      `json:"hit"`
	All     int      `json:"all"`
	Missing []string `json:"missing,omitempty"`
}

// Percent returns the figure, 100 if there is nothing to hit.
func (m Measure) Percent() float64 {
	if m.All == 0 {
		return 100
	}
	return 100 * float64(m.Hit) / float64(m.All)
}

// String returns "states 16/17 94.1%".
func (m Measure) String() string {
	return fmt.Sprintf("%-8s %4d/%-4d %5.1f%%", m.Name, m.Hit, m.All, m.Percent())
}

func measure[T comparable](name string, all []T, hit func(T) bool, show func(T) string) Measure {
	m := Measure{Name: name, All: len(all)}
	for _, x := range all {
		if hit(x) {
			m.Hit++
		} else {
			m.Missing = append(m.Missing, show(x))
		}
	}
	return m
}

// Table returns what was covered of the table: states, rows, cells, pairs, guards and
// timers. What the table of exclusions names is not counted.
func (f *Facts) Table() []Measure {
	f.mu.Lock()
	defer f.mu.Unlock()
	seen := map[fsm.State]bool{fsm.Idle: true}
	for e := range f.edges {
		if to, ok := fsm.Next(e.from, e.by); ok {
			seen[to] = true
		}
	}
	rows, _ := possibleRows()
	cells, _ := possibleCells()
	pairs, _ := possiblePairs()
	return []Measure{
		measure("states", fsm.States(), func(s fsm.State) bool { return seen[s] }, fsm.State.String),
		measure("rows", rows, func(e edge) bool { return f.edges[e] > 0 }, edge.String),
		measure("cells", cells, func(c cell) bool { return f.cells[c] > 0 }, cell.String),
		measure("guards", possibleForks(), func(x fork) bool { return f.forks[x] > 0 }, fork.String),
		measure("timers", possibleTimers(), func(t timer) bool { return f.timers[t] > 0 }, timer.String),
		measure("pairs", pairs, func(p [2]edge) bool { return f.pairs[p] > 0 }, func(p [2]edge) string {
			return p[0].String() + ", " + p[1].String()
		}),
	}
}

// String returns "ready: MAIL 2yz".
func (e edge) String() string { return e.from.String() + ": " + e.by.String() }

// String returns "ready: 421".
func (c cell) String() string { return c.state.String() + ": " + c.what.String() }

// String returns "MAIL fired".
func (t timer) String() string {
	return t.cmd.String() + " " + [...]string{"armed", "cancelled", "fired"}[t.what]
}

// Thresholds are the least percentages that measures must have, by name.
type Thresholds map[string]float64

// ParseThresholds reads "states=100,rows=99.5".
func ParseThresholds(s string) (Thresholds, error) {
	t := Thresholds{}
	if s == "" {
		return t, nil
	}
	for part := range strings.SplitSeq(s, ",") {
		name, value, ok := strings.Cut(part, "=")
		var p float64
		if _, err := fmt.Sscanf(value, "%g", &p); !ok || err != nil || p < 0 || p > 100 {
			return nil, fmt.Errorf("%q is no threshold, as in states=100,rows=95", part)
		}
		t[name] = p
	}
	return t, nil
}

// Under returns the measures that are under their thresholds, and an error if a name is
// not that of a measure.
func (t Thresholds) Under(measures []Measure) ([]Measure, error) {
	var under []Measure
	for name, least := range t {
		i := slices.IndexFunc(measures, func(m Measure) bool { return m.Name == name })
		if i < 0 {
			return nil, fmt.Errorf("there is no figure %q", name)
		}
		if measures[i].Percent() < least {
			under = append(under, measures[i])
		}
	}
	return under, nil
}
