package utls

import (
	"crypto/ecdh"
	"crypto/mlkem"
	"crypto/rand"
	"crypto/tls"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	utls "github.com/refraction-networking/utls"

	"github.com/parley-mail/parley/transport"
)

// hello is a client hello to be sent once.
type hello struct {
	id     utls.ClientHelloID
	spec   *utls.ClientHelloSpec // nil: the library's own
	share  transport.Group       // the curve whose share is in it; 0: none, or not known
	shares []transport.Group     // all groups with a share; nil: not known
	keys   *keys                 // of the shares; nil: the library makes them
}

type keys = utls.KeySharePrivateKeys

// newHello makes a hello as h says. resume is a session that may be offered, or nil.
func newHello(h *transport.Handshake, resume *remembered) (*hello, error) {
	if err := check(h); err != nil {
		return nil, err
	}
	switch name := strings.ToLower(h.Config.ClientHello); name {
	case "":
		return custom(h, resume)
	case "golang":
		return golang(h)
	default:
		return profile(h, name)
	}
}

// check refuses what the library cannot compute.
func check(h *transport.Handshake) error {
	c := h.Config
	for _, g := range c.Groups {
		if !computable(g) {
			return refuse("Groups", g.String()+" is not available")
		}
	}
	for _, g := range c.KeyShares {
		if !computable(g) {
			return refuse("KeyShares", g.String()+" is not available")
		}
		if len(c.Groups) > 0 && !slices.Contains(c.Groups, g) {
			return refuse("KeyShares", g.String()+" is not among the groups (RFC 8446 §4.2.8)")
		}
	}
	if hybrid := transport.X25519MLKEM768; len(c.KeyShares) > 0 && slices.Contains(c.Groups, hybrid) && !slices.Contains(c.KeyShares, hybrid) {
		return refuse("KeyShares", hybrid.String()+" is offered and cannot be computed without a share in the first hello")
	}
	for _, id := range h.Suites {
		if !slices.ContainsFunc(append(utls.CipherSuites(), utls.InsecureCipherSuites()...), func(s *utls.CipherSuite) bool { return s.ID == id }) {
			return refuse("CipherSuites", tls.CipherSuiteName(id)+" is not available")
		}
	}
	return nil
}

func computable(g transport.Group) bool { return g.Classical() || g == transport.X25519MLKEM768 }

// defaultGroups and defaultSuites are crypto/tls's, in its order.
var defaultGroups = []transport.Group{
	transport.X25519MLKEM768, transport.X25519, transport.P256, transport.P384, transport.P521,
}

var defaultSuites = []uint16{
	tls.TLS_AES_128_GCM_SHA256, tls.TLS_AES_256_GCM_SHA384, tls.TLS_CHACHA20_POLY1305_SHA256,
	tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
	tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
	tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256, tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
	tls.TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA, tls.TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA,
	tls.TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA, tls.TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA,
}

var defaultSignatures = []tls.SignatureScheme{
	tls.PSSWithSHA256, tls.ECDSAWithP256AndSHA256, tls.Ed25519, tls.PSSWithSHA384, tls.PSSWithSHA512,
	tls.PKCS1WithSHA256, tls.PKCS1WithSHA384, tls.PKCS1WithSHA512,
	tls.ECDSAWithP384AndSHA384, tls.ECDSAWithP521AndSHA512,
}

// legacySignatures are needed beside the defaults by TLS 1.1 and older, whose
// servers have no choice.
var legacySignatures = []tls.SignatureScheme{tls.PKCS1WithSHA1, tls.ECDSAWithSHA1}

