package conformance

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/parley-mail/parley/conformance/smtpt"
	"github.com/parley-mail/parley/events"
	"github.com/parley-mail/parley/fsm"
	"github.com/parley-mail/parley/session"
)

// play is one play of a case: the driver of the engine, the server that the script
// describes, a clock that only the script moves, and a bystander. One goroutine, no
// waiting.
type play struct {
	c     *Case
	prog  *program
	v     Variant
	eng   Engine
	table *fsm.Table
	mon   monitor

	out    []byte // octets of the client that the script has not accounted for
	writes []int  // ends of writes in out

	turn    []byte // octets of the server to be delivered together
	borders []int  // where they are cut
	turns   []int  // lengths of the turns, for the splits
	fed     int    // octets of the server delivered
	lines   int    // lines of the server played

	now      time.Duration
	deadline time.Duration // 0: nothing is awaited
	heard    int           // replies when the deadline was set
	verified bool          // inside TLS with a certificate that was verified
	over     bool          // nothing more of the script can happen: the connection is gone
	stalled  bool          // the client's octets are not taken

	bus    events.Bus
	events []happening
	seen   int      // events that E: has passed
	moves  []string // as "ready -> sender (MAIL 2yz)"
	passed int      // moves that F: has passed
	trace  *tracer

	mails           []*letter
	requests        []*session.Request
	called          int      // calls to send so far
	mailed          []uint64 // the transactions whose MAIL was sent, in order
	refusedRequests []error
	bdat            int  // octets of the chunk that follows; -1: none
	free            bool // inside a free group

	walk    *walk // the server goes by chance; nil: by the script
	keep    bool  // write the log
	rec     *recorder
	wire    []Line
	verdict string // of a branch taken
	failure *Failure
}

// happening is an event as it is matched: its kind, and its fields where they are
// needed.
type happening struct {
	kind events.Kind
	json []byte
}

// letter is a message in a play.
type letter struct {
	*mail
	tx   session.Transaction
	sent int   // octets of content given
	err  error // it was not taken
	done bool
}

// Failure is why a case does not pass.
type Failure struct {
	Pos  smtpt.Pos // line of the script; zero: not at a line
	Text string
	Want string // what was expected, in the notation of scripts
	Got  string
}

func (p *play) fail(at smtpt.Pos, want, got, format string, args ...any) {
	if p.failure == nil {
		p.failure = &Failure{at, fmt.Sprintf(format, args...), want, got}
	}
}

var errReset = errors.New("connection reset by peer")

// run plays the whole case.
func (p *play) run(maker Maker) {
	o := p.prog.settings
	cfg := o.cfg
	cfg.Strict = p.v.Profile == Strict
	cfg.Events = &p.bus
	p.trace = &tracer{inner: &fsm.Compiled{}}
	cfg.Table = p.table
	if p.table != nil {
		p.trace.inner = p.table.Machine()
	}
	if p.v.Looplab {
		looplab := fsm.NewLooplab()
		defer looplab.Release()
		p.trace.inner = looplab
	}
	cfg.Machine = p.trace
	p.bus.Subscribe(p.prog.wanted, p.note)
	p.mon.lmtp, p.mon.secret, p.mon.extra = cfg.LMTP, o.policy.AllowPlaintext, p.prog.extra
	p.eng = maker(cfg)
	if p.walk != nil {
		p.walk.play(p)
	} else {
		p.eng.Dialing()
		if !o.implicit && !p.prog.dial {
			p.connected()
		}
		p.steps(p.c.Script.Steps)
		p.flush()
	}
	p.finish()
}

func (p *play) connected() {
	link := session.Link{Host: p.prog.settings.link.Host, Port: p.prog.settings.link.Port}
	if p.prog.settings.implicit {
		link = p.link()
		p.verified = true
	}
	p.eng.Connected(link)
	p.pump()
}

// link is what the transport declares when TLS is there.
func (p *play) link() session.Link { return p.prog.settings.link }

// note takes an event.
func (p *play) note(e events.Event) {
	h := happening{kind: e.Kind()}
	if p.keep || p.v.Way == Whole || p.v.Way == Octets {
		h.json = events.AppendJSON(nil, e)
	}
	switch e := e.(type) {
	case *events.StateChanged:
		p.forks(e.To)
		p.moves = append(p.moves, e.From.String()+" -> "+e.To.String()+" ("+e.By.String()+")")
		if p.keep {
			p.record("F", "%s", p.moves[len(p.moves)-1])
		}
	case *events.CommandSent:
		if e.Command.OpensTransaction() {
			p.mailed = append(p.mailed, e.About().Transaction)
		}
	}
	p.trace.event(e)
	p.events = append(p.events, h)
}

// pump does what the engine wants until it waits for the server.
func (p *play) pump() {
	for range 100000 {
		if p.stalled {
			return
		}
		n := len(p.out)
		for _, v := range p.eng.Output() {
			p.out = append(p.out, v...)
		}
		if len(p.out) > n {
			p.eng.Wrote(int64(len(p.out) - n))
			p.writes = append(p.writes, len(p.out))
			p.client(p.out[n:])
			p.deadline = 0
			continue
		}
		w := p.eng.Wants()
		switch {
		case w.Has(session.WantCredentials):
			o := p.prog.settings
			if o.noCreds {
				p.eng.NoCredentials(errors.New("there are none"))
			} else {
				p.eng.Authenticate(o.creds, o.policy)
			}
		case w.Has(session.WantBody) && (p.walk == nil || !p.walk.tarries(p)):
			if !p.body() {
				p.fail(smtpt.Pos{}, "", "", "the client asks for content that nobody has")
				return
			}
		case w.Has(session.WantClose):
			p.eng.CloseDone()
			if p.keep {
				p.record("X", "client-fin")
			}
			p.over = true
		default:
			p.arm(w)
			return
		}
	}
	p.fail(smtpt.Pos{}, "", "", "the engine does not come to rest")
}

