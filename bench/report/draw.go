package report

import (
	"fmt"
	"math"
	"strings"

	"github.com/parley-mail/parley/bench/chart"
	"github.com/parley-mail/parley/bench/run"
)

// picture is one drawing of the report.
type picture struct {
	file, title string
	draw        func(d *data, title string) []byte
}

var pictures = append([]picture{
	{"performance-rtt.svg", "Messages a second against the round trip, one session", drawRTT},
	{"performance-sessions.svg", "Messages a second against sessions, a processor each for client and sink", drawSessions},
	{"performance-cpu.svg", "Processor time a message (µs), one session, 4 KiB", drawCPU},
	{"performance-memory.svg", "Memory an idle session (KiB)", drawMemory},
}, growthPictures()...)

// drawings are those for which there are figures.
func (d *data) drawings() map[string][]byte {
	all := map[string][]byte{}
	for _, p := range pictures {
		if svg := p.draw(d, p.title); svg != nil {
			all[p.file] = svg
		}
	}
	return all
}

func drawRTT(d *data, title string) []byte {
	steps := []step{{1, "rtt-1"}, {5, "rtt-5"}, {20, "w7"}, {50, "rtt-50"}}
	return d.lines(title, "round trip, ms", steps, []string{x8, chunked, pipelined, plain, mox, netSMTP})
}

func drawSessions(d *data, title string) []byte {
	steps := []step{{1, "sessions-1"}, {4, "sessions-4"}, {16, "sessions-16"}, {64, "w4"}, {256, "sessions-256"}}
	return d.lines(title, "sessions", steps, []string{"blaster-go chunked", x8, chunked, pipelined, plain, mox, netSMTP})
}

func drawCPU(d *data, title string) []byte { return d.bars(title, "w1", cpu) }

func drawMemory(d *data, title string) []byte { return d.bars(title, "w8", rss) }

// step is where a workload stands on the horizontal axis.
type step struct {
	x        float64
	workload string
}

// lines draws messages a second on two logarithmic axes, a line for each client.
func (d *data) lines(title, axis string, steps []step, keys []string) []byte {
	p := chart.Plot{Title: title, X: axis, Y: "messages a second", LogX: true, LogY: true}
	for _, key := range keys {
		p.Series = append(p.Series, chart.Series{Name: key, Points: d.points(steps, key, rate), Strong: strings.HasPrefix(key, "parley chunked")})
	}
	return p.SVG()
}

// points are a figure of a client in each workload in which it has one.
func (d *data) points(steps []step, key string, m metric) (line []chart.Point) {
	for _, s := range steps {
		if y := d.median(s.workload, key, m); y > 0 {
			line = append(line, chart.Point{X: s.x, Y: y})
		}
	}
	return line
}

// bars draws a figure of every client of a workload.
func (d *data) bars(title, workload string, m metric) []byte {
	var bars []chart.Bar
	for _, key := range d.keys[workload] {
		v := d.median(workload, key, m)
		if math.IsNaN(v) {
			continue
		}
		class := ""
		switch {
		case strings.HasPrefix(key, "parley"):
			class = chart.Own
		case strings.HasPrefix(key, "blaster"):
			class = chart.Limit
		}
		bars = append(bars, chart.Bar{Name: key, Value: v, Class: class})
	}
	return chart.Bars(title, bars)
}

// growthPictures are one for each workload that grows.
func growthPictures() (all []picture) {
	for _, g := range run.Growths() {
		all = append(all, picture{fmt.Sprintf("performance-%s.svg", g.Name), g.Title, func(d *data, title string) []byte {
			return d.growthPlot(g, title)
		}})
	}
	return all
}
