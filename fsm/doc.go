// Package fsm is the SMTP client dialogue as one explicit finite-state machine.
//
// # What it knows
//
// Which command may be sent in which state, and what each class of reply to it
// means. All of that is in one literal, the table in table.go; everything else in
// this package (the two machines, the drawings, the coverage list, the fuzz
// dictionary) is computed from it. Nothing outside that table moves a state.
//
// # What it refuses to know
//
// Octets, lines, sockets, clocks, envelopes, extensions and policy. It does not
// know what the caller wants; package session chooses among the legal moves.
//
// # Theory of operation
//
// A state is what the server has acknowledged, not what has been sent. The inputs
// are pairs (command, class of the reply to it), in the manner of RFC 5321 §4.3.2,
// which lists for each command what each reply means, and a few signals for what
// is no reply: the connection is up, TLS is done, the server closes (421), a reply
// could not be understood, the connection is lost, a timer has run out, the caller
// gives up.
//
// Under PIPELINING (RFC 2920) several commands are in flight at once. Replies then
// move the machine one by one, as always. Where the *sender* stands is not a second
// machine but the same table folded over the commands in flight, each assumed to
// get the reply it hopes for ([Fold]). A refused MAIL leaves the machine in Ready,
// and the replies to the RCPT and DATA that were already on their way are answered
// by rows marked in-flight-only: such a command may be answered there, but never
// sent. A 354 to a DATA that has become moot leads to LoneDot, from where a single
// "." is the only way on (RFC 2920 §3.1).
//
// Chunks (RFC 3030) travel without waiting for leave, so more can go wrong behind
// them. A refused one leads to Spoiled, where only RSET and QUIT may be sent and the
// replies to the chunks that were on their way come in. Because a transaction may be
// left open, MAIL is not sent behind the last chunk but behind its reply, or behind
// a RSET ([Command.MayPrecede]). A test walks through what may be in flight and
// demands a row for every reply that a lawful server can send.
//
// A server that does not want us, by its greeting or its answer to EHLO, leads to
// Refused: QUIT is said all the same (RFC 5321 §4.1.1.10). Failed is for where saying
// anything would be wrong.
//
// # What does not fit in a state
//
// Three facts are fields of package session, because they decide what the client
// wants and not what is legal: the list of accepted recipients, whether the link is
// secured, and whether the client is authenticated. A second STARTTLS is not sent
// because a server does not offer it again, a second AUTH because nobody wants it.
//
// # Two machines over one table
//
// [Compiled] is an array look-up: one octet of state, no allocation. [Looplab] runs
// the same table on github.com/looplab/fsm; it can be inspected and hooked with the
// tools of that library. A test fires every input in every state at both and
// demands the same answers.
package fsm
