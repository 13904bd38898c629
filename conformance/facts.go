package conformance

import "sync"

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
