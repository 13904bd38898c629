package conformance

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"regexp"
	"slices"
	"sync"

	"github.com/parley-mail/parley/conformance/smtpt"
)

// Session plays one session that octets decide: caller, options, and what the server
// says, of which much is malformed. It is a [Walk] without its good manners. When the
// octets are used up the session ends. What must hold is what holds for every case.
func Session(data []byte, opt Options) *Outcome {
	sum := sha256.Sum256(data)
	w := &walk{rng: &octets{data}, wild: true}
	o := w.session("fuzz/"+hex.EncodeToString(sum[:6]), 0, opt)
	if o.Failure == nil || opt.log {
		return o
	}
	opt.log, opt.Facts, opt.seen = true, nil, nil
	return Session(data, opt)
}

// chooser makes the choices of a walk.
type chooser interface{ IntN(n int) int }

// octets are choices: one octet each, two where there are many ways to go.
type octets struct{ data []byte }

// IntN returns the next choice, 0 if there is none left.
func (o *octets) IntN(n int) int {
	v := 0
	for width := n - 1; width > 0 && len(o.data) > 0; width >>= 8 {
		v = v<<8 | int(o.data[0])
		o.data = o.data[1:]
	}
	return v % n
}

// Fuzzer looks for sessions in which something is wrong. It keeps plans that come by
// something new of the table, and changes them. Several goroutines may use it.
type Fuzzer struct {
	opt Options

	mu    sync.Mutex
	plans *Corpus
	pairs map[[2]edge]bool
	cells map[cell]bool
}

// NewFuzzer returns a fuzzer whose choices follow from the seed, if one goroutine uses it.
func NewFuzzer(seed uint64, opt Options) *Fuzzer {
	return &Fuzzer{opt: opt, plans: NewCorpus(seed), pairs: map[[2]edge]bool{}, cells: map[cell]bool{}}
}

// Seen returns how many plans are kept, and how many pairs of rows and cells of the table
// were come by.
func (f *Fuzzer) Seen() (plans, pairs, cells int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.plans.kept), len(f.pairs), len(f.cells)
}

// Finding is a plan by which something is wrong, made as short as it can be.
type Finding struct {
	Data    []byte
	Outcome *Outcome
	Case    *Case // the session as a transcript
	Shown   bool  // it fails when the transcript is played
}

// newFinding writes a session down. The transcript loses what it does not need.
func newFinding(data []byte, opt Options) *Finding {
	f := &Finding{Data: data, Outcome: Session(data, opt)}
	script, err := smtpt.Parse(f.Outcome.Case.ID, f.Outcome.transcribed())
	if err != nil {
		return f
	}
	if f.Case, err = NewCase(f.Outcome.Case.ID, script); err != nil {
		return f
	}
	if o := Run(f.Case, opt); o.Failure != nil && o.Failure.Text != saysElse {
		f.Case, f.Shown = MinimizeCase(f.Case, opt), true
	}
	return f
}

// Next plays one session. It returns nil if nothing is wrong with it.
func (f *Fuzzer) Next() *Finding {
	f.mu.Lock()
	data := f.plans.Next()
	f.mu.Unlock()
	opt := f.opt
	opt.seen = func(_ *Case, _ Variant, t *tracer) { f.note(data, t) }
	o := Session(data, opt)
	if o.Failure == nil {
		return nil
	}
	data = Minimize(data, func(less []byte) bool {
		other := Session(less, f.opt)
		return other.Failure != nil && kind(other.Failure) == kind(o.Failure)
	})
	return newFinding(data, f.opt)
}

// note notes what a play has come by, and keeps its plan if anything of it is new.
func (f *Fuzzer) note(data []byte, t *tracer) {
	f.mu.Lock()
	defer f.mu.Unlock()
	n := len(f.pairs) + len(f.cells)
	for i := 1; i < len(t.edges); i++ {
		f.pairs[[2]edge{t.edges[i-1], t.edges[i]}] = true
	}
	for _, c := range t.cells {
		f.cells[c] = true
	}
	if len(f.pairs)+len(f.cells) > n {
		f.plans.Keep(data)
	}
}

// Minimize takes away what it can while fails holds: stretches, then octets, and then
// makes octets 0.
func Minimize(data []byte, fails func([]byte) bool) []byte {
	data = shrink(data, fails)
	for i := range data {
		if data[i] == 0 {
			continue
		}
		less := bytes.Clone(data)
		if less[i] = 0; fails(less) {
			data = less
		}
	}
	return shrink(data, fails)
}

// shrink leaves out stretches of items, long ones first, while fails holds.
func shrink[T any](items []T, fails func([]T) bool) []T {
	for n := (len(items) + 1) / 2; n > 0; n /= 2 {
		for i := 0; i < len(items); {
			less := slices.Delete(slices.Clone(items), i, min(i+n, len(items)))
			if fails(less) {
				items = less
			} else {
				i += n
			}
		}
	}
	return items
}

var particulars = regexp.MustCompile(`"[^"]*"|[0-9]+|(?s:goroutine .*)`)

// kind is what a failure is about, without its particulars.
func kind(f *Failure) string {
	if f.Pos.Line > 0 {
		return f.Text + f.Want // at a line of a script
	}
	return particulars.ReplaceAllString(f.Text, "…")
}

// MinimizeCase leaves out what it can of a case's script while it fails for the same
// reason. The case itself stays as it is.
func MinimizeCase(c *Case, opt Options) *Case {
	first := Run(c, opt)
	if first.Failure == nil {
		return c
	}
	with := func(steps []smtpt.Step) *Case {
		less, script := *c, *c.Script
		script.Steps = steps
		less.Script = &script
		return &less
	}
	return with(shrink(c.Script.Steps, func(steps []smtpt.Step) bool {
		o := Run(with(steps), opt)
		return o.Failure != nil && kind(o.Failure) == kind(first.Failure)
	}))
}
