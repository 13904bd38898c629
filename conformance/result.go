package conformance

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/parley-mail/parley/codec"
	"github.com/parley-mail/parley/conformance/smtpt"
	"github.com/parley-mail/parley/session"
)

// finish ends a play: whoever still waits loses the connection, nothing that comes
// afterwards may change anything, and then everything is judged.
func (p *play) finish() {
	if p.failure != nil {
		return
	}
	if !p.v.Sound() {
		p.out = p.out[:0]
	}
	if !p.eng.State().Over() {
		p.stalled = false
		p.lost(io.EOF)
	}
	said := p.mon.spoken
	p.eng.Receive([]byte("250 late\r\n"))
	p.eng.Expire()
	p.eng.Lost(io.EOF)
	p.pump()
	switch {
	case p.mon.spoken != said:
		p.fail(smtpt.Pos{}, "", p.pending(), "the client speaks when the session is over")
	case !p.eng.State().Over(), p.eng.InFlight() != 0:
		p.fail(smtpt.Pos{}, "", "", "the session does not end: state %v, %d commands in flight", p.eng.State(), p.eng.InFlight())
	case len(p.mon.faults) > 0:
		p.fail(smtpt.Pos{}, "", "", "a bystander sees: %s", faultTexts(p.mon.faults))
	}
	p.truth()
	if p.walk != nil {
		if err := p.walk.lawful(p); err != nil {
			p.fail(smtpt.Pos{}, "", "", "%v", err)
		}
	}
	if p.failure != nil || !p.v.Sound() {
		return
	}
	if len(p.out) > 0 {
		p.fail(smtpt.Pos{}, "nothing more", p.pending(), "the client says more than the script")
		return
	}
	p.results(p.c.Script.Steps)
}

// truth holds what the engine says of each message against what was seen on the wire.
func (p *play) truth() {
	for _, l := range p.mails {
		if l.err != nil {
			continue
		}
		if !l.tx.Done() {
			p.fail(l.step.Pos, "", "", "a message is undecided when the session is over")
			return
		}
		w := p.witness(l.tx.ID())
		for i := range l.tx.Len() {
			if err := p.judge(w, i, p.eng.Outcome(&l.tx, i)); err != nil {
				p.fail(l.step.Pos, "", "", "recipient %s: %v", l.env.Recipients[i].Path, err)
			}
		}
	}
}

// witness returns what was seen of the transaction on the wire; nil: nothing.
func (p *play) witness(id uint64) *witnessed {
	i := slices.Index(p.mailed, id)
	if i < 0 || i >= len(p.mon.txs) {
		return nil
	}
	return p.mon.txs[i]
}

// judge says whether an outcome is true.
func (p *play) judge(w *witnessed, i int, o session.Outcome) error {
	if w == nil {
		if o.Status != session.NotSent {
			return fmt.Errorf("%v, and nothing of the message was sent", o.Status)
		}
		return nil
	}
	word := w.word(i, p.mon.lmtp)
	violated := errors.Is(p.eng.Err(), session.ErrViolation)
	cut := w.data >= 400
	switch o.Status {
	case session.Accepted:
		switch {
		case word/100 != 2:
			return fmt.Errorf("accepted without a 2yz to the end of the content")
		case cut:
			return fmt.Errorf("accepted although DATA or a chunk was refused")
		}
	case session.Unknown:
		switch {
		case !w.ended:
			return fmt.Errorf("unknown, and the end of the content was not sent")
		case !violated && (word/100 == 2 && !cut || word >= 400):
			return fmt.Errorf("unknown, and the server has said %d", word)
		}
	case session.NotSent:
		if word/100 == 2 || w.ended && i < len(w.rcpts) && w.rcpts[i]/100 == 2 && !cut && w.early == 0 {
			return fmt.Errorf("not sent, and the end of the content was")
		}
	case session.Refused:
		refused := w.mail >= 400 || w.data >= 400 || w.early >= 400 || word >= 400 || i < len(w.rcpts) && w.rcpts[i] >= 400
		if !refused {
			return fmt.Errorf("refused, and the server has not said so")
		}
		if word/100 == 2 && !cut {
			return fmt.Errorf("refused, and the server has accepted the message")
		}
		if o.Reply.Code < 400 {
			return fmt.Errorf("refused by a reply %d", o.Reply.Code)
		}
	}
	return nil
}

// results holds the R: lines against what came of it.
func (p *play) results(steps []smtpt.Step) {
	for i := range steps {
		s := &steps[i]
		if p.failure != nil || !p.holds(s) {
			continue
		}
		switch s.Kind {
		case smtpt.Result:
			got, err := p.result(s)
			if ok := err == nil; ok == s.Not {
				p.fail(s.Pos, formatStep(s), got, "the result is another")
			}
		case smtpt.Alt:
			p.resultAlt(s)
		case smtpt.Event:
			if s.Not && p.findEvent(s) >= 0 {
				p.fail(s.Pos, formatStep(s), "", "the event occurs")
			}
		case smtpt.Path:
			if s.Not && p.taken(s.Text, 0) >= 0 {
				p.fail(s.Pos, formatStep(s), "", "the step is taken")
			}
		}
	}
}

