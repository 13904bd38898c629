package auth

// plain is PLAIN (RFC 4616): authzid NUL authcid NUL password, in one go.
type plain struct {
	creds  *Credentials
	policy *Policy
}

func newPlain(c *Credentials, p *Policy) exchange { return &plain{creds: c, policy: p} }

func (m *plain) start(*Link) ([]byte, error) {
	user, password, authzID, err := m.creds.login(m.policy)
	if err != nil {
		return nil, err
	}
	message := make([]byte, 0, len(authzID)+len(user)+len(password)+2)
	message = append(message, authzID...)
	message = append(message, 0)
	message = append(message, user...)
	message = append(message, 0)
	return append(message, password...), nil
}

func (m *plain) next([]byte) ([]byte, error) { return nil, broken(RuleUnexpectedChallenge, "") }

func (m *plain) success() error { return nil }

func (m *plain) ignoresChallenge() bool { return true }
