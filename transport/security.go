package transport

import (
	"crypto"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"strconv"
)

// Security describes what protects a link. It is a plain value: all of it,
// channel bindings included, stays usable after the link is closed. Its zero
// value is a clear link. It must not be changed by those who receive it.
type Security struct {
	// Secure says that the octets are protected by TLS up to the mail server
	// itself; a secured hop to a proxy does not count.
	Secure bool
	// Verified says that the peer is known to be the one that was meant: see Trust.
	Verified bool
	// Trust says why the peer's certificate was accepted.
	Trust Trust
	// Problem is what verification found wrong with the certificate although it
	// was accepted, or nil.
	Problem error

	Engine      string // name of the TLS engine; "" if the caller secured the link
	Version     uint16 // of the protocol, such as tls.VersionTLS13
	CipherSuite uint16 // IANA number
	Group       Group  // of the key exchange; 0: none (RSA key exchange) or not known
	KeyShare    Group  // the classical share sent first, if the engine knows it
	ALPN        string // protocol agreed (RFC 7301), or ""
	ServerName  string // the name verified against, and sent unless it is an address
	Resumed     bool   // the handshake resumed an earlier session

	// PeerCertificates are the certificates the server sent, the leaf first; on
	// a resumed link those of the first one. VerifiedChains are the chains that
	// verification built.
	PeerCertificates []*x509.Certificate
	VerifiedChains   [][]*x509.Certificate

	bindings *bindings // nil: none
}

// alike reports whether two descriptions say the same, the bindings aside, and nothing is
// wrong: then links may share one.
func (s *Security) alike(t *Security) bool {
	return s.Secure == t.Secure && s.Verified == t.Verified && s.Trust == t.Trust && s.Problem == nil && t.Problem == nil &&
		s.Engine == t.Engine && s.Version == t.Version && s.CipherSuite == t.CipherSuite && s.Group == t.Group && s.KeyShare == t.KeyShare &&
		s.ALPN == t.ALPN && s.ServerName == t.ServerName && s.Resumed == t.Resumed &&
		slices.Equal(s.PeerCertificates, t.PeerCertificates) && slices.EqualFunc(s.VerifiedChains, t.VerifiedChains, slices.Equal)
}

// Trust is a reason for accepting a server's certificate.
type Trust uint8

// The reasons.
const (
	TrustNone     Trust = iota // no certificate was judged
	TrustPin                   // it is the pinned one
	TrustChain                 // chain, time, usage and name are right
	TrustCaller                // the caller's hook overruled a refusal
	TrustForgiven              // something is wrong that the policy forgives
	TrustAny                   // the policy accepts any certificate
	trustCount
)

var trustNames = [trustCount]string{"none", "pin", "chain", "caller", "forgiven", "any"}

// String returns the reason's name.
func (t Trust) String() string {
	if t < trustCount {
		return trustNames[t]
	}
	return "Trust(" + strconv.Itoa(int(t)) + ")"
}

// Verified reports whether the reason identifies the peer.
func (t Trust) Verified() bool { return t == TrustPin || t == TrustChain || t == TrustCaller }

// bindings are what channel bindings are made of, when somebody asks for one.
type bindings struct {
	export func(label string, context []byte, length int) ([]byte, error)
	unique []byte
}

// exporter returns the binding of RFC 9266. A nil context and an empty one differ in TLS 1.2;
// peers use nil.
func (b *bindings) exporter() ([]byte, error) {
	if b.export == nil {
		return nil, nil
	}
	return b.export("EXPORTER-Channel-Binding", nil, 32)
}

// Names of channel bindings.
const (
	BindingExporter       = "tls-exporter"         // RFC 9266
	BindingUnique         = "tls-unique"           // RFC 5929 §3
	BindingServerEndPoint = "tls-server-end-point" // RFC 5929 §4
)

// ErrNoBinding is wrapped by every error of ChannelBinding.
var ErrNoBinding = errors.New("no such channel binding on this link")

// ChannelBinding returns the data of the channel binding of that kind. It
// refuses tls-exporter on TLS 1.2 without extended master secret (RFC 9266 §2,
// RFC 7627) and tls-unique on TLS 1.3 or without extended master secret.
func (s Security) ChannelBinding(kind string) ([]byte, error) {
	no := func(why string) ([]byte, error) {
		return nil, fmt.Errorf("transport: %s: %s: %w", strconv.QuoteToASCII(clip(kind, 64)), why, ErrNoBinding)
	}
	if !s.Secure {
		return no("clear link")
	}
	b := s.bindings
	if b == nil {
		b = &bindings{}
	}
	switch kind {
	case BindingExporter:
		data, err := b.exporter()
		switch {
		case err != nil:
			return no(err.Error())
		case len(data) == 0:
			return no("not known")
		}
		return data, nil
	case BindingUnique:
		if s.Version >= tls.VersionTLS13 {
			return no("not defined for TLS 1.3")
		}
		if data, _ := b.exporter(); len(data) == 0 {
			return no("no extended master secret")
		}
		if len(b.unique) == 0 {
			return no("not known")
		}
		return append([]byte(nil), b.unique...), nil
	case BindingServerEndPoint:
		if len(s.PeerCertificates) == 0 {
			return no("no certificate")
		}
		return endPoint(s.PeerCertificates[0])
	}
	return no("unknown kind")
}

