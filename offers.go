package parley

import (
	"sync"

	"github.com/parley-mail/parley/session"
)

// offers are shared by all connections of the program.
var offers offerList

// offerList remembers offers, up to a number of them.
type offerList struct {
	mu   sync.Mutex
	list map[string]*session.Offer
}

const (
	maxOffers    = 1000
	maxOfferText = 4 << 10
)

// Load implements session.Offers.
func (l *offerList) Load(text []byte) *session.Offer {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.list[string(text)]
}

// Store implements session.Offers. When there are too many it begins anew.
func (l *offerList) Store(o *session.Offer) {
	if len(o.Text) > maxOfferText {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.list) >= maxOffers || l.list == nil {
		l.list = map[string]*session.Offer{}
	}
	l.list[o.Text] = o
}
