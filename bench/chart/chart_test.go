package chart_test

import (
	"encoding/xml"
	"errors"
	"io"
	"math"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/parley-mail/parley/bench/chart"
)

func wellFormed(t *testing.T, svg []byte) {
	t.Helper()
	for d := xml.NewDecoder(strings.NewReader(string(svg))); ; {
		if _, err := d.Token(); errors.Is(err, io.EOF) {
			return
		} else if err != nil {
			t.Fatalf("%v in\n%s", err, svg)
		}
	}
}

// Points stand where their figures are, on either kind of axis, and inside the field.
func TestPlot(t *testing.T) {
	for _, log := range []bool{false, true} {
		p := chart.Plot{Title: "a < b & c", X: "x", Y: "y", LogX: log, LogY: log, Series: []chart.Series{
			{Name: "line", Points: []chart.Point{{X: 1, Y: 10}, {X: 10, Y: 100}, {X: 100, Y: 1000}}},
			{Name: "alone", Points: []chart.Point{{X: 5, Y: 5}}},
		}}
		svg := p.SVG()
		wellFormed(t, svg)
		if strings.Contains(string(svg), "alone") {
			t.Error("a line without two points is drawn")
		}
		var x, y []float64
		for _, m := range regexp.MustCompile(`cx='([\d.]+)' cy='([\d.]+)'`).FindAllStringSubmatch(string(svg), -1) {
			a, _ := strconv.ParseFloat(m[1], 64)
			b, _ := strconv.ParseFloat(m[2], 64)
			x, y = append(x, a), append(y, b)
		}
		if len(x) != 3 || !(x[0] < x[1] && x[1] < x[2] && y[0] > y[1] && y[1] > y[2]) {
			t.Fatalf("points at %v, %v", x, y)
		}
		even := math.Abs((x[2]-x[1])-(x[1]-x[0])) < 1 && math.Abs((y[2]-y[1])-(y[1]-y[0])) < 1
		if even != log {
			t.Errorf("logarithmic %v: points at %v, %v", log, x, y)
		}
	}
	if (&chart.Plot{}).SVG() != nil || chart.Bars("nothing", nil) != nil {
		t.Error("nothing is drawn")
	}
}

// The names at the ends of lines that meet do not stand on each other.
func TestNamesApart(t *testing.T) {
	p := chart.Plot{}
	for range 8 {
		p.Series = append(p.Series, chart.Series{Name: "same", Points: []chart.Point{{X: 0, Y: 1}, {X: 1, Y: 0}}})
	}
	last := math.Inf(-1)
	for _, m := range regexp.MustCompile(`y='([\d.]+)'>same<`).FindAllStringSubmatch(string(p.SVG()), -1) {
		y, _ := strconv.ParseFloat(m[1], 64)
		if math.Abs(y-last) < 12 || y > 420 {
			t.Errorf("names at %v and %v", last, y)
		}
		last = y
	}
}

func TestBars(t *testing.T) {
	svg := chart.Bars("bars", []chart.Bar{{Name: "large", Value: 20}, {Name: "small", Value: 5, Class: chart.Own}})
	wellFormed(t, svg)
	text := string(svg)
	if strings.Index(text, "small") > strings.Index(text, "large") || !strings.Contains(text, "class='bar own'") {
		t.Errorf("%s", text)
	}
}

// Bars that are far apart can all be seen.
func TestBarsFarApart(t *testing.T) {
	text := string(chart.Bars("bars", []chart.Bar{{Name: "a", Value: 1}, {Name: "b", Value: 10}, {Name: "c", Value: 100_000}}))
	last := 0.0
	for _, m := range regexp.MustCompile(`<rect class='bar ' [^>]*width='([\d.]+)'`).FindAllStringSubmatch(text, -1) {
		w, _ := strconv.ParseFloat(m[1], 64)
		if w < last+20 {
			t.Errorf("a bar of %v behind one of %v", w, last)
		}
		last = w
	}
	if last == 0 || !strings.Contains(text, "bars, logarithmic") {
		t.Errorf("%s", text)
	}
}

func TestFigures(t *testing.T) {
	for v, want := range map[float64]string{1234.5: "1234", 12.34: "12.3", 3: "3", 0.123: "0.12", 0.0123: "0.012", math.NaN(): "–", math.Inf(1): "–"} {
		if got := chart.Figure(v); got != want {
			t.Errorf("%v: %q, not %q", v, got, want)
		}
	}
	for v, want := range map[float64]string{20: "20", 50_000: "50 k", 2e6: "2 M", 3e9: "3 G", 2000: "2000"} {
		if got := chart.Short(v); got != want {
			t.Errorf("%v: %q, not %q", v, got, want)
		}
	}
}
