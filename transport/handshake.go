package transport

import (
	"crypto/tls"
	"fmt"
	"net"
	"slices"
	"strings"
)

// Handshake is what a TLS engine is told to do and what it reports back, so that
// trust, sessions, records and errors are alike in all engines. It serves one
// handshake.
//
// An engine hands Wire to its implementation instead of the connection, offers
// Versions and Suites and nothing else, calls Verify from inside the handshake,
// and ends with Done or Fail.
type Handshake struct {
	Config   *TLSConfig
	Versions []uint16 // to offer, oldest first; may have gaps
	Suites   []uint16 // to offer; nil: the engine's own
	Wire     *Wire
	Shelf    *Shelf // nil: no session is to be remembered, or resumed

	cache  *SessionCache // nil: what is verified is not remembered either
	key    sessionKey
	peer   Peer
	judged bool
}

// NewHandshake prepares a handshake of the engine of that name over nc. hello
// tells apart the hellos that the engine can send with the same configuration.
func NewHandshake(engine, hello string, nc net.Conn, c *TLSConfig) (*Handshake, error) {
	versions, err := c.offeredVersions()
	if err != nil {
		return nil, err
	}
	h := &Handshake{Config: c, Versions: versions, Wire: newWire(nc, c.RecordLog)}
	if c.restrictsSuites() {
		h.Suites = c.offeredSuites()
	}
	if c.ServerName == "" && c.Pin == nil && !c.InsecureSkipVerify && c.VerifyPeer == nil && c.Forgive&ForgiveWrongName == 0 {
		return nil, configError("ServerName", "needed to verify the server's certificate")
	}
	if c.SignatureAlgorithms != nil && len(c.SignatureAlgorithms) == 0 && slices.Contains(versions, tls.VersionTLS13) {
		return nil, configError("SignatureAlgorithms", "TLS 1.3 needs the extension (RFC 8446 §4.2.3)")
	}
	// A session carries the client's identity along, so that none is remembered where
	// that is a matter of a callback.
	if c.Sessions != nil && c.GetClientCertificate == nil {
		h.cache, h.key = c.Sessions, newSessionKey(engine, hello, nc, c)
		if !h.cache.NoResumption {
			h.Shelf = &Shelf{config: c, key: h.key}
		}
	}
	return h, nil
}

// Verify judges the server's certificates. The engine calls it inside every
// handshake, a resuming one too, with Certificates, Version, CipherSuite and
// Resumed filled in. An error of it must end the handshake.
func (h *Handshake) Verify(p Peer) error {
	h.judged = true
	err := h.checkAgreed(p.Version, p.CipherSuite)
	if err == nil {
		if h.cache != nil {
			p.known = h.cache.verified(h.key, h.Config.now())
		}
		err = h.Config.Verify(&p)
	}
	h.peer = p
	switch {
	case h.cache == nil:
	case err != nil:
		h.cache.forget(h.key)
	case p.Problem == nil && p.known == nil: // what was known does not get younger by being used
		h.cache.verify(h.key, p.Chains, h.Config.now())
	}
	return err
}

// Done completes the description of a finished handshake. It checks once more
// that what was agreed had been offered.
func (h *Handshake) Done(s Security) (Security, error) {
	seen := h.Wire.finish()
	if !h.judged {
		return Security{}, &TLSError{Reason: ReasonInternal, Err: fmt.Errorf("certificate was not verified")}
	}
	if err := h.checkAgreed(s.Version, s.CipherSuite); err != nil {
		return Security{}, err
	}
	s.Secure = true
	s.Trust, s.Verified = h.peer.Trust, h.peer.Trust.Verified()
	s.Problem = h.peer.Problem
	s.VerifiedChains = h.peer.Chains
	s.ServerName = h.Config.ServerName
	if s.Group == 0 && !s.Resumed || s.Group == 0 && s.Version >= tls.VersionTLS13 {
		s.Group = seen.agreed().group
	}
	return s, nil
}

// checkAgreed refuses a version or suite that was not on offer. An engine may
// have a lower bound of its own, or ignore ours.
func (h *Handshake) checkAgreed(version, suite uint16) error {
	if !slices.Contains(h.Versions, version) {
		return &TLSError{Reason: ReasonVersion, Err: fmt.Errorf("server chose %s, allowed are %s", tls.VersionName(version), versionNames(h.Versions))}
	}
	if h.Suites == nil {
		return nil
	}
	if bits := SuiteBits(suite); bits < h.Config.MinCipherBits {
		return &TLSError{Reason: ReasonWeakCipher, Err: fmt.Errorf("server chose %s of %d bits, demanded are %d", tls.CipherSuiteName(suite), bits, h.Config.MinCipherBits)}
	}
	if !slices.Contains(h.Suites, suite) {
		return &TLSError{Reason: ReasonWeakCipher, Err: fmt.Errorf("server chose %s, which was not offered", tls.CipherSuiteName(suite))}
	}
	return nil
}

// Fail makes the error of a failed handshake. It knows from the octets on the
// wire what the engine's own error may not tell.
func (h *Handshake) Fail(err error) error {
	seen := h.Wire.finish()
	if first, ok := seen.notTLS(); ok {
		return &TLSError{Reason: ReasonNotTLS, First: first, Err: err}
	}
	if v := seen.agreed().version; v != 0 && !slices.Contains(h.Versions, v) {
		return &TLSError{Reason: ReasonVersion, Err: fmt.Errorf("server chose %s, allowed are %s: %w", tls.VersionName(v), versionNames(h.Versions), err)}
	}
	return err
}

func versionNames(versions []uint16) string {
	names := make([]string, len(versions))
	for i, v := range versions {
		names[i] = tls.VersionName(v)
	}
	return strings.Join(names, ", ")
}
