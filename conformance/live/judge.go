package live

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/parley-mail/parley/conformance"
	"github.com/parley-mail/parley/conformance/foreign"
	"github.com/parley-mail/parley/conformance/smtpt"
)

// judge holds a client's claim, and what it did, against the wire.
type judge struct {
	c     *conformance.Case
	plan  *plan
	claim *Claim
	all   []*conversation
	limit time.Duration

	habitual func(*conformance.Case, string) bool // whether a breach is counted elsewhere

	found  []finding
	why    string // why nothing can be said; "": something can
	served bool   // all have the message, and the client says so
}

func (j *judge) add(id, text, want, got string) {
	j.found = append(j.found, finding{id: id, text: text, want: want, got: got})
}

// verdict judges and fills in the outcome.
func (j *judge) verdict(o *conformance.Outcome) {
	if j.claim.Code == foreign.CodeUnimplemented && j.claim.Crash == "" && !j.claim.Hung {
		o.Verdict, o.Reason = conformance.Skip, "the client says that it cannot do what this needs"
		return
	}
	j.injected()
	for _, v := range j.all {
		for _, f := range v.by.Faults() {
			j.add(f.ID, f.Text, "", "")
		}
	}
	j.end()
	if !j.claim.Hung && j.claim.Crash == "" {
		j.truth()
		j.leave()
		j.content()
		j.reached()
	}
	o.Served = j.served
	var hard, soft []finding
	for _, f := range j.found {
		switch {
		case j.habitual(j.c, f.id):
		case fails(f.id) && !f.soft:
			hard = append(hard, f)
		default:
			soft = append(soft, f)
		}
	}
	switch {
	case len(hard) > 0:
		o.Verdict, o.Failure = conformance.Fail, failure(hard)
	case j.why != "":
		o.Verdict, o.Reason = conformance.Inconclusive, j.why
	case len(soft) > 0:
		o.Verdict, o.Reason, o.Failure = conformance.Latitude, soft[0].String(), failure(soft)
	default:
		o.Wire = nil
	}
}

// failure makes one of several findings: what was wanted is that of the first that says so.
func failure(all []finding) *conformance.Failure {
	f := &conformance.Failure{}
	var texts []string
	for _, x := range all {
		if text := x.String(); !slices.Contains(texts, text) {
			texts = append(texts, text)
		}
		if f.Want == "" && f.Got == "" {
			f.Want, f.Got = x.want, x.got
		}
	}
	f.Text = strings.Join(texts, "\n")
	return f
}

// end judges how the client has ended.
func (j *judge) end() {
	waits := slices.ContainsFunc(j.all, func(v *conversation) bool { return v.stalled })
	switch m := j.claim; {
	case m.Crash != "":
		j.add("", "the client crashes: "+m.Crash, "an exit code of the contract", lastOf(m.Stderr))
	case m.Hung && waits:
		j.why = fmt.Sprintf("the server keeps silent, and the client is more patient than %v", j.limit)
	case m.Hung:
		j.add("", fmt.Sprintf("the client hangs: after %v it has not ended", j.limit), "an end", j.state())
	case !m.Foreseen():
		j.why = fmt.Sprintf("the exit code %d is not one of the contract: %s", m.Code, lastOf(m.Stderr))
	}
}

// lastOf returns the last line of what a program has said.
func lastOf(output []byte) string {
	lines := strings.Split(strings.TrimSpace(string(output)), "\n")
	last := strings.TrimSpace(lines[len(lines)-1])
	return smtpt.Escape([]byte(last[:min(len(last), 200)]), false)
}

// state says whose turn it is when a client hangs.
func (j *judge) state() string {
	switch {
	case len(j.all) == 0:
		return "it has never connected"
	case slices.ContainsFunc(j.all, func(v *conversation) bool { return v.idle }):
		return "the server waits for what the client says next"
	}
	return "the connection is closed, or all was said"
}

