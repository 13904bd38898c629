package parley_test

import (
	"crypto/tls"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/parley-mail/parley"
	"github.com/parley-mail/parley/events"
	"github.com/parley-mail/parley/internal/certs"
	"github.com/parley-mail/parley/internal/sink"
	"github.com/parley-mail/parley/internal/smtptest"
	"github.com/parley-mail/parley/transport"
)

// hellos keeps the client hellos that a server saw.
type hellos struct {
	mu  sync.Mutex
	all []*tls.ClientHelloInfo
}

func (h *hellos) watch(c *tls.Config) {
	c.GetConfigForClient = func(info *tls.ClientHelloInfo) (*tls.Config, error) {
		h.mu.Lock()
		defer h.mu.Unlock()
		h.all = append(h.all, info)
		return nil, nil
	}
}

func (h *hellos) last() *tls.ClientHelloInfo {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.all[len(h.all)-1]
}

// shaping returns a class that starts TLS, and what the server sees of it.
func shaping(t *testing.T, set ...func(*tls.Config)) (*parley.SMTP, *smtptest.Peer, *hellos) {
	ca, h := authority(t), &hellos{}
	s, peer := presenting(t, issue(t, ca, certs.Options{}), append(set, h.watch)...)
	s.TLSConfig = &transport.TLSConfig{RootCAs: ca.Pool()}
	return s, peer, h
}

// fails tests that a session cannot be had with the settings, for lack of TLS or of sense.
func fails(t *testing.T, settings ...string) {
	t.Helper()
	s, _, _ := shaping(t)
	sets(t, s, settings...)
	if err := s.Connect(t.Context()); !errors.Is(err, parley.ErrMisuse) && !errors.Is(err, parley.ErrTLS) {
		t.Errorf("%q: %v", settings, err)
	}
}

// engine returns the name of the engine of the last handshake.
func engine(s *parley.SMTP) *string {
	var name string
	s.Events.Subscribe(events.Of(events.KindSecured), func(e events.Event) { name = e.(*events.Secured).Engine })
	return &name
}

