package policy

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/parley-mail/parley/transport"
)

// Mode is what a domain wants senders to do (RFC 8461 §3.2, §5).
type Mode uint8

// The modes.
const (
	ModeNone    Mode = iota // nothing: the domain withdraws its policy
	ModeTesting             // report failures and deliver all the same
	ModeEnforce             // do not deliver to a server that fails
	modeCount
)

var modeNames = [modeCount]string{"none", "testing", "enforce"}

// String returns the mode's name.
func (m Mode) String() string {
	if m < modeCount {
		return modeNames[m]
	}
	return "Mode(" + strconv.Itoa(int(m)) + ")"
}

// STS is a policy of MTA-STS.
type STS struct {
	Mode   Mode
	MX     []string      // names of mail servers; "*.example.com" is any one label before
	MaxAge time.Duration // for how long the policy may be kept
}

// Bounds of a policy. The age's is the one of RFC 8461 §3.2.
const (
	maxPolicyOctets = 64 << 10
	maxPolicyAge    = 31557600 // seconds: a year
)

// ParseSTS reads the text of a policy (RFC 8461 §3.2). Fields that are not known are
// ignored; of a field that may be there once only the first counts. Its error is an
// [*Error] with [STSPolicyInvalid].
func ParseSTS(text []byte) (STS, error) {
	invalid := func(format string, args ...any) (STS, error) {
		return STS{}, &Error{Failure: STSPolicyInvalid, Err: fmt.Errorf(format, args...)}
	}
	if len(text) > maxPolicyOctets {
		return invalid("%d octets, allowed are %d", len(text), maxPolicyOctets)
	}
	var p STS
	seen := map[string]bool{}
	number := 0
	for line := range strings.Lines(string(text)) {
		number++
		line = strings.TrimRight(line, "\r\n")
		key, value, ok := strings.Cut(line, ":")
		if !ok {
			if strings.TrimSpace(line) == "" {
				continue
			}
			return invalid("line %d is no field: %q", number, clip(line, 80))
		}
		key, value = strings.TrimRight(key, " \t"), strings.Trim(value, " \t")
		if number == 1 && (key != "version" || value != "STSv1") {
			return invalid("it begins with %q, not with version: STSv1", clip(line, 80))
		}
		if seen[key] && key != "mx" {
			continue
		}
		seen[key] = true
		switch key {
		case "mode":
			for p.Mode = 0; p.Mode < modeCount && modeNames[p.Mode] != value; p.Mode++ {
			}
			if p.Mode == modeCount {
				return invalid("line %d: no mode %q", number, clip(value, 80))
			}
		case "max_age":
			n, err := strconv.ParseUint(value, 10, 32)
			if err != nil || len(value) > 10 || n > maxPolicyAge {
				return invalid("line %d: max_age %q is not a number of seconds up to %d", number, clip(value, 80), maxPolicyAge)
			}
			p.MaxAge = time.Duration(n) * time.Second
		case "mx":
			if !isPattern(value) {
				return invalid("line %d: %q does not name mail servers", number, clip(value, 80))
			}
			p.MX = append(p.MX, normal(value))
		}
	}
	for _, key := range []string{"version", "mode", "max_age"} {
		if !seen[key] {
			return invalid("there is no %s", key)
		}
	}
	if len(p.MX) == 0 && p.Mode != ModeNone {
		return invalid("mode %v without any mx", p.Mode)
	}
	return p, nil
}

// Match reports whether the policy names the mail server (RFC 8461 §4.1). A "*" stands
// for exactly one label, the first.
func (p STS) Match(mx string) bool {
	mx = normal(mx)
	label, parent, _ := strings.Cut(mx, ".")
	for _, pattern := range p.MX {
		pattern = normal(pattern)
		if suffix, ok := strings.CutPrefix(pattern, "*."); ok && label != "" && suffix == parent || pattern == mx {
			return true
		}
	}
	return false
}

// Check judges a mail server by the policy, whatever its mode: the policy must name it,
// and the certificate must be valid for that name in the ordinary way (RFC 8461 §4.2).
// peer comes from a hook [transport.TLSConfig.VerifyPeer], or from
// [transport.TLSConfig.Verify]. The error is an [*Error].
func (p STS) Check(peer transport.Peer) error {
	fail := func(f Failure, err error) error { return &Error{Failure: f, Host: peer.ServerName, Err: err} }
	if !p.Match(peer.ServerName) {
		return fail(STSWebPKIInvalid, fmt.Errorf("not among the %d names of the policy", len(p.MX)))
	}
	if peer.Problem != nil {
		return fail(failureOf(peer.Problem), peer.Problem)
	}
	if len(peer.Chains) == 0 {
		return fail(CertificateNotTrusted, errors.New("the certificate was not verified"))
	}
	return nil
}

// Configure returns c with the policy applied. In mode enforce nothing but a valid
// certificate is accepted, whatever c forgives; in the other modes c is returned as it
// is, and it is the caller's to [STS.Check] and report. c.ServerName must be the mail
// server's name as in DNS.
func (p STS) Configure(c *transport.TLSConfig) *transport.TLSConfig {
	if p.Mode != ModeEnforce {
		return c
	}
	return strict(c, p.Check)
}

// strict returns c without what it forgives, judged by check and then by its own hook.
func strict(c *transport.TLSConfig, check func(transport.Peer) error) *transport.TLSConfig {
	d := c.Clone()
	d.Pin, d.InsecureSkipVerify, d.Forgive = nil, false, 0
	d.VerifyPeer = func(p transport.Peer) error {
		if err := check(p); err != nil {
			return err
		}
		if c.VerifyPeer != nil {
			p.Verdict = nil
			return c.VerifyPeer(p)
		}
		return nil
	}
	return d
}

// failureOf finds the word for a problem of an ordinary verification.
func failureOf(problem error) Failure {
	switch transport.ReasonOf(problem) {
	case transport.ReasonWrongName:
		return CertificateHostMismatch
	case transport.ReasonExpired:
		return CertificateExpired
	case transport.ReasonUnknownAuthority, transport.ReasonSelfSigned:
		return CertificateNotTrusted
	}
	return ValidationFailure
}

func normal(name string) string { return strings.ToLower(strings.TrimSuffix(name, ".")) }

// isPattern holds a name to letters, digits, hyphens and dots, behind a "*." perhaps.
func isPattern(s string) bool {
	s = strings.TrimPrefix(normal(s), "*.")
	if len(s) > 253 || s == "" {
		return false
	}
	for label := range strings.SplitSeq(s, ".") {
		if label == "" || len(label) > 63 {
			return false
		}
		for _, b := range []byte(label) {
			if (b < 'a' || b > 'z') && (b < '0' || b > '9') && b != '-' && b != '_' {
				return false
			}
		}
	}
	return true
}
