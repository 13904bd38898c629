package auth

import (
	"strconv"
	"strings"
)

// Rule names the rule that a peer, a caller or a link broke. It is an error
// itself, so that errors.Is(err, auth.RuleClearLink) works on anything this
// package returns.
type Rule uint8

// The rules. The zero Rule is none.
const (
	RuleNone Rule = iota

	// The link.
	RuleClearLink      // a secret may not leave on a clear link (RFC 4954 §9)
	RuleUnverifiedLink // the peer's certificate was not verified (RFC 4954 §14)
	RuleNoBinding      // a -PLUS mechanism without channel binding data (RFC 5802 §6)
	RuleDowngrade      // the -PLUS name is offered and could be used (RFC 5802 §6)

	// The caller's credentials.
	RuleNoUser         // the mechanism needs a user name
	RuleNoSecret       // the mechanism needs a password or token
	RuleBadCredential  // a NUL or another character the mechanism cannot carry
	RuleLongCredential // over the length this package accepts
	RuleNotPrepared    // SASLprep (RFC 4013) refuses it; Policy.Raw sends it as it is
	RuleUnresolved     // a credential callback was not run: Credentials.Resolve
	RuleNoHost         // the mechanism needs the server's name
	RuleNoTicket       // no Kerberos ticket for the service
	RuleNoRandom       // the source of randomness failed

	// The server's challenges.
	RuleLongChallenge       // over Policy.MaxChallenge or the mechanism's own limit
	RuleManyChallenges      // over Policy.MaxRounds
	RuleUnexpectedChallenge // the mechanism has nothing more to say
	RuleBadChallenge        // not in the mechanism's grammar
	RuleFewIterations       // iteration count under the floor (RFC 7677 §3)
	RuleManyIterations      // iteration count over the ceiling
	RuleNonce               // the server's nonce does not extend ours (RFC 5802 §5.1)
	RuleMandatoryExtension  // "m=" (RFC 5802 §5.1)
	RuleUnsupported         // the server asks for what this side does not do
	RuleServerProof         // the server's proof is wrong: it may not know the password
	RuleNoServerProof       // success was claimed without the server's proof
	RuleServerError         // the server reported an error inside the exchange

	// The order of calls.
	RuleNotStarted // Next or Success before Start
	RuleEnded      // the exchange has failed already, or has not been carried through
	RuleInternal   // a library failed in a way it should not

	// Choosing.
	RuleUnknownMechanism // no such mechanism here
	RuleNotOffered       // the server does not list it
	RuleNotAsked         // used only when the caller asks for it by name
	RuleWeak             // under the policy's floor
	RuleNoCredential     // the caller gave nothing it could use
	RuleExcluded         // not among the mechanisms the policy names

	ruleCount
)

var ruleTexts = [ruleCount]string{
	RuleNone:                "no rule",
	RuleClearLink:           "secrets may not leave on a clear link",
	RuleUnverifiedLink:      "secrets may not go to a peer whose certificate was not verified",
	RuleNoBinding:           "no channel binding data on this link",
	RuleDowngrade:           "the -PLUS variant is offered and must be used",
	RuleNoUser:              "user name missing",
	RuleNoSecret:            "password or token missing",
	RuleBadCredential:       "credential holds a character that cannot be sent",
	RuleLongCredential:      "credential too long",
	RuleNotPrepared:         "credential refused by SASLprep",
	RuleUnresolved:          "credential callback has not been run",
	RuleNoHost:              "server name missing",
	RuleNoTicket:            "no ticket for the service",
	RuleNoRandom:            "no randomness",
	RuleLongChallenge:       "challenge too long",
	RuleManyChallenges:      "too many challenges",
	RuleUnexpectedChallenge: "unexpected challenge",
	RuleBadChallenge:        "malformed challenge",
	RuleFewIterations:       "iteration count too low",
	RuleManyIterations:      "iteration count too high",
	RuleNonce:               "server nonce does not extend the client's",
	RuleMandatoryExtension:  "mandatory extension not supported",
	RuleUnsupported:         "not supported",
	RuleServerProof:         "server could not prove itself",
	RuleNoServerProof:       "success without the server's proof",
	RuleServerError:         "server reported an error",
	RuleNotStarted:          "exchange not started",
	RuleEnded:               "exchange not in progress or incomplete",
	RuleInternal:            "internal failure",
	RuleUnknownMechanism:    "unknown mechanism",
	RuleNotOffered:          "not offered",
	RuleNotAsked:            "used only when asked for",
	RuleWeak:                "weaker than the policy allows",
	RuleNoCredential:        "no credential for it",
	RuleExcluded:            "not among the mechanisms named",
}

