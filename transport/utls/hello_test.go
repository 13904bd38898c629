package utls_test

import (
	"crypto/tls"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/parley-mail/parley/internal/certs"
	"github.com/parley-mail/parley/transport"
	"github.com/parley-mail/parley/transport/internal/tlstest"
	"github.com/parley-mail/parley/transport/utls"
)

const host = "mx.example"

var authority = sync.OnceValue(func() *certs.CA {
	ca, err := certs.NewCA()
	if err != nil {
		panic(err)
	}
	return ca
})

func issue(o certs.Options) tls.Certificate {
	o.Hosts = []string{host}
	c, err := authority().Issue(o)
	if err != nil {
		panic(err)
	}
	return c
}

var leaves = sync.OnceValue(func() []tls.Certificate {
	return []tls.Certificate{issue(certs.Options{}), issue(certs.Options{RSA: true})}
})

var roots = sync.OnceValue(authority().Pool)

func server(change ...func(*tls.Config)) *tls.Config {
	c := &tls.Config{Certificates: leaves(), MinVersion: tls.VersionTLS10}
	for _, f := range change {
		f(c)
	}
	return c
}

func upTo(version uint16) func(*tls.Config) { return func(c *tls.Config) { c.MaxVersion = version } }

func onlyGroup(g transport.Group) func(*tls.Config) {
	return func(c *tls.Config) { c.CurvePreferences = []tls.CurveID{tls.CurveID(g)} }
}

// config is c for the engine utls, found by "auto" if c shapes the hello.
func config(c transport.TLSConfig) *transport.TLSConfig {
	c.Engines = []transport.TLSEngine{utls.Engine{}}
	if len(c.Shapes()) == 0 {
		c.Engine = "utls"
	}
	c.ServerName = host
	if c.RootCAs == nil {
		c.RootCAs = roots()
	}
	return &c
}

