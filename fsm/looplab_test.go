package fsm_test

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	looplab "github.com/looplab/fsm"

	"github.com/parley-mail/parley/fsm"
)

// OnEnter is told of every move and of nothing that stays, once, in order, and
// before Fire returns.
func TestOnEnterOrder(t *testing.T) {
	m := fsm.NewLooplab()
	defer m.Release()
	var got []string
	m.OnEnter = func(from, to fsm.State, by fsm.Input) {
		if m.State() != to {
			t.Errorf("entering %v while State is %v", to, m.State())
		}
		got = append(got, fmt.Sprintf("%v %v %v", from, by, to))
	}
	for _, i := range []fsm.Input{
		fsm.Dial, fsm.Up, fsm.On(fsm.Connect, fsm.Positive), fsm.On(fsm.Ehlo, fsm.Positive),
		fsm.On(fsm.Mail, fsm.Permanent), fsm.On(fsm.Mail, fsm.Positive), fsm.On(fsm.Rcpt, fsm.Positive),
		fsm.On(fsm.Rcpt, fsm.Positive), fsm.On(fsm.Quit, fsm.Gone),
	} {
		mustFire(t, m, i)
		got = append(got, ".")
	}
	if _, err := m.Fire(fsm.Up); err == nil {
		t.Error("a closed session goes up")
	}
	want := []string{
		"idle dial connecting", ".", "connecting up greeting", ".", "greeting CONNECT 2yz greeted", ".",
		"greeted EHLO 2yz ready", ".", ".", "ready MAIL 2yz sender", ".", "sender RCPT 2yz recipients", ".", ".",
		"recipients QUIT gone closed", ".",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// A machine from the pool knows nothing of whom its engine served before, wherever
// that one ended.
func TestReleasedMachinesStartAnew(t *testing.T) {
	for end, path := range shortestPaths(t) {
		old := fsm.NewLooplab()
		for _, i := range path {
			mustFire(t, old, i)
		}
		old.OnEnter = func(from, to fsm.State, _ fsm.Input) { t.Errorf("a released machine sees %v to %v", from, to) }
		old.Release()
		old.Release()
		if old.State() != end || old.Inner() != nil {
			t.Errorf("released in %v: state %v, inner %v", end, old.State(), old.Inner())
		}
		a, b := fsm.NewLooplab(), fsm.NewLooplab()
		if a.Inner() == b.Inner() {
			t.Fatal("two machines share an engine")
		}
		for _, m := range []*fsm.Looplab{a, b} {
			if m.State() != fsm.Idle || m.Inner().Current() != "idle" {
				t.Errorf("after a release in %v: %v, %q", end, m.State(), m.Inner().Current())
			}
			mustFire(t, m, fsm.Dial)
			m.Release()
		}
	}
}

// An engine that contradicts the table, or was left by a panic, does not come back.
func TestBrokenEnginesAreDropped(t *testing.T) {
	contradicts := func(m *fsm.Looplab) { m.Inner().SetState("closed"); _, _ = m.Fire(fsm.Dial) }
	panics := func(m *fsm.Looplab) {
		m.OnEnter = func(_, _ fsm.State, _ fsm.Input) { panic("hook") }
		_, _ = m.Fire(fsm.Dial)
	}
	fires := func(m *fsm.Looplab) {
		m.OnEnter = func(_, _ fsm.State, _ fsm.Input) { _, _ = m.Fire(fsm.Up) }
		_, _ = m.Fire(fsm.Dial)
	}
	for want, misuse := range map[string]func(*fsm.Looplab){
		"fsm: looplab refuses dial in state idle": contradicts,
		"hook":                          panics,
		"fsm: Fire called from OnEnter": fires,
	} {
		t.Run(want, func(t *testing.T) {
			m := fsm.NewLooplab()
			inner := m.Inner()
			func() {
				defer func() {
					if got := fmt.Sprint(recover()); !strings.HasPrefix(got, want) {
						t.Errorf("panic %q, want %q", got, want)
					}
				}()
				misuse(m)
			}()
			m.Release()
			var taken []*fsm.Looplab
			for range 16 {
				n := fsm.NewLooplab()
				if n.Inner() == inner {
					t.Error("a broken engine came back")
				}
				mustFire(t, n, fsm.Dial)
				taken = append(taken, n)
			}
			for _, n := range taken {
				n.Release()
			}
		})
	}
}

// The library's own drawing of its machine has the arrows of ours that move.
func TestVisualiserHasTheSameEdges(t *testing.T) {
	m := fsm.NewLooplab()
	defer m.Release()
	var want []string
	for _, e := range fsm.Edges() {
		if e.From != e.To {
			name := strings.ToLower(e.Input.String())
			name = strings.NewReplacer(" ", "_", "-", "_", "+", "p").Replace(name)
			want = append(want, fmt.Sprintf("%v %s %v", e.From, name, e.To))
		}
	}
	slices.Sort(want)
	mermaid, err := looplab.VisualizeForMermaidWithGraphType(m.Inner(), looplab.StateDiagram)
	if err != nil {
		t.Fatal(err)
	}
	for name, drawing := range map[string]struct {
		text, arrow string
		order       [3]int // from, event, to
	}{
		"Graphviz": {looplab.Visualize(m.Inner()), `"(\w+)" -> "(\w+)" \[ label = "(\w+)" \]`, [3]int{1, 3, 2}},
		"Mermaid":  {mermaid, `(?m)^ +(\w+) --> (\w+): (\w+)$`, [3]int{1, 3, 2}},
	} {
		t.Run(name, func(t *testing.T) {
			var got []string
			for _, a := range regexp.MustCompile(drawing.arrow).FindAllStringSubmatch(drawing.text, -1) {
				got = append(got, a[drawing.order[0]]+" "+a[drawing.order[1]]+" "+a[drawing.order[2]])
			}
			slices.Sort(got)
			if diff := cmp.Diff(want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// Both machines answer any sequence of inputs alike.
func FuzzMachines(f *testing.F) {
	for _, path := range shortestPaths(f) {
		var octets []byte
		for _, i := range path {
			octets = append(octets, byte(i))
		}
		f.Add(octets)
	}
	f.Fuzz(func(t *testing.T, inputs []byte) {
		compiled, lab := &fsm.Compiled{}, fsm.NewLooplab()
		defer lab.Release()
		for _, i := range inputs {
			a, errA := compiled.Fire(fsm.Input(i))
			b, errB := lab.Fire(fsm.Input(i))
			if a != b || fmt.Sprint(errA) != fmt.Sprint(errB) || lab.Inner().Current() != a.String() {
				t.Fatalf("%v: compiled %v, %v; looplab %v, %v", fsm.Input(i), a, errA, b, errB)
			}
		}
	})
}

func BenchmarkFold(b *testing.B) {
	flight := []fsm.Command{fsm.Mail, fsm.Rcpt, fsm.Rcpt, fsm.Rcpt, fsm.Data}
	b.ReportAllocs()
	for b.Loop() {
		s := fsm.Ready
		for _, c := range flight {
			s = fsm.Fold(s, c)
		}
	}
}

func BenchmarkMay(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		_ = fsm.May(fsm.Recipients, fsm.Data)
	}
}

func BenchmarkNewLooplab(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		fsm.NewLooplab().Release()
	}
}
