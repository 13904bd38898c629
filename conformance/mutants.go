package conformance

import (
	"slices"
	"strings"
	"sync"

	"github.com/parley-mail/parley/fsm"
)

// Mutants returns every engine that is known to be wrong: those with a fault made by
// hand, then those with one row of the table changed.
func Mutants() []Mutant { return slices.Clone(mutants()) }

var mutants = sync.OnceValue(func() []Mutant {
	var all []Mutant
	for _, f := range faults {
		all = append(all, Mutant{Name: f.name, About: f.about, Options: Options{Make: f.fault.make}})
	}
	return append(all, tableMutants()...)
})

// LookupMutant returns the mutant of that name.
func LookupMutant(name string) (Mutant, bool) {
	for _, m := range mutants() {
		if m.Name == name {
			return m, true
		}
	}
	return Mutant{}, false
}

// single is a row for one state.
type single struct {
	fsm.Exchange
	state fsm.State
}

// tableMutants changes the table in each place in which it can be wrong: a reply that
// is not known, one that leads elsewhere, classes that are mixed up, a command that is
// not sent or sent where it must not be, a signal that is not heeded.
func tableMutants() []Mutant {
	var rows []single
	for _, x := range fsm.Exchanges() {
		for _, s := range x.In {
			row := x
			row.In = []fsm.State{s}
			rows = append(rows, single{row, s})
		}
	}
	var all []Mutant
	add := func(name, about string, exchanges []fsm.Exchange, jumps []fsm.Jump, touches []edge) {
		all = append(all, Mutant{Name: name, About: about, Options: Options{Table: fsm.Compile(exchanges, jumps)}, touches: touches})
	}
	with := func(i int, change func(*fsm.Exchange)) []fsm.Exchange {
		out := make([]fsm.Exchange, len(rows))
		for k := range rows {
			out[k] = rows[k].Exchange
		}
		change(&out[i])
		return out
	}
	jumps := fsm.Jumps()
	for i, row := range rows {
		where := row.Command.String() + "@" + row.state.String()
		if row.InFlight {
			where += "(in flight)"
		}
		for class, to := range row.On {
			name := where + ":" + fsm.Class(class).String()
			here := []edge{{row.state, fsm.On(row.Command, fsm.Class(class))}}
			if to == fsm.Fault {
				add("allow:"+name, "knows a reply that the command cannot get",
					with(i, func(x *fsm.Exchange) { x.On[class] = fsm.Stay }), jumps, here)
				continue
			}
			add("drop:"+name, "does not know the reply",
				with(i, func(x *fsm.Exchange) { x.On[class] = fsm.Fault }), jumps, here)
			other := fsm.Stay
			if to == fsm.Stay || to == row.state {
				other = elsewhere(row.state)
			}
			add("redirect:"+name, "is led elsewhere by the reply",
				with(i, func(x *fsm.Exchange) { x.On[class] = other }), jumps, here)
		}
		var all []edge // any reply to the command, wherever it comes
		for _, s := range fsm.States() {
			for _, class := range []fsm.Class{fsm.Positive, fsm.Intermediate, fsm.Transient, fsm.Permanent} {
				all = append(all, edge{s, fsm.On(row.Command, class)})
			}
		}
		if !row.InFlight {
			add("unsent:"+where, "does not send the command there",
				with(i, func(x *fsm.Exchange) { x.InFlight = true }), jumps, all)
		}
		if a, b := row.On[0], row.On[3]; a != b && a != fsm.Fault && b != fsm.Fault {
			add("swap:"+where, "takes 2yz for 5yz and 5yz for 2yz",
				with(i, func(x *fsm.Exchange) { x.On[0], x.On[3] = b, a }), jumps, all)
		}
	}
	plain := make([]fsm.Exchange, len(rows))
	for k := range rows {
		plain[k] = rows[k].Exchange
	}
	for i, j := range jumps {
		for k, s := range j.In {
			cut := slices.Clone(jumps)
			cut[i].In = slices.Delete(slices.Clone(j.In), k, k+1)
			add("deaf:"+j.Signal.String()+"@"+s.String(), "does not heed the signal", plain, cut, []edge{{s, j.Signal}})
		}
	}
	slices.SortStableFunc(all, func(a, b Mutant) int { return strings.Compare(a.Name, b.Name) })
	return all
}

