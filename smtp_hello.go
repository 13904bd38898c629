package parley

import (
	"crypto/tls"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/parley-mail/parley/transport"
)

// Bits of SSLEnabledProtocols.
const (
	TLS10Bits = 192
	TLS11Bits = 768
	TLS12Bits = 3072
	TLS13Bits = 12288
)

// defaultProtocols is TLS 1.2 and 1.3, and leaves the matter to TLSConfig.
const defaultProtocols = TLS12Bits | TLS13Bits

func (s *SMTP) versions(c *transport.TLSConfig) error {
	bits := s.SSLEnabledProtocols
	if bits == 0 || bits == defaultProtocols {
		return nil
	}
	c.Versions = nil
	for _, v := range []struct {
		bits    int
		version uint16
	}{{TLS10Bits, tls.VersionTLS10}, {TLS11Bits, tls.VersionTLS11}, {TLS12Bits, tls.VersionTLS12}, {TLS13Bits, tls.VersionTLS13}} {
		if bits&v.bits != 0 {
			c.Versions = append(c.Versions, v.version)
		}
		bits &^= v.bits
	}
	const ssl = 12 | 48
	switch {
	case bits&^ssl != 0:
		return fmt.Errorf("SSLEnabledProtocols: nobody knows the bits %d", bits&^ssl)
	case len(c.Versions) == 0:
		return errors.New("SSLEnabledProtocols: SSL 2 and SSL 3 are not spoken any more")
	}
	c.MinVersion, c.MaxVersion = c.Versions[0], 0
	return nil
}

// speaks reports whether TLS 1.3, or a version before it, is enabled.
func (s *SMTP) speaks(bits int) bool {
	return s.SSLEnabledProtocols == 0 || s.SSLEnabledProtocols&bits != 0
}

// suites are those that both lists admit.
func (s *SMTP) suites(c *transport.TLSConfig) error {
	if list := s.OpenSSLCipherList; list != "" && list != "DEFAULT" {
		ids, err := transport.ParseCipherList(list)
		if err != nil {
			return fmt.Errorf("OpenSSLCipherList: %w", err)
		}
		c.CipherSuites = ids
	}
	list := s.SSLEnabledCipherSuites
	if list == "" || list == "*" {
		return nil
	}
	var enabled []uint16
	for name := range strings.FieldsFuncSeq(list, func(r rune) bool { return r == ';' || r == ',' || r == ' ' }) {
		id, err := transport.ParseCipherSuite(name)
		if err != nil {
			return fmt.Errorf("SSLEnabledCipherSuites: %w", err)
		}
		if !slices.Contains(enabled, id) {
			enabled = append(enabled, id)
		}
	}
	if len(c.CipherSuites) > 0 {
		enabled = slices.DeleteFunc(slices.Clone(c.CipherSuites), func(id uint16) bool { return !slices.Contains(enabled, id) })
	}
	if len(enabled) == 0 {
		return errors.New("SSLEnabledCipherSuites: no suite is left")
	}
	c.CipherSuites = enabled
	return nil
}

// groups are the lists of the versions that are enabled, TLS 1.3's first: a hello has one
// list of groups, and one of signature algorithms.
func (s *SMTP) groups(c *transport.TLSConfig) error {
	tls13, before := s.speaks(TLS13Bits), s.speaks(TLS10Bits|TLS11Bits|TLS12Bits)
	for _, list := range []struct {
		row, names string
		applies    bool
		add        func(name string) error
	}{
		{"TLS13SupportedGroups", s.TLS13SupportedGroups, tls13, adder(&c.Groups, transport.ParseGroup)},
		{"TLS12SupportedGroups", s.TLS12SupportedGroups, before, adder(&c.Groups, transport.ParseGroup)},
		{"TLS13KeyShareGroups", s.TLS13KeyShareGroups, tls13, adder(&c.KeyShares, transport.ParseGroup)},
		{"TLS13SignatureAlgorithms", s.TLS13SignatureAlgorithms, tls13, adder(&c.SignatureAlgorithms, transport.ParseSignatureScheme)},
		{"TLS12SignatureAlgorithms", s.TLS12SignatureAlgorithms, before, adder(&c.SignatureAlgorithms, transport.ParseSignatureScheme)},
	} {
		for name := range names(list.names) {
			if !list.applies {
				break
			}
			if err := list.add(name); err != nil {
				return fmt.Errorf("%s: %w", list.row, err)
			}
		}
	}
	return nil
}

// adder returns a function that adds a name's value to a list of its own, once.
func adder[T comparable](to *[]T, parse func(string) (T, error)) func(string) error {
	*to = slices.Clone(*to)
	return func(name string) error {
		v, err := parse(name)
		if err == nil && !slices.Contains(*to, v) {
			*to = append(*to, v)
		}
		return err
	}
}

// names splits a list at commas.
func names(list string) func(func(string) bool) {
	return strings.FieldsFuncSeq(list, func(r rune) bool { return r == ',' || r == ' ' })
}
