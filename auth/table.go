package auth

import (
	"strconv"
	"strings"
)

// Strength orders mechanisms by what an attacker is denied. Higher is better.
type Strength uint8

// The strengths.
const (
	StrengthNone     Strength = iota // proves nothing: ANONYMOUS
	StrengthLegacy                   // a hash that is retired: CRAM-MD5, DIGEST-MD5, NTLM
	StrengthPlain                    // the password itself, inside TLS: PLAIN, LOGIN
	StrengthToken                    // a short-lived secret, inside TLS: OAUTHBEARER, XOAUTH2
	StrengthMutual                   // the server proves itself too: SCRAM
	StrengthBound                    // and the proof is tied to the TLS channel: SCRAM -PLUS
	StrengthExternal                 // no secret is sent: EXTERNAL, Kerberos

	strengthCount
)

var strengthNames = [strengthCount]string{"none", "legacy", "plain", "token", "mutual", "bound", "external"}

// String returns the strength's name.
func (s Strength) String() string {
	if s < strengthCount {
		return strengthNames[s]
	}
	return "Strength(" + strconv.Itoa(int(s)) + ")"
}

// Info is what is known of a mechanism by its name.
type Info struct {
	Name        string
	Strength    Strength
	ClientFirst bool // it has an initial response
	SingleRound bool // with the initial response on the AUTH line the server answers with the outcome (RFC 4954 §4 on pipelining)
	Reveals     bool // it hands over the secret, or something as good: not on a clear link
	Mutual      bool // the server proves itself; Success is an error until it has
	Reference   string

	needs needs
	make  func(*Credentials, *Policy) exchange
}

// needs is what a mechanism lives on.
type needs uint8

const (
	needsNothing needs = iota
	needsPassword // and a user name
	needsToken
	needsUserToken // and a user name
	needsConsent   // nothing, but is used only when asked for
)

// table lists the mechanisms, strongest first: the order of automatic choice.
var table = []Info{
	{Name: "PLAIN", Strength: StrengthPlain, ClientFirst: true, SingleRound: true, Reveals: true, Reference: "RFC 4616", needs: needsPassword, make: newPlain},
	{Name: "LOGIN", Strength: StrengthPlain, Reveals: true, Reference: "draft-murchison-sasl-login", needs: needsPassword, make: newLogin},
}

// Names lists the mechanisms of this package, strongest first.
func Names() []string {
	names := make([]string, len(table))
	for i := range table {
		names[i] = table[i].Name
	}
	return names
}

// Lookup finds a mechanism by name; case does not matter (RFC 4422 §3.1 has
// upper case only, servers do not).
func Lookup(name string) (Info, bool) {
	for i := range table {
		if strings.EqualFold(table[i].Name, name) {
			return table[i], true
		}
	}
	return Info{}, false
}

// New returns the named mechanism for the credentials. Nothing is checked or
// computed before Start. The error is an *Error with RuleUnknownMechanism.
func New(name string, creds Credentials, policy Policy) (Mechanism, error) {
	info, ok := Lookup(name)
	if !ok {
		return nil, &Error{Step: StepChoose, Rule: RuleUnknownMechanism, Detail: strconv.QuoteToASCII(clip(name, 64))}
	}
	return info.mechanism(creds, policy), nil
}

func (i Info) mechanism(creds Credentials, policy Policy) Mechanism {
	return &guard{info: i, creds: creds, policy: policy, make: i.make}
}

// NewPlain returns PLAIN (RFC 4616).
func NewPlain(creds Credentials, policy Policy) Mechanism { return must("PLAIN", creds, policy) }

// NewLogin returns LOGIN.
func NewLogin(creds Credentials, policy Policy) Mechanism { return must("LOGIN", creds, policy) }

// must is New for the names the table holds.
func must(name string, creds Credentials, policy Policy) Mechanism {
	info, _ := Lookup(name)
	return info.mechanism(creds, policy)
}

func clip(s string, n int) string {
	if len(s) > n {
		return s[:n]
	}
	return s
}
