package transport_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/parley-mail/parley/transport"
	"github.com/parley-mail/parley/transport/mem"
)

// fake is an engine that does no TLS and lies as it is told.
type fake func(h *transport.Handshake) (transport.Security, error)

func (fake) Name() string { return "fake" }

func (f fake) Client(_ context.Context, nc net.Conn, c *transport.TLSConfig) (net.Conn, transport.Security, error) {
	h, err := transport.NewHandshake("fake", "", nc, c)
	if err != nil {
		return nil, transport.Security{}, err
	}
	s, err := f(h)
	return nc, s, err
}

// What an engine claims is held against what it was told.
func TestEnginesThatLie(t *testing.T) {
	peer := transport.Peer{
		Certificates: []*x509.Certificate{ecdsaServer().Leaf}, Version: tls.VersionTLS12, CipherSuite: tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
	}
	claim := transport.Security{Version: peer.Version, CipherSuite: peer.CipherSuite}
	with := func(change func(*transport.Peer, *transport.Security)) fake {
		return func(h *transport.Handshake) (transport.Security, error) {
			p, s := peer, claim
			change(&p, &s)
			if err := h.Verify(p); err != nil {
				return s, h.Fail(err)
			}
			return h.Done(s)
		}
	}
	for name, c := range map[string]struct {
		engine fake
		want   transport.Reason
	}{
		"does not verify":            {func(h *transport.Handshake) (transport.Security, error) { return h.Done(claim) }, transport.ReasonInternal},
		"is not secure":              {func(*transport.Handshake) (transport.Security, error) { return transport.Security{}, nil }, transport.ReasonInternal},
		"version not offered":        {with(func(p *transport.Peer, s *transport.Security) { p.Version = tls.VersionTLS11 }), transport.ReasonVersion},
		"another version afterwards": {with(func(p *transport.Peer, s *transport.Security) { s.Version = tls.VersionTLS10 }), transport.ReasonVersion},
		"suite too weak": {with(func(p *transport.Peer, s *transport.Security) {
			p.CipherSuite = tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256
		}), transport.ReasonWeakCipher},
		"suite not offered": {with(func(p *transport.Peer, s *transport.Security) { s.CipherSuite = tls.TLS_RSA_WITH_AES_256_CBC_SHA }), transport.ReasonWeakCipher},
		"no certificate":    {with(func(p *transport.Peer, s *transport.Security) { p.Certificates = nil }), transport.ReasonBadCertificate},
		"honest":            {with(func(*transport.Peer, *transport.Security) {}), 0},
	} {
		a, b := mem.Pipe(mem.Options{})
		config := &transport.TLSConfig{
			Engine: "fake", Engines: []transport.TLSEngine{c.engine}, ServerName: host, RootCAs: authority().Pool(), MinCipherBits: 256,
		}
		s, err := transport.New(a).StartTLS(t.Context(), config)
		if c.want == 0 && (err != nil || !s.Verified || s.Engine != "fake") || c.want != 0 && !errors.Is(err, c.want) {
			t.Errorf("%s: %v, %v", name, s, err)
		}
		a.Close()
		b.Close()
	}
}

// The log has the outline of every record whatever its borders with the octets read.
func TestRecordsInPieces(t *testing.T) {
	stream := "\x16\x03\x01\x00\x06\x01\x00\x00\x08ab" + "\x16\x03\x03\x00\x0acdefgh\x63\x00\x00\x00" + "\x14\x03\x03\x00\x01\x01" + "\x16\x03\x03\x00\x02\x01\x00" + "\x17\x03\x03\x00\x00" + "220 "
	const want = "< handshake 0x0301 6 octets\n< handshake 0x0303 10 octets: ClientHello, message 99\n" +
		"< change_cipher_spec 0x0303 1 octets\n< handshake 0x0303 2 octets\n< application_data 0x0303 0 octets"
	for size := 1; size <= len(stream); size++ {
		var log []string
		feed(t, stream, size, func(r transport.TLSRecord) { log = append(log, r.String()) })
		if got := strings.Join(log, "\n"); got != want {
			t.Fatalf("pieces of %d:\n%s\nwant\n%s", size, got, want)
		}
	}
}

// feed makes a wire read the stream in pieces of a size.
func feed(t testing.TB, stream string, size int, log func(transport.TLSRecord)) {
	h, err := transport.NewHandshake("fake", "", pieces{strings.NewReader(stream)}, &transport.TLSConfig{ServerName: host, RecordLog: log})
	if err != nil {
		t.Fatal(err)
	}
	p := make([]byte, size)
	for {
		if _, err := h.Wire.Read(p); err != nil {
			h.Fail(err)
			return
		}
	}
}

// pieces is a connection that can only be read.
type pieces struct{ io.Reader }

func (pieces) Write(p []byte) (int, error) { return len(p), nil }
func (pieces) Close() error                { return nil }
func (pieces) LocalAddr() net.Addr         { return nil }
func (pieces) RemoteAddr() net.Addr        { return nil }

