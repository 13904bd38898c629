//go:build !linux

package parley_test

import (
	"net"
	"testing"
)

// socketOption is an option of a socket; elsewhere the tests do not look at them.
type socketOption int

const (
	keepAlive socketOption = iota
	keepIdle
	keepInterval
	noDelay
	readBuffer
	writeBuffer
	lingering
)

const lingerOff = -1

func sockopt(t *testing.T, _ net.Conn, _ socketOption) int {
	t.Skip("options of sockets are looked at on Linux")
	return 0
}
