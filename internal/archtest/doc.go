// Package archtest holds the architecture down: who may import whom, and why;
// that the core does no I/O, reads no clock and starts no goroutine; and a few
// habits of writing. It has tests only. The rules are the tables in
// rules_test.go: a new import is a new line there, with its reason.
package archtest
