package server

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/parley-mail/parley/codec"
	"github.com/parley-mail/parley/conformance"
	"github.com/parley-mail/parley/conformance/smtpt"
)

// play is one play of a check: once for each value, and each split or cut.
type play struct {
	ctx  context.Context
	t    *Target
	c    *Check
	vars vars
	kept map[string]int

	peers []*peer
	cur   *peer
	log   *transcript

	out   []byte // what goes with the next write
	verbs []string
	split bool // of the write that is being gathered
	cut   int

	n       int  // the variant: where to split, or how much to leave away
	length  int  // of the write that can be split, when it was played whole
	cuts    int  // how many octets can be left away
	gone    bool // the dialogue is over: nothing but the mailbox is looked at
	mail    bool // look into the mailbox; false in all but the last variant of a cut
	verdict conformance.Verdict
	reason  string
	failure *conformance.Failure
}

func newPlay(ctx context.Context, t *Target, c *Check, v vars) *play {
	return &play{ctx: ctx, t: t, c: c, vars: v, kept: map[string]int{}, log: &transcript{begin: time.Now()}}
}

// over reports whether nothing more is to be done.
func (p *play) over() bool {
	return p.verdict == conformance.Fail || p.verdict == conformance.Inconclusive && p.reason != noSink
}

// noSink is the reason of a verdict that a mailbox is missing for. The dialogue goes on:
// its replies can still be wrong.
const noSink = "no sink"

func (p *play) fail(at smtpt.Pos, want, got, format string, args ...any) {
	if p.failure == nil {
		p.verdict = conformance.Fail
		p.failure = &conformance.Failure{Pos: at, Text: fmt.Sprintf(format, args...), Want: want, Got: got}
	}
}

func (p *play) inconclusive(format string, args ...any) {
	if !p.over() {
		p.verdict, p.reason = conformance.Inconclusive, fmt.Sprintf(format, args...)
	}
}

// run plays the steps.
func (p *play) run() {
	defer p.abandon()
	p.session("")
	for i := range p.c.steps {
		s := &p.c.steps[i]
		if p.over() {
			return
		}
		if s.kind != send && s.kind != content && !p.gone {
			p.flush(s)
		}
		if p.over() {
			return
		}
		if !p.gone || s.kind == mailbox {
			p.step(s)
		}
	}
	if !p.over() && !p.gone {
		p.flush(nil)
		p.extra(p.leave())
	}
}

// step does one step.
func (p *play) step(s *step) {
	switch s.kind {
	case arrive:
		if err := p.arrive(s.text); err != nil {
			p.inconclusive("%v", err)
		}
	case send:
		p.gather(s)
	case content:
		p.out = append(p.out, p.content(s.text)...)
		p.verbs = append(p.verbs, "DATA")
	case expect:
		for range s.rep {
			if !p.over() {
				p.expect(s)
			}
		}
	case many:
		p.many(s)
	case handshake:
		p.handshake(s)
	case link:
		p.link(s)
	case session:
		p.session(s.text)
	case mailbox:
		p.mailbox(s)
	case exchange:
		p.scram(s)
	case recall:
		p.cur.back = p.cur.hello
	}
}

// session makes the connection of that name the one that is spoken on.
func (p *play) session(name string) {
	i := slices.IndexFunc(p.peers, func(q *peer) bool { return q.label == name })
	if i < 0 {
		i = len(p.peers)
		p.peers = append(p.peers, &peer{t: p.t, label: name, log: p.log, at: -1})
	}
	p.cur = p.peers[i]
}

// fill fills a text of the check; Parse has held that it can be filled.
func (p *play) fill(text string) []byte {
	octets, err := p.vars.expand(text)
	if err != nil {
		p.inconclusive("%v", err)
	}
	return octets
}

// gather puts a line of the client to what is to be written.
func (p *play) gather(s *step) {
	line := p.fill(s.text)
	for range s.rep {
		p.out = append(p.out, line...)
		if s.octet {
			p.verbs = append(p.verbs, "")
			continue
		}
		p.out = append(p.out, "\r\n"...)
		verb, _, _ := strings.Cut(string(line), " ")
		p.verbs = append(p.verbs, strings.ToUpper(verb))
	}
	p.split, p.cut = p.split || s.split, max(p.cut, s.cut)
}

