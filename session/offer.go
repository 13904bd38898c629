package session

import "github.com/parley-mail/parley/codec"

// Offer is a reply to EHLO or LHLO and what it means. Sessions may share one; it does not
// change.
type Offer struct {
	Text       string // the lines of the reply, joined by LF
	Extensions codec.Extensions
}

// Offers remembers offers by their text, so that sessions with servers that say the same
// keep one copy of it. It must be safe for concurrent use if sessions are.
type Offers interface {
	// Load returns the offer of that text, or nil.
	Load(text []byte) *Offer
	// Store remembers an offer.
	Store(*Offer)
}

// nothing is the offer before EHLO.
var nothing Offer

// offered takes a positive reply to EHLO or LHLO.
func (s *Session) offered(r *codec.Reply) {
	s.remember()
	if s.cfg.Offers != nil {
		if o := s.cfg.Offers.Load(s.last.text); o != nil {
			s.offer, s.last.offer = o, o
			return
		}
	}
	o := &Offer{}
	o.Extensions.Parse(r)
	s.offer = o
	if s.cfg.Offers != nil {
		o.Text = string(s.last.text)
		s.last.offer = o
		s.cfg.Offers.Store(o)
	}
}
