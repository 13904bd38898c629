package live

import (
	"bytes"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/parley-mail/parley/conformance"
	"github.com/parley-mail/parley/conformance/smtpt"
)

// plan is a script as a table of answers.
type plan struct {
	errand    *conformance.Errand
	refuse    bool          // nobody listens
	delay     time.Duration // before anything is said
	dial      []act         // before the greeting: a handshake
	greeting  []act
	exchanges []exchange
	stalls    bool // the server keeps silent at some point, and the client has to give up
}

// exchange is a command of the script and what becomes of it.
type exchange struct {
	verb    string // "." is the end of content, "334" the answer to a challenge
	path    string // of RCPT
	mech    string // of AUTH
	initial bool   // AUTH has an initial response
	last    bool   // of BDAT
	line    int    // in the script
	acts    []act
	leave   bool // the client must go: it has closed the connection, says the script
}

// act is one thing that the server does.
type act struct {
	kind   kind
	octets []byte
	cuts   []int         // where the octets are parted, in rising order
	pause  time.Duration // between the parts, or for a wait
	cert   string        // of a handshake; "fail": there is none
	line   int
}

type kind uint8

const (
	say     kind = iota
	dribble      // octets one by one, for longer than a client may wait for a reply
	wait         // for a little while
	stall        // for ever
	secure       // a TLS handshake
	finish       // no more octets from here
	reset
)

// Spans of a script's time: what is no longer than brief only shows an order, and is
// played in a fraction of it; what is longer than lasting is about timers.
const (
	brief    = time.Minute
	lasting  = 5 * time.Minute
	fraction = 150 * time.Millisecond
)

// Portable returns why a case cannot be played against a client that is not this
// project's, and "" if it can.
func Portable(c *conformance.Case) string {
	_, reason := compile(c)
	return reason
}

// compiler makes a plan of a script.
type compiler struct {
	plan    *plan
	owed    []int  // exchanges that wait for a reply
	done    bool   // the first of them has one
	current int    // the exchange that was answered last; -1: the greeting
	last    []byte // line of the server
	spoke   bool   // the greeting has begun
	over    bool   // nothing more can happen
	secure  bool
	why     string
}

// compile returns the plan of a case, or why there is none.
func compile(c *conformance.Case) (*plan, string) {
	for _, n := range c.Needs {
		return nil, "needs " + n
	}
	errand, err := c.Errand()
	if err != nil {
		return nil, err.Error()
	}
	if strings.Contains(errand.User+errand.Password+errand.Token+errand.Hello+errand.From+strings.Join(errand.To, ""), "\x00") {
		return nil, "NUL cannot be handed over"
	}
	if slices.ContainsFunc(errand.To, func(to string) bool { return strings.Contains(to, ",") }) {
		return nil, "a comma in an address cannot be handed over in a list"
	}
	return answersTo(errand, c)
}

// recording returns the plan of a script that does not say what the client was asked to do, as
// one that was recorded does not: it may do anything.
func recording(c *conformance.Case) (*plan, string) {
	e := &conformance.Errand{TLS: "none", Plaintext: true}
	smtpt.Walk(c.Script.Steps, func(s *smtpt.Step) {
		e.LMTP = e.LMTP || s.Kind == smtpt.Client && strings.HasPrefix(strings.ToUpper(s.Text), "LHLO")
	})
	return answersTo(e, c)
}

// asks reports whether the script says what the client is asked to do.
func asks(c *conformance.Case) (does bool) {
	smtpt.Walk(c.Script.Steps, func(s *smtpt.Step) { does = does || s.Kind == smtpt.Call })
	return does
}

// answersTo returns what a client with that errand is answered, or why it cannot be.
func answersTo(errand *conformance.Errand, c *conformance.Case) (*plan, string) {
	m := &compiler{plan: &plan{errand: errand}, current: -1}
	m.steps(c.Script.Steps)
	switch p := m.plan; {
	case m.why != "":
		return nil, m.why
	case len(p.greeting) == 0 && !p.refuse && len(p.dial) == 0:
		return nil, "the server does not greet"
	}
	return m.plan, ""
}

func (m *compiler) no(s *smtpt.Step, format string, args ...any) {
	if m.why == "" {
		m.why = fmt.Sprintf("line %d: ", s.Pos.Line) + fmt.Sprintf(format, args...)
	}
}

