package certs_test

import (
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"testing"

	"github.com/parley-mail/parley/internal/certs"
)

func newCA(t *testing.T) *certs.CA {
	t.Helper()
	ca, err := certs.NewCA()
	if err != nil {
		t.Fatal(err)
	}
	return ca
}

func verify(ca *certs.CA, c tls.Certificate, host string, usage x509.ExtKeyUsage) error {
	_, err := c.Leaf.Verify(x509.VerifyOptions{Roots: ca.Pool(), DNSName: host, KeyUsages: []x509.ExtKeyUsage{usage}})
	return err
}

func TestIssue(t *testing.T) {
	ca := newCA(t)
	expired := func(err error) bool {
		var e x509.CertificateInvalidError
		return errors.As(err, &e) && e.Reason == x509.Expired
	}
	hostname := func(err error) bool { var e x509.HostnameError; return errors.As(err, &e) }
	usage := func(err error) bool {
		var e x509.CertificateInvalidError
		return errors.As(err, &e) && e.Reason == x509.IncompatibleUsage
	}
	ok := func(err error) bool { return err == nil }

	for _, tt := range []struct {
		name string
		opts certs.Options
		host string
		want func(error) bool
	}{
		{"default, name", certs.Options{}, "localhost", ok},
		{"default, IPv4", certs.Options{}, "127.0.0.1", ok},
		{"default, IPv6", certs.Options{}, "[::1]", ok},
		{"named", certs.Options{Hosts: []string{"mx.example", "192.0.2.1"}}, "mx.example", ok},
		{"named, other host", certs.Options{Hosts: []string{"mx.example"}}, "localhost", hostname},
		{"RSA", certs.Options{RSA: true}, "localhost", ok},
		{"expired", certs.Expired(certs.Options{}), "localhost", expired},
		{"not yet valid", certs.NotYetValid(certs.Options{}), "localhost", expired},
		{"client for a server", certs.Options{Client: true, Hosts: []string{"localhost"}}, "localhost", usage},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c, err := ca.Issue(tt.opts)
			if err != nil {
				t.Fatal(err)
			}
			if err := verify(ca, c, tt.host, x509.ExtKeyUsageServerAuth); !tt.want(err) {
				t.Errorf("Verify: %v", err)
			}
			if _, isRSA := c.PrivateKey.(*rsa.PrivateKey); isRSA != tt.opts.RSA {
				t.Errorf("RSA key: %v", isRSA)
			}
		})
	}
}

func TestClient(t *testing.T) {
	ca := newCA(t)
	c, err := ca.Issue(certs.Options{Client: true})
	if err != nil {
		t.Fatal(err)
	}
	if err := verify(ca, c, "client", x509.ExtKeyUsageClientAuth); err != nil {
		t.Error(err)
	}
}

func TestSelfSigned(t *testing.T) {
	c, err := certs.SelfSigned(certs.Options{})
	if err != nil {
		t.Fatal(err)
	}
	var unknown x509.UnknownAuthorityError
	if err := verify(newCA(t), c, "localhost", x509.ExtKeyUsageServerAuth); !errors.As(err, &unknown) {
		t.Errorf("Verify: %v", err)
	}
	if err := c.Leaf.CheckSignature(c.Leaf.SignatureAlgorithm, c.Leaf.RawTBSCertificate, c.Leaf.Signature); err != nil {
		t.Errorf("own signature: %v", err)
	}
}

func TestPEM(t *testing.T) {
	ca := newCA(t)
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(ca.PEM()) || !pool.Equal(ca.Pool()) {
		t.Error("the authority's PEM is not its pool")
	}
	c, err := ca.Issue(certs.Options{RSA: true})
	if err != nil {
		t.Fatal(err)
	}
	chain, key, err := certs.PEM(c)
	if err != nil {
		t.Fatal(err)
	}
	again, err := tls.X509KeyPair(chain, key)
	if err != nil {
		t.Fatal(err)
	}
	if !again.Leaf.Equal(c.Leaf) {
		t.Error("another certificate came back")
	}
}

// The chain as a handshake sees it, both sides presenting one.
func TestHandshake(t *testing.T) {
	ca := newCA(t)
	server, err := ca.Issue(certs.Options{Hosts: []string{"mx.example"}})
	if err != nil {
		t.Fatal(err)
	}
	client, err := ca.Issue(certs.Options{Client: true})
	if err != nil {
		t.Fatal(err)
	}
	a, b := net.Pipe()
	defer a.Close()
	defer b.Close()
	done := make(chan error, 1)
	go func() {
		done <- tls.Server(b, &tls.Config{
			Certificates: []tls.Certificate{server}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: ca.Pool(),
			SessionTicketsDisabled: true, // a ticket would wait for a reader
		}).Handshake()
	}()
	c := tls.Client(a, &tls.Config{ServerName: "mx.example", RootCAs: ca.Pool(), Certificates: []tls.Certificate{client}})
	if err := c.Handshake(); err != nil {
		t.Error(err)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
}
