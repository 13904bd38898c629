package conformance

import (
	"bytes"
	"strings"
)

// foreigner is what the bystander notes besides when it watches a client that is not our
// engine. Such a client is shown one command at a time: what it says is taken when the
// server comes to it, so at most one command is unanswered, and whether it was there
// before the last answer is said with it. And no oddity of the server ends the dialogue:
// a client may read an odd reply in its way as long as its words are true.
type foreigner struct {
	mustTLS  bool              // nothing but discovery may be said in clear
	early    bool              // what the client says now was there before the last answer
	last     string            // the command that was taken last
	before   string            // the one before it
	inClear  map[string]string // what was offered before TLS
	greeting int
	refused  bool   // DATA was answered by what is no 3yz, and nothing was said since
	garbled  bool   // what the client says is no text
	spilt    bool   // content was taken for commands
	quirk    string // of the reply that is being read
	beyond   string // what a careful client does not go on after
	beyondID string
	surplus  []int // replies that nobody owed
}

// inGroups are the requirements about order. They cannot be broken by what was on its way
// before the client knew of a refusal.
var inGroups = map[string]bool{"C-5321-050": true, "C-5321-051": true, "C-5321-054": true, "C-3030-003": true, "C-5321-010": true, "C-5321-003": true}

// outOfStep are the requirements that a client breaks without knowing when it has taken a
// reply too many for the answer to its command.
var outOfStep = map[string]bool{"C-5321-052": true, "C-5321-053": true, "C-5321-038": true, "C-5321-022": true, "C-1870-001": true, "C-4954-001": true, "C-3207-001": true, "C-3030-001": true, "C-6152-001": true}

// ofKeyword are the keywords without which a client breaks a requirement.
var ofKeyword = map[string]string{
	"C-1870-001": "SIZE", "C-5321-052": "PIPELINING", "C-4954-001": "AUTH", "C-3030-001": "CHUNKING", "C-6152-001": "8BITMIME", "C-3461-001": "DSN", "C-6531-003": "SMTPUTF8",
}

// excused reports whether a fault is none because the client could not know, and names the
// requirement anew where another one was broken before.
func (m *monitor) excused(id *string) bool {
	f := m.foreign
	if _, learnt := f.inClear[ofKeyword[*id]]; learnt && m.secure { // before TLS
		*id = "C-3207-005"
	}
	if len(f.surplus) > 0 && (outOfStep[*id] || inGroups[*id]) {
		*id = "C-5321-010"
	}
	return (f.early || m.groups()) && inGroups[*id] // it may have been on its way
}

// groups reports whether what a foreign client says now may be of one group with the
// command before: small segments of a group arrive late, because TCP holds them back
// until the first is acknowledged, and that comes with the server's answer.
func (m *monitor) groups() bool {
	_, offered := m.offered["PIPELINING"]
	return offered && m.foreign.before != "" && !lastOfGroup[m.foreign.before]
}

// harmless are the verbs that may follow anything.
var harmless = map[string]bool{"QUIT": true, "RSET": true, "NOOP": true, "*": true}

// verbs are the commands that can be told from content.
var verbs = map[string]bool{
	"EHLO": true, "HELO": true, "LHLO": true, "STARTTLS": true, "AUTH": true, "MAIL": true, "SEND": true, "SOML": true, "SAML": true,
	"RCPT": true, "DATA": true, "BDAT": true, "RSET": true, "NOOP": true, "QUIT": true, "VRFY": true, "EXPN": true, "HELP": true, "*": true,
}

// afterEnd looks at what is said when the server has taken its leave.
func (m *monitor) afterEnd(p []byte) {
	m.line = append(m.line, p...)
	for {
		i := bytes.IndexByte(m.line, '\n')
		if i < 0 {
			return
		}
		verb, _, _ := strings.Cut(strings.ToUpper(strings.TrimRight(string(m.line[:i]), "\r")), " ")
		switch {
		case m.quit:
			m.fault("C-5321-084", "%.60q after QUIT", m.line[:i])
		case verb == "HELO" || verb == "EHLO":
			m.fault("C-5321-031", "%s after the server's farewell", verb)
		case verbs[verb] && !harmless[verb] && !m.foreign.early: // what was under way cannot be taken back
			m.fault("C-5321-077", "%s after the server's farewell", verb)
		}
		m.quit = m.quit || verb == "QUIT"
		m.line = append(m.line[:0], m.line[i+1:]...)
	}
}

