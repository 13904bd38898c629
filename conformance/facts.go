package conformance

import (
	"cmp"
	"maps"
	"slices"
	"sync"
)

// Facts is what plays have covered. It may be used by several goroutines; a nil *Facts
// takes nothing.
type Facts struct {
	mu     sync.Mutex
	edges  map[edge]int
	pairs  map[[2]edge]int
	cells  map[cell]int
	timers map[timer]int
	forks  map[fork]int
}

// NewFacts returns an empty account.
func NewFacts() *Facts {
	return &Facts{edges: map[edge]int{}, pairs: map[[2]edge]int{}, cells: map[cell]int{}, timers: map[timer]int{}, forks: map[fork]int{}}
}

// add takes the account of a play.
func (f *Facts) add(p *play) {
	if f == nil || p.trace == nil {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	t := p.trace
	for i, e := range t.edges {
		f.edges[e]++
		if i > 0 {
			f.pairs[[2]edge{t.edges[i-1], e}]++
		}
	}
	for _, c := range t.cells {
		f.cells[c]++
	}
	for _, w := range t.fired {
		f.timers[w]++
	}
	for _, x := range t.forks {
		f.forks[x]++
	}
}

// Taken is how often a row of the machine's table was taken.
type Taken struct {
	From  string `json:"from"` // the state
	By    string `json:"by"`   // the input, as "MAIL 2yz" or "lost"
	Times int    `json:"times"`
}

// Edges returns the rows that were taken, in the order of the table.
func (f *Facts) Edges() []Taken {
	f.mu.Lock()
	defer f.mu.Unlock()
	var all []Taken
	for _, e := range slices.SortedFunc(maps.Keys(f.edges), func(a, b edge) int {
		return cmp.Or(cmp.Compare(a.from, b.from), cmp.Compare(a.by, b.by))
	}) {
		all = append(all, Taken{e.from.String(), e.by.String(), f.edges[e]})
	}
	return all
}
