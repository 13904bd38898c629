// Package certfile reads certificates and private keys from the files that people keep
// them in: PEM, DER, PKCS #12 (.pfx, .p12) and Java key stores (.jks).
//
// It knows the containers and the encryption of private keys. It refuses to judge what
// is inside: an expired certificate is read like any other. What a file holds beside
// certificates and private keys is passed over; a file that holds neither is an error.
// Passwords and keys never show in an error.
package certfile

import (
	"bytes"
	"crypto"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
)

// Format is a kind of file.
type Format uint8

// The formats.
const (
	Auto   Format = iota // found out from the content
	PEM                  // RFC 7468, text around the blocks allowed; also one bare DER certificate
	PKCS12               // RFC 7292
	JKS                  // Java key store, versions 1 and 2
	formatCount
)

var formatNames = [formatCount]string{"auto", "PEM", "PKCS#12", "JKS"}

// String returns the format's name.
func (f Format) String() string {
	if f < formatCount {
		return formatNames[f]
	}
	return "Format(" + strconv.Itoa(int(f)) + ")"
}

// Bounds of what is read.
const (
	maxOctets  = 16 << 20
	maxEntries = 10000
)

// ErrPassword is wrapped by errors about a password that is wrong or missing.
var ErrPassword = errors.New("wrong or missing password")

// ErrNotFound is wrapped by errors about what is not in a file.
var ErrNotFound = errors.New("not found")

// Store is what a file holds.
type Store struct {
	// Identities are the certificates with a private key, each with the chain above it
	// as far as the file has it. Leaf is set.
	Identities []tls.Certificate
	// Certificates are all the others.
	Certificates []*x509.Certificate
}

// Load reads a file of at most 16 MiB. The password is for the file or for the private
// keys in it; "" if there is none.
func Load(path string, f Format, password string) (*Store, error) {
	data, err := read(path)
	if err != nil {
		return nil, err
	}
	s, err := Parse(data, f, password)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", strconv.Quote(path), err)
	}
	return s, nil
}

// Parse is [Load] for what has been read already.
func Parse(data []byte, f Format, password string) (*Store, error) {
	if f == Auto {
		f = guess(data)
	}
	var c contents
	var err error
	switch f {
	case PEM:
		err = c.pem(data, password)
	case PKCS12:
		err = c.pkcs12(data, password)
	case JKS:
		err = c.jks(data, password)
	default:
		return nil, fmt.Errorf("certfile: no such format: %v", f)
	}
	if err != nil {
		return nil, fmt.Errorf("certfile: %v: %w", f, err)
	}
	if len(c.certs) == 0 && len(c.identities) == 0 && len(c.keys) == 0 {
		return nil, fmt.Errorf("certfile: %v: neither a certificate nor a private key: %w", f, ErrNotFound)
	}
	return c.store()
}

// LoadPair reads a certificate from one file and its private key from another, in PEM
// or DER.
func LoadPair(certPath, keyPath, password string) (tls.Certificate, error) {
	var c contents
	for _, path := range []string{certPath, keyPath} {
		data, err := read(path)
		if err == nil {
			err = c.pem(data, password)
		}
		if err != nil {
			return tls.Certificate{}, fmt.Errorf("certfile: %s: %w", strconv.Quote(path), err)
		}
	}
	s, err := c.store()
	if err != nil {
		return tls.Certificate{}, err
	}
	return s.Find("")
}

// Find returns the identity whose certificate has that subject: the same text as
// pkix.Name.String gives, or its common name; else one that the text is a part of, in any
// letter case. "" and "*" are the first there is.
func (s *Store) Find(subject string) (tls.Certificate, error) {
	for _, fits := range []func(c *x509.Certificate) bool{
		func(c *x509.Certificate) bool {
			return subject == "" || subject == "*" || c.Subject.String() == subject || c.Subject.CommonName == subject
		},
		func(c *x509.Certificate) bool {
			return strings.Contains(strings.ToLower(c.Subject.String()), strings.ToLower(subject))
		},
	} {
		for _, id := range s.Identities {
			if fits(id.Leaf) {
				return id, nil
			}
		}
	}
	return tls.Certificate{}, fmt.Errorf("certfile: certificate with a private key and subject %q: %w", subject, ErrNotFound)
}