// custom makes a hello of the configuration alone, in the manner of crypto/tls.
func custom(h *transport.Handshake, resume *remembered) (*hello, error) {
	c := h.Config
	old, tls13 := offers(h.Versions)
	groups := c.Groups
	if len(groups) == 0 {
		groups = slices.Clone(defaultGroups)
		if !tls13 || len(c.KeyShares) > 0 && !slices.Contains(c.KeyShares, transport.X25519MLKEM768) {
			groups = groups[1:] // the hybrid is of no use without TLS 1.3 and a share
		}
	}
	shares := chooseShares(groups, c.KeyShares)
	if resume != nil && resume.group.Classical() && slices.Contains(groups, resume.group) {
		shares = withShare(shares, resume.group)
	}
	e := []utls.TLSExtension{}
	if name := sni(c.ServerName); name != "" {
		e = append(e, &utls.SNIExtension{ServerName: name})
	}
	e = append(e, &utls.StatusRequestExtension{}, &utls.SupportedCurvesExtension{Curves: schemes[utls.CurveID](groups)})
	if old {
		e = append(e, &utls.SupportedPointsExtension{SupportedPoints: []byte{0}})
	}
	if list := signatures(h); len(list) > 0 {
		e = append(e, &utls.SignatureAlgorithmsExtension{SupportedSignatureAlgorithms: schemes[utls.SignatureScheme](list)})
	}
	if old {
		e = append(e, &utls.ExtendedMasterSecretExtension{})
		if h.Shelf != nil {
			e = append(e, &utls.SessionTicketExtension{})
		}
	}
	if !c.OmitRenegotiationInfo {
		e = append(e, &utls.RenegotiationInfoExtension{Renegotiation: utls.RenegotiateNever})
	}
	if len(c.NextProtos) > 0 {
		e = append(e, &utls.ALPNExtension{AlpnProtocols: slices.Clone(c.NextProtos)})
	}
	var private *keys
	e = append(e, &utls.SCTExtension{}, &utls.SupportedVersionsExtension{Versions: newestFirst(h.Versions)})
	if tls13 {
		public := keyShares(shares)
		var err error
		if private, err = join(public); err != nil {
			return nil, err
		}
		e = append(e, &utls.KeyShareExtension{KeyShares: public}, &utls.PSKKeyExchangeModesExtension{Modes: []byte{utls.PskModeDHE}})
		if h.Shelf != nil {
			e = append(e, &utls.UtlsPreSharedKeyExtension{}) // must be the last (RFC 8446 §4.2.11)
		}
	} else {
		shares = nil
	}
	return &hello{
		id: utls.HelloCustom,
		spec: &utls.ClientHelloSpec{
			CipherSuites: suites(h, old, tls13),
			Extensions:   e,
			TLSVersMin:   h.Versions[0],
			TLSVersMax:   h.Versions[len(h.Versions)-1],
		},
		share:  classical(shares),
		shares: shares,
		keys:   private,
	}, nil
}

// golang is the hello of the library itself, which is that of an older crypto/tls.
func golang(h *transport.Handshake) (*hello, error) {
	c := h.Config
	switch {
	case len(c.KeyShares) > 0:
		return nil, refuse("KeyShares", "cannot be chosen in the profile golang")
	case len(c.Groups) > 0:
		return nil, refuse("Groups", "cannot be chosen in the profile golang")
	case c.SignatureAlgorithms != nil:
		return nil, refuse("SignatureAlgorithms", "cannot be chosen in the profile golang")
	case c.OmitRenegotiationInfo:
		return nil, refuse("OmitRenegotiationInfo", "cannot be done in the profile golang")
	case int(h.Versions[len(h.Versions)-1]-h.Versions[0]) != len(h.Versions)-1:
		return nil, refuse("Versions", "cannot have gaps in the profile golang")
	}
	return &hello{id: utls.HelloGolang}, nil
}

// resumes returns the session if it can be offered with this hello: if the server
// chose a group then whose share is in it.
func (l *hello) resumes(r *remembered) *remembered {
	if r == nil || r.group == 0 || l.shares == nil || slices.Contains(l.shares, r.group) {
		return r
	}
	return nil
}

