//go:build !unix

package transport

import (
	"errors"
	"syscall"
)

// peekSocket is not known on this system.
func peekSocket(syscall.Conn) (bool, error) { return false, errors.ErrUnsupported }
