// Package utls is the TLS engine that writes the client hello field by field, over
// github.com/refraction-networking/utls. It is the only package that imports it.
//
// # When to use it
//
// When a server must be offered exactly these groups, signature algorithms, suites
// or versions, in this order, or the hello of a browser. Otherwise the engine std
// is the better one: fixes reach crypto/tls first.
//
// # What it guards against
//
// utls is a fork of crypto/tls that trusts its caller more than a mail client may
// trust itself. This package makes a fresh hello for every connection, because a
// hello holds its key shares and keeps no private keys for a second use. It gives
// each connection a configuration of its own, because utls writes into it. It sends
// key shares only as far as utls keeps their private keys: one curve, and beside
// X25519 the hybrid with it. It replaces what browsers offer as protocols, never
// renegotiates, trims the versions to those allowed and checks afterwards what came
// out. A session is resumed only for the same endpoint under the same trust policy
// and hello, verified again, and not where a retry would have to follow. A panic of
// the library is an error. A peer that keeps sending records without content is
// cut off.
//
// # What it cannot guard against
//
// In TLS 1.3 the library checks the server's signature of the handshake against a list
// of its own, not the one that was offered; the signature of the certificate is held to
// the configuration. A peer that asks for a new key while a write is stuck can hold up
// reads: a link of this engine is to be used with deadlines.
package utls

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"

	utls "github.com/refraction-networking/utls"

	"github.com/parley-mail/parley/transport"
)

// Engine is the TLS engine "utls". It has no state.
type Engine struct{}

// Name returns "utls".
func (Engine) Name() string { return "utls" }

// maxUselessRecords is how many records without content a peer may send in a row:
// session tickets and key updates. crypto/tls allows 16.
const maxUselessRecords = 32

// Client implements [transport.TLSEngine].
func (e Engine) Client(ctx context.Context, nc net.Conn, c *transport.TLSConfig) (net.Conn, transport.Security, error) {
	fail := func(err error) (net.Conn, transport.Security, error) {
		return nil, transport.Security{}, err
	}
	if c.Base != nil {
		return fail(refuse("Base", "is for the engine std only"))
	}
	h, err := transport.NewHandshake(e.Name(), c.ClientHello, nc, c)
	if err != nil {
		return fail(err)
	}
	resume := session(h)
	hello, err := newHello(h, resume)
	if err != nil {
		return fail(err)
	}
	cfg := config(h)
	sessions := &sessions{shelf: h.Shelf, resume: hello.resumes(resume)}
	if h.Shelf != nil {
		cfg.ClientSessionCache = sessions
	}
	conn := utls.UClient(h.Wire, cfg, hello.id)
	if err := shake(ctx, conn, hello); err != nil {
		if resume != nil {
			h.Shelf.Remember(nil) // the next attempt does without
		}
		return fail(h.Fail(err))
	}
	h.Wire.Guard(maxUselessRecords)
	s, err := h.Done(security(conn))
	if err != nil {
		return fail(err)
	}
	s.KeyShare = hello.share
	sessions.agreed(s.Group)
	return &guarded{conn, h.Wire}, s, nil
}

// shake sends the hello and does the handshake. The library panics where it
// finds itself used in a way that it did not expect.
func shake(ctx context.Context, conn *utls.UConn, h *hello) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = &transport.TLSError{Reason: transport.ReasonInternal, Err: fmt.Errorf("utls panicked: %v", p)}
		}
	}()
	if h.spec != nil {
		if err := conn.ApplyPreset(h.spec); err != nil {
			return err
		}
		if h.keys != nil {
			conn.HandshakeState.State13.KeyShareKeys = h.keys
		}
		// A hybrid share alone leaves no curve's key behind; the library insists on one.
		if k := conn.HandshakeState.State13.KeyShareKeys; k != nil && k.Ecdhe == nil {
			k.Ecdhe = k.MlkemEcdhe
		}
	}
	return conn.HandshakeContext(ctx)
}

// guarded is the connection inside TLS. It tells the wire when a read begins.
type guarded struct {
	*utls.UConn
	wire *transport.Wire
}

