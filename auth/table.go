package auth

import (
	"strconv"
	"strings"

	"github.com/xdg-go/scram"
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
	needsNothing  needs = iota
	needsPassword       // and a user name
	needsToken
	needsUserToken // and a user name
	needsConsent   // nothing, but is used only when asked for
)

// table lists the mechanisms, strongest first: the order of automatic choice.
var table = []Info{
	{Name: "EXTERNAL", Strength: StrengthExternal, ClientFirst: true, SingleRound: true, Reference: "RFC 4422 appendix A", needs: needsConsent, make: newExternal},
	scramInfo("SCRAM-SHA-512", true, scram.SHA512, "draft-melnikov-scram-sha-512"),
	scramInfo("SCRAM-SHA-256", true, scram.SHA256, "RFC 7677"),
	scramInfo("SCRAM-SHA-1", true, scram.SHA1, "RFC 5802"),
	scramInfo("SCRAM-SHA-512", false, scram.SHA512, "draft-melnikov-scram-sha-512"),
	scramInfo("SCRAM-SHA-256", false, scram.SHA256, "RFC 7677"),
	scramInfo("SCRAM-SHA-1", false, scram.SHA1, "RFC 5802"),
	{Name: "OAUTHBEARER", Strength: StrengthToken, ClientFirst: true, SingleRound: true, Reveals: true, Reference: "RFC 7628", needs: needsToken, make: newOAuthBearer},
	{Name: "XOAUTH2", Strength: StrengthToken, ClientFirst: true, SingleRound: true, Reveals: true, Reference: "the providers' own documents", needs: needsUserToken, make: newXOAuth2},
	{Name: "PLAIN", Strength: StrengthPlain, ClientFirst: true, SingleRound: true, Reveals: true, Reference: "RFC 4616", needs: needsPassword, make: newPlain},
	{Name: "LOGIN", Strength: StrengthPlain, Reveals: true, Reference: "draft-murchison-sasl-login", needs: needsPassword, make: newLogin},
	{Name: "DIGEST-MD5", Strength: StrengthLegacy, Mutual: true, Reference: "RFC 2831", needs: needsPassword, make: newDigest},
	{Name: "NTLM", Strength: StrengthLegacy, Reference: "[MS-SMTPNTLM]", needs: needsPassword, make: newNTLM},
	{Name: "CRAM-MD5", Strength: StrengthLegacy, Reference: "RFC 2195", needs: needsPassword, make: newCram},
	{Name: "ANONYMOUS", Strength: StrengthNone, ClientFirst: true, SingleRound: true, Reference: "RFC 4505", needs: needsConsent, make: newAnonymous},
}

// scramInfo is the row of one SCRAM mechanism.
func scramInfo(name string, plus bool, hash scram.HashGeneratorFcn, reference string) Info {
	info := Info{Name: name, Strength: StrengthMutual, ClientFirst: true, Mutual: true, Reference: reference, needs: needsPassword, make: newScram(hash, name, plus)}
	if plus {
		info.Name, info.Strength = name+plusSuffix, StrengthBound
	}
	return info
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

// NewCramMD5 returns CRAM-MD5 (RFC 2195).
func NewCramMD5(creds Credentials, policy Policy) Mechanism { return must("CRAM-MD5", creds, policy) }

// NewDigestMD5 returns DIGEST-MD5 (RFC 2831).
func NewDigestMD5(creds Credentials, policy Policy) Mechanism {
	return must("DIGEST-MD5", creds, policy)
}

// NewNTLM returns NTLM, version 2.
func NewNTLM(creds Credentials, policy Policy) Mechanism { return must("NTLM", creds, policy) }

// NewXOAuth2 returns XOAUTH2.
func NewXOAuth2(creds Credentials, policy Policy) Mechanism { return must("XOAUTH2", creds, policy) }

// NewOAuthBearer returns OAUTHBEARER (RFC 7628).
func NewOAuthBearer(creds Credentials, policy Policy) Mechanism {
	return must("OAUTHBEARER", creds, policy)
}

// NewExternal returns EXTERNAL (RFC 4422 appendix A).
func NewExternal(creds Credentials, policy Policy) Mechanism { return must("EXTERNAL", creds, policy) }

// NewAnonymous returns ANONYMOUS (RFC 4505).
func NewAnonymous(creds Credentials, policy Policy) Mechanism {
	return must("ANONYMOUS", creds, policy)
}

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