// resultAlt takes the first branch that begins with a result, and all of whose results
// hold.
func (p *play) resultAlt(s *smtpt.Step) {
	begins := func(b *smtpt.Branch) bool {
		i := slices.IndexFunc(b.Steps, func(s smtpt.Step) bool { return s.Kind != smtpt.Comment && s.Kind != smtpt.Blank })
		return i >= 0 && b.Steps[i].Kind == smtpt.Result
	}
	if !begins(&s.Branches[0]) {
		return // it was decided by what the client said
	}
	for i := range s.Branches {
		b := &s.Branches[i]
		fits := true
		for k := range b.Steps {
			if step := &b.Steps[k]; step.Kind == smtpt.Result {
				_, err := p.result(step)
				fits = fits && (err == nil) != step.Not
			}
		}
		if fits {
			if b.As != "" {
				p.verdict = b.As
			}
			return
		}
	}
	p.fail(s.Pos, "one of the branches", "", "no branch of the alternative fits")
}

func formatStep(s *smtpt.Step) string {
	script := smtpt.Script{Steps: []smtpt.Step{*s}}
	return strings.TrimSpace(string(script.Format()))
}

var (
	statusWords  = []string{"accepted", "temp", "perm", "unsent", "unknown"}
	messageWords = []string{"accepted", "failed", "unknown"}
	resultWords  = []string{"rcpt", "message", "session", "request", "state"}
)

// checkResult says what is wrong with an R: line.
func checkResult(c *Case, s *smtpt.Step) error {
	words := s.Words()
	if len(words) == 0 || !slices.Contains(resultWords, words[0]) {
		return errorAt(c, s.Pos, "R: is followed by one of %s", strings.Join(resultWords, ", "))
	}
	switch {
	case words[0] == "rcpt" && (len(words) < 3 || !slices.Contains(statusWords, words[2])):
		return errorAt(c, s.Pos, "R: rcpt wants an address and one of %s", strings.Join(statusWords, ", "))
	case words[0] == "message" && (len(words) < 2 || !slices.Contains(messageWords, words[1])):
		return errorAt(c, s.Pos, "R: message wants one of %s", strings.Join(messageWords, ", "))
	}
	return nil
}

// result says what came of it, and an error if that is not what the line says.
func (p *play) result(s *smtpt.Step) (got string, err error) {
	words := s.Words()
	n := 1
	if v, ok := s.Get("msg"); ok {
		n, _ = strconv.Atoi(v)
	}
	switch words[0] {
	case "session":
		return compare(words[1:], describe("ok", p.eng.Err()))
	case "state":
		return compare(words[1:], []string{p.eng.State().String()})
	case "request":
		if n > len(p.requests) {
			return "no such request", errDiffers
		}
		r := p.requests[n-1]
		facts := describe("ok", r.Err())
		return compareReply(s, words[1:], append(facts, replyFacts(r.Reply)...), r.Reply)
	}
	if n > len(p.mails) {
		return "no such message", errDiffers
	}
	l := p.mails[n-1]
	if words[0] == "message" {
		return compareReply(s, words[1:], p.messageFacts(l), l.tx.Final())
	}
	if l.err != nil {
		return compare(words[2:], append(describe("unsent", l.err), "unsent"))
	}
	for i := range l.tx.Len() {
		if l.env.Recipients[i].Path.String() != words[1] {
			continue
		}
		o := p.eng.Outcome(&l.tx, i)
		return compareReply(s, words[2:], append([]string{status(o)}, replyFacts(o.Reply)...), o.Reply)
	}
	return "no such recipient", errDiffers
}

var errDiffers = errors.New("the result is another")

// compare reports whether all words are among the facts.
func compare(words, facts []string) (string, error) {
	for _, w := range words {
		if !slices.Contains(facts, w) {
			return strings.Join(facts, " "), errDiffers
		}
	}
	return strings.Join(facts, " "), nil
}

// compareReply does the same, and compares the text of the reply if text= is given.
func compareReply(s *smtpt.Step, words, facts []string, r codec.Reply) (string, error) {
	got, err := compare(words, facts)
	for _, a := range s.Attrs {
		if a.Key == "text" {
			var lines []string
			for _, l := range r.Lines {
				lines = append(lines, string(l))
			}
			text := strings.Join(lines, "\n")
			got += " text=" + smtpt.Escape([]byte(text), false)
			if text != string(a.Octets()) {
				err = errDiffers
			}
		}
	}
	return got, err
}

