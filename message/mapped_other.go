//go:build !unix

package message

import (
	"io"
	"os"
)

func mapFile(f *os.File) ([]byte, func() error, error) {
	b, err := io.ReadAll(f)
	if b == nil {
		b = []byte{}
	}
	return b, func() error { return nil }, err
}