// contents is what has been found so far.
type contents struct {
	certs      []*x509.Certificate
	seen       map[string]bool // their octets
	keys       []crypto.Signer
	identities []tls.Certificate // those that the file itself has put together
}

// cert takes a certificate in, once.
func (c *contents) cert(der []byte) error {
	if c.seen[string(der)] {
		return nil
	}
	if len(c.certs) == maxEntries {
		return fmt.Errorf("more than %d certificates", maxEntries)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return err
	}
	if c.seen == nil {
		c.seen = map[string]bool{}
	}
	c.seen[string(der)] = true
	c.certs = append(c.certs, cert)
	return nil
}

// key reads a private key in any of the forms that DER has for it.
func (c *contents) key(der []byte) error {
	if len(c.keys) == maxEntries {
		return fmt.Errorf("more than %d private keys", maxEntries)
	}
	key, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		if k, e := x509.ParsePKCS1PrivateKey(der); e == nil {
			key, err = k, nil
		} else if k, e := x509.ParseECPrivateKey(der); e == nil {
			key, err = k, nil
		}
	}
	if err != nil {
		return fmt.Errorf("private key: %w", err)
	}
	signer, ok := key.(crypto.Signer)
	if !ok {
		return fmt.Errorf("private key of type %T cannot sign", key)
	}
	c.keys = append(c.keys, signer)
	return nil
}

// store joins every key with its certificate, and that with its issuers.
func (c *contents) store() (*Store, error) {
	s := &Store{Identities: c.identities}
	used := map[*x509.Certificate]bool{}
	for _, key := range c.keys {
		public, ok := key.Public().(interface{ Equal(crypto.PublicKey) bool })
		if !ok {
			continue
		}
		for _, cert := range c.certs {
			if used[cert] || !public.Equal(cert.PublicKey) {
				continue
			}
			used[cert] = true
			s.Identities = append(s.Identities, tls.Certificate{Certificate: c.chain(cert), PrivateKey: key, Leaf: cert})
			break
		}
	}
	if len(c.keys) > 0 && len(s.Identities) == 0 {
		return nil, fmt.Errorf("certfile: certificate that fits the private key: %w", ErrNotFound)
	}
	for _, cert := range c.certs {
		if !used[cert] {
			s.Certificates = append(s.Certificates, cert)
		}
	}
	return s, nil
}

// chain are the certificates from leaf up, without the self-signed root, which the
// other side has or does not trust anyway.
func (c *contents) chain(leaf *x509.Certificate) [][]byte {
	chain := [][]byte{leaf.Raw}
	for at := leaf; len(chain) < 16; {
		var next *x509.Certificate
		for _, cert := range c.certs {
			if bytes.Equal(cert.RawSubject, at.RawIssuer) && !bytes.Equal(cert.RawSubject, cert.RawIssuer) && cert != at {
				next = cert
				break
			}
		}
		if next == nil {
			break
		}
		chain, at = append(chain, next.Raw), next
	}
	return chain
}

func guess(data []byte) Format {
	switch {
	case bytes.HasPrefix(data, jksMagic):
		return JKS
	case bytes.Contains(data, []byte("-----BEGIN ")):
		return PEM
	case len(data) > 0 && data[0] == 0x30:
		if _, err := x509.ParseCertificate(data); err != nil {
			return PKCS12
		}
	}
	return PEM
}

func read(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxOctets+1))
	if err == nil && len(data) > maxOctets {
		err = fmt.Errorf("certfile: %s: larger than %d octets", strconv.Quote(path), maxOctets)
	}
	return data, err
}
