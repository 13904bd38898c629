package utls_test

import (
	"crypto/tls"
	"slices"
	"testing"

	"github.com/parley-mail/parley/transport"
	"github.com/parley-mail/parley/transport/internal/tlstest"
	"github.com/parley-mail/parley/transport/utls"
)

// known are the profiles that must be there under these names for good.
var known = []string{
	"360", "android", "chrome", "chrome-100", "chrome-120", "chrome-131", "chrome-133", "edge", "edge-85",
	"firefox", "firefox-105", "firefox-120", "golang", "ios", "ios-13", "ios-14", "qq", "randomized", "safari", "safari-16",
}

func TestProfilesAreKnownByName(t *testing.T) {
	if got := utls.Profiles(); !slices.Equal(got, known) {
		t.Errorf("%q", got)
	}
}

func eachProfile(t *testing.T, f func(t *testing.T, profile string, version uint16)) {
	for _, profile := range utls.Profiles() {
		for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
			if profile == "360" || profile == "android" {
				if version == tls.VersionTLS13 {
					continue // they are older than that
				}
			}
			t.Run(profile+"/"+tls.VersionName(version), func(t *testing.T) { f(t, profile, version) })
		}
	}
}

// Every profile makes a link that works with a mail server: protocols are the
// configuration's, the exporter is there, and no version is offered that is not allowed.
func TestProfiles(t *testing.T) {
	eachProfile(t, func(t *testing.T, profile string, version uint16) {
		for _, protocols := range [][]string{nil, {"smtp"}} {
			l, s := connect(t, config(transport.TLSConfig{ClientHello: profile, NextProtos: protocols}),
				server(upTo(version), func(c *tls.Config) { c.NextProtos = []string{"smtp"} }))
			hello := l.Hellos(t)[0]
			if !slices.Equal(hello.Protocols, protocols) || hello.Has(tlstest.ExtensionALPS) || hello.Has(tlstest.ExtensionALPSNew) {
				t.Errorf("offers %q; extensions %d", hello.Protocols, hello.Extensions)
			}
			if hello.ServerName != host || hello.PSK {
				t.Errorf("%+v", hello)
			}
			if slices.ContainsFunc(hello.Versions, func(v uint16) bool { return v < tls.VersionTLS12 }) {
				t.Errorf("offers versions %x", hello.Versions)
			}
			if s.Version != version && profile != "randomized" || len(protocols) > 0 != (s.ALPN == "smtp") {
				t.Errorf("%v, ALPN %q", s, s.ALPN)
			}
			cs, _ := l.Server()
			want, err := cs.ExportKeyingMaterial("EXPORTER-Channel-Binding", nil, 32)
			if err != nil {
				// Some profiles of TLS 1.2 have no extended master secret.
				if _, own := s.ChannelBinding(transport.BindingExporter); own == nil {
					t.Errorf("an exporter that the server does not have: %v", err)
				}
				continue
			}
			if got, err := s.ChannelBinding(transport.BindingExporter); err != nil || !slices.Equal(got, want) {
				t.Errorf("tls-exporter %x, %v; the server's is %x", got, err, want)
			}
		}
	})
}

// No hello has a share of a group that it does not offer (RFC 8446 §4.2.8); servers refuse it.
func TestSharesAreOffered(t *testing.T) {
	profiles := slices.Concat(slices.Repeat([]string{"randomized"}, 100), utls.Profiles())
	for _, profile := range profiles {
		l, _ := connect(t, config(transport.TLSConfig{ClientHello: profile}), server())
		for _, hello := range l.Hellos(t) {
			for _, g := range hello.KeyShares {
				if !slices.Contains(hello.Groups, g) {
					t.Errorf("%s: a share of %v, offered are %v", profile, g, hello.Groups)
				}
			}
		}
	}
}

// The least version is kept although the profile offers older ones.
func TestProfilesKeepTheLeastVersion(t *testing.T) {
	for _, profile := range []string{"golang", "chrome", "chrome-100", "firefox", "safari", "ios", "qq"} {
		l, s := connect(t, config(transport.TLSConfig{ClientHello: profile, MinVersion: tls.VersionTLS13}), server())
		if hello := l.Hellos(t)[0]; !slices.Equal(hello.Versions, []uint16{tls.VersionTLS13}) || s.Version != tls.VersionTLS13 {
			t.Errorf("%s offers %x, agreed on %s", profile, hello.Versions, s.VersionName())
		}
		refused(t, config(transport.TLSConfig{ClientHello: profile, MinVersion: tls.VersionTLS13}), server(upTo(tls.VersionTLS12)), transport.ReasonAlert)
		l, s = connect(t, config(transport.TLSConfig{ClientHello: profile, MaxVersion: tls.VersionTLS12}), server())
		if hello := l.Hellos(t)[0]; slices.Contains(hello.Versions, tls.VersionTLS13) || hello.Has(tlstest.ExtensionKeyShare) || s.Version != tls.VersionTLS12 {
			t.Errorf("%s: %+v", profile, hello)
		}
	}
}