// stray looks at a line of a foreign client before anything else does, and reports
// whether it is no command at all.
func (m *monitor) stray(verb string, text []byte) bool {
	f := m.foreign
	f.before, f.last = f.last, verb
	if len(text) > 2 && text[0] == 0x16 && text[1] == 3 {
		m.fault("C-3207-003", "a TLS handshake that the server has not agreed to")
		f.garbled = true
		return true
	}
	if !verbs[verb] && f.before == "." && f.early {
		if !f.spilt {
			m.fault("C-5321-065", "content goes on behind a line of one dot: %.60q", text)
			f.spilt = true
		}
		f.last = "."
		m.push(owed{verb: verb})
		return true
	}
	if !verbs[verb] && f.before == "DATA" && m.mode == commands {
		if !f.refused {
			m.fault("C-5321-053", "content although DATA was not answered by 354: %.60q", text)
			f.refused = true
		}
		f.last = "DATA"
		m.push(owed{verb: verb})
		return true
	}
	f.refused = false
	switch {
	case verb == "QUIT":
	case f.greeting/100 != 2 && f.greeting != 0:
		m.fault("C-5321-018", "%s after the greeting %d", verb, f.greeting)
	case f.beyond != "" && !harmless[verb]:
		m.fault(f.beyondID, "%s after %s", verb, f.beyond)
		f.beyond = ""
	}
	if m.partial && f.early {
		m.fault("C-5321-004", "%s before the reply to the last command is complete", verb)
	}
	if f.mustTLS && !m.secure && verbs[verb] && !harmless[verb] && verb != "EHLO" && verb != "HELO" && verb != "STARTTLS" && verb != "HELP" {
		m.fault("C-3207-010", "%s in clear, and TLS is required", verb)
	}
	if _, utf8 := m.offered["SMTPUTF8"]; !utf8 && bytes.ContainsFunc(text, func(r rune) bool { return r > 127 }) {
		m.fault("C-5321-041", "octets beyond ASCII in %.60q, and SMTPUTF8 is not offered", text)
	}
	switch tx := m.open; {
	case m.lmtp && (verb == "EHLO" || verb == "HELO"), !m.lmtp && verb == "LHLO":
		m.fault("C-2033-001", "%s is a greeting of another protocol", verb)
	case tx == nil:
	case verb == "DATA" && len(tx.rcpts) > 0 && tx.accepted() == 0 && !f.early:
		m.fault("C-5321-054", "DATA, and every recipient was refused")
	case verb == "DATA" && tx.chunked, verb == "BDAT" && tx.data/100 == 3:
		m.fault("C-3030-005", "DATA and BDAT in one transaction")
	case verb == "BDAT" && tx.data >= 400 && !f.early:
		m.fault("C-3030-003", "BDAT after a chunk that was refused")
	}
	return false
}

// octet looks at an octet of a foreign client's content.
func (m *monitor) octet(b byte) {
	if m.foreign == nil || b != 0 && b < 0x80 {
		return
	}
	_, eight := m.offered["8BITMIME"]
	_, binary := m.offered["BINARYMIME"]
	switch {
	case b == 0:
		m.fault("C-5321-070", "NUL in the content")
	case !eight && !binary:
		m.fault("C-5321-069", "octets beyond ASCII in the content, and 8BITMIME is not offered")
	}
}

// odd notes what lets clients read the reply at hand in more than one way.
func (m *monitor) odd(what string) {
	if m.foreign != nil && m.foreign.quirk == "" {
		m.foreign.quirk = what
	}
}

// oddities looks at a line of a reply.
func (m *monitor) oddities(code int, line []byte) {
	switch {
	case m.foreign == nil:
	case m.code != 0 && code != m.code:
		m.odd("lines that disagree")
	case !bytes.HasSuffix(m.reply, []byte("\r\n")):
		m.odd("a line that ends in LF alone")
	case len(line) > 3 && line[3] != ' ' && line[3] != '-', bytes.ContainsAny(line, "\r\x00"):
		m.odd("a line that is not in form")
	case len(line) > 510 || len(m.reply) > 4096:
		m.odd("a reply beyond what a client has to take")
	}
}

// noReply passes over a line that is no reply.
func (m *monitor) noReply() {
	m.odd("what is no reply")
	m.code, m.reply = 0, m.reply[:0]
	m.foreign.beyond, m.foreign.beyondID = "what is no reply", "C-5321-003"
	if !m.greeted {
		m.greeted = true
	}
}

// surplus notes a reply that answers nothing.
func (m *monitor) surplus(code int) {
	f := m.foreign
	f.surplus = append(f.surplus, code)
	f.beyond, f.beyondID = "a reply that nobody owes", "C-5321-010"
	f.quirk = ""
	if code == 421 {
		m.die("421")
	}
	for _, tx := range m.txs {
		tx.odd = "replies out of step"
	}
}

// settleOdd makes what was odd in a reply known of the transaction it is about.
func (m *monitor) settleOdd(tx *witnessed) {
	if m.foreign == nil {
		return
	}
	if tx != nil && tx.odd == "" {
		tx.odd = m.foreign.quirk
	}
	m.foreign.quirk = ""
}

// pathIn returns the path in the argument of RCPT, as it was written.
func pathIn(arg string) string {
	from, to := strings.IndexByte(arg, '<'), strings.LastIndexByte(arg, '>')
	if from < 0 || to < from {
		return strings.TrimSpace(arg[min(len(arg), len("TO:")):])
	}
	return arg[from+1 : to]
}
