package session

import (
	"errors"
	"fmt"

	"github.com/parley-mail/parley/codec"
	"github.com/parley-mail/parley/events"
	"github.com/parley-mail/parley/fsm"
)

// reply takes one complete reply: it belongs to the head of the flight, moves the
// machine, and has its effect.
func (s *Session) reply(r *codec.Reply) {
	s.stats.Replies++
	s.fresh = r
	if s.flight.empty() {
		s.unsolicited(r)
		return
	}
	head := s.flight.head()
	if withoutCode(head.cmd) && r.Code/100 == 2 && !r.Enhanced.IsZero() {
		c := *r
		c.Enhanced = codec.Enhanced{}
		r, s.fresh = &c, &c
	}
	if head.end > s.out.given {
		s.unsolicited(r)
		return
	}
	if s.hoped(head, r) {
		return
	}
	cmd := s.commandOf(head)
	s.traceReply(cmd, r)
	if !s.noteAnomalies(cmd, r) {
		return
	}
	class, verdict := s.judge(cmd, r)
	switch verdict {
	case closing:
		s.closing(head, cmd, r)
		return
	case broken:
		s.noAnswer(codec.LateGreeting, cmd, r)
		return
	}
	if !s.fire(fsm.On(cmd, class)) {
		s.noAnswer(codec.NoAnomaly, cmd, r)
		return
	}
	tx, req, rcpt := head.tx, head.req, head.rcpt
	if !isPart(cmd) {
		s.flight.pop(1)
		if tx != nil {
			tx.owed--
		}
	}
	s.effect(tx, rcpt, cmd, class, r)
	if req != nil {
		s.requestAnswered(req, r)
	}
	if s.state.Over() {
		s.closed()
		return
	}
	if class != cmd.Expect() {
		s.ahead = s.flight.fold(s.cfg.Table, s.state)
	}
	if tx != nil && tx.over(s.state) {
		s.finish(tx)
	}
	if s.phaseOver(cmd, tx) {
		s.stopHere()
	}
}

// hoped takes what nearly every reply is, the one that a mail transaction hopes for, by the
// short way: there is nothing odd about it, and nobody listens.
func (s *Session) hoped(head *pending, r *codec.Reply) bool {
	cmd := head.cmd
	if r.Code != hopes[cmd] || !s.brief || r.Anomalies != 0 || head.req != nil || !s.fire(fsm.On(cmd, cmd.Expect())) {
		return false
	}
	if cmd == fsm.Rcpt {
		s.welcomed(head, r)
		return true
	}
	tx := head.tx
	s.flight.pop(1)
	if tx == nil {
		return true
	}
	tx.owed--
	if cmd.EndsContent() {
		s.contentAnswered(tx, cmd, true, r)
	}
	if tx.over(s.state) {
		s.finish(tx)
	}
	return true
}

// welcomed takes a 250 to RCPT, for which the machine has moved already, and as many more
// of the same as have come: what the first of them means for its recipient the others mean
// for theirs.
func (s *Session) welcomed(head *pending, r *codec.Reply) {
	tx, rcpt := head.tx, head.rcpt
	s.recipientAnswered(tx, rcpt, true, r)
	more := s.dec.Again(head.n - 1)
	n := 0
	for n < more && s.fire(fsm.On(fsm.Rcpt, fsm.Positive)) {
		n++
	}
	tx.admitLike(rcpt, n)
	s.stats.Replies += n
	tx.owed -= 1 + n
	s.flight.pop(1 + n)
	switch {
	case n < more:
		s.stats.Replies++
		s.noAnswer(codec.NoAnomaly, fsm.Rcpt, r)
	case tx.over(s.state):
		s.finish(tx)
	}
}

// hopes are the codes that a mail transaction hopes for.
var hopes = [fsm.Quit + 1]int{
	fsm.Mail: 250, fsm.Rcpt: 250, fsm.Data: 354, fsm.EndOfData: 250, fsm.Bdat: 250, fsm.BdatLast: 250, fsm.Rset: 250,
}

