package auth

import (
	"encoding/json"
	"strconv"
	"strings"
)

// oauth is what XOAUTH2 and OAUTHBEARER share: one message with an access
// token, and, when the server does not like it, one challenge with a JSON
// object that says why. That challenge has a fixed answer, whereupon the
// server refuses (RFC 7628 §3.2.3).
type oauth struct {
	creds   *Credentials
	policy  *Policy
	message func(m *oauth, link *Link, token string) ([]byte, error)
	answer  []byte // to the error challenge

	refusal *Error
}

func newXOAuth2(c *Credentials, p *Policy) exchange {
	return &oauth{creds: c, policy: p, message: (*oauth).xoauth2, answer: []byte{}}
}

func newOAuthBearer(c *Credentials, p *Policy) exchange {
	return &oauth{creds: c, policy: p, message: (*oauth).bearer, answer: []byte{1}}
}

func (m *oauth) start(link *Link) ([]byte, error) {
	token, err := m.creds.bearer()
	if err != nil {
		return nil, err
	}
	return m.message(m, link, token)
}

// xoauth2 writes user=U ^A auth=Bearer T ^A ^A, the form of the providers that
// invented it.
func (m *oauth) xoauth2(_ *Link, token string) ([]byte, error) {
	user, err := m.creds.user(m.policy)
	if err != nil {
		return nil, err
	}
	if strings.IndexByte(user, 1) >= 0 {
		return nil, broken(RuleBadCredential, "^A in user name")
	}
	return []byte("user=" + user + "\x01auth=Bearer " + token + "\x01\x01"), nil
}

// bearer writes the GS2 header and the key-value pairs of RFC 7628 §3.1. The
// identity in the header is the one to act as, which as a rule is the user.
func (m *oauth) bearer(link *Link, token string) ([]byte, error) {
	identity, err := m.creds.authz(m.policy)
	if err == nil && identity == "" && m.creds.User != "" {
		identity, err = m.creds.user(m.policy)
	}
	switch {
	case err != nil:
		return nil, err
	case strings.IndexByte(identity, 1) >= 0:
		return nil, broken(RuleBadCredential, "^A in user name")
	case strings.ContainsFunc(link.Host, func(r rune) bool { return r <= ' ' || r > '~' }):
		return nil, broken(RuleNoHost, "the name is not visible ASCII")
	}
	var b strings.Builder
	b.WriteString("n,")
	if identity != "" {
		b.WriteString("a=" + saslName.Replace(identity))
	}
	b.WriteString(",\x01")
	if link.Host != "" {
		b.WriteString("host=" + link.Host + "\x01")
	}
	if link.Port > 0 {
		b.WriteString("port=" + strconv.Itoa(link.Port) + "\x01")
	}
	b.WriteString("auth=Bearer " + token + "\x01\x01")
	return []byte(b.String()), nil
}

// saslName escapes an identity for a GS2 header (RFC 5801 §4).
var saslName = strings.NewReplacer("=", "=3D", ",", "=2C")

func (m *oauth) next(challenge []byte) ([]byte, error) {
	if m.refusal != nil {
		return nil, broken(RuleUnexpectedChallenge, "second error")
	}
	m.refusal = brokenBy(RuleServerError, oauthStatus(challenge), challenge)
	return m.answer, nil
}

// oauthStatus digs the status out of an error object; servers write it as a
// string or as a number. What is no such object has none.
func oauthStatus(challenge []byte) string {
	var object struct {
		Status any `json:"status"`
	}
	if json.Unmarshal(challenge, &object) != nil {
		return ""
	}
	switch status := object.Status.(type) {
	case string:
		return "status " + strconv.QuoteToASCII(clip(status, 64))
	case float64:
		return "status " + strconv.FormatFloat(status, 'g', -1, 64)
	}
	return ""
}

// success after an error challenge is a contradiction, and the error holds.
func (m *oauth) success() error {
	if m.refusal != nil {
		return m.refusal
	}
	return nil
}

func (m *oauth) explain() *Error { return m.refusal }
