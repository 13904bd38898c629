package transport

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"slices"
	"strconv"
	"time"
)

// TLSConfig is a TLS policy. Its zero value is a good one: TLS 1.2 or later, the
// system's root certificates, full verification against the name that the root
// package fills in. A TLSConfig may serve any number of handshakes at once; it
// must not be changed while one uses it.
type TLSConfig struct {
	// Engine names the TLS engine: "auto" or "" chooses, "std" is crypto/tls,
	// other names are looked up in Engines. "auto" is std unless a setting asks
	// for what std cannot do ([TLSConfig.Shapes] tells which); then it is the
	// first of Engines. An engine that cannot do what is asked refuses.
	Engine  string
	Engines []TLSEngine // beside std

	// ServerName is the name the certificate must be valid for, and the name
	// sent to the server (RFC 6066 §3) unless it is an IP address. It is needed
	// unless Pin or InsecureSkipVerify settles the matter.
	ServerName string

	// Endpoint is the host:port that the link leads to, as part of the key in
	// Sessions; "": ServerName and the link's remote address.
	Endpoint string

	// MinVersion and MaxVersion bound the protocol; 0: TLS 1.2, and the newest.
	// Versions names them one by one instead, and may leave gaps.
	MinVersion, MaxVersion uint16
	Versions               []uint16

	// RootCAs are the roots to trust instead of the system's; nil: the system's.
	// ExtraRootCAs are trusted beside either.
	RootCAs      *x509.CertPool
	ExtraRootCAs []*x509.Certificate

	// Pin is accepted as the server's leaf whatever else is wrong with it. Any
	// other leaf is verified as usual.
	Pin *x509.Certificate
	// InsecureSkipVerify accepts any certificate. What is wrong with it shows in
	// Security.Problem, and the link does not count as verified.
	InsecureSkipVerify bool
	// Forgive lists problems that do not lead to refusal.
	Forgive Forgive
	// VerifyPeer has the last word: nil accepts, an error refuses. Peer.Verdict
	// is what would be decided without it. It runs inside the handshake, also
	// when a session is resumed.
	VerifyPeer func(Peer) error
	// Time is the clock that verification reads; nil: time.Now.
	Time func() time.Time

	// Certificates are the client's own, for a server that asks.
	// GetClientCertificate takes precedence.
	Certificates         []tls.Certificate
	GetClientCertificate func(*tls.CertificateRequestInfo) (*tls.Certificate, error)

	// CipherSuites are the only suites offered; nil: the engine's. std follows
	// its own order, other engines this one. A protocol version that none of
	// them fits is not offered.
	CipherSuites []uint16
	// MinCipherBits drops suites of less strength from the offer, and refuses a
	// weaker one after the handshake.
	MinCipherBits int
	// Groups are the key exchange groups offered, the most preferred first; nil:
	// the engine's.
	Groups []Group
	// KeyShares are the groups whose share is sent with the first hello. A group
	// without a share costs one more round trip, if the server prefers it.
	KeyShares []Group
	// SignatureAlgorithms are those accepted, most preferred first; nil: the
	// engine's. An empty list that is not nil leaves the extension out, which
	// TLS 1.3 does not allow. A leaf signed otherwise is refused.
	SignatureAlgorithms []tls.SignatureScheme
	// OmitRenegotiationInfo leaves out the extension of RFC 5746. Renegotiation
	// itself is never done.
	OmitRenegotiationInfo bool
	// NextProtos are offered by ALPN (RFC 7301); nil: no ALPN.
	NextProtos []string
	// ClientHello names a profile of hello to imitate, such as "chrome" or
	// "firefox"; "": none. The engine knows the names.
	ClientHello string

	// Sessions remembers sessions for resumption, and what was verified; nil: none are
	// resumed, and every signature is verified each time.
	Sessions *SessionCache
	// KeyLogWriter receives the secrets of the connection in NSS key log form.
	// It makes TLS useless; for debugging only.
	KeyLogWriter io.Writer
	// RecordLog receives the outline of every TLS record, never its content.
	RecordLog func(TLSRecord)
	// Rand is the source of randomness; nil: crypto/rand. It must never be
	// weaker than that. Keys are made from the system's source regardless.
	Rand io.Reader

	// Base is where the std engine starts from: what it holds and this struct
	// has no field for (encrypted client hello, for instance) is kept. It is
	// cloned, never changed. Its verification settings are not used.
	Base *tls.Config
}

