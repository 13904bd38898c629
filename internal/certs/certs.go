// Package certs makes throw-away certificate authorities and certificates for
// tests and demonstrations.
//
// It knows X.509 just well enough to build a chain of two that crypto/tls
// accepts, or one with a single chosen fault: expired, not yet valid, for another
// host, signed by nobody. It keeps nothing on disk and every key lives as long as
// the process. Nothing here is fit for production.
package certs

import (
	"cmp"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"time"
)

// Options say what a certificate is for. The zero value is a server certificate
// for localhost, 127.0.0.1 and ::1, valid from an hour ago for a day, ECDSA P-256.
type Options struct {
	// Hosts are DNS names and IP addresses.
	Hosts []string
	// CommonName is by default the first of Hosts.
	CommonName string
	// NotBefore and NotAfter bound the validity; zero means an hour ago and a day
	// from now.
	NotBefore, NotAfter time.Time
	// Client makes a certificate for client authentication. Hosts then are the
	// names of the client; with none it is "client".
	Client bool
	// RSA makes a 2048 bit RSA key in place of ECDSA P-256.
	RSA bool
}

// CA is a certificate authority.
type CA struct {
	cert *x509.Certificate
	key  crypto.Signer
}

// NewCA returns an authority with a fresh ECDSA P-256 key, valid from ten years
// ago to ten years ahead, so that it also signs what is expired or not yet valid.
func NewCA() (*CA, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("certs: key of the authority: %w", err)
	}
	now := time.Now()
	template := &x509.Certificate{
		Subject:               pkix.Name{CommonName: "Parley throw-away authority"},
		NotBefore:             now.AddDate(-10, 0, 0),
		NotAfter:              now.AddDate(10, 0, 0),
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
		BasicConstraintsValid: true,
		IsCA:                  true,
	}
	der, err := sign(template, template, key.Public(), key)
	if err != nil {
		return nil, err
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("certs: certificate of the authority: %w", err)
	}
	return &CA{cert: cert, key: key}, nil
}

// Issue returns a certificate signed by the authority, with its private key. The
// authority's own certificate is not in the chain: the peer has it in [CA.Pool].
func (ca *CA) Issue(opts Options) (tls.Certificate, error) {
	return issue(opts, ca.cert, ca.key)
}

// SelfSigned returns a certificate that vouches for itself: no pool of an
// authority here accepts it.
func SelfSigned(opts Options) (tls.Certificate, error) { return issue(opts, nil, nil) }

// Expired returns opts with a validity that ended yesterday.
func Expired(opts Options) Options {
	now := time.Now()
	opts.NotBefore, opts.NotAfter = now.AddDate(0, 0, -30), now.AddDate(0, 0, -1)
	return opts
}

// NotYetValid returns opts with a validity that begins tomorrow.
func NotYetValid(opts Options) Options {
	now := time.Now()
	opts.NotBefore, opts.NotAfter = now.AddDate(0, 0, 1), now.AddDate(0, 0, 30)
	return opts
}

// Pool returns a pool with the authority alone.
func (ca *CA) Pool() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(ca.cert)
	return pool
}

// PEM returns the authority's certificate in PEM form.
func (ca *CA) PEM() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: ca.cert.Raw})
}

// Certificate returns the authority's certificate. The caller does not change it.
func (ca *CA) Certificate() *x509.Certificate { return ca.cert }

// PEM returns the chain of c and its private key (PKCS #8) in PEM form.
func PEM(c tls.Certificate) (chain, key []byte, err error) {
	for _, der := range c.Certificate {
		chain = append(chain, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})...)
	}
	der, err := x509.MarshalPKCS8PrivateKey(c.PrivateKey)
	if err != nil {
		return nil, nil, fmt.Errorf("certs: private key: %w", err)
	}
	return chain, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), nil
}

// issue signs by parent, or by the new key itself when there is none.
func issue(opts Options, parent *x509.Certificate, signer crypto.Signer) (tls.Certificate, error) {
	key, err := newKey(opts.RSA)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("certs: key: %w", err)
	}
	template := opts.template()
	if parent == nil {
		parent, signer = template, key
	}
	der, err := sign(template, parent, key.Public(), signer)
	if err != nil {
		return tls.Certificate{}, err
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("certs: certificate: %w", err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}, nil
}

func (opts Options) template() *x509.Certificate {
	hosts, usage := opts.Hosts, x509.ExtKeyUsageServerAuth
	if opts.Client {
		usage = x509.ExtKeyUsageClientAuth
	}
	switch {
	case len(hosts) > 0:
	case opts.Client:
		hosts = []string{"client"}
	default:
		hosts = []string{"localhost", "127.0.0.1", "::1"}
	}
	now := time.Now()
	t := &x509.Certificate{
		Subject:               pkix.Name{CommonName: cmp.Or(opts.CommonName, hosts[0])},
		NotBefore:             now.Add(-time.Hour),
		NotAfter:              now.Add(24 * time.Hour),
		KeyUsage:              x509.KeyUsageDigitalSignature,
		ExtKeyUsage:           []x509.ExtKeyUsage{usage},
		BasicConstraintsValid: true,
	}
	if opts.RSA {
		t.KeyUsage |= x509.KeyUsageKeyEncipherment // the RSA key exchange of TLS 1.2
	}
	if !opts.NotBefore.IsZero() {
		t.NotBefore = opts.NotBefore
	}
	if !opts.NotAfter.IsZero() {
		t.NotAfter = opts.NotAfter
	}
	for _, h := range hosts {
		if ip := net.ParseIP(h); ip != nil {
			t.IPAddresses = append(t.IPAddresses, ip)
		} else {
			t.DNSNames = append(t.DNSNames, h)
		}
	}
	return t
}

func newKey(useRSA bool) (crypto.Signer, error) {
	if useRSA {
		return rsa.GenerateKey(rand.Reader, 2048)
	}
	return ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
}

// sign gives the template a random serial number (RFC 5280 §4.1.2.2) and signs it.
func sign(template, parent *x509.Certificate, public crypto.PublicKey, signer crypto.Signer) ([]byte, error) {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return nil, fmt.Errorf("certs: serial number: %w", err)
	}
	template.SerialNumber = serial.Add(serial, big.NewInt(1))
	der, err := x509.CreateCertificate(rand.Reader, template, parent, public, signer)
	if err != nil {
		return nil, fmt.Errorf("certs: signing %q: %w", template.Subject.CommonName, err)
	}
	return der, nil
}
