package fsm

import "fmt"

// Machine is one session's state. Fire moves it by the table, or returns an
// [*IllegalError] and moves nothing.
type Machine interface {
	State() State
	Fire(Input) (State, error)
}

// IllegalError says that the table has no row for an input in a state: the peer
// sent a reply that its command cannot get, or the caller of Fire is wrong.
type IllegalError struct {
	State State
	Input Input
}

// Error implements error.
func (e *IllegalError) Error() string {
	return fmt.Sprintf("fsm: %v cannot happen in state %v", e.Input, e.State)
}

// Compiled is the table as an array: one octet a machine, one look-up a step, no
// allocation. The zero value is a machine in Idle.
type Compiled struct{ state State }

// State returns the current state.
func (m *Compiled) State() State { return m.state }

// Fire implements [Machine].
func (m *Compiled) Fire(i Input) (State, error) {
	to, ok := Next(m.state, i)
	if !ok {
		return m.state, &IllegalError{m.state, i}
	}
	m.state = to
	return to, nil
}

// Next returns where i leads from s, and whether the table has such a row.
func Next(s State, i Input) (State, bool) { return table.Next(s, i) }

// May reports whether c may be sent by a client that stands in s. What may only be
// answered there, having been sent before, may not.
func May(s State, c Command) bool { return table.May(s, c) }

// Fold returns where a client that stands in s will stand when c has got the reply
// it hopes for. It is how the sender's cursor runs ahead of the replies. A command
// with no such row, because s is already beside the plan, leaves s as it is.
func Fold(s State, c Command) State { return table.Fold(s, c) }

// Edge is one legal pair of state and input, and where it leads.
type Edge struct {
	From     State
	Input    Input
	To       State
	InFlight bool // may be answered in From but not sent there
	Ref      string
}

// Edges returns every legal pair in the order of the states and the inputs.
func Edges() []Edge {
	var all []Edge
	for s := range numStates {
		for i := range numInputs {
			if to, ok := Next(s, i); ok {
				all = append(all, Edge{s, i, to, !i.Signal() && i.Class() != Gone && !May(s, i.Command()), table.refs[s][i]})
			}
		}
	}
	return all
}

// none marks the pairs for which the table has no row.
const none = Fault

// Table is a set of rows made ready to be looked up. There is one that speaks SMTP,
// [Standard]; others are made by [Compile], to find out whether the tests of a client
// would notice that a row is wrong.
type Table struct {
	next     [numStates][numInputs]State
	refs     [numStates][numInputs]string
	sendable [numStates]uint32 // bit c: command c may be sent here
}

var table = Compile(exchanges, jumps)

// Standard returns the table of this package, which must not be changed.
func Standard() *Table { return table }

// Next returns where i leads from s, and whether the table has such a row.
func (t *Table) Next(s State, i Input) (State, bool) {
	if s >= numStates || i >= numInputs {
		return s, false
	}
	to := t.next[s][i]
	return to, to != none
}

// May reports whether c may be sent in s.
func (t *Table) May(s State, c Command) bool {
	return s < numStates && c < numCommands && t.sendable[s]&(1<<c) != 0
}

// Fold returns where a client that stands in s will stand when c has got the reply it
// hopes for; s, if there is no such row.
func (t *Table) Fold(s State, c Command) State {
	if to, ok := t.Next(s, On(c, c.Expect())); ok {
		return to
	}
	return s
}

// Machine returns a machine in Idle that runs on t.
func (t *Table) Machine() Machine { return &cursor{table: t} }

// cursor is one session's state in a table.
type cursor struct {
	table *Table
	state State
}

// State returns the current state.
func (m *cursor) State() State { return m.state }

// Fire implements [Machine].
func (m *cursor) Fire(i Input) (State, error) {
	to, ok := m.table.Next(m.state, i)
	if !ok {
		return m.state, &IllegalError{m.state, i}
	}
	m.state = to
	return to, nil
}

// Compile makes a table of rows. Two rows for one pair are a mistake in them: it
// panics, since the last one would win in silence.
func Compile(exchanges []Exchange, jumps []Jump) *Table {
	t := &Table{}
	for s := range t.next {
		for i := range t.next[s] {
			t.next[s][i] = none
		}
	}
	set := func(s State, i Input, to State, ref string) {
		if t.next[s][i] != none {
			panic(fmt.Sprintf("fsm: two rows for %v in state %v", i, s))
		}
		t.next[s][i], t.refs[s][i] = to, ref
	}
	for _, x := range exchanges {
		for _, s := range x.In {
			if !x.InFlight {
				t.sendable[s] |= 1 << x.Command
			}
			for class, to := range x.On {
				switch to {
				case Fault:
				case Stay:
					set(s, On(x.Command, Class(class)), s, x.Ref)
				default:
					set(s, On(x.Command, Class(class)), to, x.Ref)
				}
			}
		}
	}
	for _, j := range jumps {
		for _, s := range j.In {
			set(s, j.Signal, j.To, j.Ref)
		}
	}
	return t
}
