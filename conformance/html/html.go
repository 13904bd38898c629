// Package html writes reports of the conformance suite as one page of HTML that needs
// nothing else: no file beside it, no network. A script adds filters, keys and a view of
// one case. Without it the same words are there, unless there are so many findings that
// they are packed.
//
// What peers have said is hostile. Every string passes html/template, and before it
// [clean], which shows what would not be seen: controls, and characters that turn the
// direction of text.
package html

import (
	"bytes"
	"crypto/sha256"
	_ "embed" // the page, its style and its script
	"encoding/base64"
	"html/template"
	"io"
	"slices"
	"strings"

	"github.com/parley-mail/parley/conformance"
)

var (
	//go:embed page.html
	pageText string
	//go:embed page.css
	styleText string
	//go:embed page.js
	scriptText string
)

var pageTemplate = template.Must(template.New("page").Parse(pageText))

// Write writes reports, one for each peer, as one page. Runs of the same peer are best
// merged before, by [conformance.Merge].
func Write(w io.Writer, reports ...*conformance.Report) error {
	p := newPage(reports)
	if err := p.tell(); err != nil {
		return err
	}
	return pageTemplate.Execute(w, p)
}

// page is what the template shows.
type page struct {
	Title   string
	Policy  string // nothing is loaded, and no script runs but ours
	Style   template.CSS
	Script  template.JS
	Badge   template.HTML
	Summary string
	When    string
	Legend  []verdict

	Peers    []*peer
	Levels   []string
	Sides    []*side
	Machines []*machine
	Findings []*finding
	Data     data
	Told     template.HTML // the findings
	Packed   string        // the same as base64url of gzip, if they are many
}

// data is what only the script shows.
type data struct {
	Peers []dataPeer           `json:"peers"`
	Cases []dataCase           `json:"cases"` // in the order of the rows
	Rules map[string][3]string `json:"rules"` // level, where and text of requirements and odd replies
	Notes []string             `json:"notes"` // why outcomes are not conclusive
}

type dataPeer struct {
	Slug string `json:"slug"`
	Name string `json:"name"`
}

type dataCase struct {
	Shows []string      `json:"r,omitempty"`
	Tempt []string      `json:"a,omitempty"`
	Odd   []string      `json:"o,omitempty"`
	Notes map[int][]int `json:"n,omitempty"` // a note, and the peers of the side that it is about
}

func newPage(reports []*conformance.Report) *page {
	sum := sha256.Sum256([]byte(scriptText))
	p := &page{
		Title:  "SMTP conformance",
		Policy: "default-src 'none'; style-src 'unsafe-inline'; img-src data:; script-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'; base-uri 'none'; form-action 'none'",
		Style:  template.CSS(styleText), Script: template.JS(scriptText),
		Summary: conformance.BadgeText(reports...), Levels: levels, Legend: legend(reports),
		Data: data{Rules: map[string][3]string{}, Notes: []string{}},
	}
	var badge bytes.Buffer
	_ = conformance.Badge(&badge, reports...) // a buffer takes everything
	p.Badge = template.HTML(badge.String())
	for i, r := range reports {
		one := newPeer(r, p.Peers)
		p.Peers = append(p.Peers, one)
		p.Data.Peers = append(p.Data.Peers, dataPeer{one.Slug, one.Name})
		if when := one.When; when > p.When {
			p.When = when
		}
		if m := newMachine(r, i); m != nil {
			m.Peer = one
			p.Machines = append(p.Machines, m)
		}
	}
	for _, server := range []bool{false, true} {
		var peers []*peer
		for _, one := range p.Peers {
			if (one.report.Peer.Kind == conformance.ServerPeer) == server {
				peers = append(peers, one)
			}
		}
		if len(peers) > 0 {
			p.addSide(server, peers)
		}
	}
	return p
}

// verdict is how a verdict is shown: by a colour, and a sign that does without.
type verdict struct {
	Class, Sign, Name, Means string
}

var verdicts = map[conformance.Verdict]verdict{
	conformance.Pass:         {"p", "✓", "pass", "as the RFCs say"},
	conformance.Latitude:     {"l", "~", "latitude", "allowed, and not advised"},
	conformance.Fail:         {"f", "✕", "fail", "not as the RFCs say"},
	conformance.Unstable:     {"u", "±", "unstable", "several runs do not agree"},
	conformance.XFail:        {"k", "x", "xfail", "fails, as is known"},
	conformance.XPass:        {"y", "!", "xpass", "was known to fail, and does not"},
	conformance.Inconclusive: {"i", "?", "inconclusive", "nobody can say"},
	conformance.Skip:         {"s", "–", "skip", "does not apply"},
}

// order is the order in which verdicts are summed up.
var order = []conformance.Verdict{
	conformance.Pass, conformance.Latitude, conformance.Fail, conformance.Unstable, conformance.XPass,
	conformance.XFail, conformance.Inconclusive, conformance.Skip,
}

// legend returns the verdicts that occur.
func legend(reports []*conformance.Report) []verdict {
	var all []verdict
	for _, v := range order {
		if slices.ContainsFunc(reports, func(r *conformance.Report) bool { return r.Count(v) > 0 }) {
			all = append(all, verdicts[v])
		}
	}
	return all
}

// anchor is the fragment that names a case, and one that names its outcome at a peer. It
// is the id of an element, and what the script reads.
func anchor(id, slug string) string {
	a := "case=" + id
	if slug != "" {
		a += "&peer=" + slug
	}
	return a
}

// link returns an anchor as a reference: octets that mean something in a URL escaped.
func link(id, slug string) template.URL {
	var b strings.Builder
	for i := range len(id) {
		switch c := id[i]; {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', strings.IndexByte("/-._~", c) >= 0:
			b.WriteByte(c)
		default:
			const hex = "0123456789ABCDEF"
			b.WriteString("%" + hex[c>>4:c>>4+1] + hex[c&15:c&15+1])
		}
	}
	return template.URL("#" + anchor(b.String(), slug))
}
