package fsm

import (
	"context"
	"fmt"
	"sync"

	looplab "github.com/looplab/fsm"
)

// Looplab is the table run by github.com/looplab/fsm: the same answers as
// [Compiled], about a hundred times the cost, and a machine that the tools of that
// library can show. It is the independent oracle for Compiled.
//
// Rules of use, each for a trap of the library. An illegal input never reaches it:
// it would scan its whole map. A step that stays does not reach it: it would report
// an error. Event gets no caller's context: a cancelled one wedges the machine for
// good, and so does a panic in a callback. The one callback only records; an Event
// from inside a callback deadlocks or reorders. An engine that did not come back from
// an Event in order is dropped, not pooled.
//
// A Looplab is made by [NewLooplab]; it is not safe for concurrent use.
type Looplab struct {
	// OnEnter, if set, is called after each change of state. It must not fire.
	OnEnter func(from, to State, by Input)

	engine *engine // nil: released, or dropped
	state  State
	by     Input
	firing bool // inside the library
}

// engine is what is pooled: the library's machine and whom it serves now.
type engine struct {
	machine *looplab.FSM
	owner   *Looplab
}

// NewLooplab returns a machine in Idle, with an engine from the pool if it has one.
func NewLooplab() *Looplab {
	e, ok := engines.Get().(*engine)
	if !ok {
		e = newEngine()
	}
	e.owner = &Looplab{engine: e}
	return e.owner
}

func newEngine() *engine {
	e := &engine{}
	e.machine = looplab.NewFSM(Idle.String(), looplabEvents(), looplab.Callbacks{
		"enter_state": func(_ context.Context, event *looplab.Event) { e.owner.entered(event.Dst) },
	})
	return e
}

// State returns the current state.
func (m *Looplab) State() State { return m.state }

// Fire implements [Machine]. It panics if the library contradicts the table, which
// somebody who moved [Looplab.Inner] by hand can bring about, and if called from
// OnEnter.
func (m *Looplab) Fire(i Input) (State, error) {
	if m.firing {
		panic("fsm: Fire called from OnEnter")
	}
	to, ok := Next(m.state, i)
	if !ok {
		return m.state, &IllegalError{m.state, i}
	}
	if to == m.state {
		return to, nil
	}
	m.by, m.firing = i, true
	if err := m.engine.machine.Event(context.Background(), eventNames[i]); err != nil {
		panic(fmt.Sprintf("fsm: looplab refuses %v in state %v: %v", i, m.state, err))
	}
	m.firing = false
	return m.state, nil
}

// Release gives the engine back to the pool. State stays what it was; to fire
// afterwards is a mistake and panics. Releasing twice is harmless.
func (m *Looplab) Release() {
	e := m.engine
	m.engine, m.OnEnter = nil, nil
	if e == nil || m.firing {
		return
	}
	e.owner = nil
	e.machine.SetState(Idle.String())
	engines.Put(e)
}

// Inner returns the library's own machine, to be looked at and drawn; nil after
// Release.
func (m *Looplab) Inner() *looplab.FSM {
	if m.engine == nil {
		return nil
	}
	return m.engine.machine
}

// entered records what the library says, so that State is its word and not ours.
func (m *Looplab) entered(name string) {
	from := m.state
	m.state = stateByName[name]
	if m.OnEnter != nil {
		m.OnEnter(from, m.state, m.by)
	}
}

// engines keeps what is released: making one costs some 30 µs and 30 KB.
var engines sync.Pool

var stateByName = func() map[string]State {
	names := make(map[string]State, numStates)
	for s := range numStates {
		names[s.String()] = s
	}
	return names
}()

// eventNames writes the inputs as the library's drawings can bear them: [a-z0-9_]+.
var eventNames = func() (names [numInputs]string) {
	for i := range numInputs {
		name := []byte(i.String())
		for k, c := range name {
			switch {
			case c >= 'A' && c <= 'Z':
				name[k] = c + 'a' - 'A'
			case c == '+':
				name[k] = 'p'
			case c == ' ' || c == '-':
				name[k] = '_'
			}
		}
		names[i] = string(name)
	}
	return names
}()

// looplabEvents lists the moves; steps that stay are answered without the library.
func looplabEvents() looplab.Events {
	var events looplab.Events
	for _, e := range Edges() {
		if e.From != e.To {
			events = append(events, looplab.EventDesc{
				Name: eventNames[e.Input], Src: []string{e.From.String()}, Dst: e.To.String(),
			})
		}
	}
	return events
}