var shapeRows = rowTests{
	"setting/SSLEnabledProtocols": func(t *testing.T) {
		s, peer, h := shaping(t, func(c *tls.Config) { c.MinVersion = tls.VersionTLS10 })
		for _, c := range []struct {
			bits string
			want []uint16
		}{
			{"15360", []uint16{tls.VersionTLS13, tls.VersionTLS12}},
			{"3072", []uint16{tls.VersionTLS12}},
			{"2048", []uint16{tls.VersionTLS12}}, // the client's bit alone
			{"12288", []uint16{tls.VersionTLS13}},
			{"4032", []uint16{tls.VersionTLS12, tls.VersionTLS11, tls.VersionTLS10}},
			{"13056", []uint16{tls.VersionTLS13, tls.VersionTLS11}}, // with a gap
			{"15420", []uint16{tls.VersionTLS13, tls.VersionTLS12}}, // SSL 2 and 3 beside
		} {
			sets(t, s, "SSLEnabledProtocols="+c.bits)
			send(t, s, peer)
			got := slices.DeleteFunc(slices.Clone(h.last().SupportedVersions), func(v uint16) bool { return v&0x0f0f == 0x0a0a })
			if !slices.Equal(got, c.want) {
				t.Errorf("%s: offered %x, want %x", c.bits, got, c.want)
			}
		}
		fails(t, "SSLEnabledProtocols=60")
		fails(t, "SSLEnabledProtocols=3075")
	},
	"setting/SSLCipherStrength": func(t *testing.T) {
		s, peer, h := shaping(t)
		sets(t, s, "SSLEnabledProtocols=3072", "SSLCipherStrength=256")
		send(t, s, peer)
		for _, id := range h.last().CipherSuites {
			if bits := transport.SuiteBits(id); bits != 0 && bits < 256 {
				t.Errorf("offered %s", tls.CipherSuiteName(id))
			}
		}
		weak, _, _ := shaping(t, func(c *tls.Config) { c.CipherSuites = []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256} })
		sets(t, weak, "SSLEnabledProtocols=3072", "SSLCipherStrength=256")
		if _, err := weak.Send(t.Context()); !errors.Is(err, parley.ErrTLS) {
			t.Errorf("a server that has 128 bits: %v", err)
		}
	},
	"setting/SSLEnabledCipherSuites": func(t *testing.T) {
		s, peer, h := shaping(t)
		sets(t, s, "SSLEnabledProtocols=3072", "SSLEnabledCipherSuites=TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384;TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384")
		send(t, s, peer)
		if got := suites(h.last()); !slices.Equal(got, []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384}) {
			t.Errorf("offered %x", got)
		}
		sets(t, s, "SSLEnabledProtocols=12288", "SSLEnabledCipherSuites=TLS_CHACHA20_POLY1305_SHA256")
		send(t, s, peer)
		if got := reads(t, s, "SSLNegotiatedCipherSuite"); got != "TLS_CHACHA20_POLY1305_SHA256" {
			t.Errorf("of TLS 1.3: %s", got)
		}
		fails(t, "SSLEnabledCipherSuites=TLS_NO_SUCH_SUITE")
		fails(t, "SSLEnabledCipherSuites=;")
		fails(t, "SSLEnabledCipherSuites=TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384", "OpenSSLCipherList=AES128-SHA")
	},
	"setting/OpenSSLCipherList": func(t *testing.T) {
		s, peer, h := shaping(t)
		sets(t, s, "SSLEnabledProtocols=3072", "OpenSSLCipherList=ECDHE+AESGCM:!AES128:!aRSA")
		send(t, s, peer)
		if got := suites(h.last()); !slices.Equal(got, []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384}) {
			t.Errorf("offered %x", got)
		}
		fails(t, "OpenSSLCipherList=NOSUCHTHING")
		fails(t, "OpenSSLCipherList=AESGCM:!ALL")
	},
	"setting/TLS12SignatureAlgorithms": func(t *testing.T) {
		s, peer, h := shaping(t)
		sets(t, s, "SSLEnabledProtocols=3072", "TLS12SignatureAlgorithms=sha384-ecdsa,sha256-ecdsa")
		send(t, s, peer)
		if got, want := h.last().SignatureSchemes, []tls.SignatureScheme{tls.ECDSAWithP384AndSHA384, tls.ECDSAWithP256AndSHA256}; !slices.Equal(got, want) {
			t.Errorf("offered %v, want %v", got, want)
		}
		fails(t, "SSLEnabledProtocols=3072", "TLS12SignatureAlgorithms=sha256-rsa") // the leaf is signed by ECDSA
		fails(t, "SSLEnabledProtocols=3072", "TLS12SignatureAlgorithms=sha256-dsa")
	},
	"setting/TLS13SignatureAlgorithms": func(t *testing.T) {
		s, peer, h := shaping(t)
		sets(t, s, "SSLEnabledProtocols=12288", "TLS13SignatureAlgorithms=ecdsa_secp384r1_sha384,ecdsa_secp256r1_sha256,ed25519")
		send(t, s, peer)
		if got, want := h.last().SignatureSchemes, []tls.SignatureScheme{tls.ECDSAWithP384AndSHA384, tls.ECDSAWithP256AndSHA256, tls.Ed25519}; !slices.Equal(got, want) {
			t.Errorf("offered %v, want %v", got, want)
		}
		fails(t, "TLS13SignatureAlgorithms=ed448")
	},
	"setting/TLS12SupportedGroups": groupRow("SSLEnabledProtocols=3072", "TLS12SupportedGroups=ecdhe_secp384r1,ecdhe_secp256r1", tls.CurveP384, tls.CurveP256),
	"setting/TLS13SupportedGroups": func(t *testing.T) {
		groupRow("SSLEnabledProtocols=12288", "TLS13SupportedGroups=ecdhe_secp521r1,ecdhe_x25519", tls.CurveP521, tls.X25519)(t)
		fails(t, "TLS13SupportedGroups=ecdhe_x448")
		fails(t, "TLS13SupportedGroups=ffdhe_2048")
		fails(t, "TLS13SupportedGroups=nonsense")
	},
	"setting/TLS13KeyShareGroups": func(t *testing.T) {
		for share, want := range map[string]int{"ecdhe_secp384r1": 1, "ecdhe_x25519": 2} { // the server wants P-384
			s, peer, _ := shaping(t, func(c *tls.Config) { c.CurvePreferences = []tls.CurveID{tls.CurveP384} })
			sets(t, s, "SSLEnabledProtocols=12288", "TLS13SupportedGroups=ecdhe_x25519,ecdhe_secp384r1", "TLS13KeyShareGroups="+share, "LogSSLPackets=True")
			hellos := 0
			s.OnSSLStatus = func(e *events.SSLStatus) { hellos += strings.Count(e.Message, "> handshake") } // in clear, so hellos
			send(t, s, peer)
			if hellos != want || reads(t, s, "SSLNegotiatedKeyExchange") != "P-384" {
				t.Errorf("share of %s: %d hellos, want %d; %s", share, hellos, want, reads(t, s, "SSLNegotiatedKeyExchange"))
			}
		}
	},
	"setting/SSLEnableRenegotiation": func(t *testing.T) {
		for setting, want := range map[string]bool{"True": true, "False": false} {
			s, peer, h := shaping(t)
			sets(t, s, "SSLEnabledProtocols=3072", "SSLEnableRenegotiation="+setting)
			send(t, s, peer)
			hello := h.last()
			if got := slices.Contains(hello.Extensions, 0xff01) || slices.Contains(hello.CipherSuites, 0x00ff); got != want {
				t.Errorf("%s: renegotiation_info is there: %v", setting, got)
			}
		}
	},
	"setting/ReuseSSLSession": func(t *testing.T) {
		for setting, want := range map[string]bool{"True": true, "False": false} {
			s, peer, _ := shaping(t)
			sets(t, s, "ReuseSSLSession="+setting)
			if send(t, s, peer).TLS.DidResume {
				t.Errorf("%s: the first one is resumed", setting)
			}
			if got := send(t, s, peer).TLS.DidResume; got != want {
				t.Errorf("%s: the second one is resumed: %v", setting, got)
			}
		}
	},
	"setting/OpenSSLPrngSeedData": func(t *testing.T) {
		s, peer, _ := shaping(t)
		sets(t, s, "OpenSSLPrngSeedData=some more")
		send(t, s, peer)
		if !parley.Seeds(s) {
			t.Error("the seed does not reach TLS")
		}
		sets(t, s, "OpenSSLPrngSeedData=")
		if parley.Seeds(s) {
			t.Error("seeded without a seed")
		}
	},
	"setting/UseInternalSecurityAPI": func(t *testing.T) {
		for setting, want := range map[string]string{"auto": "std", "True": "utls", "False": "std"} {
			s, peer, _ := shaping(t)
			name := engine(s)
			sets(t, s, "UseInternalSecurityAPI="+setting)
			if send(t, s, peer); *name != want {
				t.Errorf("%s: engine %s", setting, *name)
			}
		}
		fails(t, "UseInternalSecurityAPI=False", "TLS13SupportedGroups=ecdhe_x25519") // which std cannot do
	},
	"setting/SSLProvider": func(t *testing.T) {
		for setting, want := range map[string]string{"*": "std", "utls": "utls", "crypto/tls": "std"} {
			s, peer, _ := shaping(t)
			name := engine(s)
			sets(t, s, "SSLProvider="+setting)
			if send(t, s, peer); *name != want {
				t.Errorf("%s: engine %s", setting, *name)
			}
		}
		fails(t, "SSLProvider=schannel")
	},
	"setting/LogSSLPackets": func(t *testing.T) {
		for _, provider := range []string{"crypto/tls", "utls"} {
			s, peer, _ := shaping(t)
			var log []string
			s.OnSSLStatus = func(e *events.SSLStatus) { log = append(log, e.Message) }
			sets(t, s, "SSLProvider="+provider)
			send(t, s, peer)
			without := len(log)
			sets(t, s, "LogSSLPackets=True")
			send(t, s, peer)
			all := strings.Join(log[without:], "\n")
			if len(log)-without < without+5 || !strings.Contains(all, "> handshake") || !strings.Contains(all, "ServerHello") || strings.Contains(all, "hello\r") {
				t.Errorf("%s: %d lines without, then %q", provider, without, all)
			}
		}
	},
}

