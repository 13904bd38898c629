package transport

import (
	"context"
	"crypto/tls"
	"net"
	"slices"
	"strings"
)

// Std is the TLS engine over crypto/tls. It is always there.
//
// It cannot shape the hello: a configuration that asks for that is refused with
// [ReasonConfig]. Suites older than TLS 1.3 can be chosen but not ordered.
type Std struct{}

// Name returns "std".
func (Std) Name() string { return EngineStd }

// Client implements [TLSEngine].
func (Std) Client(ctx context.Context, nc net.Conn, c *TLSConfig) (net.Conn, Security, error) {
	if shapes := c.Shapes(); len(shapes) > 0 {
		return nil, Security{}, configError(strings.Join(shapes, ", "), "crypto/tls cannot do this; use another engine")
	}
	h, err := NewHandshake(EngineStd, "", nc, c)
	if err != nil {
		return nil, Security{}, err
	}
	conn := tls.Client(h.Wire, stdConfig(h))
	if err := conn.HandshakeContext(ctx); err != nil {
		return nil, Security{}, h.Fail(err)
	}
	s, err := h.Done(SecurityOf(conn.ConnectionState()))
	if err != nil {
		return nil, Security{}, err
	}
	return conn, s, nil
}

func stdConfig(h *Handshake) *tls.Config {
	c := h.Config
	cfg := &tls.Config{}
	if c.Base != nil {
		cfg = c.Base.Clone()
	}
	cfg.ServerName = strings.TrimSuffix(c.ServerName, ".")
	cfg.MinVersion, cfg.MaxVersion = h.Versions[0], h.Versions[len(h.Versions)-1]
	cfg.NextProtos = c.NextProtos
	cfg.Renegotiation = tls.RenegotiateNever
	if h.Suites != nil {
		cfg.CipherSuites = slices.DeleteFunc(slices.Clone(h.Suites), isSuite13)
	}
	if c.Certificates != nil {
		cfg.Certificates = c.Certificates
	}
	if c.GetClientCertificate != nil {
		cfg.GetClientCertificate = c.GetClientCertificate
	}
	if c.KeyLogWriter != nil {
		cfg.KeyLogWriter = c.KeyLogWriter
	}
	if c.Rand != nil {
		cfg.Rand = c.Rand
	}
	if c.Time != nil {
		cfg.Time = c.Time
	}
	cfg.ClientSessionCache = nil
	if h.Resumes() {
		cfg.ClientSessionCache = stdSessions{h}
	}
	// Verification is this package's own, the same for all engines.
	cfg.InsecureSkipVerify = true
	cfg.VerifyPeerCertificate = nil
	cfg.VerifyConnection = func(cs tls.ConnectionState) error {
		return h.Verify(Peer{
			Certificates: cs.PeerCertificates,
			Version:      cs.Version,
			CipherSuite:  cs.CipherSuite,
			Resumed:      cs.DidResume,
			OCSP:         cs.OCSPResponse,
			SCTs:         cs.SignedCertificateTimestamps,
		})
	}
	return cfg
}

// stdSessions is the view of crypto/tls on one key of a SessionCache; the key that
// crypto/tls makes up is not needed.
type stdSessions struct{ h *Handshake }

func (s stdSessions) Get(string) (*tls.ClientSessionState, bool) {
	v, _ := s.h.Session()
	state, ok := v.(*tls.ClientSessionState)
	return state, ok
}

func (s stdSessions) Put(_ string, state *tls.ClientSessionState) {
	if state == nil {
		s.h.Remember(nil)
		return
	}
	s.h.Remember(state)
}
