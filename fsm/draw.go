package fsm

import (
	"slices"
	"strconv"
	"strings"
)

// The drawings know how to show the table and refuse to know anything that the
// table does not say: every label is computed from [Edges]. Only the short notes on
// the states and the places of the boxes in the picture are written by hand.
//
// All of them follow one rule, because the whole machine at once is unreadable:
//
//   - one arrow per pair of states, its labels joined;
//   - what can happen in any live state (421, malformed, lost, expired, abort) is
//     said in words and not drawn;
//   - a reply that changes nothing is drawn only if it is progress, such as one more
//     recipient; refusals that stay are not;
//   - what is legal only for commands already in flight stands in parentheses.

//go:generate go run ../internal/gen -root ..

// Phase is the part of a session that a state belongs to; drawings colour by it.
type Phase uint8

// The phases.
const (
	PhaseOpening     Phase = iota // from nothing to a session, TLS and AUTH included
	PhaseReady                    // between mail transactions
	PhaseTransaction              // a mail transaction is open (RFC 5321 §3.3)
	PhaseClosed                   // over, in order
	PhaseFailed                   // over, by accident
	numPhases
)

var phaseNames = [numPhases]string{"opening", "ready", "transaction", "closed", "failed"}

// String returns the phase's name in lower case.
func (p Phase) String() string {
	if p < numPhases {
		return phaseNames[p]
	}
	return "phase(" + strconv.Itoa(int(p)) + ")"
}

// MarshalText makes phases readable in JSON.
func (p Phase) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// Phase returns the phase that s belongs to.
func (s State) Phase() Phase {
	switch {
	case s == Closed:
		return PhaseClosed
	case s == Failed:
		return PhaseFailed
	case s == Ready:
		return PhaseReady
	case s.InTransaction():
		return PhaseTransaction
	}
	return PhaseOpening
}

var notes = [numStates]string{
	Idle:           "nothing has happened",
	Connecting:     "awaiting the network",
	Greeting:       "the server speaks first",
	Greeted:        "EHLO comes next",
	Legacy:         "HELO comes next",
	Refused:        "QUIT comes next",
	Handshake:      "TLS, nothing else",
	Authenticating: "a challenge is open",
	Ready:          "no mail transaction is open",
	Sender:         "MAIL was accepted",
	Recipients:     "a RCPT was accepted",
	Chunks:         "a BDAT was accepted",
	Content:        "the message follows",
	LoneDot:        "no recipient stands: “.”",
	Spoiled:        "RSET comes next",
	Closed:         "over, in order",
	Failed:         "over, by accident",
}

// Note says in a few words what s means, for drawings; "" for what is no state.
func (s State) Note() string {
	if s < numStates {
		return notes[s]
	}
	return ""
}

// Arrow is what a drawing shows between two states: all edges of one pair of states.
type Arrow struct {
	From, To State
	Edges    []Edge // at least one, in the order of the inputs
}

// Arrows returns the arrows of the drawings in the order of the states. Together
// they hold every edge that moves, except the signals that are legal in any live
// state, and those edges that stay where they are and are progress all the same.
func Arrows() []Arrow {
	var all []Arrow
	for _, e := range Edges() {
		if !drawn(e) {
			continue
		}
		k := slices.IndexFunc(all, func(a Arrow) bool { return a.From == e.From && a.To == e.To })
		if k < 0 {
			k = len(all)
			all = append(all, Arrow{From: e.From, To: e.To})
		}
		all[k].Edges = append(all[k].Edges, e)
	}
	slices.SortStableFunc(all, func(a, b Arrow) int {
		if a.From != b.From {
			return int(a.From) - int(b.From)
		}
		return int(a.To) - int(b.To)
	})
	return all
}

// drawn reports whether a drawing shows e.
func drawn(e Edge) bool {
	if e.Input.Signal() {
		return !e.To.Over()
	}
	if e.From == e.To {
		return !e.InFlight && (e.Input.Class() == Positive || e.Input.Class() == Intermediate)
	}
	return true
}

// ID returns a name for the arrow that never changes while its states keep theirs:
// the id of its element in DOT and SVG.
func (a Arrow) ID() string { return edgeID(a.From, a.To) }

// InFlight reports whether nothing but replies to commands already in flight can
// take the arrow (RFC 2920 §3.1).
func (a Arrow) InFlight() bool {
	return !slices.ContainsFunc(a.Edges, func(e Edge) bool { return !e.InFlight })
}

// Label returns all labels of the arrow in one line.
func (a Arrow) Label() string {
	var all []string
	for _, l := range a.Labels() {
		all = append(all, l.String())
	}
	return strings.Join(all, ", ")
}

// Labels returns the arrow's labels: commands that are moved by the same classes of
// replies share one.
func (a Arrow) Labels() []Label {
	var all []Label
	for _, e := range a.Edges {
		if e.Input.Signal() {
			all = append(all, Label{Words: []string{e.Input.String()}})
			continue
		}
		c := e.Input.Command().String()
		if n := len(all); n > 0 && all[n-1].Words[0] == c {
			all[n-1].Classes = append(all[n-1].Classes, e.Input.Class())
			continue
		}
		all = append(all, Label{Words: []string{c}, Classes: []Class{e.Input.Class()}, InFlight: e.InFlight})
	}
	var joined []Label
	for _, l := range all {
		k := slices.IndexFunc(joined, func(j Label) bool {
			return len(l.Classes) > 0 && slices.Equal(j.Classes, l.Classes) && j.InFlight == l.InFlight
		})
		if k < 0 {
			joined = append(joined, l)
			continue
		}
		joined[k].Words = append(joined[k].Words, l.Words...)
	}
	return joined
}

// Refs returns the paragraphs that say so, each once.
func (a Arrow) Refs() []string {
	var all []string
	for _, e := range a.Edges {
		if !slices.Contains(all, e.Ref) {
			all = append(all, e.Ref)
		}
	}
	return all
}

// Label is a part of an arrow's inscription: "EHLO LHLO 2yz".
type Label struct {
	Words    []string // commands, or one signal
	Classes  []Class  // of the replies to them; none for a signal
	InFlight bool
}

// What returns the words: "EHLO LHLO".
func (l Label) What() string { return strings.Join(l.Words, " ") }

// Replies returns the classes: "4yz 5yz"; "any" is all of them and no reply, too.
func (l Label) Replies() string {
	if len(l.Classes) == int(numClasses) {
		return "any"
	}
	var all []string
	for _, c := range l.Classes {
		all = append(all, c.String())
	}
	return strings.Join(all, " ")
}

// String returns the label as drawings without formatting write it, in parentheses
// if it is for commands in flight only.
func (l Label) String() string {
	s := strings.TrimSpace(l.What() + " " + l.Replies())
	if l.InFlight {
		return "(" + s + ")"
	}
	return s
}

func stateID(s State) string   { return "fsm-state-" + s.String() }
func edgeID(a, b State) string { return "fsm-edge-" + a.String() + "-" + b.String() }
