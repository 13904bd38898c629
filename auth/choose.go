package auth

import (
	"strconv"
	"strings"
)

// plusSuffix marks the variants with channel binding (RFC 5802 §6).
const plusSuffix = "-PLUS"

// maxReasons bounds what a ChoiceError holds of a long list of unknown names.
const maxReasons = 64

// Choose returns the mechanisms to try, the best first: those that the server
// offers, the credentials fit, the policy admits and the link allows. Offered
// are the names of the current EHLO reply; they should be link.Offered too.
//
// Automatically the strongest comes first: EXTERNAL, the caller's own
// (Credentials.Extra), then in the order of Names. Policy.Mechanisms gives
// another order. Where a -PLUS variant is offered and the link can bind, SCRAM
// without it is no candidate: an attacker who can break the one must not be
// offered the other.
//
// When nothing is left the error is a *ChoiceError with the reason for every
// name. Choose computes nothing and calls no callback but Link.Binding.
func Choose(offered []string, link *Link, creds Credentials, policy Policy) ([]Mechanism, error) {
	if link == nil {
		link = &Link{}
	}
	c := newChooser(offered, link, creds, policy)
	var chosen []Mechanism
	var reasons []*Error
	for _, name := range c.names {
		m, err := c.candidate(name)
		switch {
		case err == nil:
			chosen = append(chosen, m)
		case len(reasons) < maxReasons:
			err.Mechanism, err.Step = printable(name), StepChoose
			reasons = append(reasons, err)
		}
	}
	if len(chosen) == 0 {
		if len(reasons) == 0 {
			reasons = []*Error{{Step: StepChoose, Rule: RuleNotOffered, Detail: "the server lists no mechanism"}}
		}
		return nil, &ChoiceError{Reasons: reasons}
	}
	return chosen, nil
}

// ByNumber returns the mechanisms that a numeric setting stands for, to be
// used as Policy.Mechanisms: 0 user and password (LOGIN, else PLAIN),
// 1 CRAM-MD5, 2 NTLM, 4 PLAIN, 5 DIGEST-MD5, 6 GSSAPI, 7 XOAUTH2. Number 3 is
// APOP, which belongs to POP3 (RFC 1939 §7), and like any other number an
// *Error with RuleUnknownMechanism.
func ByNumber(n int) ([]string, error) {
	switch n {
	case 0:
		return []string{"LOGIN", "PLAIN"}, nil
	case 1:
		return []string{"CRAM-MD5"}, nil
	case 2:
		return []string{"NTLM"}, nil
	case 3:
		return nil, &Error{Step: StepChoose, Rule: RuleUnknownMechanism, Detail: "number 3 is APOP, which SMTP does not have"}
	case 4:
		return []string{"PLAIN"}, nil
	case 5:
		return []string{"DIGEST-MD5"}, nil
	case 6:
		return []string{"GSSAPI"}, nil
	case 7:
		return []string{"XOAUTH2"}, nil
	}
	return nil, &Error{Step: StepChoose, Rule: RuleUnknownMechanism, Detail: "no mechanism has number " + strconv.Itoa(n)}
}

// ChoiceError says why no mechanism could be chosen. errors.Is matches the
// Rule of any reason.
type ChoiceError struct {
	// Reasons has one *Error for every mechanism offered, or named by the
	// policy and not offered; at most 64, and at least one.
	Reasons []*Error
}

// Error returns one line of printable text.
func (e *ChoiceError) Error() string {
	var b strings.Builder
	b.WriteString("auth: no usable mechanism")
	for i, r := range e.Reasons {
		b.WriteString([]string{": ", "; "}[min(i, 1)])
		if r.Mechanism != "" {
			b.WriteString(r.Mechanism + ": ")
		}
		b.WriteString(r.Rule.String())
		if r.Detail != "" {
			b.WriteString(" (" + r.Detail + ")")
		}
	}
	return b.String()
}

// Unwrap returns the reasons.
func (e *ChoiceError) Unwrap() []error {
	errs := make([]error, len(e.Reasons))
	for i, r := range e.Reasons {
		errs[i] = r
	}
	return errs
}

// chooser is one choice.
type chooser struct {
	offered map[string]bool // in upper case
	names   []string        // every name there is something to say about, each once: what may be used, best first, then the rest
	link    *Link
	creds   Credentials
	policy  Policy
}

func newChooser(offered []string, link *Link, creds Credentials, policy Policy) *chooser {
	c := &chooser{offered: make(map[string]bool, len(offered)), link: link, creds: creds, policy: policy}
	for _, name := range offered {
		c.offered[strings.ToUpper(name)] = true
	}
	seen := make(map[string]bool, len(offered))
	add := func(name string) {
		if key := strings.ToUpper(name); !seen[key] {
			seen[key] = true
			c.names = append(c.names, name)
		}
	}
	addOffered := func(name string) {
		if c.offers(name) {
			add(name)
		}
	}
	for _, name := range policy.Mechanisms {
		if _, ok := Lookup(name + plusSuffix); ok {
			addOffered(name + plusSuffix)
		}
		add(name)
	}
	addOffered("EXTERNAL")
	for _, m := range creds.Extra {
		addOffered(m.Name())
	}
	for i := range table {
		addOffered(table[i].Name)
	}
	for _, name := range offered {
		add(name)
	}
	return c
}

