package fsm_test

import (
	"errors"
	"testing"

	"github.com/parley-mail/parley/fsm"
)

// Both machines must give the same answer to every input in every state, including
// to what is illegal.
func TestMachinesAgreeOnEveryPair(t *testing.T) {
	paths := shortestPaths(t)
	pairs, legal := 0, 0
	for _, s := range fsm.States() {
		for _, i := range fsm.Inputs() {
			compiled, looplab := &fsm.Compiled{}, fsm.NewLooplab()
			for _, step := range paths[s] {
				mustFire(t, compiled, step)
				mustFire(t, looplab, step)
			}
			if compiled.State() != s || looplab.State() != s {
				t.Fatalf("path %v leads to %v and %v, want %v", paths[s], compiled.State(), looplab.State(), s)
			}
			a, errA := compiled.Fire(i)
			b, errB := looplab.Fire(i)
			if a != b || (errA == nil) != (errB == nil) || compiled.State() != looplab.State() {
				t.Errorf("%v in %v: compiled %v, %v; looplab %v, %v", i, s, a, errA, b, errB)
			}
			if looplab.Inner().Current() != looplab.State().String() {
				t.Errorf("%v in %v: the library is in %q, we say %v", i, s, looplab.Inner().Current(), looplab.State())
			}
			var illegal *fsm.IllegalError
			if errA != nil && (!errors.As(errA, &illegal) || illegal.State != s || illegal.Input != i || a != s) {
				t.Errorf("%v in %v: error %v, state %v", i, s, errA, a)
			}
			pairs++
			if errA == nil {
				legal++
			}
			looplab.Release()
		}
	}
	t.Logf("%d pairs, %d legal", pairs, legal)
	if want := len(fsm.Edges()); legal != want {
		t.Errorf("%d legal pairs, Edges lists %d", legal, want)
	}
}

// Every state can be reached from Idle, and from every live state the session can
// end both in order and by accident.
func TestEveryStateIsReachableAndCanEnd(t *testing.T) {
	paths := shortestPaths(t)
	for _, s := range fsm.States() {
		if _, ok := paths[s]; !ok {
			t.Errorf("%v cannot be reached", s)
		}
		if !s.Live() {
			continue
		}
		for _, i := range []fsm.Input{fsm.Shutdown, fsm.Malformed, fsm.Lost, fsm.Expired} {
			if to, ok := fsm.Next(s, i); !ok || to != fsm.Failed {
				t.Errorf("%v in %v leads to %v, %v; want failed", i, s, to, ok)
			}
		}
		if to, ok := fsm.Next(s, fsm.Abort); !ok || to != fsm.Closed {
			t.Errorf("abort in %v leads to %v, %v; want closed", s, to, ok)
		}
	}
	for _, s := range []fsm.State{fsm.Closed, fsm.Failed} {
		for _, i := range fsm.Inputs() {
			if to, ok := fsm.Next(s, i); ok {
				t.Errorf("%v leads out of %v to %v", i, s, to)
			}
		}
	}
}

// What may be sent has a reply of the class hoped for, every command can be sent
// somewhere, and content is never sent on anything but an intermediate reply.
func TestSendableCommandsHaveTheirReply(t *testing.T) {
	sent := map[fsm.Command]bool{fsm.Connect: true}
	for _, s := range fsm.States() {
		for _, c := range fsm.Commands() {
			if !fsm.May(s, c) {
				continue
			}
			sent[c] = true
			if _, ok := fsm.Next(s, fsm.On(c, c.Expect())); !ok {
				t.Errorf("%v may be sent in %v but the reply hoped for has no row", c, s)
			}
		}
	}
	for _, c := range fsm.Commands() {
		if !sent[c] {
			t.Errorf("%v may be sent nowhere", c)
		}
	}
	for _, e := range fsm.Edges() {
		if e.To == fsm.Content && e.From != fsm.Content && e.Input != fsm.On(fsm.Data, fsm.Intermediate) {
			t.Errorf("%v in %v leads to content", e.Input, e.From)
		}
		if e.Ref == "" {
			t.Errorf("%v in %v: no reference", e.Input, e.From)
		}
	}
}

