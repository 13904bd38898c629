package policy_test

import (
	"crypto/tls"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/parley-mail/parley/internal/certs"
	"github.com/parley-mail/parley/transport"
	"github.com/parley-mail/parley/transport/internal/tlstest"
	"github.com/parley-mail/parley/transport/policy"
)

const host = "mx1.example.com"

var authority = sync.OnceValue(func() *certs.CA { return must(certs.NewCA()) })

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func issue(o certs.Options, hosts ...string) tls.Certificate {
	o.Hosts = hosts
	return must(authority().Issue(o))
}

func TestParseSTS(t *testing.T) {
	text := "version: STSv1\r\nmode: enforce\r\nmx: MX1.example.com\r\nmx: *.example.net.\r\nmode: none\r\nfuture: x\r\nmax_age: 604800\r\n"
	got, err := policy.ParseSTS([]byte(text))
	want := policy.STS{Mode: policy.ModeEnforce, MX: []string{"mx1.example.com", "*.example.net"}, MaxAge: 7 * 24 * time.Hour}
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("%v\n%s", err, diff)
	}
	for _, text := range []string{
		"version: STSv1\nmode: none\nmax_age: 0",
		"version:STSv1\nmode : testing\n\nmx:\ta.example\nmax_age: 31557600\n",
	} {
		if _, err := policy.ParseSTS([]byte(text)); err != nil {
			t.Errorf("%q: %v", text, err)
		}
	}
	for what, text := range map[string]string{
		"empty":           "",
		"no version":      "mode: none\nmax_age: 1\n",
		"other version":   "version: STSv2\nmode: none\nmax_age: 1\n",
		"no mode":         "version: STSv1\nmx: a.example\nmax_age: 1\n",
		"no such mode":    "version: STSv1\nmode: force\nmx: a.example\nmax_age: 1\n",
		"no age":          "version: STSv1\nmode: none\n",
		"age too great":   "version: STSv1\nmode: none\nmax_age: 31557601\n",
		"age too long":    "version: STSv1\nmode: none\nmax_age: 00000000001\n",
		"negative age":    "version: STSv1\nmode: none\nmax_age: -1\n",
		"no servers":      "version: STSv1\nmode: enforce\nmax_age: 1\n",
		"no name":         "version: STSv1\nmode: enforce\nmx: *.\nmax_age: 1\n",
		"star inside":     "version: STSv1\nmode: enforce\nmx: a.*.example\nmax_age: 1\n",
		"not a field":     "version: STSv1\n<html>\nmode: none\nmax_age: 1\n",
		"label too long":  "version: STSv1\nmode: enforce\nmx: " + strings.Repeat("a", 64) + ".example\nmax_age: 1\n",
		"name too long":   "version: STSv1\nmode: enforce\nmx: " + strings.Repeat("a.", 130) + "example\nmax_age: 1\n",
		"policy too long": "version: STSv1\nmode: none\nmax_age: 1\n" + strings.Repeat("x: y\n", 20000),
	} {
		p, err := policy.ParseSTS([]byte(text))
		var e *policy.Error
		if !errors.As(err, &e) || e.Failure != policy.STSPolicyInvalid {
			t.Errorf("%s: %v, %v", what, p, err)
		}
	}
}

func TestMatch(t *testing.T) {
	p := policy.STS{MX: []string{"mx1.example.com", "*.example.net"}}
	for mx, want := range map[string]bool{
		"mx1.example.com": true, "MX1.Example.COM.": true, "a.example.net": true,
		"mx2.example.com": false, "example.net": false, "a.b.example.net": false, "aexample.net": false, "": false, ".": false, ".example.net": false,
	} {
		if got := p.Match(mx); got != want {
			t.Errorf("%q: %v", mx, got)
		}
	}
}

