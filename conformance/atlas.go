package conformance

import (
	"sync"
)

// atlas says which plays of the honest engine come by a place of the table: only those
// can tell a mutant of that place.
type atlas struct {
	mu    sync.Mutex
	edges map[edge]spots
}

// spots are the plays that come by a place.
type spots struct{ sound, spoiled []spot }

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
	a := &atlas{edges: map[edge]spots{}}
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
		a.edges[e] = a.edges[e].mark(s)
	}
	for _, e := range t.odd {
		a.edges[e] = a.edges[e].mark(s)
	}
}

// mark adds a play, unless there are enough. Those in which the script holds see most.
func (p spots) mark(s spot) spots {
	list, most := &p.spoiled, spotsPerPlace
	if s.v.Sound() {
		list, most = &p.sound, 4*spotsPerPlace
	}
	n := 0
	for i := len(*list) - 1; i >= 0 && n < spotsPerCase; i-- {
		if (*list)[i].c == s.c {
			if (*list)[i].v == s.v {
				return p
			}
			n++
		}
	}
	if n < spotsPerCase && len(*list) < most {
		*list = append(*list, s)
	}
	return p
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
func (a *atlas) by(places []edge) []spot {
	var sound, spoiled []spot
	for _, e := range places {
		sound = append(sound, a.edges[e].sound...)
		spoiled = append(spoiled, a.edges[e].spoiled...)
	}
	return append(sound, spoiled...)
}
