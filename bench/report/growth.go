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
// times as much then.
const linear = 1.1

// work is what a load costs that has grown to a step, in µs of processor time: one message,
// or one for each of what there is beside it.
func work(g *run.Growth, n int) metric {
	if !g.Shared {
		return cpu
	}
	return func(s *run.Sample) float64 { return cpu(s) * float64(n) }
}

// exponent is that of the work between two steps: 1 is linear, less is better.
func (d *data) exponent(g *run.Growth, key string, i int) float64 {
	from, to := g.Steps[i-1], g.Steps[i]
	a, b := d.median(g.Step(from), key, work(g, from)), d.median(g.Step(to), key, work(g, to))
	return math.Log(b/a) / math.Log(float64(to)/float64(from))
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
			b.WriteString("## Growth\n\nWhat a message costs when something becomes large. The exponent is that of the processor time " +
				"between a step and the one before it: of a message or, where what grows is not the message, of one message for each of what there is. " +
				"1 is linear. Peers are left out: the limit is there to compare with.\n\n")
		}
		fmt.Fprintf(b, "### %s\n\n", g.Title)
		row(b, g.Axis, "client", "msgs/s", "CPU µs/msg", "CPU µs/msg ÷ "+g.Axis, "exponent", "allocs/msg", "KiB beside the message")
		row(b, "---:", "---", "---:", "---:", "---:", "---:", "---:", "---:")
		for i, n := range g.Steps {
			for _, key := range keys {
				e := none
				if i > 0 {
					e = d.exponent(&g, key, i)
				}
				if strings.HasPrefix(key, "parley") && !math.IsNaN(e) {
					steepest = max(steepest, e)
					if e > linear {
						where = append(where, fmt.Sprintf("%s, %s up to %d: %.2f", g.Name, key, n, e))
					}
				}
				of := func(m metric) string { return chart.Figure(d.median(g.Step(n), key, m)) }
				each := d.median(g.Step(n), key, cpu) / float64(n)
				if g.Shared {
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
		fmt.Fprintf(b, "**Nothing is worse than linear**: the steepest exponent of Parley is %.2f, and %.1f would still be linear.\n\n", steepest, linear)
	default:
		fmt.Fprintf(b, "**Worse than linear** (above %.1f): %s.\n\n", linear, strings.Join(where, "; "))
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
