// Package chart draws the pictures of the documents: lines over two axes, and bars. They
// are SVG, legible on a light and on a dark page.
package chart

import (
	"bytes"
	"fmt"
	"html"
	"math"
	"slices"
	"strconv"
)

// Point is a figure.
type Point struct{ X, Y float64 }

// Series is a line and its name.
type Series struct {
	Name   string
	Points []Point
	Strong bool // drawn thick: the one that the picture is about
	Steps  bool // without a dot on each point
}

// Plot is a picture with two axes.
type Plot struct {
	Title, X, Y string
	LogX, LogY  bool
	Series      []Series // those without two points are left out
}

// The field of a plot; to the right of it stand the names.
const (
	width, height                   = 760.0, 420.0
	left, right, top, bottom, tight = 70.0, 200.0, 44.0, 50.0, 15.0
)

// SVG draws it; nil: there is nothing to draw.
func (p *Plot) SVG() []byte {
	lines := slices.DeleteFunc(slices.Clone(p.Series), func(s Series) bool { return len(s.Points) < 2 })
	if len(lines) == 0 {
		return nil
	}
	x, y := axis{log: p.LogX, from: left, to: width - right}, axis{log: p.LogY, from: height - bottom, to: top}
	for _, s := range lines {
		for _, at := range s.Points {
			x.take(at.X)
			y.take(at.Y)
		}
	}
	y.round()
	b := begin(p.Title, width, height)
	for _, v := range y.ticks() {
		fmt.Fprintf(b, "<path class='grid' d='M%.1f %.1fH%.1f'/><text x='%.1f' y='%.1f' text-anchor='end'>%s</text>\n", left, y.at(v), width-right, left-6, y.at(v)+4, Short(v))
	}
	for _, v := range x.ticks() {
		fmt.Fprintf(b, "<path class='grid' d='M%.1f %.1fV%.1f'/><text x='%.1f' y='%.1f' text-anchor='middle'>%s</text>\n", x.at(v), top, height-bottom, x.at(v), height-bottom+18, Short(v))
	}
	fmt.Fprintf(b, "<text x='%.1f' y='%.1f' text-anchor='middle'>%s</text>\n", (left+width-right)/2, height-10, html.EscapeString(p.X))
	fmt.Fprintf(b, "<text transform='translate(14 %.1f) rotate(-90)' text-anchor='middle'>%s</text>\n", (top+height-bottom)/2, html.EscapeString(p.Y))
	labels := apart(lines, &y)
	for i, s := range lines {
		class := "c" + strconv.Itoa(i%colours)
		thick := 1.8
		if s.Strong {
			thick = 3.6
		}
		fmt.Fprintf(b, "<polyline class='line %s' stroke-width='%.1f' points='", class, thick)
		for _, at := range s.Points {
			fmt.Fprintf(b, "%.1f,%.1f ", x.at(at.X), y.at(at.Y))
		}
		b.WriteString("'/>")
		for _, at := range s.Points {
			if !s.Steps {
				fmt.Fprintf(b, "<circle class='dot %s' cx='%.1f' cy='%.1f' r='3'/>", class, x.at(at.X), y.at(at.Y))
			}
		}
		end := s.Points[len(s.Points)-1]
		fmt.Fprintf(b, "<path class='line %s' stroke-width='0.8' d='M%.1f %.1fL%.1f %.1f'/>", class, x.at(end.X), y.at(end.Y), width-right+12, labels[i])
		weight := ""
		if s.Strong {
			weight = " font-weight='bold'"
		}
		fmt.Fprintf(b, "<text class='dot %s'%s x='%.1f' y='%.1f'>%s</text>\n", class, weight, width-right+16, labels[i]+4, html.EscapeString(s.Name))
	}
	return end(b)
}

// axis is a direction of a plot.
type axis struct {
	log       bool
	from, to  float64 // on the paper
	low, high float64
	any       bool
}

func (a *axis) take(v float64) {
	if !a.any {
		a.low, a.high, a.any = v, v, true
	}
	a.low, a.high = min(a.low, v), max(a.high, v)
}

