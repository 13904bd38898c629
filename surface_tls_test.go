package parley_test

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/parley-mail/parley"
	"github.com/parley-mail/parley/events"
	"github.com/parley-mail/parley/internal/certs"
	"github.com/parley-mail/parley/internal/sink"
	"github.com/parley-mail/parley/internal/smtptest"
	"github.com/parley-mail/parley/transport"
)

// authority is a CA of the test's own, of which no class knows by itself.
func authority(t *testing.T) *certs.CA {
	t.Helper()
	ca, err := certs.NewCA()
	if err != nil {
		t.Fatal(err)
	}
	return ca
}

func issue(t *testing.T, ca *certs.CA, o certs.Options) tls.Certificate {
	t.Helper()
	c, err := ca.Issue(o)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// presenting returns a class that wants STARTTLS from a server with this certificate.
func presenting(t *testing.T, cert tls.Certificate, set ...func(*tls.Config)) (*parley.SMTP, *smtptest.Peer) {
	s, peer := class(t, func(s *sink.Server) {
		s.TLS = &tls.Config{Certificates: []tls.Certificate{cert}}
		for _, f := range set {
			f(s.TLS)
		}
	})
	s.SSLStartMode = parley.SSLExplicit
	return s, peer
}

// trusts tests that a server with the certificate is refused, and accepted with the
// settings.
func trusts(t *testing.T, cert tls.Certificate, settings ...string) {
	t.Helper()
	s, peer := presenting(t, cert)
	_, err := s.Send(t.Context())
	if !errors.Is(err, parley.ErrTLS) || parley.ErrorCode(err) != 280 || len(peer.Memory.Messages()) != 0 {
		t.Errorf("without %.60q: %v, code %d", settings, err, parley.ErrorCode(err))
	}
	sets(t, s, settings...)
	if _, err := s.Send(t.Context()); err != nil {
		t.Errorf("with %.60q: %v", settings, err)
	}
}

func pemOf(der []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
}

var tlsRows = rowTests{
	"property/SSLEnabled": func(t *testing.T) {
		s, peer := class(t, nil)
		s.TLSConfig = &transport.TLSConfig{RootCAs: peer.Roots}
		if send(t, s, peer).TLS != nil {
			t.Error("TLS by default")
		}
		sets(t, s, "SSLEnabled=True")
		if send(t, s, peer).TLS == nil {
			t.Error("no TLS when enabled")
		}
		sets(t, s, "SSLStartMode=2", "SSLEnabled=False")
		if send(t, s, peer).TLS != nil || reads(t, s, "SSLStartMode") != "3" {
			t.Error("TLS when not enabled")
		}
		sets(t, s, "SSLStartMode=2")
		if reads(t, s, "SSLEnabled") != "True" {
			t.Error("a start mode does not enable it")
		}
		sets(t, s, "SSLStartMode=3")
		if reads(t, s, "SSLEnabled") != "False" {
			t.Error("no start mode does not disable it")
		}
	},
	"property/SSLStartMode": func(t *testing.T) {
		for port, command := range map[string]bool{"25": true, "587": true} {
			var w wire
			s, peer := class(t, w.listen)
			s.TLSConfig = &transport.TLSConfig{RootCAs: peer.Roots}
			sets(t, s, "SSLStartMode=0", "MailPort="+port)
			if got := send(t, s, peer); got.TLS == nil || command != (len(w.with("STARTTLS")) == 1) {
				t.Errorf("automatic on %s: TLS %v, %q", port, got.TLS != nil, w.with(""))
			}
		}
		for _, mode := range []string{"0", "1", "implicit"} { // on another port
			var w wire
			s, peer := class(t, w.listen)
			implicitly(t, s, peer)
			sets(t, s, "SSLStartMode="+mode)
			if got := send(t, s, peer); got.TLS == nil || len(w.with("STARTTLS")) != 0 {
				t.Errorf("%s: TLS %v, %q", mode, got.TLS != nil, w.with(""))
			}
		}
		for mode, secured := range map[string]bool{"2": true, "3": false, "explicit": true, "none": false, "4": true} {
			s, peer := class(t, nil)
			s.TLSConfig = &transport.TLSConfig{RootCAs: peer.Roots}
			sets(t, s, "SSLStartMode="+mode)
			if got := send(t, s, peer); (got.TLS != nil) != secured {
				t.Errorf("%s: TLS %v", mode, got.TLS != nil)
			}
		}
		s, peer := class(t, func(s *sink.Server) { s.Extensions = sink.Pipelining })
		sets(t, s, "SSLStartMode=opportunistic")
		send(t, s, peer)
		peer.Memory.Reset()
		sets(t, s, "SSLStartMode=2")
		if _, err := s.Send(t.Context()); !errors.Is(err, parley.ErrUnsupported) || len(peer.Memory.Messages()) != 0 {
			t.Errorf("explicit, not offered: %v", err)
		}
	},
	"property/SSLAcceptServerCert": func(t *testing.T) {
		ca := authority(t)
		expired := issue(t, ca, certs.Expired(certs.Options{Hosts: []string{"other.example"}}))
		trusts(t, expired, "SSLAcceptServerCert="+pemOf(expired.Certificate[0]))
		trusts(t, expired, "SSLAcceptServerCert="+base64.StdEncoding.EncodeToString(expired.Certificate[0]))
		s, _ := presenting(t, expired)
		sets(t, s, "SSLAcceptServerCert="+string(ca.PEM()))
		if _, err := s.Send(t.Context()); !errors.Is(err, parley.ErrTLS) {
			t.Errorf("another one: %v", err)
		}
		sets(t, s, "SSLAcceptServerCert=nonsense")
		if _, err := s.Send(t.Context()); !errors.Is(err, parley.ErrMisuse) {
			t.Errorf("none: %v", err)
		}
	},
	"setting/SSLAcceptAnyServerCert": func(t *testing.T) {
		trusts(t, issue(t, authority(t), certs.Expired(certs.Options{})), "SSLAcceptAnyServerCert=True")
		s, peer := presenting(t, issue(t, authority(t), certs.Options{}))
		sets(t, s, "SSLAcceptAnyServerCert=True")
		fired := false
		s.OnSSLServerAuthentication = func(e *events.SSLServerAuthentication) { fired = e.Accept && e.Status != "OK" }
		if send(t, s, peer); !fired {
			t.Error("the event does not fire with Accept and what is wrong")
		}
	},
	"property/SSLServerCert": func(t *testing.T) {
		s, peer := class(t, nil)
		secure(s, peer)
		if s.SSLServerCert() != nil {
			t.Error("a new one has a certificate")
		}
		send(t, s, peer)
		if got := s.SSLServerCert(); got == nil || !bytes.Equal(got.Raw, peer.TLS.Certificates[0].Certificate[0]) {
			t.Errorf("%v", got)
		}
		if reads(t, s, "SSLServerCert") == "" {
			t.Error("it cannot be read by its name")
		}
	},
	"property/SSLCert": func(t *testing.T) {
		ca := authority(t)
		own := issue(t, ca, certs.Options{Client: true, Hosts: []string{"alice"}})
		chain, key, err := certs.PEM(own)
		if err != nil {
			t.Fatal(err)
		}
		s, peer := presenting(t, issue(t, ca, certs.Options{}), func(c *tls.Config) {
			c.ClientAuth, c.ClientCAs = tls.RequireAndVerifyClientCert, ca.Pool()
		})
		s.TLSConfig = &transport.TLSConfig{RootCAs: ca.Pool()}
		if _, err := s.Send(t.Context()); !errors.Is(err, parley.ErrTLS) && !errors.Is(err, parley.ErrTransport) {
			t.Errorf("without: %v", err)
		}
		presented := func(what string) {
			t.Helper()
			if got := send(t, s, peer).TLS.PeerCertificates; len(got) != 1 || got[0].Subject.CommonName != "alice" {
				t.Errorf("%s: the server saw %d certificates", what, len(got))
			}
		}
		sets(t, s, "SSLCert="+string(chain)+string(key))
		presented("as text")
		file := filepath.Join(t.TempDir(), "own.pem")
		if err := os.WriteFile(file, append(chain, key...), 0o600); err != nil {
			t.Fatal(err)
		}
		s.SSLCert = parley.Certificate{Store: file}
		presented("as a file")
		s.SSLCert = parley.Certificate{TLS: &own}
		presented("as it is")
		for _, kind := range []parley.StoreType{parley.StoreUser, parley.StoreMachine} {
			s.SSLCert = parley.Certificate{Store: "MY", StoreType: kind}
			if _, err := s.Send(t.Context()); !errors.Is(err, parley.ErrMisuse) {
				t.Errorf("a store of Windows: %v", err)
			}
		}
		s.SSLCert = parley.Certificate{Encoded: "nonsense"}
		if _, err := s.Send(t.Context()); !errors.Is(err, parley.ErrMisuse) {
			t.Errorf("none: %v", err)
		}
	},
	"setting/SSLCACerts": func(t *testing.T) {
		ca := authority(t)
		own := issue(t, ca, certs.Options{Client: true})
		s, peer := presenting(t, issue(t, ca, certs.Options{}), func(c *tls.Config) { c.ClientAuth = tls.RequireAnyClientCert })
		s.TLSConfig, s.SSLCert.TLS = &transport.TLSConfig{RootCAs: ca.Pool()}, &own
		sets(t, s, "SSLCACerts="+string(ca.PEM()))
		if got := send(t, s, peer).TLS.PeerCertificates; len(got) != 2 || !got[1].Equal(ca.Certificate()) {
			t.Errorf("the server saw %d certificates", len(got))
		}
		if len(own.Certificate) != 1 {
			t.Error("the caller's certificate was changed")
		}
	},
	"setting/SSLServerCACerts": func(t *testing.T) {
		ca := authority(t)
		trusts(t, issue(t, ca, certs.Options{}), "SSLServerCACerts="+string(ca.PEM()))
	},
	"setting/OpenSSLCAFile": func(t *testing.T) {
		ca := authority(t)
		file := filepath.Join(t.TempDir(), "ca.pem")
		if err := os.WriteFile(file, []byte("text around it\n"+string(ca.PEM())), 0o600); err != nil {
			t.Fatal(err)
		}
		trusts(t, issue(t, ca, certs.Options{}), "OpenSSLCAFile="+file)
		s, _ := presenting(t, issue(t, ca, certs.Options{}))
		sets(t, s, "OpenSSLCAFile="+file+".missing")
		if _, err := s.Send(t.Context()); !errors.Is(err, os.ErrNotExist) || parley.ErrorCode(err) != 302 {
			t.Errorf("no file: %v", err)
		}
	},
	"setting/OpenSSLCADir": func(t *testing.T) {
		ca, dir := authority(t), t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "9d66eef0.0"), ca.PEM(), 0o600); err != nil {
			t.Fatal(err)
		}
		trusts(t, issue(t, ca, certs.Options{}), "OpenSSLCADir="+dir)
		s, _ := presenting(t, issue(t, ca, certs.Options{}))
		sets(t, s, "OpenSSLCADir="+t.TempDir())
		if _, err := s.Send(t.Context()); !errors.Is(err, parley.ErrMisuse) {
			t.Errorf("an empty directory: %v", err)
		}
	},
	"setting/SSLSecurityFlags": func(t *testing.T) {
		ca := authority(t)
		known := "SSLServerCACerts=" + string(ca.PEM())
		for flags, o := range map[string]certs.Options{
			"0x1": certs.Expired(certs.Options{}), "0x20": {Client: true, Hosts: []string{"localhost"}}, "0x80000000": {Hosts: []string{"other.example"}},
		} {
			s, peer := presenting(t, issue(t, ca, o))
			sets(t, s, known)
			if _, err := s.Send(t.Context()); !errors.Is(err, parley.ErrTLS) {
				t.Errorf("without %s: %v", flags, err)
			}
			sets(t, s, "SSLSecurityFlags="+flags)
			send(t, s, peer)
		}
		trusts(t, issue(t, ca, certs.Options{}), "SSLSecurityFlags=0x10")
		s, _ := presenting(t, issue(t, ca, certs.Options{}))
		sets(t, s, "SSLSecurityFlags=0x8f06") // nothing that is checked
		if _, err := s.Send(t.Context()); !errors.Is(err, parley.ErrTLS) {
			t.Errorf("flags without effect: %v", err)
		}
		sets(t, s, "SSLSecurityFlags=0x100000")
		if _, err := s.Send(t.Context()); !errors.Is(err, parley.ErrMisuse) {
			t.Errorf("a flag nobody knows: %v", err)
		}
	},
	"setting/SSLIncludeCertChain": func(t *testing.T) {
		ca := authority(t)
		cert := issue(t, ca, certs.Options{})
		cert.Certificate = append(cert.Certificate, ca.Certificate().Raw)
		s, peer := presenting(t, cert)
		s.TLSConfig = &transport.TLSConfig{RootCAs: ca.Pool()}
		for setting, n := range map[string]int{"False": 1, "True": 2} {
			sets(t, s, "SSLIncludeCertChain="+setting)
			s.OnSSLServerAuthentication = func(e *events.SSLServerAuthentication) {
				if got, err := x509.ParseCertificates(e.CertEncoded); err != nil || len(got) != n {
					t.Errorf("%s: %d certificates, %v", setting, len(got), err)
				}
			}
			send(t, s, peer)
		}
	},
	"setting/SSLNegotiatedVersion":             negotiated,
	"setting/SSLNegotiatedCipherSuite":         negotiated,
	"setting/SSLNegotiatedCipher":              negotiated,
	"setting/SSLNegotiatedCipherStrength":      negotiated,
	"setting/SSLNegotiatedKeyExchange":         negotiated,
	"setting/SSLNegotiatedKeyExchangeStrength": negotiated,
}

