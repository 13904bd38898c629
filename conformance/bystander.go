package conformance

import "strings"

// Fault is something a client did that a requirement forbids, as a bystander sees it.
type Fault struct {
	ID   string // of the requirement
	Text string
}

// faultTexts joins what was seen to one line.
func faultTexts(all []Fault) string {
	var texts []string
	for _, f := range all {
		texts = append(texts, f.Text)
	}
	return strings.Join(texts, "; ")
}

// Bystander watches a dialogue between a client that is not our engine and a server that
// answers one command at a time. It knows the RFCs, and which of the client's octets were
// there before an answer went out; it knows neither side's intentions.
type Bystander struct{ m monitor }

// Watch says what a bystander has to know beforehand.
type Watch struct {
	LMTP      bool
	Plaintext bool // secrets may be said in clear
	MustTLS   bool // the client was told to insist on TLS
}

// NewBystander returns one for a new connection.
func NewBystander(w Watch) *Bystander {
	b := &Bystander{}
	b.m.lmtp, b.m.secret = w.LMTP, w.Plaintext
	b.m.foreign = &foreigner{mustTLS: w.MustTLS}
	return b
}

// Client takes octets of the client: a whole line, or content. Early says that they had
// arrived before the last answer went out.
func (b *Bystander) Client(p []byte, early bool) {
	f := b.m.foreign
	f.early = early
	if early && b.m.mode == data && f.last == "DATA" && len(p) > 0 {
		b.m.fault("C-5321-053", "content before DATA is answered")
	}
	content := b.m.mode == data
	b.m.sent(p)
	if content && len(p) > 0 {
		f.last = "."
	}
}

// Server takes octets of the server, which answer the client's last command, or greet.
func (b *Bystander) Server(p []byte) { b.m.said(p) }

// Answered says that nothing more will come for the client's last command. What was not
// answered by a whole reply never will be.
func (b *Bystander) Answered() {
	m := &b.m
	if len(m.pending) > 0 {
		m.settleOdd(m.pending[0].tx)
		m.pending = m.pending[:0]
	}
	m.foreign.quirk = ""
}

// Secured says that a TLS handshake has succeeded.
func (b *Bystander) Secured() {
	b.m.secured()
	b.m.foreign.surplus, b.m.foreign.last, b.m.reply, b.m.code, b.m.partial = nil, "", nil, 0, false
}

// Secure reports whether the link is inside TLS.
func (b *Bystander) Secure() bool { return b.m.secure }

// Note adds a fault that somebody else has seen.
func (b *Bystander) Note(id, text string) { b.m.fault(id, "%s", text) }

// Faults returns what was seen, in order.
func (b *Bystander) Faults() []Fault { return b.m.faults }

// Quit reports whether the client has said QUIT.
func (b *Bystander) Quit() bool { return b.m.quit }

// Ended returns why the client can do nothing but leave: the server's farewell; "" where
// it can go on.
func (b *Bystander) Ended() string { return b.m.dead }

// Odd reports whether the server has said anything that a client may take amiss.
func (b *Bystander) Odd() bool { return b.m.foreign.beyondID != "" || b.m.foreign.quirk != "" }

// Offered returns what the EHLO reply in force says behind a keyword.
func (b *Bystander) Offered(keyword string) (args string, ok bool) {
	args, ok = b.m.offered[keyword]
	return args, ok
}

// Transaction is what was seen of one message on its way. A code is 0 where no reply was
// complete.
type Transaction struct {
	Mail    int
	Rcpts   []Recipient
	Data    int    // what answered DATA, or refused a chunk
	Ended   bool   // the end of the content was sent
	Answers []int  // what answered the end
	Odd     string // why clients may read what was said in more than one way
}

// Recipient is one RCPT, and the word about it behind the content.
type Recipient struct {
	Path string // as the client has written it
	Code int    // what answered RCPT
	Word int    // what decided after the end of the content; 0: nothing did
}

// Transactions returns all that were begun, in order.
func (b *Bystander) Transactions() []Transaction {
	var all []Transaction
	for _, w := range b.m.txs {
		t := Transaction{Mail: w.mail, Data: w.data, Ended: w.ended, Answers: w.answers, Odd: w.odd}
		if t.Odd == "" && len(b.m.foreign.surplus) > 0 {
			t.Odd = "replies out of step"
		}
		for i, code := range w.rcpts {
			t.Rcpts = append(t.Rcpts, Recipient{w.paths[i], code, w.word(i, b.m.lmtp)})
		}
		all = append(all, t)
	}
	return all
}

// InContent reports whether what the client says next is content: it was told to go on.
func (b *Bystander) InContent() bool { return b.m.mode == data }

// Abandon says that the client gives a command in the place of content: it does not take
// what answered DATA for leave to go on.
func (b *Bystander) Abandon() { b.m.mode = commands }

// Waiting reports whether the client still waits for a whole reply to its last command.
func (b *Bystander) Waiting() bool { return len(b.m.pending) > 0 }

// Challenged reports whether what the client says next is the answer to a challenge.
func (b *Bystander) Challenged() bool { return b.m.auth }

// Open reports whether a mail transaction is under way.
func (b *Bystander) Open() bool { return b.m.open != nil }

// Partial reports whether the server has begun a reply and not ended it.
func (b *Bystander) Partial() bool { return b.m.partial || b.m.code != 0 }
