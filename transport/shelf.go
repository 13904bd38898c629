package transport

// Shelf is where the sessions with one endpoint under one policy lie. It is all that an
// engine needs of a [Handshake] when that is over: in TLS 1.3 tickets come with what is
// read afterwards. A nil Shelf is an empty one that takes nothing.
type Shelf struct {
	config *TLSConfig
	key    sessionKey
}

// Session returns the session that was remembered last by the same engine with the same
// endpoint under the same policy, or nil.
func (s *Shelf) Session() any {
	if s == nil {
		return nil
	}
	return s.config.Sessions.session(s.key, s.config.now())
}

// Remember keeps an engine's session; nil forgets it.
func (s *Shelf) Remember(state any) {
	switch {
	case s == nil:
	case state == nil:
		s.config.Sessions.forget(s.key)
	default:
		s.config.Sessions.keep(s.key, state, s.config.now())
	}
}
