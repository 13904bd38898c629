//go:build interop

package interop_test

// This project's own client against every peer: see the ways of checkWays.
