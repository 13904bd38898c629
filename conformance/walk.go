package conformance

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"

	"github.com/parley-mail/parley/conformance/smtpt"
	"github.com/parley-mail/parley/fsm"
	"github.com/parley-mail/parley/session"
)

// Walk plays one session with a server that answers by chance: mostly what is lawful,
// good or bad, and now and then what is not. Caller, options and server follow from the
// seed. What must hold is what holds for every case: the bystander sees nothing wrong,
// and the engine's words are true.
func Walk(seed uint64, opt Options) *Outcome {
	w := &walk{rng: rand.New(rand.NewPCG(seed, 0x5321))}
	o := w.session(fmt.Sprintf("walk/%d", seed), seed%8, opt)
	if o.Failure == nil || opt.log {
		return o
	}
	opt.log, opt.Facts, opt.seen = true, nil, nil
	return Walk(seed, opt)
}

// session makes up a script and plays it; every eighth on looplab.
func (w *walk) session(id string, turn uint64, opt Options) *Outcome {
	o := &Outcome{Case: &Case{ID: id}}
	script, err := smtpt.Parse(id, []byte(w.script()))
	if err == nil {
		o.Case, err = NewCase(id, script)
	}
	var prog *program
	if err == nil {
		prog, err = compile(o.Case)
	}
	if err != nil {
		o.Verdict, o.Failure = Fail, &Failure{Text: err.Error()}
		return o
	}
	o.Variant = Variant{Way: Cut, Looplab: opt.Table == nil && turn == 7} // nothing of a script holds
	p := &play{c: o.Case, prog: prog, v: o.Variant, bdat: -1, table: opt.Table, keep: opt.log}
	if opt.log && w.wild {
		p.rec = &recorder{}
	}
	maker := opt.Make
	if maker == nil {
		maker = Honest
	}
	o.Plays = 1
	p.safely(func(cfg session.Config) Engine {
		p.walk = w
		return maker(cfg)
	})
	opt.Facts.add(p)
	if opt.seen != nil {
		opt.seen(o.Case, o.Variant, p.trace)
	}
	if p.failure != nil {
		o.Verdict, o.Failure, o.Wire, o.Moves = Fail, p.failure, p.wire, p.moves
	}
	if p.rec != nil {
		if w.bold == 0 {
			p.rec.line("!E: violation")
			if !w.rsetRefused && !w.tlsFailed {
				p.rec.line("R: state closed")
			}
		}
		o.transcript = p.rec.lines.String()
	}
	return o
}

// Walks plays count walks from a seed on, several at once, and returns the finding with
// the least seed; nil: there is none.
func Walks(seed uint64, count, workers int, opt Options) *Outcome {
	workers = max(1, workers)
	found := make([]*Outcome, workers)
	numbers := make([]int, workers)
	for i := range numbers {
		numbers[i] = i
	}
	parallel(workers, numbers, func(n int) {
		for i := n; i < count && found[n] == nil; i += workers {
			if o := Walk(seed+uint64(i), opt); o.Verdict.Finding() {
				found[n] = o
			}
		}
	})
	var first *Outcome
	for _, o := range found {
		if o != nil && (first == nil || len(o.Case.ID) < len(first.Case.ID) || len(o.Case.ID) == len(first.Case.ID) && o.Case.ID < first.Case.ID) {
			first = o
		}
	}
	return first
}

// walk is a server, and a caller, that go by chance.
type walk struct {
	rng   chooser
	wild  bool          // what the server says is often malformed
	bold  int           // one answer in a hundred that is unlawful, or an accident, at least
	good  int           // percent of answers that are what the client hopes for
	slow  bool          // content is not always there when it is wanted
	calls []*smtpt.Step // still to be made
	plan  *Provoker     // who the server is instead, for one message

	tlsFailed   bool
	rsetRefused bool
}

func (w *walk) one(words ...string) string { return words[w.rng.IntN(len(words))] }