// injected looks for what was put into an argument behind a line end, and became a command.
func (j *judge) injected() {
	e := j.plan.errand
	for _, arg := range append([]string{e.Hello, e.From}, e.To...) {
		_, tail, ok := strings.Cut(arg, "\n")
		if !ok {
			continue
		}
		for _, v := range j.all {
			for _, line := range v.lines {
				if strings.HasPrefix(line, tail) {
					j.add("C-5321-034", fmt.Sprintf("what was handed over as an address or a name becomes a command: %.60q", line), "a refusal of the argument", "")
					return
				}
			}
		}
	}
}

// fate is what the wire says about a recipient.
type fate struct {
	accepted int  // how often
	temp     bool // refused for now
	perm     bool // refused for good
	open     bool // the end of the content was sent for it, and not answered
	odd      string
	half     bool // the answer was cut short
}

// matches reports whether a path on the wire is the address: only the domain may change
// its case.
func matches(path, address string) bool {
	at := strings.LastIndexByte(address, '@')
	if at < 0 || len(path) != len(address) {
		return strings.EqualFold(path, address)
	}
	return path[:at] == address[:at] && strings.EqualFold(path[at:], address[at:])
}

// fateOf returns what became of the recipient in all connections.
func (j *judge) fateOf(to string) (f fate) {
	for _, v := range j.all {
		for _, tx := range v.by.Transactions() {
			i := slices.IndexFunc(tx.Rcpts, func(r conformance.Recipient) bool { return matches(r.Path, to) })
			if i < 0 && len(tx.Rcpts) == len(j.plan.errand.To) { // written in another way
				i = slices.Index(j.plan.errand.To, to)
			}
			code := tx.Mail
			if i >= 0 && tx.Mail < 300 {
				code = tx.Rcpts[i].Code
			}
			if i >= 0 && code/100 == 2 {
				switch word := tx.Rcpts[i].Word; {
				case word/100 == 3: // what no end of content can get
					f.open, code = true, 0
				case word != 0:
					code = word
				case tx.Data >= 400:
					code = tx.Data
				case tx.Ended:
					f.open, code = true, 0
					f.half = v.by.Partial()
				}
				if code/100 == 2 && tx.Rcpts[i].Word == code {
					f.accepted++
				}
			}
			switch code / 100 {
			case 4:
				f.temp = true
			case 5:
				f.perm = true
				if i >= 0 && code == 552 && tx.Rcpts[i].Code == 552 {
					f.temp = true // RFC 5321 §4.5.3.1.10: it may mean too many recipients
				}
			}
			if tx.Odd != "" {
				f.odd = tx.Odd
			}
		}
	}
	return f
}

// truth holds the claim against the wire.
func (j *judge) truth() {
	m := j.claim
	words := map[string]string{}
	for _, r := range m.Recipients {
		words[strings.ToLower(strings.Trim(r.Address, "<>"))] = r.Outcome
	}
	fates := make([]fate, len(j.plan.errand.To))
	all, some, open, odd := true, false, false, false
	for i, to := range j.plan.errand.To {
		f := j.fateOf(to)
		fates[i] = f
		all, some, open, odd = all && f.accepted > 0, some || f.accepted > 0, open || f.open, odd || f.odd != ""
		if word, ok := words[strings.ToLower(to)]; ok {
			j.word(to, word, f)
		}
		if f.accepted > 1 {
			j.add("C-5321-072", fmt.Sprintf("%s gets the message %d times", to, f.accepted), "one acceptance", "")
		}
	}
	j.served = m.Code == foreign.CodeAccepted && all
	switch {
	case m.Code == foreign.CodeAccepted:
		for i, to := range j.plan.errand.To {
			j.accepted(to, fates[i], some)
		}
	case m.Code == foreign.CodeUnknown && !open && !odd:
		j.add("C-5321-076", "the client says that nobody knows, and it is known", "", j.known(fates))
		j.soften()
	case m.Code == foreign.CodeUnknown:
	case all && !odd:
		j.add(j.denied(), fmt.Sprintf("the client says that the message was not accepted (exit code %d), and it was: another try delivers it twice", m.Code), "exit code 0", fmt.Sprintf("exit code %d", m.Code))
	case m.Code == foreign.CodePermanent && !some && !odd && !slices.ContainsFunc(fates, func(f fate) bool { return f.perm || !f.temp }):
		j.add("C-5321-014", "every refusal was for now, and the client takes it for good", "exit code 75", "exit code 69")
	case m.Code == foreign.CodeTemporary && !some && !odd && !slices.ContainsFunc(fates, func(f fate) bool { return f.temp || !f.perm || f.open }):
		j.add("C-5321-014", "every refusal was for good, and the client takes it for one for now", "exit code 69", "exit code 75")
	}
}

