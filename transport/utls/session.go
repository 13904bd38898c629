package utls

import (
	"sync"

	utls "github.com/refraction-networking/utls"

	"github.com/parley-mail/parley/transport"
)

// remembered is what is kept of a session: the group that its handshake agreed
// on too, since a retry (RFC 8446 §4.1.4) cannot follow an offer to resume.
type remembered struct {
	state *utls.ClientSessionState
	group transport.Group
}

// session returns what is remembered for h, or nil.
func session(h *transport.Handshake) *remembered {
	r, _ := h.Shelf.Session().(*remembered)
	return r
}

// sessions is the library's view of one key of a session cache. Tickets of TLS 1.3
// come after the handshake, during reads.
type sessions struct {
	shelf  *transport.Shelf
	resume *remembered // what may be offered now, or nil

	mu    sync.Mutex
	group transport.Group
}

func (s *sessions) Get(string) (*utls.ClientSessionState, bool) {
	if s.resume == nil {
		return nil, false
	}
	return s.resume.state, true
}

func (s *sessions) Put(_ string, state *utls.ClientSessionState) {
	if state == nil {
		s.shelf.Remember(nil)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.shelf.Remember(&remembered{state, s.group})
}

// agreed tells the group of the handshake that is done. A ticket of TLS 1.2 has
// come before and does not need it.
func (s *sessions) agreed(g transport.Group) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.group = g
}
