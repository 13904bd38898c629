package html

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	"github.com/parley-mail/parley/conformance"
)

// peer is one report as a column of the matrix and a row of the summary.
type peer struct {
	Slug    string // names it in fragments
	Name    string // with its version
	Kind    string
	Target  string
	When    string
	Runs    int
	Cases   int
	Plays   int
	Parts   []part
	Levels  []tally
	Control string // the control case that fails: then no verdict means anything

	report   *conformance.Report
	outcomes map[string]*conformance.Outcome
}

// part is how many cases have a verdict.
type part struct {
	verdict
	N int
}

// tally is how many of the conclusive cases of a level are as they must be.
type tally struct {
	Name      string
	Good, All int
}

// levels are those of cases.
var levels = []string{"MUST", "SHOULD", "MAY"}

func newPeer(r *conformance.Report, others []*peer) *peer {
	p := &peer{
		Name: oneLine(cmp.Or(r.Peer.String(), "unnamed")), Kind: oneLine(string(cmp.Or(r.Peer.Kind, conformance.EnginePeer))),
		Target: oneLine(r.Peer.Target), Runs: max(1, r.Runs), Cases: len(r.Outcomes), Plays: r.Plays(),
		report: r, outcomes: map[string]*conformance.Outcome{},
	}
	p.Slug = slug(p.Name, others)
	if !r.Peer.When.IsZero() {
		p.When = r.Peer.When.UTC().Format("2006-01-02 15:04")
	}
	if len(r.Controls) > 0 {
		p.Control = oneLine(r.Controls[0].Case.ID)
	}
	for _, v := range order {
		if n := r.Count(v); n > 0 {
			p.Parts = append(p.Parts, part{verdicts[v], n})
		}
	}
	for _, level := range levels {
		p.Levels = append(p.Levels, tally{Name: level})
	}
	for _, o := range r.Outcomes {
		p.outcomes[o.Case.ID] = o
		if i := slices.Index(levels, o.Case.Level); i >= 0 {
			p.Levels[i].count(o.Verdict)
		}
	}
	return p
}

func (t *tally) count(v conformance.Verdict) {
	switch v {
	case conformance.Skip, conformance.Inconclusive:
		return
	case conformance.Pass, conformance.Latitude, conformance.XPass:
		t.Good++
	}
	t.All++
}

// Percent is 100 where there is nothing to count.
func (t tally) Percent() int {
	if t.All == 0 {
		return 100
	}
	return 100 * t.Good / t.All
}

// Count returns how many cases have the verdict with a name.
func (p *peer) Count(name string) int {
	for _, part := range p.Parts {
		if part.Name == name {
			return part.N
		}
	}
	return 0
}

// slug makes a name for fragments, another one for each peer.
func slug(name string, others []*peer) string {
	var b strings.Builder
	for _, c := range strings.ToLower(name) {
		switch {
		case c >= 'a' && c <= 'z', c >= '0' && c <= '9', c == '.', c == '_':
			b.WriteRune(c)
		case b.Len() > 0 && !strings.HasSuffix(b.String(), "-"):
			b.WriteByte('-')
		}
	}
	base := cmp.Or(strings.Trim(b.String(), "-"), "peer")
	s := base
	for n := 2; slices.ContainsFunc(others, func(p *peer) bool { return p.Slug == s }); n++ {
		s = base + "-" + strconv.Itoa(n)
	}
	return s
}
