package conformance

import (
	"github.com/parley-mail/parley/codec"
	"github.com/parley-mail/parley/events"
	"github.com/parley-mail/parley/fsm"
)

// tracer is a machine that notes what it is fed, for the figures of coverage.
type tracer struct {
	inner fsm.Machine
	edges []edge
	cells []cell
	fired []timer
}

// edge is a row of the table that was taken.
type edge struct {
	from fsm.State
	by   fsm.Input
}

// cell is something that happened in a state.
type cell struct {
	state fsm.State
	what  Class
}

// timer is what became of the wait for an answer.
type timer struct {
	cmd  fsm.Command
	what timerFate
}

type timerFate uint8

const (
	timerArmed timerFate = iota
	timerCancelled
	timerFired
)

// Class is a class of what can happen to a client in a state.
type Class uint8

// The classes.
const (
	ClassPositive Class = iota
	ClassIntermediate
	ClassTransient
	ClassPermanent
	ClassClosing   // 421
	ClassFarewell  // 221 unasked
	ClassMalformed // no reply
	ClassMismatch  // a reply that the command cannot get
	ClassOversize
	ClassUnsolicited
	ClassEOF      // between replies
	ClassEOFReply // within one
	ClassReset
	ClassTimeout
	ClassTLSDone
	ClassTLSFailed
	ClassCancelled
	numClasses
)

var classNames = [numClasses]string{
	"2yz", "3yz", "4yz", "5yz", "421", "221-unasked", "malformed", "code-mismatch", "oversize", "unsolicited", "eof-idle",
	"eof-mid-reply", "rst", "timeout", "tls-ok", "tls-fail", "caller-cancel",
}

// String returns the class's name.
func (c Class) String() string { return classNames[c] }

// State implements [fsm.Machine].
func (t *tracer) State() fsm.State { return t.inner.State() }

// Fire implements [fsm.Machine].
func (t *tracer) Fire(i fsm.Input) (fsm.State, error) {
	from := t.inner.State()
	to, err := t.inner.Fire(i)
	if err == nil {
		t.edges = append(t.edges, edge{from, i})
	}
	return to, err
}

func (t *tracer) cell(what Class) { t.cells = append(t.cells, cell{t.inner.State(), what}) }

// event notes what an event says about the server.
func (t *tracer) event(e events.Event, _ Engine) {
	switch e := e.(type) {
	case *events.ReplyReceived:
		t.fired = append(t.fired, timer{e.Command, timerCancelled})
		switch {
		case e.Reply.Code == 421:
			t.cell(ClassClosing)
		case e.Reply.Code == 221 && e.Command != fsm.Quit:
			t.cell(ClassFarewell)
		default:
			t.cell(Class(fsm.ClassOf(e.Reply.Code)))
		}
		if e.Reply.Anomalies.Has(codec.MixedClasses) || e.Reply.Anomalies.Has(codec.MixedCodes) {
			t.cell(ClassMismatch)
		}
	case *events.Violation:
		t.cell(ClassMalformed)
	}
}

func (t *tracer) armed(e Engine) {
	if a, ok := e.(interface{ Awaited() (fsm.Command, bool) }); ok {
		if cmd, ok := a.Awaited(); ok {
			t.fired = append(t.fired, timer{cmd, timerArmed})
		}
	}
}

func (t *tracer) expired(e Engine) {
	t.cell(ClassTimeout)
	if a, ok := e.(interface{ Awaited() (fsm.Command, bool) }); ok {
		if cmd, ok := a.Awaited(); ok {
			t.fired = append(t.fired, timer{cmd, timerFired})
		}
	}
}

func (t *tracer) lost(_ Engine, err error, partial bool) {
	switch {
	case err == errReset:
		t.cell(ClassReset)
	case partial:
		t.cell(ClassEOFReply)
	default:
		t.cell(ClassEOF)
	}
}

func (t *tracer) tls(_ Engine, ok bool) {
	if ok {
		t.cell(ClassTLSDone)
	} else {
		t.cell(ClassTLSFailed)
	}
}

func (t *tracer) canceled(Engine) { t.cell(ClassCancelled) }
