//go:build !unix

package transport

import (
	"errors"
	"syscall"
)

// glance is not known on this system.
type glance struct{}

func newGlance(syscall.Conn) (*glance, error) { return nil, errors.ErrUnsupported }

func (*glance) readable() (bool, error) { return false, errors.ErrUnsupported }