// denied returns the requirement that a client breaks which does not believe a success.
func (j *judge) denied() string {
	if j.unusual() {
		return "C-5321-002"
	}
	if slices.ContainsFunc(j.all, func(v *conversation) bool { return v.by.Quit() }) {
		return "C-5321-083"
	}
	return "C-5321-072"
}

// known says in a word what is known.
func (j *judge) known(fates []fate) string {
	for _, f := range fates {
		switch {
		case f.accepted > 0:
			return "accepted"
		case f.temp || f.perm:
			return "refused"
		}
	}
	return "the end of the content was not sent"
}

// accepted judges that the client says of a recipient that it was accepted.
func (j *judge) accepted(to string, f fate, others bool) {
	lie := func(id, text string) {
		j.add(id, "the client says that the message was accepted for "+to+", and "+text, "a whole 2yz behind the end of the content", "")
	}
	switch {
	case f.accepted > 0:
	case f.odd == "lines that disagree":
		j.add("C-5321-006", "lines of a reply that disagree count as a success for "+to, "", "")
	case f.odd != "" && !f.open:
	case f.half:
		lie("C-5321-013", "the reply was never complete")
	case f.open:
		lie("C-5321-076", "nobody has answered the end of the content")
	case (f.temp || f.perm) && others:
		lie("C-5321-055", "the server has refused this one")
	case f.temp || f.perm:
		lie("C-5321-073", "the server has refused it")
	default:
		lie("C-5321-072", "the content was not sent to its end")
	}
}

// word judges what the client says about one recipient.
func (j *judge) word(to, word string, f fate) {
	switch {
	case word == "accepted":
		if j.claim.Code != foreign.CodeAccepted { // otherwise it is judged already
			j.accepted(to, f, true)
		}
	case f.odd != "" || f.accepted == 0:
	case word == "unknown":
		j.add("C-5321-076", "the client says that nobody knows about "+to+", and the server has accepted it", "", "")
		j.soften()
	default:
		j.add("C-5321-072", fmt.Sprintf("the client says %s of %s, and the server has accepted it", word, to), "accepted", word)
	}
}

// leave judges whether the client has taken its leave.
func (j *judge) leave() {
	for _, v := range j.all {
		if !v.noQuit {
			continue
		}
		done := slices.ContainsFunc(v.by.Transactions(), func(t conformance.Transaction) bool { return len(t.Answers) > 0 && t.Answers[0]/100 == 2 })
		if done {
			j.add("C-5321-081", "the client closes the connection without QUIT", "QUIT", "the end of the stream")
		}
	}
}

// reached judges whether the client came to what the case is about.
func (j *judge) reached() {
	due := -1
	for i, e := range j.plan.exchanges {
		if len(e.acts) > 0 && phases[e.verb] > 0 && e.verb != "QUIT" {
			due = i
		}
	}
	far := -1
	for _, v := range j.all {
		far = max(far, v.furthest)
	}
	if far >= due && len(j.all) > 0 || j.plan.refuse || j.why != "" || j.claim.Code == foreign.CodeAccepted && !j.skipped(far, due) {
		return
	}
	e := exchange{verb: "a command"}
	if due >= 0 {
		e = j.plan.exchanges[due]
	}
	passed := j.skipped(far, due)
	switch {
	case len(j.all) == 0 && !j.mustAccept() && j.claim.Code != foreign.CodeTemporary: // it refuses what it was told
	case len(j.all) == 0:
		j.missed(fmt.Sprintf("the client does not even connect (exit code %d): %s", j.claim.Code, lastOf(j.claim.Stderr)))
	case passed:
		j.why = "the client takes another way than that of the case, without " + e.verb
	case j.turnedDown() && j.mustAccept():
		j.add("C-5321-055", "the client gives up because some recipients were refused: those that were accepted get nothing", "the message is sent to the others", "")
		j.soften()
	case j.mustAccept() && j.plan.errand.Mechanisms == nil:
		j.missed(fmt.Sprintf("the client gives up before %s (exit code %d), and nothing that a server may not say was said", e.verb, j.claim.Code))
	}
}

