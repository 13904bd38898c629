package auth

import (
	"crypto/rand"
	"io"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/xdg-go/stringprep"
)

// Defaults of Policy.
const (
	DefaultMaxChallenge  = 16384   // octets, decoded; RFC 4954 §4 wants at least what 12288 octets of base64 hold
	DefaultMaxRounds     = 16      // challenges in one exchange
	DefaultMinIterations = 4096    // RFC 7677 §3
	DefaultMaxIterations = 1000000 // about a second of work
)

// Policy says what may be done with credentials. The zero value is the
// careful one: no secret on a clear link or to an unverified peer, no
// mechanism that RFC 6331 and its like have retired unless named.
type Policy struct {
	// AllowPlaintext lets secrets leave on a clear link. AllowLoopback lets
	// them leave on a clear link to this machine. AllowUnverified lets them go
	// over TLS to a peer whose certificate was not verified.
	AllowPlaintext  bool
	AllowLoopback   bool
	AllowUnverified bool

	// Mechanisms names the only mechanisms to be used, in the order to be
	// tried. Naming one is asking for it: floor and retirement do not apply,
	// the rules about clear links do. The name of a SCRAM mechanism stands for
	// its -PLUS variant too, which is preferred where the link can bind. Empty:
	// automatic, strongest first.
	Mechanisms []string

	// Floor is the weakest strength that is chosen automatically.
	// StrengthNone (default) means StrengthPlain.
	Floor Strength

	// Legacy lets CRAM-MD5, DIGEST-MD5 and NTLM be chosen automatically, after
	// all others, whatever the Floor (RFC 6331).
	Legacy bool

	// Raw sends names and passwords as they are, without SASLprep (RFC 4013).
	Raw bool

	// LoginInitial sends the user name of LOGIN as initial response, for
	// servers known to take it. Default: wait for the prompt.
	LoginInitial bool

	// NoBinding makes SCRAM behave as a client without channel binding: -PLUS
	// is not used and the flag is "n" (RFC 5802 §6).
	NoBinding bool
	// BindingKind fixes the kind of channel binding. "" (default): tls-exporter
	// from TLS 1.3 on, tls-unique before (RFC 9266 §3).
	BindingKind string

	// MinIterations and MaxIterations bound SCRAM's iteration count.
	// 0: DefaultMinIterations and DefaultMaxIterations.
	MinIterations int
	MaxIterations int

	MaxChallenge int // octets of one decoded challenge; 0: DefaultMaxChallenge
	MaxRounds    int // challenges of one exchange; 0: DefaultMaxRounds

	// Rand is the source of nonces. Nil: crypto/rand. NTLM's library has its
	// own and does not use this one.
	Rand io.Reader `json:"-"`
}

// mayReveal tells whether a mechanism that hands the server the secret itself,
// or as good as, may be used on the link.
func (p *Policy) mayReveal(link *Link) Rule {
	switch {
	case !link.Secure && !p.AllowPlaintext && (!p.AllowLoopback || !link.Loopback):
		return RuleClearLink
	case link.Secure && !link.Verified && !p.AllowUnverified && !p.AllowPlaintext:
		return RuleUnverifiedLink
	}
	return RuleNone
}

// prepare checks one credential and runs SASLprep on it (RFC 4013). The text
// itself never enters the error, nor does what the library says about it.
func (p *Policy) prepare(what, s string, limit int) (string, error) {
	if len(s) > limit {
		return "", broken(RuleLongCredential, what+" over "+strconv.Itoa(limit)+" octets")
	}
	if strings.IndexByte(s, 0) >= 0 {
		return "", broken(RuleBadCredential, "NUL in "+what)
	}
	if p.Raw {
		return s, nil
	}
	if !utf8.ValidString(s) {
		return "", broken(RuleBadCredential, what+" is not UTF-8")
	}
	prepared, err := stringprep.SASLprep.Prepare(s)
	if err != nil || prepared == "" {
		return "", broken(RuleNotPrepared, what)
	}
	return prepared, nil
}

// random returns n random octets.
func (p *Policy) random(n int) ([]byte, error) {
	source := p.Rand
	if source == nil {
		source = rand.Reader
	}
	b := make([]byte, n)
	if _, err := io.ReadFull(source, b); err != nil {
		return nil, &Error{Rule: RuleNoRandom, Err: err}
	}
	return b, nil
}

func (p *Policy) maxChallenge() int  { return orDefault(p.MaxChallenge, DefaultMaxChallenge) }
func (p *Policy) maxRounds() int     { return orDefault(p.MaxRounds, DefaultMaxRounds) }
func (p *Policy) minIterations() int { return orDefault(p.MinIterations, DefaultMinIterations) }
func (p *Policy) maxIterations() int { return orDefault(p.MaxIterations, DefaultMaxIterations) }

func orDefault(n, def int) int {
	if n > 0 {
		return n
	}
	return def
}
