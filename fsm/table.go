package fsm

import "slices"

// This file is the whole dialogue. To read a row: the command may be sent in the
// states listed; a reply of class 2yz, 3yz, 4yz, 5yz to it leads to the state in
// that column. "stay" is no move, "fault" is a reply that the command cannot get:
// the peer has broken the protocol and the session turns it into Malformed.

// Exchange is a row of the table: a command, where it may be sent, and what the
// replies to it mean.
type Exchange struct {
	Command Command
	In      []State
	On      [4]State // next state by class: 2yz, 3yz, 4yz, 5yz; Stay or Fault
	// InFlight marks a row for replies to what was sent before the state was known:
	// such a command may be answered here, never sent (RFC 2920 §3.1).
	InFlight bool
	Ref      string // the paragraph that says so
}

// Jump is a row for a signal.
type Jump struct {
	Signal Input
	In     []State
	To     State
	Ref    string
}

// What may stand in a column of [Exchange] beside a state.
const (
	Stay  State = 0xFE // the state does not change
	Fault State = 0xFF // no such reply exists; the peer broke the protocol
)

const stay, fault = Stay, Fault

func in(s ...State) []State { return s }

var exchanges = []Exchange{
	// command      sent in                  2yz         3yz             4yz     5yz

	// Whoever is not served says QUIT all the same (RFC 5321 §4.1.1.10), hence Refused.
	{Connect, in(Greeting), [4]State{Greeted, fault, Refused, Refused}, false, "RFC 5321 §3.1"},
	{Ehlo, in(Greeted), [4]State{Ready, fault, Refused, Legacy}, false, "RFC 5321 §4.1.1.1"},
	{Helo, in(Greeted, Legacy), [4]State{Ready, fault, Refused, Refused}, false, "RFC 5321 §4.1.1.1"},
	{Lhlo, in(Greeted), [4]State{Ready, fault, Refused, Refused}, false, "RFC 2033 §4.1"},
	{StartTLS, in(Ready), [4]State{Handshake, fault, stay, stay}, false, "RFC 3207 §4"},

	{Auth, in(Ready), [4]State{stay, Authenticating, stay, stay}, false, "RFC 4954 §4"},
	{AuthResponse, in(Authenticating), [4]State{Ready, stay, Ready, Ready}, false, "RFC 4954 §4"},
	{AuthCancel, in(Authenticating), [4]State{fault, fault, Ready, Ready}, false, "RFC 4954 §4"},

	{Mail, in(Ready), [4]State{Sender, fault, stay, stay}, false, "RFC 5321 §3.3"},
	{Send, in(Ready), [4]State{Sender, fault, stay, stay}, false, "RFC 821 §3.4"},
	{Soml, in(Ready), [4]State{Sender, fault, stay, stay}, false, "RFC 821 §3.4"},
	{Saml, in(Ready), [4]State{Sender, fault, stay, stay}, false, "RFC 821 §3.4"},
	{Rcpt, in(Sender), [4]State{Recipients, fault, stay, stay}, false, "RFC 5321 §3.3"},
	{Rcpt, in(Recipients), [4]State{stay, fault, stay, stay}, false, "RFC 5321 §3.3"},

	// A 2yz to DATA is a fault, in flight too: nobody knows whether such a server waits
	// for content. The end of data, accepted or not, clears the buffers; so does BDAT
	// LAST. In LMTP every recipient has its reply and only the last one ends it.
	{Data, in(Recipients), [4]State{fault, Content, stay, stay}, false, "RFC 5321 §3.3"},
	{EndOfDataPart, in(Content), [4]State{stay, fault, stay, stay}, false, "RFC 2033 §4.2"},
	{EndOfData, in(Content, LoneDot), [4]State{Ready, fault, Ready, Ready}, false, "RFC 5321 §4.1.1.4"},

	// A chunk is accepted for itself and promises nothing about the message. After a
	// refused one the server may hold on to the transaction or not: no chunk may follow,
	// and nobody says where a RCPT or a MAIL would land. RSET puts an end to it.
	{Bdat, in(Recipients), [4]State{Chunks, fault, Spoiled, Spoiled}, false, "RFC 3030 §2"},
	{Bdat, in(Chunks), [4]State{stay, fault, Spoiled, Spoiled}, false, "RFC 3030 §2"},
	{BdatLastPart, in(Recipients, Chunks), [4]State{stay, fault, stay, stay}, false, "RFC 2033 §4.3"},
	{BdatLast, in(Recipients, Chunks), [4]State{Ready, fault, Ready, Ready}, false, "RFC 3030 §2"},

	// In flight only. MAIL was refused (Ready) or all recipients were (Sender), so what
	// follows is moot. A server that takes a moot chunk has a transaction of its own
	// making, which must go. Behind a refused chunk come the replies to the chunks that
	// followed it, one or, in LMTP, perhaps several to the last.
	{Rcpt, in(Ready), [4]State{stay, fault, stay, stay}, true, "RFC 2920 §3.1"},
	{Data, in(Ready, Sender), [4]State{fault, LoneDot, stay, stay}, true, "RFC 2920 §3.1"},
	{Bdat, in(Ready), [4]State{Spoiled, fault, stay, stay}, true, "RFC 2920 §3.1"},
	{BdatLast, in(Ready), [4]State{stay, fault, stay, stay}, true, "RFC 2920 §3.1"},
	{Bdat, in(Sender), [4]State{Spoiled, fault, Spoiled, Spoiled}, true, "RFC 3030 §2"},
	{BdatLast, in(Sender), [4]State{Spoiled, fault, Spoiled, Spoiled}, true, "RFC 3030 §2"},
	{Bdat, in(Spoiled), [4]State{stay, fault, stay, stay}, true, "RFC 3030 §2"},
	{BdatLastPart, in(Spoiled), [4]State{stay, fault, stay, stay}, true, "RFC 2033 §4.3"},
	{BdatLast, in(Spoiled), [4]State{stay, fault, stay, stay}, true, "RFC 3030 §2"},

	// RSET cannot fail (RFC 5321 §4.1.1.5). Where it does, replies have come out of step
	// with commands, and a QUIT would only be one more command to be mistaken.
	{Rset, in(Ready, Sender, Recipients, Chunks, Spoiled), [4]State{Ready, fault, Failed, Failed}, false, "RFC 5321 §4.1.1.5"},

	// A server must bear these at any time (RFC 5321 §4.1.4). Inside a transaction they
	// would hold it open for nothing and end a pipelined group, so they wait for Ready.
	{Noop, in(Ready), [4]State{stay, fault, stay, stay}, false, "RFC 5321 §4.1.1.9"},
	{Vrfy, in(Ready), [4]State{stay, fault, stay, stay}, false, "RFC 5321 §4.1.1.6"},
	{Expn, in(Ready), [4]State{stay, fault, stay, stay}, false, "RFC 5321 §4.1.1.7"},
	{Help, in(Ready), [4]State{stay, fault, stay, stay}, false, "RFC 5321 §4.1.1.8"},
	{Other, in(Ready), [4]State{stay, fault, stay, stay}, false, "RFC 5321 §4.3.2"},

	// Whatever answers QUIT, or nothing at all, the session has ended in order.
	{
		Quit, in(Greeted, Legacy, Refused, Ready, Sender, Recipients, Chunks, Spoiled),
		[4]State{Closed, Closed, Closed, Closed},
		false, "RFC 5321 §4.1.1.10",
	},
}

