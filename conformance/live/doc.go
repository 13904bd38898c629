// Package live holds any SMTP client against the cases of package conformance, on real
// sockets and a real clock.
//
// A client is a [Peer]: something that takes a [Task], one message to one server, and says
// in a [Claim] what became of it. [Command] runs a program as a Peer, by the contract of
// docs/instrument.md. A [Player] plays cases against a Peer: [Player.Play] gives the
// outcome of one case, and its method value is what [conformance.Plan] wants as Play.
//
// The server of a play is reactive. A client that is not this project's says other octets
// than a script foresees, so each reply of the script is bound to the command that it
// answers, and what the script does not foresee and the RFCs allow gets a sane answer.
// Three things decide the verdict: what a bystander sees (grammar, order, transparency),
// whether the client's claim is true by what was on the wire, and whether the client comes
// to an end, whole and of a decent size. [Portable] says why a case cannot be played so.
//
// [Server] is the same server without a client that it would have to judge.
package live
