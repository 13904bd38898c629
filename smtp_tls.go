package parley

import (
	"errors"
	"fmt"
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
// 2 explicit, 3 none and 4 opportunistic.
type SSLStartMode uint8

// The modes. Automatic goes by the port: STARTTLS on 25 and 587, at once on every other.
// That 587 is STARTTLS is a deliberate difference from such classes.
const (
	SSLNone SSLStartMode = iota
	SSLAutomatic
	SSLImplicit // at once
	SSLExplicit // STARTTLS or nothing
	// SSLOpportunistic is STARTTLS if the server offers it, and clear if it does not: it has
	// no number in such classes, and protects from nobody who interferes.
	SSLOpportunistic
)

// Engine chooses the TLS engine.
type Engine uint8

// The engines: by need, the standard library's, or the one that shapes its hello.
const (
	EngineByNeed   Engine = iota
	EngineStandard        // UseInternalSecurityAPI=False
	EngineInternal        // UseInternalSecurityAPI=True
)

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
		c.RecordLog = s.state.records.put
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
	case SSLOpportunistic:
		return TLSOpportunistic
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
	for _, step := range []func(*transport.TLSConfig) error{s.engine, s.trust, s.forgive, s.versions, s.suites, s.groups, s.own} {
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
		return fmt.Errorf("SSLProvider: there is no provider %q: there are *, crypto/tls and utls", clipped(s.SSLProvider, 64))
	}
	return nil
}
