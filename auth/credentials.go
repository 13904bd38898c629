package auth

import (
	"context"
	"slices"
	"strings"
)

// Lengths accepted from the caller, in octets. SMTP servers must take 255 in
// each field of PLAIN (RFC 4616 §2); these leave room and bound the work.
const (
	maxName   = 4096
	maxSecret = 4096
	maxToken  = 32 << 10
)

// Credentials are what a caller has to prove who he is. Fields a mechanism has
// no use for are ignored. The zero value has nothing to offer.
type Credentials struct {
	User     string // authentication identity: the login name
	Password Secret // for PLAIN, LOGIN, CRAM-MD5, DIGEST-MD5, NTLM and SCRAM

	// Token is an OAuth 2.0 access token for OAUTHBEARER and XOAUTH2, with or
	// without the word "Bearer" before it.
	Token Secret

	AuthzID string // authorization identity: act as somebody else; "": as User (RFC 4422 §2)
	Realm   string // DIGEST-MD5: the realm to choose; "": the first the server lists
	Domain  string // NTLM: the Windows domain; "" or as DOMAIN\user in User
	Trace   string // ANONYMOUS: what to tell the server, at most 255 characters (RFC 4505 §2)

	External  bool // EXTERNAL may be chosen: the client's certificate speaks for it
	Anonymous bool // ANONYMOUS may be chosen

	// GetPassword and GetToken fetch the secret when it is needed; the result
	// takes the place of Password or Token. They may block, so Choose and the
	// mechanisms never call them: the driver calls Resolve first.
	GetPassword func(ctx context.Context) (Secret, error) `json:"-"`
	GetToken    func(ctx context.Context) (Secret, error) `json:"-"`

	// Extra are the caller's own mechanisms, GSSAPI among them. One is chosen
	// before all others except EXTERNAL when the server lists its name.
	Extra []Mechanism `json:"-"`
}

// Resolve runs the callbacks that the offered mechanisms call for and returns
// credentials that hold the results. GetToken runs when OAUTHBEARER or XOAUTH2
// is offered, GetPassword when a mechanism with a password is. With no names
// given both run. The policy's exclusions apply: what it will not use is not
// fetched. An error is an *Error with the callback's error inside.
func (c Credentials) Resolve(ctx context.Context, policy Policy, offered ...string) (Credentials, error) {
	wants := func(need ...needs) bool {
		if len(offered) == 0 {
			return true
		}
		for _, name := range offered {
			info, ok := Lookup(name)
			if ok && slices.Contains(need, info.needs) && policy.excludes(info, c) == RuleNone {
				return true
			}
		}
		return false
	}
	if c.GetToken != nil && wants(needsToken, needsUserToken) {
		s, err := c.GetToken(ctx)
		if err != nil {
			return c, &Error{Step: StepChoose, Rule: RuleNoSecret, Detail: "token callback failed", Err: err}
		}
		c.Token, c.GetToken = s, nil
	}
	if c.GetPassword != nil && wants(needsPassword) {
		s, err := c.GetPassword(ctx)
		if err != nil {
			return c, &Error{Step: StepChoose, Rule: RuleNoSecret, Detail: "password callback failed", Err: err}
		}
		c.Password, c.GetPassword = s, nil
	}
	return c, nil
}

// lacking names the credential that a mechanism lives on and the caller has
// not given, or "".
func (c *Credentials) lacking(n needs) string {
	switch {
	case (n == needsPassword || n == needsUserToken) && c.User == "":
		return "user name"
	case n == needsPassword && c.Password.IsZero() && c.GetPassword == nil:
		return "password"
	case (n == needsToken || n == needsUserToken) && c.Token.IsZero() && c.GetToken == nil:
		return "token"
	}
	return ""
}

// consents reports whether the caller asks for one of the two mechanisms that
// need no credential.
func (c *Credentials) consents(name string) bool {
	if name == "ANONYMOUS" {
		return c.Anonymous
	}
	return c.External
}

// login returns the prepared user name, password and authorization identity
// of a mechanism that has all three.
func (c *Credentials) login(p *Policy) (user, password, authzID string, err error) {
	if user, err = c.user(p); err != nil {
		return "", "", "", err
	}
	if password, err = c.password(p); err != nil {
		return "", "", "", err
	}
	if authzID, err = c.authz(p); err != nil {
		return "", "", "", err
	}
	return user, password, authzID, nil
}

func (c *Credentials) user(p *Policy) (string, error) {
	if c.User == "" {
		return "", broken(RuleNoUser, "")
	}
	return p.prepare("user name", c.User, maxName)
}

func (c *Credentials) authz(p *Policy) (string, error) {
	if c.AuthzID == "" {
		return "", nil
	}
	return p.prepare("authorization identity", c.AuthzID, maxName)
}

func (c *Credentials) password(p *Policy) (string, error) {
	if c.Password.IsZero() {
		if c.GetPassword != nil {
			return "", broken(RuleUnresolved, "password")
		}
		return "", broken(RuleNoSecret, "password")
	}
	return p.prepare("password", c.Password.Reveal(), maxSecret)
}

// bearer returns the bare access token. RFC 6750 §2.1 gives its alphabet; any
// visible ASCII is let through, for tokens in the field go beyond it.
func (c *Credentials) bearer() (string, error) {
	token := c.Token.Reveal()
	if len(token) >= 7 && strings.EqualFold(token[:7], "bearer ") {
		token = strings.TrimLeft(token[7:], " ")
	}
	if token == "" {
		if c.GetToken != nil && c.Token.IsZero() {
			return "", broken(RuleUnresolved, "token")
		}
		return "", broken(RuleNoSecret, "token")
	}
	if len(token) > maxToken {
		return "", broken(RuleLongCredential, "token")
	}
	for i := 0; i < len(token); i++ {
		if token[i] <= ' ' || token[i] > '~' {
			return "", broken(RuleBadCredential, "token: only visible ASCII")
		}
	}
	return token, nil
}

// secrets lists what must never show in a text the server had a hand in.
func (c *Credentials) secrets(p *Policy) []string {
	all := []string{c.Password.Reveal(), c.Token.Reveal()}
	if prepared, err := c.password(p); err == nil {
		all = append(all, prepared)
	}
	if token, err := c.bearer(); err == nil {
		all = append(all, token)
	}
	return all
}
