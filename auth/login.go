package auth

// login is LOGIN, which no RFC describes: the server prompts twice, the client
// answers with the user name, then the password. Servers word the prompts as
// they like ("Username:", "User Name\0", nothing at all), so they are counted
// and never read. A third prompt is an error: the password is not sent twice.
type login struct {
	creds  *Credentials
	policy *Policy

	answers []Secret // what is still to be said, in order
}

func newLogin(c *Credentials, p *Policy) exchange { return &login{creds: c, policy: p} }

func (m *login) start(*Link) ([]byte, error) {
	user, err := m.creds.user(m.policy)
	if err != nil {
		return nil, err
	}
	password, err := m.creds.password(m.policy)
	if err != nil {
		return nil, err
	}
	if m.policy.LoginInitial {
		m.answers = []Secret{NewSecret(password)}
		return []byte(user), nil
	}
	m.answers = []Secret{NewSecret(user), NewSecret(password)}
	return nil, nil
}

func (m *login) next([]byte) ([]byte, error) {
	if len(m.answers) == 0 {
		return nil, broken(RuleUnexpectedChallenge, "third prompt")
	}
	answer := m.answers[0]
	m.answers = m.answers[1:]
	return []byte(answer.Reveal()), nil
}

// success does not insist that both answers were given: a server may let a
// user in on the name alone, and nothing is proved either way.
func (m *login) success() error { return nil }

func (m *login) ignoresChallenge() bool { return true }