// content returns a file with its dots stuffed and the end of content.
func (p *play) content(name string) []byte {
	return append(stuffed(p.fill(p.c.files[name])), ".\r\n"...)
}

// stuffed returns text with its dots stuffed (RFC 5321 §4.5.2).
func stuffed(text []byte) []byte {
	lines := "\r\n" + string(text)
	return []byte(strings.ReplaceAll(lines, "\r\n.", "\r\n..")[len("\r\n"):])
}

// flush writes what was gathered, whole or as the variant has it.
func (p *play) flush(next *step) {
	octets, verbs := p.out, p.verbs
	if len(octets) == 0 {
		return
	}
	p.out, p.verbs = nil, nil
	defer func() { p.split, p.cut = false, 0 }()
	if err := p.arrive("connect"); err != nil {
		p.inconclusive("%v", err)
		return
	}
	var err error
	switch {
	case p.split:
		p.length = len(octets)
		if p.n > 0 && p.n < len(octets) {
			err = p.cur.write(octets[:p.n], verbs)
			pause(p.ctx)
			octets = octets[p.n:]
		}
		err = errors.Join(err, p.cur.write(octets, verbs))
	case p.cut > 0:
		p.cuts = p.cut
		err = p.cur.write(octets[:len(octets)-1-p.n], verbs)
		p.cur.close()
		p.gone = true
	default:
		err = p.cur.write(octets, verbs)
	}
	if err != nil && !p.expectsEnd(next) {
		p.inconclusive("writing: %v", err)
	}
}

// expectsEnd reports whether the step is one that reads: a write that fails is then
// judged by what was said before.
func (p *play) expectsEnd(s *step) bool { return s != nil && (s.kind == expect || s.kind == link) }

// segment is how long a piece of a write stands alone, so that it travels alone.
const segment = time.Millisecond

