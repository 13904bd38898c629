package session

import (
	"crypto/x509"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"

	"github.com/parley-mail/parley/codec"
	"github.com/parley-mail/parley/events"
	"github.com/parley-mail/parley/fsm"
)

// Config is what a session is told once. The zero value speaks ESMTP as "localhost"
// in clear, lenient, pipelining where offered.
type Config struct {
	Hello        string // argument of EHLO, HELO or LHLO; "": "localhost"
	LMTP         bool   // RFC 2033: LHLO, one reply per recipient
	NoExtensions bool   // HELO at once: nothing but RFC 821 is asked of the server
	StartTLS     StartTLS
	Authenticate bool // AUTH before the first transaction; see WantCredentials

	Strict   bool         // oddities of the server end the session, and those of content refuse it, instead of being noted
	Limits   codec.Limits // on what the server may send; zero: the codec's defaults
	Machine  fsm.Machine  // in fsm.Idle; nil: one of Table
	Table    *fsm.Table   // what may be sent where; nil: fsm.Standard. Tests of tests have others
	Data     DataMode     // how content is sent
	Serial   bool         // no PIPELINING, even if offered
	Window   int          // octets of commands in flight at once under PIPELINING; 0: 4096 for each of Overlap (RFC 2920 §3.1)
	Overlap  int          // mail transactions in flight at once under PIPELINING; 0: 1
	RsetEach bool         // RSET before every transaction but the first
	Raw8Bit  bool         // send octets over 127 although the server does not offer 8BITMIME
	Stop     Stop         // end the session early, to see what the server makes of it

	Offers Offers // nil: each session keeps its own copy of what is offered

	ID     uint64 // number of the session, for events
	Events Sink   // nil: nobody listens
}

// latest is the configuration of the session made last.
var latest atomic.Pointer[Config]

// shared returns c, or what an earlier session keeps of the same: the next one is nearly always
// told what the last was.
func shared(c Config) *Config {
	last := latest.Load()
	if last != nil && (c.Offers == nil || reflect.ValueOf(c.Offers).Comparable()) && *last == c {
		return last
	}
	own := c
	latest.Store(&own)
	return &own
}

// Sink takes events. *events.Bus is one.
type Sink interface {
	Wants() events.Set
	Publish(events.Event)
}

// StartTLS is the policy of a session that begins in clear.
type StartTLS uint8

// The policies.
const (
	StartTLSNever     StartTLS = iota // stay as the link is
	StartTLSIfOffered                 // use it if it is offered and not refused; otherwise go on in clear
	StartTLSOrNothing                 // no mail and no credentials without TLS (RFC 3207 §6)
	numStartTLSPolicies
)

var startTLSNames = [numStartTLSPolicies]string{"never", "opportunistic", "required"}

// String returns "never", "opportunistic" or "required".
func (p StartTLS) String() string {
	if p < numStartTLSPolicies {
		return startTLSNames[p]
	}
	return "starttls(?)"
}

// DataMode says with which command content is sent.
type DataMode uint8

// The modes.
const (
	DataAuto DataMode = iota // DATA, or BDAT where the content needs it
	DataOnly                 // DATA; binary content is refused
	DataBDAT                 // BDAT where CHUNKING is offered, otherwise DATA (RFC 3030)
	numDataModes
)

var dataModeNames = [numDataModes]string{"auto", "data", "bdat"}

// String returns "auto", "data" or "bdat".
func (m DataMode) String() string {
	if m < numDataModes {
		return dataModeNames[m]
	}
	return "data(?)"
}

// Stop ends a session on purpose when a phase is over, for tests of servers. Nothing of
// the next phase is sent, so commands are not pipelined.
type Stop struct {
	After Phase // PhaseNone: do not
	Drop  bool  // close without QUIT
}

// Phase is a part of a session.
type Phase uint8

// The phases, each over when the reply to its last command has come.
const (
	PhaseNone     Phase = iota
	PhaseBanner         // the greeting
	PhaseEhlo           // EHLO or HELO, the first one
	PhaseStartTLS       // the handshake
	PhaseAuth           // AUTH
	PhaseMail           // MAIL
	PhaseRcpt           // every RCPT
	PhaseData           // DATA
	PhaseDot            // the end of the content
	numPhases
)

var phaseNames = [numPhases]string{"", "banner", "ehlo", "starttls", "auth", "mail", "rcpt", "data", "dot"}

// String returns the phase's name in lower case.
func (p Phase) String() string {
	if p < numPhases {
		return phaseNames[p]
	}
	return "phase(?)"
}

// ParsePhase returns the phase of that name.
func ParsePhase(name string) (Phase, error) {
	if i := slices.Index(phaseNames[1:], name); i >= 0 {
		return Phase(i + 1), nil
	}
	return 0, &Error{Kind: ErrMisuse, Detail: "no phase " + strconv.QuoteToASCII(name) + ": there are " + strings.Join(phaseNames[1:], ", ")}
}

// Link is what the transport declares about the connection. The zero value is a
// clear link.
type Link struct {
	Host        string // the name that was dialled or verified
	Port        int
	Address     string // of the peer
	Loopback    bool   // the peer is this machine
	Secure      bool   // TLS protects the octets
	Verified    bool   // and the certificate was verified
	Version     uint16 // as in crypto/tls
	CipherSuite uint16
	Engine      string
	Peer        []*x509.Certificate
	Binding     func(kind string) ([]byte, error) // channel binding; nil: none
}

const (
	defaultWindow = 4096
	owedReplies   = 256      // most replies in flight, for each of Overlap: bounds what the server has to buffer
	joined        = 32 << 10 // content up to here is copied behind the commands; above, referred to
)