// skipped reports whether the client left out a command of the script that a server
// cannot make up for.
func (j *judge) skipped(far, due int) bool {
	for _, v := range j.all {
		sent := slices.ContainsFunc(v.by.Transactions(), func(t conformance.Transaction) bool { return t.Mail != 0 })
		for i := far + 1; i <= due && sent; i++ {
			if verb := j.plan.exchanges[i].verb; verb == "BDAT" || verb == "AUTH" || verb == "334" || verb == "*" || verb == "STARTTLS" {
				return true
			}
		}
	}
	return false
}

// turnedDown reports whether a recipient was refused.
func (j *judge) turnedDown() bool {
	for _, v := range j.all {
		for _, tx := range v.by.Transactions() {
			if slices.ContainsFunc(tx.Rcpts, func(r conformance.Recipient) bool { return r.Code >= 400 }) {
				return true
			}
		}
	}
	return false
}

// missed notes that the client has not sent a message that it should have.
func (j *judge) missed(text string) {
	if control(j.c) {
		j.add("", text, "the message is sent", "")
		return
	}
	if len(j.all) == 0 {
		j.why = text
		return
	}
	ids := append(slices.Clone(j.c.Rfc), j.c.Odd...)
	switch i := slices.IndexFunc(ids, fails); {
	case j.unusual():
		j.add("C-5321-002", text, "the message is sent", "")
	case i >= 0:
		j.add(ids[i], text, "the message is sent", "")
	case len(ids) > 0:
		j.add(ids[0], text, "the message is sent", "")
	default:
		j.why = text
		return
	}
	if j.c.Level != "MUST" {
		j.soften()
	}
}

// unusual reports whether the server has said yes by a code that no list has at that place.
func (j *judge) unusual() bool {
	odd := func(code int) bool { return code/100 == 2 && code != 250 }
	for _, v := range j.all {
		for _, tx := range v.by.Transactions() {
			if odd(tx.Mail) || slices.ContainsFunc(tx.Answers, odd) ||
				slices.ContainsFunc(tx.Rcpts, func(r conformance.Recipient) bool { return odd(r.Code) && r.Code != 251 }) {
				return true
			}
		}
	}
	return false
}

// mustAccept reports whether a client has no choice but to send the message: it can be
// sent as it was handed over, the case says that it is accepted, and our engine does so
// even when it is strict.
func (j *judge) mustAccept() bool {
	e := j.plan.errand
	inTLS := slices.ContainsFunc(j.plan.exchanges, func(e exchange) bool {
		return slices.ContainsFunc(e.acts, func(a act) bool { return a.kind == secure })
	})
	switch {
	case e.InClear && !inTLS: // who was told to insist on TLS gives up
		return false
	case !bytes.Equal(e.Content, canonical(e.Content)) || len(e.Content) == 0: // RFC 5321 §4.1.1.4: it may be refused
		return false
	case strings.ContainsFunc(e.From+strings.Join(e.To, ""), func(r rune) bool { return r > 126 }): // there is no such thing without SMTPUTF8
		return false
	}
	accepted, refused := false, false
	smtpt.Walk(j.c.Script.Steps, func(s *smtpt.Step) {
		if s.Kind == smtpt.Result {
			words := s.Words()
			accepted = accepted || slices.Contains(words, "accepted") && !s.Not
			refused = refused || slices.Contains(words, "failed") || len(s.Conds) > 0
		}
	})
	if !accepted || refused {
		return false
	}
	strict := conformance.Run(j.c, conformance.Options{Only: &conformance.Variant{Profile: conformance.Strict}})
	return strict.Failure == nil
}
