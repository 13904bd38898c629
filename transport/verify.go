package transport

import (
	"crypto/x509"
	"errors"
	"slices"
	"strconv"
	"time"
)

// Forgive is a set of certificate problems that do not lead to refusal.
type Forgive uint8

// The problems that can be forgiven.
const (
	ForgiveExpired          Forgive = 1 << iota // validity time of leaf or chain
	ForgiveUnknownAuthority                     // no trusted root; self-signed
	ForgiveWrongUsage                           // extended key usage
	ForgiveWrongName                            // name
)

// Peer is what a verification hook judges. It must not be changed.
type Peer struct {
	ServerName   string
	Certificates []*x509.Certificate // as sent, the leaf first; at least one
	// Chains are the verified chains, empty if there is none.
	Chains [][]*x509.Certificate
	// Problem is what is wrong with the certificate, whether it matters or not.
	Problem error
	// Verdict is the decision without the hook: nil accepts.
	Verdict error
	// Trust is the reason for accepting if Verdict is nil.
	Trust Trust

	Version     uint16 // of the protocol; 0 if not yet known
	CipherSuite uint16
	Resumed     bool
	// OCSP and SCTs are what the server stapled (RFC 6066 §8, RFC 6962), or nil.
	OCSP []byte
	SCTs [][]byte

	// known are chains whose signatures have been verified before, if one of them serves.
	known [][]*x509.Certificate
}

// Verify judges the server's certificates by the policy of c and completes p; the
// caller fills in Certificates, and Version, CipherSuite, Resumed if known.
func (c *TLSConfig) Verify(p *Peer) error {
	p.ServerName = c.ServerName
	if len(p.Certificates) == 0 {
		return &TLSError{Reason: ReasonBadCertificate, Err: errors.New("no certificate was sent")}
	}
	problems := c.examine(p)
	if len(problems) > 0 {
		p.Problem = problems[0].err
	}
	leaf := p.Certificates[0]
	switch {
	case c.Pin != nil && c.Pin.Equal(leaf):
		p.Trust = TrustPin
	case len(problems) == 0:
		p.Trust = TrustChain
	case c.InsecureSkipVerify:
		p.Trust = TrustAny
	default:
		p.Trust = TrustForgiven
		for _, problem := range problems {
			if problem.kind == 0 || c.Forgive&problem.kind == 0 {
				p.Trust, p.Problem, p.Verdict = TrustNone, problem.err, c.refusal(problem.err, leaf)
				break
			}
		}
	}
	if c.VerifyPeer == nil {
		return p.Verdict
	}
	err := c.VerifyPeer(*p)
	switch {
	case err == nil && p.Verdict != nil:
		p.Trust = TrustCaller
	case err != nil && err != p.Verdict:
		return &TLSError{Reason: ReasonRefused, Err: err}
	}
	return err
}

func (c *TLSConfig) refusal(err error, leaf *x509.Certificate) *TLSError {
	e := &TLSError{Reason: certificateReason(err, leaf), Err: err}
	switch {
	case c.Pin != nil:
		e.Reason = ReasonPinMismatch
	case e.Reason == ReasonOther:
		e.Reason = ReasonBadCertificate
	}
	return e
}

// problem is one thing wrong with a certificate; kind is 0 if it cannot be forgiven.
type problem struct {
	kind Forgive
	err  error
}

// examine collects the problems of p's certificates and sets its chains. Package
// x509 stops at the first problem it meets, so each one that can be forgiven is
// put aside and the rest looked at again.
func (c *TLSConfig) examine(p *Peer) (problems []problem) {
	leaf := p.Certificates[0]
	if err := c.verifyName(leaf); err != nil {
		problems = append(problems, problem{ForgiveWrongName, err})
	}
	if len(c.SignatureAlgorithms) > 0 && !c.signedAsAllowed(leaf) {
		problems = append(problems, problem{0, x509.InsecureAlgorithmError(leaf.SignatureAlgorithm)})
	}
	if slices.Contains(c.ExtraRootCAs, nil) {
		return append(problems, problem{ForgiveUnknownAuthority, errors.New("ExtraRootCAs: nil certificate")})
	}
	opts := x509.VerifyOptions{CurrentTime: c.now(), KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}
	if chains := c.stillTrusted(p.known, leaf, opts); len(chains) > 0 {
		p.Chains = chains
		return problems
	}
	p.known = nil
	opts.Intermediates = pool(p.Certificates[1:])
	verify := c.chains
	for {
		chains, err := verify(leaf, opts)
		if err == nil {
			if !hasKind(problems, ForgiveUnknownAuthority) {
				p.Chains = chains
			}
			return problems
		}
		kind := forgivable(err)
		if kind == 0 || hasKind(problems, kind) {
			return append(problems, problem{0, err})
		}
		problems = append(problems, problem{kind, err})
		switch kind {
		case ForgiveExpired:
			opts.CurrentTime = commonTime(p.Certificates)
		case ForgiveWrongUsage:
			opts.KeyUsages = []x509.ExtKeyUsage{x509.ExtKeyUsageAny}
		case ForgiveUnknownAuthority:
			// Whatever the server sent may stand as a root for the other checks.
			opts.Roots, verify = pool(p.Certificates), (*x509.Certificate).Verify
		}
	}
}

