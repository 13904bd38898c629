package utls

import (
	"maps"
	"slices"

	utls "github.com/refraction-networking/utls"

	"github.com/parley-mail/parley/transport"
)

// profiles are the hellos that can be imitated. Those of the library that it
// declares broken or half done are not among them.
var profiles = map[string]utls.ClientHelloID{
	"chrome":      utls.HelloChrome_Auto,
	"chrome-100":  utls.HelloChrome_100,
	"chrome-120":  utls.HelloChrome_120,
	"chrome-131":  utls.HelloChrome_131,
	"chrome-133":  utls.HelloChrome_133,
	"firefox":     utls.HelloFirefox_Auto,
	"firefox-105": utls.HelloFirefox_105,
	"firefox-120": utls.HelloFirefox_120,
	"safari":      utls.HelloSafari_Auto,
	"safari-16":   utls.HelloSafari_16_0,
	"ios":         utls.HelloIOS_Auto,
	"ios-13":      utls.HelloIOS_13,
	"ios-14":      utls.HelloIOS_14,
	"edge":        utls.HelloEdge_Auto,
	"edge-85":     utls.HelloEdge_85,
	"android":     utls.HelloAndroid_11_OkHttp,
	"360":         utls.Hello360_Auto,
	"qq":          utls.HelloQQ_Auto,
	"randomized":  utls.HelloRandomized,
}

// Profiles returns the names that TLSConfig.ClientHello may have with this engine,
// in alphabetical order. A name without a number is the newest of its kind. What
// goes on the wire differs from the browser where SMTP needs it to: protocols
// offered, application settings, versions, key shares that could not be used, and
// a place for a session to resume.
func Profiles() []string {
	names := slices.AppendSeq([]string{"golang"}, maps.Keys(profiles))
	slices.Sort(names)
	return names
}

// randomTries is how many random hellos are thrown before it is admitted that none
// offers an allowed version.
const randomTries = 16

// profile makes the hello of a browser fit for mail.
func profile(h *transport.Handshake, name string) (*hello, error) {
	id, ok := profiles[name]
	if !ok {
		return nil, unknownProfile(name)
	}
	for try := 1; ; try++ {
		spec, err := utls.UTLSIdToSpec(id)
		if err != nil {
			return nil, refuse("ClientHello", err.Error())
		}
		l, err := adapt(h, &spec)
		if err == nil || id != utls.HelloRandomized || try == randomTries {
			return l, err
		}
	}
}

// adapt changes a browser's hello as the configuration and the library demand.
func adapt(h *transport.Handshake, spec *utls.ClientHelloSpec) (*hello, error) {
	c := h.Config
	l := &hello{id: utls.HelloCustom, spec: spec, shares: []transport.Group{}}
	var versions []uint16
	var alpn, psk bool
	extensions := spec.Extensions
	spec.Extensions = nil
	for _, e := range extensions {
		switch e := e.(type) {
		case *utls.ApplicationSettingsExtension, *utls.ApplicationSettingsExtensionNew, *utls.NPNExtension:
			continue // of no meaning for mail
		case *utls.SNIExtension:
			if sni(c.ServerName) == "" {
				continue
			}
		case *utls.ALPNExtension:
			if alpn = true; len(c.NextProtos) == 0 {
				continue
			}
			e.AlpnProtocols = slices.Clone(c.NextProtos)
		case *utls.RenegotiationInfoExtension:
			// Once renegotiation is possible there is no exporter.
			if c.OmitRenegotiationInfo {
				continue
			}
			e.Renegotiation = utls.RenegotiateNever
		case *utls.SupportedVersionsExtension:
			e.Versions = trim(e.Versions, h.Versions)
			versions = e.Versions
		case *utls.SupportedCurvesExtension:
			if len(c.Groups) > 0 {
				e.Curves = schemes[utls.CurveID](c.Groups)
			}
		case *utls.KeyShareExtension:
			e.KeyShares, l.shares = usableShares(c, e.KeyShares)
			l.share = classical(l.shares)
		case *utls.SignatureAlgorithmsExtension:
			if c.SignatureAlgorithms != nil {
				if len(c.SignatureAlgorithms) == 0 {
					continue
				}
				e.SupportedSignatureAlgorithms = schemes[utls.SignatureScheme](c.SignatureAlgorithms)
			}
		case utls.PreSharedKeyExtension:
			psk = true
		}
		spec.Extensions = append(spec.Extensions, e)
	}
	if versions == nil {
		versions = trim(spanned(spec), h.Versions)
	}
	versions = slices.DeleteFunc(slices.Clone(versions), grease)
	if len(versions) == 0 {
		return nil, refuse("ClientHello", "the profile offers no protocol version that is allowed")
	}
	spec.TLSVersMin, spec.TLSVersMax = slices.Min(versions), slices.Max(versions)
	old, tls13 := offers([]uint16{spec.TLSVersMin, spec.TLSVersMax})
	if len(c.CipherSuites) > 0 {
		spec.CipherSuites = suites(h, old, tls13)
	} else if h.Suites != nil {
		spec.CipherSuites = slices.DeleteFunc(spec.CipherSuites, func(id uint16) bool { return !grease(id) && !slices.Contains(h.Suites, id) })
	}
	if !slices.ContainsFunc(spec.CipherSuites, func(id uint16) bool { return !grease(id) }) {
		return nil, refuse("ClientHello", "the profile offers no cipher suite that is allowed")
	}
	if !tls13 {
		spec.Extensions = slices.DeleteFunc(spec.Extensions, only13)
		l.shares, l.share = nil, 0
	}
	dropStrays(spec, l)
	withholdHybrid(spec, l.shares)
	if !alpn && len(c.NextProtos) > 0 {
		spec.Extensions = slices.Insert(spec.Extensions, 0, utls.TLSExtension(&utls.ALPNExtension{AlpnProtocols: slices.Clone(c.NextProtos)}))
	}
	if h.Shelf != nil && tls13 && !psk {
		spec.Extensions = append(spec.Extensions, &utls.UtlsPreSharedKeyExtension{}) // must be the last
	}
	return l, nil
}