// round makes the ends round: whole decades, or from zero to a step above.
func (a *axis) round() {
	if a.log {
		a.low, a.high = math.Pow(10, math.Floor(math.Log10(a.low))), math.Pow(10, math.Ceil(math.Log10(a.high)))
	} else {
		a.low = min(a.low, 0)
		a.high = math.Ceil(a.high/a.step()) * a.step()
	}
	if a.high <= a.low {
		a.high = a.low + 1
		if a.log {
			a.high = a.low * 10
		}
	}
}

// step is 1, 2 or 5 times a power of ten, so that there are some five of them.
func (a *axis) step() float64 {
	span := a.high - a.low
	if span <= 0 {
		return 1
	}
	unit := math.Pow(10, math.Floor(math.Log10(span/5)))
	for _, k := range []float64{1, 2, 5} {
		if span/(k*unit) <= 6 {
			return k * unit
		}
	}
	return 10 * unit
}

// ticks are the figures that stand at the axis.
func (a *axis) ticks() (all []float64) {
	if !a.log {
		for v := math.Ceil(a.low/a.step()) * a.step(); v <= a.high*1.0001; v += a.step() {
			all = append(all, v)
		}
		return all
	}
	decades := math.Log10(a.high / a.low)
	each := max(1, math.Ceil(decades/8)) // decades between two figures
	for e := math.Floor(math.Log10(a.low)); e <= math.Ceil(math.Log10(a.high)); e++ {
		for _, k := range []float64{1, 2, 5} {
			v := k * math.Pow(10, e)
			if v < a.low*0.999 || v > a.high*1.001 || k > 1 && decades > 2 || k == 1 && math.Mod(e, each) != 0 {
				continue
			}
			all = append(all, v)
		}
	}
	return all
}

func (a *axis) at(v float64) float64 {
	low, high := a.low, a.high
	if a.log {
		low, high, v = math.Log(low), math.Log(high), math.Log(v)
	}
	if high == low {
		return (a.from + a.to) / 2
	}
	return a.from + (v-low)/(high-low)*(a.to-a.from)
}

// apart places the names at the ends of the lines, not on top of each other and not below
// the field.
func apart(series []Series, y *axis) []float64 {
	order := make([]int, len(series))
	at := make([]float64, len(series))
	for i, s := range series {
		order[i], at[i] = i, y.at(s.Points[len(s.Points)-1].Y)
	}
	slices.SortFunc(order, func(a, b int) int {
		if at[a] != at[b] {
			return int(math.Copysign(1, at[a]-at[b]))
		}
		return a - b
	})
	for i := 1; i < len(order); i++ {
		at[order[i]] = max(at[order[i]], at[order[i-1]]+tight)
	}
	for i, lowest := len(order)-1, height-bottom; i >= 0; i, lowest = i-1, lowest-tight {
		at[order[i]] = min(at[order[i]], lowest)
	}
	return at
}

// Bar is a figure with a name.
type Bar struct {
	Name  string
	Value float64
	Class string // Own, Limit or ""
}

// Classes of bars.
const (
	Own   = "own"   // what the picture is about
	Limit = "limit" // what cannot be passed
)

// far is how many times the smallest the greatest bar may be, so that both can be seen.
const far = 60

// Bars draws figures, the smallest first; nil: there are none. Where they are far apart the
// lengths are logarithmic, and the title says so.
func Bars(title string, bars []Bar) []byte {
	if len(bars) == 0 {
		return nil
	}
	bars = slices.Clone(bars)
	slices.SortStableFunc(bars, func(a, b Bar) int {
		switch {
		case a.Value < b.Value:
			return -1
		case a.Value > b.Value:
			return 1
		}
		return 0
	})
	least, most := bars[0].Value, bars[len(bars)-1].Value
	length := func(v float64) float64 { return v / most }
	if least > 0 && most > far*least {
		title += ", logarithmic"
		length = func(v float64) float64 { return math.Log(2*v/least) / math.Log(2*most/least) }
	}
	const line, names = 22.0, 190.0
	b := begin(title, width, top+line*float64(len(bars))+tight)
	for i, bar := range bars {
		y := top + line*float64(i)
		long := max(length(bar.Value)*(width-names-80), 1)
		fmt.Fprintf(b, "<text x='%.1f' y='%.1f' text-anchor='end'>%s</text><rect class='bar %s' x='%.1f' y='%.1f' width='%.1f' height='%.1f'/><text x='%.1f' y='%.1f'>%s</text>\n",
			names-8, y+15, html.EscapeString(bar.Name), bar.Class, names, y+3, long, line-6, names+long+6, y+15, Figure(bar.Value))
	}
	return end(b)
}