// A group of pipelined commands folds to where it leads when all goes well, and a
// refused MAIL makes the rest moot (RFC 2920 §3.1).
func TestFoldAndMootCommands(t *testing.T) {
	s := fsm.Ready
	for _, c := range []fsm.Command{fsm.Mail, fsm.Rcpt, fsm.Rcpt, fsm.Data, fsm.EndOfData} {
		if !fsm.May(s, c) {
			t.Fatalf("%v may not be sent in %v", c, s)
		}
		s = fsm.Fold(s, c)
	}
	if s != fsm.Ready {
		t.Errorf("the group folds to %v, want ready", s)
	}
	m := machineIn(t, fsm.Ready)
	for _, step := range []struct {
		input fsm.Input
		want  fsm.State
	}{
		{fsm.On(fsm.Mail, fsm.Permanent), fsm.Ready},
		{fsm.On(fsm.Rcpt, fsm.Permanent), fsm.Ready},
		{fsm.On(fsm.Data, fsm.Intermediate), fsm.LoneDot},
		{fsm.On(fsm.EndOfData, fsm.Permanent), fsm.Ready},
	} {
		if got, err := m.Fire(step.input); got != step.want || err != nil {
			t.Errorf("%v: %v, %v; want %v", step.input, got, err, step.want)
		}
	}
	for _, c := range []fsm.Command{fsm.Rcpt, fsm.Data, fsm.BdatLast} {
		if fsm.May(fsm.Ready, c) {
			t.Errorf("%v may be sent in ready", c)
		}
	}
}

func TestCompiledDoesNotAllocate(t *testing.T) {
	m := machineIn(t, fsm.Ready)
	inputs := []fsm.Input{
		fsm.On(fsm.Mail, fsm.Positive), fsm.On(fsm.Rcpt, fsm.Positive),
		fsm.On(fsm.Data, fsm.Intermediate), fsm.On(fsm.EndOfData, fsm.Positive),
	}
	allocs := testing.AllocsPerRun(100, func() {
		for _, i := range inputs {
			if _, err := m.Fire(i); err != nil {
				t.Fatal(err)
			}
		}
	})
	if allocs != 0 {
		t.Errorf("%v allocations a message", allocs)
	}
}

func BenchmarkFire(b *testing.B) {
	inputs := []fsm.Input{
		fsm.On(fsm.Mail, fsm.Positive), fsm.On(fsm.Rcpt, fsm.Positive),
		fsm.On(fsm.Data, fsm.Intermediate), fsm.On(fsm.EndOfData, fsm.Positive),
	}
	for name, m := range map[string]fsm.Machine{"compiled": &fsm.Compiled{}, "looplab": fsm.NewLooplab()} {
		b.Run(name, func(b *testing.B) {
			for _, step := range shortestPaths(b)[fsm.Ready] {
				mustFire(b, m, step)
			}
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				_, _ = m.Fire(inputs[i%len(inputs)])
			}
		})
	}
}

// shortestPaths finds, for each state, inputs that lead there from Idle.
func shortestPaths(t testing.TB) map[fsm.State][]fsm.Input {
	t.Helper()
	paths := map[fsm.State][]fsm.Input{fsm.Idle: nil}
	for queue := []fsm.State{fsm.Idle}; len(queue) > 0; queue = queue[1:] {
		for _, e := range fsm.Edges() {
			if _, seen := paths[e.To]; e.From == queue[0] && !seen {
				paths[e.To] = append(append([]fsm.Input{}, paths[e.From]...), e.Input)
				queue = append(queue, e.To)
			}
		}
	}
	return paths
}

func machineIn(t testing.TB, s fsm.State) *fsm.Compiled {
	t.Helper()
	m := &fsm.Compiled{}
	for _, step := range shortestPaths(t)[s] {
		mustFire(t, m, step)
	}
	return m
}

func mustFire(t testing.TB, m fsm.Machine, i fsm.Input) {
	t.Helper()
	if _, err := m.Fire(i); err != nil {
		t.Fatal(err)
	}
}
