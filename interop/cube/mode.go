package cube

import (
	"github.com/parley-mail/parley/codec"
	"github.com/parley-mail/parley/session"
)

// Mode is a way of sending content.
type Mode struct {
	Name     string
	Serial   bool             // each command waits for the reply to the one before
	Data     session.DataMode // DATA or BDAT
	Messages int              // so many in flight on one connection; 1: one
}

// flight is how many messages a cell has in flight at once where the mode is to overlap.
const flight = 4

// Modes are all of them.
var Modes = []Mode{
	{"DATA, lock-step", true, session.DataOnly, 1},
	{"DATA, pipelined", false, session.DataOnly, 1},
	{"DATA, overlapped", false, session.DataOnly, flight},
	{"BDAT, lock-step", true, session.DataBDAT, 1},
	{"BDAT, pipelined", false, session.DataBDAT, 1},
	{"BDAT, overlapped", false, session.DataBDAT, flight},
}

// ModeNames are the columns of a table of modes.
func ModeNames() []string {
	names := make([]string, len(Modes))
	for i, m := range Modes {
		names[i] = m.Name
	}
	return names
}

// why is the reason why the mode is none for a server that offers this, or "".
func (m Mode) why(x *codec.Extensions) string {
	switch {
	case m.Data == session.DataBDAT && !x.Chunking:
		return "CHUNKING is not offered"
	case !m.Serial && !x.Pipelining:
		return "PIPELINING is not offered"
	}
	return ""
}

// set has a session send that way.
func (m Mode) set(c *session.Config) {
	c.Serial, c.Data = m.Serial, m.Data
	if m.Messages > 1 {
		c.Overlap = m.Messages
	}
}
