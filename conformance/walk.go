package conformance

import (
	"errors"
	"fmt"
	"io"
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
	text := w.calls()
	id := fmt.Sprintf("walk/%d", seed)
	o := &Outcome{Case: &Case{ID: id}}
	script, err := smtpt.Parse(id, []byte(text))
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
	o.Variant = Variant{Way: Cut, Looplab: opt.Table == nil && seed%8 == 7} // nothing of a script holds
	p := &play{c: o.Case, prog: prog, v: o.Variant, bdat: -1, table: opt.Table, keep: opt.log}
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
	if p.failure == nil {
		return o
	}
	if !opt.log {
		again := opt
		again.log, again.Facts, again.seen = true, nil, nil
		return Walk(seed, again)
	}
	o.Verdict, o.Failure, o.Wire, o.Moves = Fail, p.failure, p.wire, p.moves
	return o
}

// walk is a server, and a caller, that go by chance.
type walk struct {
	rng   *rand.Rand
	bold  bool // now and then something unlawful
	steps []*smtpt.Step

	tlsFailed   bool
	rsetRefused bool
}

func (w *walk) one(words ...string) string { return words[w.rng.IntN(len(words))] }

func (w *walk) percent(n int) bool { return w.rng.IntN(100) < n }

// calls makes up what the client is asked to do.
func (w *walk) calls() string {
	w.bold = w.percent(30)
	var b strings.Builder
	b.WriteString("call open")
	lmtp := w.percent(20)
	if lmtp {
		b.WriteString(" lmtp")
	} else if w.percent(5) {
		b.WriteString(" helo")
	}
	b.WriteString(w.one("", "", "", " tls=opportunistic", " tls=required", " pipelining=no", " rset", " window=200"))
	b.WriteString(w.one("", "", "", " overlap=3", " overlap=2"))
	b.WriteString(w.one("", " data=bdat", " data=bdat", " data=data"))
	if w.percent(30) {
		b.WriteString(" user=user pass=secret plaintext legacy " + w.one("auth=any", "auth=CRAM-MD5,PLAIN", "auth=LOGIN", "auth=PLAIN,LOGIN", "auth=SCRAM-SHA-256,PLAIN"))
	}
	b.WriteString("\n")
	for range 1 + w.rng.IntN(5) {
		if w.percent(30) {
			b.WriteString("call " + w.one("noop", "verify x", "expand list", "help", "rset", "line XYZZY") + "\n")
			continue
		}
		b.WriteString("call send from=" + w.one("a@c.example", `""`) + " to=x@s.example")
		for i := range w.rng.IntN(4) {
			fmt.Fprintf(&b, ",r%d@s.example", i)
		}
		b.WriteString(w.one("", "", "", " must=x@s.example"))
		b.WriteString(w.one("", "", "", "", " verb=SEND", " verb=SOML", " verb=SAML"))
		b.WriteString(` body="hi\r\n.\r\nthere\r\n"`)
		b.WriteString(w.one("", "", " stream=3", " stream=7", " stream=3 fail-after=6") + "\n")
	}
	return b.String()
}

// play plays the session to its end.
func (w *walk) play(p *play) {
	for range 400 {
		if p.over || p.failure != nil || p.eng.State().Over() {
			return
		}
		p.out, p.writes = p.out[:0], p.writes[:0]
		switch {
		case p.eng.Wants().Has(session.WantTLS):
			w.handshake(p)
		case len(w.steps) > 0 && (w.percent(40) || p.mon.greeted && len(p.mon.pending) == 0):
			s := w.steps[0]
			w.steps = w.steps[1:]
			p.call(s)
		case p.mon.greeted && len(p.mon.pending) == 0 && p.mon.mode == commands:
			p.eng.Quit()
			p.pump()
			if len(p.mon.pending) == 0 && !p.over {
				return
			}
		default:
			w.answer(p)
		}
	}
}