// withoutCode reports whether what looks like an enhanced code in a 2yz to cmd is text:
// the greeting and the replies to EHLO and HELO have none (RFC 2034 §4). A refusal that
// has one all the same says why.
func withoutCode(cmd fsm.Command) bool {
	return cmd == fsm.Connect || cmd == fsm.Ehlo || cmd == fsm.Helo || cmd == fsm.Lhlo
}

// commandOf returns what the next reply answers. Of several replies to the end of
// the content all but the last are for one recipient each (RFC 2033 §4.2).
func (s *Session) commandOf(p *pending) fsm.Command {
	if !s.cfg.LMTP || p.tx == nil || p.tx.parts+1 >= p.tx.accepted {
		return p.cmd
	}
	switch p.cmd {
	case fsm.EndOfData:
		return fsm.EndOfDataPart
	case fsm.BdatLast:
		return fsm.BdatLastPart
	}
	return p.cmd
}

// verdict is what the code of a reply says beyond its class.
type verdict uint8

const (
	fine    verdict = iota
	closing         // the server ends the session
	broken          // replies and commands are out of step
)

// judge returns the class of a reply to cmd, and what its exact code means. The
// first digit decides (RFC 5321 §4.3.2), except where more is at stake.
func (s *Session) judge(cmd fsm.Command, r *codec.Reply) (fsm.Class, verdict) {
	class := fsm.ClassOf(r.Code)
	odd := func(a codec.Anomaly) (fsm.Class, verdict) {
		if !s.anomaly(cmd, a, r.String()) {
			return class, broken
		}
		return class, fine
	}
	switch {
	case cmd == fsm.Quit:
		return class, fine
	case r.Code == 421:
		return class, closing
	case r.Code == 221:
		return class, closing
	case cmd == fsm.Connect:
		if class == fsm.Positive && r.Code != 220 {
			return odd(codec.OddGreeting)
		}
	case cmd == fsm.StartTLS: // RFC 3207 §4: only 220 starts TLS
		if class == fsm.Positive && r.Code != 220 {
			return class, broken
		}
	case r.Code == 220:
		return class, broken
	case class == fsm.Positive && r.Code != 235 && (cmd == fsm.Auth || cmd == fsm.AuthResponse):
		return odd(codec.OddSuccess)
	case class == fsm.Intermediate && cmd == fsm.Data && r.Code != 354,
		class == fsm.Intermediate && cmd != fsm.Data && r.Code != 334:
		if r.Code == 334 || r.Code == 354 {
			return class, broken
		}
		return odd(codec.OddIntermediate)
	}
	return class, fine
}

// effect is what a reply means beside the move of the machine.
func (s *Session) effect(tx *Transaction, rcpt int, cmd fsm.Command, class fsm.Class, r *codec.Reply) {
	good := class == fsm.Positive
	switch {
	case cmd == fsm.Rcpt:
		s.recipientAnswered(tx, rcpt, good, r)
	case cmd == fsm.Connect:
		s.remember()
		s.greeting = s.last
		if !good {
			s.refuse(ErrRefused, cmd, r, "")
			return
		}
		if s.wants(events.KindGreeted) {
			s.trace.greeted = events.Greeted{Meta: s.meta(0), Reply: *r}
			s.publish(&s.trace.greeted)
		}
	case cmd == fsm.Ehlo, cmd == fsm.Lhlo:
		s.greeted(cmd, good, r)
	case cmd == fsm.Helo:
		if !good {
			s.refuse(ErrRefused, cmd, r, "")
			if s.err != nil && s.err.Err == nil && s.ehloRefusal != nil {
				s.err.Err = fmt.Errorf("EHLO before it got %s", s.ehloRefusal)
			}
		}
	case cmd == fsm.StartTLS:
		s.startTLSAnswered(good, r)
	case cmd == fsm.Auth, cmd == fsm.AuthResponse, cmd == fsm.AuthCancel:
		s.authAnswered(cmd, class, r)
	case cmd.OpensTransaction():
		s.senderAnswered(tx, cmd, good, r)
	case cmd == fsm.Data:
		if class != fsm.Intermediate {
			s.contentRefused(tx, r)
		}
	case cmd == fsm.Bdat:
		if !good {
			tx.cut = true
			s.contentRefused(tx, r)
		}
	case cmd.EndsContent():
		s.contentAnswered(tx, cmd, good, r)
	case cmd == fsm.Rset && !good:
		s.refuse(ErrRefused, cmd, r, "RSET cannot be refused")
	}
}

