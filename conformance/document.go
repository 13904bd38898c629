package conformance

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"time"

	"github.com/parley-mail/parley/conformance/smtpt"
)

// This file holds a report as a document for other programs; docs/report.schema.json
// describes it. Of the scripts of cases a report that is read has the names.

// Format and version of the document. A reader takes documents of its version and
// ignores fields that it does not know; the version changes if a field changes its meaning.
const (
	documentFormat  = "parley-conformance"
	documentVersion = 1
)

type document struct {
	Format       string             `json:"format"`
	Version      int                `json:"version"`
	Peer         Peer               `json:"peer"`
	Runs         int                `json:"runs,omitempty"`
	Strict       bool               `json:"strict,omitempty"`
	Summary      map[string]int     `json:"summary"`
	Plays        int                `json:"plays"`
	Coverage     []Measure          `json:"coverage,omitempty"`
	Edges        []Taken            `json:"edges,omitempty"`
	Controls     []*documentCase    `json:"controls,omitempty"`
	Cases        []*documentCase    `json:"cases"`
	Requirements []documentDemanded `json:"requirements,omitempty"`
}

type documentCase struct {
	ID       string         `json:"id"`
	Area     string         `json:"area"`
	About    string         `json:"about,omitempty"`
	Level    string         `json:"level,omitempty"`
	Rfc      []string       `json:"rfc,omitempty"`
	Against  []string       `json:"against,omitempty"`
	Odd      []string       `json:"odd,omitempty"`
	Verdict  Verdict        `json:"verdict"`
	Reason   string         `json:"reason,omitempty"`
	Plays    int            `json:"plays"`
	Duration float64        `json:"duration_ms"`
	Variant  string         `json:"variant,omitempty"`
	Script   string         `json:"script,omitempty"`
	Line     int            `json:"line,omitempty"`
	Column   int            `json:"column,omitempty"`
	Failure  string         `json:"failure,omitempty"`
	Want     string         `json:"want,omitempty"`
	Got      string         `json:"got,omitempty"`
	Wire     []documentLine `json:"wire,omitempty"`
	Path     []string       `json:"path,omitempty"`
	Again    string         `json:"again,omitempty"`
}

type documentLine struct {
	At   float64 `json:"at_ms"`
	By   string  `json:"by,omitempty"`
	TLS  bool    `json:"tls,omitempty"`
	Open bool    `json:"open,omitempty"`
	Text string  `json:"text"`
}

// documentDemanded is what a requirement or an odd reply that cases name is about.
type documentDemanded struct {
	ID    string `json:"id"`
	Level string `json:"level,omitempty"`
	Where string `json:"where,omitempty"`
	Text  string `json:"text"`
}

// JSON writes a report as one document.
func JSON(w io.Writer, r *Report) error {
	doc := document{
		Format: documentFormat, Version: documentVersion, Peer: r.Peer, Runs: r.Runs, Strict: r.Strict, Summary: map[string]int{},
		Plays: r.Plays(), Coverage: r.Coverage, Edges: r.Edges, Cases: []*documentCase{},
	}
	doc.Peer.Kind = cmp.Or(doc.Peer.Kind, EnginePeer)
	for _, v := range Verdicts() {
		doc.Summary[v.String()] = r.Count(v)
	}
	var named []string
	for _, o := range r.Outcomes {
		doc.Cases = append(doc.Cases, documented(o, doc.Peer.Kind))
		named = append(named, o.Case.Names()...)
	}
	for _, o := range r.Controls {
		doc.Controls = append(doc.Controls, documented(o, doc.Peer.Kind))
	}
	slices.Sort(named)
	for _, id := range slices.Compact(named) {
		if r, ok := Lookup(id); ok {
			doc.Requirements = append(doc.Requirements, documentDemanded{id, r.Level, r.Where(), r.Text})
		} else if o, ok := lookupOdd(id); ok {
			doc.Requirements = append(doc.Requirements, documentDemanded{ID: id, Text: o.Name})
		}
	}
	e := json.NewEncoder(w)
	e.SetIndent("", " ")
	e.SetEscapeHTML(false)
	return e.Encode(doc)
}

func documented(o *Outcome, kind PeerKind) *documentCase {
	c := &documentCase{
		ID: o.Case.ID, Area: o.Case.Area(), About: o.Case.About, Level: o.Case.Level, Rfc: o.Case.Rfc, Against: o.Case.Against, Odd: o.Case.Odd,
		Verdict: o.Verdict, Reason: o.Reason, Plays: o.Plays, Duration: milliseconds(o.Duration), Path: o.Moves, Again: o.Again,
	}
	if f := o.Failure; f != nil {
		c.Script, c.Line, c.Column, c.Failure, c.Want, c.Got = o.Case.File(), f.Pos.Line, f.Pos.Col, f.Text, f.Want, f.Got
	}
	for _, l := range o.Wire {
		c.Wire = append(c.Wire, documentLine{milliseconds(l.At), l.By, l.TLS, l.Open, l.Text})
	}
	if o.Failure != nil || o.Wire != nil {
		c.Again = o.Reproduce()
		if kind == EnginePeer {
			c.Variant = o.Variant.String()
		}
	}
	return c
}

// ReadJSON reads what [JSON] has written.
func ReadJSON(in io.Reader) (*Report, error) {
	var doc document
	if err := json.NewDecoder(in).Decode(&doc); err != nil {
		return nil, fmt.Errorf("no report: %w", err)
	}
	switch {
	case doc.Format != documentFormat:
		return nil, errors.New("no report: it does not say " + documentFormat)
	case doc.Version != documentVersion:
		return nil, fmt.Errorf("a report of version %d; this program reads %d", doc.Version, documentVersion)
	}
	r := &Report{Peer: doc.Peer, Runs: doc.Runs, Strict: doc.Strict, Coverage: doc.Coverage, Edges: doc.Edges}
	for _, list := range []struct {
		from []*documentCase
		to   *[]*Outcome
	}{{doc.Cases, &r.Outcomes}, {doc.Controls, &r.Controls}} {
		for i, c := range list.from {
			if c == nil || c.ID == "" {
				return nil, fmt.Errorf("no report: case %d has no id", i+1)
			}
			o, err := c.outcome()
			if err != nil {
				return nil, fmt.Errorf("%s: %w", c.ID, err)
			}
			*list.to = append(*list.to, o)
		}
	}
	return r, nil
}

func (c *documentCase) outcome() (*Outcome, error) {
	o := &Outcome{
		Case:    &Case{ID: c.ID, About: c.About, Level: c.Level, Rfc: c.Rfc, Against: c.Against, Odd: c.Odd},
		Verdict: c.Verdict, Reason: c.Reason, Plays: c.Plays, Duration: duration(c.Duration), Moves: c.Path, Again: c.Again,
	}
	if c.Script != "" {
		o.Case.Script = &smtpt.Script{Name: c.Script}
	}
	if c.Variant != "" {
		v, err := ParseVariant(c.Variant)
		if err != nil {
			return nil, err
		}
		o.Variant = v
	}
	if c.Failure != "" || c.Verdict == Fail {
		o.Failure = &Failure{Pos: smtpt.Pos{Line: c.Line, Col: c.Column}, Text: c.Failure, Want: c.Want, Got: c.Got}
	}
	for _, l := range c.Wire {
		o.Wire = append(o.Wire, Line{duration(l.At), l.By, l.TLS, l.Open, l.Text})
	}
	return o, nil
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

func duration(ms float64) time.Duration {
	return time.Duration(math.Round(ms * float64(time.Millisecond)))
}
