package run

import (
	"fmt"
	"strings"

	"github.com/parley-mail/parley/bench/load"
)

// growing begins the names of workloads that are steps of a growth.
const growing = "g-"

// Growth is a load that grows in one respect, to see whether what a message costs grows
// with it.
type Growth struct {
	Name  string // of its workloads, without the number
	Title string
	Axis  string
	Steps []int
	// Beside: what grows is not the message, but what there is beside it.
	Beside bool

	set      func(l *load.Load, n int)
	variants []variant
}

// Growths are all there are.
func Growths() []Growth { return growths }

var (
	limitAndOurs = []variant{{client: "blaster-go", mode: load.Chunked}, {client: "parley", mode: load.Chunked}, {client: "parley", mode: load.Pipelined}}

	growths = []Growth{
		{
			Name: "g-rcpts", Title: "Cost of a message, by recipients", Axis: "recipients", Steps: []int{1, 10, 100, 1000},
			set: func(l *load.Load, n int) { l.Rcpts = n }, variants: limitAndOurs,
		},
		{
			Name: "g-size", Title: "Cost of a message, by size", Axis: "octets", Steps: []int{1 << 10, 16 << 10, 256 << 10, 4 << 20, 32 << 20, 256 << 20},
			set: func(l *load.Load, n int) { l.Size = n }, variants: limitAndOurs,
		},
		{
			Name: "g-sessions", Title: "Cost of a message, by sessions open", Axis: "sessions", Steps: []int{1, 10, 100, 1000, 10_000}, Beside: true,
			set: func(l *load.Load, n int) { l.Sessions = n }, variants: limitAndOurs,
		},
		{
			Name: "g-destinations", Title: "Cost of a message to the pool of a Sender, by destinations in it, each with a connection and without a network", Axis: "destinations",
			Steps: []int{1, 10, 100, 1000, 10_000, 100_000}, Beside: true,
			set: func(l *load.Load, n int) { l.Endpoints = n }, variants: []variant{{client: alone, mode: load.Chunked}},
		},
	}
)

// Grows reports whether a workload is a step of a growth.
func Grows(name string) bool { return strings.HasPrefix(name, growing) }

// Step is the name of the workload of a step.
func (g *Growth) Step(n int) string { return fmt.Sprintf("%s-%d", g.Name, n) }

func (g *Growth) workloads() []workload {
	var all []workload
	for _, n := range g.Steps {
		w := workload{
			name: g.Step(n), title: fmt.Sprintf("%d %s", n, g.Axis), place: together, rounds: 3, variants: g.variants,
			load: load.Load{Size: small, Rcpts: 1, Sessions: 1},
		}
		g.set(&w.load, n)
		if w.load.Sessions >= 1000 {
			w.factor = 4 // so that each sends some
		}
		all = append(all, w)
	}
	return all
}
