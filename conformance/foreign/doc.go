// Package foreign fuzzes mail clients that are not this project's, over real sockets: it
// runs a program against servers that octets decide (conformance.Provoker), and looks for
// crashes, for programs that do not end, that take memory without bound, or whose word
// about the message is untrue by what was on the wire.
package foreign
