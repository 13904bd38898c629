package conformance

import (
	"bufio"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"
)

// Plan says how a suite is run.
type Plan struct {
	Options
	Peer     Peer // who is played against
	Cases    []*Case
	Controls []*Case           // played before and after; if one fails nothing else means anything
	Workers  int               // 0: 1
	Strict   bool              // latitude is a finding too
	Expected map[string]string // id to reason: known to fail
	Each     func(*Outcome)    // called for each outcome, in the order of Cases

	// Play plays a case against another peer than this engine, by several goroutines; nil:
	// the engine it is. Options then say nothing.
	Play func(*Case) *Outcome
}

// Report is what came of a run.
type Report struct {
	Peer     Peer
	Runs     int        // how many were merged into it; 0: it is one run
	Outcomes []*Outcome // in the order of Plan.Cases
	Controls []*Outcome // those that failed
	Strict   bool
	Coverage []Measure // how much of the machine was reached; nil: not known
	Edges    []Taken   // the rows of the machine's table that were taken
}

// Peer is who was held against the RFCs.
type Peer struct {
	Name    string    `json:"name"`
	Version string    `json:"version,omitempty"`
	Kind    PeerKind  `json:"kind"`
	Target  string    `json:"target,omitempty"` // the command of a client, the address of a server
	When    time.Time `json:"when,omitzero"`    // when the run began
}

// String returns the name and the version.
func (p Peer) String() string { return strings.TrimSpace(p.Name + " " + p.Version) }

// PeerKind says which side of the dialogue a peer is on.
type PeerKind string

// The kinds of peers.
const (
	EnginePeer PeerKind = "engine" // this project's client, in process
	ClientPeer PeerKind = "client" // any client
	ServerPeer PeerKind = "server" // any server
)

// Controls returns the control cases among cases: those below sanity/.
func Controls(cases []*Case) []*Case {
	var controls []*Case
	for _, c := range cases {
		if strings.HasPrefix(c.ID, "sanity/") {
			controls = append(controls, c)
		}
	}
	return controls
}

// RunAll plays a suite between its control cases.
func RunAll(p Plan) *Report {
	r := &Report{Peer: p.Peer, Strict: p.Strict, Outcomes: make([]*Outcome, len(p.Cases))}
	r.control(p)
	index := map[*Case]int{}
	for i, c := range p.Cases {
		index[c] = i
	}
	var mu sync.Mutex
	told := 0
	parallel(p.Workers, p.Cases, func(c *Case) {
		o := p.play(c, len(r.Controls) > 0)
		mu.Lock()
		r.Outcomes[index[c]] = o
		defer mu.Unlock()
		for p.Each != nil && len(r.Controls) == 0 && told < len(r.Outcomes) && r.Outcomes[told] != nil {
			p.Each(r.Outcomes[told])
			told++
		}
	})
	if len(r.Controls) == 0 {
		r.control(p)
	}
	if p.Facts != nil {
		r.Coverage, r.Edges = p.Facts.Table(), p.Facts.Edges()
	}
	if len(r.Controls) > 0 {
		for _, o := range r.Outcomes {
			o.Verdict, o.Reason = Inconclusive, "the control case "+r.Controls[0].Case.ID+" fails"
		}
	}
	for ; p.Each != nil && told < len(r.Outcomes); told++ {
		p.Each(r.Outcomes[told])
	}
	return r
}

// play plays a case, or does not where the control cases have failed already and it may
// take its time.
func (p Plan) play(c *Case, vain bool) *Outcome {
	reason, expected := p.Expected[c.ID]
	switch {
	case p.Play == nil && expected && c.Xfail == "":
		known := *c
		known.Xfail = reason
		o := Run(&known, p.Options)
		o.Case = c
		return o
	case p.Play == nil:
		return Run(c, p.Options)
	case vain:
		return &Outcome{Case: c}
	}
	o := p.Play(c)
	switch {
	case !expected:
	case o.Verdict == Fail:
		o.Verdict, o.Reason = XFail, reason
	case o.Verdict == Pass || o.Verdict == Latitude:
		o.Verdict, o.Reason = XPass, reason
	}
	return o
}

func (p Plan) playControl(c *Case) *Outcome {
	if p.Play != nil {
		return p.Play(c)
	}
	return Run(c, Options{Make: p.Make, Table: p.Table})
}

func (r *Report) control(p Plan) {
	for _, c := range p.Controls {
		if o := p.playControl(c); o.Verdict == Fail && !o.Served || p.Play != nil && o.Verdict == Inconclusive {
			r.Controls = append(r.Controls, o)
		}
	}
}

// Count returns how many outcomes have the verdict.
func (r *Report) Count(v Verdict) int {
	n := 0
	for _, o := range r.Outcomes {
		if o.Verdict == v {
			n++
		}
	}
	return n
}

// Plays returns how many times cases were played.
func (r *Report) Plays() int {
	n := 0
	for _, o := range r.Outcomes {
		n += o.Plays
	}
	return n
}

// Exit codes of a run.
const (
	ExitClean        = 0 // every verdict is as expected
	ExitFinding      = 1 // at least one finding
	ExitUsage        = 2 // usage or configuration
	ExitInconclusive = 3 // nothing that means anything was run
)

// Exit returns the exit code of the run.
func (r *Report) Exit() int {
	conclusive := false
	for _, o := range r.Outcomes {
		if o.Verdict.Finding() || r.Strict && o.Verdict == Latitude {
			return ExitFinding
		}
		conclusive = conclusive || o.Verdict != Skip && o.Verdict != Inconclusive
	}
	if !conclusive || len(r.Controls) > 0 {
		return ExitInconclusive
	}
	return ExitClean
}

// ReadExpected reads a list of cases that are known to fail: an id, blank, the reason,
// on each line; # begins a comment.
func ReadExpected(in io.Reader) (map[string]string, error) {
	known := map[string]string{}
	lines := bufio.NewScanner(in)
	for n := 1; lines.Scan(); n++ {
		line := strings.TrimSpace(lines.Text())
		if line == "" || line[0] == '#' {
			continue
		}
		id, reason, ok := strings.Cut(line, " ")
		if !ok {
			return nil, fmt.Errorf("line %d: %s is known to fail without a reason", n, id)
		}
		known[id] = strings.TrimSpace(reason)
	}
	return known, lines.Err()
}
