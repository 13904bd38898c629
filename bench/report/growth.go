package report

import (
	"bytes"
	"fmt"
	"math"
	"strings"

	"github.com/parley-mail/parley/bench/chart"
	"github.com/parley-mail/parley/bench/run"
)

// linear is the greatest exponent that is still called linear: twice the load costs 2.14
// times as much then. What is no steeper than the limit by more than slack is the
// machine's doing.
const linear, slack = 1.1, 0.1

// limitKey is the client that growth is compared with.
const limitKey = "blaster-go chunked"

// exponent is that of the processor time of a message between two steps: 1 is linear, less is
// better.
func (d *data) exponent(g *run.Growth, key string, i int) float64 {
	from, to := g.Steps[i-1], g.Steps[i]
	return math.Log(d.median(g.Step(to), key, cpu)/d.median(g.Step(from), key, cpu)) / math.Log(float64(to)/float64(from))
}

// steep reports whether an exponent is worse than linear.
func (d *data) steep(g *run.Growth, key string, i int) bool {
	e, limit := d.exponent(g, key, i), d.exponent(g, limitKey, i)
	return e > linear && !(e <= limit+slack)
}

// growers are the clients of a growth, in order.
func (d *data) growers(g *run.Growth) (keys []string) {
	for _, n := range g.Steps {
		if k := d.keys[g.Step(n)]; len(k) > len(keys) {
			keys = k
		}
	}
	return keys
}

func (d *data) growth(b *bytes.Buffer) {
	begun := false
	var steepest float64
	var where []string
	for _, g := range run.Growths() {
		keys := d.growers(&g)
		if len(keys) == 0 {
			continue
		}
		if !begun {
			begun = true
			b.WriteString("## Growth\n\nWhat a message costs when something becomes large; client and sink on one processor. The exponent is that of " +
				"the processor time of a message between a step and the one before it: 1 is linear, 0 is no growth at all. " +
				"Peers are left out: the limit is there to compare with.\n\n")
		}
		fmt.Fprintf(b, "### %s\n\n", g.Title)
		row(b, g.Axis, "client", "msgs/s", "CPU µs/msg", "CPU ns ÷ "+g.Axis, "exponent", "allocs/msg", "KiB beside the message")
		row(b, "---:", "---", "---:", "---:", "---:", "---:", "---:", "---:")
		for i, n := range g.Steps {
			for _, key := range keys {
				e := none
				if i > 0 {
					e = d.exponent(&g, key, i)
				}
				if strings.HasPrefix(key, "parley") && !math.IsNaN(e) {
					steepest = max(steepest, e)
					if d.steep(&g, key, i) {
						where = append(where, fmt.Sprintf("%s, %s up to %d: %.2f", g.Name, key, n, e))
					}
				}
				of := func(m metric) string { return chart.Figure(d.median(g.Step(n), key, m)) }
				each := d.median(g.Step(n), key, cpu) * 1000 / float64(n)
				if g.Beside {
					each = none
				}
				row(b, fmt.Sprint(n), key, of(rate), of(cpu), chart.Figure(each), chart.Figure(e), of(allocs), of(peak))
			}
		}
		b.WriteString("\n")
	}
	switch {
	case !begun:
	case len(where) == 0:
		fmt.Fprintf(b, "**Nothing is worse than linear**: the steepest exponent of Parley is %.2f; linear is what is not above %.1f, or not by %.1f above the limit.\n\n", steepest, linear, slack)
	default:
		fmt.Fprintf(b, "**Worse than linear** (above %.1f, and above the limit by %.1f): %s.\n\n", linear, slack, strings.Join(where, "; "))
	}
}

// growthPlot draws what a message costs, on two logarithmic axes.
func (d *data) growthPlot(g run.Growth, title string) []byte {
	p := chart.Plot{Title: title, X: g.Axis, Y: "processor time a message, µs", LogX: true, LogY: true}
	var steps []step
	for _, n := range g.Steps {
		steps = append(steps, step{float64(n), g.Step(n)})
	}
	for _, key := range d.growers(&g) {
		p.Series = append(p.Series, chart.Series{Name: key, Points: d.points(steps, key, cpu), Strong: key == chunked})
	}
	return p.SVG()
}
