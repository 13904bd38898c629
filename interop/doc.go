// Package interop holds the tests against real servers. They carry the build tag
// "interop", because they need programs that `go test ./...` must not need:
//
//	make interop-short   Postfix and smtp-sink
//	make interop         every peer there is
//
// Both install what is missing (interop/install.sh) and never skip: a peer that
// does not start is a failed test.
package interop
