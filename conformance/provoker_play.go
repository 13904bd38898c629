package conformance

import (
	"bytes"
	"fmt"
	"io"
	"strings"

	"github.com/parley-mail/parley/conformance/smtpt"
	"github.com/parley-mail/parley/session"
)

// Retell plays the session of a plan with this project's engine as the client: what an
// honest client makes of it. Head is a script with the calls, and with files if it needs
// any. The outcome says whether the engine itself is sound; the text is the head with the
// dialogue and the results behind the calls, which makes it a case that the engine passes.
func Retell(head *smtpt.Script, plan []byte) (*Outcome, []byte) {
	server := NewProvoker(plan)
	o := &Outcome{Case: &Case{ID: head.Name}}
	c, err := NewCase(head.Name, head)
	var prog *program
	if err == nil {
		o.Case = c
		prog, err = compile(c)
	}
	if err != nil {
		o.Verdict, o.Failure = Fail, &Failure{Text: err.Error()}
		return o, nil
	}
	o.Plays = 1
	p := &play{c: c, prog: prog, bdat: -1, keep: true}
	p.safely(func(cfg session.Config) Engine {
		p.walk = &walk{wild: true, bold: 1, plan: server}
		return Honest(cfg)
	})
	o.Wire, o.Moves = p.wire, p.moves
	if p.failure != nil {
		o.Verdict, o.Failure = Fail, p.failure
		return o, nil
	}
	script, files, _ := strings.Cut(string(head.Format()), "\n-- ")
	text := script + "\n" + strings.Join(server.Steps, "") + p.said()
	if files != "" {
		text += "-- " + files
	}
	return o, []byte(text)
}

// serve is the server of a play until the session is over.
func (v *Provoker) serve(p *play, calls []*smtpt.Step) {
	p.eng.Dialing()
	p.connected()
	for _, s := range calls {
		p.call(s)
	}
	for range 400 {
		if p.over || p.failure != nil || p.eng.State().Over() {
			return
		}
		v.Sent(p.out)
		p.out, p.writes = p.out[:0], p.writes[:0]
		if !v.Due() {
			return
		}
		d := v.Answer()
		p.deliver(d.Octets[:d.Cut])
		p.deliver(d.Octets[d.Cut:])
		// More than this no limit of the engine lets pass.
		for n := min(d.Times, 1<<17); n > 1; n-- {
			p.deliver(d.Octets)
		}
		p.deliver(bytes.Repeat([]byte("x"), min(d.Fill, 1<<20)))
		switch {
		case d.Fin:
			p.lost(io.EOF)
		case d.Reset:
			p.lost(errReset)
		case d.Hush:
			p.expire()
		default:
			p.pump()
		}
	}
}

// said writes down what the engine says of its messages.
func (p *play) said() string {
	var b strings.Builder
	for _, l := range p.mails {
		if l.err != nil {
			continue
		}
		for i := range l.tx.Len() {
			o := p.eng.Outcome(&l.tx, i)
			fmt.Fprintf(&b, "R: rcpt %s %s", l.env.Recipients[i].Path, status(o))
			if o.Reply.Code != 0 {
				fmt.Fprintf(&b, " %d", o.Reply.Code)
			}
			b.WriteString("\n")
		}
		fmt.Fprintf(&b, "R: message %s\n", p.messageFacts(l)[0])
	}
	return b.String()
}
