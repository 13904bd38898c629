package sink

import (
	"crypto/hmac"
	"crypto/md5" //nolint:gosec // CRAM-MD5 is what clients are tested with
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"slices"
	"strings"

	"github.com/xdg-go/scram"
)

// Auth says who may log in.
type Auth struct {
	// Users are the passwords by user name. Without any, AUTH is not offered.
	Users map[string]string
	// Mechanisms are those offered, in this order; the default is all:
	// SCRAM-SHA-256-PLUS, SCRAM-SHA-256, SCRAM-SHA-1, CRAM-MD5, PLAIN, LOGIN.
	Mechanisms []string
	// Clear offers PLAIN and LOGIN on a clear link too (RFC 4954 §4 wants it off).
	Clear bool
	// Required refuses mail from a client that has not logged in.
	Required bool
}

// mechanism is the server's half of a SASL exchange. Each call of next gets a
// response and returns a challenge; the exchange ends with done or an error. A
// challenge that comes with done is shown before success (RFC 4954 §4).
type mechanism interface {
	next(response []byte) (challenge []byte, done bool, err error)
	user() string
}

var errLogin = errors.New("wrong user or password")

// offer is a row of the table of mechanisms.
type offer struct {
	name        string
	secret      bool // the password itself is sent
	secured     bool // TLS is needed
	serverFirst bool
	prompt      string // the first challenge where the mechanism has none of its own
	start       func(*session) (mechanism, error)
}

var offers = []offer{
	{"SCRAM-SHA-256-PLUS", false, true, false, "", func(s *session) (mechanism, error) { return newSCRAM(s, scram.SHA256, true) }},
	{"SCRAM-SHA-256", false, false, false, "", func(s *session) (mechanism, error) { return newSCRAM(s, scram.SHA256, false) }},
	{"SCRAM-SHA-1", false, false, false, "", func(s *session) (mechanism, error) { return newSCRAM(s, scram.SHA1, false) }},
	{"CRAM-MD5", false, false, true, "", func(s *session) (mechanism, error) { return newCRAM(s), nil }},
	{"PLAIN", true, false, false, "", func(s *session) (mechanism, error) { return &plain{auth: &s.srv.Auth}, nil }},
	{"LOGIN", true, false, false, "Username:", func(s *session) (mechanism, error) { return &login{auth: &s.srv.Auth}, nil }},
}

// mechanisms returns what is offered on the link as it is now.
func (s *session) mechanisms() []string {
	if s.srv.RequireTLS && s.tls == nil {
		return nil
	}
	var names []string
	for _, m := range offers {
		clear := !m.secured && (!m.secret || s.srv.Auth.Clear)
		if (s.tls != nil || clear) && s.srv.Auth.allows(m.name) {
			names = append(names, m.name)
		}
	}
	if order := s.srv.Auth.Mechanisms; order != nil {
		slices.SortStableFunc(names, func(a, b string) int { return index(order, a) - index(order, b) })
	}
	return names
}

func (a *Auth) allows(name string) bool { return a.Mechanisms == nil || index(a.Mechanisms, name) >= 0 }

func index(names []string, name string) int {
	return slices.IndexFunc(names, func(n string) bool { return strings.EqualFold(n, name) })
}

// check tells whether the password is the user's, in a time that does not tell.
func (a *Auth) check(user, password string) error {
	want, known := a.Users[user]
	if subtle.ConstantTimeCompare([]byte(want), []byte(password)) != 1 || !known {
		return errLogin
	}
	return nil
}

// auth is AUTH and the exchange behind it (RFC 4954 §4).
func (s *session) auth(args []byte) {
	word, initial, hasInitial := strings.Cut(string(args), " ")
	name := strings.ToUpper(word)
	at := slices.IndexFunc(offers, func(m offer) bool { return m.name == name })
	switch {
	case !s.offers(AuthExtension):
		s.say(502, "5.5.1", "Not offered")
	case !s.extended:
		s.say(503, "5.5.1", "EHLO first")
	case s.user != "":
		s.say(503, "5.5.1", "Already logged in")
	case s.mail.open:
		s.say(503, "5.5.1", "Not during a mail transaction")
	case name == "":
		s.say(501, "5.5.4", "Syntax: AUTH mechanism [initial-response]")
	case s.srv.RequireTLS && s.tls == nil:
		s.say(530, "5.7.0", "Must issue a STARTTLS command first")
	case at >= 0 && s.tls == nil && offers[at].secret && !s.srv.Auth.Clear:
		s.say(538, "5.7.11", "Encryption required for this mechanism")
	case at < 0 || !slices.Contains(s.mechanisms(), name):
		s.say(504, "5.5.4", "Unknown mechanism")
	case hasInitial && offers[at].serverFirst:
		s.say(501, "5.7.0", "This mechanism begins with a challenge")
	default:
		s.exchange(offers[at], initial, hasInitial)
	}
}

