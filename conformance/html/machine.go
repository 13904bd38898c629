package html

import (
	"fmt"
	"html/template"
	"regexp"
	"slices"
	"strings"

	"github.com/parley-mail/parley/conformance"
	"github.com/parley-mail/parley/fsm"
)

// machine is the drawing of the machine with what a run has reached.
type machine struct {
	Peer     *peer
	Drawing  template.HTML
	Measures []conformance.Measure
	Ends     []string // signals that end a session in any live state, and are not drawn
	Undrawn  []ending
}

// ending is a state and what became of the signals that end a session in it.
type ending struct {
	State string
	Cells []verdict
}

// reached says how often rows of the table were taken, and which could have been and were
// not.
type reached struct {
	times   map[string]int
	missing []string
	known   bool // missing is complete
}

// newMachine returns nil if the report does not know what was reached.
func newMachine(r *conformance.Report, n int) *machine {
	if r.Edges == nil {
		return nil
	}
	was := reached{times: map[string]int{}}
	m := &machine{Measures: slices.Clone(r.Coverage)}
	for i, measure := range m.Measures {
		if measure.Name == "rows" {
			was.missing, was.known = measure.Missing, true
		}
		m.Measures[i].Name, m.Measures[i].Missing = oneLine(measure.Name), cleanAll(measure.Missing)
	}
	for _, e := range r.Edges {
		was.times[e.From+": "+e.By] += e.Times
	}
	m.Drawing = template.HTML(was.draw(fmt.Sprintf("m%d", n)))
	m.undrawn(was)
	return m
}

// take returns how often a row was taken, and whether it should have been and was not.
func (r *reached) take(e fsm.Edge) (times int, missed bool) {
	name := e.From.String() + ": " + e.Input.String()
	times = r.times[name]
	return times, times == 0 && (!r.known || slices.Contains(r.missing, name))
}

var (
	svgStyle = regexp.MustCompile(`(?s)<style>.*?</style>\n|<!--.*?-->\n`)
	svgArrow = regexp.MustCompile(`<g id="(fsm-edge-[^"]+)" class="([^"]*)">\n<title>([^<]*)</title>`)
)

// draw returns the drawing of package fsm with a class for each arrow: hit if all of its
// rows were taken, part if some, miss if none. Its style is that of the page; its ids
// begin with a prefix.
func (r *reached) draw(prefix string) string {
	arrows := fsm.Arrows()
	svg := svgStyle.ReplaceAllString(fsm.SVG(), "")
	svg = svgArrow.ReplaceAllStringFunc(svg, func(s string) string {
		part := svgArrow.FindStringSubmatch(s)
		i := slices.IndexFunc(arrows, func(a fsm.Arrow) bool { return a.ID() == part[1] })
		if i < 0 {
			return s
		}
		class, says := r.arrow(arrows[i])
		return fmt.Sprintf("<g id=%q class=\"%s %s\">\n<title>%s; %s</title>", part[1], class, part[2], part[3], says)
	})
	return strings.NewReplacer("the grey badges", "the badges of QUIT", "the red badges", "the badges of RSET", `id="fsm-`, `id="`+prefix+"-", `aria-labelledby="fsm-title fsm-desc"`, fmt.Sprintf(`aria-labelledby="%[1]s-title %[1]s-desc"`, prefix)).Replace(svg)
}

func (r *reached) arrow(a fsm.Arrow) (class, says string) {
	sum, hits := 0, 0
	var missed []string
	for _, e := range a.Edges {
		n, miss := r.take(e)
		sum += n
		if n > 0 {
			hits++
		}
		if miss {
			missed = append(missed, e.Input.String())
		}
	}
	switch {
	case len(missed) == 0:
		return "hit", fmt.Sprintf("taken %d times", sum)
	case hits > 0:
		return "part", fmt.Sprintf("taken %d times, but not by %s", sum, strings.Join(missed, ", "))
	}
	return "miss", "not taken"
}

// undrawn collects the signals that end a session.
func (m *machine) undrawn(was reached) {
	var signals []fsm.Input
	for _, e := range fsm.Edges() {
		if e.Input.Signal() && e.To.Over() && !slices.Contains(signals, e.Input) {
			signals = append(signals, e.Input)
		}
	}
	slices.Sort(signals)
	for _, i := range signals {
		m.Ends = append(m.Ends, i.String())
	}
	for _, s := range fsm.States() {
		row := ending{State: s.String()}
		some := false
		for _, i := range signals {
			v := verdict{Class: "n", Name: "cannot happen"}
			k := slices.IndexFunc(fsm.Edges(), func(e fsm.Edge) bool { return e.From == s && e.Input == i })
			if k >= 0 {
				some = true
				switch times, missed := was.take(fsm.Edges()[k]); {
				case missed:
					v = verdict{"f", "✕", "not taken", ""}
				case times > 0:
					v = verdict{"p", "✓", fmt.Sprintf("taken %d times", times), ""}
				default:
					v = verdict{"s", "–", "excluded", ""}
				}
			}
			row.Cells = append(row.Cells, v)
		}
		if some {
			m.Undrawn = append(m.Undrawn, row)
		}
	}
}
