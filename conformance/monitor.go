package conformance

import (
	"bytes"
	"cmp"
	"fmt"
	"strconv"
	"strings"
)

// monitor watches both directions of a dialogue as a bystander: it knows the RFCs and
// nothing of the engine. What the client may not say it notes as a fault, and it keeps
// account of what a server has promised, against which the engine's words are held.
type monitor struct {
	lmtp   bool
	secret bool // AUTH is allowed in clear
	extra  bool // the caller has parameters of his own

	foreign *foreigner // another client than our engine is watched; nil: it is ours

	faults []Fault

	// The client's octets.
	line    []byte
	mode    clientMode
	left    int64    // octets of the chunk still to come
	dot     dotState // of the content
	prev    byte
	secure  bool
	quit    bool
	spoken  int64
	greeted bool

	// The server's octets.
	reply   []byte
	code    int    // worst code of the reply so far
	dead    string // why nothing more can be matched
	garbage bool   // that was what is no reply
	heard   int    // complete replies
	offered map[string]string
	hello   bool // EHLO or HELO was answered by 2yz
	authed  bool
	partial bool // octets of a line, or a reply that goes on

	pending []owed
	txs     []*witnessed
	open    *witnessed // the transaction that MAIL has opened, as the client sees it
	auth    bool       // a 334 is outstanding
}

type clientMode uint8

const (
	commands clientMode = iota
	data
	chunk
)

// owed is a command that was sent and not answered.
type owed struct {
	verb string
	tx   *witnessed
	rcpt int
	last bool // BDAT LAST
}

// witnessed is a mail transaction as it was seen on the wire.
type witnessed struct {
	mail    int   // code that answered MAIL; 0: none
	rcpts   []int // codes that answered RCPT
	data    int   // code that answered DATA or refused a chunk
	early   int   // a refusal while the content was being sent
	ended   bool  // the end of the content was sent
	answers []int // codes that answered it
	dot     bool  // the 354 was moot: only "." may follow
	rset    bool
	odd     string   // what made a reply one that clients may read in more than one way
	paths   []string // of a foreign client: whom it named in RCPT
	chunked bool
}

// accepted returns how many recipients were accepted so far.
func (w *witnessed) accepted() int {
	n := 0
	for _, code := range w.rcpts {
		if code/100 == 2 && w.mail < 300 {
			n++
		}
	}
	return n
}

// word returns the code that decided about recipient i after the end of the content, or 0.
func (w *witnessed) word(i int, lmtp bool) int {
	if i >= len(w.rcpts) || w.rcpts[i]/100 != 2 || w.mail >= 300 {
		return 0
	}
	n := 0
	if lmtp {
		for _, code := range w.rcpts[:i] {
			if code/100 == 2 {
				n++
			}
		}
	}
	if n >= len(w.answers) {
		return 0
	}
	return w.answers[n]
}

// fault notes that the client breaks the requirement with this id.
func (m *monitor) fault(id, format string, args ...any) {
	if m.foreign != nil && m.excused(&id) {
		return
	}
	if len(m.faults) < 10 {
		m.faults = append(m.faults, Fault{id, fmt.Sprintf(format, args...)})
	}
}

// sent takes octets of the client.
func (m *monitor) sent(p []byte) {
	if len(p) == 0 {
		return
	}
	m.spoken += int64(len(p))
	switch {
	case m.dead != "" && m.foreign != nil:
		m.afterEnd(p)
		return
	case m.dead != "":
		m.fault("C-5321-077", "the client says %.60q after %s", p, m.dead)
		return
	case !m.greeted:
		m.fault("C-5321-017", "the client says %.60q before the greeting", p)
	}
	for len(p) > 0 {
		switch m.mode {
		case data:
			p = p[m.takeData(p):]
		case chunk:
			n := min(m.left, int64(len(p)))
			m.left -= n
			p = p[n:]
			if m.left == 0 {
				m.mode = commands
			}
		default:
			i := bytes.IndexByte(p, '\n')
			if i < 0 {
				m.line = append(m.line, p...)
				return
			}
			line := append(m.line, p[:i+1]...)
			p = p[i+1:]
			m.command(line)
			m.line = m.line[:0]
		}
	}
}

// Where takeData is in a line of content.
type dotState uint8

const (
	lineStart dotState = iota
	lineDot            // "." at the front
	lineDotCR          // ".\r"
	lineMid
)

// takeData takes octets of content up to the line that ends it, and returns how many.
func (m *monitor) takeData(p []byte) int {
	for i, b := range p {
		switch {
		case b == '\n' && m.prev != '\r':
			m.fault("C-5321-068", "a bare LF in the content")
		case b != '\n' && m.prev == '\r':
			m.fault("C-5321-068", "a bare CR in the content")
		}
		m.octet(b)
		ends := m.dot == lineDotCR && b == '\n'
		switch {
		case b == '\n' && m.prev == '\r':
			m.dot = lineStart
		case m.dot == lineStart && b == '.':
			m.dot = lineDot
		case m.dot == lineDot && b == '\r':
			m.dot = lineDotCR
		default:
			m.dot = lineMid
		}
		m.prev = b
		tx := m.open
		if ends {
			if tx != nil {
				tx.ended = !tx.dot
			}
			m.pending = append(m.pending, owed{verb: ".", tx: tx})
			m.mode, m.open = commands, nil
			return i + 1
		}
		if tx != nil && tx.dot && m.dot == lineMid {
			m.fault("C-2920-006", "content behind a 354 for nobody")
			tx.dot = false
		}
	}
	return len(p)
}