// greeted takes the reply to EHLO or LHLO.
func (s *Session) greeted(cmd fsm.Command, good bool, r *codec.Reply) {
	switch {
	case good:
		s.offered(r)
		s.extended = true
		if s.wants(events.KindExtensionsOffered) {
			s.trace.extensions = events.ExtensionsOffered{Meta: s.meta(0), Extensions: &s.offer.Extensions}
			s.publish(&s.trace.extensions)
		}
	case s.state == fsm.Legacy && notUnderstood(r.Code):
		s.ehloRefusal = clone(r)
	default:
		s.refuse(ErrRefused, cmd, r, "")
	}
}

// notUnderstood reports whether a 5yz to EHLO means that the command is not known,
// so that HELO may help, rather than that this client is not welcome.
func notUnderstood(code int) bool { return code == 500 || code == 502 || code == 503 || code == 504 }

func (s *Session) senderAnswered(tx *Transaction, cmd fsm.Command, good bool, r *codec.Reply) {
	if good {
		if s.wants(events.KindSenderAccepted) {
			s.trace.senderAccepted = events.SenderAccepted{Meta: s.meta(tx.id), Path: tx.Envelope.ReversePath.String(), Reply: *r}
			s.publish(&s.trace.senderAccepted)
		}
		return
	}
	if s.wants(events.KindSenderRefused) {
		s.trace.senderRefused = events.SenderRefused{Meta: s.meta(tx.id), Path: tx.Envelope.ReversePath.String(), Reply: *r}
		s.publish(&s.trace.senderRefused)
	}
	tx.save(&tx.final, cmd, r)
	for i := range tx.outcomes {
		tx.set(i, Refused, tx.final)
	}
	s.giveUp(tx, &Error{Kind: ErrRefused, State: s.state, Command: cmd, During: true, Reply: clone(r)})
}

func (s *Session) recipientAnswered(tx *Transaction, i int, good bool, r *codec.Reply) {
	if tx.Status(i) != NotSent { // MAIL was refused: this reply is moot
		return
	}
	if good {
		tx.save(&tx.outcomes[i].reply, fsm.Rcpt, r)
		tx.admit(i)
		if s.wants(events.KindRecipientAccepted) {
			path := tx.Envelope.Recipients[i].Path
			s.trace.rcptAccepted = events.RecipientAccepted{Meta: s.meta(tx.id), Index: i, Path: path.String(), Reply: *r}
			s.publish(&s.trace.rcptAccepted)
		}
		return
	}
	s.refused(tx, i, r)
	if tx.required(i) {
		s.giveUp(tx, &Error{
			Kind: ErrRefused, State: s.state, Command: fsm.Rcpt, During: true, Reply: clone(r),
			Detail: fmt.Sprintf("recipient %s, who is required, was refused", tx.Envelope.Recipients[i].Path),
		})
	}
}

// refused decides about a recipient whose RCPT was refused.
func (s *Session) refused(tx *Transaction, i int, r *codec.Reply) {
	var reply saved
	tx.save(&reply, fsm.Rcpt, r)
	tx.set(i, Refused, reply)
	s.publishRecipientRefused(tx, i, r)
}

