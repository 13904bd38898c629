package transport_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/parley-mail/parley/internal/certs"
	"github.com/parley-mail/parley/transport"
	"github.com/parley-mail/parley/transport/internal/tlstest"
)

// faulty are certificates with one thing wrong each.
type faulty struct {
	expired, early, otherName, otherAuthority, selfSigned, client tls.Certificate
}

func newFaulty(t *testing.T) faulty {
	t.Helper()
	other := newAuthority()
	foreign, err := other.Issue(certs.Options{Hosts: []string{host}})
	if err != nil {
		t.Fatal(err)
	}
	foreign.Certificate = append(foreign.Certificate, other.Certificate().Raw)
	self, err := certs.SelfSigned(certs.Options{Hosts: []string{host}})
	if err != nil {
		t.Fatal(err)
	}
	return faulty{
		expired:        issue(t, certs.Expired(certs.Options{Hosts: []string{host}})),
		early:          issue(t, certs.NotYetValid(certs.Options{Hosts: []string{host}})),
		otherName:      issue(t, certs.Options{Hosts: []string{"other.example"}}),
		otherAuthority: foreign,
		selfSigned:     self,
		client:         issue(t, certs.Options{Hosts: []string{host}, Client: true}),
	}
}

func TestFaultyCertificates(t *testing.T) {
	f := newFaulty(t)
	var hostname x509.HostnameError
	var unknown x509.UnknownAuthorityError
	var invalid x509.CertificateInvalidError
	eachRun(t, func(t *testing.T, r run) {
		for _, c := range []struct {
			name    string
			cert    tls.Certificate
			reason  transport.Reason
			cause   any
			forgive transport.Forgive
		}{
			{"expired", f.expired, transport.ReasonExpired, &invalid, transport.ForgiveExpired},
			{"not yet valid", f.early, transport.ReasonExpired, &invalid, transport.ForgiveExpired},
			{"other name", f.otherName, transport.ReasonWrongName, &hostname, transport.ForgiveWrongName},
			{"other authority", f.otherAuthority, transport.ReasonUnknownAuthority, &unknown, transport.ForgiveUnknownAuthority},
			{"self-signed", f.selfSigned, transport.ReasonSelfSigned, &unknown, transport.ForgiveUnknownAuthority},
			{"client's", f.client, transport.ReasonWrongUsage, &invalid, transport.ForgiveWrongUsage},
		} {
			for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
				srv := server(upTo(version), with(c.cert))
				e := r.fail(t, r.config(transport.TLSConfig{}), srv)
				if e.Reason != c.reason || !errors.Is(e, c.reason) || !errors.As(e, c.cause) || e.Server != host || e.Peer == "" {
					t.Errorf("%s: %+v", c.name, e)
				}
				// The server is told, and in TLS 1.3 it is told that the certificate is at fault.
				all := transport.ForgiveExpired | transport.ForgiveUnknownAuthority | transport.ForgiveWrongName | transport.ForgiveWrongUsage
				if e := r.fail(t, r.config(transport.TLSConfig{Forgive: all &^ c.forgive}), srv); e.Reason != c.reason {
					t.Errorf("%s, all but that forgiven: %v", c.name, e)
				}
				_, s := r.connect(t, r.config(transport.TLSConfig{Forgive: c.forgive}), srv)
				if s.Verified || s.Trust != transport.TrustForgiven || s.Problem == nil || len(s.VerifiedChains) != 0 && c.forgive == transport.ForgiveUnknownAuthority {
					t.Errorf("%s, forgiven: verified %v by %v, problem %v", c.name, s.Verified, s.Trust, s.Problem)
				}
				_, s = r.connect(t, r.config(transport.TLSConfig{InsecureSkipVerify: true}), srv)
				if s.Verified || s.Trust != transport.TrustAny || s.Problem == nil {
					t.Errorf("%s, any: verified %v by %v, problem %v", c.name, s.Verified, s.Trust, s.Problem)
				}
				_, s = r.connect(t, r.config(transport.TLSConfig{Pin: c.cert.Leaf}), srv)
				if !s.Verified || s.Trust != transport.TrustPin || s.Problem == nil {
					t.Errorf("%s, pinned: verified %v by %v, problem %v", c.name, s.Verified, s.Trust, s.Problem)
				}
				if e := r.fail(t, r.config(transport.TLSConfig{Pin: ecdsaServer().Leaf}), srv); e.Reason != transport.ReasonPinMismatch {
					t.Errorf("%s, another one pinned: %v", c.name, e)
				}
			}
		}
		// A pin asks for no more than it says: any other good certificate is good.
		_, s := r.connect(t, r.config(transport.TLSConfig{Pin: f.expired.Leaf}), server())
		if s.Trust != transport.TrustChain {
			t.Errorf("%v", s)
		}
	})
}

