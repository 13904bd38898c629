// Package server holds any SMTP or LMTP server against the requirements on servers: it
// is their client, on real sockets, and says what was kept and what was not.
//
// # What it knows
//
// The checks below testdata, each a small dialogue with the roles of a client's test
// turned round: what is sent, and which replies are right, allowed or wrong. How to come
// to the point where a check begins, how to look into the mailbox behind the server, and
// what must hold for every reply of a run. The verdicts are those of package conformance,
// and so are the reports.
//
// # What it refuses to know
//
// Which server it is: what one is known to fail at is a file that the caller brings. And
// why: a server is judged by what it says and by what arrives, nothing else.
//
// # Theory of operation
//
// A run is one session after another. Before the checks a survey asks what the server
// offers, in clear, inside TLS and after authentication, so that a check that needs what
// is not offered is inconclusive and not failed. Preconditions ("S?:") are told from
// demands ("S:") for the same reason. A session ends with QUIT, and everything up to the
// end of the connection is read: a reply too many is seen wherever it comes. That nothing
// was delivered is known when a second message, sent behind, has arrived.
//
// docs/server-suite.md describes the notation for people, docs/instrument.md how to use it.
package server