func (w *walk) percent(n int) bool { return w.rng.IntN(100) < n }

// script makes up what the client is asked to do.
func (w *walk) script() string {
	if w.percent(35) || w.wild && w.percent(50) {
		w.bold = 2 + w.rng.IntN(20)
	}
	w.slow = w.percent(30) && !w.wild // a transcript cannot say so
	w.good = 40 + w.rng.IntN(56)
	var b strings.Builder
	b.WriteString("call open" + w.options() + "\n")
	if strings.Contains(b.String(), "implicit") {
		b.WriteString("TLS: server\n")
	}
	chatty := w.percent(25)
	for range 1 + w.rng.IntN(5) {
		if chatty && w.percent(80) || w.percent(15) {
			b.WriteString("call " + w.one("noop", "verify x", "expand list", "help", "rset", "line XYZZY") + "\n")
			continue
		}
		b.WriteString("call send" + w.message() + "\n")
	}
	return b.String()
}

// options are those of the session.
func (w *walk) options() string {
	var b strings.Builder
	switch {
	case w.percent(20):
		b.WriteString(" lmtp")
	case w.percent(6):
		b.WriteString(" helo")
	}
	b.WriteString(w.one("", "", " tls=opportunistic", " tls=required", " tls=implicit", " tls=opportunistic insecure"))
	b.WriteString(w.one("", "", "", " pipelining=no", " rset", " window=200", " raw8bit"))
	b.WriteString(w.one("", "", " overlap=3", " overlap=2"))
	b.WriteString(w.one("", " data=bdat", " data=bdat", " data=data"))
	if w.percent(30) {
		b.WriteString(" user=user pass=secret " + w.one("plaintext", "plaintext", "unverified", "") + w.one(" legacy", " legacy", ""))
		b.WriteString(w.one(" auth=any", " auth=CRAM-MD5,PLAIN", " auth=LOGIN", " auth=PLAIN,LOGIN", " auth=SCRAM-SHA-256,PLAIN", " creds=none"))
	}
	return b.String()
}

// message is one to be sent, with what it needs of the server.
func (w *walk) message() string {
	var b strings.Builder
	b.WriteString(" from=" + w.one("a@c.example", `""`) + " to=x@s.example")
	for i := range w.rng.IntN(4) {
		fmt.Fprintf(&b, ",r%d@s.example", i)
	}
	b.WriteString(w.one("", "", "", " must=x@s.example"))
	b.WriteString(w.one("", "", " verb=SEND", " verb=SOML", " verb=SAML"))
	b.WriteString(w.one(` body="hi\r\n.\r\nthere\r\n"`, ` body="hi\r\n.\r\nthere\r\n"`, ` body="hi\r\n.\r\nth\xe9re\r\n"`))
	b.WriteString(w.one("", "", " stream=3", " stream=7", " stream=3 fail-after=6"))
	if w.percent(30) {
		b.WriteString(w.one(" utf8", " notify=SUCCESS ret=HDRS", " by=120R", " hold=60", " priority=3", " require-tls", " kind=binary", " mail-auth=a@c.example", " size=2000000"))
		b.WriteString(w.one("", "", " may-drop=SIZE,8BITMIME,SMTPUTF8,DSN,DELIVERBY,FUTURERELEASE,MT-PRIORITY,REQUIRETLS,AUTH"))
	}
	return b.String()
}

