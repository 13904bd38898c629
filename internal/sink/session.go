package sink

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"time"
)

// ending says whether and how a session ends once its output is sent.
type ending uint8

const (
	endNot     ending = iota
	endQuit           // QUIT was answered
	endRefused        // the server gives up: what still comes in is drained, so that the last reply is not lost to a reset
	endHangup         // without a word
)

// phase is what the server awaits.
type phase uint8

const (
	between     phase = iota // commands, outside a mail transaction
	transaction              // commands, inside one
	content                  // the content of a message
)

// session is one connection.
type session struct {
	srv *Server
	raw net.Conn  // as accepted; deadlines and closing go here
	nc  net.Conn  // raw, or TLS over it
	tls *tls.Conn // nil: clear link
	input
	poller *poller // for clear links that are sockets

	out     []byte // replies not yet sent
	end     ending
	phase   phase
	crowded bool // one connection too many
	refused bool // the greeting was 554: all but QUIT is refused (RFC 5321 §3.1)

	offered  Extensions // what the server can offer
	greeted  bool       // EHLO, LHLO or HELO was accepted
	extended bool       // and it was not HELO
	heloName string
	user     string // logged in as

	errors   int
	commands int
	messages int

	mail    mail
	next    mail // that MAIL would open, while its parameters are read
	scanner scanner
	emit    func([]byte) // s.take, made once

	repliesUTF8 bool // VRFY and EXPN may be answered in UTF-8
}

func newSession(srv *Server, nc net.Conn) *session {
	s := &session{srv: srv, raw: nc, nc: nc, offered: srv.extensions()}
	s.emit = s.take
	s.poller = newPoller(nc, s.turn)
	return s
}

// serve runs the session to its end.
func (s *session) serve(ctx context.Context, implicit bool) {
	err := s.dialogue(ctx, implicit)
	if s.mail.writer != nil {
		s.mail.writer.Abort()
		s.mail.writer = nil
	}
	if err != nil && s.srv.OnError != nil {
		s.srv.OnError(s.raw.RemoteAddr(), err)
	}
	if s.end == endRefused {
		s.drain()
	}
	if s.end == endHangup {
		s.raw.Close() // no close_notify either
	} else {
		s.nc.Close()
	}
	s.input.release()
}

func (s *session) dialogue(ctx context.Context, implicit bool) error {
	if implicit {
		if err := s.secure(ctx); err != nil {
			return err
		}
	}
	s.greet()
	for s.end == endNot {
		limit := s.srv.Limits.line()
		line, err := s.readLine(limit)
		switch {
		case err == nil:
			s.command(ctx, line)
		case errors.Is(err, errLongLine):
			s.say(500, "5.5.2", "Line too long")
		default:
			return s.lost(err)
		}
	}
	if s.end == endHangup {
		return nil
	}
	return s.flush()
}

func (s *session) greet() {
	protocol := "ESMTP"
	if s.srv.LMTP {
		protocol = "LMTP"
	}
	reply := Reply{Code: 220, Text: s.srv.name() + " " + protocol + " Parley sink"}
	if s.srv.Hooks.Connect != nil {
		if r := s.srv.Hooks.Connect(s.raw.RemoteAddr()); !r.IsZero() {
			reply = r
		}
	}
	if s.crowded {
		reply = Reply{Code: 421, Text: s.srv.name() + " Too many connections"}
	}
	reply.Enhanced = ""
	s.refused = !reply.Positive()
	s.sayPlain(reply)
}

// lost turns a failed read into the last words of the session and its error.
func (s *session) lost(err error) error {
	switch {
	case s.end == endHangup: // there is nobody left to talk to
	case errors.Is(err, errClosing):
		s.say(421, "4.3.2", s.srv.name()+" Shutting down")
		s.end = endQuit // nothing is unread
		err = s.flush()
	case errors.Is(err, errEndless):
		s.goodbye("Endless line")
		s.flush()
	case timedOut(err):
		s.say(421, "4.4.2", s.srv.name()+" Waited too long")
		s.end = endQuit
		s.flush()
	case s.end != endNot: // the reply is in the output already
		return s.flush()
	}
	return err
}

// secure makes the link a TLS link and forgets what the client has said on the
// clear one (RFC 3207 §4.2).
func (s *session) secure(ctx context.Context) error {
	link := tls.Server(s.raw, s.srv.TLS)
	s.raw.SetDeadline(time.Now().Add(s.srv.Limits.wait()))
	if err := link.HandshakeContext(ctx); err != nil {
		return fmt.Errorf("sink: TLS handshake: %w", err)
	}
	s.nc, s.tls = link, link
	s.greeted, s.extended, s.heloName, s.user = false, false, "", ""
	s.reset()
	s.srv.stats.secured.Add(1)
	return nil
}

// flush sends the replies gathered.
func (s *session) flush() error {
	if len(s.out) == 0 {
		return nil
	}
	s.raw.SetWriteDeadline(time.Now().Add(s.srv.Limits.wait()))
	_, err := s.nc.Write(s.out)
	s.out = s.out[:0]
	if err != nil {
		s.end = endHangup
		return fmt.Errorf("sink: writing replies: %w", err)
	}
	return nil
}

// drain reads on for a moment, so that closing with input unread does not make a
// reset that overtakes the last reply.
func (s *session) drain() {
	half, ok := s.nc.(interface{ CloseWrite() error })
	if !ok || half.CloseWrite() != nil {
		return
	}
	const most, patience = 1 << 20, time.Second
	s.raw.SetReadDeadline(time.Now().Add(patience))
	s.room(false)
	for n := 0; n < most; {
		s.r, s.w = 0, 0
		if err := s.read(s.nc); err != nil {
			return
		}
		n += s.w
	}
}

// wake makes a session that waits between messages look at the server's state.
func (s *session) wake() { s.raw.SetReadDeadline(time.Unix(1, 0)) }
