package conformance

import (
	"slices"

	"github.com/parley-mail/parley/codec"
	"github.com/parley-mail/parley/fsm"
	"github.com/parley-mail/parley/session"
)

// guard is a condition that decides what the client does where the table leaves it a
// choice: what the server offers, what a message needs, what the caller wants. It is
// looked at whenever one of its states is entered.
type guard struct {
	name  string
	in    []fsm.State
	holds func(*play) bool
}

// fork is a guard that was seen in a state, with its value.
type fork struct {
	guard int
	state fsm.State
	holds bool
}

// String returns "ready: CHUNKING is offered: false".
func (f fork) String() string {
	s := f.state.String() + ": " + guards[f.guard].name + ": "
	if f.holds {
		return s + "true"
	}
	return s + "false"
}

var (
	inGreeted   = []fsm.State{fsm.Greeted}
	inLegacy    = []fsm.State{fsm.Legacy, fsm.Ready}
	inReady     = []fsm.State{fsm.Ready}
	inEnvelope  = []fsm.State{fsm.Sender, fsm.Recipients}
	inContent   = []fsm.State{fsm.Content}
	inPipelined = []fsm.State{fsm.Ready, fsm.Sender, fsm.Recipients}
)

var guards = slices.Concat([]guard{
	{"it is LMTP", inGreeted, func(p *play) bool { return p.cfg().LMTP }},
	{"EHLO is left out", inGreeted, func(p *play) bool { return p.cfg().NoExtensions }},
	{"the link is secure", []fsm.State{fsm.Greeted, fsm.Ready}, func(p *play) bool { return p.mon.secure }},
	{"the certificate is verified", []fsm.State{fsm.Greeted, fsm.Ready}, func(p *play) bool { return p.verified }},
	{"TLS is wanted", inReady, func(p *play) bool { return p.cfg().StartTLS != session.StartTLSNever }},
	{"TLS is required", inLegacy, func(p *play) bool { return p.cfg().StartTLS == session.StartTLSOrNothing }},
	{"AUTH is asked for", inLegacy, func(p *play) bool { return p.cfg().Authenticate }},
	{"credentials can be had", inReady, func(p *play) bool { return !p.prog.settings.noCreds }},
	{"a password may go out in clear", inReady, func(p *play) bool { return p.prog.settings.policy.AllowPlaintext }},
	{"a password may go to anybody", inReady, func(p *play) bool { return p.prog.settings.policy.AllowUnverified }},
	{"old mechanisms are allowed", inReady, func(p *play) bool { return p.prog.settings.policy.Legacy }},
	{"pipelining is allowed", inPipelined, func(p *play) bool { return !p.cfg().Serial }},
	{"messages may overlap", inReady, func(p *play) bool { return p.cfg().Overlap > 1 }},
	{"the window is narrow", inPipelined, func(p *play) bool { return p.cfg().Window > 0 && p.cfg().Window < 512 }},
	{"RSET comes before each message", inReady, func(p *play) bool { return p.cfg().RsetEach }},
	{"octets over 127 go out unasked", inReady, func(p *play) bool { return p.cfg().Raw8Bit }},
	{"BDAT is preferred", inEnvelope, func(p *play) bool { return p.cfg().Data == session.DataBDAT }},
	{"DATA is insisted on", inEnvelope, func(p *play) bool { return p.cfg().Data == session.DataOnly }},
	{"somebody is indispensable", inEnvelope, func(p *play) bool { return p.some(func(l *letter) bool { return l.tx.Required != nil }) }},
	{"there are several recipients", inEnvelope, func(p *play) bool { return p.some(func(l *letter) bool { return len(l.env.Recipients) > 1 }) }},
	{"content comes in pieces", inContent, func(p *play) bool { return p.some(func(l *letter) bool { return l.stream > 0 }) }},
	{"a message waits", inReady, func(p *play) bool { return p.some(func(*letter) bool { return true }) }},
	{"a message asks for RFC 821 delivery", inReady, func(p *play) bool { return p.some(func(l *letter) bool { return l.tx.Verb > fsm.Mail }) }},
}, offers("PIPELINING", "CHUNKING", "STARTTLS", "AUTH", "SIZE", "8BITMIME", "SMTPUTF8", "DSN", "BINARYMIME", "DELIVERBY", "FUTURERELEASE",
	"MT-PRIORITY", "REQUIRETLS", "LIMITS"), []guard{
	needing("8BITMIME", func(l *letter) bool { return l.tx.Body == codec.Body8BitMIME }),
	needing("BINARYMIME", func(l *letter) bool { return l.tx.Body == codec.BodyBinaryMIME }),
	needing("SMTPUTF8", func(l *letter) bool { return l.tx.UTF8 }),
	needing("DSN", func(l *letter) bool { return l.env.Params.Return != "" }),
	needing("DELIVERBY", func(l *letter) bool { return l.env.Params.DeliverBy != nil }),
	needing("FUTURERELEASE", func(l *letter) bool { return l.env.Params.HoldFor > 0 }),
	needing("MT-PRIORITY", func(l *letter) bool { return l.env.Params.HasMTPriority }),
	needing("REQUIRETLS", func(l *letter) bool { return l.env.Params.RequireTLS }),
	needing("AUTH", func(l *letter) bool { return l.env.Params.Auth != "" }),
	needing("more SIZE than there is", func(l *letter) bool { return l.tx.Octets > 1000000 }),
	{"parameters may be left out", inReady, func(p *play) bool { return p.some(func(l *letter) bool { return l.tx.MayDrop != 0 }) }},
})

// offers makes guards for what the server offers.
func offers(keywords ...string) (all []guard) {
	for _, k := range keywords {
		all = append(all, guard{k + " is offered", inReady, func(p *play) bool {
			_, ok := p.mon.offered[k]
			return ok
		}})
	}
	return all
}

// needing makes a guard for what a message needs.
func needing(what string, needs func(*letter) bool) guard {
	return guard{"a message needs " + what, inReady, func(p *play) bool { return p.some(needs) }}
}

func (p *play) cfg() *session.Config { return &p.prog.settings.cfg }

// some reports whether a message that is not decided is so.
func (p *play) some(is func(*letter) bool) bool {
	for _, l := range p.mails {
		if l.err == nil && !l.tx.Done() && is(l) {
			return true
		}
	}
	return false
}

// forks looks at the guards of a state that has just been entered.
func (p *play) forks(s fsm.State) {
	for _, i := range guardsIn[s] {
		p.trace.forks = append(p.trace.forks, fork{i, s, guards[i].holds(p)})
	}
}

// guardsIn are the guards that are read in a state.
var guardsIn = func() map[fsm.State][]int {
	all := map[fsm.State][]int{}
	for i, g := range guards {
		for _, s := range g.in {
			all[s] = append(all[s], i)
		}
	}
	return all
}()

func possibleForks() (all []fork) {
	for i, g := range guards {
		for _, s := range g.in {
			all = append(all, fork{i, s, true}, fork{i, s, false})
		}
	}
	return all
}
