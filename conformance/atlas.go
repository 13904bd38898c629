package conformance

import (
	"sync"
)

// atlas says which plays of the honest engine come by a place of the table: only those
// can tell a mutant of that place.
type atlas struct {
	mu    sync.Mutex
	edges map[edge][]spot
	cells map[cell][]spot
}

// spot is a play.
type spot struct {
	c *Case
	v Variant
}

const (
	spotsPerCase  = 3
	spotsPerPlace = 90
)

// survey plays all cases in all ways and notes what they come by.
func survey(cases []*Case, workers int) *atlas {
	a := &atlas{edges: map[edge][]spot{}, cells: map[cell][]spot{}}
	parallel(workers, cases, func(c *Case) {
		Run(c, Options{Sweeps: true, seen: a.note})
	})
	return a
}

func (a *atlas) note(c *Case, v Variant, t *tracer) {
	a.mu.Lock()
	defer a.mu.Unlock()
	s := spot{c, v}
	for _, e := range t.edges {
		a.edges[e] = mark(a.edges[e], s)
	}
	for _, x := range t.cells {
		a.cells[x] = mark(a.cells[x], s)
	}
}

// mark adds a play, unless there are enough. The first plays of a case are the sound ones.
func mark(spots []spot, s spot) []spot {
	n := 0
	for i := len(spots) - 1; i >= 0 && n < spotsPerCase; i-- {
		if spots[i].c == s.c {
			if spots[i].v == s.v {
				return spots
			}
			n++
		}
	}
	if n >= spotsPerCase || len(spots) >= spotsPerPlace {
		return spots
	}
	return append(spots, s)
}

// parallel calls f for each of the items, in several goroutines.
func parallel[T any](workers int, items []T, f func(T)) {
	var wg sync.WaitGroup
	next := make(chan T)
	for range max(1, workers) {
		wg.Go(func() {
			for item := range next {
				f(item)
			}
		})
	}
	for _, item := range items {
		next <- item
	}
	close(next)
	wg.Wait()
}

// by returns the plays that come by the places.
func (a *atlas) by(p places) []spot {
	var spots []spot
	for _, e := range p.edges {
		spots = append(spots, a.edges[e]...)
	}
	for _, c := range p.cells {
		spots = append(spots, a.cells[c]...)
	}
	return spots
}
