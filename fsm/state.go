package fsm

import "strconv"

// State is what the server has acknowledged so far.
type State uint8

// The states of a session, in the order in which a session meets them.
const (
	Idle           State = iota // nothing has happened
	Connecting                  // a connection is being established
	Greeting                    // connected; the server owes its greeting (RFC 5321 §3.1)
	Greeted                     // greeted, or TLS has just begun: EHLO comes first (RFC 5321 §3.2, RFC 3207 §4.2)
	Legacy                      // EHLO is not understood: HELO comes next (RFC 5321 §4.1.1.1)
	Refused                     // the server will not serve us; only QUIT may follow (RFC 5321 §3.1, §4.1.1.10)
	Handshake                   // STARTTLS was answered by 220: only the TLS handshake may follow (RFC 3207 §4)
	Authenticating              // the server awaits a response to its challenge (RFC 4954 §4)
	Ready                       // EHLO or HELO is done and no mail transaction is open
	Sender                      // MAIL was accepted (RFC 5321 §3.3)
	Recipients                  // at least one RCPT was accepted
	Chunks                      // a BDAT was accepted; neither RCPT nor DATA may follow (RFC 3030 §2)
	Content                     // DATA was answered by 354: content follows
	LoneDot                     // 354, but no recipient stands: "." alone is the way on (RFC 2920 §3.1)
	Spoiled                     // a BDAT was refused; only RSET clears the transaction (RFC 3030 §2)
	Closed                      // over, in order
	Failed                      // over, by accident; nothing may be sent any more
	numStates
)

var stateNames = [numStates]string{
	"idle", "connecting", "greeting", "greeted", "legacy", "refused", "handshake", "auth", "ready",
	"sender", "recipients", "chunks", "content", "lone_dot", "spoiled", "closed", "failed",
}

// String returns the state's name in lower case, as the drawings have it.
func (s State) String() string {
	if s < numStates {
		return stateNames[s]
	}
	return "state(" + strconv.Itoa(int(s)) + ")"
}

// MarshalText makes states readable in JSON.
func (s State) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// Live reports whether a connection exists or is being made in s, so that it can
// still be lost, expire or be closed by the server.
func (s State) Live() bool { return s != Idle && !s.Over() }

// Over reports whether s has no way out.
func (s State) Over() bool { return s == Closed || s == Failed }

// InTransaction reports whether a mail transaction is open in s (RFC 5321 §3.3).
func (s State) InTransaction() bool { return s >= Sender && s <= Spoiled }

// States returns all states in order.
func States() []State {
	all := make([]State, numStates)
	for i := range all {
		all[i] = State(i)
	}
	return all
}
