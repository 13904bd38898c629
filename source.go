package parley

import (
	"bytes"
	"io"

	"github.com/parley-mail/parley/session"
)

// source is where the content of one transaction comes from. It is used again.
type source struct {
	tx       *session.Transaction
	body     io.Reader
	memory   bytes.Reader
	progress transfer
}

// set takes a transaction that is about to be begun. If somebody follows its progress,
// content in memory is read in blocks, so that there is progress to see.
func (src *source) set(e *Endpoint, s *session.Session, tx *session.Transaction, body io.Reader) {
	src.tx, src.body = tx, body
	src.progress.begin(e, s, tx)
	if src.progress.bus != nil && tx.Content != nil {
		src.memory.Reset(tx.Content)
		src.body, tx.Content = &src.memory, nil
	}
}

func (src *source) clear() {
	src.tx, src.body = nil, nil
	src.memory.Reset(nil)
	src.progress.bus = nil
}

// source returns that of a transaction, or nil.
func (c *Conn) source(tx *session.Transaction) *source {
	for i := range c.sources {
		if c.sources[i].tx == tx {
			return &c.sources[i]
		}
	}
	return nil
}
