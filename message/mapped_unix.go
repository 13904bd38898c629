//go:build unix

package message

import (
	"errors"
	"os"
	"syscall"
)

func mapFile(f *os.File) ([]byte, func() error, error) {
	info, err := f.Stat()
	switch {
	case err != nil:
		return nil, nil, err
	case !info.Mode().IsRegular():
		return nil, nil, errors.New("only a regular file can be mapped")
	case info.Size() == 0:
		return []byte{}, func() error { return nil }, nil
	case int64(int(info.Size())) != info.Size():
		return nil, nil, syscall.EFBIG
	}
	b, err := syscall.Mmap(int(f.Fd()), 0, int(info.Size()), syscall.PROT_READ, syscall.MAP_SHARED)
	if err != nil {
		return nil, nil, os.NewSyscallError("mmap", err)
	}
	return b, func() error { return syscall.Munmap(b) }, nil
}
