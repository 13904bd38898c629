package conformance

import (
	"time"

	"github.com/parley-mail/parley/auth"
	"github.com/parley-mail/parley/fsm"
	"github.com/parley-mail/parley/session"
)

// Engine is what a transcript is played against: the methods of [session.Session] that
// a driver calls.
type Engine interface {
	Dialing()
	Connected(session.Link)
	Receive([]byte)
	Secured(session.Link)
	Lost(error)
	Expire()
	Abort(error)
	Begin(*session.Transaction) error
	Do(*session.Request) error
	Quit()
	Authenticate(auth.Credentials, auth.Policy)
	NoCredentials(error)
	Body([]byte, bool)
	BodyFailed(error)
	Output() [][]byte
	Wrote(int64)
	Wants() session.Want
	CloseDone()
	Patience() time.Duration
	State() fsm.State
	InFlight() int
	Err() error

	// Outcome is what the engine says of recipient i of tx.
	Outcome(tx *session.Transaction, i int) session.Outcome
}

// Maker makes an engine for one play.
type Maker func(session.Config) Engine

// Honest makes the engine as it is.
func Honest(cfg session.Config) Engine { return honest{session.New(cfg)} }

type honest struct{ *session.Session }

func (honest) Outcome(tx *session.Transaction, i int) session.Outcome { return tx.Outcome(i) }
