package session

import (
	"bytes"

	"github.com/parley-mail/parley/codec"
	"github.com/parley-mail/parley/fsm"
	"github.com/parley-mail/parley/message"
)

// Transaction is one message to be handed over (RFC 5321 §3.3), and afterwards what
// became of it. The caller fills the fields, gives it to [Session.Begin] and leaves
// it alone until [Transaction.Done]. It may be used again after Reset.
type Transaction struct {
	Envelope *message.Envelope

	// Verb is fsm.Mail (also if zero), or one of its RFC 821 kin, which take no parameters.
	Verb fsm.Command

	// Content is the whole content, if it is in memory; it must not change until the
	// transaction is done. Nil: it is asked for with WantBody and comes by Body.
	Content []byte

	// Octets is the size to be announced with SIZE (RFC 1870): content with CRLF line
	// ends, without transparency. 0: not known.
	Octets int64

	// Body says what the content is made of: Body7Bit (also BodyDefault), Body8BitMIME
	// for octets over 127, BodyBinaryMIME for what is not lines of text (RFC 3030 §3).
	Body codec.BodyType

	// NotMIME says that content with octets over 127 has no MIME-Version, so that 8BITMIME
	// is no leave for it (RFC 5321 §2.4). It is noted; Config.Strict refuses it.
	NotMIME bool

	// UTF8 says that the header section has UTF-8 in it: SMTPUTF8 is needed (RFC 6531).
	UTF8 bool

	// Canonical says that the caller has looked through the content: every line ends with
	// CRLF, the last one too, and there is no other CR or LF. Chunks are sent as they are then.
	Canonical bool

	// LineEnds says what to do with a bare CR or LF in the content.
	LineEnds codec.LineEnds

	// MayDrop are parameters that may be left out when the server does not offer their
	// extension; otherwise the message is refused before MAIL.
	MayDrop Needs

	// Required marks recipients without whom nobody shall get the message: if one is
	// refused the transaction is given up. Nil: nobody is indispensable.
	Required []bool

	// What became of it.
	id       uint64
	phase    phase
	next     int // index of the recipient to send next
	limit    int // how many recipients this transaction is for (RFC 9422)
	owed     int // commands of it in flight
	accepted int // recipients whose RCPT was accepted
	parts    int // replies to the end of the content that have come (LMTP)
	turn     int // index behind the recipient whom the last of them was about
	endAt    int64
	ended    bool // the end of the content has been queued
	cut      bool // a chunk was refused: whatever is answered later, the content is not whole
	chunked  bool
	params   codec.MailParams
	bodySeen int64
	outcomes []outcome
	counts   [Unknown + 1]int // of recipients, by status
	open     int              // recipients whose RCPT was accepted, and no more is known
	word     outcome          // what they will be; NotSent: there was no word yet
	text     []byte
	final    saved // the last reply about the message as a whole
	refusal  saved // the reply that refused the content before its end
	err      *Error
}

// phase is how far the planner has got with a transaction.
type phase uint8

const (
	waiting phase = iota // in the queue
	sending              // MAIL was sent; more is to be sent
	stopped              // nothing more is to be sent; replies may still be owed
	done                 // decided
)

// Status is what became of a message for one recipient.
type Status uint8

// The outcomes. The zero value is the honest word before anything has happened.
const (
	NotSent  Status = iota // nothing was handed over: sending it again is safe
	Accepted               // the server took responsibility (RFC 5321 §4.2.5)
	Refused                // the server said no
	Unknown                // the content went out and no complete reply came
)

var statusNames = [...]string{"not_sent", "accepted", "refused", "unknown"}

// String returns "not_sent", "accepted", "refused" or "unknown".
func (s Status) String() string {
	if int(s) < len(statusNames) {
		return statusNames[s]
	}
	return "status(?)"
}

// MarshalText makes outcomes readable in JSON.
func (s Status) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

type outcome struct {
	status Status
	rcpt   bool // RCPT was accepted
	reply  saved
}

// saved is a reply kept in the transaction's own text.
type saved struct {
	from, to int32 // lines, joined by LF
	code     uint16
	enhanced codec.Enhanced
	cmd      fsm.Command // what it answers
}

// Outcome is what became of the message for one recipient.
type Outcome struct {
	Status  Status
	Reply   codec.Reply // the reply that decided, or the last about this recipient; Code 0: none
	Command fsm.Command // what Reply answers, if there is one
}

// Reset makes the transaction ready to be used again; memory is kept.
func (tx *Transaction) Reset() {
	outcomes, text := tx.outcomes[:0], tx.text[:0]
	*tx = Transaction{outcomes: outcomes, text: text}
}