func (m *compiler) steps(steps []smtpt.Step) {
	for i := range steps {
		s := &steps[i]
		if !m.holds(s) || m.why != "" {
			continue
		}
		switch s.Kind {
		case smtpt.Server:
			m.server(s)
		case smtpt.Client:
			m.client(s)
		case smtpt.Content:
			if m.verb() != "BDAT" {
				m.command(exchange{verb: ".", line: s.Pos.Line})
			}
		case smtpt.Group:
			m.steps(s.Steps)
		case smtpt.Alt: // branches differ in what the client says: the first is as good as any
			m.steps(s.Branches[0].Steps)
		case smtpt.Conn:
			m.conn(s)
		case smtpt.TLS:
			m.tls(s)
		case smtpt.Quiet, smtpt.Advance:
			m.pass(s, next(steps[i+1:]))
		case smtpt.Proxy:
			m.no(s, "a proxy")
		}
	}
}

// holds reports whether the conditions of a step are met: those of a lenient client.
func (m *compiler) holds(s *smtpt.Step) bool {
	facts := map[string]bool{"lenient": true, "compiled": true, "tls": m.secure}
	return !slices.ContainsFunc(s.Conds, func(c string) bool {
		return facts[strings.TrimPrefix(c, "!")] == strings.HasPrefix(c, "!")
	})
}

// next returns the first of the steps in which something happens on the wire.
func next(steps []smtpt.Step) *smtpt.Step {
	for i := range steps {
		switch steps[i].Kind {
		case smtpt.Comment, smtpt.Blank, smtpt.Event, smtpt.Path, smtpt.Result, smtpt.Call:
			continue
		}
		return &steps[i]
	}
	return nil
}

// acts returns the list that the server's next act belongs to.
func (m *compiler) acts() *[]act {
	m.spoke = true
	switch {
	case len(m.owed) > 0:
		return &m.plan.exchanges[m.owed[0]].acts
	case m.current >= 0:
		return &m.plan.exchanges[m.current].acts
	}
	return &m.plan.greeting
}

func (m *compiler) do(a act) { acts := m.acts(); *acts = append(*acts, a) }

func (m *compiler) server(s *smtpt.Step) {
	octets, ok := s.Pattern.Fill(func(name string) (string, bool) { return m.plan.errand.Hello, name == "name" })
	if !ok {
		m.no(s, "a reply that depends on the octets of this engine")
		return
	}
	if v, ok := s.Get("rep"); ok {
		n, _ := strconv.Atoi(v)
		octets = bytes.Repeat(octets, n)
	}
	a := act{kind: say, octets: octets, line: s.Pos.Line}
	if v, ok := s.Get("at"); ok {
		d, _ := smtpt.Delay(v)
		if d > brief {
			m.no(s, "the client would have to wait for %v", d)
			return
		}
		m.do(act{kind: wait, pause: min(d, fraction), line: s.Pos.Line})
	}
	if v, ok := s.Get("split"); ok {
		each, at, _ := smtpt.Splits(v)
		for i := 1; each && i < len(octets); i++ {
			at = append(at, i)
		}
		a.cuts = slices.DeleteFunc(at, func(n int) bool { return n >= len(octets) })
	}
	if v, ok := s.Get("gap"); ok && len(a.cuts) > 0 {
		d, _ := smtpt.Delay(v)
		switch whole := d * time.Duration(len(a.cuts)); {
		case whole > lasting && d <= brief:
			a.kind, m.plan.stalls = dribble, true
		case whole > lasting:
			m.no(s, "the client would have to wait for %v", d)
		default:
			a.pause = min(d, fraction, 10*fraction/time.Duration(len(a.cuts)))
		}
	}
	acts := m.acts()
	if n := len(*acts); n > 0 && a.kind == say && a.cuts == nil && (*acts)[n-1].kind == say && (*acts)[n-1].cuts == nil {
		(*acts)[n-1].octets = append(bytes.Clone((*acts)[n-1].octets), octets...)
	} else {
		*acts = append(*acts, a)
	}
	m.replied(octets)
}

// replied notes that a reply may be complete, and whose turn is next.
func (m *compiler) replied(octets []byte) {
	lines := bytes.TrimRight(octets, "\r\n")
	m.last = lines[bytes.LastIndexByte(lines, '\n')+1:]
	whole := bytes.HasSuffix(octets, []byte("\n")) && (len(m.last) < 4 || m.last[3] != '-')
	switch {
	case !whole || len(m.owed) == 0:
	case len(m.owed) > 1:
		m.current, m.owed, m.done = m.owed[0], m.owed[1:], false
	default:
		m.done = true
	}
}

// verb returns that of the last command.
func (m *compiler) verb() string {
	if n := len(m.plan.exchanges); n > 0 {
		return m.plan.exchanges[n-1].verb
	}
	return ""
}