// usableShares keeps those key shares whose private keys the library keeps: one
// curve, and the hybrid with X25519 beside it or alone. GREASE stays.
func usableShares(c *transport.TLSConfig, in []utls.KeyShare) (out []utls.KeyShare, groups []transport.Group) {
	var offered []transport.Group
	for _, s := range in {
		if g := transport.Group(s.Group); computable(g) {
			offered = append(offered, g)
		}
	}
	switch {
	case len(c.KeyShares) > 0:
		offered = c.KeyShares
	case len(c.Groups) > 0:
		offered = c.Groups
	}
	groups = chooseShares(offered, nil)
	for _, s := range in {
		if grease(uint16(s.Group)) {
			out = append(out, s)
		}
	}
	return append(out, keyShares(groups)...), groups
}

// dropStrays takes out the shares of groups that are not offered, which a server must not
// find (RFC 8446 §4.2.8). A random hello may come with one.
func dropStrays(spec *utls.ClientHelloSpec, l *hello) {
	var groups []utls.CurveID
	for _, e := range spec.Extensions {
		if e, ok := e.(*utls.SupportedCurvesExtension); ok {
			groups = e.Curves
		}
	}
	for _, e := range spec.Extensions {
		if e, ok := e.(*utls.KeyShareExtension); ok {
			e.KeyShares = slices.DeleteFunc(e.KeyShares, func(s utls.KeyShare) bool {
				return !grease(uint16(s.Group)) && !slices.Contains(groups, s.Group)
			})
		}
	}
	l.shares = slices.DeleteFunc(l.shares, func(g transport.Group) bool { return !slices.Contains(groups, utls.CurveID(g)) })
	l.share = classical(l.shares)
}

// withholdHybrid takes the hybrid out of the groups that are offered when there is
// no share of it: the library cannot make one when the server then asks for it.
func withholdHybrid(spec *utls.ClientHelloSpec, shares []transport.Group) {
	if slices.Contains(shares, transport.X25519MLKEM768) {
		return
	}
	for _, e := range spec.Extensions {
		if groups, ok := e.(*utls.SupportedCurvesExtension); ok {
			groups.Curves = slices.DeleteFunc(slices.Clone(groups.Curves), func(id utls.CurveID) bool { return id == utls.X25519MLKEM768 })
		}
	}
}

// trim keeps the versions that are allowed, and GREASE.
func trim(versions, allowed []uint16) []uint16 {
	out := []uint16{}
	for _, v := range versions {
		if grease(v) || slices.Contains(allowed, v) {
			out = append(out, v)
		}
	}
	return out
}

// spanned are the versions of a hello without the supported_versions extension.
func spanned(spec *utls.ClientHelloSpec) (versions []uint16) {
	lo, hi := spec.TLSVersMin, spec.TLSVersMax
	if lo == 0 {
		lo = utls.VersionTLS10
	}
	if hi == 0 || hi > utls.VersionTLS12 {
		hi = utls.VersionTLS12
	}
	for v := lo; v <= hi; v++ {
		versions = append(versions, v)
	}
	return versions
}

// only13 tells the extensions that have no place without TLS 1.3.
func only13(e utls.TLSExtension) bool {
	switch e.(type) {
	case *utls.KeyShareExtension, *utls.PSKKeyExchangeModesExtension, utls.PreSharedKeyExtension:
		return true
	}
	return false
}

// grease tells the reserved values of RFC 8701.
func grease(v uint16) bool { return v>>8 == v&0xff && v&0x0f == 0x0a }
