package sink

import "sync/atomic"

// Stats are what a server has counted since it began.
type Stats struct {
	Sessions   int64 // connections accepted
	Open       int64 // sessions running now
	Secured    int64 // TLS handshakes done
	LoggedIn   int64 // successful AUTH exchanges
	Commands   int64 // command lines taken
	Messages   int64 // messages accepted, after their content
	Recipients int64 // recipients of accepted messages; under LMTP those answered 2yz
	Octets     int64 // octets of content of accepted messages, without stuffed dots
	Refused    int64 // replies of 4yz and 5yz
	Violations int64 // input sent ahead of a reply, or a bare CR or LF in content
	Turns      int64 // times a session had answered and then had to wait for input
}

type counters struct {
	sessions, open, secured, loggedIn, commands, messages, recipients, octets, refused, violations, turns atomic.Int64
}

// Stats returns the counts. Each is exact by itself; they are not read at one
// instant.
func (srv *Server) Stats() Stats {
	c := &srv.stats
	return Stats{
		Sessions:   c.sessions.Load(),
		Open:       c.open.Load(),
		Secured:    c.secured.Load(),
		LoggedIn:   c.loggedIn.Load(),
		Commands:   c.commands.Load(),
		Messages:   c.messages.Load(),
		Recipients: c.recipients.Load(),
		Octets:     c.octets.Load(),
		Refused:    c.refused.Load(),
		Violations: c.violations.Load(),
		Turns:      c.turns.Load(),
	}
}