// A profile yields where the configuration is explicit.
func TestSettingsOverrideTheProfile(t *testing.T) {
	for _, profile := range []string{"chrome", "firefox", "safari"} {
		c := config(transport.TLSConfig{
			ClientHello:           profile,
			CipherSuites:          []uint16{tls.TLS_AES_256_GCM_SHA384, tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384},
			Groups:                []transport.Group{transport.P384, transport.X25519},
			KeyShares:             []transport.Group{transport.X25519},
			SignatureAlgorithms:   []tls.SignatureScheme{tls.ECDSAWithP256AndSHA256, tls.PSSWithSHA256},
			OmitRenegotiationInfo: true,
		})
		l, s := connect(t, c, server())
		hello := l.Hellos(t)[0]
		if !slices.Equal(hello.Suites, c.CipherSuites) || !slices.Equal(hello.Groups, c.Groups) || !slices.Equal(hello.KeyShares, c.KeyShares) ||
			!slices.Equal(hello.Signatures, c.SignatureAlgorithms) || hello.Has(tlstest.ExtensionRenegotiationInfo) {
			t.Errorf("%s: %+v", profile, hello)
		}
		if s.CipherSuite != tls.TLS_AES_256_GCM_SHA384 || s.KeyShare != transport.X25519 {
			t.Errorf("%s: %v", profile, s)
		}
		// Strength takes away, and keeps the profile's order.
		l, _ = connect(t, config(transport.TLSConfig{ClientHello: profile, MinCipherBits: 256}), server())
		for _, id := range l.Hellos(t)[0].Suites {
			if transport.SuiteBits(id) < 256 {
				t.Errorf("%s offers %s", profile, tls.CipherSuiteName(id))
			}
		}
		// Without signature algorithms TLS 1.2 is all that is left.
		c = config(transport.TLSConfig{ClientHello: profile, MaxVersion: tls.VersionTLS12, SignatureAlgorithms: []tls.SignatureScheme{}})
		l = tlstest.Dial(t, server(), false)
		l.StartTLS(t.Context(), c)
		if hello := l.Hellos(t)[0]; hello.Has(tlstest.ExtensionSignatures) {
			t.Errorf("%s: %+v", profile, hello)
		}
	}
}

// An address is not sent, in a profile neither.
func TestProfileWithoutName(t *testing.T) {
	c := config(transport.TLSConfig{ClientHello: "chrome", Forgive: transport.ForgiveWrongName})
	c.ServerName = "192.0.2.1"
	l := tlstest.Dial(t, server(), false)
	if _, err := l.StartTLS(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	if hello := l.Hellos(t)[0]; hello.Has(tlstest.ExtensionServerName) {
		t.Errorf("sent %q", hello.ServerName)
	}
}

// Sessions are resumed where the profile has a place for one: in TLS 1.3 always, since
// one is made; in TLS 1.2 if it offers tickets.
func TestProfilesResume(t *testing.T) {
	eachProfile(t, func(t *testing.T, profile string, version uint16) {
		if profile == "randomized" {
			t.Skip("is another one each time")
		}
		c := config(transport.TLSConfig{ClientHello: profile, Sessions: new(transport.SessionCache)})
		srv := server(upTo(version))
		l, _ := connect(t, c, srv)
		hello := l.Hellos(t)[0]
		for range 2 {
			l, s := connect(t, c, srv)
			want := version == tls.VersionTLS13 || hello.Has(tlstest.ExtensionSessionTicket)
			if s.Resumed != want {
				t.Errorf("resumed %v; %+v", s.Resumed, l.Hellos(t)[0])
			}
		}
	})
}

// A group is only offered if it could be used: the hybrid needs its share in the first
// hello.
func TestProfileWithholdsTheHybrid(t *testing.T) {
	c := config(transport.TLSConfig{ClientHello: "chrome", KeyShares: []transport.Group{transport.X25519}})
	l, s := connect(t, c, server())
	if hello := l.Hellos(t)[0]; slices.Contains(hello.Groups, transport.X25519MLKEM768) || s.Group != transport.X25519 {
		t.Errorf("%+v, %v", hello, s)
	}
}