func FuzzParseSTS(f *testing.F) {
	// Invariant: what parses has a mode, an age in bounds, and names that match themselves.
	f.Add("version: STSv1\nmode: enforce\nmx: a.example\nmx: *.example\nmax_age: 1\n")
	f.Add("version: STSv1\r\nmode: none\r\nmax_age: 99999999999\r\n")
	f.Fuzz(func(t *testing.T, text string) {
		p, err := policy.ParseSTS([]byte(text))
		if err != nil {
			return
		}
		if p.Mode > policy.ModeEnforce || p.MaxAge < 0 || p.MaxAge > 366*24*time.Hour {
			t.Errorf("%+v", p)
		}
		for _, mx := range p.MX {
			if !p.Match(strings.Replace(mx, "*", "x", 1)) {
				t.Errorf("%q does not match itself", mx)
			}
		}
	})
}

// connect does a handshake with a server that has the certificate.
func connect(t *testing.T, c *transport.TLSConfig, cert tls.Certificate) (transport.Security, error) {
	t.Helper()
	l := tlstest.Dial(t, &tls.Config{Certificates: []tls.Certificate{cert}}, true)
	return l.StartTLS(t.Context(), c)
}

func TestSTSInAHandshake(t *testing.T) {
	self := must(certs.SelfSigned(certs.Options{Hosts: []string{host}}))
	named := policy.STS{Mode: policy.ModeEnforce, MX: []string{"*.example.com"}}
	other := policy.STS{Mode: policy.ModeEnforce, MX: []string{"mx1.example.net"}}
	for _, c := range []struct {
		name    string
		policy  policy.STS
		cert    tls.Certificate
		failure policy.Failure
		ok      bool
	}{
		{"good", named, issue(certs.Options{}, host), 0, true},
		{"not in the policy", other, issue(certs.Options{}, host), policy.STSWebPKIInvalid, false},
		{"wrong name", named, issue(certs.Options{}, "mx2.example.com"), policy.CertificateHostMismatch, false},
		{"expired", named, issue(certs.Expired(certs.Options{}), host), policy.CertificateExpired, false},
		{"self-signed", named, self, policy.CertificateNotTrusted, false},
		{"client's", named, issue(certs.Options{Client: true}, host), policy.ValidationFailure, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			// A mail server is opportunistic by itself; the policy makes it strict.
			config := &transport.TLSConfig{ServerName: host, RootCAs: authority().Pool(), InsecureSkipVerify: true, Pin: self.Leaf}
			s, err := connect(t, c.policy.Configure(config), c.cert)
			var e *policy.Error
			switch {
			case c.ok:
				if err != nil || !s.Verified {
					t.Errorf("%v, %v", s, err)
				}
			case !errors.Is(err, transport.ReasonRefused) || !errors.As(err, &e) || e.Failure != c.failure || e.Host != host || !strings.Contains(err.Error(), c.failure.String()):
				t.Errorf("%v", err)
			}
			c.policy.Mode = policy.ModeTesting
			if s, err := connect(t, c.policy.Configure(config), c.cert); err != nil || s.Verified != (s.Problem == nil || s.Trust == transport.TrustPin) {
				t.Errorf("testing: %v, %v", s, err)
			}
		})
	}
	if err := named.Check(transport.Peer{ServerName: host}); err == nil {
		t.Error("a certificate that was not verified is good")
	}
	no := errors.New("no")
	config := &transport.TLSConfig{ServerName: host, RootCAs: authority().Pool(), VerifyPeer: func(transport.Peer) error { return no }}
	if _, err := connect(t, named.Configure(config), issue(certs.Options{}, host)); !errors.Is(err, no) {
		t.Errorf("the caller's own hook was not asked: %v", err)
	}
}

func TestNames(t *testing.T) {
	if s := policy.ModeTesting.String() + policy.Mode(9).String() + policy.TLSAInvalid.String() + policy.Failure(99).String(); s != "testingMode(9)tlsa-invalidFailure(99)" {
		t.Error(s)
	}
}