// TLSEngine is a TLS implementation. Client performs a handshake over nc as the
// client and returns the connection inside TLS. On an error it leaves nc to be
// closed by its caller. An engine makes a [Handshake] of nc and c and does what
// that says, so that all engines verify alike.
type TLSEngine interface {
	Name() string
	Client(ctx context.Context, nc net.Conn, c *TLSConfig) (net.Conn, Security, error)
}

// Names of engines.
const (
	EngineAuto = "auto"
	EngineStd  = "std"
)

// Shapes returns the settings that only an engine can honour which writes the
// client hello field by field; none of them is within reach of crypto/tls.
func (c *TLSConfig) Shapes() []string {
	var s []string
	add := func(yes bool, name string) {
		if yes {
			s = append(s, name)
		}
	}
	add(c.ClientHello != "", "ClientHello")
	add(len(c.Groups) > 0, "Groups")
	add(len(c.KeyShares) > 0, "KeyShares")
	add(c.SignatureAlgorithms != nil, "SignatureAlgorithms")
	add(c.OmitRenegotiationInfo, "OmitRenegotiationInfo")
	versions, err := c.offeredVersions()
	add(err == nil && hasGap(versions), "Versions")
	if err == nil && slices.Contains(versions, tls.VersionTLS13) && c.restrictsSuites() {
		n := 0
		for _, id := range c.offeredSuites() {
			if isSuite13(id) {
				n++
			}
		}
		add(n != 3, "CipherSuites")
	}
	return s
}

// Clone returns a copy of its own; the slices are shared.
func (c *TLSConfig) Clone() *TLSConfig {
	d := *c
	return &d
}

func (c *TLSConfig) now() time.Time {
	if c.Time != nil {
		return c.Time()
	}
	return time.Now()
}

// engine finds the engine to use.
func (c *TLSConfig) engine() (TLSEngine, error) {
	switch c.Engine {
	case EngineStd:
		return Std{}, nil
	case EngineAuto, "":
		if len(c.Engines) > 0 && len(c.Shapes()) > 0 {
			return c.Engines[0], nil
		}
		return Std{}, nil
	}
	for _, e := range c.Engines {
		if e.Name() == c.Engine {
			return e, nil
		}
	}
	return nil, configError("Engine", fmt.Sprintf("no TLS engine %s", strconv.QuoteToASCII(clip(c.Engine, 64))))
}

// offeredVersions are the protocol versions to offer, oldest first.
func (c *TLSConfig) offeredVersions() ([]uint16, error) {
	lo, hi := c.MinVersion, c.MaxVersion
	if hi == 0 {
		hi = tls.VersionTLS13
	}
	if lo == 0 && len(c.Versions) == 0 {
		lo = tls.VersionTLS12
	}
	var fits [2]bool // for TLS 1.2 and older, for TLS 1.3
	if c.restrictsSuites() {
		for _, id := range c.offeredSuites() {
			fits[b2i(isSuite13(id))] = true
		}
	} else {
		fits = [2]bool{true, true}
	}
	var out []uint16
	for v := uint16(tls.VersionTLS10); v <= tls.VersionTLS13; v++ {
		if v < lo || v > hi || len(c.Versions) > 0 && !slices.Contains(c.Versions, v) || !fits[b2i(v == tls.VersionTLS13)] {
			continue
		}
		out = append(out, v)
	}
	for _, v := range c.Versions {
		if v < tls.VersionTLS10 || v > tls.VersionTLS13 {
			return nil, configError("Versions", fmt.Sprintf("no engine speaks version 0x%04x", v))
		}
	}
	if len(out) == 0 {
		return nil, configError("MinVersion, MaxVersion, Versions, CipherSuites", "no protocol version is left to offer")
	}
	return out, nil
}

func (c *TLSConfig) restrictsSuites() bool { return len(c.CipherSuites) > 0 || c.MinCipherBits > 0 }

// offeredSuites are the suites to offer; only meaningful if restrictsSuites.
func (c *TLSConfig) offeredSuites() []uint16 {
	ids := c.CipherSuites
	if len(ids) == 0 {
		for _, s := range tls.CipherSuites() {
			ids = append(ids, s.ID)
		}
	}
	var out []uint16
	for _, id := range ids {
		if c.MinCipherBits == 0 || SuiteBits(id) >= c.MinCipherBits {
			out = append(out, id)
		}
	}
	return out
}

func isSuite13(id uint16) bool { return id>>8 == 0x13 }

func hasGap(versions []uint16) bool {
	return int(versions[len(versions)-1]-versions[0]) != len(versions)-1
}

func b2i(b bool) int {
	if b {
		return 1
	}
	return 0
}
