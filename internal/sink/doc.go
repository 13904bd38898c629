// Package sink is a receiving SMTP and LMTP server that keeps or discards what it
// gets. It is the other end for the demonstration, the tests and the benchmarks.
//
// # What it knows
//
// The server's half of RFC 5321 and RFC 2033 with the extensions in [Extensions].
// It is an honest peer: what the RFCs forbid a client to do is refused, never
// repaired, so that a client that gets on with it has kept the rules. Lines end at
// CRLF, content ends at CRLF "." CRLF, commands come in order, and nothing is sent
// ahead of a reply that had to be awaited. [Tolerance] takes single rules back.
//
// # What it refuses to know
//
// Relaying, queues, DNS, local users, spam. It adds no Received line: content is
// stored octet by octet as it was sent.
//
// # Theory of operation
//
// One goroutine per connection runs one session. A session owns an input buffer
// and an output buffer. Commands are taken from the input buffer as long as there
// are whole ones; their replies gather in the output buffer and leave in one write
// when the session has to wait for input. This one place is also where a turn is
// counted, so [Stats.Turns] over [Stats.Messages] is what a message costs a client
// in round trips.
//
// An idle session holds a small input buffer; a large one is borrowed for content
// and given back. A message costs no allocation unless a [Store] or a hook wants
// to see it.
package sink