// status is the word for an outcome.
func status(o session.Outcome) string {
	switch o.Status {
	case session.Accepted:
		return "accepted"
	case session.Unknown:
		return "unknown"
	case session.Refused:
		// RFC 5321 §4.5.3.1.10: 552 to RCPT is "too many recipients".
		if o.Reply.Temporary() || o.Reply.Code == 552 && o.Command.Verb() == "RCPT" {
			return "temp"
		}
		return "perm"
	}
	return "unsent"
}

func replyFacts(r codec.Reply) (facts []string) {
	if r.Code != 0 {
		facts = append(facts, strconv.Itoa(r.Code))
	}
	if !r.Enhanced.IsZero() {
		facts = append(facts, r.Enhanced.String())
	}
	for a := range r.Anomalies.All() {
		facts = append(facts, a.String())
	}
	return facts
}

// messageFacts is what can be said of a message as a whole.
func (p *play) messageFacts(l *letter) []string {
	if l.err != nil {
		return append([]string{"failed"}, describe("", l.err)...)
	}
	facts := []string{"failed"}
	for i := range l.tx.Len() {
		switch p.eng.Outcome(&l.tx, i).Status {
		case session.Unknown:
			facts[0] = "unknown"
		case session.Accepted:
			if facts[0] == "failed" {
				facts[0] = "accepted"
			}
		}
	}
	var err error
	if e := l.tx.Err(); e != nil {
		err = e
	}
	return append(append(facts, describe("", err)...), replyFacts(l.tx.Final())...)
}

// describe is what can be said of an error: its kind, whether it is worth trying again,
// the reply, and the anomaly.
func describe(ok string, err error) []string {
	if err == nil {
		return []string{ok}
	}
	var e *session.Error
	if !errors.As(err, &e) {
		return []string{"misuse"} // an argument was refused before there was a session
	}
	facts := []string{e.Kind.String(), "perm"}
	if e.Temporary() {
		facts[1] = "temp"
	}
	if e.Unknown {
		facts[1] = "ambiguous"
	}
	if e.Anomaly != codec.NoAnomaly {
		facts = append(facts, e.Anomaly.String())
	}
	if e.Reply != nil {
		facts = append(facts, replyFacts(*e.Reply)...)
	}
	return facts
}

// event looks for an event that has occurred since the last one found.
func (p *play) event(s *smtpt.Step) {
	if s.Not || !p.v.Sound() || p.v.Way == Split || p.v.Way == PerLine {
		return
	}
	if i := p.findEvent(s); i >= 0 {
		p.seen = i + 1
		return
	}
	var got []string
	for _, h := range p.events[p.seen:] {
		got = append(got, string(h.json))
	}
	p.fail(s.Pos, formatStep(s), strings.Join(got, "\n"), "the event has not occurred")
}

// findEvent returns the index of the first event that fits: for "E:" since the last one
// found, for "!E:" of all.
func (p *play) findEvent(s *smtpt.Step) int {
	kind := kindByName[s.Attrs[0].Key]
	from := p.seen
	if s.Not {
		from = 0
	}
	for i := from; i < len(p.events); i++ {
		if s.Not && p.events[i].json == nil && len(s.Attrs) > 1 {
			continue // fields are not kept in this variant
		}
		if p.events[i].kind == kind && fieldsFit(p.events[i].json, s.Attrs[1:]) {
			return i
		}
	}
	return -1
}

// fieldsFit reports whether the event, as JSON, has all the values. Fields of fields
// are written with a dot: reply.code=550.
func fieldsFit(event []byte, attrs []smtpt.Attr) bool {
	if len(attrs) == 0 || event == nil {
		return true
	}
	var fields map[string]any
	if json.Unmarshal(event, &fields) != nil {
		return false
	}
	for _, a := range attrs {
		var v any = fields
		for key := range strings.SplitSeq(a.Key, ".") {
			m, ok := v.(map[string]any)
			if !ok {
				return false
			}
			v = m[key]
		}
		if fmt.Sprint(v) != string(a.Octets()) {
			return false
		}
	}
	return true
}

// path looks for a step of the machine since the last one found.
func (p *play) path(s *smtpt.Step) {
	if s.Not || !p.v.Sound() {
		return
	}
	i := p.taken(s.Text, p.passed)
	if i < 0 {
		p.fail(s.Pos, "F: "+s.Text, strings.Join(p.moves[p.passed:], ", "), "the machine has not taken the step")
		return
	}
	p.passed = i + 1
}

// taken returns the index of the first step from n on that is "from -> to", or
// "from -> to (cause)" if the text names the cause; -1: none is.
func (p *play) taken(text string, n int) int {
	for i := n; i < len(p.moves); i++ {
		if p.moves[i] == text || strings.HasPrefix(p.moves[i], text+" (") {
			return i
		}
	}
	return -1
}
