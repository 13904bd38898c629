package report

import (
	"bytes"
	"fmt"
	"html"
	"math"
	"slices"
)

// picture is one drawing of the report.
type picture struct {
	file, title string
	draw        func(d *data, title string) []byte
}

var pictures = []picture{
	{"performance-rtt.svg", "Messages a second against the round trip, one session", drawRTT},
	{"performance-sessions.svg", "Messages a second against sessions, a processor each for client and sink", drawSessions},
	{"performance-cpu.svg", "Processor time a message (µs), one session, 4 KiB", drawCPU},
	{"performance-memory.svg", "Memory an idle session (KiB)", drawMemory},
}

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

// A palette that eyes that see few colours can tell apart too.
var palette = []string{"#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#666666", "#000000"}

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

type point struct{ x, y float64 }

// The field of a drawing with axes.
const (
	width, height                   = 760.0, 420.0
	left, right, top, bottom, tight = 70.0, 190.0, 44.0, 50.0, 14.0
)

// lines draws messages a second on two logarithmic axes, a line for each client.
func (d *data) lines(title, axis string, steps []step, keys []string) []byte {
	var series [][]point
	var names []string
	low, high := math.Inf(1), math.Inf(-1)
	for _, key := range keys {
		var line []point
		for _, s := range steps {
			if y := d.median(s.workload, key, rate); y > 0 {
				line = append(line, point{s.x, y})
				low, high = min(low, y), max(high, y)
			}
		}
		if len(line) > 1 {
			series, names = append(series, line), append(names, key)
		}
	}
	if len(series) == 0 {
		return nil
	}
	low, high = math.Pow(10, math.Floor(math.Log10(low))), math.Pow(10, math.Ceil(math.Log10(high)))
	first, last := steps[0].x, steps[len(steps)-1].x
	x := func(v float64) float64 { return left + math.Log(v/first)/math.Log(last/first)*(width-left-right) }
	y := func(v float64) float64 {
		return height - bottom - math.Log(v/low)/math.Log(high/low)*(height-top-bottom)
	}
	b := begin(title, width, height)
	for v := low; v <= high*1.01; v *= 10 {
		fmt.Fprintf(b, "<path d='M%.1f %.1fH%.1f' stroke='#ddd'/><text x='%.1f' y='%.1f' text-anchor='end'>%.0f</text>\n", left, y(v), width-right, left-6, y(v)+4, v)
	}
	for _, s := range steps {
		fmt.Fprintf(b, "<path d='M%.1f %.1fV%.1f' stroke='#eee'/><text x='%.1f' y='%.1f' text-anchor='middle'>%.0f</text>\n", x(s.x), top, height-bottom, x(s.x), height-bottom+18, s.x)
	}
	fmt.Fprintf(b, "<text x='%.1f' y='%.1f' text-anchor='middle'>%s</text>\n", (left+width-right)/2, height-10, axis)
	labels := apart(series, y)
	for i, line := range series {
		colour := palette[i%len(palette)]
		fmt.Fprintf(b, "<polyline fill='none' stroke='%s' stroke-width='2' points='", colour)
		for _, p := range line {
			fmt.Fprintf(b, "%.1f,%.1f ", x(p.x), y(p.y))
		}
		b.WriteString("'/>")
		for _, p := range line {
			fmt.Fprintf(b, "<circle cx='%.1f' cy='%.1f' r='3' fill='%s'/>", x(p.x), y(p.y), colour)
		}
		fmt.Fprintf(b, "<text x='%.1f' y='%.1f' fill='%s'>%s</text>\n", width-right+10, labels[i]+4, colour, html.EscapeString(names[i]))
	}
	return end(b)
}

// apart places the names at the ends of the lines, not on top of each other.
func apart(series [][]point, y func(float64) float64) []float64 {
	order := make([]int, len(series))
	at := make([]float64, len(series))
	for i, line := range series {
		order[i], at[i] = i, y(line[len(line)-1].y)
	}
	slices.SortFunc(order, func(a, b int) int { return int(math.Copysign(1, at[a]-at[b])) })
	for i := 1; i < len(order); i++ {
		at[order[i]] = max(at[order[i]], at[order[i-1]]+tight)
	}
	return at
}

// bars draws a figure of every client of a workload, the smallest first.
func (d *data) bars(title, workload string, m metric) []byte {
	keys := slices.DeleteFunc(slices.Clone(d.keys[workload]), func(key string) bool { return math.IsNaN(d.median(workload, key, m)) })
	if len(keys) == 0 {
		return nil
	}
	value := func(key string) float64 { return d.median(workload, key, m) }
	slices.SortFunc(keys, func(a, b string) int { return int(math.Copysign(1, value(a)-value(b))) })
	most := value(keys[len(keys)-1])
	const line, names = 22.0, 190.0
	b := begin(title, width, top+line*float64(len(keys))+tight)
	for i, key := range keys {
		y := top + line*float64(i)
		colour := "#9aa5b1"
		switch {
		case len(key) > 6 && key[:6] == "parley":
			colour = palette[0]
		case len(key) > 7 && key[:7] == "blaster":
			colour = palette[6]
		}
		long := value(key) / most * (width - names - 80)
		fmt.Fprintf(b, "<text x='%.1f' y='%.1f' text-anchor='end'>%s</text><rect x='%.1f' y='%.1f' width='%.1f' height='%.1f' fill='%s'/><text x='%.1f' y='%.1f'>%s</text>\n",
			names-8, y+15, html.EscapeString(key), names, y+3, max(long, 1), line-6, colour, names+long+6, y+15, number2(value(key)))
	}
	return end(b)
}

func begin(title string, w, h float64) *bytes.Buffer {
	b := &bytes.Buffer{}
	fmt.Fprintf(b, "<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 %.0f %.0f' width='%.0f' height='%.0f' font-family='sans-serif' font-size='12'>\n", w, h, w, h)
	fmt.Fprintf(b, "<title>%s</title><rect width='100%%' height='100%%' fill='white'/>\n<text x='%.0f' y='24' font-size='15' font-weight='bold'>%s</text>\n", html.EscapeString(title), tight, html.EscapeString(title))
	return b
}

func end(b *bytes.Buffer) []byte {
	b.WriteString("</svg>\n")
	return b.Bytes()
}
