package transport_test

import (
	"bytes"
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
)

// What the client says of the link is what the server says of it.
func TestBothSidesAgree(t *testing.T) {
	eachRun(t, func(t *testing.T, r run) {
		for _, version := range []uint16{tls.VersionTLS10, tls.VersionTLS11, tls.VersionTLS12, tls.VersionTLS13} {
			t.Run(tls.VersionName(version), func(t *testing.T) {
				l, s := r.connect(t, r.config(transport.TLSConfig{MinVersion: tls.VersionTLS10, NextProtos: []string{"smtp"}}),
					server(upTo(version), func(c *tls.Config) { c.NextProtos = []string{"smtp"} }))
				cs, err := l.Server()
				if err != nil {
					t.Fatal(err)
				}
				if s.Version != version || s.CipherSuite != cs.CipherSuite || s.ALPN != "smtp" || cs.ServerName != host || s.Resumed {
					t.Errorf("client: %+v\nserver: %+v", s, cs)
				}
				if s.Group != transport.Group(cs.CurveID) || s.Group == 0 {
					t.Errorf("group %v, the server's is %v", s.Group, cs.CurveID)
				}
				if !s.Verified || s.Trust != transport.TrustChain || s.Problem != nil || len(s.VerifiedChains) != 1 || len(s.VerifiedChains[0]) != 2 {
					t.Errorf("verified %v by %v, problem %v, chains %v", s.Verified, s.Trust, s.Problem, s.VerifiedChains)
				}
				sameBindings(t, s, cs)
				l.Close()
				sameBindings(t, s, cs) // they can be had afterwards too
			})
		}
	})
}

// sameBindings compares the channel bindings with the server's.
func sameBindings(t *testing.T, s transport.Security, cs tls.ConnectionState) {
	t.Helper()
	want, err := cs.ExportKeyingMaterial("EXPORTER-Channel-Binding", nil, 32)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := s.ChannelBinding(transport.BindingExporter); err != nil || !bytes.Equal(got, want) {
		t.Errorf("tls-exporter %x, %v; the server's is %x", got, err, want)
	}
	got, err := s.ChannelBinding(transport.BindingUnique)
	switch {
	case s.Version == tls.VersionTLS13:
		if !errors.Is(err, transport.ErrNoBinding) {
			t.Errorf("tls-unique in TLS 1.3: %x, %v", got, err)
		}
	case err != nil || !bytes.Equal(got, cs.TLSUnique):
		t.Errorf("tls-unique %x, %v; the server's is %x", got, err, cs.TLSUnique)
	}
	if got, err := s.ChannelBinding(transport.BindingServerEndPoint); err != nil || len(got) != 32 {
		t.Errorf("tls-server-end-point %x, %v", got, err)
	}
}

// No settings at all offer TLS 1.2 and 1.3, no protocol, and a way to say that
// renegotiation is safe.
func TestDefaultHello(t *testing.T) {
	eachRun(t, func(t *testing.T, r run) {
		l, s := r.connect(t, r.config(transport.TLSConfig{}), server())
		hello := l.Hellos(t)[0]
		if diff := cmp.Diff([]uint16{tls.VersionTLS13, tls.VersionTLS12}, hello.Versions); diff != "" {
			t.Error(diff)
		}
		if hello.ServerName != host || hello.Protocols != nil || hello.PSK || !hello.Has(tlstest.ExtensionRenegotiationInfo) {
			t.Errorf("%+v", hello)
		}
		if s.Group != transport.X25519MLKEM768 || s.CipherBits() < 128 || s.ALPN != "" {
			t.Errorf("%v", s)
		}
		for _, id := range hello.Suites {
			if strings.Contains(tls.CipherSuiteName(id), "RC4") || strings.Contains(tls.CipherSuiteName(id), "3DES") {
				t.Errorf("offers %s", tls.CipherSuiteName(id))
			}
		}
	})
}