// contentRefused takes a 4yz or 5yz to DATA or to a chunk: nobody gets the message.
func (s *Session) contentRefused(tx *Transaction, r *codec.Reply) {
	cmd := fsm.Data
	if tx.chunked {
		cmd = fsm.Bdat
	}
	switch {
	case tx.err != nil:
	case tx.accepted == 0: // everybody was refused before, and that is why
		tx.phase = stopped
	default:
		tx.save(&tx.final, cmd, r)
		tx.refusal = tx.final
		s.giveUp(tx, &Error{Kind: ErrRefused, State: s.state, Command: cmd, During: true, Reply: clone(r)})
	}
}

// contentAnswered takes a reply to the end of the content.
func (s *Session) contentAnswered(tx *Transaction, cmd fsm.Command, good bool, r *codec.Reply) {
	status := Refused
	tx.save(&tx.final, cmd, r)
	switch {
	case good && tx.cut:
		// A chunk was refused, and the whole is accepted: whatever was taken, it is not
		// the message. Nobody can say what it is.
		status = Unknown
	case good:
		status = Accepted
	case tx.cut && tx.refusal.code != 0:
		tx.final = tx.refusal // the reason is the reply to the chunk
	}
	if isPart(cmd) || s.cfg.LMTP {
		if tx.parts < tx.accepted {
			s.decideNext(tx, status, r)
		}
		tx.parts++
	} else {
		tx.decide(status, &tx.final)
	}
	if isPart(cmd) {
		return
	}
	if !good && tx.err == nil && tx.accepted > 0 {
		tx.err = &Error{Kind: ErrRefused, State: s.state, Command: cmd, During: true, Reply: clone(r)}
	}
	tx.phase = stopped
}

// decideNext decides about the next recipient whose RCPT was accepted.
func (s *Session) decideNext(tx *Transaction, status Status, r *codec.Reply) {
	for !tx.outcomes[tx.turn].rcpt {
		tx.turn++
	}
	if tx.Status(tx.turn) == NotSent {
		tx.set(tx.turn, status, tx.final)
	}
	if status == Refused {
		s.publishRecipientRefused(tx, tx.turn, r)
	}
	tx.turn++
}

// unsolicited takes a reply that nobody owes: the server says that it will close, or
// it says that it did not mean to be there, or nothing can be trusted any more.
func (s *Session) unsolicited(r *codec.Reply) {
	switch {
	case r.Temporary() || r.Permanent() || r.Code == 221:
		tx := s.contentGoing()
		if tx != nil && r.Code != 421 && r.Code != 221 {
			// RFC 5321 §4.2.5 leaves it open when the server says no: it has, and the
			// content will not be ended, so nobody gets the message.
			tx.save(&tx.final, fsm.EndOfData, r)
			tx.decide(Refused, &tx.final)
			tx.err = &Error{Kind: ErrRefused, State: s.state, Command: fsm.EndOfData, During: true, Reply: clone(r), Detail: "refused before the end of the content"}
		}
		e := s.failure(ErrRefused, "the server closed the session")
		e.Reply = clone(r)
		s.end(fsm.Shutdown, e)
	default:
		s.violate(codec.Unsolicited, "a reply that no command asked for", r)
	}
}

// contentGoing returns the transaction whose content is being sent and whose end the
// driver has not been given, or nil.
func (s *Session) contentGoing() *Transaction {
	if s.cur != nil && s.state == fsm.Content && (!s.cur.ended || s.cur.endAt >= s.out.given) {
		return s.cur
	}
	return nil
}

// closing takes a 421, or a 221 that answers no QUIT (RFC 5321 §3.8).
func (s *Session) closing(head *pending, cmd fsm.Command, r *codec.Reply) {
	if r.Code == 221 && !s.anomaly(cmd, codec.EarlyClosing, r.String()) {
		return
	}
	e := s.failure(ErrRefused, "the server closed the session")
	e.Reply = clone(r)
	if r.Code == 421 {
		// The server does nothing more (RFC 5321 §3.8). A transaction whose MAIL it has not
		// answered, or has answered so, was never opened: whatever was sent behind it, nobody
		// got it.
		for i := range s.flight.long {
			if p := s.flight.at(i); p.cmd.OpensTransaction() {
				p.tx.ended = false
			}
		}
	}
	if cmd == fsm.Rcpt && r.Code == 421 {
		if head.tx.Status(head.rcpt) == NotSent {
			s.refused(head.tx, head.rcpt, r)
		}
	}
	s.end(fsm.Shutdown, e)
}