// arm sets the deadline anew when a reply has come or something was written. A reply
// that comes in drops does not move it.
func (p *play) arm(w session.Want) {
	switch {
	case !w.Has(session.WantRead):
		p.deadline = 0
	case p.deadline == 0 || p.heard != p.mon.heard:
		patience := p.eng.Patience()
		if patience <= 0 {
			p.fail(smtpt.Pos{}, "", "", "an answer is awaited and no timer runs, in state %v", p.eng.State())
			return
		}
		p.deadline, p.heard = p.now+patience, p.mon.heard
		p.trace.armed(p.eng)
	}
}

// body gives the engine the next piece of content.
func (p *play) body() bool {
	for _, l := range p.mails {
		if l.stream == 0 || l.tx.ID() == 0 || l.tx.Done() || l.done {
			continue
		}
		if p.walk != nil && p.walk.interrupts(p) {
			return true
		}
		n := min(l.stream, len(l.content)-l.sent)
		if l.failAt >= 0 && l.sent+n > l.failAt {
			n = l.failAt - l.sent
		}
		if l.failAt >= 0 && l.sent >= l.failAt {
			l.done = true
			p.eng.BodyFailed(errors.New("the source of the content fails"))
			return true
		}
		piece := l.content[l.sent : l.sent+n]
		l.sent += n
		l.done = l.sent == len(l.content) && l.failAt < 0
		p.eng.Body(piece, l.done)
		return true
	}
	return false
}

// client notes what the client has said.
func (p *play) client(octets []byte) {
	p.mon.sent(octets)
	p.rec.octets("C", octets)
	if p.keep {
		p.recordOctets("C", octets)
	}
}

// deliver gives octets of the server to the engine.
func (p *play) deliver(octets []byte) {
	if len(octets) == 0 || p.over {
		return
	}
	p.rec.octets("S", octets)
	if p.keep {
		p.recordOctets("S", octets)
	}
	p.mon.said(octets)
	p.trace.gone = false
	p.eng.Receive(octets)
	p.fed += len(octets)
	switch {
	case p.trace.broken:
		p.trace.violated(p.eng.Err())
	case p.trace.gone && p.mon.garbage:
		p.trace.cells = append(p.trace.cells, cell{p.trace.where, ClassMalformed})
	}
	if p.mon.dead != "" {
		p.mustBeOver(p.mon.dead)
	}
}

// mustBeOver holds the engine to it that some things end a session.
func (p *play) mustBeOver(why string) {
	if !p.eng.State().Over() {
		p.fail(smtpt.Pos{}, "the end of the session", "state "+p.eng.State().String(), "the session goes on after %s", why)
	}
}

// flush delivers what the server has said since the client last had its turn.
func (p *play) flush() {
	if len(p.turn) == 0 {
		return
	}
	turn, borders := p.turn, p.borders
	p.turn, p.borders = nil, nil
	p.turns = append(p.turns, len(turn))
	if p.v.Way == Cut && p.fed+len(turn) >= p.v.N {
		p.deliver(turn[:p.v.N-p.fed])
		p.pump()
		p.lost(io.EOF)
		p.over = true
		return
	}
	switch p.v.Way {
	case Octets:
		for i := range turn {
			p.deliver(turn[i : i+1])
		}
	case Split:
		n := min(p.v.N, len(turn))
		p.deliver(turn[:n])
		p.deliver(turn[n:])
	case PerLine:
		for from := 0; from < len(turn); {
			to := from + 1 + bytes.IndexByte(turn[from:], '\n')
			if to == from {
				to = len(turn)
			}
			p.deliver(turn[from:to])
			from = to
		}
	default:
		from := 0
		for _, to := range append(borders, len(turn)) {
			if to > from && to <= len(turn) {
				p.deliver(turn[from:to])
				from = to
			}
		}
	}
	p.pump()
}

func (p *play) lost(err error) {
	p.rec.lost(p.eng.State(), err)
	if p.keep {
		p.record("X", "%v", err)
	}
	p.trace.lost(err, p.mon.partial)
	p.eng.Lost(err)
	p.mustBeOver("the loss of the connection")
	p.pump()
}

func (p *play) expire() {
	p.rec.line("X: stall")
	if p.keep {
		p.record("T", "patience has run out")
	}
	p.trace.expired(p.eng, p.stalled)
	p.deadline = 0
	p.stalled = false
	p.eng.Expire()
	p.mustBeOver("its patience")
	p.pump()
}

func (p *play) abort() {
	p.rec.line("call abort")
	if p.keep {
		p.record("", "the caller gives up")
	}
	p.trace.cell(ClassCancelled)
	p.eng.Abort(errors.New("the caller has changed his mind"))
	p.mustBeOver("the caller's change of mind")
	p.pump()
}

// advance lets time pass.
func (p *play) advance(d time.Duration) {
	end := p.now + d
	for p.deadline > 0 && p.deadline <= end && !p.over {
		p.now = p.deadline
		p.expire()
	}
	p.now = end
}

// record writes a line of the log.
func (p *play) record(by, format string, args ...any) {
	p.wire = append(p.wire, Line{At: p.now, By: by, Text: fmt.Sprintf(format, args...)})
}

func (p *play) recordOctets(by string, octets []byte) {
	p.wire = AppendWire(p.wire, p.now, by, p.mon.secure, octets)
}