// A wildcard stands for one label, no more and no less, and not in the place of an address.
func TestWildcards(t *testing.T) {
	wild := with(issue(t, certs.Options{Hosts: []string{"*.example"}}))
	eachRun(t, func(t *testing.T, r run) {
		if _, s := r.connect(t, r.config(transport.TLSConfig{ServerName: "MX.example"}), server(wild)); !s.Verified {
			t.Errorf("%v", s)
		}
		for _, name := range []string{"a.mx.example", "example", "mx.example.net", "192.0.2.1"} {
			if e := r.fail(t, r.config(transport.TLSConfig{ServerName: name}), server(wild)); e.Reason != transport.ReasonWrongName {
				t.Errorf("%s: %v", name, e)
			}
		}
	})
}

// Extra roots stand beside the others, alone too, and what is wrong is told whichever of
// them the chain ends in.
func TestExtraRoots(t *testing.T) {
	f := newFaulty(t)
	mine, other := authority(), newAuthority()
	eachRun(t, func(t *testing.T, r run) {
		for _, c := range []transport.TLSConfig{
			{RootCAs: other.Pool(), ExtraRootCAs: []*x509.Certificate{mine.Certificate()}},
			{RootCAs: mine.Pool(), ExtraRootCAs: []*x509.Certificate{other.Certificate()}},
			{ExtraRootCAs: []*x509.Certificate{other.Certificate(), mine.Certificate()}},
		} {
			if _, s := r.connect(t, r.config(c), server()); !s.Verified || s.Trust != transport.TrustChain || len(s.VerifiedChains) != 1 {
				t.Errorf("%v", s)
			}
			for want, cert := range map[transport.Reason]tls.Certificate{transport.ReasonExpired: f.expired, transport.ReasonWrongUsage: f.client, transport.ReasonUnknownAuthority: f.otherAuthority} {
				if e := r.fail(t, r.config(c), server(with(cert))); e.Reason != want {
					t.Errorf("%v, not %v", e, want)
				}
			}
		}
		if e := r.fail(t, r.config(transport.TLSConfig{RootCAs: other.Pool()}), server()); e.Reason != transport.ReasonUnknownAuthority {
			t.Errorf("%v", e)
		}
	})
}

// The clock of verification is the caller's.
func TestClock(t *testing.T) {
	eachRun(t, func(t *testing.T, r run) {
		later := func() time.Time { return time.Now().AddDate(1, 0, 0) }
		if e := r.fail(t, r.config(transport.TLSConfig{Time: later}), server()); e.Reason != transport.ReasonExpired {
			t.Errorf("%v", e)
		}
	})
}

// The caller's hook has the last word, both ways.
func TestVerifyPeer(t *testing.T) {
	f := newFaulty(t)
	eachRun(t, func(t *testing.T, r run) {
		no := errors.New("not this one")
		e := r.fail(t, r.config(transport.TLSConfig{VerifyPeer: func(p transport.Peer) error {
			if p.Verdict != nil || p.Trust != transport.TrustChain || len(p.Chains) != 1 || p.ServerName != host || p.Version == 0 || p.CipherSuite == 0 || p.Resumed {
				t.Errorf("%+v", p)
			}
			return no
		}}), server())
		if e.Reason != transport.ReasonRefused || !errors.Is(e, no) {
			t.Errorf("%v", e)
		}
		_, s := r.connect(t, r.config(transport.TLSConfig{VerifyPeer: func(p transport.Peer) error {
			if !errors.Is(p.Verdict, transport.ReasonSelfSigned) {
				t.Errorf("%+v", p)
			}
			return nil
		}}), server(with(f.selfSigned)))
		if s.Trust != transport.TrustCaller || !s.Verified || s.Problem == nil {
			t.Errorf("%v, problem %v", s, s.Problem)
		}
		e = r.fail(t, r.config(transport.TLSConfig{VerifyPeer: func(p transport.Peer) error { return p.Verdict }}), server(with(f.expired)))
		if e.Reason != transport.ReasonExpired {
			t.Errorf("%v", e)
		}
	})
}

