package auth

import (
	"crypto/hmac"
	"crypto/md5"
	"encoding/hex"
)

// maxCramChallenge is far above any msg-id; the digest of more would only be
// work.
const maxCramChallenge = 2048

// cram is CRAM-MD5 (RFC 2195): the server sends a text that should be new each
// time, the client answers with its name and the keyed digest of that text.
// Whoever chooses the text and sees the digest can try passwords at leisure,
// so it is retired (RFC 6331 §1 says the same of its sister).
type cram struct {
	creds  *Credentials
	policy *Policy

	user, digest string
	key          Secret
}

func newCram(c *Credentials, p *Policy) exchange { return &cram{creds: c, policy: p} }

func (m *cram) start(*Link) ([]byte, error) {
	user, err := m.creds.user(m.policy)
	if err != nil {
		return nil, err
	}
	password, err := m.creds.password(m.policy)
	if err != nil {
		return nil, err
	}
	m.user, m.key = user, NewSecret(password)
	return nil, nil
}

func (m *cram) next(challenge []byte) ([]byte, error) {
	switch {
	case m.digest != "":
		return nil, broken(RuleUnexpectedChallenge, "second challenge")
	case len(challenge) > maxCramChallenge:
		return nil, broken(RuleLongChallenge, "limit 2048 octets")
	case len(challenge) == 0:
		return nil, broken(RuleBadChallenge, "empty")
	}
	mac := hmac.New(md5.New, []byte(m.key.Reveal()))
	mac.Write(challenge)
	m.digest = hex.EncodeToString(mac.Sum(nil))
	return []byte(m.user + " " + m.digest), nil
}

func (m *cram) success() error {
	if m.digest == "" {
		return broken(RuleEnded, "success before the challenge")
	}
	return nil
}
