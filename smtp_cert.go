package parley

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/parley-mail/parley/auth"
	"github.com/parley-mail/parley/transport"
	"github.com/parley-mail/parley/transport/certfile"
)

// Certificate is the client's own, for a server that asks for one. The first of TLS,
// Encoded and Store that is given counts.
type Certificate struct {
	TLS           *tls.Certificate
	Encoded       string    // certificate and key: PEM, or PKCS #12 in base64
	Store         string    // a file: PEM, PKCS #12 (.pfx) or a Java key store (.jks)
	StoreType     StoreType // what Store is
	StorePassword auth.Secret
	Key           string // a file with the key, PEM or DER, if Store has the certificate alone
	Subject       string // which of those in Store, by its subject or a part of it; "" and "*": the first
}

// StoreType is a kind of store for certificates.
type StoreType uint8

// The kinds. Those of Windows are an error.
const (
	StoreAuto    StoreType = iota // found out from the content
	StoreUser                     // the user's, in Windows
	StoreMachine                  // the machine's, in Windows
	StorePFX                      // PKCS #12
	StoreJKS                      // Java key store
	StorePEM
)

// own puts the client's certificate into c.
func (s *SMTP) own(c *transport.TLSConfig) error {
	cert, err := s.SSLCert.load()
	if err != nil {
		return fmt.Errorf("SSLCert: %w", err)
	}
	if cert == nil {
		return nil
	}
	own := *cert
	if s.SSLCACerts != "" {
		above, err := parseCertificates(s.SSLCACerts)
		if err != nil {
			return fmt.Errorf("SSLCACerts: %w", err)
		}
		own.Certificate = slices.Clone(own.Certificate)
		for _, ca := range above {
			own.Certificate = append(own.Certificate, ca.Raw)
		}
	}
	c.Certificates = append(slices.Clone(c.Certificates), own)
	return nil
}

// load returns nil if there is none.
func (c *Certificate) load() (*tls.Certificate, error) {
	formats := map[StoreType]certfile.Format{StoreAuto: certfile.Auto, StorePFX: certfile.PKCS12, StoreJKS: certfile.JKS, StorePEM: certfile.PEM}
	format, ok := formats[c.StoreType]
	var found *certfile.Store
	var err error
	switch {
	case c.TLS != nil:
		return c.TLS, nil
	case c.Encoded == "" && c.Store == "":
		return nil, nil
	case !ok:
		return nil, errors.New("the certificate stores of Windows cannot be read: export the certificate into a file")
	case c.Encoded != "":
		data := []byte(c.Encoded)
		if !strings.Contains(c.Encoded, "-----BEGIN") {
			if data, err = base64.StdEncoding.DecodeString(strings.Join(strings.Fields(c.Encoded), "")); err != nil {
				return nil, errors.New("neither PEM nor base64")
			}
		}
		found, err = certfile.Parse(data, format, c.StorePassword.Reveal())
	case tooLong(c.Store) || tooLong(c.Key):
		return nil, errTooLong
	case c.Key != "":
		pair, err := certfile.LoadPair(c.Store, c.Key, c.StorePassword.Reveal())
		return &pair, err
	default:
		found, err = certfile.Load(c.Store, format, c.StorePassword.Reveal())
	}
	if err != nil {
		return nil, err
	}
	cert, err := found.Find(c.Subject)
	return &cert, err
}

var errTooLong = errors.New("no file has such a long name")

// tooLong reports whether a path is one that no system takes.
func tooLong(path string) bool { return len(path) > 4096 }

// trust is whom to believe beside the system's roots.
func (s *SMTP) trust(c *transport.TLSConfig) error {
	c.ExtraRootCAs = slices.Clone(c.ExtraRootCAs)
	for _, source := range []struct {
		row, value string
		load       func(string) ([]*x509.Certificate, error)
	}{
		{"SSLServerCACerts", s.SSLServerCACerts, parseCertificates},
		{"OpenSSLCAFile", s.OpenSSLCAFile, certfile.LoadCAFile},
		{"OpenSSLCADir", s.OpenSSLCADir, certfile.LoadCADir},
	} {
		if source.value == "" {
			continue
		}
		if strings.HasPrefix(source.row, "Open") && tooLong(source.value) {
			return fmt.Errorf("%s: %w", source.row, errTooLong)
		}
		certs, err := source.load(source.value)
		if err != nil {
			return fmt.Errorf("%s: %w", source.row, err)
		}
		c.ExtraRootCAs = append(c.ExtraRootCAs, certs...)
	}
	if s.SSLAcceptServerCert == "" {
		return nil
	}
	certs, err := parseCertificates(s.SSLAcceptServerCert)
	if err != nil {
		return fmt.Errorf("SSLAcceptServerCert: %w", err)
	}
	c.Pin = certs[0]
	return nil
}

// parseCertificates reads PEM, or one certificate in base64.
func parseCertificates(text string) ([]*x509.Certificate, error) {
	var all []*x509.Certificate
	rest := []byte(text)
	for {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		if block.Type != "CERTIFICATE" {
			continue
		}
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, err
		}
		all = append(all, cert)
	}
	if len(all) > 0 {
		return all, nil
	}
	if der, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(text), "")); err == nil {
		if cert, err := x509.ParseCertificate(der); err == nil {
			return []*x509.Certificate{cert}, nil
		}
	}
	return nil, errors.New("there is no certificate in it")
}

// Bits of SSLSecurityFlags that have an effect, and those that ask for nothing that is
// checked here: trust lists, revocation, test roots.
const (
	flagExpired     = 0x1
	flagUnknownCA   = 0x10
	flagWrongUsage  = 0x20
	flagWrongName   = 0x80000000
	flagsNotChecked = 0x2 | 0x4 | 0x100 | 0x200 | 0x400 | 0x800 | 0x4000 | 0x8000
)

func (s *SMTP) forgive(c *transport.TLSConfig) error {
	flags := s.SSLSecurityFlags
	for bit, f := range map[uint32]transport.Forgive{
		flagExpired: transport.ForgiveExpired, flagUnknownCA: transport.ForgiveUnknownAuthority,
		flagWrongUsage: transport.ForgiveWrongUsage, flagWrongName: transport.ForgiveWrongName,
	} {
		if flags&bit != 0 {
			c.Forgive |= f
		}
		flags &^= bit
	}
	if rest := flags &^ flagsNotChecked; rest != 0 {
		return fmt.Errorf("SSLSecurityFlags: nobody knows the bits 0x%x", rest)
	}
	return nil
}