// String returns the rule in words.
func (r Rule) String() string {
	if r < ruleCount {
		return ruleTexts[r]
	}
	return "Rule(" + strconv.Itoa(int(r)) + ")"
}

// Error returns the rule in words.
func (r Rule) Error() string { return r.String() }

// Step says where in an exchange an error arose: 0 at the start, n at the nth
// challenge, and the two constants below.
type Step int

// The steps that are not a challenge's number.
const (
	StepChoose  Step = -2 // while choosing, before any exchange
	StepSuccess Step = -1 // when success or refusal was judged
	StepStart   Step = 0  // before the first octet
)

// String returns "start", "challenge 2" and so on.
func (s Step) String() string {
	switch {
	case s == StepChoose:
		return "choice"
	case s == StepSuccess:
		return "outcome"
	case s == StepStart:
		return "start"
	case s > 0:
		return "challenge " + strconv.Itoa(int(s))
	}
	return "Step(" + strconv.Itoa(int(s)) + ")"
}

// Error is the error of this package. It holds no secret.
type Error struct {
	Mechanism string // the mechanism's name; "" while choosing among several
	Step      Step   // where
	Rule      Rule   // what was broken; errors.Is matches it
	Detail    string // our words on the particular case, or ""
	Server    string // what the server said, at most 1024 octets, credentials struck out; not escaped: show it with %q
	Err       error  // a cause from the caller's own callbacks or source of randomness, or nil
}

// Error returns one line of printable text; server text is quoted.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString("auth")
	if e.Mechanism != "" {
		b.WriteString(" " + e.Mechanism)
	}
	b.WriteString(": " + e.Step.String() + ": " + e.Rule.String())
	if e.Detail != "" {
		b.WriteString(" (" + e.Detail + ")")
	}
	if e.Server != "" {
		b.WriteString(": server said " + strconv.QuoteToASCII(e.Server))
	}
	if e.Err != nil {
		b.WriteString(": " + e.Err.Error())
	}
	return b.String()
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Is reports whether target is this error's Rule.
func (e *Error) Is(target error) bool {
	r, ok := target.(Rule)
	return ok && r == e.Rule
}

// Fatal reports whether the peer behaved in a way after which it should be
// given no further credentials on this connection: it failed to prove itself,
// or tried to weaken the exchange. The session closes instead of trying the
// next candidate.
func (e *Error) Fatal() bool {
	switch e.Rule {
	case RuleServerProof, RuleNoServerProof, RuleNonce, RuleFewIterations, RuleManyIterations, RuleManyChallenges, RuleLongChallenge:
		return true
	}
	return false
}

// Local reports whether the fault lies with the caller's credentials or policy
// and nothing was sent because of it.
func (e *Error) Local() bool {
	return e.Rule >= RuleClearLink && e.Rule <= RuleNoRandom || e.Rule >= RuleUnknownMechanism
}

// broken makes an error of the mechanism's inner part; the guard adds the
// name, the step and the redaction.
func broken(r Rule, detail string) *Error { return &Error{Rule: r, Detail: detail} }

// brokenBy is broken with what the server said.
func brokenBy(r Rule, detail string, server []byte) *Error {
	return &Error{Rule: r, Detail: detail, Server: string(server)}
}
