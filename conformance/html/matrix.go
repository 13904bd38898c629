package html

import (
	"cmp"
	"html/template"
	"maps"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/parley-mail/parley/conformance"
)

// side is a matrix: the cases for clients with the clients, or those for servers.
type side struct {
	Name  string
	Peers []*peer
	Cases int
	Areas []*area
}

// area is a group of cases.
type area struct {
	ID, Name string
	Sums     []verdict // one for each peer: what is worst, with how many of it as the sign
	Open     bool
	Rows     []*row
}

// row is a case. Its cells are in HTML, for there are thousands, and of a dozen kinds.
type row struct {
	Name  string
	Link  template.URL
	Level string
	About string
	Cells template.HTML
}

// finding is a case that is worth telling of.
type finding struct {
	Anchor   string
	ID       string
	About    string
	Level    string
	Shows    []rule
	Outcomes []*outcome
}

// rule is a requirement or an odd reply.
type rule struct{ ID, Level, Where, Text, How string }

// outcome is what came of it at a peer.
type outcome struct {
	Anchor  string
	Peer    *peer
	Verdict verdict
	Reason  string
	Failure string
	At      string // line of the script
	Want    string
	Got     string
	Wire    string // a line for each, as [conformance.Line] writes it
	Lines   int
	Path    []step
	Again   string
}

// step is one of the machine.
type step struct{ State, By string }

func (p *page) addSide(server bool, peers []*peer) {
	s := &side{Name: "Client", Peers: peers}
	if server {
		s.Name = "Server"
	}
	cases := map[string]*conformance.Case{}
	for _, one := range peers {
		for id, o := range one.outcomes {
			cases[id] = o.Case
		}
	}
	s.Cases = len(cases)
	ids := slices.SortedFunc(maps.Keys(cases), func(a, b string) int {
		return cmp.Or(cmp.Compare(areaOrder(path.Dir(a)), areaOrder(path.Dir(b))), cmp.Compare(a, b))
	})
	var last *area
	for _, id := range ids {
		c := cases[id]
		if last == nil || last.ID != oneLine(c.Area()) {
			last = &area{ID: oneLine(c.Area()), Name: areaName(c.Area())}
			s.Areas = append(s.Areas, last)
		}
		last.Rows = append(last.Rows, p.newRow(c, peers))
	}
	var found []*area
	for _, a := range s.Areas {
		if a.sum(peers) {
			found = append(found, a)
		}
	}
	for _, a := range found {
		a.Open = len(found) <= openMost
	}
	p.Sides = append(p.Sides, s)
}

// openMost is how many areas are open at first, those with findings. If more have some the
// sums of all of them say more.
const openMost = 3

// Class says how the columns are laid out: broad ones for few peers, and for very many a
// frame that scrolls.
func (s *side) Class() string {
	switch n := len(s.Peers); {
	case n <= 3:
		return "side wide"
	case n > 24:
		return "side many"
	}
	return "side"
}

// areaOrder returns what areas are sorted by: "rfc821" comes before "rfc1870".
func areaOrder(id string) string {
	if n, ok := strings.CutPrefix(id, "rfc"); ok && len(n) < 5 {
		return "rfc" + strings.Repeat("0", 5-len(n)) + n
	}
	return id
}

// areaName writes "rfc2920" as "RFC 2920"; that it is about servers is said already.
func areaName(id string) string {
	parts := strings.Split(strings.TrimPrefix(oneLine(id), "server/"), "/")
	for i, part := range parts {
		if n, ok := strings.CutPrefix(part, "rfc"); ok {
			parts[i] = "RFC " + n
		}
	}
	return strings.Join(parts, " / ")
}

// sum sums the verdicts of each peer up, and reports whether there are findings.
func (a *area) sum(peers []*peer) (found bool) {
	for _, one := range peers {
		counts := map[conformance.Verdict]int{}
		for id, o := range one.outcomes {
			if oneLine(path.Dir(id)) == a.ID {
				counts[o.Verdict]++
			}
		}
		a.Sums = append(a.Sums, sum(counts))
		found = found || findings(counts) > 0
	}
	return found
}

func findings(counts map[conformance.Verdict]int) int {
	return counts[conformance.Fail] + counts[conformance.XPass] + counts[conformance.Unstable]
}

// sum shows the worst of an area: how many findings, or else how much latitude, or else
// that all is well, or that nothing can be said.
func sum(counts map[conformance.Verdict]int) verdict {
	for _, worst := range []struct {
		v conformance.Verdict
		n int
	}{{conformance.Fail, findings(counts)}, {conformance.Latitude, counts[conformance.Latitude]}} {
		if worst.n > 0 {
			v := verdicts[worst.v]
			v.Sign = strconv.Itoa(worst.n)
			return v
		}
	}
	for _, v := range []conformance.Verdict{conformance.XFail, conformance.Pass, conformance.Inconclusive, conformance.Skip} {
		if counts[v] > 0 {
			return verdicts[v]
		}
	}
	return verdict{Class: "n", Name: "not run"}
}

