package session

import (
	"strings"

	"github.com/parley-mail/parley/codec"
	"github.com/parley-mail/parley/fsm"
)

// Kind sorts errors by who is to blame and what follows.
type Kind uint8

// The kinds.
const (
	ErrRefused     Kind = iota + 1 // the server said no
	ErrViolation                   // the server broke the protocol
	ErrMisuse                      // the caller asked for what cannot be
	ErrUnsupported                 // the server does not offer what the message or the caller needs
	ErrTransport                   // the network or a proxy failed
	ErrTLS                         // the handshake, or TLS that was required, failed
	ErrAuth                        // authentication failed
	ErrTimeout                     // a timer ran out
	ErrCanceled                    // the caller gave up
	ErrContent                     // the message could not be read, or cannot be sent as it is
	ErrStopped                     // the session ended where Config.Stop wanted it to
	numKinds
)

var kindNames = [numKinds]string{
	"", "refused", "violation", "misuse", "unsupported", "transport", "tls", "auth", "timeout", "canceled", "content", "stopped",
}

// String returns the kind's name in lower case.
func (k Kind) String() string {
	if k < numKinds {
		return kindNames[k]
	}
	return "kind(?)"
}

// Error makes a kind usable with errors.Is: errors.Is(err, session.ErrRefused).
func (k Kind) Error() string { return "parley: " + k.String() }

// MarshalText makes kinds readable in JSON.
func (k Kind) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

// Error is what went wrong, fields first. Text of the server is escaped in Error.
type Error struct {
	Kind    Kind
	State   fsm.State     // where the session was
	Command fsm.Command   // what was being answered; see During
	During  bool          // Command is meant
	Reply   *codec.Reply  // what the server said, if it said something
	Anomaly codec.Anomaly // for an ErrViolation in the form of a reply: what was wrong with it
	Detail  string        // our words
	Err     error         // the cause, if there is one

	// Unknown: the end of the content was on its way, so the message may have been
	// accepted. It must not be sent again blindly.
	Unknown bool
}

// Error says what, where and why in one line.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString("parley: ")
	if e.During {
		b.WriteString("while " + e.Command.While() + ": ")
	}
	said := false
	part := func(s string) {
		if s == "" {
			return
		}
		if said {
			b.WriteString(": ")
		}
		b.WriteString(s)
		said = true
	}
	part(e.Detail)
	if e.Reply != nil {
		part(e.Reply.String())
	}
	if e.Err != nil {
		part(e.Err.Error())
	}
	if !said {
		part(e.Kind.String())
	}
	if e.Unknown {
		b.WriteString(" (the message may have been accepted)")
	}
	return b.String()
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Is reports whether target is the error's Kind.
func (e *Error) Is(target error) bool {
	k, ok := target.(Kind)
	return ok && k == e.Kind
}

// Temporary reports whether the same message may succeed later: a queue may try
// again. An outcome that is not known is not temporary; see Ambiguous.
func (e *Error) Temporary() bool {
	if e.Unknown {
		return false
	}
	switch e.Kind {
	case ErrRefused, ErrAuth, ErrTLS:
		if e.Reply == nil {
			return e.Kind == ErrTLS
		}
		// RFC 5321 §4.5.3.1.10: 552 to RCPT means "too many recipients" and is temporary.
		return e.Reply.Temporary() || e.Reply.Code == 552 && e.During && e.Command == fsm.Rcpt
	case ErrViolation, ErrTransport, ErrTimeout, ErrCanceled:
		return true
	}
	return false
}

// Ambiguous reports whether the message may have been accepted although no word
// came: after the end of the content was sent (RFC 5321 §4.2.5, RFC 1047).
func (e *Error) Ambiguous() bool { return e.Unknown }
