package session

import (
	"time"

	"github.com/parley-mail/parley/codec"
	"github.com/parley-mail/parley/events"
	"github.com/parley-mail/parley/fsm"
)

// Session is one SMTP or LMTP client session. It does no I/O, reads no clock, starts
// no goroutine and is not safe for concurrent use.
type Session struct {
	cfg      *Config // of other sessions too; what is a session's own is not in it
	id       uint64
	events   Sink
	machine  fsm.Machine
	compiled fsm.Compiled // what it is unless the caller wants another one
	state    fsm.State    // the machine's
	ahead    fsm.State    // where the sender stands; see package comment
	reset    bool         // RSET was sent since the last MAIL
	unturned bool         // something was written since the last octets came
	brief    bool         // nobody listens, and no reply is one of several to a command or the last before a stop
	offer    *Offer       // what the server offers
	link     Link

	*Memory // what is under way

	// Facts that decide what is wanted, not what is legal.
	greeting      last
	ehloRefusal   *codec.Reply // why HELO was used
	extended      bool         // EHLO or LHLO was answered with success
	triedTLS      bool
	authenticated bool
	authDone      bool // nothing more to be tried
	open          bool // greeting, TLS and AUTH are behind us
	quitting      bool
	wantCreds     bool
	closeTold     bool
	last          last         // the last reply of any kind
	fresh         *codec.Reply // the last reply, if it is not in last yet: the decoder's
	err           *Error       // why the session cannot serve; the first wins

	auth    *authState // nil: no exchange is under way
	mech    string     // the mechanism that was tried last
	begun   uint64     // transactions given so far
	mails   int        // transactions whose MAIL was sent
	domains *[]string  // of recipients, where the server limits them (RFC 9422 §4.3); nil: none yet
	trace   *trace     // nil: nobody listens
	seq     uint64
	stats   Stats
}

// Stats counts what a session has done.
type Stats struct {
	Commands   int   // commands sent, pseudo-commands not counted
	Replies    int   // replies received
	Turns      int   // times the session had nothing more to send and had to wait: round trips
	OctetsOut  int64 // given to the driver and written
	OctetsIn   int64
	Anomalies  codec.Anomalies // of all replies
	Violations int
}

// Want says what the driver has to do next. Several may be set.
type Want uint8

// The wants. None: the session idles.
const (
	WantWrite       Want = 1 << iota // Output has something
	WantRead                         // an answer is awaited, for at most Patience
	WantTLS                          // run the handshake, then Secured or Lost
	WantCredentials                  // fetch credentials, then Authenticate or NoCredentials
	WantBody                         // content, by Body or BodyFailed
	WantClose                        // close the connection; the session is over
)

// Has reports whether all of x are wanted.
func (w Want) Has(x Want) bool { return w&x == x }

// New returns a session in fsm.Idle.
func New(cfg Config) *Session {
	s := &Session{}
	s.Init(cfg)
	return s
}

// Init is New for a session that is part of something else.
func (s *Session) Init(cfg Config) {
	if cfg.Hello == "" {
		cfg.Hello = "localhost"
	}
	if cfg.Window <= 0 {
		cfg.Window = defaultWindow * max(1, cfg.Overlap)
	}
	if cfg.Stop.After != PhaseNone {
		cfg.Serial, cfg.Overlap = true, 0
	}
	*s = Session{id: cfg.ID, events: cfg.Events, state: fsm.Idle, ahead: fsm.Idle, Memory: &resting, offer: &nothing}
	switch {
	case cfg.Machine != nil:
		s.machine = cfg.Machine
	case cfg.Table == nil:
		s.machine = &s.compiled
	default:
		s.machine = cfg.Table.Machine()
	}
	if cfg.Table == nil {
		cfg.Table = fsm.Standard()
	}
	if cfg.Events != nil {
		s.trace = &trace{}
	}
	cfg.ID, cfg.Events, cfg.Machine = 0, nil, nil
	s.cfg = shared(cfg)
	s.brief = s.trace == nil && !cfg.LMTP && cfg.Stop.After == PhaseNone
}

// Dialing says that a connection is being made.
func (s *Session) Dialing() { s.signal(fsm.Dial) }

// Connected says that the connection exists. The greeting is awaited.
func (s *Session) Connected(link Link) {
	s.wake()
	s.link = link
	if !s.signal(fsm.Up) {
		return
	}
	if s.wants(events.KindConnected) {
		s.trace.connected = events.Connected{Meta: s.meta(0), Address: link.Address, Secure: link.Secure}
		s.publish(&s.trace.connected)
	}
	if link.Secure {
		s.publishSecured()
	}
	s.push(fsm.Connect, nil, 0, 1, 0)
	s.plan()
}