func TestVersionsOnTheWire(t *testing.T) {
	const v10, v11, v12, v13 = tls.VersionTLS10, tls.VersionTLS11, tls.VersionTLS12, tls.VersionTLS13
	eachRun(t, func(t *testing.T, r run) {
		for _, c := range []struct {
			config transport.TLSConfig
			want   []uint16
		}{
			{transport.TLSConfig{MinVersion: v13}, []uint16{v13}},
			{transport.TLSConfig{MaxVersion: v12}, []uint16{v12}},
			{transport.TLSConfig{MinVersion: v11}, []uint16{v13, v12, v11}},
			{transport.TLSConfig{MinVersion: v10, MaxVersion: v11}, []uint16{v11, v10}},
			{transport.TLSConfig{Versions: []uint16{v12, v13}}, []uint16{v13, v12}},
			{transport.TLSConfig{Versions: []uint16{v11, v12, v13}, MinVersion: v12}, []uint16{v13, v12}},
			{transport.TLSConfig{CipherSuites: []uint16{tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256}}, []uint16{v12}},
		} {
			l, s := r.connect(t, r.config(c.config), server())
			hello := l.Hellos(t)[0]
			// Without the extension the version is the legacy one and what is below.
			if got := hello.Versions; got != nil && !slices.Equal(got, c.want) || got == nil && hello.Legacy != c.want[0] {
				t.Errorf("%+v: on the wire %x, legacy %x; want %x", c.config, got, hello.Legacy, c.want)
			}
			if s.Version != c.want[0] {
				t.Errorf("%+v: agreed on %s", c.config, s.VersionName())
			}
		}
	})
}

// The least version is kept, whatever the server can do.
func TestLeastVersion(t *testing.T) {
	eachRun(t, func(t *testing.T, r run) {
		e := r.fail(t, r.config(transport.TLSConfig{MinVersion: tls.VersionTLS13}), server(upTo(tls.VersionTLS12)))
		if e.Reason != transport.ReasonAlert || e.Alert != 70 {
			t.Errorf("%v", e)
		}
		e = r.fail(t, r.config(transport.TLSConfig{}), server(upTo(tls.VersionTLS11)))
		if e.Reason != transport.ReasonAlert && e.Reason != transport.ReasonVersion {
			t.Errorf("%v", e)
		}
	})
}

func TestSuitesOnTheWire(t *testing.T) {
	want := []uint16{tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256, tls.TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA}
	eachRun(t, func(t *testing.T, r run) {
		l, s := r.connect(t, r.config(transport.TLSConfig{CipherSuites: want}), server())
		got := l.Hellos(t)[0].Suites
		slices.Sort(got)
		sorted := slices.Sorted(slices.Values(want))
		if diff := cmp.Diff(sorted, got); diff != "" {
			t.Error(diff)
		}
		if !slices.Contains(want, s.CipherSuite) {
			t.Errorf("agreed on %s", s.SuiteName())
		}

		l, s = r.connect(t, r.config(transport.TLSConfig{MinCipherBits: 256, MaxVersion: tls.VersionTLS12}), server())
		for _, id := range l.Hellos(t)[0].Suites {
			if transport.SuiteBits(id) < 256 {
				t.Errorf("offers %s", tls.CipherSuiteName(id))
			}
		}
		if s.CipherBits() != 256 {
			t.Errorf("agreed on %s", s.SuiteName())
		}
		e := r.fail(t, r.config(transport.TLSConfig{MinCipherBits: 256, MaxVersion: tls.VersionTLS12}),
			server(func(c *tls.Config) { c.CipherSuites = []uint16{tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256} }))
		if e.Reason != transport.ReasonAlert || e.Alert != 40 {
			t.Errorf("%v", e)
		}
	})
}

// An RSA key exchange has no group, and says so.
func TestRSAKeyExchange(t *testing.T) {
	eachRun(t, func(t *testing.T, r run) {
		only := []uint16{tls.TLS_RSA_WITH_AES_256_GCM_SHA384}
		_, s := r.connect(t, r.config(transport.TLSConfig{CipherSuites: only}), server(upTo(tls.VersionTLS12), func(c *tls.Config) { c.CipherSuites = only }))
		if s.KeyExchange() != "RSA" || s.KeyExchangeBits() != 2048 || s.Group != 0 {
			t.Errorf("%v, %d bits", s, s.KeyExchangeBits())
		}
	})
}

func TestProtocols(t *testing.T) {
	eachRun(t, func(t *testing.T, r run) {
		speaks := func(c *tls.Config) { c.NextProtos = []string{"smtp"} }
		l, s := r.connect(t, r.config(transport.TLSConfig{NextProtos: []string{"x", "smtp"}}), server(speaks))
		if diff := cmp.Diff([]string{"x", "smtp"}, l.Hellos(t)[0].Protocols); diff != "" || s.ALPN != "smtp" {
			t.Errorf("%s, agreed on %q", diff, s.ALPN)
		}
		if e := r.fail(t, r.config(transport.TLSConfig{NextProtos: []string{"h2"}}), server(speaks)); e.Reason != transport.ReasonAlert || e.Alert != 120 {
			t.Errorf("%v", e)
		}
	})
}