// needsKeyword is what must be offered before a parameter may be used.
var needsKeyword = map[string]string{
	"SIZE": "SIZE", "BODY": "8BITMIME", "SMTPUTF8": "SMTPUTF8", "RET": "DSN", "ENVID": "DSN", "NOTIFY": "DSN", "ORCPT": "DSN",
	"BY": "DELIVERBY", "HOLDFOR": "FUTURERELEASE", "HOLDUNTIL": "FUTURERELEASE", "MT-PRIORITY": "MT-PRIORITY",
	"AUTH": "AUTH", "REQUIRETLS": "REQUIRETLS",
}

// ofParameter are the requirements about parameters whose extension is not offered, where
// an extension has one of its own.
var ofParameter = map[string]string{
	"DSN": "C-3461-001", "SMTPUTF8": "C-6531-003", "BINARYMIME": "C-3030-008", "REQUIRETLS": "C-EXT-010", "AUTH": "C-4954-023",
	"8BITMIME": "C-6152-001", "SIZE": "C-1870-001",
}

// command takes a whole line that is no content.
func (m *monitor) command(line []byte) {
	text, ok := bytes.CutSuffix(line, []byte("\r\n"))
	switch {
	case m.foreign != nil && m.foreign.garbled:
		return
	case len(text) > 2 && text[0] == 0x16 && m.foreign != nil: // no line at all
	case !ok:
		m.fault("C-5321-033", "the line %.60q does not end by CRLF", line)
	case bytes.ContainsAny(text, "\r\x00"):
		m.fault("C-5321-033", "CR or NUL inside %.60q", line)
	case m.quit:
		m.fault("C-5321-084", "%.60q after QUIT", text)
	}
	if m.auth {
		m.auth = false
		verb := "334"
		if string(text) == "*" {
			verb = "*"
		}
		m.push(owed{verb: verb})
		return
	}
	if n := len(text); n > 0 && (text[n-1] == ' ' || text[n-1] == '\t') {
		m.fault("C-5321-037", "a blank at the end of %.60q", text)
	}
	verb, arg, _ := strings.Cut(string(text), " ")
	verb = strings.ToUpper(verb)
	if m.foreign != nil && m.stray(verb, text) {
		return
	}
	if len(text) > 512-2 && (m.offered == nil || verb != "MAIL" && verb != "RCPT") {
		m.fault("C-5321-049", "a command line of %d octets", len(line))
	}
	m.pipelined(verb)
	switch verb {
	case "EHLO", "LHLO", "HELO":
		if m.open != nil {
			m.open = nil
		}
	case "STARTTLS":
		switch _, offered := m.offered["STARTTLS"]; {
		case !offered:
			m.fault("C-3207-001", "STARTTLS is not offered")
		case m.secure:
			m.fault("C-3207-008", "STARTTLS inside TLS")
		case m.open != nil:
			m.fault("C-5321-050", "STARTTLS inside a mail transaction")
		}
	case "AUTH":
		m.authLine(arg)
	case "MAIL", "SEND", "SOML", "SAML":
		if m.open != nil {
			m.fault("C-5321-051", "%s while a mail transaction is open", verb)
		}
		if !m.hello {
			m.fault("C-5321-022", "%s before EHLO or HELO is accepted", verb)
		}
		m.open = &witnessed{}
		m.txs = append(m.txs, m.open)
		m.params(arg, "FROM:")
	case "RCPT":
		if m.open == nil {
			m.fault("C-5321-050", "RCPT without MAIL")
			m.open = &witnessed{}
		}
		m.open.rcpts = append(m.open.rcpts, 0)
		if m.foreign != nil {
			m.open.paths = append(m.open.paths, pathIn(arg))
		}
		m.params(arg, "TO:")
		m.push(owed{verb: verb, tx: m.open, rcpt: len(m.open.rcpts) - 1})
		return
	case "DATA":
		if m.open == nil || len(m.open.rcpts) == 0 {
			m.fault("C-5321-050", "DATA without RCPT")
		}
		if arg != "" {
			m.fault("C-5321-035", "DATA has an argument")
		}
	case "BDAT":
		m.bdat(arg)
		return
	case "RSET":
		if arg != "" {
			m.fault("C-5321-035", "RSET has an argument")
		}
		if m.open != nil {
			m.open.rset = true
		}
		m.open = nil
	case "QUIT":
		if arg != "" {
			m.fault("C-5321-035", "QUIT has an argument")
		}
		m.quit = true
	}
	m.push(owed{verb: verb, tx: m.open})
}