// Receive takes octets from the server. Any split of the stream gives the same
// events. p is not kept.
func (s *Session) Receive(p []byte) {
	s.wake()
	s.stats.OctetsIn += int64(len(p))
	if s.unturned {
		s.unturned = false
		s.stats.Turns++
	}
	switch {
	case s.state.Over():
		return // nothing that comes afterwards changes anything
	case s.state == fsm.Handshake:
		s.violate(codec.Unsolicited, "octets in clear behind the 220 to STARTTLS", nil)
		return
	}
	s.dec.Feed(p)
	for !s.state.Over() && s.state != fsm.Handshake {
		r, err := s.dec.Next()
		if err != nil {
			s.malformed(err)
			break
		}
		if r == nil {
			break
		}
		s.reply(r)
		s.plan() // after each reply, not after each call: the split of the stream must not show
	}
	s.remember()
	if s.state == fsm.Handshake && s.dec.Buffered() > 0 {
		s.violate(codec.Unsolicited, "octets in clear behind the 220 to STARTTLS", nil)
	}
}

// Secured says that the handshake asked for by WantTLS is done.
func (s *Session) Secured(link Link) {
	if s.state != fsm.Handshake {
		return
	}
	s.wake()
	s.link = link
	s.forget()
	s.signal(fsm.Secured)
	s.publishSecured()
	if s.cfg.Stop.After == PhaseStartTLS {
		s.stopHere()
	}
	s.plan()
}

// Lost says that the connection is gone, or that it or TLS could not be had. If err is
// an *Error its Kind is kept: the driver knows better what happened before there was a
// connection.
func (s *Session) Lost(err error) {
	if !s.state.Live() {
		return
	}
	s.wake()
	if !s.flight.empty() && s.flight.head().cmd == fsm.Quit {
		s.end(fsm.On(fsm.Quit, fsm.Gone), nil)
		return
	}
	s.out.given = s.out.wrote
	kind, detail := ErrTransport, "connection lost"
	if s.state == fsm.Handshake {
		kind, detail = ErrTLS, "TLS handshake failed"
	}
	if s.state == fsm.Connecting {
		detail = ""
	}
	if s.dec.PartialReply() {
		detail += " within a reply"
	}
	if own, ok := err.(*Error); ok {
		kind, err = own.Kind, own.Err
	}
	e := s.failure(kind, detail)
	e.Err = err
	s.end(fsm.Lost, e)
}

// Expire says that Patience has run out.
func (s *Session) Expire() {
	if !s.state.Live() {
		return
	}
	s.wake()
	if !s.flight.empty() && s.flight.head().cmd == fsm.Quit {
		s.end(fsm.On(fsm.Quit, fsm.Gone), nil)
		return
	}
	s.out.given = s.out.wrote
	s.end(fsm.Expired, s.failure(ErrTimeout, "no answer in time"))
}

// Abort gives up at once, without QUIT. The cause may be nil.
func (s *Session) Abort(cause error) {
	if s.state.Over() {
		return
	}
	s.wake()
	s.out.given = s.out.wrote
	e := s.failure(ErrCanceled, "given up by the caller")
	e.Err = cause
	s.end(fsm.Abort, e)
}

// Begin queues a mail transaction. It may be called while earlier ones are in
// flight, and before the session is open. The error is of kind ErrMisuse and means
// that nothing was queued.
func (s *Session) Begin(tx *Transaction) error {
	switch {
	case s.state.Over() || s.quitting:
		return &Error{Kind: ErrMisuse, State: s.state, Detail: "the session is over"}
	case tx.Envelope == nil || len(tx.Envelope.Recipients) == 0:
		return &Error{Kind: ErrMisuse, State: s.state, Detail: "an envelope needs at least one recipient"}
	case tx.phase != waiting || tx.id != 0:
		return &Error{Kind: ErrMisuse, State: s.state, Detail: "the transaction is in use; Reset it first"}
	case tx.Verb != 0 && !tx.Verb.OpensTransaction():
		return &Error{Kind: ErrMisuse, State: s.state, Detail: tx.Verb.String() + " does not open a mail transaction"}
	}
	s.wake()
	s.begun++
	tx.start(s.begun)
	s.txs = append(s.txs, tx)
	s.plan()
	return nil
}

// Quit ends the session in order, when everything begun is decided (RFC 5321
// §4.1.1.10).
func (s *Session) Quit() {
	if s.state == fsm.Idle || s.state == fsm.Connecting {
		s.Abort(nil)
		return
	}
	s.wake()
	s.quitting = true
	s.plan()
}

// Output returns everything that waits to be written, for one writev. It stays
// valid until Wrote is called, and may point into the caller's content. A driver that
// uses BodyOwed calls OutputOwed.
func (s *Session) Output() [][]byte {
	vec, _ := s.OutputOwed()
	return vec
}

