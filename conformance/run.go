package conformance

import (
	"fmt"
	"runtime/debug"
	"slices"
	"time"

	"github.com/parley-mail/parley/conformance/smtpt"
	"github.com/parley-mail/parley/fsm"
)

// Verdict is what a case says about an engine.
type Verdict uint8

// The verdicts.
const (
	Pass         Verdict = iota
	Latitude             // something that the RFCs allow and advise against
	Skip                 // the case does not apply
	Inconclusive         // nobody can say: the control cases fail, or the case says so
	XFail                // fails, as is known
	Fail
	XPass    // known to fail, and does not: somebody has to look
	Unstable // several runs do not agree
)

// Verdicts returns all verdicts.
func Verdicts() []Verdict {
	all := make([]Verdict, len(verdictNames))
	for i := range all {
		all[i] = Verdict(i)
	}
	return all
}

var verdictNames = [...]string{"pass", "latitude", "skip", "inconclusive", "xfail", "fail", "xpass", "unstable"}

// String returns the verdict in lower case.
func (v Verdict) String() string { return verdictNames[v] }

// MarshalText makes verdicts readable in JSON.
func (v Verdict) MarshalText() ([]byte, error) { return []byte(v.String()), nil }

// UnmarshalText reads what MarshalText writes.
func (v *Verdict) UnmarshalText(text []byte) error {
	i := slices.Index(verdictNames[:], string(text))
	if i < 0 {
		return fmt.Errorf("%q is no verdict", text)
	}
	*v = Verdict(i)
	return nil
}

// Finding reports whether the verdict is one that a run must not end well with.
func (v Verdict) Finding() bool { return v >= Fail }

// Outcome is what came of a case.
type Outcome struct {
	Case     *Case
	Verdict  Verdict
	Reason   string   // for Skip, Inconclusive, XFail
	Variant  Variant  // the one that failed, of this engine
	Failure  *Failure // for Fail and XFail
	Wire     []Line   // the dialogue of the variant that failed or took a branch that has a word for it
	Moves    []string // its path through the machine, as "ready -> sender (MAIL 2yz)"
	Plays    int
	Duration time.Duration // of all plays, by the clock on the wall
	Again    string        // the command that plays it again; empty: that for this engine
	Served   bool          // of a foreign client: it did what was asked, whatever else is wrong with it

	transcript string // of a fuzzed session
}

// Options says how cases are run.
type Options struct {
	Make   Maker      // nil: Honest
	Table  *fsm.Table // what the engine runs on; nil: fsm.Standard
	Only   *Variant   // one variant instead of all
	Sweeps bool       // also splits, cuts and replaced lines
	Facts  *Facts     // what was covered; nil: not wanted

	seen func(*Case, Variant, *tracer) // called after each play
	log  bool                          // write down the dialogue
}

// Run plays a case in all ways.
func Run(c *Case, opt Options) *Outcome {
	o := &Outcome{Case: c}
	start := time.Now()
	defer func() { o.Duration = time.Since(start) }()
	prog, err := compile(c)
	if err != nil {
		o.Verdict, o.Failure = Fail, &Failure{Text: err.Error()}
		return o
	}
	if reason := notHere(c); reason != "" {
		o.Verdict, o.Reason = Skip, reason
		return o
	}
	r := &runner{c: c, prog: prog, opt: opt, o: o}
	if r.opt.Make == nil {
		r.opt.Make = Honest
	}
	r.all()
	r.conclude()
	return o
}

// unplayable are needs that a play without a network cannot meet.
var unplayable = []string{"real-tls", "proxy", "socket"}

func notHere(c *Case) string {
	for _, n := range c.Needs {
		if slices.Contains(unplayable, n) {
			return "needs " + n
		}
	}
	reason := ""
	smtpt.Walk(c.Script.Steps, func(s *smtpt.Step) {
		if s.Kind == smtpt.Proxy {
			reason = "needs a proxy"
		}
	})
	return reason
}

type runner struct {
	c       *Case
	prog    *program
	opt     Options
	o       *Outcome
	verdict string  // of a branch taken
	branch  Variant // in which it was taken
}

// all plays the variants, up to the first that fails.
func (r *runner) all() {
	if r.opt.Only != nil {
		r.play(*r.opt.Only)
		return
	}
	for _, profile := range r.c.Profiles {
		whole := r.play(Variant{Profile: profile})
		if r.o.Failure != nil {
			return
		}
		for _, v := range []Variant{
			{Profile: profile, Looplab: true},
			{Profile: profile, Way: Octets},
			{Profile: profile, Way: Octets, Looplab: true},
			{Profile: profile, Way: PerLine},
		} {
			if !v.Looplab || r.opt.Table == nil { // looplab/fsm has the standard table
				r.same(whole, r.play(v))
			}
		}
		if r.opt.Sweeps {
			r.sweep(profile, whole)
		}
		if r.o.Failure != nil {
			return
		}
	}
}

