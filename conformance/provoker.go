package conformance

import (
	"bytes"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/parley-mail/parley/conformance/smtpt"
)

// Provoker is the server of a session that octets decide, for a client that is not our
// engine. It answers one command at a time and is in step with what the client has sent.
// A plan has it go wrong at one kind of command, or anywhere; where its octets are used
// up, it is a lawful server that takes everything. It does no I/O.
type Provoker struct {
	walk    walk
	octets  *octets
	place   int  // the kind of command at which it goes wrong; from len(places) on: any
	goes    int  // how often it goes wrong at one kind of command
	bare    bool // it offers nothing
	greeted bool // a greeting was said, whatever it looked like
	pending []asked

	line    []byte
	content []byte // since 354; nil: commands are awaited
	chunk   int    // octets of a chunk still to come
	last    bool   // of BDAT LAST

	strange bool            // something unlawful was said before the end of content was answered
	refused bool            // a recipient, or what comes before, was refused
	rcpts   map[string]bool // whether a recipient was refused beyond doubt, by paths

	Trail []string // what was said to what, in short, for whoever looks for something new
	Steps []string // the session in the notation of scripts
	Truth Truth
}

// asked is a command that waits for an answer.
type asked struct {
	verb string
	path string // of RCPT
}

// Truth is what somebody who saw both directions knows of the message.
type Truth struct {
	Connected bool // there was a connection
	Ended     bool // the end of the content was received
	Accepted  bool // behind it came a line that begins with a 2yz, by the mildest reading
	Clean     bool // it was taken for all recipients by a server that had done nothing strange by then
	Twice     bool // and yet it was sent again
}

// Refused reports whether the server has refused the recipient beyond doubt: by a whole
// reply to its RCPT, when nothing strange had been said, and it has not taken it since.
func (p *Provoker) Refused(rcpt string) bool { return p.rcpts[strings.ToLower(rcpt)] }

// Deed is what the server does next.
type Deed struct {
	Octets []byte
	Times  int  // they are said so often; 0: once
	Fill   int  // so many "x" follow
	Cut    int  // where the octets are parted; 0: nowhere
	Fin    bool // then the server says no more
	Reset  bool // then the connection is reset
	Hush   bool // nothing is said for a while, and then the connection is closed
	Long   bool // the while is so long that any client has given up before
}

// places are the kinds of commands at which a plan may go wrong.
var places = [][]string{{""}, {"EHLO", "HELO", "LHLO"}, {"MAIL"}, {"RCPT"}, {"DATA", "BDAT"}, {"."}, {"QUIT", "RSET", "NOOP"}}

// Ways to go wrong that only a client on a socket is held against, behind those of
// misanswer, some of them malformed.
const (
	wayRefusal = 16 + iota // lawful, and not what is hoped for
	wayFlood               // a line of some MiB
	wayLines               // a reply of very many lines
	wayMixed               // codes differ within a reply
	wayHush
	numProvokerWays
)

// How often lengths are doubled at most: 64 MiB of a line, a million lines.
const (
	mostFill  = 10
	mostLines = 14
)

// NewProvoker returns the server of a plan.
func NewProvoker(plan []byte) *Provoker {
	o := &octets{plan}
	p := &Provoker{octets: o, walk: walk{rng: o, wild: true, good: 100}, rcpts: map[string]bool{}}
	p.place, p.bare, p.goes = o.IntN(len(places)+5), o.IntN(2) == 0, 1+o.IntN(3)
	if p.place >= len(places) {
		p.walk.good, p.walk.bold = 40+o.IntN(56), 5+o.IntN(30)
	}
	return p
}

// ProvokerPlans returns plans that try each way to go wrong at each kind of command, with
// particulars that follow from the seed.
func ProvokerPlans(seed uint64) [][]byte {
	c := NewCorpus(seed)
	var plans [][]byte
	for place := range places {
		for way := range numProvokerWays {
			plan := append([]byte{byte(place), byte(c.rng.IntN(2)), byte(c.rng.IntN(2)), byte(way)}, c.random(24)...)
			switch way { // for as long, and as much, as can be
			case wayHush:
				plan[4] = 255
			case wayFlood:
				plan[4] = mostFill
			case wayLines:
				plan[4] = mostLines
			}
			plans = append(plans, plan)
		}
	}
	c.rng.Shuffle(len(plans), func(i, j int) { plans[i], plans[j] = plans[j], plans[i] })
	return plans
}

// Due reports whether it is the server's turn.
func (p *Provoker) Due() bool { return !p.greeted || len(p.pending) > 0 }

// Reconnected says that the client has connected once more: the plan goes on.
func (p *Provoker) Reconnected() {
	p.greeted, p.pending, p.line, p.content, p.chunk = false, nil, nil, nil, 0
	p.strange = true // the client may have its reasons
	p.step("# the client connects once more\n")
}