func (c *chooser) offers(name string) bool { return c.offered[strings.ToUpper(name)] }

// candidate returns the mechanism of that name, or why it is none.
func (c *chooser) candidate(name string) (Mechanism, *Error) {
	info, known := Lookup(name)
	own := c.extra(name)
	switch {
	case !c.offers(name):
		return nil, broken(RuleNotOffered, "")
	case !known && own == nil:
		return nil, broken(RuleUnknownMechanism, "")
	case !known:
		info = Info{Name: name, Strength: StrengthExternal}
	}
	if rule := c.policy.excludes(info, c.creds); rule != RuleNone {
		return nil, broken(rule, "")
	}
	if info.Reveals {
		if rule := c.policy.mayReveal(c.link); rule != RuleNone {
			return nil, broken(rule, "")
		}
	}
	if own != nil {
		return own, nil
	}
	if lacking := c.creds.lacking(info.needs); lacking != "" {
		return nil, broken(RuleNoCredential, lacking+" missing")
	}
	if err := c.binding(info); err != nil {
		return nil, err
	}
	return info.mechanism(c.creds, c.policy), nil
}

func (c *chooser) extra(name string) Mechanism {
	for _, m := range c.creds.Extra {
		if strings.EqualFold(m.Name(), name) {
			return m
		}
	}
	return nil
}

// binding holds SCRAM to the best that the server and the link have. A name
// in Policy.Mechanisms is not a silent choice, so only its own -PLUS variant
// stands before it.
func (c *chooser) binding(info Info) *Error {
	if info.Strength != StrengthBound && info.Strength != StrengthMutual {
		return nil
	}
	_, err := c.policy.bind(c.link)
	switch {
	case info.Strength == StrengthBound:
		return err
	case err != nil:
		return nil
	case c.offers(info.Name + plusSuffix), len(c.policy.Mechanisms) == 0 && c.offersPlus():
		return broken(RuleDowngrade, "")
	}
	return nil
}

// offersPlus reports whether the server lists any -PLUS variant known here.
func (c *chooser) offersPlus() bool {
	for i := range table {
		if table[i].Strength == StrengthBound && c.offers(table[i].Name) {
			return true
		}
	}
	return false
}

// excludes tells why the policy alone rules a mechanism out, or RuleNone.
func (p *Policy) excludes(info Info, c Credentials) Rule {
	if len(p.Mechanisms) > 0 {
		base := strings.TrimSuffix(info.Name, plusSuffix)
		for _, name := range p.Mechanisms {
			if strings.EqualFold(name, info.Name) || strings.EqualFold(name, base) {
				return RuleNone
			}
		}
		return RuleExcluded
	}
	floor := p.Floor
	if floor == StrengthNone {
		floor = StrengthPlain
	}
	switch {
	case info.needs == needsConsent && !c.consents(info.Name):
		return RuleNotAsked
	case info.Strength == StrengthNone:
		return RuleNone // asked for by Credentials.Anonymous
	case info.Strength == StrengthLegacy && !p.Legacy:
		return RuleWeak
	case info.Strength != StrengthLegacy && info.Strength < floor:
		return RuleWeak
	}
	return RuleNone
}

// bind returns the channel binding that the link and the policy give, or why
// there is none.
func (p *Policy) bind(link *Link) (binding, *Error) {
	kind := p.BindingKind
	if kind == "" {
		kind = "tls-exporter"
		if link.TLSVersion != 0 && link.TLSVersion < 0x0304 {
			kind = "tls-unique"
		}
	}
	switch {
	case p.NoBinding:
		return binding{}, broken(RuleNoBinding, "by policy")
	case !link.Secure || link.Binding == nil:
		return binding{}, broken(RuleNoBinding, "")
	}
	data, err := link.Binding(kind)
	if err != nil || len(data) == 0 {
		return binding{}, &Error{Rule: RuleNoBinding, Detail: kind, Err: err}
	}
	return binding{kind: kind, data: data}, nil
}

// binding is channel binding data and its kind (RFC 5056).
type binding struct {
	kind string
	data []byte
}

// printable returns a mechanism's name fit for a line of text. The names come
// from the server; only what RFC 4422 §3.1 allows, in either case, is shown as
// it is.
func printable(name string) string {
	for i := 0; i < len(name); i++ {
		c := name[i]
		if !('A' <= c && c <= 'Z' || 'a' <= c && c <= 'z' || '0' <= c && c <= '9' || c == '-' || c == '_') {
			return strconv.QuoteToASCII(clip(name, 64))
		}
	}
	return clip(name, 64)
}
