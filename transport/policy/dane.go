package policy

import (
	"crypto/x509"
	"errors"
	"fmt"
	"time"

	"github.com/parley-mail/parley/transport"
)

// DANE is what the domain of a mail server has published about it.
type DANE struct {
	// Records are the TLSA records of the server's port, got with DNSSEC. Those that are
	// not usable are passed over.
	Records []TLSA
	// Names are what a certificate below a trust anchor may be made out to: the name
	// that the records were found under, and the domain of the recipient (RFC 7672
	// §3.2.2). A server bound by DANE-EE may have any name.
	Names []string
}

// Requirement is what records ask of a link (RFC 7672 §2.2).
type Requirement uint8

// The requirements.
const (
	RequireNothing        Requirement = iota // no records: TLS if the server offers it
	RequireTLS                               // no usable record: TLS, with whomever
	RequireAuthentication                    // a usable record: TLS with the server that it means
)

// Requirement tells what the records ask for.
func (d DANE) Requirement() Requirement {
	for _, r := range d.Records {
		if r.Usable() {
			return RequireAuthentication
		}
	}
	if len(d.Records) > 0 {
		return RequireTLS
	}
	return RequireNothing
}

// Verify judges a chain of certificates, the server's own first, at the time now. It
// returns the record that matched, or nil where none is usable and nothing had to match.
// The error is an [*Error]: [TLSAInvalid] if no record matches; if a trust anchor does,
// what is wrong below it.
func (d DANE) Verify(chain []*x509.Certificate, now time.Time) (*TLSA, error) {
	host := ""
	if len(d.Names) > 0 {
		host = d.Names[0]
	}
	if d.Requirement() != RequireAuthentication {
		return nil, nil
	}
	if len(chain) == 0 {
		return nil, &Error{TLSAInvalid, host, errors.New("no certificate was sent")}
	}
	// The server's own certificate first: nothing else about it matters then, neither
	// its names nor its time (RFC 7672 §3.1.1).
	for i, r := range d.Records {
		if r.Usage == DANEEE && r.Usable() && r.Matches(chain[0]) {
			return &d.Records[i], nil
		}
	}
	var below error
	for i, r := range d.Records {
		if r.Usage != DANETA || !r.Usable() {
			continue
		}
		found, err := d.anchor(r, chain, now)
		switch {
		case found && err == nil:
			return &d.Records[i], nil
		case found && below == nil:
			below = &Error{failureOf(err), host, err}
		}
	}
	if below != nil {
		return nil, below
	}
	return nil, &Error{TLSAInvalid, host, fmt.Errorf("none of %d TLSA records matches", len(d.Records))}
}

// anchor looks for the trust anchor of r above the server's certificate, and verifies
// from there down (RFC 7672 §3.1.2). An anchor of which only a digest is known must have
// been sent; one that is in the record need not.
func (d DANE) anchor(r TLSA, chain []*x509.Certificate, now time.Time) (found bool, err error) {
	for _, cert := range chain[1:] {
		if r.Matches(cert) {
			return true, d.below(cert, chain, now)
		}
	}
	if r.Matching != Full {
		return false, nil
	}
	if r.Selector == Cert {
		cert, err := x509.ParseCertificate(r.Data)
		if err != nil {
			return false, nil
		}
		err = d.below(cert, chain, now)
		return !errors.As(err, new(x509.UnknownAuthorityError)), err
	}
	key, err := x509.ParsePKIXPublicKey(r.Data)
	if err != nil {
		return false, nil
	}
	// A key alone: the certificate that it has signed stands in for the anchor.
	issuer := &x509.Certificate{PublicKey: key, Version: 3, BasicConstraintsValid: true, IsCA: true}
	for _, cert := range chain {
		issuer.PublicKeyAlgorithm = algorithmOf(cert.SignatureAlgorithm)
		if cert.CheckSignatureFrom(issuer) == nil {
			return true, d.below(cert, chain, now)
		}
	}
	return false, nil
}

// below verifies the server's certificate: names, time, usage, and the way up to root.
func (d DANE) below(root *x509.Certificate, chain []*x509.Certificate, now time.Time) error {
	leaf := chain[0]
	opts := x509.VerifyOptions{
		Roots:         x509.NewCertPool(),
		Intermediates: x509.NewCertPool(),
		CurrentTime:   now,
		KeyUsages:     []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	opts.Roots.AddCert(root)
	for _, cert := range chain[1:] {
		opts.Intermediates.AddCert(cert)
	}
	if _, err := leaf.Verify(opts); err != nil {
		return err
	}
	err := errors.New("no name to verify against")
	for _, name := range d.Names {
		if err = leaf.VerifyHostname(normal(name)); err == nil {
			return nil
		}
	}
	return err
}

// Configure returns c with the records applied: c as it is if there are none; c that
// accepts any certificate if none is usable; otherwise c that accepts the server the
// records mean and no other, whoever has or has not signed its certificate. The first
// name is the one that is sent to the server (RFC 7672 §8.1). Names are c.ServerName if
// there are none.
func (d DANE) Configure(c *transport.TLSConfig) *transport.TLSConfig {
	requirement := d.Requirement()
	if requirement == RequireNothing {
		return c
	}
	c = c.Clone()
	if len(d.Names) > 0 {
		c.ServerName = d.Names[0]
	} else {
		d.Names = []string{c.ServerName}
	}
	if requirement == RequireTLS {
		c.InsecureSkipVerify = true
		return c
	}
	now := time.Now
	if c.Time != nil {
		now = c.Time
	}
	return strict(c, func(p transport.Peer) error {
		_, err := d.Verify(p.Certificates, now())
		return err
	})
}

// algorithmOf is the kind of key that makes signatures of that kind.
func algorithmOf(a x509.SignatureAlgorithm) x509.PublicKeyAlgorithm {
	switch a {
	case x509.ECDSAWithSHA1, x509.ECDSAWithSHA256, x509.ECDSAWithSHA384, x509.ECDSAWithSHA512:
		return x509.ECDSA
	case x509.PureEd25519:
		return x509.Ed25519
	}
	return x509.RSA
}
