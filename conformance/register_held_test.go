package conformance_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"

	"github.com/parley-mail/parley"
	"github.com/parley-mail/parley/internal/certs"
	"github.com/parley-mail/parley/transport"
	"github.com/parley-mail/parley/transport/mem"
	"github.com/parley-mail/parley/transport/proxy"
)

// Requirements that no transcript can hold and no test of a package does.

func authority(t *testing.T) *certs.CA {
	t.Helper()
	ca, err := certs.NewCA()
	if err != nil {
		t.Fatal(err)
	}
	return ca
}

func certificate(t *testing.T, ca *certs.CA, hosts ...string) tls.Certificate {
	t.Helper()
	c, err := ca.Issue(certs.Options{Hosts: hosts})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// TestCertificateNames: a wildcard stands for one whole label at the left (C-8314-011).
func TestCertificateNames(t *testing.T) {
	ca := authority(t)
	for _, c := range []struct {
		in, name string
		ok       bool
	}{
		{"mx.example.com", "mx.example.com", true},
		{"mx.example.com", "MX.Example.COM", true},
		{"mx.example.com", "my.example.com", false},
		{"mx.example.com", "a.mx.example.com", false},
		{"*.example.com", "a.example.com", true},
		{"*.example.com", "a.b.example.com", false},
		{"*.example.com", "example.com", false},
		{"a*.example.com", "ab.example.com", false},
		{"*.*.example.com", "a.b.example.com", false},
		{"mx.*.com", "mx.example.com", false},
	} {
		client, server := mem.Pipe(mem.Options{Buffer: 64 << 10})
		done := make(chan struct{})
		go func() {
			defer close(done)
			s := tls.Server(server, &tls.Config{Certificates: []tls.Certificate{certificate(t, ca, c.in)}})
			_ = s.Handshake()
			_, _ = io.Copy(io.Discard, s)
			server.Close()
		}()
		link := transport.New(client)
		_, err := link.StartTLS(t.Context(), &transport.TLSConfig{ServerName: c.name, RootCAs: ca.Pool()})
		var wrong x509.HostnameError
		if (err == nil) != c.ok || err != nil && !errors.As(err, &wrong) {
			t.Errorf("%s for %s: %v", c.in, c.name, err)
		}
		link.Close()
		<-done
	}
}

// TestEndOfTLS: the server sees an alert before the stream ends (C-8314-006).
func TestEndOfTLS(t *testing.T) {
	ca := authority(t)
	client, server := mem.Pipe(mem.Options{Buffer: 64 << 10})
	end := make(chan error, 1)
	go func() {
		defer server.Close()
		s := tls.Server(server, &tls.Config{Certificates: []tls.Certificate{certificate(t, ca, "mx.example")}})
		_, err := s.Read(make([]byte, 1)) // io.EOF stands for close_notify, io.ErrUnexpectedEOF for its absence
		end <- err
	}()
	link := transport.New(client)
	if _, err := link.StartTLS(t.Context(), &transport.TLSConfig{ServerName: "mx.example", RootCAs: ca.Pool()}); err != nil {
		t.Fatal(err)
	}
	link.Close()
	if err := <-end; err != io.EOF {
		t.Errorf("the server saw %v", err)
	}
}

// dialFunc makes connections.
type dialFunc func() net.Conn

func (f dialFunc) DialContext(context.Context, string, string) (net.Conn, error) { return f(), nil }

// TestWhoseCertificate: the name that counts is the one the caller gave. It is not what
// the server calls itself (C-3207-013), and not the proxy's (C-PROXY-015).
func TestWhoseCertificate(t *testing.T) {
	ca := authority(t)
	for _, c := range []struct {
		calls string // what the server calls itself
		proxy bool
		cert  string
		ok    bool
	}{
		{"mx.example", false, "mx.example", true},
		{"other.example", false, "mx.example", true},
		{"other.example", false, "other.example", false},
		{"mx.example", false, "other.example", false},
		{"mx.example", true, "mx.example", true},
		{"mx.example", true, "proxy.example", false},
		{"proxy.example", true, "proxy.example", false},
	} {
		done := make(chan struct{})
		var dialer transport.Dialer = dialFunc(func() net.Conn {
			client, server := mem.Pipe(mem.Options{Buffer: 64 << 10})
			go func() {
				defer close(done)
				serveTLS(server, c.calls, c.proxy, certificate(t, ca, c.cert))
			}()
			return client
		})
		if c.proxy {
			dialer = proxy.Chain(dialer, proxy.Tunnel{Addr: "proxy.example:3128"})
		}
		conn, err := parley.Dial(t.Context(), &parley.Endpoint{
			Address: "mx.example:25", Dialer: dialer, TLS: parley.TLSStartTLS, TLSConfig: &transport.TLSConfig{RootCAs: ca.Pool()},
		})
		var wrong x509.HostnameError
		if (err == nil) != c.ok || err != nil && !errors.As(err, &wrong) {
			t.Errorf("%+v: %v", c, err)
		}
		if conn != nil {
			conn.Quit(t.Context())
		}
		<-done
	}
}

// serveTLS is a proxy perhaps, then a server that has STARTTLS and says yes to all.
func serveTLS(nc net.Conn, calls string, tunnel bool, cert tls.Certificate) {
	defer nc.Close()
	in := bufio.NewReader(nc)
	if tunnel {
		for line := "CONNECT"; strings.TrimSpace(line) != ""; {
			var err error
			if line, err = in.ReadString('\n'); err != nil {
				return
			}
		}
		io.WriteString(nc, "HTTP/1.1 200 OK\r\n\r\n")
	}
	fmt.Fprintf(nc, "220 %s ESMTP\r\n", calls)
	for {
		line, err := in.ReadString('\n')
		switch {
		case err != nil:
			return
		case strings.HasPrefix(line, "STARTTLS"):
			io.WriteString(nc, "220 go\r\n")
			nc = tls.Server(nc, &tls.Config{Certificates: []tls.Certificate{cert}})
			defer nc.Close()
			in = bufio.NewReader(nc)
		case strings.HasPrefix(line, "EHLO"):
			fmt.Fprintf(nc, "250-%s\r\n250 STARTTLS\r\n", calls)
		default:
			io.WriteString(nc, "250 ok\r\n")
		}
	}
}