func (p *page) newRow(c *conformance.Case, peers []*peer) *row {
	r := &row{Name: oneLine(path.Base(c.ID)), Link: link(clean(c.ID), ""), Level: oneLine(c.Level), About: oneLine(c.About)}
	known := dataCase{cleanAll(c.Rfc), cleanAll(c.Against), cleanAll(c.Odd), map[int][]int{}}
	f := &finding{Anchor: anchor(clean(c.ID), ""), ID: oneLine(c.ID), About: r.About, Level: r.Level}
	for _, list := range []struct {
		how string
		ids []string
	}{{"shows", c.Rfc}, {"tempts", c.Against}, {"odd", c.Odd}} {
		for _, id := range list.ids {
			if list.how == "tempts" && slices.Contains(c.Rfc, id) {
				continue // it does both
			}
			f.Shows = append(f.Shows, p.rule(clean(id), list.how))
		}
	}
	var cells strings.Builder
	for i, one := range peers {
		o, ok := one.outcomes[c.ID]
		if !ok {
			cells.WriteString("<td>")
			continue
		}
		v := verdicts[o.Verdict]
		cells.WriteString("<td class=" + v.Class + ">")
		switch {
		case worthTelling(o):
			cells.WriteString(`<a href="` + template.HTMLEscapeString(string(link(clean(c.ID), one.Slug))) + `">` + v.Sign + "</a>")
			f.Outcomes = append(f.Outcomes, newOutcome(o, one))
		default:
			cells.WriteString(v.Sign)
			if o.Reason != "" {
				n := p.note(clipped(o.Reason, textMost))
				known.Notes[n] = append(known.Notes[n], i)
			}
		}
	}
	p.Data.Cases = append(p.Data.Cases, known)
	r.Cells = template.HTML(cells.String())
	if f.Outcomes != nil {
		p.Findings = append(p.Findings, f)
	}
	return r
}

// note returns the number of a text that many outcomes may have.
func (p *page) note(text string) int {
	i := slices.Index(p.Data.Notes, text)
	if i < 0 {
		i = len(p.Data.Notes)
		p.Data.Notes = append(p.Data.Notes, text)
	}
	return i
}

// worthTelling reports whether there is more to an outcome than its verdict.
func worthTelling(o *conformance.Outcome) bool {
	switch o.Verdict {
	case conformance.Pass, conformance.Skip:
		return false
	case conformance.Inconclusive:
		return o.Wire != nil
	}
	return true
}

// wireMost bounds the lines of a dialogue: the first and the last are shown.
const wireMost = 80

// lineMost and textMost bound a line of a dialogue and other texts, in octets.
const (
	lineMost = 1000
	textMost = 4000
)

func newOutcome(o *conformance.Outcome, one *peer) *outcome {
	out := &outcome{
		Anchor: anchor(clean(o.Case.ID), one.Slug), Peer: one, Verdict: verdicts[o.Verdict],
		Reason: clipped(o.Reason, textMost), Lines: len(o.Wire), Again: oneLine(o.Reproduce()),
	}
	if f := o.Failure; f != nil {
		out.Failure, out.Want, out.Got = clipped(f.Text, textMost), clipped(f.Want, textMost), clipped(f.Got, textMost)
		if out.Reason == out.Failure {
			out.Reason = "" // latitude has the words of the failure that it would be
		}
		if f.Pos.Line > 0 {
			out.At = oneLine(o.Case.File()) + ", line " + strconv.Itoa(f.Pos.Line)
		}
	}
	var wire strings.Builder
	for i, l := range o.Wire {
		switch n := len(o.Wire) - wireMost; {
		case n <= 0, i < wireMost/2, i >= wireMost/2+n:
			wire.WriteString(strings.ReplaceAll(clipped(l.String(), lineMost), "\n", `\n`) + "\n")
		case i == wireMost/2:
			wire.WriteString("          … " + strconv.Itoa(n) + " lines …\n")
		}
	}
	out.Wire = wire.String()
	for i, m := range o.Moves {
		from, rest, _ := strings.Cut(oneLine(m), " -> ")
		to, by, _ := strings.Cut(rest, " (")
		if i == 0 {
			out.Path = append(out.Path, step{State: from})
		}
		out.Path = append(out.Path, step{to, strings.TrimSuffix(by, ")")})
	}
	return out
}

// rule looks a requirement or an odd reply up, and keeps it for the script.
func (p *page) rule(id, how string) rule {
	r := rule{ID: id, How: how}
	if known, ok := conformance.Lookup(id); ok {
		r.Level, r.Where, r.Text = known.Level, known.Where(), known.Text
	} else if i := slices.IndexFunc(oddReplies, func(o conformance.OddReply) bool { return o.ID == id }); i >= 0 {
		r.Where, r.Text = "odd reply", oddReplies[i].Name+". "+oddReplies[i].Must
	}
	p.Data.Rules[id] = [3]string{r.Level, r.Where, r.Text}
	return r
}

var oddReplies = conformance.OddReplies()
