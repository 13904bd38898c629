package parley

import (
	"context"
	"errors"
)

// errNoQueue is what Queue and ProcessQueue say as long as there is no spool.
var errNoQueue = errors.New("parley: the queue is not there yet")

// Queue writes the message, with its envelope, into a new file in dir and returns the
// file's name.
func (s *SMTP) Queue(context.Context, string) (string, error) { return "", errNoQueue }

// ProcessQueue sends every queued file of dir.
func (s *SMTP) ProcessQueue(context.Context, string) error { return errNoQueue }