// sweepMost bounds how many places of a long stream are tried.
const sweepMost = 1500

// sweep tries every place where a reply can be cut, where the connection can break, and
// every line that can be another one.
func (r *runner) sweep(profile Profile, whole *play) {
	longest := 0
	for _, n := range whole.turns {
		longest = max(longest, n)
	}
	for n := range spread(longest) {
		r.same(whole, r.play(Variant{Profile: profile, Way: Split, N: n}))
	}
	for n := range spread(whole.fed) {
		r.play(Variant{Profile: profile, Way: Cut, N: n})
	}
	for n := range spread(whole.lines) {
		for with := range numSpoils {
			r.play(Variant{Profile: profile, Way: Replace, N: n, With: with})
		}
	}
}

// spread yields the numbers under n: all of them, or the first and some others.
func spread(n int) func(func(int) bool) {
	step := max(1, n/sweepMost)
	return func(yield func(int) bool) {
		for i := 0; i < n; i++ {
			if i > 300 {
				i += step - 1
			}
			if !yield(min(i, n-1)) {
				return
			}
		}
	}
}

// play plays one variant; if it fails it is played again with a log.
func (r *runner) play(v Variant) *play {
	if r.o.Failure != nil {
		return nil
	}
	r.o.Plays++
	p := &play{c: r.c, prog: r.prog, v: v, bdat: -1, table: r.opt.Table}
	p.safely(r.opt.Make)
	r.opt.Facts.add(p)
	if r.opt.seen != nil {
		r.opt.seen(r.c, v, p.trace)
	}
	if p.verdict != "" {
		r.verdict, r.branch = p.verdict, v
	}
	if p.failure != nil {
		r.o.Failure = p.failure
		r.show(v)
	}
	return p
}

// show plays a variant again and keeps its dialogue and its path.
func (r *runner) show(v Variant) {
	again := &play{c: r.c, prog: r.prog, v: v, bdat: -1, table: r.opt.Table, keep: true}
	again.safely(r.opt.Make)
	r.o.Variant, r.o.Wire, r.o.Moves = v, again.wire, again.moves
}

// safely plays, and makes a panic a failure.
func (p *play) safely(maker Maker) {
	defer func() {
		if v := recover(); v != nil {
			p.failure = &Failure{Text: fmt.Sprintf("panic: %v\n%s", v, debug.Stack())}
		}
	}()
	p.run(maker)
}

// same demands that two plays had the same events and the same words of the client.
func (r *runner) same(a, b *play) {
	if a == nil || b == nil || r.o.Failure != nil {
		return
	}
	diff := ""
	switch {
	case a.mon.spoken != b.mon.spoken:
		diff = fmt.Sprintf("%d octets of the client or %d", a.mon.spoken, b.mon.spoken)
	case !slices.Equal(a.moves, b.moves):
		diff = fmt.Sprintf("path %v or %v", a.moves, b.moves)
	case len(a.events) != len(b.events):
		diff = fmt.Sprintf("%d events or %d", len(a.events), len(b.events))
	default:
		for i := range a.events {
			x, y := a.events[i], b.events[i]
			if x.kind != y.kind || y.json != nil && x.json != nil && string(x.json) != string(y.json) {
				diff = fmt.Sprintf("event %s or %s", x.json, y.json)
				break
			}
		}
	}
	if diff != "" {
		r.o.Variant, r.o.Failure = b.v, &Failure{Text: "the split of the stream shows: " + diff}
		r.o.Moves = b.moves
	}
}

// conclude turns what was found into a verdict.
func (r *runner) conclude() {
	o := r.o
	if o.Failure == nil && r.verdict != "" {
		r.show(r.branch)
	}
	switch {
	case o.Failure != nil && r.c.Xfail != "":
		o.Verdict, o.Reason = XFail, r.c.Xfail
	case o.Failure != nil:
		o.Verdict = Fail
	case r.verdict == "fail":
		o.Verdict, o.Failure = Fail, &Failure{Text: "the client takes a branch that must not be taken"}
	case r.c.Xfail != "":
		o.Verdict, o.Reason = XPass, r.c.Xfail
	case r.verdict == "inconclusive":
		o.Verdict, o.Reason = Inconclusive, "the client takes a branch that says nothing"
	case r.verdict == "latitude":
		o.Verdict = Latitude
	}
}
