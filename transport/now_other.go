//go:build !unix

package transport

import (
	"errors"
	"syscall"
)

type nowWriter struct{}

func newNowWriter(syscall.RawConn) *nowWriter { return nil }

func (*nowWriter) write([]byte) (int, error) { return 0, errors.ErrUnsupported }