// The leaf's signature is held to the list where the list is given.
func TestWeakSignature(t *testing.T) {
	c := &transport.TLSConfig{
		ServerName: host, RootCAs: authority().Pool(),
		SignatureAlgorithms: []tls.SignatureScheme{tls.PSSWithSHA256, tls.Ed25519},
	}
	err := c.Verify(&transport.Peer{Certificates: []*x509.Certificate{ecdsaServer().Leaf}})
	if !errors.Is(err, transport.ReasonWeakSignature) {
		t.Errorf("%v", err)
	}
	c.SignatureAlgorithms = append(c.SignatureAlgorithms, tls.ECDSAWithP256AndSHA256)
	if err := c.Verify(&transport.Peer{Certificates: []*x509.Certificate{ecdsaServer().Leaf}}); err != nil {
		t.Errorf("%v", err)
	}
	if err := c.Verify(&transport.Peer{}); !errors.Is(err, transport.ReasonBadCertificate) {
		t.Errorf("%v", err)
	}
}

// Peers that fail otherwise, each with a reason of its own.
func TestPeersThatFail(t *testing.T) {
	silent := func(nc net.Conn) { io.Copy(io.Discard, nc) }
	say := func(s string) func(net.Conn) {
		return func(nc net.Conn) {
			nc.Read(make([]byte, 4096))
			io.WriteString(nc, s)
		}
	}
	eachRun(t, func(t *testing.T, r run) {
		if r.starttls {
			t.Skip("the same from the first octet on")
		}
		for _, c := range []struct {
			name   string
			peer   func(net.Conn)
			reason transport.Reason
		}{
			{"plain SMTP", say("220 mx.example ESMTP\r\n"), transport.ReasonNotTLS},
			{"closes", say(""), transport.ReasonClosed},
			{"closes inside a record", say("\x16\x03\x03\x00\x40\x02"), transport.ReasonClosed},
			{"an alert", say("\x15\x03\x01\x00\x02\x02\x28"), transport.ReasonAlert},
			{"a version not offered", say(serverHello(tls.VersionTLS11)), transport.ReasonVersion},
			{"a version that is none", say(serverHello(0x0399)), transport.ReasonVersion},
		} {
			e := refused(t, tlstest.DialRaw(t, c.peer), r.config(transport.TLSConfig{}))
			if e.Reason != c.reason {
				t.Errorf("%s: %v", c.name, e)
			}
			if c.reason == transport.ReasonNotTLS && string(e.First) != "220 mx.example ESMTP\r\n" {
				t.Errorf("%s: first %q", c.name, e.First)
			}
			if c.reason == transport.ReasonAlert && e.Alert != 40 {
				t.Errorf("%s: alert %d", c.name, e.Alert)
			}
		}

		l := tlstest.DialRaw(t, silent)
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Millisecond, cancel)
		if _, err := l.StartTLS(ctx, r.config(transport.TLSConfig{})); !errors.Is(err, transport.ReasonCanceled) || !errors.Is(err, context.Canceled) {
			t.Errorf("cancelled: %v", err)
		}
		l = tlstest.DialRaw(t, silent)
		ctx, cancel = context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		_, err := l.StartTLS(ctx, r.config(transport.TLSConfig{}))
		if e, ok := err.(*transport.TLSError); !ok || e.Reason != transport.ReasonTimeout || !e.Timeout() || !e.Temporary() {
			t.Errorf("deadline of the context: %v", err)
		}
		l = tlstest.DialRaw(t, silent)
		l.SetDeadline(time.Now().Add(time.Millisecond))
		if _, err := l.StartTLS(t.Context(), r.config(transport.TLSConfig{})); !errors.Is(err, transport.ReasonTimeout) || !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("deadline of the link: %v", err)
		}
	})
}

// serverHello is a record with a ServerHello that chooses the version.
func serverHello(version uint16) string {
	body := string([]byte{byte(version >> 8), byte(version)}) + string(make([]byte, 32)) + "\x00\xc0\x2f\x00"
	msg := "\x02\x00\x00" + string(rune(len(body))) + body
	return "\x16\x03\x03\x00" + string(rune(len(msg))) + msg
}

// In TLS 1.3 the server refuses the client after the client is done.
func TestAlertBehindTheHandshake(t *testing.T) {
	eachRun(t, func(t *testing.T, r run) {
		l := tlstest.Dial(t, server(func(c *tls.Config) { c.ClientAuth = tls.RequireAnyClientCert }), r.starttls)
		if _, err := l.StartTLS(t.Context(), r.config(transport.TLSConfig{})); err != nil {
			t.Fatal(err)
		}
		_, err := l.Read(make([]byte, 1))
		const certificateRequired = 116
		e, ok := err.(*transport.TLSError)
		if !ok || e.Reason != transport.ReasonAlert || e.Alert != certificateRequired || e.Server != host || e.Peer == "" {
			t.Errorf("%T %v", err, err)
		}
	})
}

