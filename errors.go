package parley

import (
	"errors"

	"github.com/parley-mail/parley/session"
)

// Error is what went wrong: by whom, where, at which command, with which reply of the
// server. Temporary tells whether a queue may try again, Ambiguous whether the message
// may have been accepted although nothing says so.
type Error = session.Error

// Kind sorts errors; errors.Is(err, parley.ErrRefused) works on every error of this
// package.
type Kind = session.Kind

// The kinds of error.
const (
	ErrRefused     = session.ErrRefused     // the server said no
	ErrViolation   = session.ErrViolation   // the server broke the protocol
	ErrMisuse      = session.ErrMisuse      // the caller asked for what cannot be
	ErrUnsupported = session.ErrUnsupported // the server does not offer what the message or the caller needs
	ErrTransport   = session.ErrTransport   // the network or a proxy failed
	ErrTLS         = session.ErrTLS         // the handshake, or TLS that was required, failed
	ErrAuth        = session.ErrAuth        // authentication failed
	ErrTimeout     = session.ErrTimeout     // a timer ran out
	ErrCanceled    = session.ErrCanceled    // the caller gave up
	ErrContent     = session.ErrContent     // the message could not be read, or cannot be sent as it is
	ErrStopped     = session.ErrStopped     // the session ended where Endpoint.Session.Stop wanted it to
)

// asError returns err as an *Error, wrapped if it is none.
func asError(kind Kind, err error) *Error {
	var e *Error
	if errors.As(err, &e) {
		return e
	}
	return &Error{Kind: kind, Err: err}
}
