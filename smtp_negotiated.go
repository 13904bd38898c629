package parley

import (
	"crypto/x509"
	"strings"

	"github.com/parley-mail/parley/transport"
)

// SSLServerCert returns the server's certificate of the last TLS connection, or nil.
func (s *SMTP) SSLServerCert() *x509.Certificate { return s.state.serverCert.Load() }

// link returns what protects the last connection.
func (s *SMTP) link() transport.Security {
	if v := s.state.security.Load(); v != nil {
		return *v
	}
	return transport.Security{}
}

// SSLNegotiatedVersion returns the protocol agreed on, as in "TLSv1.3"; "" without TLS.
func (s *SMTP) SSLNegotiatedVersion() string {
	return strings.Replace(s.link().VersionName(), "TLS ", "TLSv", 1)
}

// SSLNegotiatedCipherSuite returns the suite's name; "" without TLS.
func (s *SMTP) SSLNegotiatedCipherSuite() string { return s.link().SuiteName() }

// SSLNegotiatedCipher returns the bulk cipher, as in "AES_256_GCM"; "" without TLS.
func (s *SMTP) SSLNegotiatedCipher() string { return s.link().CipherName() }

// SSLNegotiatedCipherStrength returns the bits of the bulk cipher; 0 without TLS.
func (s *SMTP) SSLNegotiatedCipherStrength() int { return s.link().CipherBits() }

// SSLNegotiatedKeyExchange returns the key exchange, as in "X25519"; "" without TLS.
func (s *SMTP) SSLNegotiatedKeyExchange() string { return s.link().KeyExchange() }

// SSLNegotiatedKeyExchangeStrength returns its bits; 0 without TLS.
func (s *SMTP) SSLNegotiatedKeyExchangeStrength() int { return s.link().KeyExchangeBits() }
