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
// good. The one callback only records; an Event from inside a callback deadlocks or
// reorders. A machine that returned an error is dropped, not pooled.
type Looplab struct {
	// OnEnter, if set, is called after each change of state. It must not fire.
	OnEnter func(from, to State, by Input)

	machine *looplab.FSM
	state   State
	by      Input
}

// NewLooplab returns a machine in Idle, from the pool if it has one.
func NewLooplab() *Looplab {
	if m, ok := looplabs.Get().(*Looplab); ok {
		return m
	}
	m := &Looplab{}
	m.machine = looplab.NewFSM(Idle.String(), looplabEvents(), looplab.Callbacks{
		"enter_state": func(_ context.Context, e *looplab.Event) { m.entered(e.Dst) },
	})
	return m
}

// State returns the current state.
func (m *Looplab) State() State { return m.state }

// Fire implements [Machine].
func (m *Looplab) Fire(i Input) (State, error) {
	to, ok := Next(m.state, i)
	if !ok {
		return m.state, &IllegalError{m.state, i}
	}
	if to == m.state {
		return to, nil
	}
	m.by = i
	if err := m.machine.Event(context.Background(), eventName(i)); err != nil {
		m.machine = nil
		panic(fmt.Sprintf("fsm: looplab refuses %v in state %v: %v", i, m.state, err))
	}
	return m.state, nil
}

// Release puts the machine back into the pool. It must not be used afterwards.
func (m *Looplab) Release() {
	if m.machine == nil {
		return
	}
	m.OnEnter = nil
	m.machine.SetState(Idle.String())
	m.state = Idle
	looplabs.Put(m)
}

// Inner returns the library's own machine, to be looked at and drawn.
func (m *Looplab) Inner() *looplab.FSM { return m.machine }

// entered records what the library says, so that State is its word and not ours.
func (m *Looplab) entered(name string) {
	from := m.state
	m.state = stateByName[name]
	if m.OnEnter != nil {
		m.OnEnter(from, m.state, m.by)
	}
}

// looplabs keeps released machines: making one costs some 30 µs and 30 KB.
var looplabs sync.Pool

var stateByName = func() map[string]State {
	names := make(map[string]State, numStates)
	for s := range numStates {
		names[s.String()] = s
	}
	return names
}()

// eventName writes an input as the library's drawings can bear it: [a-z0-9_]+.
func eventName(i Input) string { return eventNames[i] }

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
				Name: eventName(e.Input), Src: []string{e.From.String()}, Dst: e.To.String(),
			})
		}
	}
	return events
}
