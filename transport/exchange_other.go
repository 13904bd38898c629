//go:build !unix

package transport

import "syscall"

// Exchange is what an [Exchanger] works with. Any connection may use it, one at a time.
type Exchange struct {
	wrote, read int
	err         error
}

// run does nothing: writes and reads cannot be had in one here.
func (*Exchange) run(syscall.RawConn, []byte, []byte) error { return nil }