// OutputOwed is Output up to a body that the driver writes itself, and how many octets of
// it come behind, none of them from here. Wrote counts both.
func (s *Session) OutputOwed() (vec [][]byte, owed int64) {
	if s.out.empty() {
		return nil, 0
	}
	return s.out.vectors()
}

// Wrote says that the first n octets of Output have been handed over. A driver that
// cannot tell how much was, after an error, says all.
func (s *Session) Wrote(n int64) {
	if s.out.empty() {
		return
	}
	s.stats.OctetsOut += n
	s.unturned = true
	s.out.advance(n)
}

// Queued reports whether something waits to be written that Output has not given yet.
func (s *Session) Queued() bool { return s.out.queued > s.out.given }

// Wants says what to do next.
func (s *Session) Wants() Want {
	if s.state.Over() {
		if s.closeTold {
			return 0
		}
		return WantClose
	}
	var w Want
	if !s.out.empty() {
		w |= WantWrite
	}
	if !s.flight.empty() {
		w |= WantRead
	}
	if s.state == fsm.Handshake && s.out.empty() {
		w |= WantTLS
	}
	if s.wantCreds {
		w |= WantCredentials
	}
	if s.bodyWanted() {
		w |= WantBody
	}
	return w
}

// CloseDone says that the connection asked for by WantClose is closed.
func (s *Session) CloseDone() { s.closeTold = true }

// Patience returns how long the answer awaited now may take (RFC 5321 §4.5.3.2); 0
// when none is awaited.
func (s *Session) Patience() time.Duration {
	if s.flight.empty() || s.state.Over() {
		return 0
	}
	return s.flight.head().cmd.Patience()
}

// Awaited returns the command whose answer is awaited, and whether there is one.
func (s *Session) Awaited() (fsm.Command, bool) {
	if s.flight.empty() {
		return 0, false
	}
	return s.flight.head().cmd, true
}

// Unasked reports whether an answer is awaited, and nothing was written yet that has one:
// none can be on its way.
func (s *Session) Unasked() bool { return !s.flight.empty() && s.flight.head().end > s.out.wrote }

// State returns what the server has acknowledged.
func (s *Session) State() fsm.State { return s.state }

// Current returns the transaction whose commands or content are being sent: what
// WantBody is about. Nil: none is.
func (s *Session) Current() *Transaction { return s.cur }

// InFlight returns how many commands are in flight.
func (s *Session) InFlight() int { return s.flight.n }

// Open reports whether greeting, TLS and AUTH are behind us, so that mail may flow.
func (s *Session) Open() bool { return s.open && !s.state.Over() }

// Dirty reports whether a mail transaction that nobody wants any more is still open
// at the server; RSET comes before the next one.
func (s *Session) Dirty() bool { return s.state.InTransaction() && len(s.txs) == 0 }

// Extensions returns what the server offers now; it is overwritten by the next EHLO.
func (s *Session) Extensions() *codec.Extensions { return &s.offer.Extensions }

// Greeting returns the server's greeting.
func (s *Session) Greeting() codec.Reply { return s.greeting.reply() }

// LastReply returns the last complete reply of any kind.
func (s *Session) LastReply() codec.Reply {
	s.remember()
	return s.last.reply()
}

// Link returns what is known of the connection.
func (s *Session) Link() *Link { return &s.link }

// Authenticated returns the mechanism by which the session was authenticated, or "".
func (s *Session) Authenticated() string {
	if s.authenticated {
		return s.mech
	}
	return ""
}

// ID returns the number of the session, as given in Config.
func (s *Session) ID() uint64 { return s.id }

// Stats returns what has been counted so far.
func (s *Session) Stats() Stats { return s.stats }

// Err returns why the session cannot serve, or nil.
func (s *Session) Err() error {
	if s.err == nil {
		return nil
	}
	return s.err
}

// signal fires an input that is no reply.
func (s *Session) signal(i fsm.Input) bool {
	ok := s.fire(i)
	if ok {
		s.ahead = s.flight.fold(s.cfg.Table, s.state)
	}
	return ok
}

// fire moves the machine. It is the only place that does.
func (s *Session) fire(i fsm.Input) bool {
	from := s.state
	to, err := s.machine.Fire(i)
	if err != nil {
		return false
	}
	s.state = to
	if to != from && s.wants(events.KindStateChanged) {
		s.trace.stateChanged = events.StateChanged{Meta: s.meta(0), From: from, To: to, By: i}
		s.publish(&s.trace.stateChanged)
	}
	return true
}

// forget drops what was learnt before TLS (RFC 3207 §4.2).
func (s *Session) forget() {
	s.offer = &nothing
	s.extended, s.authenticated, s.authDone = false, false, false
	s.ehloRefusal = nil
	s.dec.Reset(s.cfg.Limits, s.cfg.Strict)
}