// An address is verified and not sent (RFC 6066 §3).
func TestAddressAsName(t *testing.T) {
	eachRun(t, func(t *testing.T, r run) {
		l, s := r.connect(t, r.config(transport.TLSConfig{ServerName: "192.0.2.1"}), server())
		if hello := l.Hellos(t)[0]; hello.Has(tlstest.ExtensionServerName) || !s.Verified {
			t.Errorf("sent %q, %v", hello.ServerName, s)
		}
		l, s = r.connect(t, r.config(transport.TLSConfig{ServerName: host + "."}), server())
		if hello := l.Hellos(t)[0]; hello.ServerName != host || !s.Verified {
			t.Errorf("sent %q, %v", hello.ServerName, s)
		}
	})
}

func TestClientCertificates(t *testing.T) {
	kinds := map[string]tls.Certificate{
		"ecdsa": issue(t, certs.Options{Client: true, Hosts: []string{"client.example"}}),
		"rsa":   issue(t, certs.Options{Client: true, Hosts: []string{"client.example"}, RSA: true}),
	}
	demand := func(c *tls.Config) {
		c.ClientAuth, c.ClientCAs = tls.RequireAndVerifyClientCert, authority().Pool()
	}
	eachRun(t, func(t *testing.T, r run) {
		for kind, cert := range kinds {
			for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
				for _, callback := range []bool{false, true} {
					c := r.config(transport.TLSConfig{Certificates: []tls.Certificate{cert}})
					asked := 0
					if callback {
						c.Certificates = nil
						c.GetClientCertificate = func(i *tls.CertificateRequestInfo) (*tls.Certificate, error) {
							asked++
							if i.Version != version || len(i.AcceptableCAs) != 1 || len(i.SignatureSchemes) == 0 {
								t.Errorf("%+v", i)
							}
							return &cert, nil
						}
					}
					l, _ := r.connect(t, c, server(upTo(version), demand))
					cs, err := l.Server()
					if err != nil || len(cs.PeerCertificates) != 1 || !cs.PeerCertificates[0].Equal(cert.Leaf) {
						t.Errorf("%s, %s, callback %v: %v, %v", kind, tls.VersionName(version), callback, err, cs.PeerCertificates)
					}
					if callback && asked != 1 {
						t.Errorf("asked %d times", asked)
					}
				}
			}
		}
		// A server that only asks gets none, if there is none.
		for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
			l, _ := r.connect(t, r.config(transport.TLSConfig{}), server(upTo(version), func(c *tls.Config) { c.ClientAuth = tls.RequestClientCert }))
			if cs, err := l.Server(); err != nil || len(cs.PeerCertificates) != 0 {
				t.Errorf("%s: %v, %v", tls.VersionName(version), err, cs.PeerCertificates)
			}
		}
		e := r.fail(t, r.config(transport.TLSConfig{GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			return nil, errors.New("the card is not in its reader")
		}}), server(demand))
		if !strings.Contains(e.Error(), "the card is not in its reader") {
			t.Errorf("%v", e)
		}
	})
}

func TestKeyLogAndRecordLog(t *testing.T) {
	eachRun(t, func(t *testing.T, r run) {
		for version, label := range map[uint16]string{tls.VersionTLS12: "CLIENT_RANDOM ", tls.VersionTLS13: "CLIENT_TRAFFIC_SECRET_0 "} {
			var keys bytes.Buffer
			var mu sync.Mutex
			var log []string
			r.connect(t, r.config(transport.TLSConfig{
				KeyLogWriter: &keys,
				RecordLog: func(rec transport.TLSRecord) {
					mu.Lock()
					defer mu.Unlock()
					log = append(log, rec.String())
				},
			}), server(upTo(version)))
			if !strings.Contains(keys.String(), label) {
				t.Errorf("key log %q", keys.String())
			}
			mu.Lock()
			all := strings.Join(log, "\n")
			if !strings.HasPrefix(log[0], "> handshake 0x0301") || !strings.HasSuffix(log[0], ": ClientHello") {
				t.Errorf("the first record is %s", log[0])
			}
			for _, want := range []string{": ServerHello", "> application_data 0x0303", "< application_data 0x0303"} {
				if !strings.Contains(all, want) {
					t.Errorf("no %q in\n%s", want, all)
				}
			}
			mu.Unlock()
		}
	})
}

// A second handshake on the same link is refused, and does the link no harm.
func TestAlreadySecure(t *testing.T) {
	eachRun(t, func(t *testing.T, r run) {
		l, s := r.connect(t, r.config(transport.TLSConfig{}), server())
		again, err := l.StartTLS(t.Context(), r.config(transport.TLSConfig{}))
		if !errors.Is(err, transport.ReasonAlreadySecure) || again.Version != s.Version {
			t.Errorf("%v, %v", again, err)
		}
		l.Echo(t)
	})
}
