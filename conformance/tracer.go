package conformance

import (
	"errors"
	"slices"

	"github.com/parley-mail/parley/codec"
	"github.com/parley-mail/parley/events"
	"github.com/parley-mail/parley/fsm"
	"github.com/parley-mail/parley/session"
)

// tracer is a machine that notes what it is fed, for the figures of coverage.
type tracer struct {
	inner fsm.Machine
	edges []edge
	odd   []edge // replies for which there is no row
	cells []cell
	fired []timer
	forks []fork

	answered bool // the reply that is being taken answers a command
	broken   bool // the server has broken the protocol, in the state where
	gone     bool // QUIT was answered by nothing, or by what is none, in the state where
	where    fsm.State
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
	ClassWriteStall
	ClassCaller // wants something
	ClassCancelled
	numClasses
)

var classNames = [numClasses]string{
	"2yz", "3yz", "4yz", "5yz", "421", "221-unasked", "malformed", "code-mismatch", "oversize", "unsolicited", "eof-idle",
	"eof-mid-reply", "rst", "timeout", "tls-ok", "tls-fail", "write-stall", "caller-input", "caller-cancel",
}

// String returns the class's name.
func (c Class) String() string { return classNames[c] }

// State implements [fsm.Machine].
func (t *tracer) State() fsm.State { return t.inner.State() }

// Fire implements [fsm.Machine].
func (t *tracer) Fire(i fsm.Input) (fsm.State, error) {
	from := t.inner.State()
	to, err := t.inner.Fire(i)
	if err != nil {
		return to, err
	}
	t.edges = append(t.edges, edge{from, i})
	switch {
	case i == fsm.Shutdown && !t.answered:
		t.cells = append(t.cells, cell{from, ClassUnsolicited})
	case i == fsm.On(fsm.Quit, fsm.Gone):
		t.gone, t.where = true, from
	}
	t.answered = false
	return to, nil
}

func (t *tracer) cell(what Class) { t.cells = append(t.cells, cell{t.inner.State(), what}) }

// event notes what an event says about the server.
func (t *tracer) event(e events.Event) {
	switch e := e.(type) {
	case *events.ReplyReceived:
		t.answered = true
		t.fired = append(t.fired, timer{e.Command, timerCancelled})
		class := fsm.ClassOf(e.Reply.Code)
		switch _, ok := fsm.Next(t.inner.State(), fsm.On(e.Command, class)); {
		case e.Reply.Code == 421:
			t.cell(ClassClosing)
		case e.Reply.Code == 221 && e.Command != fsm.Quit:
			t.cell(ClassFarewell)
		case ok:
			t.cell(Class(class))
		default:
			t.odd = append(t.odd, edge{t.inner.State(), fsm.On(e.Command, class)})
		}
	case *events.Violation:
		t.broken, t.where = true, e.State
	}
}

// violated notes what kind of violation it was, once the engine has said so.
func (t *tracer) violated(err error) {
	what := ClassMalformed
	var e *session.Error
	if errors.As(err, &e) {
		switch {
		case slices.Contains(oversizes, e.Anomaly):
			what = ClassOversize
		case e.Anomaly == codec.Unsolicited:
			what = ClassUnsolicited
		case e.Reply != nil:
			what = ClassMismatch
		}
	}
	t.cells = append(t.cells, cell{t.where, what})
	t.broken = false
}

var oversizes = []codec.Anomaly{codec.LongLine, codec.LongReply, codec.ManyLines}

func (t *tracer) armed(e Engine) {
	if a, ok := e.(interface{ Awaited() (fsm.Command, bool) }); ok {
		if cmd, ok := a.Awaited(); ok {
			t.fired = append(t.fired, timer{cmd, timerArmed})
		}
	}
}

func (t *tracer) expired(e Engine, stalled bool) {
	t.cell(ClassTimeout)
	if stalled && e.Wants().Has(session.WantWrite) {
		t.cell(ClassWriteStall)
	}
	if a, ok := e.(interface{ Awaited() (fsm.Command, bool) }); ok {
		if cmd, ok := a.Awaited(); ok {
			t.fired = append(t.fired, timer{cmd, timerFired})
		}
	}
}

func (t *tracer) lost(err error, partial bool) {
	switch {
	case err == errReset:
		t.cell(ClassReset)
	case partial:
		t.cell(ClassEOFReply)
	default:
		t.cell(ClassEOF)
	}
}
