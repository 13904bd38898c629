// Package smtpt reads and writes transcripts of SMTP dialogues (.smtpt, version 1):
// what a server says octet for octet, what a client must answer, how time passes and
// what comes of it.
//
// # What it knows
//
// The notation: lines, their attributes, escapes and patterns, groups, alternatives,
// files behind the script, and where in a file each of them stands. A [Script] read
// and written by [Script.Format] is in canonical form; reading that again gives the
// same script.
//
// # What it refuses to know
//
// What the lines mean. A transcript may be played against an engine without a network,
// against a client on a socket, or be the record of a real session; that is the
// business of whoever reads the script. docs/smtpt.md describes the notation for people.
package smtpt
