package parley

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/parley-mail/parley/events"
	"github.com/parley-mail/parley/transport"
	"github.com/parley-mail/parley/transport/utls"
)

// SSL holds the rows about TLS, under the names that such classes give them.
type SSL struct {
	SSLEnabled             bool // TLS as SSLStartMode says, or automatic if that says none
	SSLStartMode           SSLStartMode
	SSLAcceptServerCert    string // this certificate, PEM or base64, is accepted whatever else is wrong
	SSLAcceptAnyServerCert bool
	SSLCert                Certificate
	SSLCACerts             string // PEM: sent along with SSLCert
	SSLServerCACerts       string // PEM: trusted beside the system's roots
	OpenSSLCADir           string // the same, a directory of PEM files
	OpenSSLCAFile          string // the same, a PEM file
	SSLSecurityFlags       uint32 // problems of the server's certificate to forgive
	SSLIncludeCertChain    bool   // SSLServerAuthentication gets all certificates, not the leaf alone

	SSLEnabledProtocols      int    // bits: 192 TLS 1.0, 768 1.1, 3072 1.2, 12288 1.3
	SSLCipherStrength        int    // least bits of the bulk cipher
	SSLEnabledCipherSuites   string // "*", or names separated by semicolons
	OpenSSLCipherList        string // "DEFAULT", or the syntax of OpenSSL
	TLS12SignatureAlgorithms string // comma separated: sha256-rsa, sha256-ecdsa…; "": the engine's
	TLS12SupportedGroups     string // comma separated: ecdhe_x25519, ecdhe_secp256r1…
	TLS13SupportedGroups     string
	TLS13KeyShareGroups      string
	TLS13SignatureAlgorithms string
	SSLEnableRenegotiation   bool // send renegotiation_info (RFC 5746); renegotiation is never done
	ReuseSSLSession          bool // resume earlier sessions of this object
	OpenSSLPrngSeedData      string
	UseInternalSecurityAPI   Engine
	SSLProvider              string               // "*", "crypto/tls" or "utls"
	LogSSLPackets            bool                 // an SSLStatus event for each TLS record
	TLSConfig                *transport.TLSConfig // where the rows start from; nil: from nothing
	sessions                 *transport.SessionCache
}

// SSLStartMode says when TLS begins. By its number in Config it is 0 automatic, 1 implicit,
// 2 explicit and 3 none.
type SSLStartMode uint8

// The modes. Automatic goes by the port: STARTTLS on 25 and 587, at once on every other.
// That 587 is STARTTLS is a deliberate difference from such classes.
const (
	SSLNone SSLStartMode = iota
	SSLAutomatic
	SSLImplicit // at once
	SSLExplicit // STARTTLS or nothing
)

// Engine chooses the TLS engine.
type Engine uint8

// The engines: by need, the standard library's, or the one that shapes its hello.
const (
	EngineByNeed   Engine = iota
	EngineStandard        // UseInternalSecurityAPI=False
	EngineInternal        // UseInternalSecurityAPI=True
)

// Bits of SSLEnabledProtocols.
const (
	TLS10Bits = 192
	TLS11Bits = 768
	TLS12Bits = 3072
	TLS13Bits = 12288
)

// Certificate is the client's own.
type Certificate struct {
	Encoded       string // PEM, with the key
	Store         string // a PEM file, instead
	StorePassword string
	Subject       string // "": the first
	TLS           *tls.Certificate
}

// security is when TLS begins, and how the server is judged.
func (s *SMTP) security(e *Endpoint, port int) error {
	e.TLS = s.tlsMode(port)
	if !s.AllowExtensions && !s.LMTP && (e.TLS == TLSStartTLS || s.User != "" || s.Credentials != nil) {
		return &Error{Kind: ErrMisuse, Detail: "AllowExtensions is off: without EHLO there is neither STARTTLS nor AUTH"}
	}
	if e.TLS == TLSNone {
		return nil
	}
	c, err := s.tlsConfig()
	if err != nil {
		return &Error{Kind: ErrMisuse, Err: err}
	}
	c.VerifyPeer = s.judge(c)
	if s.LogSSLPackets {
		c.RecordLog = func(r transport.TLSRecord) { s.Events.Publish(&events.SSLStatus{Message: r.String()}) }
	}
	e.TLSConfig = c
	return nil
}

func (s *SMTP) tlsMode(port int) TLSMode {
	mode := s.SSLStartMode
	if mode == SSLNone {
		if !s.SSLEnabled {
			return TLSNone
		}
		mode = SSLAutomatic
	}
	switch mode {
	case SSLImplicit:
		return TLSImplicit
	case SSLExplicit:
		return TLSStartTLS
	}
	if port == 25 || port == 587 {
		return TLSStartTLS
	}
	return TLSImplicit
}

// judge fires SSLServerAuthentication, whose handler has the last word.
func (s *SMTP) judge(c *transport.TLSConfig) func(transport.Peer) error {
	before := c.VerifyPeer
	return func(p transport.Peer) error {
		verdict := p.Verdict
		if before != nil {
			verdict = before(p)
		}
		leaf := p.Certificates[0]
		s.state.serverCert.Store(leaf)
		if !s.Events.Wants().Has(events.KindSSLServerAuthentication) {
			return verdict
		}
		status := "OK"
		switch {
		case verdict != nil:
			status = verdict.Error()
		case p.Problem != nil:
			status = p.Problem.Error()
		}
		e := &events.SSLServerAuthentication{
			CertEncoded: leaf.Raw, CertSubject: leaf.Subject.String(), CertIssuer: leaf.Issuer.String(),
			Status: status, Certificates: p.Certificates, Accept: verdict == nil,
		}
		if s.SSLIncludeCertChain {
			e.CertEncoded = nil
			for _, cert := range p.Certificates {
				e.CertEncoded = append(e.CertEncoded, cert.Raw...)
			}
		}
		s.Events.Publish(e)
		switch {
		case e.Accept:
			return nil
		case verdict != nil:
			return verdict
		}
		return errors.New("the handler of SSLServerAuthentication refused it")
	}
}