// lawful says what is wrong with how the client took a server that did nothing wrong: it
// must not be accused, must be left in order, and must have been offered every message.
func (w *walk) lawful(p *play) error {
	if w.bold || w.tlsFailed || p.eng.State() == fsm.Closed && errors.Is(p.eng.Err(), session.ErrContent) {
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
	for _, l := range p.mails {
		if l.err == nil && p.witness(l.tx.ID()) == nil && !errors.Is(l.tx.Err(), session.ErrUnsupported) {
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

func (w *walk) handshake(p *play) {
	if w.percent(10) {
		w.tlsFailed = true
		p.trace.tls(p.eng, false)
		p.lost(&session.Error{Kind: session.ErrTLS, Detail: "TLS handshake failed"})
		return
	}
	p.trace.tls(p.eng, true)
	p.mon.secured()
	p.eng.Secured(p.link())
	p.pump()
}

// answer has the server say something.
func (w *walk) answer(p *play) {
	if w.bold && w.percent(4) {
		switch w.rng.IntN(9) {
		case 0:
			p.lost(io.EOF)
		case 1:
			p.lost(errReset)
		case 2:
			p.now = max(p.now, p.deadline)
			p.expire()
		case 3:
			p.abort()
		case 4:
			p.deliver([]byte("421 4.3.2 closing\r\n"))
		case 5:
			p.deliver([]byte("what?\r\n"))
		case 6:
			p.deliver([]byte("250-half\r\n"))
			p.lost(io.EOF)
		case 7:
			p.deliver([]byte(w.one("354", "334", "221", "220", "299", "399", "499", "599") + " odd\r\n"))
		case 8:
			p.deliver([]byte("250 ok\r\n250 once more\r\n"))
		}
		p.pump()
		return
	}
	p.deliver([]byte(w.reply(p) + "\r\n"))
	p.pump()
}

// reply is a lawful reply to the command that waits longest.
func (w *walk) reply(p *play) string {
	if !p.mon.greeted {
		return w.one("220 s.example", "220 s.example", "220 s.example", "220 s.example", "220 s.example", "220 s.example", "554 5.7.1 no", "450 later")
	}
	if len(p.mon.pending) == 0 {
		return "421 4.3.2 closing"
	}
	head := p.mon.pending[0]
	if head.verb == "*" {
		return w.one("501 5.5.2 cancelled", "535 5.7.8 no", "454 4.7.0 later")
	}
	good, bad := w.percent(80), w.one("450 4.0.0 not now", "451 4.3.0 not now", "550 5.1.1 no", "503 5.5.1 bad sequence", "500 5.5.1 what")
	if !good {
		switch head.verb {
		case "RSET":
			if w.percent(80) {
				return "250 ok"
			}
			w.rsetRefused = true
		case "EHLO", "LHLO":
			bad = w.one("500 what", "502 what", "450 not now", "554 no")
		case "AUTH", "334":
			bad = w.one("535 5.7.8 no", "454 4.7.0 later", "504 5.5.4 not that one", "501 5.5.2 cancelled")
		case "QUIT":
			return w.one("500 what", "450 no", "354 odd")
		}
		return bad
	}
	switch head.verb {
	case "EHLO", "LHLO":
		lines := []string{"250-s.example"}
		for _, k := range []string{"PIPELINING", "CHUNKING", "STARTTLS", "AUTH PLAIN LOGIN CRAM-MD5 SCRAM-SHA-256", "SIZE 1000000", "8BITMIME"} {
			if w.percent(75) {
				lines = append(lines, "250-"+k)
			}
		}
		return strings.Join(append(lines, "250 HELP"), "\r\n")
	case "STARTTLS":
		return "220 go"
	case "AUTH", "334":
		return w.one("235 2.7.0 welcome", "334 VXNlcm5hbWU6", "334 ***", "334 ")
	case "DATA":
		if head.tx != nil && head.tx.accepted() == 0 && w.percent(60) {
			return "503 5.5.1 nobody"
		}
		return "354 go"
	case "RCPT":
		return w.one("250 ok", "250 2.1.5 ok", "251 will forward", "252 will try")
	case "VRFY":
		return w.one("250 ok", "252 will try")
	case "QUIT":
		return "221 bye"
	case "BDAT":
		if head.tx != nil && (head.tx.mail >= 400 || head.tx.accepted() == 0) && w.percent(70) {
			return "503 5.5.1 nobody"
		}
	}
	return "250 ok"
}