// chooseShares picks the groups to send shares of: those wanted, or the first ones,
// as far as the library keeps their private keys.
func chooseShares(groups, wanted []transport.Group) []transport.Group {
	if len(wanted) == 0 {
		wanted = groups
	}
	curve := classical(wanted)
	var out []transport.Group
	if slices.Contains(wanted, transport.X25519MLKEM768) {
		out = append(out, transport.X25519MLKEM768)
		curve = 0
		if slices.Contains(wanted, transport.X25519) {
			curve = transport.X25519
		}
	}
	if curve != 0 {
		out = append(out, curve)
	}
	// Shares go in the order of the groups (RFC 8446 §4.2.8).
	slices.SortFunc(out, func(a, b transport.Group) int { return slices.Index(groups, a) - slices.Index(groups, b) })
	return out
}

// withShare makes g one of the shares.
func withShare(shares []transport.Group, g transport.Group) []transport.Group {
	if slices.Contains(shares, g) {
		return shares
	}
	return []transport.Group{g}
}

// classical returns the first curve of the groups, or 0.
func classical(groups []transport.Group) transport.Group {
	for _, g := range groups {
		if g.Classical() {
			return g
		}
	}
	return 0
}

func keyShares(groups []transport.Group) []utls.KeyShare {
	var out []utls.KeyShare
	for _, g := range groups {
		out = append(out, utls.KeyShare{Group: utls.CurveID(g)})
	}
	return out
}

// join makes the keys where X25519 has a share beside that of the hybrid, the same one for
// both, as crypto/tls does: one is cheaper than two. Otherwise it leaves them to the library.
func join(shares []utls.KeyShare) (*keys, error) {
	at := func(g transport.Group) int {
		return slices.IndexFunc(shares, func(s utls.KeyShare) bool { return s.Group == utls.CurveID(g) })
	}
	curve, hybrid := at(transport.X25519), at(transport.X25519MLKEM768)
	if curve < 0 || hybrid < 0 {
		return nil, nil
	}
	key, err := ecdh.X25519().GenerateKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	kem, err := mlkem.GenerateKey768()
	if err != nil {
		return nil, err
	}
	shares[curve].Data = key.PublicKey().Bytes()
	shares[hybrid].Data = append(kem.EncapsulationKey().Bytes(), shares[curve].Data...)
	return &keys{Ecdhe: key, Mlkem: kem, MlkemEcdhe: key}, nil
}

func suites(h *transport.Handshake, old, tls13 bool) []uint16 {
	list := h.Suites
	if list == nil {
		list = defaultSuites
	}
	return slices.DeleteFunc(slices.Clone(list), func(id uint16) bool {
		if id>>8 == 0x13 {
			return !tls13
		}
		return !old
	})
}

// signatures are the schemes to offer; nil: the extension is left out.
func signatures(h *transport.Handshake) []tls.SignatureScheme {
	if h.Config.SignatureAlgorithms != nil {
		return h.Config.SignatureAlgorithms
	}
	if h.Versions[0] < tls.VersionTLS12 {
		return append(slices.Clone(defaultSignatures), legacySignatures...)
	}
	return defaultSignatures
}

// offers tells whether TLS 1.2 or older, and TLS 1.3, are among the versions.
func offers(versions []uint16) (old, tls13 bool) {
	return versions[0] < tls.VersionTLS13, versions[len(versions)-1] == tls.VersionTLS13
}

func newestFirst(versions []uint16) []uint16 {
	out := slices.Clone(versions)
	slices.Reverse(out)
	return out
}

// sni is the name to send: an address has none (RFC 6066 §3), and neither has a
// name its final dot.
func sni(name string) string {
	name = strings.TrimSuffix(name, ".")
	if _, err := netip.ParseAddr(strings.Trim(name, "[]")); err == nil {
		return ""
	}
	return name
}

func unknownProfile(name string) error {
	return refuse("ClientHello", fmt.Sprintf("no profile %q; known are %s", name[:min(len(name), 64)], strings.Join(Profiles(), ", ")))
}
