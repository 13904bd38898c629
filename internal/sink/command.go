package sink

import (
	"bytes"
	"context"
	"net"
)

// Hooks script the replies of a server. A hook that is nil, or returns the zero
// [Reply], leaves the answer to the server. Hooks are called by the sessions'
// goroutines, several at a time.
type Hooks struct {
	// Connect answers the connection itself. After a 554 the session refuses every
	// command but QUIT; 421 ends it.
	Connect func(remote net.Addr) Reply
	// Mail answers MAIL with a reverse-path that is otherwise fine; "" is <>.
	Mail func(path string) Reply
	// Rcpt answers RCPT with a forward-path that is otherwise fine.
	Rcpt func(path string) Reply
	// Data answers DATA when there are recipients. A positive reply counts as none.
	Data func() Reply
	// End answers the end of content that is otherwise fine: once with the path ""
	// under SMTP, once for each recipient under LMTP. A refused message, or
	// recipient, is not stored.
	End func(path string) Reply
	// Command answers a whole line ahead of everything else. The line is valid during
	// the call only; responses of an AUTH exchange are not shown.
	Command func(line []byte) Reply
}

// command executes one command line.
func (s *session) command(ctx context.Context, line []byte) {
	s.commands++
	s.srv.stats.commands.Add(1)
	if most := s.srv.Limits.Commands; most > 0 && s.commands > most {
		s.goodbye("Too many commands")
		return
	}
	if i := bytes.IndexAny(line, "\x00\r\n"); i >= 0 {
		s.say(500, "5.5.2", "A command holds CR, LF or NUL")
		return
	}
	line = bytes.TrimRight(line, " \t") // RFC 5321 §4.1.1 asks to tolerate it
	if s.hooked(line) {
		return
	}
	word, args, hasArgs := bytes.Cut(line, []byte(" "))
	var verb [8]byte
	n := copy(verb[:], word)
	for i := range n {
		if c := verb[i]; 'a' <= c && c <= 'z' {
			verb[i] = c - 0x20
		}
	}
	if n < len(word) {
		n = 0
	}
	if s.refused && string(verb[:n]) != "QUIT" {
		s.say(503, "5.5.1", "Refused at the greeting; QUIT is all there is")
		return
	}
	if hasArgs && takesNone(string(verb[:n])) {
		s.say(501, "5.5.4", "No argument is allowed here")
		return
	}
	if s.ahead(string(verb[:n])) {
		return
	}

	switch string(verb[:n]) {
	case "MAIL":
		s.mailFrom("MAIL", args)
	case "SEND":
		s.mailFrom("SEND", args)
	case "SOML":
		s.mailFrom("SOML", args)
	case "SAML":
		s.mailFrom("SAML", args)
	case "RCPT":
		s.rcptTo(args)
	case "DATA":
		s.data()
	case "BDAT":
		s.bdat(args)
	case "RSET":
		s.reset()
		s.say(250, "2.0.0", "Ok")
	case "NOOP":
		s.say(250, "2.0.0", "Ok")
	case "QUIT":
		s.say(221, "2.0.0", s.srv.name()+" Bye")
		s.end = endQuit
	case "EHLO", "HELO", "LHLO":
		s.greetedBy(string(verb[:n]), args)
	case "STARTTLS":
		s.startTLS(ctx)
	case "AUTH":
		s.auth(args)
	case "VRFY":
		s.vrfy(args)
	case "EXPN":
		s.expn(args)
	case "HELP":
		s.help()
	case "TURN", "ETRN", "ATRN", "BURL":
		s.say(502, "5.5.1", "Not implemented")
	default:
		s.say(500, "5.5.2", "Command not recognized")
	}
}

