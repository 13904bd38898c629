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

// Table returns what was covered of the table: states, rows, cells, pairs and timers.
func (f *Facts) Table() []Measure {
	f.mu.Lock()
	defer f.mu.Unlock()
	seen := map[fsm.State]bool{fsm.Idle: true}
	for e := range f.edges {
		if to, ok := fsm.Next(e.from, e.by); ok {
			seen[to] = true
		}
	}
	var edges []edge
	for _, e := range fsm.Edges() {
		edges = append(edges, edge{e.From, e.Input})
	}
	return []Measure{
		measure("states", fsm.States(), func(s fsm.State) bool { return seen[s] }, fsm.State.String),
		measure("rows", edges, func(e edge) bool { return f.edges[e] > 0 }, edge.String),
		measure("cells", possibleCells(), func(c cell) bool { return f.cells[c] > 0 }, cell.String),
		measure("pairs", possiblePairs(edges), func(p [2]edge) bool { return f.pairs[p] > 0 }, func(p [2]edge) string {
			return p[0].String() + ", " + p[1].String()
		}),
		measure("timers", possibleTimers(), func(t timer) bool { return f.timers[t] > 0 }, timer.String),
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

// waits are the states in which a reply may be owed.
func waits(s fsm.State) bool {
	return s.Live() && s != fsm.Connecting && s != fsm.Handshake
}

// owedIn reports whether a reply of class c can come in s to something.
func owedIn(s fsm.State, c fsm.Class) bool {
	return slices.ContainsFunc(fsm.Edges(), func(e fsm.Edge) bool {
		return e.From == s && !e.Input.Signal() && e.Input.Class() == c && e.Input.Command() != fsm.Quit
	})
}

// possibleCells lists what can happen in which state. A class of reply is possible where
// the table has a row for it; the rest is possible wherever the connection is.
func possibleCells() []cell {
	var all []cell
	for _, s := range fsm.States() {
		for c := ClassPositive; c < numClasses; c++ {
			possible := s.Live()
			switch c {
			case ClassPositive, ClassIntermediate, ClassTransient, ClassPermanent:
				possible = possible && owedIn(s, fsm.Class(c))
			case ClassClosing, ClassMalformed, ClassEOFReply:
				possible = waits(s)
			case ClassTimeout, ClassEOF, ClassCancelled:
			case ClassTLSDone, ClassTLSFailed:
				possible = s == fsm.Handshake || s == fsm.Connecting
			default: // of the oddities one each is enough; the cases of odd/ have them
				possible = false
			}
			if possible {
				all = append(all, cell{s, c})
			}
		}
	}
	return all
}

// possiblePairs lists the pairs of rows of which the second can follow the first, both
// being answers or TLS: what ends a session ends it after anything.
func possiblePairs(edges []edge) [][2]edge {
	var all [][2]edge
	ordinary := func(e edge) bool {
		to, _ := fsm.Next(e.from, e.by)
		return !to.Over() && (!e.by.Signal() || e.by == fsm.Secured)
	}
	for _, a := range edges {
		to, _ := fsm.Next(a.from, a.by)
		for _, b := range edges {
			if b.from == to && ordinary(a) && ordinary(b) && follows(a, b) {
				all = append(all, [2]edge{a, b})
			}
		}
	}
	return all
}

func possibleTimers() []timer {
	var all []timer
	for _, cmd := range fsm.Commands() {
		if cmd == fsm.EndOfDataPart || cmd == fsm.BdatLastPart {
			continue // the timer is that of the last one
		}
		for fate := timerArmed; fate <= timerFired; fate++ {
			all = append(all, timer{cmd, fate})
		}
	}
	return all
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
