package conformance_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"testing"

	"github.com/parley-mail/parley"
	"github.com/parley-mail/parley/internal/certs"
	"github.com/parley-mail/parley/message"
	"github.com/parley-mail/parley/transport"
	"github.com/parley-mail/parley/transport/mem"
	"github.com/parley-mail/parley/transport/policy"
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

// TestCertificateNames: a wildcard stands for one whole label at the left, and the common
// name for nothing (C-8314-011).
func TestCertificateNames(t *testing.T) {
	ca := authority(t)
	for _, c := range []struct {
		in, common, name string
		ok               bool
	}{
		{"mx.example.com", "", "mx.example.com", true},
		{"mx.example.com", "", "MX.Example.COM", true},
		{"mx.example.com", "", "my.example.com", false},
		{"mx.example.com", "", "a.mx.example.com", false},
		{"mx.example.com", "my.example.com", "my.example.com", false},
		{"192.0.2.1", "my.example.com", "my.example.com", false},
		{"mx.example.com", "my.example.com", "mx.example.com", true},
		{"*.example.com", "", "a.example.com", true},
		{"*.example.com", "", "a.b.example.com", false},
		{"*.example.com", "", "example.com", false},
		{"a*.example.com", "", "ab.example.com", false},
		{"*.*.example.com", "", "a.b.example.com", false},
		{"mx.*.com", "", "mx.example.com", false},
	} {
		cert, err := ca.Issue(certs.Options{Hosts: []string{c.in}, CommonName: c.common})
		if err != nil {
			t.Fatal(err)
		}
		client, server := mem.Pipe(mem.Options{Buffer: 64 << 10})
		done := make(chan struct{})
		go func() {
			defer close(done)
			s := tls.Server(server, &tls.Config{Certificates: []tls.Certificate{cert}})
			_ = s.Handshake()
			_, _ = io.Copy(io.Discard, s)
			server.Close()
		}()
		link := transport.New(client)
		_, err = link.StartTLS(t.Context(), &transport.TLSConfig{ServerName: c.name, RootCAs: ca.Pool()})
		var wrong x509.HostnameError
		if (err == nil) != c.ok || err != nil && !errors.As(err, &wrong) {
			t.Errorf("%s, %s for %s: %v", c.in, c.common, c.name, err)
		}
		link.Close()
		<-done
	}
}

// TestEndOfTLS: the server sees an alert before the stream ends (C-8314-006). What it is
// about is in clear in TLS 1.2.
func TestEndOfTLS(t *testing.T) {
	ca := authority(t)
	cert := certificate(t, ca, "mx.example")
	client, server := mem.Pipe(mem.Options{Buffer: 64 << 10})
	end := make(chan []byte, 1)
	go func() {
		defer server.Close()
		var heard bytes.Buffer
		s := tls.Server(tee{server, &heard}, &tls.Config{Certificates: []tls.Certificate{cert}, MaxVersion: tls.VersionTLS12})
		_, _ = io.Copy(io.Discard, s) // crypto/tls takes an end without an alert for one with it
		end <- heard.Bytes()
	}()
	link := transport.New(client)
	if _, err := link.StartTLS(t.Context(), &transport.TLSConfig{ServerName: "mx.example", RootCAs: ca.Pool()}); err != nil {
		t.Fatal(err)
	}
	link.Close()
	var last byte
	for records := <-end; len(records) >= 5; {
		last = records[0]
		records = records[min(len(records), 5+int(binary.BigEndian.Uint16(records[3:]))):]
	}
	if last != 21 {
		t.Errorf("the last record is of type %d, not an alert", last)
	}
}

// tee keeps what is read.
type tee struct {
	net.Conn
	heard io.Writer
}

func (c tee) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	_, _ = c.heard.Write(p[:n])
	return n, err
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
				cert := certificate(t, ca, c.cert)
				serveTLS(server, c.calls, c.proxy, &cert)
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

// serveTLS is a proxy perhaps, then a server that has STARTTLS, if it has a certificate,
// and says yes to all. It returns what it was told inside and outside of TLS.
func serveTLS(nc net.Conn, calls string, tunnel bool, cert *tls.Certificate) (told []string) {
	defer nc.Close()
	in := bufio.NewReader(nc)
	if tunnel {
		for line := "CONNECT"; strings.TrimSpace(line) != ""; {
			var err error
			if line, err = in.ReadString('\n'); err != nil {
				return told
			}
		}
		io.WriteString(nc, "HTTP/1.1 200 OK\r\n\r\n")
	}
	fmt.Fprintf(nc, "220 %s ESMTP\r\n", calls)
	for {
		line, err := in.ReadString('\n')
		told = append(told, line)
		switch {
		case err != nil:
			return told
		case strings.HasPrefix(line, "EHLO") && cert == nil:
			fmt.Fprintf(nc, "250 %s\r\n", calls)
		case strings.HasPrefix(line, "STARTTLS"):
			io.WriteString(nc, "220 go\r\n")
			nc = tls.Server(nc, &tls.Config{Certificates: []tls.Certificate{*cert}})
			defer nc.Close()
			in = bufio.NewReader(nc)
		case strings.HasPrefix(line, "EHLO"):
			fmt.Fprintf(nc, "250-%s\r\n250 STARTTLS\r\n", calls)
		case strings.HasPrefix(line, "DATA"):
			io.WriteString(nc, "354 go\r\n")
			for line != ".\r\n" && err == nil {
				line, err = in.ReadString('\n')
			}
			io.WriteString(nc, "250 ok\r\n")
		default:
			io.WriteString(nc, "250 ok\r\n")
		}
	}
}

