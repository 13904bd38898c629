//go:build !unix

package transport

import (
	"errors"
	"syscall"
)

type nowWriter struct{}

func newNowWriter(syscall.Conn) (*nowWriter, error) { return nil, errors.ErrUnsupported }

func (*nowWriter) write([]byte) (int, error) { return 0, errors.ErrUnsupported }