// Certificates come from all the files that people keep them in, and from base64.
func TestSSLCertStores(t *testing.T) {
	const dir = "transport/certfile/testdata/"
	s, peer := presenting(t, issue(t, authority(t), certs.Options{}), func(c *tls.Config) { c.ClientAuth = tls.RequireAnyClientCert })
	s.SSLAcceptAnyServerCert = true
	blob, err := os.ReadFile(dir + "modern.p12")
	if err != nil {
		t.Fatal(err)
	}
	password := secretOf("s3cret")
	for name, own := range map[string]parley.Certificate{
		"PFX":          {Store: dir + "modern.p12", StorePassword: password},
		"PFX, said":    {Store: dir + "legacy.p12", StoreType: parley.StorePFX, StorePassword: password},
		"PFX, base64":  {Encoded: base64.StdEncoding.EncodeToString(blob), StorePassword: password},
		"JKS":          {Store: dir + "store.jks", StoreType: parley.StoreJKS, StorePassword: password},
		"separate key": {Store: dir + "leaf.pem", Key: dir + "leaf.key"},
		"subject":      {Store: dir + "modern.p12", StorePassword: password, Subject: "client.example"},
	} {
		s.SSLCert = own
		if got := send(t, s, peer).TLS.PeerCertificates; len(got) == 0 || got[0].Subject.CommonName != "client.example" {
			t.Errorf("%s: the server saw %d certificates", name, len(got))
		}
	}
	for code, own := range map[int]parley.Certificate{
		271: {Store: dir + "modern.p12", StorePassword: secretOf("wrong")},
		281: {Store: dir + "modern.p12", StorePassword: password, Subject: "nobody"},
		302: {Store: dir + "missing.p12"},
	} {
		s.SSLCert = own
		if _, err := s.Send(t.Context()); !errors.Is(err, parley.ErrMisuse) || parley.ErrorCode(err) != code {
			t.Errorf("%+v: %v, code %d, want %d", own, err, parley.ErrorCode(err), code)
		}
	}
}