// refuse records that the server will not serve us.
func (s *Session) refuse(kind Kind, cmd fsm.Command, r *codec.Reply, detail string) {
	s.fail(&Error{Kind: kind, State: s.state, Command: cmd, During: true, Reply: clone(r), Detail: detail})
}

// malformed takes what is no reply.
func (s *Session) malformed(err error) {
	if !s.flight.empty() && s.flight.head().cmd == fsm.Quit {
		s.end(fsm.On(fsm.Quit, fsm.Gone), nil) // whatever it is, the session has ended in order
		return
	}
	e := s.failure(ErrViolation, "")
	e.Err = err
	var syntax *codec.SyntaxError
	if errors.As(err, &syntax) {
		e.Anomaly = syntax.Anomaly
	}
	s.broken(e)
}

// violate ends the session because the server broke the protocol.
func (s *Session) violate(a codec.Anomaly, detail string, r *codec.Reply) {
	if !s.flight.empty() && s.flight.head().cmd == fsm.Quit {
		s.end(fsm.On(fsm.Quit, fsm.Gone), nil)
		return
	}
	e := s.failure(ErrViolation, detail)
	e.Anomaly, e.Reply = a, clone(r)
	s.broken(e)
}

// noAnswer ends the session over a reply that its command cannot get.
func (s *Session) noAnswer(a codec.Anomaly, cmd fsm.Command, r *codec.Reply) {
	s.violate(a, "this is no answer to "+cmd.String(), r)
}

func (s *Session) broken(e *Error) {
	if s.state.Over() {
		return
	}
	s.stats.Violations++
	if s.wants(events.KindViolation) {
		s.trace.violation = events.Violation{Meta: s.meta(0), State: s.state, Detail: e.Error()}
		s.publish(&s.trace.violation)
	}
	s.end(fsm.Malformed, e)
}

// failure makes an error that says where the session is.
func (s *Session) failure(kind Kind, detail string) *Error {
	e := &Error{Kind: kind, State: s.state, Detail: detail}
	if !s.flight.empty() {
		e.Command, e.During = s.flight.head().cmd, true
	} else if s.contentGoing() != nil {
		e.Command, e.During = fsm.EndOfData, true
	} else if s.state == fsm.Handshake { // its reply is here, and what it was for is not
		e.Command, e.During = fsm.StartTLS, true
	}
	return e
}

// fail records why the session cannot serve; the first reason wins. What was begun
// and not sent is decided, and QUIT comes next.
func (s *Session) fail(e *Error) {
	if s.err == nil {
		s.err = e
	}
	s.quitting = true
	s.settle(s.err)
}

// end moves the machine to where nothing is sent any more.
func (s *Session) end(by fsm.Input, e *Error) {
	if e != nil && s.err == nil {
		s.err = e
	}
	if s.fire(by) {
		s.settle(e)
		s.closed()
	}
}

// closed cleans up in a state without a way out, and says so.
func (s *Session) closed() {
	s.settle(s.err)
	for i := range s.flight.long {
		if r := s.flight.at(i).req; r != nil {
			r.fail(s.Err())
		}
	}
	for _, r := range s.requests {
		r.fail(s.Err())
	}
	s.flight.reset()
	s.out.discard()
	s.requests, s.ahead, s.cur = nil, s.state, nil
	s.open, s.wantCreds = false, false
	if s.wants(events.KindClosed) {
		s.trace.closed = events.Closed{Meta: s.meta(0), State: s.state, Err: s.Err()}
		s.publish(&s.trace.closed)
	}
}

func clone(r *codec.Reply) *codec.Reply {
	if r == nil {
		return nil
	}
	c := r.Clone()
	return &c
}
