package parley

import (
	"errors"

	"github.com/parley-mail/parley/codec"
	"github.com/parley-mail/parley/message"
	"github.com/parley-mail/parley/session"
)

// Status is what became of a message for one recipient.
type Status = session.Status

// The outcomes. NotSent may be sent again safely; Unknown must not be sent again
// blindly, because the content went out and no word came back.
const (
	NotSent  = session.NotSent
	Accepted = session.Accepted
	Refused  = session.Refused
	Unknown  = session.Unknown
)

// Result is what became of one message: one entry for each recipient, in the order
// of the envelope.
type Result struct {
	Recipients []RecipientResult
	Reply      codec.Reply // the server's last word on the message as a whole; Code 0: none
	MessageID  string      // of the header, as far as it is known
	Octets     int64       // of content that were handed over
}

// RecipientResult is what became of the message for one recipient.
type RecipientResult struct {
	Path   message.Path
	Status Status
	Reply  codec.Reply // the reply that decided, or the last about this recipient; Code 0: none
	Err    error       // why, unless it was accepted: an *Error
}

// Temporary reports whether it makes sense to try this recipient again later. An
// outcome that is not known is not temporary.
func (r *RecipientResult) Temporary() bool {
	var e *Error
	return r.Status != Accepted && r.Status != Unknown && errors.As(r.Err, &e) && e.Temporary()
}

// Outcome sums up the result in one word.
type Outcome uint8

// The outcomes of a message as a whole.
const (
	OutcomeNotSent  Outcome = iota // nothing was handed over
	OutcomeAccepted                // every recipient was accepted
	OutcomePartial                 // some were accepted, and the others' fate is known too
	OutcomeRefused                 // nobody was accepted, and the server said no to somebody
	OutcomeUnknown                 // for somebody it is not known
	numOutcomes
)

var outcomeNames = [numOutcomes]string{"not_sent", "accepted", "partial", "refused", "unknown"}

// String returns "not_sent", "accepted", "partial", "refused" or "unknown".
func (o Outcome) String() string {
	if o < numOutcomes {
		return outcomeNames[o]
	}
	return "outcome(?)"
}

// MarshalText makes outcomes readable in JSON.
func (o Outcome) MarshalText() ([]byte, error) { return []byte(o.String()), nil }

// Count returns how many recipients have the status.
func (r *Result) Count(s Status) int {
	n := 0
	for i := range r.Recipients {
		if r.Recipients[i].Status == s {
			n++
		}
	}
	return n
}

// Outcome sums up the result.
func (r *Result) Outcome() Outcome {
	return outcomeOf(len(r.Recipients), r.Count(Accepted), r.Count(Refused), r.Count(Unknown))
}

func outcomeOf(all, accepted, refused, unknown int) Outcome {
	switch {
	case unknown > 0:
		return OutcomeUnknown
	case accepted > 0 && accepted == all:
		return OutcomeAccepted
	case accepted > 0:
		return OutcomePartial
	case refused > 0:
		return OutcomeRefused
	}
	return OutcomeNotSent
}

// notSent is the result of a message about which nothing was said to a server.
func notSent(e *message.Envelope, err error) *Result {
	r := &Result{Recipients: make([]RecipientResult, len(e.Recipients))}
	for i := range r.Recipients {
		r.Recipients[i] = RecipientResult{Path: e.Recipients[i].Path, Err: err}
	}
	return r
}

// newResult reads a transaction that is decided. err is why the session could not
// serve, if the transaction itself has no reason.
func newResult(tx *session.Transaction, err error) *Result {
	r := &Result{Recipients: make([]RecipientResult, tx.Len()), Reply: tx.Final(), Octets: tx.Sent()}
	var whole *Error
	if e := tx.Err(); e != nil {
		whole = e
	} else if err != nil {
		whole = asError(ErrTransport, err)
	}
	for i := range r.Recipients {
		o := tx.Outcome(i)
		rr := RecipientResult{Path: tx.Envelope.Recipients[i].Path, Status: o.Status, Reply: o.Reply}
		switch {
		case o.Status == Accepted:
		case o.Status == Refused:
			rr.Err = refusal(o)
		case whole != nil:
			e := *whole
			e.Unknown = o.Status == Unknown
			rr.Err = &e
		default:
			rr.Err = &Error{Kind: ErrTransport, Detail: "left for another transaction: the server takes only so many recipients (RFC 9422)"}
		}
		r.Recipients[i] = rr
	}
	return r
}

// refusal is the error of one recipient that the server refused.
func refusal(o session.Outcome) *Error {
	reply := o.Reply
	return &Error{Kind: ErrRefused, Command: o.Command, During: true, Reply: &reply}
}