func pause(ctx context.Context) {
	t := time.NewTimer(segment)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

// expect reads a reply and judges it.
func (p *play) expect(s *step) {
	r, err := p.cur.read()
	switch {
	case errors.Is(err, io.EOF):
		r = nil
	case err != nil && s.soft:
		p.inconclusive("%v", err)
		return
	case err != nil:
		p.fail(s.at, s.text, err.Error(), "there is no reply")
		return
	}
	if r != nil && s.keep != "" {
		p.kept[s.keep] = r.Code
	}
	for i := range s.want {
		a := &s.want[i]
		if !a.fits(r, p.kept) {
			continue
		}
		if p.gone = a.done; a.done {
			p.cur.close()
		}
		switch a.verdict {
		case conformance.Fail:
			p.fail(s.at, s.text, describe(r), "the reply is wrong")
		case conformance.Inconclusive:
			p.inconclusive("%s", describe(r))
		case conformance.Latitude:
			if p.verdict == conformance.Pass {
				p.verdict, p.reason = conformance.Latitude, describe(r)
			}
		}
		return
	}
	switch {
	case s.soft:
		p.inconclusive("line %d: %s", s.at.Line, describe(r))
	case r != nil && r.Code == 421:
		p.inconclusive("the server gives up: %s", describe(r))
	case r == nil:
		p.fail(s.at, s.text, describe(r), "the connection has ended")
	default:
		p.fail(s.at, s.text, describe(r), "the reply is wrong")
	}
}

// describe shows a reply.
func describe(r *reply) string {
	if r == nil {
		return "closed"
	}
	return r.String()
}

// many sends a command again and again, and leaves the last reply, the first that is no
// 2yz, or the end of the connection, to be judged.
func (p *play) many(s *step) {
	line := string(p.fill(s.text))
	for i := range s.rep {
		r, err := p.cur.command(line)
		if err == io.EOF {
			return
		}
		if err != nil {
			p.fail(s.at, s.text, err.Error(), "there is no reply to number %d", i+1)
			return
		}
		if r.Code/100 != 2 || i == s.rep-1 {
			p.cur.back = r
			return
		}
	}
}

// handshake begins TLS as the words say: "nosni"; "max=1.1"; "or-not", it should fail;
// "or-end", it may fail, and nothing more is to be seen then.
func (p *play) handshake(s *step) {
	config := p.t.TLS.Clone()
	advised, ends := false, false
	for word := range strings.FieldsSeq(s.text) {
		switch word {
		case "nosni":
			config.ServerName, config.InsecureSkipVerify = "", true
		case "max=1.1":
			config.MinVersion, config.MaxVersion = tls.VersionTLS10, tls.VersionTLS11
		case "max=1.2":
			config.MinVersion, config.MaxVersion = tls.VersionTLS12, tls.VersionTLS12
		case "or-not":
			advised = true
		case "or-end":
			ends = true
		}
	}
	err := p.cur.handshake(p.ctx, config)
	switch {
	case err != nil && (advised || ends):
		p.gone = true
		p.cur.close()
	case err == nil && advised:
		p.verdict, p.reason = conformance.Latitude, "the handshake succeeds"
	case err != nil:
		p.fail(s.at, "a handshake", err.Error(), "there is no TLS")
	}
}

// linkWords are what X: can be followed by.
var linkWords = []string{"dial", "close", "rst", "fin", "eof", "calm"}

// link does something to the connection, or demands it.
func (p *play) link(s *step) {
	switch s.text {
	case "dial":
		if err := p.cur.dial(p.ctx); err != nil {
			p.inconclusive("%v", err)
		}
		p.cur.at = 0
	case "close":
		p.cur.close()
	case "rst":
		p.cur.reset()
	case "fin":
		if err := p.cur.halfClose(); err != nil {
			p.inconclusive("%v", err)
		}
	case "calm":
		p.cur.calm()
	case "eof":
		r, err := p.cur.read()
		if err != io.EOF {
			got := describe(r)
			if r == nil {
				got = err.Error()
			}
			p.fail(s.at, "the end of the connection", got, "the server does not close")
			return
		}
		p.cur.close()
	}
}

// leave ends every session that is still open, and returns how many replies came that no
// command had asked for.
func (p *play) leave() (n int) {
	for _, q := range p.peers {
		n += q.quit()
	}
	return n
}

// extra judges the number of replies too many.
func (p *play) extra(n int) {
	if n > 0 {
		p.fail(smtpt.Pos{}, "one reply for each command", fmt.Sprintf("%d more", n), "there are more replies than commands")
	}
}

// abandon ends every session that is still open.
func (p *play) abandon() {
	for _, q := range p.peers {
		q.close()
	}
}

// arrive brings the current session as far as the word says.
func (p *play) arrive(word string) error {
	for to := slices.Index(arrivals, word); p.cur.at < to; {
		next := arrivals[p.cur.at+1]
		if err := p.one(next); err != nil {
			return fmt.Errorf("cannot come to %s: %w", next, err)
		}
		p.cur.at++
	}
	return nil
}

// one takes the step to one place.
func (p *play) one(place string) error {
	q := p.cur
	switch place {
	case "connect":
		if err := q.dial(p.ctx); err != nil {
			return err
		}
		return wantCode(220)(q.read())
	case "hello":
		return p.greet()
	case "secure":
		if p.t.Mode != StartTLS {
			return nil
		}
		if err := wantCode(220)(q.command("STARTTLS")); err != nil {
			return err
		}
		if err := q.handshake(p.ctx, p.t.TLS); err != nil {
			return err
		}
		return p.greet()
	case "ready":
		if p.t.User == "" {
			return nil
		}
		if err := p.login(); err != nil {
			return err
		}
		return p.greet()
	case "mail":
		return wantCode(250)(q.command("MAIL FROM:<" + p.t.From + ">"))
	case "rcpt":
		if p.t.Rcpt == "" {
			return errors.New("no mailbox is given")
		}
		return wantCode(250, 251)(q.command("RCPT TO:<" + p.t.Rcpt + ">"))
	}
	return wantCode(354)(q.command("DATA"))
}

// greet says EHLO or LHLO.
func (p *play) greet() error {
	r, err := p.cur.command(p.vars["helo"] + " " + p.t.Hello)
	if err == nil {
		p.cur.hello = r
	}
	return wantCode(250)(r, err)
}

// wantCode makes any other reply an error.
func wantCode(codes ...int) func(*reply, error) error {
	return func(r *reply, err error) error {
		switch {
		case err != nil:
			return err
		case !slices.Contains(codes, r.Code):
			return fmt.Errorf("the server says %s", r)
		}
		return nil
	}
}

// offers returns what the session was offered last.
func (p *play) offers() *codec.Extensions {
	x := &codec.Extensions{}
	if p.cur.hello != nil {
		x.Parse(&p.cur.hello.Reply)
	}
	return x
}