// Done reports whether every recipient's outcome is decided.
func (tx *Transaction) Done() bool { return tx.phase == done }

// Len returns the number of recipients.
func (tx *Transaction) Len() int { return len(tx.outcomes) }

// Outcome returns what became of the message for recipient i of the envelope.
func (tx *Transaction) Outcome(i int) Outcome {
	o := tx.outcome(i)
	return Outcome{o.status, tx.reply(o.reply), o.reply.cmd}
}

// Status returns the same without the reply, and does not allocate.
func (tx *Transaction) Status(i int) Status { return tx.outcome(i).status }

// Count returns how many recipients have the status.
func (tx *Transaction) Count(s Status) int { return tx.counts[s] }

// Final returns the reply that decided about the message as a whole; Code 0: none.
func (tx *Transaction) Final() codec.Reply { return tx.reply(tx.final) }

// Err returns why nobody, or not everybody required, got the message; nil if it was
// accepted for at least one recipient.
func (tx *Transaction) Err() *Error { return tx.err }

// ID returns the number of the transaction in its session, from 1.
func (tx *Transaction) ID() uint64 { return tx.id }

// Sent returns how many octets of content were given to the session so far.
func (tx *Transaction) Sent() int64 { return tx.bodySeen }

// start makes room for the outcomes.
func (tx *Transaction) start(id uint64) {
	tx.id = id
	n := len(tx.Envelope.Recipients)
	if cap(tx.outcomes) < n {
		tx.outcomes = make([]outcome, n)
	}
	tx.outcomes = tx.outcomes[:n]
	clear(tx.outcomes)
	tx.counts[NotSent] = n
	if tx.Verb == 0 {
		tx.Verb = fsm.Mail
	}
}

// mostText is how many octets of replies a transaction keeps, more or less: beyond that
// only their codes.
const mostText = 64 << 20

// save copies a reply into the transaction.
func (tx *Transaction) save(s *saved, cmd fsm.Command, r *codec.Reply) {
	s.cmd, s.code, s.enhanced, s.from = cmd, uint16(r.Code), r.Enhanced, int32(len(tx.text))
	s.to = s.from
	if len(tx.text) > mostText {
		return
	}
	for i, line := range r.Lines {
		if i > 0 {
			tx.text = append(tx.text, '\n')
		}
		tx.text = append(tx.text, line...)
	}
	s.to = int32(len(tx.text))
}

func (tx *Transaction) reply(s saved) codec.Reply {
	if s.code == 0 {
		return codec.Reply{}
	}
	return codec.Reply{Code: int(s.code), Enhanced: s.enhanced, Lines: lines(tx.text[s.from:s.to])}
}

// lines returns a copy of what was joined by LF.
func lines(text []byte) [][]byte { return bytes.Split(bytes.Clone(text), newline) }

// required reports whether recipient i is indispensable.
func (tx *Transaction) required(i int) bool { return i < len(tx.Required) && tx.Required[i] }

// demanding reports whether anybody is indispensable.
func (tx *Transaction) demanding() bool {
	for _, r := range tx.Required {
		if r {
			return true
		}
	}
	return false
}

// outcome returns that of recipient i: one of its own, or the word about all.
func (tx *Transaction) outcome(i int) *outcome {
	o := &tx.outcomes[i]
	if o.rcpt && o.status == NotSent && tx.word.status != NotSent {
		return &tx.word
	}
	return o
}

// admit notes that the RCPT of recipient i was accepted.
func (tx *Transaction) admit(i int) {
	tx.outcomes[i].rcpt = true
	tx.accepted++
	tx.open++
}

// admitLike notes the same, by the same reply, of the n recipients behind i; of none of them,
// if i was not admitted.
func (tx *Transaction) admitLike(i, n int) {
	first := tx.outcomes[i]
	if !first.rcpt {
		return
	}
	others := tx.outcomes[i+1 : i+1+n]
	for k := range others {
		others[k] = first
	}
	tx.accepted += n
	tx.open += n
}

// set decides about recipient i alone, who is not decided yet.
func (tx *Transaction) set(i int, status Status, reply saved) {
	o := &tx.outcomes[i]
	if o.rcpt {
		tx.open--
	}
	o.status, o.reply = status, reply
	tx.counts[NotSent]--
	tx.counts[status]++
}

// decide gives every recipient whose RCPT stands, and who is not decided, an outcome.
func (tx *Transaction) decide(status Status, reply *saved) {
	if tx.open == 0 {
		return
	}
	tx.word = outcome{status: status, reply: *reply}
	tx.counts[NotSent] -= tx.open
	tx.counts[status] += tx.open
	tx.open = 0
}
