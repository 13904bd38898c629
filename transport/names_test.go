package transport_test

import (
	"crypto/sha256"
	"crypto/sha512"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"strings"
	"testing"

	"github.com/parley-mail/parley/transport"
)

func TestParseGroup(t *testing.T) {
	for name, want := range map[string]transport.Group{
		"X25519": transport.X25519, "ecdhe_x25519": transport.X25519, "p-256": transport.P256, "SECP384R1": transport.P384,
		"ecdhe_secp521r1": transport.P521, "x25519mlkem768": transport.X25519MLKEM768, "ffdhe_2048": transport.FFDHE2048, "ecdhe_x448": transport.X448,
	} {
		got, err := transport.ParseGroup(name)
		if err != nil || got != want {
			t.Errorf("%s: %v, %v", name, got, err)
		}
		if again, err := transport.ParseGroup(got.String()); err != nil || again != got || got.Bits() == 0 {
			t.Errorf("%v: %v, %v, %d bits", got, again, err, got.Bits())
		}
	}
	for _, name := range []string{"", "x", strings.Repeat("x", 1000)} {
		if g, err := transport.ParseGroup(name); err == nil || len(err.Error()) > 200 {
			t.Errorf("%.20q: %v, %v", name, g, err)
		}
	}
	if s := transport.Group(9).String(); s != "Group(9)" || transport.Group(9).Bits() != 0 {
		t.Error(s)
	}
}

func TestParseVersion(t *testing.T) {
	for name, want := range map[string]uint16{
		"1.0": tls.VersionTLS10, "TLS1": tls.VersionTLS10, "tlsv1.1": tls.VersionTLS11, "TLS 1.2": tls.VersionTLS12, "TLSv1.3": tls.VersionTLS13,
	} {
		if got, err := transport.ParseVersion(name); err != nil || got != want {
			t.Errorf("%s: %x, %v", name, got, err)
		}
	}
	for _, name := range []string{"", "1.4", "SSLv3", "ssl3", "2"} {
		if v, err := transport.ParseVersion(name); err == nil {
			t.Errorf("%s: %x", name, v)
		}
	}
}

func TestParseCipherSuite(t *testing.T) {
	for _, s := range append(tls.CipherSuites(), tls.InsecureCipherSuites()...) {
		if id, err := transport.ParseCipherSuite(strings.ToLower(s.Name)); err != nil || id != s.ID {
			t.Errorf("%s: %x, %v", s.Name, id, err)
		}
		if transport.SuiteBits(s.ID) < 112 {
			t.Errorf("%s: %d bits", s.Name, transport.SuiteBits(s.ID))
		}
	}
	if id, err := transport.ParseCipherSuite("TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305"); err != nil || id != tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256 {
		t.Errorf("%x, %v", id, err)
	}
	if id, err := transport.ParseCipherSuite("TLS_NULL"); err == nil {
		t.Errorf("%x", id)
	}
	if transport.SuiteBits(0) != 0 {
		t.Error("bits of nothing")
	}
}

func TestParseSignatureScheme(t *testing.T) {
	for name, want := range map[string]tls.SignatureScheme{
		"ed25519": tls.Ed25519, "ECDSA_SECP256R1_SHA256": tls.ECDSAWithP256AndSHA256, "sha256-ecdsa": tls.ECDSAWithP256AndSHA256,
		"sha512-rsa": tls.PKCS1WithSHA512, "rsa_pss_sha384": tls.PSSWithSHA384, "rsa_pss_rsae_sha384": tls.PSSWithSHA384, "sha1-rsa": tls.PKCS1WithSHA1,
	} {
		if got, err := transport.ParseSignatureScheme(name); err != nil || got != want {
			t.Errorf("%s: %v, %v", name, got, err)
		}
	}
	for name, want := range map[string]string{"sha512-dsa": "not available", "sha224-rsa": "not available", "ed448": "not available", "": "no signature", "rot13": "no signature"} {
		if got, err := transport.ParseSignatureScheme(name); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, %v", name, got, err)
		}
	}
}

// A leaf's signature fits the schemes that could have made it, and no others.
func TestSignatureOfTheLeaf(t *testing.T) {
	for algorithm, scheme := range map[x509.SignatureAlgorithm]tls.SignatureScheme{
		x509.PureEd25519: tls.Ed25519, x509.ECDSAWithSHA1: tls.ECDSAWithSHA1, x509.ECDSAWithSHA256: tls.ECDSAWithP256AndSHA256,
		x509.ECDSAWithSHA384: tls.ECDSAWithP384AndSHA384, x509.ECDSAWithSHA512: tls.ECDSAWithP521AndSHA512, x509.SHA1WithRSA: tls.PKCS1WithSHA1,
		x509.SHA256WithRSA: tls.PKCS1WithSHA256, x509.SHA384WithRSA: tls.PKCS1WithSHA384, x509.SHA512WithRSA: tls.PKCS1WithSHA512,
		x509.SHA256WithRSAPSS: tls.PSSWithSHA256, x509.SHA384WithRSAPSS: tls.PSSWithSHA384, x509.SHA512WithRSAPSS: tls.PSSWithSHA512,
		x509.MD5WithRSA: 0,
	} {
		leaf := *ecdsaServer().Leaf
		leaf.SignatureAlgorithm = algorithm
		for _, allowed := range []tls.SignatureScheme{tls.Ed25519, tls.PKCS1WithSHA256, tls.ECDSAWithP384AndSHA384, scheme} {
			c := &transport.TLSConfig{ServerName: host, RootCAs: authority().Pool(), SignatureAlgorithms: []tls.SignatureScheme{allowed}}
			err := c.Verify(&transport.Peer{Certificates: []*x509.Certificate{&leaf}})
			if weak := errors.Is(err, transport.ReasonWeakSignature); weak == (allowed == scheme && scheme != 0) {
				t.Errorf("%v under %v: %v", algorithm, allowed, err)
			}
		}
	}
}

