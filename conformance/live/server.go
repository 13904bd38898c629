package live

import (
	"context"
	"errors"
	"net"
	"os"
	"time"

	"github.com/parley-mail/parley/conformance"
)

// Server is the server of a case for whoever connects. It knows nothing of what a client
// makes of it.
type Server struct {
	Case  *conformance.Case      // it need not say what the client is asked to do
	CA    string                 // the authority of its certificate is written to this file; "": it is not
	Line  func(conformance.Line) // called for each line of a dialogue
	Ended func([]Finding)        // called when a connection has ended, with what a bystander saw
}

// Finding is something that is wrong with a client.
type Finding struct {
	ID    string // of the requirement
	Text  string // with the requirement in front
	Fails bool   // otherwise it is allowed, and advised against
}

// Serve takes connections until the listener is closed.
func (s *Server) Serve(ctx context.Context, l net.Listener) error {
	from := compile
	if !asks(s.Case) {
		from = recording
	}
	plan, reason := from(s.Case)
	switch {
	case reason != "":
		return errors.New(reason)
	case plan.refuse:
		return errors.New("the case is about a server that does not listen")
	}
	h := &host{plan: plan, patience: DefaultPatience, started: time.Now(), told: s.Line}
	var err error
	if h.certs, err = newCertificates(); err == nil && s.CA != "" {
		err = os.WriteFile(s.CA, h.certs.ca.PEM(), 0o644)
	}
	if err != nil {
		return err
	}
	h.serve(ctx, l, func(v *conversation) {
		found := []Finding{}
		for _, f := range v.by.Faults() {
			found = append(found, Finding{f.ID, finding{id: f.ID, text: f.Text}.String(), fails(f.ID)})
		}
		s.Ended(found)
	})
	return nil
}
