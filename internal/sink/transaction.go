package sink

import (
	"bytes"
	"crypto/tls"
	"slices"
	"strings"
)

// Envelope is what is known of a message beside its content.
type Envelope struct {
	Verb        string      // MAIL, SEND, SOML or SAML
	ReversePath string      // as between < and >; "" is the null path
	Params      string      // of MAIL, as sent
	Recipients  []Recipient // accepted ones, in order
	Hello       string      // what the client called itself
	User        string      // logged in as; "" is nobody
	Chunked     bool        // BDAT, not DATA
	TLS         *tls.ConnectionState
}

// Recipient is an accepted RCPT command.
type Recipient struct {
	Path   string // as between < and >, without source route
	Params string // as sent
}

// mail is the mail transaction of a session. Its memory is used again.
type mail struct {
	open       bool // MAIL was accepted
	body       body
	utf8       bool
	envelope   Envelope // filled in only when somebody wants it
	recipients int      // accepted
	chunks     bool     // BDAT has begun: nothing but BDAT may follow
	broken     bool     // a chunk was refused: nothing but RSET may follow (RFC 3030 §2)
	octets     int64    // of content
	check      check
	writer     Writer // of the store, while content comes in
	failed     error  // of the store
}

// body is the value of BODY (RFC 6152, RFC 3030).
type body uint8

const (
	body7Bit body = iota
	body8Bit
	bodyBinary
)

// reset ends the mail transaction, if there is one.
func (s *session) reset() {
	if s.mail.writer != nil {
		s.mail.writer.Abort()
	}
	s.mail = mail{}
	s.phase = between
}

// curious reports whether somebody wants to see envelopes.
func (s *session) curious() bool {
	return s.srv.Store != nil || s.srv.Hooks.End != nil || s.srv.Limits.RecipientDomains > 0
}

func (s *session) mailFrom(verb string, args []byte) {
	argument, ok := cutPrefix(args, "FROM:")
	switch {
	case !s.greeted:
		s.say(503, "5.5.1", "Say hello first")
	case s.mail.open:
		s.say(503, "5.5.1", "A mail transaction is open")
	case s.srv.RequireTLS && s.tls == nil:
		s.say(530, "5.7.0", "Must issue a STARTTLS command first")
	case s.srv.Auth.Required && s.user == "":
		s.say(530, "5.7.0", "Authentication required")
	case s.srv.Limits.Messages > 0 && s.messages >= s.srv.Limits.Messages:
		s.say(452, "4.5.3", "Too many messages in this session")
	case !ok:
		s.say(501, "5.5.4", "Syntax: MAIL FROM:<path> [parameters]")
	default:
		s.mailPath(verb, argument)
	}
}

func (s *session) mailPath(verb string, argument []byte) {
	path, params, ok := cutPath(argument)
	if !ok {
		s.say(501, "5.1.7", "Syntax: MAIL FROM:<path> [parameters]")
		return
	}
	m := &s.next
	*m = mail{open: true}
	if !s.mailParams(m, params) {
		return
	}
	if len(path) > 0 {
		var f fault
		if path, f = checkPath(path, m.utf8); f != faultNone {
			s.sayFault(f, "5.1.7")
			return
		}
	}
	if s.srv.Hooks.Mail != nil {
		if r := s.srv.Hooks.Mail(string(path)); !r.IsZero() {
			s.sayReply(r)
			if !r.Positive() {
				return
			}
			s.begin(verb, path, params)
			return
		}
	}
	s.begin(verb, path, params)
	s.say(250, "2.1.0", "Ok")
}

// begin opens the mail transaction.
func (s *session) begin(verb string, path, params []byte) {
	s.mail = s.next
	s.phase = transaction
	if s.curious() {
		s.mail.envelope = Envelope{
			Verb: verb, ReversePath: string(path), Params: string(bytes.TrimLeft(params, " ")),
			Hello: s.heloName, User: s.user,
		}
		if s.tls != nil {
			state := s.tls.ConnectionState()
			s.mail.envelope.TLS = &state
		}
	}
}

func (s *session) rcptTo(args []byte) {
	argument, ok := cutPrefix(args, "TO:")
	var path, params []byte
	if ok {
		path, params, ok = cutPath(argument)
	}
	switch {
	case !s.mail.open:
		s.say(503, "5.5.1", "MAIL first")
	case s.mail.chunks:
		s.say(503, "5.5.1", "Chunks have begun; BDAT or RSET")
	case !ok || len(path) == 0:
		s.say(501, "5.1.3", "Syntax: RCPT TO:<path> [parameters]")
	case s.mail.recipients >= s.srv.Limits.recipients():
		s.say(452, "4.5.3", "Too many recipients")
	case s.rcptParams(params):
		s.rcptPath(path, params)
	}
}

func (s *session) rcptPath(path, params []byte) {
	if !is(path, "POSTMASTER") { // the one name without a domain (RFC 5321 §4.5.1)
		var f fault
		if path, f = checkPath(path, s.mail.utf8); f != faultNone {
			s.sayFault(f, "5.1.3")
			return
		}
	}
	if s.tooManyDomains(path) {
		s.say(452, "4.5.3", "Too many recipient domains")
		return
	}
	reply := Reply{}
	if s.srv.Hooks.Rcpt != nil {
		reply = s.srv.Hooks.Rcpt(string(path))
	}
	switch {
	case reply.IsZero():
		s.say(250, "2.1.5", "Ok")
	default:
		s.sayReply(reply)
		if !reply.Positive() {
			return
		}
	}
	s.mail.recipients++
	if s.curious() {
		s.mail.envelope.Recipients = append(s.mail.envelope.Recipients,
			Recipient{Path: string(path), Params: string(bytes.TrimLeft(params, " "))})
	}
}

// tooManyDomains reports whether a recipient would bring one domain too many.
func (s *session) tooManyDomains(path []byte) bool {
	most := s.srv.Limits.RecipientDomains
	if most == 0 {
		return false
	}
	domain := func(path string) string { return strings.ToLower(path[strings.LastIndexByte(path, '@')+1:]) }
	seen := []string{domain(string(path))}
	for _, r := range s.mail.envelope.Recipients {
		if d := domain(r.Path); !slices.Contains(seen, d) {
			seen = append(seen, d)
		}
	}
	return len(seen) > most
}

func (s *session) sayFault(f fault, enhanced string) {
	switch f {
	case faultUTF8:
		s.say(553, "5.6.7", "Not ASCII, and SMTPUTF8 was not asked for")
	case faultLong:
		s.say(501, enhanced, "Path too long")
	default:
		s.say(501, enhanced, "Not a path")
	}
}

// cutPrefix is bytes.CutPrefix without regard to case.
func cutPrefix(p []byte, upper string) ([]byte, bool) {
	if len(p) < len(upper) || !is(p[:len(upper)], upper) {
		return nil, false
	}
	return p[len(upper):], true
}