func (p *Provoker) step(s string) { p.Steps = append(p.Steps, s) }

// Sent takes octets of the client.
func (p *Provoker) Sent(octets []byte) {
	for len(octets) > 0 {
		switch {
		case p.chunk > 0:
			n := min(p.chunk, len(octets))
			octets = octets[n:]
			if p.chunk -= n; p.chunk == 0 {
				p.chunked()
			}
		case p.content != nil:
			octets = p.takeContent(octets)
		default:
			i := bytes.IndexByte(octets, '\n')
			if i < 0 {
				p.line = append(p.line, octets...)
				return
			}
			line := append(p.line, octets[:i+1]...)
			octets, p.line = octets[i+1:], nil
			p.command(line)
		}
	}
}

func (p *Provoker) chunked() {
	verb := "BDAT"
	if p.last {
		verb = "."
		p.ends()
	}
	p.push(verb, "")
}

func (p *Provoker) push(verb, path string) { p.pending = append(p.pending, asked{verb, path}) }

// ends notes that the end of the content was received.
func (p *Provoker) ends() {
	p.Truth.Ended = true
	p.Truth.Twice = p.Truth.Clean
}

var contentEnd = []byte("\r\n.\r\n")

// takeContent takes content up to its end, and returns what follows.
func (p *Provoker) takeContent(octets []byte) []byte {
	before := len(p.content)
	p.content = append(p.content, octets...)
	i := bytes.Index(p.content, contentEnd) // content begins as if behind a line end
	if i < 0 {
		p.content = slices.Clone(p.content[max(0, len(p.content)-len(contentEnd)+1):])
		return nil
	}
	p.content = nil
	p.ends()
	p.push(".", "")
	p.step("C<<any\n")
	return octets[i+len(contentEnd)-before:]
}

func (p *Provoker) command(line []byte) {
	text := strings.TrimRight(string(line), "\r\n")
	verb, arg, _ := strings.Cut(text, " ")
	verb = strings.ToUpper(verb)
	p.step("C: " + smtpt.Escape([]byte(text), true) + "\n")
	if verb != "BDAT" {
		if !slices.Contains(lawfulVerbs, verb) {
			verb = "?"
		}
		_, path, _ := strings.Cut(arg, "<")
		path, _, _ = strings.Cut(path, ">")
		p.push(verb, path)
		return
	}
	size, last, _ := strings.Cut(strings.ToUpper(arg), " ")
	n, err := strconv.Atoi(size)
	if p.chunk, p.last = max(n, 0), last == "LAST"; err != nil || p.chunk == 0 {
		p.chunked()
		return
	}
	p.step("C<<any\n")
}

// lawfulVerbs are those that are not answered by 500.
var lawfulVerbs = []string{"EHLO", "LHLO", "HELO", "MAIL", "RCPT", "DATA", "RSET", "NOOP", "QUIT", "VRFY", "EXPN", "HELP"}

// Answer is what the server does about the command that waits longest.
func (p *Provoker) Answer() Deed {
	p.Truth.Connected = true
	head := asked{}
	if p.greeted {
		head, p.pending = p.pending[0], p.pending[1:]
	}
	verb := head.verb
	m := &monitor{greeted: p.greeted, pending: []owed{{verb: verb}}}
	p.greeted = true
	d, how := p.deed(m, verb)
	p.Trail = append(p.Trail, verb+" "+how)
	p.account(head, d)
	if here := p.place >= len(places) || strings.HasPrefix(how, "by"); here && len(d.Octets) > 0 && d.Times+d.Fill == 0 && len(p.octets.data) > 0 && p.walk.percent(10) {
		d.Cut = p.walk.rng.IntN(len(d.Octets))
	}
	p.write(d)
	return d
}