// hooked lets the hook answer. An initial response of AUTH is a secret.
func (s *session) hooked(line []byte) bool {
	if s.srv.Hooks.Command == nil {
		return false
	}
	if rest, ok := cutPrefix(line, "AUTH "); ok {
		mechanism, _, _ := bytes.Cut(rest, []byte(" "))
		line = line[:len("AUTH ")+len(mechanism)]
	}
	r := s.srv.Hooks.Command(line)
	if r.IsZero() {
		return false
	}
	s.sayReply(r)
	return true
}

// takesNone tells the commands that have no argument (RFC 5321 §4.1.1).
func takesNone(verb string) bool {
	switch verb {
	case "DATA", "RSET", "QUIT", "STARTTLS":
		return true
	}
	return false
}

// ahead refuses a command when more has come in behind it although the client had
// to wait for the reply: a command that ends a group (RFC 2920 §3.1), or any one
// when PIPELINING is not offered. What has come cannot be trusted to mean what the
// client believes, so the session ends.
func (s *session) ahead(verb string) bool {
	if s.buffered() == 0 {
		return false
	}
	switch verb {
	case "BDAT": // its chunk; what is behind that is looked at later
		return false
	case "STARTTLS": // injected in clear, to be executed inside TLS: CVE-2011-0411 and its kin
	case "EHLO", "HELO", "LHLO", "DATA", "AUTH", "VRFY", "EXPN", "NOOP", "QUIT", "HELP":
		if s.tolerates(InputAhead) {
			return false
		}
	default:
		if s.tolerates(InputAhead) || s.mayPipeline() {
			return false
		}
	}
	s.violation()
	return true
}

// mayPipeline reports whether commands may come in groups.
func (s *session) mayPipeline() bool { return s.extended && s.offers(Pipelining) }

func (s *session) tolerates(t Tolerance) bool { return s.srv.Tolerance&t != 0 }

// violation answers input that was sent ahead of a reply, and ends the session.
func (s *session) violation() {
	s.srv.stats.violations.Add(1)
	s.say(503, "5.5.0", "Input was sent ahead of this reply (RFC 2920 section 3.1)")
	if s.end == endNot {
		s.end = endRefused
	}
}

// greetedBy is EHLO, HELO and LHLO. A refused one changes nothing, an accepted one
// is a RSET as well (RFC 5321 §4.1.4).
func (s *session) greetedBy(verb string, args []byte) {
	switch {
	case (verb == "LHLO") != s.srv.LMTP: // RFC 2033 §4.1
		s.say(500, "5.5.1", "This is "+map[bool]string{true: "LMTP, say LHLO", false: "SMTP, say EHLO"}[s.srv.LMTP])
		return
	case !isHost(args):
		s.say(501, "5.5.4", "A domain or an address literal is needed")
		return
	}
	s.reset()
	s.greeted, s.extended, s.heloName = true, verb != "HELO", string(args)
	if s.extended {
		s.hello()
	} else {
		s.say(250, "", s.srv.name())
	}
}

func (s *session) startTLS(ctx context.Context) {
	switch {
	case s.tls != nil:
		s.say(503, "5.5.1", "TLS is active")
		return
	case !s.offers(StartTLS):
		s.say(502, "5.5.1", "Not offered")
		return
	case !s.extended:
		s.say(503, "5.5.1", "EHLO first")
		return
	}
	s.say(220, "2.0.0", "Go ahead")
	s.srv.stats.turns.Add(1) // the client's hello is awaited now
	err := s.flush()
	if err == nil {
		err = s.secure(ctx)
	}
	if err != nil {
		s.end = endHangup
		if s.srv.OnError != nil {
			s.srv.OnError(s.raw.RemoteAddr(), err)
		}
	}
}

func (s *session) help() {
	if !s.offers(Help) {
		s.say(502, "5.5.1", "Not implemented")
		return
	}
	s.say(214, "2.0.0", "EHLO HELO LHLO MAIL RCPT DATA BDAT RSET NOOP QUIT\nSTARTTLS AUTH VRFY EXPN HELP SEND SOML SAML")
}