const colours = 8

// style has a palette that eyes that see few colours can tell apart too, once for light
// and once for dark pages.
const style = `<style>
.page{fill:#fff}text{fill:#222}.grid{stroke:#ddd;fill:none}.line{fill:none;stroke-linejoin:round}
.c0{stroke:#0072b2}.c1{stroke:#d55e00}.c2{stroke:#009e73}.c3{stroke:#cc79a7}.c4{stroke:#b98200}.c5{stroke:#56b4e9}.c6{stroke:#666}.c7{stroke:#000}
.dot{stroke:none}.dot.c0{fill:#0072b2}.dot.c1{fill:#d55e00}.dot.c2{fill:#009e73}.dot.c3{fill:#cc79a7}.dot.c4{fill:#b98200}.dot.c5{fill:#56b4e9}.dot.c6{fill:#666}.dot.c7{fill:#000}
.bar{fill:#9aa5b1}.bar.own{fill:#0072b2}.bar.limit{fill:#555}
@media (prefers-color-scheme:dark){
.page{fill:#0d1117}text{fill:#ddd}.grid{stroke:#30363d}
.c0{stroke:#4db2f0}.c1{stroke:#ff8c42}.c2{stroke:#2ecc9a}.c3{stroke:#e8a0c8}.c4{stroke:#e6b325}.c5{stroke:#8fd0f5}.c6{stroke:#aaa}.c7{stroke:#fff}
.dot{stroke:none}.dot.c0{fill:#4db2f0}.dot.c1{fill:#ff8c42}.dot.c2{fill:#2ecc9a}.dot.c3{fill:#e8a0c8}.dot.c4{fill:#e6b325}.dot.c5{fill:#8fd0f5}.dot.c6{fill:#aaa}.dot.c7{fill:#fff}
.bar{fill:#5b6672}.bar.own{fill:#4db2f0}.bar.limit{fill:#ccc}
}
</style>
`

func begin(title string, w, h float64) *bytes.Buffer {
	b := &bytes.Buffer{}
	fmt.Fprintf(b, "<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 %.0f %.0f' width='%.0f' height='%.0f' font-family='sans-serif' font-size='12'>\n", w, h, w, h)
	title = html.EscapeString(title)
	fmt.Fprintf(b, "<title>%s</title>\n%s<rect class='page' width='100%%' height='100%%'/>\n<text x='%.0f' y='24' font-size='15' font-weight='bold'>%s</text>\n", title, style, tight, title)
	return b
}

func end(b *bytes.Buffer) []byte {
	b.WriteString("</svg>\n")
	return b.Bytes()
}

// Figure shows a figure with two or three digits that mean something; – if there is none.
func Figure(v float64) string {
	switch a := math.Abs(v); {
	case math.IsNaN(v) || math.IsInf(v, 0):
		return "–"
	case a >= 100:
		return strconv.FormatFloat(v, 'f', 0, 64)
	case a >= 10:
		return strconv.FormatFloat(v, 'f', 1, 64)
	case a == math.Trunc(a):
		return strconv.FormatFloat(v, 'f', 0, 64)
	case a >= 0.1:
		return strconv.FormatFloat(v, 'f', 2, 64)
	default:
		return strconv.FormatFloat(v, 'f', 3, 64)
	}
}

// Short shows a figure at an axis: 20, 50 k, 2 M.
func Short(v float64) string {
	for _, unit := range []struct {
		of   float64
		name string
	}{{1e9, " G"}, {1e6, " M"}, {1e4, " k"}} {
		if a := math.Abs(v); a >= unit.of*0.9999 {
			if unit.of == 1e4 {
				unit.of = 1e3
			}
			return strconv.FormatFloat(v/unit.of, 'g', 4, 64) + unit.name
		}
	}
	return strconv.FormatFloat(v, 'g', 4, 64)
}