// A configuration that cannot be honoured costs no octet on the wire.
func TestConfigErrors(t *testing.T) {
	eachRun(t, func(t *testing.T, r run) {
		for name, c := range map[string]transport.TLSConfig{
			"no version":         {MinVersion: tls.VersionTLS13, MaxVersion: tls.VersionTLS12},
			"unknown version":    {Versions: []uint16{tls.VersionTLS12, 0x0300}},
			"no suite left":      {CipherSuites: []uint16{tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256}, MinCipherBits: 256},
			"no signatures, 1.3": {SignatureAlgorithms: []tls.SignatureScheme{}},
		} {
			if e := r.fail(t, r.config(c), server()); e.Reason != transport.ReasonConfig {
				t.Errorf("%s: %v", name, e)
			}
		}
		nameless := r.config(transport.TLSConfig{})
		nameless.ServerName = ""
		if e := r.fail(t, nameless, server()); e.Reason != transport.ReasonConfig {
			t.Errorf("no name: %v", e)
		}
	})
}

// Signatures that were verified are not verified again, as long as the cache remembers it.
// Everything else is.
func TestVerifiedBefore(t *testing.T) {
	f, another := newFaulty(t), issue(t, certs.Options{})
	eachRun(t, func(t *testing.T, r run) {
		whole, now := 0, time.Now()
		pool := x509.NewCertPool()
		pool.AddCertWithConstraint(authority().Certificate(), func([]*x509.Certificate) error { whole++; return nil })
		c := r.config(transport.TLSConfig{
			RootCAs: pool, Endpoint: "mx.example:465", Time: func() time.Time { return now },
			Sessions: &transport.SessionCache{NoResumption: true, Lifetime: time.Hour},
		})
		use := func(what string, want int, change ...func(*tls.Config)) {
			t.Helper()
			_, s := r.connect(t, c, server(change...))
			if s.Resumed || s.Trust != transport.TrustChain || len(s.VerifiedChains) != 1 || len(s.VerifiedChains[0]) != 2 {
				t.Errorf("%s: %v", what, s)
			}
			if whole != want {
				t.Errorf("%s: verified %d times, want %d", what, whole, want)
			}
		}
		use("first", 1)
		use("again", 1)
		use("another certificate", 2, with(another))
		use("that again", 2, with(another))
		for want, cert := range map[transport.Reason]tls.Certificate{
			transport.ReasonExpired: f.expired, transport.ReasonWrongUsage: f.client, transport.ReasonWrongName: f.otherName, transport.ReasonUnknownAuthority: f.otherAuthority,
		} {
			if e := r.fail(t, c, server(with(cert))); e.Reason != want {
				t.Errorf("%v, not %v", e, want)
			}
			whole = 0
			use("after what was refused", 1)
		}
		c.Sessions.Clear()
		use("after Clear", 2)
		whole = 1
		now = now.Add(50 * time.Minute)
		use("later", 1)
		now = now.Add(20 * time.Minute)
		use("too late, though it has been used since", 2)
		now = now.AddDate(0, 0, 2)
		if e := r.fail(t, c, server()); e.Reason != transport.ReasonExpired {
			t.Errorf("%v", e)
		}
		now, whole = time.Now(), 0
		use("by the right time", 1)
		c.RootCAs = newAuthority().Pool()
		if e := r.fail(t, c, server()); e.Reason != transport.ReasonUnknownAuthority {
			t.Errorf("%v", e)
		}
		c.RootCAs, c.Sessions = pool, nil
		use("without a cache", 2)
		use("and again", 3)
	})
}

// Handshakes with one endpoint share what TLS keeps of the configuration, many at once and one
// after another, and each is still judged by its own.
func TestEachJudgesItsOwn(t *testing.T) {
	eachRun(t, func(t *testing.T, r run) {
		var cache transport.SessionCache
		srv := server()
		wrong := errors.New("not this one")
		var working sync.WaitGroup
		defer working.Wait()
		for i := range 6 {
			working.Go(func() {
				for range 4 {
					asked := 0
					c := r.config(transport.TLSConfig{Sessions: &cache, Endpoint: "mx.example:25"})
					c.VerifyPeer = func(p transport.Peer) error {
						asked++
						if i%2 > 0 {
							return wrong
						}
						return p.Verdict
					}
					l := tlstest.Dial(t, srv, r.starttls)
					s, err := l.StartTLS(t.Context(), c)
					switch {
					case asked != 1:
						t.Errorf("asked %d times", asked)
					case i%2 > 0 && !errors.Is(err, wrong):
						t.Errorf("not refused: %v", err)
					case i%2 == 0 && (err != nil || !s.Verified):
						t.Errorf("%v, %v", s, err)
					}
				}
			})
		}
	})
}