// negotiated tests the six rows that tell what was agreed on.
func negotiated(t *testing.T) {
	row := strings.TrimPrefix(t.Name(), "TestSurface/setting/")
	s, peer := presenting(t, issue(t, authority(t), certs.Options{}), func(c *tls.Config) {
		c.MaxVersion, c.CurvePreferences = tls.VersionTLS12, []tls.CurveID{tls.CurveP384}
		c.CipherSuites = []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384}
	})
	sets(t, s, "SSLAcceptAnyServerCert=True")
	if got := reads(t, s, row); got != "" && got != "0" {
		t.Errorf("before: %q", got)
	}
	send(t, s, peer)
	want := map[string]string{
		"SSLNegotiatedVersion": "TLSv1.2", "SSLNegotiatedCipherSuite": "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384", "SSLNegotiatedCipher": "AES_256_GCM",
		"SSLNegotiatedCipherStrength": "256", "SSLNegotiatedKeyExchange": "P-384", "SSLNegotiatedKeyExchangeStrength": "384",
	}[row]
	if got := reads(t, s, row); got != want {
		t.Errorf("%q, want %q", got, want)
	}
	sets(t, s, "SSLStartMode=3")
	send(t, s, peer)
	if got := reads(t, s, row); got != "" && got != "0" {
		t.Errorf("in clear: %q", got)
	}
}
