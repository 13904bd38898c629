package session

import (
	"bytes"
	"slices"

	"github.com/parley-mail/parley/codec"
	"github.com/parley-mail/parley/events"
	"github.com/parley-mail/parley/fsm"
)

// giveUp ends a transaction before its content: nothing more of it is sent.
func (s *Session) giveUp(tx *Transaction, e *Error) {
	if tx.err == nil {
		tx.err = e
	}
	tx.phase = stopped
}

// over reports whether the transaction is decided: nothing more of it will be sent,
// and no reply is owed.
func (tx *Transaction) over(s fsm.State) bool {
	return tx.phase == stopped && tx.owed == 0 && s != fsm.LoneDot
}

// finish decides a transaction in order: every reply has come.
func (s *Session) finish(tx *Transaction) {
	tx.applyRefusal()
	if tx.err == nil && tx.Count(Accepted) == 0 && tx.Count(Unknown) == 0 {
		tx.err = s.nobody(tx)
	}
	if tx.Count(Unknown) > 0 && (tx.err == nil || !tx.err.Unknown) {
		tx.err = &Error{Kind: ErrViolation, State: s.state, Command: fsm.BdatLast, During: true, Unknown: true, Detail: "a chunk was refused and the whole was accepted"}
	}
	s.decided(tx)
}

// nobody is why a message has failed when no recipient was accepted: the first refusal.
func (s *Session) nobody(tx *Transaction) *Error {
	e := &Error{Kind: ErrRefused, State: s.state, Command: fsm.Rcpt, During: true, Detail: "no recipient was accepted"}
	for i := range tx.outcomes {
		if o := tx.outcome(i); o.status == Refused {
			r := tx.reply(o.reply)
			e.Reply = &r
			break
		}
	}
	return e
}

// settle decides what was begun and cannot be finished any more. Who was refused
// stays refused. Where the end of the content was on its way, nobody knows (RFC 1047);
// otherwise nothing was handed over.
func (s *Session) settle(e *Error) {
	for i := 0; i < len(s.txs); {
		tx := s.txs[i]
		if tx.phase != waiting && !s.state.Over() {
			i++
			continue
		}
		unknown := tx.ended && tx.endAt < s.out.given && !tx.applyRefusal()
		if unknown {
			for k := range tx.outcomes[:tx.next] {
				if o := tx.outcome(k); o.status == NotSent {
					tx.set(k, Unknown, o.reply)
				}
			}
			unknown = tx.Count(Unknown) > 0
		}
		switch {
		case tx.err != nil:
		case tx.Count(Refused) == tx.Len(): // whatever has happened since is no reason
			tx.err = s.nobody(tx)
		case unknown || tx.Count(Accepted) == 0 || tx.Count(NotSent) > 0:
			tx.err = &Error{Kind: ErrCanceled, State: s.state}
			if e != nil {
				c := *e
				tx.err = &c
			}
			tx.err.Unknown = unknown
		}
		s.decided(tx)
	}
}

// applyRefusal decides about everybody when DATA or a chunk was refused.
func (tx *Transaction) applyRefusal() bool {
	if tx.refusal.code == 0 {
		return false
	}
	tx.decide(Refused, &tx.refusal)
	return true
}

// decided takes a transaction off the queue and says what became of it.
func (s *Session) decided(tx *Transaction) {
	tx.phase = done
	if s.cur == tx {
		s.cur = nil
	}
	if i := slices.Index(s.txs, tx); i >= 0 {
		s.txs = slices.Delete(s.txs, i, i+1)
	}
	accepted, unknown := tx.Count(Accepted), tx.Count(Unknown)
	switch {
	case unknown > 0:
		if s.wants(events.KindOutcomeUnknown) {
			s.trace.unknown = events.OutcomeUnknown{Meta: s.meta(tx.id), Reason: tx.reason()}
			s.publish(&s.trace.unknown)
		}
	case accepted > 0:
		if s.wants(events.KindAccepted) {
			s.trace.accepted = events.Accepted{Meta: s.meta(tx.id), Recipients: accepted, Reply: s.borrow(tx)}
			s.publish(&s.trace.accepted)
		}
	default:
		if s.wants(events.KindRejected) {
			s.trace.rejected = events.Rejected{Meta: s.meta(tx.id), Reply: s.borrow(tx), Reason: tx.reason()}
			s.publish(&s.trace.rejected)
		}
	}
}

// borrow returns the final reply without copying it, for an event.
func (s *Session) borrow(tx *Transaction) codec.Reply {
	f := tx.final
	if f.code == 0 {
		return codec.Reply{}
	}
	s.trace.lines = s.trace.lines[:0]
	for line := range bytes.SplitSeq(tx.text[f.from:f.to], newline) {
		s.trace.lines = append(s.trace.lines, line)
	}
	return codec.Reply{Code: int(f.code), Enhanced: f.enhanced, Lines: s.trace.lines}
}

var newline = []byte{'\n'}

func (tx *Transaction) reason() string {
	if tx.err == nil {
		return ""
	}
	return tx.err.Error()
}

// isPart reports whether c is one of several replies to one command, but not the last.
func isPart(c fsm.Command) bool { return c == fsm.EndOfDataPart || c == fsm.BdatLastPart }
