package transport

import (
	"crypto/tls"
	"crypto/x509"
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

	peer   Peer
	known  [][]*x509.Certificate // chains that were verified when the session to resume was made
	judged bool
	key    sessionKey
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
	if c.Sessions != nil && c.GetClientCertificate == nil {
		h.key = newSessionKey(engine, hello, nc, c)
	}
	return h, nil
}

// Resumes reports whether sessions are to be remembered. They are not where the
// client's identity is a matter of a callback, because a session carries it along.
func (h *Handshake) Resumes() bool { return h.key != sessionKey{} }

// Session returns what Remember kept from an earlier handshake of the same
// engine with the same endpoint under the same policy.
func (h *Handshake) Session() (any, bool) {
	if !h.Resumes() {
		return nil, false
	}
	s, ok := h.Config.Sessions.get(h.key, h.Config.now())
	h.known = s.chains
	return s.state, ok
}

// Remember keeps an engine's session; nil forgets it.
func (h *Handshake) Remember(state any) {
	switch {
	case !h.Resumes():
	case state == nil:
		h.Config.Sessions.forget(h.key)
	default:
		s := session{state: state, at: h.Config.now()}
		if h.peer.Problem == nil {
			s.chains = h.peer.Chains
		}
		h.Config.Sessions.put(h.key, s)
	}
}

// Verify judges the server's certificates. The engine calls it inside every
// handshake, a resuming one too, with Certificates, Version, CipherSuite and
// Resumed filled in. An error of it must end the handshake.
func (h *Handshake) Verify(p Peer) error {
	h.judged = true
	err := h.checkAgreed(p.Version, p.CipherSuite)
	if err == nil {
		if p.Resumed {
			p.known = h.known
		}
		err = h.Config.Verify(&p)
	}
	h.peer = p
	if err != nil {
		h.Remember(nil)
	}
	return err
}

// Done completes the description of a finished handshake. It checks once more
// that what was agreed had been offered.
func (h *Handshake) Done(s Security) (Security, error) {
	h.Wire.finish()
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
		s.Group = h.Wire.group()
	}
	return s, nil
}

// checkAgreed refuses a version or suite that was not on offer. An engine may
// have a lower bound of its own, or ignore ours.
func (h *Handshake) checkAgreed(version, suite uint16) error {
	if !slices.Contains(h.Versions, version) {
		return &TLSError{Reason: ReasonVersion, Err: fmt.Errorf("server chose %s, allowed are %s", tls.VersionName(version), versionNames(h.Versions))}
	}
	if bits := SuiteBits(suite); bits < h.Config.MinCipherBits {
		return &TLSError{Reason: ReasonWeakCipher, Err: fmt.Errorf("server chose %s of %d bits, demanded are %d", tls.CipherSuiteName(suite), bits, h.Config.MinCipherBits)}
	}
	if h.Suites != nil && !slices.Contains(h.Suites, suite) {
		return &TLSError{Reason: ReasonWeakCipher, Err: fmt.Errorf("server chose %s, which was not offered", tls.CipherSuiteName(suite))}
	}
	return nil
}

// Fail makes the error of a failed handshake. It knows from the octets on the
// wire what the engine's own error may not tell.
func (h *Handshake) Fail(err error) error {
	h.Wire.finish()
	if first, ok := h.Wire.notTLS(); ok {
		return &TLSError{Reason: ReasonNotTLS, First: first, Err: err}
	}
	if v := h.Wire.version(); v != 0 && !slices.Contains(h.Versions, v) {
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
