package live

import (
	"context"
	"maps"
	"slices"

	"github.com/parley-mail/parley/conformance"
	"github.com/parley-mail/parley/conformance/foreign"
)

// Command is a program as a client, by the contract of conformance/shims. The names of
// [Task.Values] are its placeholders.
type Command struct{ program *foreign.Command }

// NewCommand reads a command; env is added to the environment of this program.
func NewCommand(line string, env ...string) (*Command, error) {
	names := slices.Collect(maps.Keys((&Task{Errand: &conformance.Errand{}}).Values()))
	program, err := foreign.NewCommand(line, names, env...)
	if err != nil {
		return nil, err
	}
	return &Command{program}, nil
}

// Do runs the program.
func (c *Command) Do(ctx context.Context, t *Task) (*Claim, error) {
	return c.program.Run(ctx, t.Values())
}