// play plays the session to its end.
func (w *walk) play(p *play) {
	for i := range p.c.Script.Steps {
		if s := &p.c.Script.Steps[i]; s.Kind == smtpt.Call {
			w.calls = append(w.calls, s)
		}
	}
	if w.plan != nil {
		w.plan.serve(p, w.calls)
		return
	}
	p.rec.call(w.calls[0]) // call open
	w.calls = w.calls[1:]
	if !w.connect(p) {
		return
	}
	for range 400 {
		if p.over || p.failure != nil || p.eng.State().Over() {
			return
		}
		p.out, p.writes = p.out[:0], p.writes[:0]
		idle := p.mon.greeted && len(p.mon.pending) == 0
		switch {
		case p.eng.Wants().Has(session.WantBody) && (len(p.mon.pending) == 0 || w.percent(50)):
			p.pump()
		case len(w.calls) > 0 && (w.percent(40) || idle && !wantsTLS(p)):
			w.call(p)
		case wantsTLS(p):
			w.handshake(p)
		case idle && p.mon.mode == commands && !w.percent(w.bold):
			p.eng.Quit()
			p.pump()
			if len(p.mon.pending) == 0 && !p.over && !wantsTLS(p) {
				return
			}
		default:
			w.answer(p)
		}
	}
}

func (w *walk) call(p *play) {
	s := w.calls[0]
	w.calls = w.calls[1:]
	p.rec.call(s)
	p.call(s)
}

// connect brings the connection about, or not.
func (w *walk) connect(p *play) bool {
	if w.bold > 0 && w.percent(1) && !w.wild {
		p.abort()
		return false
	}
	p.eng.Dialing()
	for w.percent(10) && len(w.calls) > 1 { // behind the last one comes QUIT
		w.call(p)
	}
	if w.bold > 0 && w.percent(5) {
		w.accident(p)
		return false
	}
	if p.prog.settings.implicit {
		if w.percent(5) {
			w.failTLS(p)
			return false
		}
		p.rec.line("TLS: server")
		p.trace.cell(ClassTLSDone)
		p.mon.secured()
	}
	p.connected()
	return true
}

// wantsTLS reports whether the next step is a handshake.
func wantsTLS(p *play) bool { return p.eng.Wants().Has(session.WantTLS) }

func (w *walk) handshake(p *play) {
	switch {
	case w.percent(10):
		w.failTLS(p)
		return
	case w.percent(w.bold):
		w.unlawful(p)
		return
	}
	link := p.link()
	link.Verified = !p.prog.settings.insecure || w.percent(50)
	if link.Verified {
		p.rec.line("TLS: server")
	} else {
		p.rec.line("TLS: server cert=self-signed")
	}
	p.trace.cell(ClassTLSDone)
	p.verified = link.Verified
	p.mon.secured()
	p.eng.Secured(link)
	p.pump()
}

func (w *walk) failTLS(p *play) {
	w.tlsFailed = true
	p.trace.cell(ClassTLSFailed)
	p.lost(&session.Error{Kind: session.ErrTLS, Detail: "TLS handshake failed"})
}

// lawful says what is wrong with how the client took a server that did nothing wrong: it
// must not be accused, must be left in order, and must have been offered every message.
func (w *walk) lawful(p *play) error {
	if w.bold > 0 || w.tlsFailed || p.eng.State() == fsm.Closed && errors.Is(p.eng.Err(), session.ErrContent) {
		return nil
	}
	err := p.eng.Err()
	switch {
	case errors.Is(err, session.ErrViolation):
		return fmt.Errorf("the server did nothing wrong and is accused: %w", err)
	case p.eng.State() != fsm.Closed && !w.rsetRefused:
		return fmt.Errorf("a session in which nothing was wrong ends in %v: %v", p.eng.State(), err)
	case !p.mon.quit && !w.rsetRefused:
		return fmt.Errorf("the client leaves without QUIT")
	case err != nil:
		return nil
	}
	_, limited := p.mon.offered["LIMITS"]
	for _, l := range p.mails {
		if !limited && l.err == nil && p.witness(l.tx.ID()) == nil && !errors.Is(l.tx.Err(), session.ErrUnsupported) && !errors.Is(l.tx.Err(), session.ErrMisuse) {
			return fmt.Errorf("message %d was never offered: %v", l.tx.ID(), l.tx.Err())
		}
	}
	for i, r := range p.requests {
		if r.Reply.Code == 0 {
			return fmt.Errorf("command %d was never sent", i+1)
		}
	}
	return nil
}