// Bind says what the channel bindings of a finished handshake are made of: export is the
// exporter of RFC 5705 or RFC 8446 §7.5, which is kept and asked when a binding is wanted,
// unique the first Finished message or nil. It is for TLS engines.
func (s *Security) Bind(export func(label string, context []byte, length int) ([]byte, error), unique []byte) {
	s.bindings = &bindings{export: export, unique: append([]byte(nil), unique...)}
}

// SecurityOf describes a link secured by crypto/tls, whose handshake must be
// done. It counts as verified if crypto/tls verified it.
func SecurityOf(cs tls.ConnectionState) Security {
	s := describe(&cs)
	if s.Secure {
		s.Bind(cs.ExportKeyingMaterial, cs.TLSUnique)
	}
	return s
}

// describe is SecurityOf without the bindings.
func describe(cs *tls.ConnectionState) Security {
	s := Security{
		Secure:           cs.HandshakeComplete,
		Version:          cs.Version,
		CipherSuite:      cs.CipherSuite,
		Group:            Group(cs.CurveID),
		ALPN:             cs.NegotiatedProtocol,
		ServerName:       cs.ServerName,
		Resumed:          cs.DidResume,
		PeerCertificates: cs.PeerCertificates,
		VerifiedChains:   cs.VerifiedChains,
	}
	if len(cs.VerifiedChains) > 0 {
		s.Verified, s.Trust = true, TrustChain
	}
	return s
}

// endPoint is RFC 5929 §4.1: the certificate's hash by the hash of its own
// signature, where MD5 and SHA-1 give way to SHA-256. Signatures without a hash
// of that kind (Ed25519) have no defined end point.
func endPoint(leaf *x509.Certificate) ([]byte, error) {
	var h crypto.Hash
	switch leaf.SignatureAlgorithm {
	case x509.MD5WithRSA, x509.SHA1WithRSA, x509.ECDSAWithSHA1, x509.DSAWithSHA1,
		x509.SHA256WithRSA, x509.ECDSAWithSHA256, x509.SHA256WithRSAPSS, x509.DSAWithSHA256:
		h = crypto.SHA256
	case x509.SHA384WithRSA, x509.ECDSAWithSHA384, x509.SHA384WithRSAPSS:
		h = crypto.SHA384
	case x509.SHA512WithRSA, x509.ECDSAWithSHA512, x509.SHA512WithRSAPSS:
		h = crypto.SHA512
	default:
		return nil, fmt.Errorf("transport: %s is not defined for a certificate signed with %v: %w",
			BindingServerEndPoint, leaf.SignatureAlgorithm, ErrNoBinding)
	}
	d := h.New()
	d.Write(leaf.Raw)
	return d.Sum(nil), nil
}

// VersionName returns the protocol's name, such as "TLS 1.3"; "" on a clear link.
func (s Security) VersionName() string {
	if !s.Secure {
		return ""
	}
	return tls.VersionName(s.Version)
}

// SuiteName returns the suite's IANA name; "" on a clear link.
func (s Security) SuiteName() string {
	if !s.Secure {
		return ""
	}
	return tls.CipherSuiteName(s.CipherSuite)
}

// CipherName returns the bulk cipher's part of the suite's name, such as
// "AES_256_GCM".
func (s Security) CipherName() string { return suiteCipher(s.SuiteName()) }

// CipherBits returns the strength of the bulk cipher in bits; 0 on a clear link.
func (s Security) CipherBits() int { return cipherBits(s.CipherName()) }

// KeyExchange returns the group's name, or "RSA" where the server's key itself
// carried the secret.
func (s Security) KeyExchange() string {
	switch {
	case !s.Secure:
		return ""
	case s.Group != 0:
		return s.Group.String()
	}
	return suiteKeyExchange(s.SuiteName())
}

// KeyExchangeBits returns the size of the group, or of the server's RSA key
// where that carried the secret; 0 if not known.
func (s Security) KeyExchangeBits() int {
	if s.Group != 0 {
		return s.Group.Bits()
	}
	if s.KeyExchange() == "RSA" && len(s.PeerCertificates) > 0 {
		if k, ok := s.PeerCertificates[0].PublicKey.(*rsa.PublicKey); ok {
			return k.N.BitLen()
		}
	}
	return 0
}

// String returns one line such as "TLS 1.3, TLS_AES_128_GCM_SHA256, X25519, trust
// chain", or "clear".
func (s Security) String() string {
	if !s.Secure {
		return "clear"
	}
	t := s.VersionName() + ", " + s.SuiteName()
	if kx := s.KeyExchange(); kx != "" {
		t += ", " + kx
	}
	t += ", trust " + s.Trust.String()
	if s.Resumed {
		t += ", resumed"
	}
	return t
}

// clip shortens text of a peer or caller for an error.
func clip(s string, n int) string {
	if len(s) > n {
		return s[:n] + "..."
	}
	return s
}
