// Package kerberos holds the tests that send with a Kerberos ticket to a real server. It
// is a module of its own, because it needs both the client and auth/gssapi, and neither's
// users should see what the other one requires.
package kerberos
