package session

import (
	"github.com/parley-mail/parley/codec"
	"github.com/parley-mail/parley/events"
	"github.com/parley-mail/parley/fsm"
)

// tlsPlanned reports whether STARTTLS is to be looked at before anything else.
func (s *Session) tlsPlanned() bool {
	return !s.link.Secure && !s.triedTLS && s.cfg.StartTLS != StartTLSNever
}

// startTLS sends STARTTLS if it is offered; if it is not, the policy decides.
func (s *Session) startTLS() bool {
	s.triedTLS = true
	if s.offer.Extensions.StartTLS {
		s.send(fsm.StartTLS, nil, append(s.out.buf, "STARTTLS\r\n"...))
		return true
	}
	if s.cfg.StartTLS == StartTLSOrNothing {
		s.fail(&Error{Kind: ErrUnsupported, State: s.state, Command: fsm.StartTLS, During: true, Detail: "TLS is required and STARTTLS is not offered"})
		return true
	}
	s.notice(0, "STARTTLS is not offered: the session goes on in clear")
	return true
}

// startTLSAnswered takes the reply to STARTTLS. A 220 has moved the machine to where
// nothing but the handshake is possible.
func (s *Session) startTLSAnswered(good bool, r *codec.Reply) {
	switch {
	case good:
	case s.cfg.StartTLS == StartTLSOrNothing:
		s.refuse(ErrTLS, fsm.StartTLS, r, "TLS is required")
	default:
		s.notice(0, "STARTTLS was refused: the session goes on in clear")
	}
}

func (s *Session) publishSecured() {
	if s.wants(events.KindSecured) {
		s.trace.secured = events.Secured{
			Meta: s.meta(0), Version: s.link.Version, CipherSuite: s.link.CipherSuite,
			Verified: s.link.Verified, Engine: s.link.Engine,
		}
		s.publish(&s.trace.secured)
	}
}