// stillTrusted returns the chains of a leaf, verified before, that are valid now and end
// in a root that is trusted now. Signatures do not change.
func (c *TLSConfig) stillTrusted(known [][]*x509.Certificate, leaf *x509.Certificate, opts x509.VerifyOptions) (chains [][]*x509.Certificate) {
	for _, chain := range known {
		outOfTime := func(cert *x509.Certificate) bool {
			return opts.CurrentTime.Before(cert.NotBefore) || opts.CurrentTime.After(cert.NotAfter)
		}
		if !chain[0].Equal(leaf) || slices.ContainsFunc(chain, outOfTime) {
			continue
		}
		anchor := chain[len(chain)-1]
		trusted := slices.ContainsFunc(c.ExtraRootCAs, anchor.Equal)
		if !trusted {
			_, err := c.chains(anchor, opts)
			trusted = err == nil
		}
		if trusted {
			chains = append(chains, chain)
		}
	}
	return chains
}

func (c *TLSConfig) verifyName(leaf *x509.Certificate) error {
	if c.ServerName == "" {
		return errors.New("no server name to verify against")
	}
	name := c.ServerName
	if n := len(name); name[n-1] == '.' {
		name = name[:n-1] // a fully qualified name says the same without its dot
	}
	return leaf.VerifyHostname(name)
}

func (c *TLSConfig) signedAsAllowed(leaf *x509.Certificate) bool {
	for _, s := range schemesOf(leaf.SignatureAlgorithm) {
		if slices.Contains(c.SignatureAlgorithms, s) {
			return true
		}
	}
	return false
}

// chains verifies a certificate up to the roots. The extra ones have a pool of their own,
// which is made in no time; a copy of the system's with them in it would not be.
func (c *TLSConfig) chains(cert *x509.Certificate, opts x509.VerifyOptions) ([][]*x509.Certificate, error) {
	opts.Roots = c.RootCAs // nil: the system's
	if len(c.ExtraRootCAs) == 0 {
		return cert.Verify(opts)
	}
	extra := opts
	extra.Roots = pool(c.ExtraRootCAs)
	chains, err := cert.Verify(extra)
	if err == nil {
		return chains, nil
	}
	chains, other := cert.Verify(opts)
	if _, none := errors.AsType[x509.SystemRootsError](other); none || other != nil && forgivable(err) != ForgiveUnknownAuthority {
		return nil, err // it says more
	}
	return chains, other
}

func pool(certs []*x509.Certificate) *x509.CertPool {
	p := x509.NewCertPool()
	for _, cert := range certs {
		p.AddCert(cert)
	}
	return p
}

func forgivable(err error) Forgive {
	switch certificateReason(err, nil) {
	case ReasonExpired:
		return ForgiveExpired
	case ReasonUnknownAuthority:
		return ForgiveUnknownAuthority
	case ReasonWrongUsage:
		return ForgiveWrongUsage
	}
	return 0
}

func hasKind(problems []problem, kind Forgive) bool {
	return slices.ContainsFunc(problems, func(p problem) bool { return p.kind == kind })
}

// commonTime is a moment at which as many of the certificates are valid as
// possible, the leaf in any case: the latest beginning that is not after the
// leaf's end.
func commonTime(certs []*x509.Certificate) time.Time {
	t := certs[0].NotBefore
	for _, cert := range certs[1:] {
		if cert.NotBefore.After(t) && !cert.NotBefore.After(certs[0].NotAfter) {
			t = cert.NotBefore
		}
	}
	return t
}

// String lists the names joined by "|".
func (f Forgive) String() string {
	names := []string{"expired", "unknown-authority", "wrong-usage", "wrong-name"}
	s := ""
	for i, name := range names {
		if f&(1<<i) != 0 {
			s += "|" + name
		}
	}
	if rest := f >> len(names); rest != 0 {
		s += "|0x" + strconv.FormatUint(uint64(rest<<len(names)), 16)
	}
	if s == "" {
		return "none"
	}
	return s[1:]
}
