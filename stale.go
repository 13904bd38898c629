package parley

import (
	"errors"

	"github.com/parley-mail/parley/transport"
)

// Stale reports whether an idle session is not fit to be used any more: the server has
// closed the connection, or has said something that nobody asked for, such as 421 (RFC
// 5321 §3.8). It sends nothing and does not wait. Where a connection cannot be looked at,
// only what is known already counts.
func (c *Conn) Stale() bool {
	if c.session.State().Over() {
		return true
	}
	p, ok := c.nc.(transport.Prober)
	if !ok {
		return false
	}
	readable, err := p.Readable()
	c.unarmed() // looking has cleared a deadline
	return readable || err != nil && !errors.Is(err, errors.ErrUnsupported)
}