// RFC 5929 §4.1: the hash is the signature's own, but never a weak one.
func TestServerEndPoint(t *testing.T) {
	for algorithm, size := range map[x509.SignatureAlgorithm]int{
		x509.SHA1WithRSA: sha256.Size, x509.MD5WithRSA: sha256.Size, x509.ECDSAWithSHA256: sha256.Size, x509.SHA384WithRSA: sha512.Size384,
		x509.ECDSAWithSHA512: sha512.Size, x509.SHA512WithRSAPSS: sha512.Size, x509.PureEd25519: 0,
	} {
		leaf := *ecdsaServer().Leaf
		leaf.SignatureAlgorithm = algorithm
		s := transport.Security{Secure: true, PeerCertificates: []*x509.Certificate{&leaf}}
		got, err := s.ChannelBinding(transport.BindingServerEndPoint)
		if len(got) != size || (err == nil) != (size > 0) || err != nil && !errors.Is(err, transport.ErrNoBinding) {
			t.Errorf("%v: %x, %v", algorithm, got, err)
		}
	}
}

func TestBindingsThatAreNotThere(t *testing.T) {
	for what, c := range map[string]struct {
		s    transport.Security
		kind string
	}{
		"clear":          {transport.Security{}, transport.BindingExporter},
		"no exporter":    {transport.Security{Secure: true}, transport.BindingExporter},
		"no secret":      {transport.Security{Secure: true, Version: tls.VersionTLS12}, transport.BindingUnique},
		"no certificate": {transport.Security{Secure: true}, transport.BindingServerEndPoint},
		"no such kind":   {transport.Security{Secure: true}, "tls-sni\x00"},
	} {
		if b, err := c.s.ChannelBinding(c.kind); !errors.Is(err, transport.ErrNoBinding) || strings.ContainsRune(err.Error(), 0) {
			t.Errorf("%s: %x, %v", what, b, err)
		}
	}
	var s transport.Security
	s.Secure = true
	s.Bind(func(string, []byte, int) ([]byte, error) { return nil, errors.New("no extended master secret") }, []byte("unique"))
	for _, kind := range []string{transport.BindingExporter, transport.BindingUnique} {
		if b, err := s.ChannelBinding(kind); !errors.Is(err, transport.ErrNoBinding) {
			t.Errorf("%s: %x, %v", kind, b, err)
		}
	}
}

func TestStrings(t *testing.T) {
	for got, want := range map[string]string{
		transport.TrustForgiven.String(): "forgiven", transport.Trust(99).String(): "Trust(99)",
		transport.ReasonNotTLS.String(): "peer does not speak TLS", transport.Reason(99).Error(): "Reason(99)",
		transport.FamilyPreferIPv6.String(): "prefer-ipv6", transport.Family(99).String(): "Family(99)",
		transport.OpBind.String(): "bind", transport.Op(99).String(): "Op(99)",
		transport.Forgive(0).String(): "none", transport.Forgive(0x85).String(): "expired|wrong-usage|0x80",
		transport.TLSRecord{Type: 99}.String(): "< type 99 0x0000 0 octets",
		transport.Security{
			Secure: true, Version: tls.VersionTLS12, CipherSuite: tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256, Trust: transport.TrustPin, Resumed: true,
		}.String(): "TLS 1.2, TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256, ECDHE, trust pin, resumed",
	} {
		if got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	if k := (transport.Security{Secure: true, CipherSuite: tls.TLS_AES_128_GCM_SHA256}); k.KeyExchange() != "" || k.CipherName() != "AES_128_GCM" || k.KeyExchangeBits() != 0 {
		t.Errorf("%q, %q", k.KeyExchange(), k.CipherName())
	}
	if b := (transport.Security{Secure: true, Group: transport.P384}).KeyExchangeBits(); b != 384 {
		t.Error(b)
	}
	// What a peer says is quoted.
	e := &transport.TLSError{Reason: transport.ReasonNotTLS, Server: "m\x1bx", First: []byte("220 \x1b[2J\r\n")}
	if got, want := e.Error(), `tls with "m\x1bx": peer does not speak TLS; it said "220 \x1b[2J\r\n"`; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	e = &transport.TLSError{Reason: transport.ReasonAlert, Peer: "192.0.2.1:25", Alert: 40}
	if got, want := e.Error(), "tls with 192.0.2.1:25: peer sent an alert: 40 handshake failure"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	if transport.ReasonOf(e) != transport.ReasonAlert || transport.ReasonOf(x509.HostnameError{}) != transport.ReasonWrongName || transport.ReasonOf(nil) != transport.ReasonOther {
		t.Error("ReasonOf")
	}
}