// tlsConfig makes the policy of the rows.
func (s *SMTP) tlsConfig() (*transport.TLSConfig, error) {
	c := transport.TLSConfig{}
	if s.TLSConfig != nil {
		c = *s.TLSConfig
	}
	c.ServerName = cmpOr(c.ServerName, strings.TrimPrefix(s.MailServer, "*"))
	c.InsecureSkipVerify = c.InsecureSkipVerify || s.SSLAcceptAnyServerCert
	c.OmitRenegotiationInfo = c.OmitRenegotiationInfo || !s.SSLEnableRenegotiation
	c.MinCipherBits = max(c.MinCipherBits, s.SSLCipherStrength)
	c.Engines = slices.Concat(c.Engines, []transport.TLSEngine{utls.Engine{}})
	for _, step := range []func(*transport.TLSConfig) error{s.engine, s.trust, s.forgive, s.versions, s.suites, s.groups, s.ownCertificate} {
		if err := step(&c); err != nil {
			return nil, err
		}
	}
	if s.ReuseSSLSession {
		if s.sessions == nil {
			s.sessions = &transport.SessionCache{}
		}
		c.Sessions = s.sessions
	}
	if s.OpenSSLPrngSeedData != "" {
		c.Rand = seeded(s.OpenSSLPrngSeedData)
	}
	return &c, nil
}

func cmpOr(s, def string) string {
	if s != "" {
		return s
	}
	return def
}

func (s *SMTP) engine(c *transport.TLSConfig) error {
	switch s.UseInternalSecurityAPI {
	case EngineStandard:
		c.Engine = "std"
	case EngineInternal:
		c.Engine = "utls"
	}
	switch s.SSLProvider {
	case "", "*":
	case "crypto/tls":
		c.Engine = "std"
	case "utls":
		c.Engine = "utls"
	default:
		return fmt.Errorf("SSLProvider: there is no provider %q: there are *, crypto/tls and utls", s.SSLProvider)
	}
	return nil
}

// trust is whom to believe beside the system's roots.
func (s *SMTP) trust(c *transport.TLSConfig) error {
	if s.SSLAcceptServerCert != "" {
		certs, err := parseCertificates("SSLAcceptServerCert", s.SSLAcceptServerCert)
		if err != nil {
			return err
		}
		c.Pin = certs[0]
	}
	if s.SSLServerCACerts != "" {
		certs, err := parseCertificates("SSLServerCACerts", s.SSLServerCACerts)
		if err != nil {
			return err
		}
		c.ExtraRootCAs = append(slices.Clone(c.ExtraRootCAs), certs...)
	}
	if s.OpenSSLCAFile != "" {
		data, err := os.ReadFile(s.OpenSSLCAFile)
		if err != nil {
			return fmt.Errorf("OpenSSLCAFile: %w", err)
		}
		certs, err := parseCertificates("OpenSSLCAFile", string(data))
		if err != nil {
			return err
		}
		c.ExtraRootCAs = append(slices.Clone(c.ExtraRootCAs), certs...)
	}
	if s.OpenSSLCADir != "" {
		entries, err := os.ReadDir(s.OpenSSLCADir)
		if err != nil {
			return fmt.Errorf("OpenSSLCADir: %w", err)
		}
		n := len(c.ExtraRootCAs)
		for _, entry := range entries {
			data, err := os.ReadFile(filepath.Join(s.OpenSSLCADir, entry.Name()))
			if err != nil {
				continue // a directory, or a link to nowhere
			}
			if certs, err := parseCertificates("", string(data)); err == nil {
				c.ExtraRootCAs = append(slices.Clone(c.ExtraRootCAs), certs...)
			}
		}
		if len(c.ExtraRootCAs) == n {
			return fmt.Errorf("OpenSSLCADir: there is no certificate in %q", s.OpenSSLCADir)
		}
	}
	return nil
}

// parseCertificates reads PEM, or one certificate in base64.
func parseCertificates(row, text string) ([]*x509.Certificate, error) {
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
			return nil, fmt.Errorf("%s: %w", row, err)
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
	return nil, fmt.Errorf("%s: there is no certificate in it", row)
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

// ownCertificate is what a server gets that asks for one.
func (s *SMTP) ownCertificate(c *transport.TLSConfig) error {
	own := s.SSLCert
	var cert tls.Certificate
	switch {
	case own.TLS != nil:
		cert = *own.TLS
	case own.Encoded != "" || own.Store != "":
		data := []byte(own.Encoded)
		if own.Store != "" {
			var err error
			if data, err = os.ReadFile(own.Store); err != nil {
				return fmt.Errorf("SSLCert: %w", err)
			}
		}
		var err error
		if cert, err = tls.X509KeyPair(data, data); err != nil {
			return fmt.Errorf("SSLCert: %w", err)
		}
	default:
		return nil
	}
	if s.SSLCACerts != "" {
		certs, err := parseCertificates("SSLCACerts", s.SSLCACerts)
		if err != nil {
			return err
		}
		cert.Certificate = slices.Clone(cert.Certificate)
		for _, ca := range certs {
			cert.Certificate = append(cert.Certificate, ca.Raw)
		}
	}
	c.Certificates = append(slices.Clone(c.Certificates), cert)
	return nil
}

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