// exchange runs one SASL exchange.
func (s *session) exchange(m offer, initial string, hasInitial bool) {
	mech, err := m.start(s)
	if err != nil {
		s.say(454, "4.7.0", "Temporary authentication failure")
		return
	}
	challenge, done := []byte(m.prompt), false
	switch {
	case m.serverFirst:
		challenge, _, err = mech.next(nil)
	case hasInitial:
		var response []byte
		if initial != "=" { // an empty one
			if response, err = base64.StdEncoding.Strict().DecodeString(initial); err != nil || initial == "" {
				s.say(501, "5.5.2", "Not base64")
				return
			}
		}
		challenge, done, err = mech.next(response)
	}
	for err == nil && (!done || len(challenge) > 0) {
		response, ok := s.challenge(challenge)
		if !ok {
			return
		}
		if done { // it carried the server's proof, and wants nothing in return
			if len(response) > 0 {
				err = errLogin
			}
			break
		}
		challenge, done, err = mech.next(response)
	}
	if err != nil {
		s.say(535, "5.7.8", "Authentication credentials invalid")
		return
	}
	s.user = mech.user()
	s.srv.stats.loggedIn.Add(1)
	s.say(235, "2.7.0", "Authentication successful")
}

// challenge sends a challenge and waits for the response. When it reports false
// the exchange has been answered.
func (s *session) challenge(challenge []byte) ([]byte, bool) {
	s.line(334, false, "")
	s.out = base64.StdEncoding.AppendEncode(s.out, challenge)
	s.out = append(s.out, '\r', '\n')
	line, err := s.readLine(maxLine)
	switch {
	case errors.Is(err, errLongLine):
		s.say(500, "5.5.6", "Authentication exchange line is too long")
		return nil, false
	case err != nil:
		s.cut(err)
		return nil, false
	case s.buffered() > 0 && !s.tolerates(InputAhead):
		s.violation()
		return nil, false
	case string(line) == "*":
		s.say(501, "5.0.0", "Cancelled")
		return nil, false
	}
	response, err := base64.StdEncoding.Strict().DecodeString(string(line))
	if err != nil || strings.ContainsAny(string(line), "\r\n") { // which the decoder skips
		s.say(501, "5.5.2", "Not base64")
		return nil, false
	}
	return response, true
}

// plain is RFC 4616. An authorization identity has to be the user itself.
type plain struct {
	auth *Auth
	name string
}

func (m *plain) user() string { return m.name }

func (m *plain) next(response []byte) ([]byte, bool, error) {
	fields := strings.Split(string(response), "\x00")
	if len(fields) != 3 || fields[0] != "" && fields[0] != fields[1] {
		return nil, false, errLogin
	}
	m.name = fields[1]
	return nil, true, m.auth.check(m.name, fields[2])
}

// login is the mechanism LOGIN, which no RFC describes.
type login struct {
	auth  *Auth
	name  string
	named bool
}

func (m *login) user() string { return m.name }

func (m *login) next(response []byte) ([]byte, bool, error) {
	if !m.named {
		m.name, m.named = string(response), true
		return []byte("Password:"), false, nil
	}
	return nil, true, m.auth.check(m.name, string(response))
}

// cramMD5 is RFC 2195.
type cramMD5 struct {
	auth      *Auth
	challenge string
	name      string
}

func newCRAM(s *session) mechanism {
	return &cramMD5{auth: &s.srv.Auth, challenge: "<" + rand.Text() + "@" + s.srv.name() + ">"}
}

func (m *cramMD5) user() string { return m.name }

func (m *cramMD5) next(response []byte) ([]byte, bool, error) {
	if response == nil {
		return []byte(m.challenge), false, nil
	}
	at := strings.LastIndexByte(string(response), ' ')
	if at < 0 {
		return nil, false, errLogin
	}
	m.name = string(response[:at])
	password, known := m.auth.Users[m.name]
	mac := hmac.New(md5.New, []byte(password))
	mac.Write([]byte(m.challenge))
	want := hex.AppendEncode(nil, mac.Sum(nil))
	if subtle.ConstantTimeCompare(want, response[at+1:]) != 1 || !known {
		return nil, false, errLogin
	}
	return nil, true, nil
}

// scramServer is RFC 5802 and RFC 7677.
type scramServer struct{ *scram.ServerConversation }

// iterations is what RFC 7677 §4 asks for at least.
const iterations = 4096

func newSCRAM(s *session, hash scram.HashGeneratorFcn, plus bool) (mechanism, error) {
	server, err := hash.NewServer(func(user string) (scram.StoredCredentials, error) {
		password, known := s.srv.Auth.Users[user]
		if !known {
			return scram.StoredCredentials{}, errLogin
		}
		client, err := hash.NewClient(user, password, "")
		if err != nil {
			return scram.StoredCredentials{}, err
		}
		salt := rand.Text()
		return client.GetStoredCredentialsWithError(scram.KeyFactors{Salt: salt, Iters: iterations})
	})
	if err != nil {
		return nil, err
	}
	if s.tls == nil {
		return scramServer{server.NewConversation()}, nil
	}
	// With TLS the -PLUS variant is offered, and a client that says that it would
	// have used it had it been must be refused (RFC 5802 §6).
	state := s.tls.ConnectionState()
	binding, err := scram.NewTLSExporterBinding(&state)
	switch {
	case err != nil && plus:
		return nil, err
	case plus:
		return scramServer{server.NewConversationWithChannelBindingRequired(binding)}, nil
	case err == nil && s.srv.Auth.allows("SCRAM-SHA-256-PLUS"):
		return scramServer{server.NewConversationWithChannelBinding(binding)}, nil
	}
	return scramServer{server.NewConversation()}, nil
}

func (m scramServer) user() string { return m.Username() }

func (m scramServer) next(response []byte) ([]byte, bool, error) {
	challenge, err := m.Step(string(response))
	if err != nil {
		return nil, false, errLogin
	}
	return []byte(challenge), m.Done() && m.Valid(), nil
}
