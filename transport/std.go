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
	hooks := takeHooks(h)
	conn := tls.Client(h.Wire, hooks.config)
	err = conn.HandshakeContext(ctx)
	hooks.leave(h)
	if err != nil {
		return nil, Security{}, h.Fail(err)
	}
	cs := conn.ConnectionState()
	s := describe(&cs)
	s.Bind(func(label string, context []byte, length int) ([]byte, error) {
		cs := conn.ConnectionState() // kept by the connection, not once more by this
		return cs.ExportKeyingMaterial(label, context, length)
	}, cs.TLSUnique)
	s, err = h.Done(s)
	if err != nil {
		return nil, Security{}, err
	}
	return conn, s, nil
}

// stdHooks is what crypto/tls calls back: to verify while the handshake lasts, and for
// sessions afterwards too. The key that it makes up for these is not needed.
type stdHooks struct {
	h      *Handshake // that goes on; nil: none
	shelf  *Shelf
	config *tls.Config
}

// takeHooks returns those of an earlier handshake that would make the same, or makes them. A
// connection keeps them for as long as it lives, and many may share them: they are needed for
// themselves during a handshake only.
func takeHooks(h *Handshake) *stdHooks {
	var s *stdHooks
	if h.common() {
		s = h.cache.take(h.key)
	}
	if s == nil || (s.shelf == nil) != (h.Shelf == nil) {
		s = &stdHooks{shelf: h.Shelf}
		s.config = s.newConfig(h)
	}
	s.h = h
	return s
}

// leave ends the handshake that they were taken for, and leaves them to the next one.
func (s *stdHooks) leave(h *Handshake) {
	s.h = nil
	if h.common() {
		h.cache.leave(h.key, s)
	}
}

// common reports whether all that crypto/tls is told of the configuration is in the key: then it
// may be told the same for every handshake with that key.
func (h *Handshake) common() bool {
	c := h.Config
	return h.cache != nil && c.Base == nil && c.Certificates == nil && c.KeyLogWriter == nil && c.Rand == nil && c.Time == nil
}

func (s *stdHooks) newConfig(h *Handshake) *tls.Config {
	c := h.Config
	cfg := &tls.Config{}
	if c.Base != nil {
		cfg = c.Base.Clone()
	}
	cfg.ServerName = strings.TrimSuffix(c.ServerName, ".")
	cfg.MinVersion, cfg.MaxVersion = h.Versions[0], h.Versions[len(h.Versions)-1]
	cfg.NextProtos = slices.Clone(c.NextProtos)
	cfg.Renegotiation = tls.RenegotiateNever
	cfg.DynamicRecordSizingDisabled = true // a group of commands is one record, and one write
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
	if s.shelf != nil {
		cfg.ClientSessionCache = s
	}
	// Verification is this package's own, the same for all engines.
	cfg.InsecureSkipVerify = true
	cfg.VerifyPeerCertificate = nil
	cfg.VerifyConnection = s.verify
	return cfg
}

func (s *stdHooks) verify(cs tls.ConnectionState) error {
	return s.h.Verify(Peer{
		Certificates: cs.PeerCertificates,
		Version:      cs.Version,
		CipherSuite:  cs.CipherSuite,
		Resumed:      cs.DidResume,
		OCSP:         cs.OCSPResponse,
		SCTs:         cs.SignedCertificateTimestamps,
	})
}

// Get implements [tls.ClientSessionCache].
func (s *stdHooks) Get(string) (*tls.ClientSessionState, bool) {
	state, ok := s.shelf.Session().(*tls.ClientSessionState)
	return state, ok
}

// Put implements [tls.ClientSessionCache].
func (s *stdHooks) Put(_ string, state *tls.ClientSessionState) {
	if state == nil {
		s.shelf.Remember(nil)
		return
	}
	s.shelf.Remember(state)
}
