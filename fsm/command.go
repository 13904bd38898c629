package fsm

import (
	"strconv"
	"time"
)

// Command is what the client sends and what a reply answers. It includes the
// pseudo-commands of RFC 5321 §4.3.2, CONNECT and END-OF-DATA.
type Command uint8

// The commands.
const (
	Connect       Command = iota // the connection itself; answered by the greeting
	Ehlo                         // RFC 5321 §4.1.1.1
	Helo                         // RFC 5321 §4.1.1.1
	Lhlo                         // RFC 2033 §4.1
	StartTLS                     // RFC 3207 §4
	Auth                         // RFC 4954 §4
	AuthResponse                 // a line of the client's inside an AUTH exchange
	AuthCancel                   // "*" inside an AUTH exchange
	Mail                         // RFC 5321 §4.1.1.2
	Send                         // RFC 821 §3.4: to the terminal
	Soml                         // RFC 821 §3.4: to the terminal or the mailbox
	Saml                         // RFC 821 §3.4: to the terminal and the mailbox
	Rcpt                         // RFC 5321 §4.1.1.3
	Data                         // RFC 5321 §4.1.1.4
	EndOfDataPart                // one of the replies to the end of data but not the last (LMTP, RFC 2033 §4.2)
	EndOfData                    // the line "." after the content
	Bdat                         // RFC 3030 §2, a chunk but not the last
	BdatLastPart                 // one of the replies to the last chunk but not the last (LMTP, RFC 2033 §4.3)
	BdatLast                     // RFC 3030 §2, the last chunk
	Rset                         // RFC 5321 §4.1.1.5
	Noop                         // RFC 5321 §4.1.1.9
	Vrfy                         // RFC 5321 §4.1.1.6
	Expn                         // RFC 5321 §4.1.1.7
	Help                         // RFC 5321 §4.1.1.8
	Other                        // a line of the caller's own; must not change the state
	Quit                         // RFC 5321 §4.1.1.10
	numCommands
)

// traits is the second half of the specification: what is true of a command
// wherever it is sent.
type traits struct {
	name     string        // as RFCs and drawings write it
	verb     string        // first word on the wire; "" for pseudo-commands
	expect   Class         // the class of the reply hoped for
	endGroup bool          // must be the last of a pipelined group (RFC 2920 §3.1)
	patience time.Duration // how long its reply may take (RFC 5321 §4.5.3.2)
	while    string        // what the client was doing, for errors
}

const (
	minute     = time.Minute
	endsGroup  = true
	anywhere   = false
	fiveMinute = 5 * minute
)

