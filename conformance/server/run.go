package server

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/parley-mail/parley/conformance"
)

// Plan says how a server is judged.
type Plan struct {
	Target   Target
	Peer     conformance.Peer // as the report names it
	Checks   []*Check
	Controls []*Check          // played before and after; if one fails nothing else means anything
	Strict   bool              // latitude is a finding too
	Expected map[string]string // id to reason: known to fail
	Each     func(*conformance.Outcome)
	Again    string // the command that runs one check, without the check's id
}

// Controls returns the checks below server/sanity.
func Controls(checks []*Check) []*Check {
	var all []*Check
	for _, c := range checks {
		if strings.HasPrefix(c.ID, "server/sanity/") {
			all = append(all, c)
		}
	}
	return all
}

// Run judges the server. An error means that it cannot be spoken to at all.
func Run(ctx context.Context, plan Plan) (*conformance.Report, error) {
	r := &runner{ctx: ctx, t: plan.Target.withDefaults(), plan: plan, run: "parley-" + rand.Text()[:8]}
	var err error
	if r.offered, err = r.t.look(ctx); err != nil {
		return nil, err
	}
	report := &conformance.Report{Peer: plan.Peer, Strict: plan.Strict}
	report.Controls = r.controls()
	for _, c := range plan.Checks {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if len(report.Controls) > 0 {
			report.Outcomes = append(report.Outcomes, &conformance.Outcome{Case: c.Case()})
			continue
		}
		o := r.outcome(c)
		report.Outcomes = append(report.Outcomes, o)
		if plan.Each != nil {
			plan.Each(o)
		}
	}
	if len(report.Controls) == 0 {
		report.Controls = r.controls()
	}
	if len(report.Controls) > 0 {
		for _, o := range report.Outcomes {
			o.Verdict, o.Reason = conformance.Inconclusive, "the control "+report.Controls[0].Case.ID+" fails"
		}
	}
	return report, nil
}

type runner struct {
	ctx     context.Context
	t       Target
	plan    Plan
	offered survey
	run     string // begins every id of this run
	plays   int
	replies []*reply
}

// controls plays the control checks and returns those that do not pass. One that needs
// what is not there says nothing.
func (r *runner) controls() []*conformance.Outcome {
	var failed []*conformance.Outcome
	for _, c := range r.plan.Controls {
		if o := r.outcome(c); o.Verdict == conformance.Fail || o.Verdict == conformance.Inconclusive && o.Plays > 0 {
			failed = append(failed, o)
		}
	}
	return failed
}

// rank orders verdicts: the highest of all plays of a check is the check's.
var rank = map[conformance.Verdict]int{
	conformance.Skip: 0, conformance.Pass: 1, conformance.Latitude: 2, conformance.Inconclusive: 3, conformance.Fail: 4,
}

// outcome plays a check in all ways and says what came of it.
func (r *runner) outcome(c *Check) *conformance.Outcome {
	o := &conformance.Outcome{Case: c.Case(), Verdict: conformance.Skip, Again: strings.TrimSpace(r.plan.Again + " " + c.ID)}
	begin := time.Now()
	defer func() { o.Duration = time.Since(begin) }()
	values := c.value
	if c.each == "" {
		values = []string{""}
	}
	var unmet error
	for _, value := range values {
		if err := r.needs(c, value); err != nil {
			unmet = err
			continue
		}
		if r.all(c, value, o); o.Verdict == conformance.Fail {
			break
		}
	}
	var wrong mismatch
	switch {
	case o.Plays == 0 && errors.As(unmet, &wrong):
		o.Verdict, o.Reason = conformance.Skip, unmet.Error()
	case o.Plays == 0:
		o.Verdict, o.Reason = conformance.Inconclusive, unmet.Error()
	}
	r.expected(o)
	return o
}

// expected turns the verdict on what is known to fail.
func (r *runner) expected(o *conformance.Outcome) {
	reason, known := r.plan.Expected[o.Case.ID]
	switch {
	case !known:
	case o.Verdict == conformance.Fail:
		o.Verdict, o.Reason = conformance.XFail, reason
	case o.Verdict == conformance.Pass, o.Verdict == conformance.Latitude:
		o.Verdict, o.Reason = conformance.XPass, reason
	}
}

// mismatch is a need of another kind of server.
type mismatch struct{ error }

// needs returns why the check cannot be played with this value.
func (r *runner) needs(c *Check, value string) error {
	for _, word := range c.Needs {
		if c.each != "" {
			word = strings.ReplaceAll(word, "{"+c.each+"}", value)
		}
		reason := r.t.need(word, &r.offered)
		switch {
		case reason == "":
		case word == "smtp" || word == "lmtp" || word == "open":
			return mismatch{fmt.Errorf("for a server of another kind: %s", reason)}
		default:
			return errors.New(reason)
		}
	}
	return nil
}

// all plays a check with one value, whole, then in all splits or cuts that it asks for.
func (r *runner) all(c *Check, value string, o *conformance.Outcome) {
	id := fmt.Sprintf("%s-%d.", r.run, r.plays)
	first := r.play(c, value, id, 0, o)
	more := first.length
	if first.cuts > 0 {
		more = first.cuts
	}
	for n := 1; n < more && o.Verdict != conformance.Fail && r.ctx.Err() == nil; n++ {
		r.play(c, value, id, n, o)
	}
}

// play plays once, and keeps the worst verdict.
func (r *runner) play(c *Check, value, id string, n int, o *conformance.Outcome) *play {
	r.plays++
	p := newPlay(r.ctx, &r.t, c, r.t.vars(id))
	p.n = n
	if c.each != "" {
		p.vars[c.each] = value
	}
	cuts := c.cuts()
	p.mail = cuts == 0 || n == cuts-1
	p.run()
	for _, q := range p.peers {
		r.replies = append(r.replies, q.all...)
	}
	for i := range c.steps {
		if s := &c.steps[i]; s.kind == every && !p.over() {
			p.census(s, r.replies)
		}
	}
	o.Plays++
	if rank[p.verdict] >= rank[o.Verdict] {
		o.Verdict = p.verdict
		if p.reason != "" {
			o.Reason, o.Wire = p.reason, p.log.lines
		}
	}
	if p.failure != nil {
		o.Reason, o.Failure, o.Wire = "", p.failure, p.log.lines
		switch {
		case value != "":
			o.Failure.Text += " (" + c.each + " is " + value + ")"
		case n > 0:
			o.Failure.Text += fmt.Sprintf(" (in variant %d)", n)
		}
	}
	return p
}

// cuts returns up to how many octets are left away at the end, 0 for a check without.
func (c *Check) cuts() int {
	for i := range c.steps {
		if c.steps[i].cut > 0 {
			return c.steps[i].cut
		}
	}
	return 0
}
