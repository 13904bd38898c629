package session

import (
	"encoding/base64"
	"errors"
	"strings"

	"github.com/parley-mail/parley/auth"
	"github.com/parley-mail/parley/codec"
	"github.com/parley-mail/parley/events"
	"github.com/parley-mail/parley/fsm"
)

// authState is an AUTH exchange (RFC 4954 §4), and the mechanisms still to be tried.
type authState struct {
	mechs   []auth.Mechanism
	mech    auth.Mechanism
	link    auth.Link
	initial []byte // initial response that was too long for the AUTH line
	late    bool   // initial goes out as the answer to the first challenge
	rounds  int
	cause   error // why the exchange was cancelled by us
	buf     []byte
}

const (
	authLine   = 512 // RFC 4954 §4: no initial response on a longer line
	authRounds = 32  // challenges; the mechanisms of package auth have a cap of their own
	authTries  = 4   // mechanisms
)

// authPlanned reports whether AUTH comes before anything else.
func (s *Session) authPlanned() bool { return s.cfg.Authenticate && !s.authenticated && !s.authDone }

// startAuth asks for credentials, or tries the next mechanism.
func (s *Session) startAuth() bool {
	switch {
	case s.wantCreds:
		return false
	case s.auth != nil:
		return s.tryMechanism()
	case len(s.offer.Extensions.Auth) == 0:
		detail := "authentication is asked for and AUTH is not offered"
		if !s.link.Secure && s.offer.Extensions.StartTLS {
			detail += " before STARTTLS"
		}
		s.fail(&Error{Kind: ErrUnsupported, State: s.state, Command: fsm.Auth, During: true, Detail: detail})
		return true
	}
	s.wantCreds = true
	return false
}

// Authenticate gives what WantCredentials asked for. What cannot be used on this link
// or with this server is an error of the session, before any secret is sent.
func (s *Session) Authenticate(creds auth.Credentials, policy auth.Policy) {
	if !s.wantCreds {
		return
	}
	s.wake()
	s.wantCreds = false
	s.auth = &authState{}
	service := ""
	if s.cfg.LMTP {
		service = "lmtp"
	}
	s.auth.link = auth.Link{
		Service: service, Host: s.link.Host, Port: s.link.Port, Secure: s.link.Secure, Verified: s.link.Verified, Loopback: s.link.Loopback,
		TLSVersion: s.link.Version, Offered: s.offer.Extensions.Auth, Binding: s.link.Binding,
	}
	mechs, err := auth.Choose(s.offer.Extensions.Auth, &s.auth.link, creds, policy)
	if err != nil {
		s.authFailed(nil, err)
	} else {
		s.auth.mechs = mechs[:min(len(mechs), authTries)]
	}
	s.plan()
}

// NoCredentials says that the credentials asked for cannot be had.
func (s *Session) NoCredentials(err error) {
	if s.wantCreds {
		s.wake()
		s.wantCreds = false
		s.authFailed(nil, err)
		s.plan()
	}
}

// tryMechanism sends AUTH for the next mechanism.
func (s *Session) tryMechanism() bool {
	if len(s.auth.mechs) == 0 {
		s.authFailed(nil, s.auth.cause)
		return true
	}
	a := s.auth
	a.mech, a.mechs = a.mechs[0], a.mechs[1:]
	a.rounds, a.late, a.initial = 0, false, nil
	s.mech = strings.ToUpper(a.mech.Name())
	initial, err := a.mech.Start(&a.link)
	if err != nil {
		a.cause = err
		return true
	}
	a.cause = nil
	if len("AUTH  \r\n")+len(s.mech)+base64.StdEncoding.EncodedLen(len(initial)) > authLine {
		a.late, a.initial, initial = true, initial, nil
	}
	buf, err := codec.AppendAuth(s.out.buf, s.mech, initial, initial != nil)
	if err != nil {
		a.cause = err
		return true
	}
	s.dec.SetLineLimit(max(codec.AuthLine, s.lineLimit()))
	s.send(fsm.Auth, nil, buf)
	return true
}

// authAnswered takes a reply inside an exchange.
func (s *Session) authAnswered(cmd fsm.Command, class fsm.Class, r *codec.Reply) {
	switch class {
	case fsm.Intermediate:
		s.challenged(r)
	case fsm.Positive:
		if err := s.auth.mech.Success(); err != nil {
			// The server claims success and has not proved that it knows the secret.
			s.authFailed(nil, err)
			return
		}
		s.authenticated = true
		s.endAuth()
		if s.wants(events.KindAuthenticated) {
			s.trace.authenticated = events.Authenticated{Meta: s.meta(0), Mechanism: s.mech}
			s.publish(&s.trace.authenticated)
		}
	default:
		cause := s.auth.cause
		if cause == nil {
			cause = auth.Explain(s.auth.mech)
		}
		var e *auth.Error
		peerAtFault := errors.As(cause, &e) && e.Fatal()
		if len(s.auth.mechs) > 0 && !peerAtFault && (cmd == fsm.AuthCancel || mechanismRefused(r.Code)) {
			return // the planner tries the next mechanism
		}
		s.authFailed(r, cause)
	}
}

// mechanismRefused reports whether a reply is about the mechanism and not about the
// credentials: giving the same password to another one is then no guessing.
func mechanismRefused(code int) bool {
	switch code {
	case 500, 501, 502, 504, 534:
		return true
	}
	return false
}

// challenged answers a 334.
func (s *Session) challenged(r *codec.Reply) {
	a := s.auth
	a.rounds++
	if a.rounds > authRounds {
		s.cancelAuth(&Error{Kind: ErrAuth, State: s.state, Detail: "too many challenges"})
		return
	}
	text := r.Lines[len(r.Lines)-1]
	challenge, err := codec.DecodeChallenge(a.buf[:0], text)
	if err != nil {
		if !auth.IgnoresChallenge(a.mech) {
			s.cancelAuth(err)
			return
		}
		challenge = challenge[:0]
	}
	a.buf = challenge[:0]
	if a.late {
		a.late = false
		if len(challenge) > 0 && !auth.IgnoresChallenge(a.mech) {
			s.cancelAuth(&Error{Kind: ErrAuth, State: s.state, Detail: "the server speaks first in a mechanism where the client does"})
			return
		}
		s.send(fsm.AuthResponse, nil, codec.AppendAuthResponse(s.out.buf, a.initial))
		a.initial = nil
		return
	}
	response, err := a.mech.Next(challenge)
	if err != nil {
		s.cancelAuth(err)
		return
	}
	s.send(fsm.AuthResponse, nil, codec.AppendAuthResponse(s.out.buf, response))
}

// cancelAuth sends "*", which is legal only while a 334 is outstanding, as it is here.
func (s *Session) cancelAuth(cause error) {
	s.auth.cause = cause
	s.send(fsm.AuthCancel, nil, codec.AppendAuthCancel(s.out.buf))
}

// authFailed records that the session is not authenticated and will not be.
func (s *Session) authFailed(r *codec.Reply, cause error) {
	s.endAuth()
	s.fail(&Error{Kind: ErrAuth, State: s.state, Command: fsm.Auth, During: true, Reply: clone(r), Detail: s.mech, Err: cause})
}

// endAuth lets go of everything secret.
func (s *Session) endAuth() {
	s.authDone = true
	s.auth = nil
	s.dec.SetLineLimit(s.lineLimit())
}

func (s *Session) lineLimit() int {
	if s.cfg.Limits.Line > 0 {
		return s.cfg.Limits.Line
	}
	return codec.DefaultLine
}
