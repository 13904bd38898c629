package transport

import "crypto/x509"

// Shelf is where the sessions with one endpoint under one policy lie. It is all that an
// engine needs of a [Handshake] when that is over: in TLS 1.3 tickets come with what is
// read afterwards. A nil Shelf is an empty one that takes nothing.
type Shelf struct {
	config *TLSConfig
	key    sessionKey
	chains [][]*x509.Certificate // that led to trust, in this handshake or that of the session
}

// Session returns the session that was remembered last by the same engine with the same
// endpoint under the same policy, or nil.
func (s *Shelf) Session() any {
	if s == nil {
		return nil
	}
	e, _ := s.config.Sessions.get(s.key, s.config.now())
	s.chains = e.chains
	return e.state
}

// Remember keeps an engine's session; nil forgets it.
func (s *Shelf) Remember(state any) {
	switch {
	case s == nil:
	case state == nil:
		s.config.Sessions.forget(s.key)
	default:
		s.config.Sessions.put(s.key, session{state: state, chains: s.chains, at: s.config.now()})
	}
}

// trusted are the chains that were verified when the session was made.
func (s *Shelf) trusted() [][]*x509.Certificate {
	if s == nil {
		return nil
	}
	return s.chains
}

// trust notes what the handshake has verified, for the session that it makes.
func (s *Shelf) trust(p Peer) {
	if s == nil {
		return
	}
	s.chains = nil
	if p.Problem == nil {
		s.chains = p.Chains
	}
}