// client adds a command of the script.
func (m *compiler) client(s *smtpt.Step) {
	var head []byte
	if len(s.Pattern) > 0 && s.Pattern[0].Kind == smtpt.Literal {
		head = s.Pattern[0].Literal
	}
	line, _, _ := strings.Cut(strings.TrimRight(string(head), "\r\n"), "\r\n")
	words := strings.Fields(line)
	asked := bytes.HasPrefix(m.last, []byte("334")) && slices.Contains([]string{"AUTH", "334"}, m.verb())
	e := exchange{line: s.Pos.Line}
	switch {
	case asked && line == "*":
		e.verb = "*"
	case asked:
		e.verb = "334"
	case s.Raw && bytes.HasPrefix(m.last, []byte("354")) && m.verb() == "DATA", line == ".":
		e.verb = "."
	case s.Raw && m.verb() == "BDAT" && !commands[firstOf(words)]: // a chunk
		return
	case len(words) == 0 || !commands[strings.ToUpper(words[0])]:
		m.no(s, "a command that is this engine's own")
		return
	default:
		e.verb = strings.ToUpper(words[0])
	}
	switch {
	case e.verb == "RCPT":
		e.path = between(line)
	case e.verb == "BDAT":
		e.last = slices.Contains(words, "LAST")
	case e.verb == "AUTH" && len(words) > 1:
		e.mech, e.initial = words[1], len(words) > 2 || len(s.Pattern) > 1
	}
	m.command(e)
}

func firstOf(words []string) string {
	if len(words) == 0 {
		return ""
	}
	return strings.ToUpper(words[0])
}

// between returns what is in angle brackets.
func between(line string) string {
	from, to := strings.IndexByte(line, '<'), strings.LastIndexByte(line, '>')
	if from < 0 || to < from {
		return ""
	}
	return line[from+1 : to]
}

// commands are the verbs that a server knows.
var commands = map[string]bool{
	"EHLO": true, "LHLO": true, "HELO": true, "STARTTLS": true, "AUTH": true, "MAIL": true, "RCPT": true, "DATA": true, "BDAT": true,
	"RSET": true, "NOOP": true, "QUIT": true, "VRFY": true, "EXPN": true, "HELP": true,
}

func (m *compiler) command(e exchange) {
	if m.done {
		m.current, m.owed, m.done = m.owed[0], m.owed[1:], false
	}
	m.plan.exchanges = append(m.plan.exchanges, e)
	m.owed = append(m.owed, len(m.plan.exchanges)-1)
}

func (m *compiler) conn(s *smtpt.Step) {
	a := act{line: s.Pos.Line}
	switch word := s.Attrs[0].Key; word {
	case "fin", "halfclose":
		a.kind = finish
	case "rst":
		a.kind = reset
	case "stall":
		a.kind, m.plan.stalls = stall, true
	case "refuse":
		m.plan.refuse = true
		return
	case "accept-delay":
		m.plan.delay = fraction
		return
	case "client-fin":
		if m.over {
			return
		}
		if i := m.current; len(m.owed) > 0 {
			m.plan.exchanges[m.owed[0]].leave = true
		} else if i >= 0 {
			m.plan.exchanges[i].leave = true
		}
		return
	default:
		m.no(s, "X: %s cannot be done to a client of which only the socket is known", word)
		return
	}
	m.over = true
	m.do(a)
}

func (m *compiler) tls(s *smtpt.Step) {
	a := act{kind: secure, cert: "good", line: s.Pos.Line}
	switch s.Attrs[0].Key {
	case "fail":
		a.cert = "fail"
	case "no-close-notify":
		m.over = true
		m.do(act{kind: finish, line: s.Pos.Line})
		return
	default:
		if v, ok := s.Get("cert"); ok {
			a.cert = v
		}
	}
	m.secure = true
	if !m.spoke {
		m.plan.dial = append(m.plan.dial, a)
		return
	}
	m.do(a)
}

// pass has time go by: a moment, or for ever, where the script has the client give up.
func (m *compiler) pass(s, after *smtpt.Step) {
	gone := after == nil || after.Kind == smtpt.Conn && after.Attrs[0].Key == "client-fin"
	switch {
	case s.Dur <= brief && !gone:
		m.do(act{kind: wait, pause: min(s.Dur, fraction), line: s.Pos.Line})
	case s.Dur <= brief: // a client may take its time to leave
	case gone:
		m.do(act{kind: stall, line: s.Pos.Line})
		m.over, m.plan.stalls = true, true
	default:
		m.no(s, "the client would have to wait for %v", s.Dur)
	}
}