// suites are the suites offered, signalling values left out.
func suites(h *tls.ClientHelloInfo) []uint16 {
	return slices.DeleteFunc(slices.Clone(h.CipherSuites), func(id uint16) bool { return id == 0x00ff || id == 0x5600 || id&0x0f0f == 0x0a0a })
}

// groupRow tests that the groups are offered in this order.
func groupRow(protocols, setting string, want ...tls.CurveID) func(*testing.T) {
	return func(t *testing.T) {
		s, peer, h := shaping(t)
		sets(t, s, protocols, setting)
		send(t, s, peer)
		if got := h.last().SupportedCurves; !slices.Equal(got, want) {
			t.Errorf("offered %v, want %v", got, want)
		}
	}
}

// A row that says nothing leaves the caller's own TLS configuration as it is.
func TestRowsWeakenNothing(t *testing.T) {
	ca := authority(t)
	s, _ := class(t, func(s *sink.Server) {
		s.TLS = &tls.Config{Certificates: []tls.Certificate{issue(t, ca, certs.Options{})}, MaxVersion: tls.VersionTLS12}
	})
	s.SSLStartMode = parley.SSLExplicit
	s.TLSConfig = &transport.TLSConfig{RootCAs: ca.Pool(), MinVersion: tls.VersionTLS13}
	if _, err := s.Send(t.Context()); !errors.Is(err, parley.ErrTLS) {
		t.Errorf("TLS 1.2 although TLSConfig wants 1.3: %v", err)
	}
}