// TestPolicyBeforeMail: what TLSA records and policies of MTA-STS ask for is a condition:
// without TLS, with another certificate or at a host that is not listed there is no MAIL,
// and the failure is not the message's (C-POL-002, C-POL-003, C-POL-014).
func TestPolicyBeforeMail(t *testing.T) {
	const host = "mx.example"
	ca := authority(t)
	good, elsewhere := certificate(t, ca, host), certificate(t, ca, "other.example")
	tlsa := func(usage policy.Usage, cert tls.Certificate) policy.DANE {
		digest := sha256.Sum256(cert.Leaf.RawSubjectPublicKeyInfo)
		return policy.DANE{Records: []policy.TLSA{{Usage: usage, Selector: policy.SPKI, Matching: policy.SHA256, Data: digest[:]}}, Names: []string{host}}
	}
	self, err := certs.SelfSigned(certs.Options{Hosts: []string{"other.example"}})
	if err != nil {
		t.Fatal(err)
	}
	listed, unlisted := policy.STS{Mode: policy.ModeEnforce, MX: []string{host}}, policy.STS{Mode: policy.ModeEnforce, MX: []string{"mx2.example"}}
	for _, c := range []struct {
		name string
		dane policy.DANE
		sts  policy.STS
		cert *tls.Certificate
		ok   bool
	}{
		{"nothing published", policy.DANE{}, policy.STS{}, &self, true},
		{"nothing published, no STARTTLS", policy.DANE{}, policy.STS{}, nil, true},
		{"DANE, the one meant", tlsa(policy.DANEEE, self), policy.STS{}, &self, true},
		{"DANE, another", tlsa(policy.DANEEE, self), policy.STS{}, &good, false},
		{"DANE, no STARTTLS", tlsa(policy.DANEEE, self), policy.STS{}, nil, false},
		{"DANE, none usable", tlsa(255, good), policy.STS{}, &self, true},
		{"DANE, none usable, no STARTTLS", tlsa(255, good), policy.STS{}, nil, false},
		{"STS", policy.DANE{}, listed, &good, true},
		{"STS, not listed", policy.DANE{}, unlisted, &good, false},
		{"STS, another name", policy.DANE{}, listed, &elsewhere, false},
		{"STS, signed by itself", policy.DANE{}, listed, &self, false},
		{"STS, no STARTTLS", policy.DANE{}, listed, nil, false},
	} {
		told := make(chan []string, 1)
		dialer := dialFunc(func() net.Conn {
			client, server := mem.Pipe(mem.Options{Buffer: 64 << 10})
			go func() { told <- serveTLS(server, host, false, c.cert) }()
			return client
		})
		// Where nothing is asked for, what there is will do.
		config := &transport.TLSConfig{RootCAs: ca.Pool(), ServerName: host, InsecureSkipVerify: true}
		e := &parley.Endpoint{Address: host + ":25", Dialer: dialer, TLS: parley.TLSOpportunistic, TLSConfig: c.sts.Configure(c.dane.Configure(config))}
		if c.dane.Requirement() != policy.RequireNothing || c.sts.Mode == policy.ModeEnforce {
			e.TLS = parley.TLSStartTLS
		}
		conn, err := parley.Dial(t.Context(), e)
		if conn != nil {
			env := &message.Envelope{ReversePath: message.MustParsePath("a@x.example"), Recipients: []message.Recipient{{Path: message.MustParsePath("b@y.example")}}}
			_, err = conn.Deliver(t.Context(), &parley.Mail{Envelope: env, Content: message.FromBytes([]byte("A: b\r\n\r\n"))})
			conn.Quit(t.Context())
		}
		mailed := slices.ContainsFunc(<-told, func(line string) bool { return strings.HasPrefix(line, "MAIL") })
		if mailed != c.ok || (err == nil) != c.ok {
			t.Errorf("%s: MAIL %v, %v", c.name, mailed, err)
		}
		if !c.ok && !errors.Is(err, parley.ErrTLS) && !errors.Is(err, parley.ErrUnsupported) {
			t.Errorf("%s: it is the message's failure: %v", c.name, err)
		}
	}
}