func (pieces) SetDeadline(time.Time) error      { return nil }
func (pieces) SetReadDeadline(time.Time) error  { return nil }
func (pieces) SetWriteDeadline(time.Time) error { return nil }

func FuzzWire(f *testing.F) {
	// Invariant: no panic, and what is logged does not depend on how octets were cut.
	f.Add(serverHello(tls.VersionTLS13), 3)
	f.Add("\x16\x03\x03\x00\x04\x0c\xff\xff\xff\x16\x03\x03\x00\x00", 1)
	f.Add("220 mx.example\r\n", 2)
	f.Fuzz(func(t *testing.T, stream string, size int) {
		var whole, cut []string
		feed(t, stream, len(stream)+1, func(r transport.TLSRecord) { whole = append(whole, r.String()) })
		feed(t, stream, max(size&0xff, 1), func(r transport.TLSRecord) { cut = append(cut, r.String()) })
		if a, b := strings.Join(whole, "\n"), strings.Join(cut, "\n"); a != b {
			t.Errorf("%s\nin pieces\n%s", a, b)
		}
	})
}

// Every combination of problems is forgiven as a whole or not at all.
func TestForgiveSeveral(t *testing.T) {
	f := newFaulty(t)
	leaf := f.selfSigned.Leaf
	c := transport.TLSConfig{ServerName: "other.example", RootCAs: authority().Pool()}
	var p transport.Peer
	for forgive := range transport.Forgive(16) {
		c.Forgive = forgive
		p = transport.Peer{Certificates: []*x509.Certificate{leaf}}
		err := c.Verify(&p)
		const needed = transport.ForgiveUnknownAuthority | transport.ForgiveWrongName
		if (err == nil) != (forgive&needed == needed) {
			t.Errorf("%v: %v", forgive, err)
		}
	}
	c = transport.TLSConfig{ServerName: host, ExtraRootCAs: []*x509.Certificate{nil}}
	if err := c.Verify(&transport.Peer{Certificates: []*x509.Certificate{leaf}}); err == nil {
		t.Error("a nil root")
	}
	c = transport.TLSConfig{RootCAs: authority().Pool(), VerifyPeer: func(p transport.Peer) error { return p.Verdict }}
	if err := c.Verify(&transport.Peer{Certificates: []*x509.Certificate{ecdsaServer().Leaf}}); err == nil {
		t.Error("no name")
	}
	// An expired leaf below a younger authority.
	old := f.expired.Leaf
	c = transport.TLSConfig{ServerName: host, RootCAs: authority().Pool(), Forgive: transport.ForgiveExpired}
	p = transport.Peer{Certificates: []*x509.Certificate{old, authority().Certificate(), f.early.Leaf}}
	if err := c.Verify(&p); err != nil || p.Trust != transport.TrustForgiven {
		t.Errorf("%v, %v", err, p.Trust)
	}
}

func FuzzParseCipherList(f *testing.F) {
	// Invariant: no panic; what comes out are suites of Go's, each once.
	for _, s := range []string{"DEFAULT", "HIGH:!aNULL:@STRENGTH", "ECDHE+AESGCM:+AES128", "-ALL,TLS_AES_128_GCM_SHA256", "!", "+:-"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, list string) {
		ids, err := transport.ParseCipherList(list)
		if err != nil {
			return
		}
		seen := map[uint16]bool{}
		for _, id := range ids {
			if seen[id] || strings.HasPrefix(tls.CipherSuiteName(id), "0x") {
				t.Errorf("%x in %x", id, ids)
			}
			seen[id] = true
		}
	})
}

// Links share a description only if everything in it is the same, and nothing is wrong.
func TestAlike(t *testing.T) {
	leaf, chain := &x509.Certificate{}, []*x509.Certificate{{}}
	other := map[reflect.Kind]any{
		reflect.Bool: true, reflect.String: "x", reflect.Uint8: uint8(1), reflect.Uint16: uint16(1),
	}
	of := map[string]any{"Problem": errors.New("x"), "PeerCertificates": []*x509.Certificate{leaf}, "VerifiedChains": [][]*x509.Certificate{chain}}
	var zero transport.Security
	fields := reflect.TypeFor[transport.Security]()
	for i := range fields.NumField() {
		f := fields.Field(i)
		if !f.IsExported() {
			continue
		}
		v, ok := of[f.Name]
		if !ok {
			v = other[f.Type.Kind()]
		}
		var s transport.Security
		reflect.ValueOf(&s).Elem().Field(i).Set(reflect.ValueOf(v).Convert(f.Type))
		same := s
		if transport.Alike(&s, &zero) || transport.Alike(&zero, &s) || transport.Alike(&s, &same) != (f.Name != "Problem") {
			t.Errorf("%s does not count, or more than it should", f.Name)
		}
	}
}