func (m *monitor) push(o owed) { m.pending = append(m.pending, o) }

// lastOfGroup are the verbs that nothing may follow before the reply (RFC 2920 §3.1,
// RFC 3207 §4, RFC 4954 §4).
var lastOfGroup = map[string]bool{
	"EHLO": true, "HELO": true, "LHLO": true, "STARTTLS": true, "AUTH": true, "DATA": true, "VRFY": true, "EXPN": true, "NOOP": true, "QUIT": true, "HELP": true,
}

// afterLast are the requirements that are broken by what follows such a verb.
var afterLast = map[string]string{
	"EHLO": "C-2920-002", "HELO": "C-2920-002", "LHLO": "C-2920-002", "STARTTLS": "C-3207-012", "AUTH": "C-4954-022", "DATA": "C-2920-002",
	"VRFY": "C-2920-002", "EXPN": "C-2920-002", "NOOP": "C-2920-002", "QUIT": "C-5321-084", "HELP": "C-2920-002",
}

func (m *monitor) pipelined(verb string) {
	first, last := "", ""
	switch {
	case m.foreign != nil && m.foreign.early:
		first, last = m.foreign.before, m.foreign.before
	case len(m.pending) > 0:
		first, last = m.pending[0].verb, m.pending[len(m.pending)-1].verb
	}
	if first == "" {
		return
	}
	if _, ok := m.offered["PIPELINING"]; !ok {
		m.fault("C-5321-052", "%s is sent before %s is answered, and PIPELINING is not offered", verb, first)
	}
	if lastOfGroup[last] {
		m.fault(afterLast[last], "%s behind %s in one group", verb, last)
	}
}

// reveals are the mechanisms that show the secret to whoever listens.
var reveals = map[string]bool{"PLAIN": true, "LOGIN": true, "XOAUTH2": true, "OAUTHBEARER": true}

func (m *monitor) authLine(arg string) {
	list, offered := m.offered["AUTH"]
	mech, _, _ := strings.Cut(arg, " ")
	mech = strings.ToUpper(mech)
	switch {
	case !offered:
		m.fault("C-4954-001", "AUTH is not offered")
	case !strings.Contains(" "+strings.ToUpper(list)+" ", " "+mech+" "):
		m.fault("C-4954-001", "AUTH %s is not offered", mech)
	case m.authed:
		m.fault("C-4954-003", "AUTH after a successful one")
	case m.open != nil:
		m.fault("C-4954-002", "AUTH inside a mail transaction")
	case !m.secure && !m.secret && reveals[mech]:
		m.fault("C-4954-019", "AUTH %s on a clear link", mech)
	}
}

// params looks at the path and the parameters of MAIL and RCPT.
func (m *monitor) params(arg, prefix string) {
	n := len(prefix) + 1
	ok := len(arg) >= n && strings.EqualFold(arg[:n], prefix+"<")
	rest := arg[min(n, len(arg)):]
	end := strings.LastIndexByte(rest, '>')
	if !ok || end < 0 {
		m.fault("C-5321-036", "%.60q is no %s<path>", arg, prefix)
		return
	}
	for param := range strings.FieldsSeq(rest[end+1:]) {
		key, value, _ := strings.Cut(strings.ToUpper(param), "=")
		need, known := needsKeyword[key]
		switch {
		case value == "BINARYMIME":
			need = "BINARYMIME"
		case !known && m.foreign != nil: // of an extension that we do not have
			need, known = key, true
		}
		if _, offered := m.offered[need]; known && !offered || !known && !m.extra {
			m.fault(cmp.Or(ofParameter[need], "C-5321-038"), "parameter %s, and %s is not offered", param, need)
		}
	}
}

func (m *monitor) bdat(arg string) {
	size, last, _ := strings.Cut(strings.ToUpper(arg), " ")
	n, err := strconv.ParseInt(size, 10, 64)
	if _, offered := m.offered["CHUNKING"]; !offered {
		m.fault("C-3030-001", "BDAT, and CHUNKING is not offered")
	}
	if err != nil || last != "" && last != "LAST" {
		m.fault("C-3030-002", "BDAT %.60q", arg)
	}
	tx := m.open
	if tx == nil || len(tx.rcpts) == 0 {
		m.fault("C-5321-050", "BDAT without RCPT")
	}
	if tx != nil {
		tx.chunked = true
	}
	m.push(owed{verb: "BDAT", tx: tx, last: last == "LAST"})
	if m.left = n; n > 0 {
		m.mode = chunk
	}
	if last == "LAST" {
		if tx != nil {
			tx.ended = true
		}
		m.open = nil
	}
}

// secured says that TLS is there: everything learnt before is void (RFC 3207 §4.2).
func (m *monitor) secured() {
	if m.foreign != nil {
		m.foreign.inClear = m.offered
	}
	m.secure, m.hello, m.authed, m.offered = true, false, false, nil
}