func connect(t *testing.T, c *transport.TLSConfig, server *tls.Config) (*tlstest.Link, transport.Security) {
	t.Helper()
	l := tlstest.Dial(t, server, false)
	s, err := l.StartTLS(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	if s.Engine != "utls" || !s.Verified {
		t.Errorf("%v by engine %s", s, s.Engine)
	}
	l.Echo(t)
	return l, s
}

func refused(t *testing.T, c *transport.TLSConfig, server *tls.Config, reason transport.Reason) {
	t.Helper()
	l := tlstest.Dial(t, server, false)
	if s, err := l.StartTLS(t.Context(), c); !errors.Is(err, reason) {
		t.Errorf("%v, %v; want: %v", s, err, reason)
	}
}

// Every list goes on the wire as it is, in its order.
func TestHelloIsExactlyAsConfigured(t *testing.T) {
	c := config(transport.TLSConfig{
		Versions:            []uint16{tls.VersionTLS11, tls.VersionTLS13},
		CipherSuites:        []uint16{tls.TLS_CHACHA20_POLY1305_SHA256, tls.TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA, tls.TLS_AES_128_GCM_SHA256},
		Groups:              []transport.Group{transport.P384, transport.X25519, transport.P256},
		KeyShares:           []transport.Group{transport.P256},
		SignatureAlgorithms: []tls.SignatureScheme{tls.ECDSAWithP256AndSHA256, tls.PSSWithSHA512, tls.PSSWithSHA256},
		NextProtos:          []string{"smtp", "x"},
	})
	l, s := connect(t, c, server())
	hello := l.Hellos(t)[0]
	want := tlstest.Hello{
		Legacy: tls.VersionTLS12, ServerName: host,
		Suites: c.CipherSuites, Versions: []uint16{tls.VersionTLS13, tls.VersionTLS11},
		Groups: c.Groups, KeyShares: c.KeyShares, Signatures: c.SignatureAlgorithms, Protocols: c.NextProtos,
		Extensions: []uint16{0, 5, 10, 11, 13, 23, 65281, 16, 18, 43, 51, 45},
	}
	if diff := cmp.Diff(want, hello); diff != "" {
		t.Error(diff)
	}
	if s.CipherSuite != tls.TLS_CHACHA20_POLY1305_SHA256 && s.CipherSuite != tls.TLS_AES_128_GCM_SHA256 || s.Group != transport.P256 || s.KeyShare != transport.P256 {
		t.Errorf("%v, share %v", s, s.KeyShare)
	}
}

func TestSettingsOneByOne(t *testing.T) {
	const v11, v12, v13 = tls.VersionTLS11, tls.VersionTLS12, tls.VersionTLS13
	hybrid := transport.X25519MLKEM768
	for _, c := range []struct {
		name   string
		config transport.TLSConfig
		server *tls.Config
		check  func(h *tlstest.Hello, s transport.Security) bool
	}{
		{"gap in versions", transport.TLSConfig{Versions: []uint16{v11, v13}}, server(upTo(v11)), func(h *tlstest.Hello, s transport.Security) bool {
			return slices.Equal(h.Versions, []uint16{v13, v11}) && s.Version == v11
		}},
		{"TLS 1.3 alone has no trace of the past", transport.TLSConfig{MinVersion: v13}, server(), func(h *tlstest.Hello, s transport.Security) bool {
			return !h.Has(11) && !h.Has(23) && !h.Has(35) && !slices.ContainsFunc(h.Suites, func(id uint16) bool { return id>>8 != 0x13 })
		}},
		{"TLS 1.2 alone has no trace of the future", transport.TLSConfig{MaxVersion: v12}, server(), func(h *tlstest.Hello, s transport.Security) bool {
			return !h.Has(51) && !h.Has(45) && !h.Has(41) && !slices.Contains(h.Groups, hybrid)
		}},
		{"one suite of TLS 1.3", transport.TLSConfig{CipherSuites: []uint16{tls.TLS_AES_256_GCM_SHA384}}, server(), func(h *tlstest.Hello, s transport.Security) bool {
			return slices.Equal(h.Suites, []uint16{tls.TLS_AES_256_GCM_SHA384}) && s.CipherSuite == tls.TLS_AES_256_GCM_SHA384
		}},
		{"the first curve is the share", transport.TLSConfig{Groups: []transport.Group{transport.P521, transport.X25519}}, server(), func(h *tlstest.Hello, s transport.Security) bool {
			return slices.Equal(h.KeyShares, []transport.Group{transport.P521}) && s.KeyShare == transport.P521
		}},
		{"of two curves the first is the share", transport.TLSConfig{KeyShares: []transport.Group{transport.P256, transport.X25519}}, server(onlyGroup(transport.X25519)), func(h *tlstest.Hello, s transport.Security) bool {
			return slices.Equal(h.KeyShares, []transport.Group{transport.P256}) && s.Group == transport.X25519 && s.KeyShare == transport.P256
		}},
		{"hybrid beside X25519", transport.TLSConfig{Groups: []transport.Group{hybrid, transport.X25519}}, server(), func(h *tlstest.Hello, s transport.Security) bool {
			return slices.Equal(h.KeyShares, []transport.Group{hybrid, transport.X25519}) && s.Group == hybrid
		}},
		{"X25519 beside the hybrid", transport.TLSConfig{Groups: []transport.Group{hybrid, transport.X25519}}, server(onlyGroup(transport.X25519)), func(h *tlstest.Hello, s transport.Security) bool {
			return s.Group == transport.X25519 && s.KeyShare == transport.X25519
		}},
		{"hybrid alone when the other is P-256", transport.TLSConfig{Groups: []transport.Group{hybrid, transport.P256}}, server(onlyGroup(transport.P256)), func(h *tlstest.Hello, s transport.Security) bool {
			return slices.Equal(h.KeyShares, []transport.Group{hybrid}) && s.Group == transport.P256 && s.KeyShare == 0
		}},
		{"the hybrid alone", transport.TLSConfig{Groups: []transport.Group{hybrid}}, server(), func(h *tlstest.Hello, s transport.Security) bool {
			return slices.Equal(h.KeyShares, []transport.Group{hybrid}) && s.Group == hybrid
		}},
		{"no renegotiation_info", transport.TLSConfig{OmitRenegotiationInfo: true}, server(), func(h *tlstest.Hello, s transport.Security) bool {
			return !h.Has(tlstest.ExtensionRenegotiationInfo)
		}},
		{"renegotiation_info", transport.TLSConfig{}, server(), func(h *tlstest.Hello, s transport.Security) bool {
			return h.Has(tlstest.ExtensionRenegotiationInfo)
		}},
		{"SHA-1 for the old only", transport.TLSConfig{MinVersion: tls.VersionTLS10}, server(upTo(v11)), func(h *tlstest.Hello, s transport.Security) bool {
			return slices.Contains(h.Signatures, tls.PKCS1WithSHA1) && s.Version == v11
		}},
		{"no SHA-1 otherwise", transport.TLSConfig{}, server(), func(h *tlstest.Hello, s transport.Security) bool {
			return !slices.Contains(h.Signatures, tls.PKCS1WithSHA1)
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			l, s := connect(t, config(c.config), c.server)
			if hello := l.Hellos(t)[0]; !c.check(&hello, s) {
				t.Errorf("%+v\n%+v, share %v", hello, s, s.KeyShare)
			}
		})
	}
}

// A group without a share is reached by a retry (RFC 8446 §4.1.4), in TLS 1.2 without.
func TestRetry(t *testing.T) {
	for _, g := range []transport.Group{transport.X25519, transport.P256, transport.P384, transport.P521} {
		share := transport.P256
		if g == share {
			share = transport.X25519
		}
		c := config(transport.TLSConfig{KeyShares: []transport.Group{share}})
		l, s := connect(t, c, server(onlyGroup(g)))
		hellos := l.Hellos(t)
		if len(hellos) != 2 || !slices.Equal(hellos[1].KeyShares, []transport.Group{g}) || s.Group != g || s.KeyShare != share {
			t.Errorf("%v: %+v, %v", g, hellos, s)
		}
		c.MaxVersion = tls.VersionTLS12
		if l, s := connect(t, c, server(onlyGroup(g))); len(l.Hellos(t)) != 1 || s.Group != g || s.KeyShare != 0 {
			t.Errorf("%v in TLS 1.2: %v, share %v", g, s, s.KeyShare)
		}
	}
}

// What the library cannot do is refused before an octet is sent.
func TestWhatCannotBeDoneIsRefused(t *testing.T) {
	for name, c := range map[string]transport.TLSConfig{
		"X448":                       {Groups: []transport.Group{transport.X25519, transport.X448}},
		"ffdhe share":                {KeyShares: []transport.Group{transport.FFDHE2048}},
		"share not among the groups": {Groups: []transport.Group{transport.X25519}, KeyShares: []transport.Group{transport.P256}},
		"hybrid without a share":     {Groups: []transport.Group{transport.X25519MLKEM768, transport.X25519}, KeyShares: []transport.Group{transport.X25519}},
		"suite unknown":              {CipherSuites: []uint16{0x1304}},
		"profile unknown":            {ClientHello: "netscape"},
		"Base":                       {Base: &tls.Config{}},
		"golang, shares":             {ClientHello: "golang", KeyShares: []transport.Group{transport.X25519}},
		"golang, groups":             {ClientHello: "golang", Groups: []transport.Group{transport.X25519}},
		"golang, signatures":         {ClientHello: "golang", SignatureAlgorithms: []tls.SignatureScheme{tls.Ed25519}},
		"golang, renegotiation":      {ClientHello: "golang", OmitRenegotiationInfo: true},
		"golang, gap":                {ClientHello: "golang", Versions: []uint16{tls.VersionTLS11, tls.VersionTLS13}},
		"profile without 1.3":        {ClientHello: "ios-13", MinVersion: tls.VersionTLS13, CipherSuites: []uint16{tls.TLS_RSA_WITH_RC4_128_SHA}},
		"profile too new":            {ClientHello: "android", MinVersion: tls.VersionTLS13},
		"profile without the suite":  {ClientHello: "android", MinCipherBits: 999},
	} {
		t.Run(name, func(t *testing.T) { refused(t, config(c), server(), transport.ReasonConfig) })
	}
}

// Invariant: with the same settings the two engines offer the same versions, suites and
// groups to choose from, so that "auto" may move between them.
func TestDefaultsAreThoseOfStd(t *testing.T) {
	hello := func(engine string) tlstest.Hello {
		c := config(transport.TLSConfig{})
		c.Engine = engine
		l := tlstest.Dial(t, server(), false)
		if _, err := l.StartTLS(t.Context(), c); err != nil {
			t.Fatal(err)
		}
		h := l.Hellos(t)[0]
		slices.Sort(h.Suites)
		return h
	}
	std, own := hello("std"), hello("utls")
	if diff := cmp.Diff(std.Suites, own.Suites); diff != "" {
		t.Errorf("suites (-std +utls):\n%s", diff)
	}
	if diff := cmp.Diff(std.Versions, own.Versions); diff != "" {
		t.Errorf("versions (-std +utls):\n%s", diff)
	}
	// The library lags behind in hybrids.
	known := slices.DeleteFunc(slices.Clone(std.Groups), func(g transport.Group) bool {
		return g == transport.SecP256r1MLKEM768 || g == transport.SecP384r1MLKEM1024
	})
	if diff := cmp.Diff(known, own.Groups); diff != "" {
		t.Errorf("groups (-std +utls):\n%s", diff)
	}
	for _, s := range own.Signatures {
		if !slices.Contains(std.Signatures, s) {
			t.Errorf("offers %v, std does not", s)
		}
	}
}

// A panic stands for whatever the library may stumble over.
func TestPanicIsAnError(t *testing.T) {
	for _, profile := range []string{"", "chrome", "golang"} {
		c := config(transport.TLSConfig{ClientHello: profile, VerifyPeer: func(transport.Peer) error { panic("no room") }})
		l := tlstest.Dial(t, server(), false)
		if _, err := l.StartTLS(t.Context(), c); !errors.Is(err, transport.ReasonInternal) || !strings.Contains(err.Error(), "no room") {
			t.Errorf("%v", err)
		}
	}
}

// clumsy is a key log that panics. The library calls it under a lock.
type clumsy struct{}

func (clumsy) Write([]byte) (int, error) { panic("no room") }

func TestPanicOfTheKeyLog(t *testing.T) {
	for range 2 { // the second would wait for the lock
		refused(t, config(transport.TLSConfig{KeyLogWriter: clumsy{}}), server(), transport.ReasonInternal)
	}
}

// The engine is found by need: std unless the hello is shaped.
func TestAutoChoosesByNeed(t *testing.T) {
	for want, c := range map[string]transport.TLSConfig{
		"std":  {MinVersion: tls.VersionTLS12, NextProtos: []string{"smtp"}, MinCipherBits: 128},
		"utls": {Groups: []transport.Group{transport.X25519}},
	} {
		for _, engine := range []string{"", "auto"} {
			c.Engine, c.Engines, c.ServerName, c.RootCAs = engine, []transport.TLSEngine{utls.Engine{}}, host, roots()
			l := tlstest.Dial(t, server(), false)
			if s, err := l.StartTLS(t.Context(), &c); err != nil || s.Engine != want {
				t.Errorf("%q: %v, %v; want %s", engine, s.Engine, err, want)
			}
		}
	}
	c := config(transport.TLSConfig{Groups: []transport.Group{transport.X25519}})
	for _, c.Engine = range []string{"std", "bogus"} {
		refused(t, c, server(), transport.ReasonConfig)
	}
	c.Engine, c.Engines = "auto", nil
	refused(t, c, server(), transport.ReasonConfig)
}