var commands = [numCommands]traits{
	Connect:       {"CONNECT", "", Positive, endsGroup, fiveMinute, "waiting for the greeting"},
	Ehlo:          {"EHLO", "EHLO", Positive, endsGroup, fiveMinute, "sending EHLO"},
	Helo:          {"HELO", "HELO", Positive, endsGroup, fiveMinute, "sending HELO"},
	Lhlo:          {"LHLO", "LHLO", Positive, endsGroup, fiveMinute, "sending LHLO"},
	StartTLS:      {"STARTTLS", "STARTTLS", Positive, endsGroup, fiveMinute, "sending STARTTLS"},
	Auth:          {"AUTH", "AUTH", Positive, endsGroup, fiveMinute, "sending AUTH"},
	AuthResponse:  {"AUTH-RESPONSE", "", Positive, endsGroup, fiveMinute, "answering an AUTH challenge"},
	AuthCancel:    {"AUTH-CANCEL", "", Permanent, endsGroup, fiveMinute, "cancelling AUTH"},
	Mail:          {"MAIL", "MAIL", Positive, anywhere, fiveMinute, "sending MAIL FROM"},
	Send:          {"SEND", "SEND", Positive, anywhere, fiveMinute, "sending SEND FROM"},
	Soml:          {"SOML", "SOML", Positive, anywhere, fiveMinute, "sending SOML FROM"},
	Saml:          {"SAML", "SAML", Positive, anywhere, fiveMinute, "sending SAML FROM"},
	Rcpt:          {"RCPT", "RCPT", Positive, anywhere, fiveMinute, "sending RCPT TO"},
	Data:          {"DATA", "DATA", Intermediate, endsGroup, 2 * minute, "sending DATA"},
	EndOfDataPart: {"END-OF-DATA+", "", Positive, anywhere, 10 * minute, "sending the end of data"},
	EndOfData:     {"END-OF-DATA", "", Positive, anywhere, 10 * minute, "sending the end of data"},
	Bdat:          {"BDAT", "BDAT", Positive, anywhere, 3 * minute, "sending a BDAT chunk"},
	BdatLastPart:  {"BDAT-LAST+", "", Positive, anywhere, 10 * minute, "sending the last BDAT chunk"},
	BdatLast:      {"BDAT-LAST", "BDAT", Positive, endsGroup, 10 * minute, "sending the last BDAT chunk"},
	Rset:          {"RSET", "RSET", Positive, anywhere, fiveMinute, "sending RSET"},
	Noop:          {"NOOP", "NOOP", Positive, endsGroup, fiveMinute, "sending NOOP"},
	Vrfy:          {"VRFY", "VRFY", Positive, endsGroup, fiveMinute, "sending VRFY"},
	Expn:          {"EXPN", "EXPN", Positive, endsGroup, fiveMinute, "sending EXPN"},
	Help:          {"HELP", "HELP", Positive, endsGroup, fiveMinute, "sending HELP"},
	Other:         {"OTHER", "", Positive, endsGroup, fiveMinute, "sending a command of the caller's"},
	Quit:          {"QUIT", "QUIT", Positive, endsGroup, minute, "sending QUIT"},
}

// String returns the command's name, as RFC 5321 §4.3.2 writes it.
func (c Command) String() string {
	if c < numCommands {
		return commands[c].name
	}
	return "command(" + strconv.Itoa(int(c)) + ")"
}

// MarshalText makes commands readable in JSON.
func (c Command) MarshalText() ([]byte, error) { return []byte(c.String()), nil }

// Verb returns the first word of the command line, "" for what has no command line.
func (c Command) Verb() string { return commands[c].verb }

// Expect returns the class of the reply that the client hopes for.
func (c Command) Expect() Class { return commands[c].expect }

// EndsGroup reports whether nothing may be pipelined behind the command until its
// reply has come (RFC 2920 §3.1, RFC 3207 §4, RFC 4954 §4). For the last chunk it is
// almost so; see [Command.MayPrecede].
func (c Command) EndsGroup() bool { return commands[c].endGroup }

// MayPrecede reports whether next may be sent while c is the last command in flight.
// Beside what [Command.EndsGroup] says, RSET and QUIT may stand behind the last chunk.
// A MAIL may not: chunks go out before the replies to RCPT are in, and if all of those
// are refusals the transaction stays open, the MAIL is refused as nested, and the next
// message's recipients join the last one's sender. RSET between the two prevents it.
func (c Command) MayPrecede(next Command) bool {
	return !c.EndsGroup() || c == BdatLast && (next == Rset || next == Quit)
}

// Patience returns how long the reply to the command may take, from RFC 5321
// §4.5.3.2; commands without a figure there have five minutes. QUIT has one
// minute: its reply changes nothing any more.
func (c Command) Patience() time.Duration { return commands[c].patience }

// While says what the client was doing, for "while …" in errors.
func (c Command) While() string { return commands[c].while }

// OpensTransaction reports whether the command is MAIL or one of its RFC 821 kin.
func (c Command) OpensTransaction() bool { return c >= Mail && c <= Saml }

// EndsContent reports whether a reply to the command is the word about the whole
// message: accepted or not (RFC 5321 §4.2.5, RFC 3030 §2).
func (c Command) EndsContent() bool {
	return c == EndOfData || c == EndOfDataPart || c == BdatLast || c == BdatLastPart
}

// Commands returns all commands in order.
func Commands() []Command {
	all := make([]Command, numCommands)
	for i := range all {
		all[i] = Command(i)
	}
	return all
}
