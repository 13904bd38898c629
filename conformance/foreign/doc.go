// Package foreign is about mail clients that are not this project's: a [Command] runs one
// for one message, and a [Fuzzer] runs it again and again against servers that octets
// decide (conformance.Provoker), over real sockets. It looks for clients that crash, that
// do not end, that take memory without bound, or whose word about the message is untrue by
// what was on the wire.
package foreign