func (g *guarded) Read(p []byte) (int, error) {
	g.wire.Advance()
	return g.UConn.Read(p)
}

func config(h *transport.Handshake) *utls.Config {
	c := h.Config
	cfg := &utls.Config{
		ServerName:   sni(c.ServerName),
		MinVersion:   h.Versions[0],
		MaxVersion:   h.Versions[len(h.Versions)-1],
		CipherSuites: h.Suites,
		NextProtos:   c.NextProtos,
		Rand:         c.Rand,
		Time:         c.Time,
		Certificates: certificates(c.Certificates),

		Renegotiation:                      utls.RenegotiateNever,
		DynamicRecordSizingDisabled:        true, // a group of commands is one record, and one write
		OmitEmptyPsk:                       true,
		PreferSkipResumptionOnNilExtension: true,

		// Verification is package transport's, the same for all engines.
		InsecureSkipVerify: true,
		VerifyConnection: func(cs utls.ConnectionState) error {
			return h.Verify(transport.Peer{
				Certificates: cs.PeerCertificates,
				Version:      cs.Version,
				CipherSuite:  cs.CipherSuite,
				Resumed:      cs.DidResume,
				OCSP:         cs.OCSPResponse,
				SCTs:         cs.SignedCertificateTimestamps,
			})
		},
	}
	if c.KeyLogWriter != nil {
		cfg.KeyLogWriter = keyLog{c.KeyLogWriter}
	}
	if get := c.GetClientCertificate; get != nil {
		cfg.GetClientCertificate = func(r *utls.CertificateRequestInfo) (*utls.Certificate, error) {
			cert, err := get(&tls.CertificateRequestInfo{
				AcceptableCAs:    r.AcceptableCAs,
				SignatureSchemes: schemes[tls.SignatureScheme](r.SignatureSchemes),
				Version:          r.Version,
			})
			if err != nil || cert == nil {
				return nil, err
			}
			out := certificate(*cert)
			return &out, nil
		}
	}
	return cfg
}

// keyLog keeps a panic from the library, which calls it under a lock of the whole process
// and would never give that back.
type keyLog struct{ w io.Writer }

func (k keyLog) Write(p []byte) (n int, err error) {
	defer func() {
		if v := recover(); v != nil {
			err = &transport.TLSError{Reason: transport.ReasonInternal, Err: fmt.Errorf("KeyLogWriter panicked: %v", v)}
		}
	}()
	return k.w.Write(p)
}

func certificates(certs []tls.Certificate) []utls.Certificate {
	var out []utls.Certificate
	for _, c := range certs {
		out = append(out, certificate(c))
	}
	return out
}

func certificate(c tls.Certificate) utls.Certificate {
	return utls.Certificate{
		Certificate:                  c.Certificate,
		PrivateKey:                   c.PrivateKey,
		SupportedSignatureAlgorithms: schemes[utls.SignatureScheme](c.SupportedSignatureAlgorithms),
		OCSPStaple:                   c.OCSPStaple,
		SignedCertificateTimestamps:  c.SignedCertificateTimestamps,
		Leaf:                         c.Leaf,
	}
}

// schemes turns one type of signature schemes into another.
func schemes[To, From ~uint16](in []From) []To {
	var out []To
	for _, s := range in {
		out = append(out, To(s))
	}
	return out
}

func security(conn *utls.UConn) transport.Security {
	cs := conn.ConnectionState()
	s := transport.Security{
		Version:          cs.Version,
		CipherSuite:      cs.CipherSuite,
		ALPN:             cs.NegotiatedProtocol,
		Resumed:          cs.DidResume,
		PeerCertificates: cs.PeerCertificates,
	}
	s.Bind(func(label string, context []byte, length int) ([]byte, error) {
		cs := conn.ConnectionState() // kept by the connection, not once more by this
		return cs.ExportKeyingMaterial(label, context, length)
	}, cs.TLSUnique)
	return s
}

func refuse(setting, why string) error {
	return &transport.TLSError{Reason: transport.ReasonConfig, Err: fmt.Errorf("%s: %s", setting, why)}
}
