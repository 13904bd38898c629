// Package peers starts real mail servers and proxies for the interoperability
// tests, each in a directory of its own, on free loopback ports, and stops them
// by process id.
//
// # What it knows
//
// How each server is configured so that tests can reach it in every way that
// matters (in clear, STARTTLS, implicit TLS, with authentication, LMTP), which
// users it has, and where it puts the mail, so that a test can compare what
// arrived with what was sent.
//
// # What it refuses to know
//
// SMTP beyond the greeting that says a server is ready, and this project's
// client: the tests bring that.
//
// A server is one file here and one [Peer]. The world all servers share, its
// domain, users and passwords, is in world.go; the certificates and directories
// of one run are a [Site]. The servers themselves come from Debian's packages:
// interop/install.sh fetches them.
package peers