// elsewhere is a state that a reply in s must not lead to.
func elsewhere(s fsm.State) fsm.State {
	if s == fsm.Ready {
		return fsm.Sender
	}
	return fsm.Ready
}

// Kill is the case that tells a mutant from the honest engine.
type Kill struct {
	Mutant  Mutant
	Case    *Case // nil: it lives
	Variant Variant
	Plays   int
	How     string
}

// Hunter finds the cases that kill mutants.
type Hunter struct {
	cases []*Case
	atlas func() *atlas
}

// NewHunter returns a hunter. For the first mutant of the table it plays the cases against
// the honest engine, to know which of them can tell what.
func NewHunter(cases []*Case, workers int) *Hunter {
	return &Hunter{cases, sync.OnceValue(func() *atlas { return survey(cases, workers) })}
}

// Hunt runs cases against a mutant until one fails, and then walks. A mutant of the table
// meets the plays that come by the place; others meet all cases, those that are there for
// it in all ways.
func (h *Hunter) Hunt(m Mutant) Kill {
	k := h.byCases(m)
	for seed := uint64(0); k.Case == nil && seed < huntWalks; seed++ {
		k.Plays++
		if o := Walk(seed, m.Options); o.Failure != nil {
			k.Case, k.Variant, k.How = o.Case, o.Variant, o.Failure.Text
		}
	}
	return k
}

// huntWalks is how many walks a mutant meets that no case finds.
const huntWalks = 3000

func (h *Hunter) byCases(m Mutant) Kill {
	k := Kill{Mutant: m}
	if m.Options.Table != nil {
		for _, s := range h.atlas().by(m.touches) {
			if k.try(s.c, s.v) {
				break
			}
		}
		return k
	}
	cases := preferred(h.cases, m.Name)
	for _, c := range cases {
		opt := m.Options
		if opt.Sweeps = slices.Contains(c.Kills, m.Name); !opt.Sweeps {
			for _, p := range c.Profiles {
				if k.try(c, Variant{Profile: p}) {
					return k
				}
			}
			continue
		}
		o := Run(c, opt)
		k.Plays += o.Plays
		if o.Failure != nil {
			k.Case, k.Variant, k.How = c, o.Variant, o.Failure.Text
			return k
		}
	}
	for _, c := range cases[:min(len(cases), sweptCases)] {
		opt := m.Options
		opt.Sweeps = true
		o := Run(c, opt)
		k.Plays += o.Plays
		if o.Failure != nil {
			k.Case, k.Variant, k.How = c, o.Variant, o.Failure.Text
			return k
		}
	}
	return k
}

// sweptCases bounds how many cases are played in all ways against a mutant that no case
// finds as it is written.
const sweptCases = 40

// try plays one variant and reports whether the mutant is found out.
func (k *Kill) try(c *Case, v Variant) bool {
	if v.Looplab && k.Mutant.Table != nil {
		return false // looplab/fsm has the standard table
	}
	opt := k.Mutant.Options
	opt.Only = &v
	o := Run(c, opt)
	k.Plays += o.Plays
	if o.Failure == nil {
		return false
	}
	k.Case, k.Variant, k.How = c, v, o.Failure.Text
	return true
}

// preferred puts the cases that say they kill the mutant first.
func preferred(cases []*Case, name string) []*Case {
	out := slices.Clone(cases)
	slices.SortStableFunc(out, func(a, b *Case) int {
		x, y := slices.Contains(a.Kills, name), slices.Contains(b.Kills, name)
		switch {
		case x && !y:
			return -1
		case y && !x:
			return 1
		}
		return 0
	})
	return out
}

// All hunts several mutants at once; the kills are in the order of the mutants.
func (h *Hunter) All(mutants []Mutant, workers int) []Kill {
	kills := make([]Kill, len(mutants))
	indices := make([]int, len(mutants))
	for i := range indices {
		indices[i] = i
	}
	parallel(workers, indices, func(i int) { kills[i] = h.Hunt(mutants[i]) })
	return kills
}
