//go:build !unix

package live

import (
	"context"
	"errors"
)

// Do runs the program; here it cannot.
func (c *Command) Do(context.Context, *Task) (*Claim, error) {
	return nil, errors.New("programs are run by /bin/sh, and there is none")
}
