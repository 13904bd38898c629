package conformance

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Merge makes one report of all runs against the same peer: same kind, name and version.
// A case on which all conclusive runs agree has their verdict, any other is [Unstable].
// The reports come in the order of their peers: engines, clients, servers, and then as
// given.
func Merge(reports []*Report) []*Report {
	var merged []*Report
	var runs [][]*Report
	for _, r := range reports {
		i := slices.IndexFunc(merged, func(m *Report) bool { return m.Peer.same(r.Peer) })
		if i < 0 {
			i = len(merged)
			merged, runs = append(merged, &Report{Peer: r.Peer}), append(runs, nil)
		}
		runs[i] = append(runs[i], r)
	}
	for i, m := range merged {
		if len(runs[i]) == 1 {
			merged[i] = runs[i][0]
		} else {
			m.merge(runs[i])
		}
	}
	slices.SortStableFunc(merged, func(a, b *Report) int { return cmp.Compare(a.Peer.Kind.rank(), b.Peer.Kind.rank()) })
	return merged
}

func (p Peer) same(q Peer) bool {
	return p.Name == q.Name && p.Version == q.Version && p.Kind.rank() == q.Kind.rank()
}

// rank orders the kinds; no kind is the engine's.
func (k PeerKind) rank() int {
	return slices.Index([]PeerKind{EnginePeer, ClientPeer, ServerPeer}, cmp.Or(k, EnginePeer))
}

func (r *Report) merge(runs []*Report) {
	votes := map[string][]*Outcome{}
	times := map[Taken]int{}
	for _, run := range runs {
		r.Runs += max(1, run.Runs)
		r.Strict = r.Strict || run.Strict
		if run.Peer.When.After(r.Peer.When) {
			r.Peer.When = run.Peer.When
		}
		r.Controls = append(r.Controls, run.Controls...)
		for _, o := range run.Outcomes {
			if votes[o.Case.ID] == nil {
				r.Outcomes = append(r.Outcomes, o)
			}
			votes[o.Case.ID] = append(votes[o.Case.ID], o)
		}
		r.Coverage = bothCoverages(r.Coverage, run.Coverage)
		for _, e := range run.Edges {
			key := Taken{From: e.From, By: e.By}
			if times[key] == 0 {
				r.Edges = append(r.Edges, key)
			}
			times[key] += e.Times
		}
	}
	for i, e := range r.Edges {
		r.Edges[i].Times = times[e]
	}
	for i, o := range r.Outcomes {
		r.Outcomes[i] = agreed(votes[o.Case.ID])
	}
}

// agreed returns what several runs of a case say together, and shows the dialogue of the
// worst of them.
func agreed(votes []*Outcome) *Outcome {
	worst := slices.MaxFunc(votes, func(a, b *Outcome) int {
		return cmp.Or(cmp.Compare(a.conclusive(), b.conclusive()), cmp.Compare(a.Verdict, b.Verdict))
	})
	sum := *worst
	sum.Plays, sum.Duration = 0, 0
	counts := map[Verdict]int{}
	kinds := map[Verdict]bool{}
	for _, o := range votes {
		sum.Plays += o.Plays
		sum.Duration += o.Duration
		counts[o.Verdict]++
		if o.conclusive() > 0 {
			kinds[o.Verdict] = true
		}
	}
	if len(counts) > 1 {
		var all []string
		for _, v := range Verdicts() {
			if counts[v] > 0 {
				all = append(all, fmt.Sprintf("%d %v", counts[v], v))
			}
		}
		sum.Reason = strings.TrimPrefix(sum.Reason+"; ", "; ") + fmt.Sprintf("of %d runs: %s", len(votes), strings.Join(all, ", "))
	}
	if len(kinds) > 1 {
		sum.Verdict = Unstable
	}
	return &sum
}

// conclusive returns 1 if the verdict says something about the peer, and else 0.
func (o *Outcome) conclusive() int {
	if o.Verdict == Skip || o.Verdict == Inconclusive {
		return 0
	}
	return 1
}

// bothCoverages returns what two runs have reached together: what is missing in both is
// missing.
func bothCoverages(a, b []Measure) []Measure {
	if a == nil || b == nil {
		return append(a, b...)
	}
	var both []Measure
	for _, m := range a {
		i := slices.IndexFunc(b, func(o Measure) bool { return o.Name == m.Name })
		if i >= 0 {
			m.Missing = slices.DeleteFunc(slices.Clone(m.Missing), func(s string) bool { return !slices.Contains(b[i].Missing, s) })
			m.Hit = m.All - len(m.Missing)
		}
		both = append(both, m)
	}
	return both
}