var live = in(Connecting, Greeting, Greeted, Legacy, Refused, Handshake, Authenticating,
	Ready, Sender, Recipients, Chunks, Content, LoneDot, Spoiled)

var jumps = []Jump{
	{Dial, in(Idle), Connecting, "RFC 5321 §3.1"},
	{Up, in(Connecting), Greeting, "RFC 5321 §3.1"},
	{Secured, in(Handshake), Greeted, "RFC 3207 §4.2"},
	{On(Quit, Gone), in(Greeted, Legacy, Refused, Ready, Sender, Recipients, Chunks, Spoiled), Closed, "RFC 5321 §4.1.1.10"},
	{Shutdown, live, Failed, "RFC 5321 §3.8"},
	{Malformed, live, Failed, "RFC 5321 §4.2"},
	{Lost, live, Failed, "RFC 5321 §3.8"},
	{Expired, live, Failed, "RFC 5321 §4.5.3.2"},
	{Abort, append(in(Idle), live...), Closed, "RFC 5321 §4.1.1.10"},
}

// Exchanges returns the rows for commands, in the order of the table.
func Exchanges() []Exchange { return slices.Clone(exchanges) }

// Jumps returns the rows for signals, in the order of the table.
func Jumps() []Jump { return slices.Clone(jumps) }
