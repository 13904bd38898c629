// Package conformance holds an SMTP client against the RFCs, one dialogue at a time.
//
// A [Case] is a transcript in the language of package smtpt: what the server says, what the
// client must send, how each recipient must have fared. [Run] plays it against an [Engine] in
// virtual time, whole and in pieces, and gives an [Outcome] with its [Verdict]. The cases below testdata are built
// in, one folder per RFC.
package conformance