// deed chooses what to do, and says in a word how.
func (p *Provoker) deed(m *monitor, verb string) (d Deed, how string) {
	w := &p.walk
	here := p.place >= len(places) && w.percent(w.bold) || p.goes > 0 && p.place < len(places) && slices.Contains(places[p.place], verb)
	if verb == "?" {
		return Deed{Octets: []byte("500 5.5.1 what?\r\n")}, "5"
	}
	if len(p.octets.data) == 0 || !here {
		reply := withoutKeywords(p.lawful().reply(m), "STARTTLS", "AUTH")
		if p.bare && (verb == "EHLO" || verb == "LHLO") && reply[0] == '2' {
			reply = "250 s.example"
		}
		return Deed{Octets: []byte(reply + "\r\n")}, reply[:1]
	}
	p.goes--
	way := w.rng.IntN(numProvokerWays)
	how = "by " + strconv.Itoa(way)
	switch way {
	case wayAccident:
		if w.percent(70) {
			return Deed{Fin: true}, how
		}
		return Deed{Reset: true}, how
	case wayStall:
		return Deed{Hush: true}, how
	case wayHush:
		return Deed{Hush: true, Long: w.rng.IntN(256) >= 224}, how
	case wayRefusal:
		if bad := w.refusal(verb); bad != "" {
			return Deed{Octets: []byte(bad + "\r\n")}, bad[:3]
		}
		return Deed{Octets: []byte("554 5.7.1 no\r\n")}, "554"
	case wayFlood:
		p.strange = p.strange || !p.answered(verb)
		return Deed{Octets: []byte("250 "), Fill: 1 << (16 + w.rng.IntN(mostFill+1))}, how
	case wayLines:
		p.strange = p.strange || !p.answered(verb)
		return Deed{Octets: []byte("250-" + strings.Repeat("so on ", 9) + "\r\n"), Times: 1 << (6 + w.rng.IntN(mostLines+1)), Fin: w.percent(50)}, how
	case wayMixed:
		p.strange = p.strange || !p.answered(verb)
		return Deed{Octets: []byte(w.one("250-a\r\n550 b", "550-a\r\n250 b", "250-a\r\n250-b\r\n354 c", "220-a\r\n\r\n250 b") + "\r\n")}, how
	}
	octets, cut := w.misanswer(m, way)
	p.strange = p.strange || !p.answered(verb)
	return Deed{Octets: octets, Fin: cut}, how
}

// lawful returns the walk that answers where nothing goes wrong. A plan that goes wrong at
// one kind of command spends no octets elsewhere.
func (p *Provoker) lawful() *walk {
	if p.place >= len(places) {
		return &p.walk
	}
	return &walk{rng: &octets{}, good: 100}
}

// answered reports whether the end of content had its answer before this command.
func (p *Provoker) answered(verb string) bool { return p.Truth.Accepted && verb != "." }

// account keeps the truth about the message.
func (p *Provoker) account(a asked, d Deed) {
	refusing := len(d.Octets) > 0 && (d.Octets[0] == '4' || d.Octets[0] == '5') || d.Fin || d.Reset || d.Hush
	switch a.verb {
	case "RCPT":
		p.refused = p.refused || refusing
		p.rcpts[strings.ToLower(a.path)] = !p.strange && refusal.Match(d.Octets)
	case "", "EHLO", "LHLO", "HELO", "MAIL", "BDAT":
		p.refused = p.refused || refusing
	case "DATA":
		if bytes.HasPrefix(d.Octets, []byte("354")) && bytes.IndexByte(d.Octets, '\n') > 0 {
			p.content = []byte("\r\n")
		}
	case ".":
		if positive.Match(d.Octets) && d.Fill == 0 {
			p.Truth.Accepted = true
			p.Truth.Clean = !p.strange && !p.refused && acceptance.Match(d.Octets)
		}
	}
}

var (
	positive   = regexp.MustCompile(`(?m)^[^0-9A-Za-z\n]*2[0-9][0-9]([^-\n][^\n]*)?\n`)
	acceptance = regexp.MustCompile(`^(250-[^\r\n]*\r\n)*250 [^\r\n]*\r\n$`)
	refusal    = regexp.MustCompile(`^[45][0-9][0-9] [^\r\n]*\r\n$`)
)

// write notes a deed in the notation of scripts.
func (p *Provoker) write(d Deed) {
	rec := &recorder{}
	attr := ""
	if d.Times > 0 {
		attr = fmt.Sprintf("[rep=%d]", d.Times)
	}
	if d.Fill > 0 {
		attr = fmt.Sprintf("[fill=x*%d]", d.Fill)
	}
	from := 0
	for line := range bytes.Lines(d.Octets) {
		split := attr
		if d.Cut > from && d.Cut < from+len(line) {
			split = fmt.Sprintf("[split=%d]", d.Cut-from)
		}
		rec.octets("S"+split, line)
		from += len(line)
	}
	switch {
	case d.Fin:
		rec.line("X: fin")
	case d.Reset:
		rec.line("X: rst")
	case d.Hush:
		rec.line("X: stall")
	}
	p.step(rec.lines.String())
}

// withoutKeywords leaves lines out of an answer to EHLO: what would lead where a plain
// connection cannot follow.
func withoutKeywords(reply string, words ...string) string {
	lines := strings.Split(reply, "\r\n")
	if len(lines) < 2 {
		return reply
	}
	return strings.Join(slices.DeleteFunc(lines, func(line string) bool {
		return slices.ContainsFunc(words, func(w string) bool { return strings.HasPrefix(line[min(4, len(line)):], w) })
	}), "\r\n")
}
