// Package session is the SMTP client engine without input and output: octets that
// came from the server go in, octets for the server come out.
//
// # What it knows
//
// What the caller wants (a [Transaction], a [Request], an orderly end), what the
// server offers, and what the outcome is for each recipient. It chooses among the
// moves that the table of package fsm allows; it never moves a state by itself.
//
// # What it refuses to know
//
// Sockets, TLS, clocks, goroutines, and where a message comes from. It says how
// long an answer may take ([Session.Patience]) and what it needs next
// ([Session.Wants]); somebody else, the driver, has the clock and the connection.
//
// # Theory of operation
//
// Two cursors run over one table. The machine's state is moved by replies only. The
// sender's cursor, called ahead, is the same table folded over the commands in
// flight, each assumed to get the reply it hopes for; with nothing in flight the two
// are equal. plan looks at ahead, at what the caller wants and at what the server
// offers, and sends the next command if the table allows it there, until nothing
// more is legal or wanted. Without PIPELINING (RFC 2920) it waits for every reply;
// with it, it writes ahead within a window. When a reply is not the one hoped for,
// ahead is folded anew: that is all there is to recovering from a surprise.
//
// Commands in flight stand in a FIFO and a reply belongs to its head. A reply that
// nobody owes ends the session: from then on no reply could be matched to a command.
//
// # The driver's duties
//
//  1. Say what happened: Dialing, Connected, Receive, Secured, Lost, Expire, Abort.
//  2. After each call write all of Output in one go and say Wrote.
//  3. Do what Wants says: read, start TLS, supply credentials or content, close.
//  4. If an answer takes longer than Patience, say Expire.
//  5. While output is being written by somebody else, Receive may be called, Output
//     may not.
//
// # Truth
//
// A recipient's outcome starts as NotSent and becomes Refused by a reply, Unknown
// from the first octet of the end of the content that is handed to the driver, and
// Accepted by a complete 2yz to it. Nothing that comes later changes it (RFC 5321
// §4.2.5, RFC 1047).
package session
