//go:build !unix

package foreign

import (
	"context"
	"errors"
)

// Process is a program that runs.
type Process struct{}

// Start starts the program; here it cannot.
func (c *Command) Start(context.Context, map[string]string) (*Process, error) {
	return nil, errors.New("programs are run by /bin/sh, and there is none")
}

// Wait waits until the program has ended.
func (p *Process) Wait() (*Exit, error) { return nil, errors.New("there is no program") }

// Memory looks at how much memory the program has had.
func (p *Process) Memory() int64 { return 0 }
