package events

import (
	"strconv"

	"github.com/parley-mail/parley/codec"
	"github.com/parley-mail/parley/fsm"
)

// Event is one of the structs of this package, by pointer; there are no others.
type Event interface {
	Kind() Kind
	// About tells which session, mail transaction and position the event is from.
	About() *Meta

	clone() Event
}

// Meta is embedded in every event.
type Meta struct {
	Session     uint64 // number of the session in this process
	Transaction uint64 // number of the mail transaction in the session, from 1; 0: none
	Seq         uint64 // position in the session's timeline, from 1
}

// About implements [Event].
func (m *Meta) About() *Meta { return m }

// Kind names a type of event.
type Kind uint8

// The kinds. Those up to KindClosed are the engine's own; those after it are the
// documented events of a property-driven class.
const (
	KindConnected Kind = iota
	KindGreeted
	KindExtensionsOffered
	KindSecured
	KindAuthenticated
	KindCommandSent
	KindReplyReceived
	KindStateChanged
	KindSenderAccepted
	KindSenderRefused
	KindRecipientAccepted
	KindRecipientRefused
	KindContentSent
	KindAccepted
	KindRejected
	KindOutcomeUnknown
	KindAnomaly
	KindViolation
	KindNotice
	KindClosed
	KindConnectionStatus
	KindPITrail
	KindStartTransfer
	KindTransfer
	KindEndTransfer
	KindExpand
	KindError
	KindSSLServerAuthentication
	KindSSLStatus
	numKinds
)

var kindNames = [numKinds]string{
	"connected", "greeted", "extensions_offered", "secured", "authenticated", "command_sent", "reply_received",
	"state_changed", "sender_accepted", "sender_refused", "recipient_accepted", "recipient_refused",
	"content_sent", "accepted", "rejected", "outcome_unknown", "anomaly", "violation", "notice", "closed",
	"connection_status", "pi_trail", "start_transfer", "transfer", "end_transfer", "expand", "error",
	"ssl_server_authentication", "ssl_status",
}

// String returns the kind's name in lower case with underscores.
func (k Kind) String() string {
	if k < numKinds {
		return kindNames[k]
	}
	return "kind(" + strconv.Itoa(int(k)) + ")"
}

// MarshalText makes kinds readable in JSON.
func (k Kind) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

// Set is a set of kinds.
type Set uint64

// All is the set of every kind.
const All Set = 1<<numKinds - 1

// Of returns the set of the kinds given.
func Of(kinds ...Kind) Set {
	var s Set
	for _, k := range kinds {
		s |= 1 << k
	}
	return s
}

// Has reports whether k is in the set.
func (s Set) Has(k Kind) bool { return s&(1<<k) != 0 }

// The engine's own events.
type (
	// Connected: the connection exists; the greeting is still owed.
	Connected struct {
		Meta
		Address string // of the peer, as far as the driver knows
		Secure  bool   // TLS was there before SMTP began
	}

	// Greeted: the server has sent its greeting (RFC 5321 §3.1).
	Greeted struct {
		Meta
		Reply codec.Reply
	}

	// ExtensionsOffered: EHLO was answered; what was known before is forgotten.
	ExtensionsOffered struct {
		Meta
		Extensions *codec.Extensions
	}

	// Secured: the TLS handshake is done.
	Secured struct {
		Meta
		Version     uint16
		CipherSuite uint16
		Verified    bool
		Engine      string
	}

	// Authenticated: AUTH ended with success (RFC 4954 §6).
	Authenticated struct {
		Meta
		Mechanism string
	}

	// CommandSent: a command line was put into the output. Line has no CRLF; inside an
	// AUTH exchange its argument is masked.
	CommandSent struct {
		Meta
		Command fsm.Command
		Line    []byte
	}

	// ReplyReceived: a complete reply was matched to a command. Inside an AUTH exchange
	// the text of 3yz replies is masked.
	ReplyReceived struct {
		Meta
		Command fsm.Command
		Reply   codec.Reply
	}

	// StateChanged: the machine moved.
	StateChanged struct {
		Meta
		From fsm.State
		To   fsm.State
		By   fsm.Input
	}

	// SenderAccepted: MAIL got a 2yz.
	SenderAccepted struct {
		Meta
		Path  string
		Reply codec.Reply
	}

	// SenderRefused: MAIL got a 4yz or 5yz.
	SenderRefused struct {
		Meta
		Path  string
		Reply codec.Reply
	}

	// RecipientAccepted: RCPT got a 2yz. It is no promise about the message.
	RecipientAccepted struct {
		Meta
		Index int // in the envelope, from 0
		Path  string
		Reply codec.Reply
	}

	// RecipientRefused: RCPT got a 4yz or 5yz, or, in LMTP, the message was refused for
	// this recipient.
	RecipientRefused struct {
		Meta
		Index int
		Path  string
		Reply codec.Reply
	}

	// ContentSent: the last octet of the content was put into the output; no proof of
	// anything.
	ContentSent struct {
		Meta
		Octets int64 // of content, without transparency and terminator
	}

	// Accepted: the server took responsibility for the message (RFC 5321 §4.2.5).
	Accepted struct {
		Meta
		Recipients int // for how many
		Reply      codec.Reply
	}

	// Rejected: the message was delivered to nobody, and that is certain.
	Rejected struct {
		Meta
		Reply  codec.Reply // the reply that decided, Code 0 if none
		Reason string
	}

	// OutcomeUnknown: the end of the content was sent and no complete reply came.
	OutcomeUnknown struct {
		Meta
		Reason string
	}

	// Anomaly: the peer did something odd that the lenient profile tolerates.
	Anomaly struct {
		Meta
		Command fsm.Command
		What    codec.Anomaly
		Detail  string
	}

	// Violation: the peer broke the protocol; the session is over.
	Violation struct {
		Meta
		State  fsm.State
		Detail string
	}

	// Notice: something a user would want to know, such as an option that was dropped
	// because the server does not offer it.
	Notice struct {
		Meta
		Detail string
	}

	// Closed: the session is over.
	Closed struct {
		Meta
		State fsm.State // Closed: in order; Failed: by accident
		Err   error
	}
)

// Kind implements [Event].
func (*Connected) Kind() Kind         { return KindConnected }
func (*Greeted) Kind() Kind           { return KindGreeted }
func (*ExtensionsOffered) Kind() Kind { return KindExtensionsOffered }
func (*Secured) Kind() Kind           { return KindSecured }
func (*Authenticated) Kind() Kind     { return KindAuthenticated }
func (*CommandSent) Kind() Kind       { return KindCommandSent }
func (*ReplyReceived) Kind() Kind     { return KindReplyReceived }
func (*StateChanged) Kind() Kind      { return KindStateChanged }
func (*SenderAccepted) Kind() Kind    { return KindSenderAccepted }
func (*SenderRefused) Kind() Kind     { return KindSenderRefused }
func (*RecipientAccepted) Kind() Kind { return KindRecipientAccepted }
func (*RecipientRefused) Kind() Kind  { return KindRecipientRefused }
func (*ContentSent) Kind() Kind       { return KindContentSent }
func (*Accepted) Kind() Kind          { return KindAccepted }
func (*Rejected) Kind() Kind          { return KindRejected }
func (*OutcomeUnknown) Kind() Kind    { return KindOutcomeUnknown }
func (*Anomaly) Kind() Kind           { return KindAnomaly }
func (*Violation) Kind() Kind         { return KindViolation }
func (*Notice) Kind() Kind            { return KindNotice }
func (*Closed) Kind() Kind            { return KindClosed }
