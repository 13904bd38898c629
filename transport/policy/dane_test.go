package policy_test

import (
	"crypto/sha256"
	"crypto/sha512"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/parley-mail/parley/internal/certs"
	"github.com/parley-mail/parley/transport"
	"github.com/parley-mail/parley/transport/internal/tlstest"
	"github.com/parley-mail/parley/transport/policy"
)

// record makes the record that means cert.
func record(usage policy.Usage, selector policy.Selector, matching policy.Matching, cert *x509.Certificate) policy.TLSA {
	data := cert.Raw
	if selector == policy.SPKI {
		data = cert.RawSubjectPublicKeyInfo
	}
	switch matching {
	case policy.SHA256:
		d := sha256.Sum256(data)
		data = d[:]
	case policy.SHA512:
		d := sha512.Sum512(data)
		data = d[:]
	}
	return policy.TLSA{Usage: usage, Selector: selector, Matching: matching, Data: data}
}

func TestParseTLSA(t *testing.T) {
	got, err := policy.ParseTLSA(" 3 1\t1 0a1B 2c\n")
	if diff := cmp.Diff(policy.TLSA{Usage: 3, Selector: 1, Matching: 1, Data: []byte{0x0a, 0x1b, 0x2c}}, got); err != nil || diff != "" {
		t.Errorf("%v\n%s", err, diff)
	}
	if s := got.String(); s != "3 1 1 0a1b2c" {
		t.Error(s)
	}
	for _, s := range []string{"", "3 1 1", "3 1 256 00", "x 1 1 00", "3 1 1 0", "3 1 1 zz", "3 1 0 " + fmt.Sprintf("%0140000d", 0)} {
		if r, err := policy.ParseTLSA(s); err == nil {
			t.Errorf("%.40q: %v", s, r)
		}
	}
}

func TestUsable(t *testing.T) {
	leaf := issue(certs.Options{}, host).Leaf
	for _, usage := range []policy.Usage{policy.PKIXTA, policy.PKIXEE, policy.DANETA, policy.DANEEE, 4} {
		for _, selector := range []policy.Selector{policy.Cert, policy.SPKI, 2} {
			for _, matching := range []policy.Matching{policy.Full, policy.SHA256, policy.SHA512, 3} {
				r := record(usage, selector, matching, leaf)
				want := (usage == policy.DANETA || usage == policy.DANEEE) && selector < 2 && matching < 3
				if r.Usable() != want {
					t.Errorf("%v: usable %v", r, !want)
				}
				if matches := r.Matches(leaf); matches != (selector < 2 && matching < 3) {
					t.Errorf("%v: matches %v", r, matches)
				}
				r.Data = r.Data[:len(r.Data)-1]
				if r.Usable() || r.Matches(leaf) {
					t.Errorf("%v: usable, or matches, although cut short", r)
				}
			}
		}
	}
}

func TestDANE(t *testing.T) {
	now := time.Now()
	ca := authority().Certificate()
	other := must(certs.NewCA()).Certificate()
	leaf := func(c tls.Certificate) []*x509.Certificate { return []*x509.Certificate{c.Leaf} }
	below := func(c tls.Certificate) []*x509.Certificate { return []*x509.Certificate{c.Leaf, ca} }
	good, elsewhere, expired := issue(certs.Options{}, host), issue(certs.Options{}, "x.example"), issue(certs.Expired(certs.Options{}), host)
	self := must(certs.SelfSigned(certs.Expired(certs.Options{Hosts: []string{"x.example"}})))
	const none = policy.Failure(99)

	type records = []policy.TLSA
	for _, c := range []struct {
		name    string
		records records
		chain   []*x509.Certificate
		match   int // index of the record, or -1
		failure policy.Failure
	}{
		{"no records", nil, leaf(self), -1, none},
		{"none usable", records{record(policy.PKIXEE, 1, 1, other), {Usage: 3, Selector: 1, Matching: 1}}, leaf(self), -1, none},
		{"EE, key", records{record(policy.DANEEE, policy.SPKI, policy.SHA256, good.Leaf)}, leaf(good), 0, none},
		{"EE, certificate", records{record(policy.DANEEE, policy.Cert, policy.SHA512, good.Leaf)}, leaf(good), 0, none},
		{"EE, whole key", records{record(policy.DANEEE, policy.SPKI, policy.Full, good.Leaf)}, leaf(good), 0, none},
		{"EE, whatever its name, time and issuer", records{record(policy.DANEEE, 1, 1, self.Leaf)}, leaf(self), 0, none},
		{"EE, second record", records{record(policy.DANEEE, 1, 1, other), record(policy.DANEEE, 1, 1, good.Leaf)}, leaf(good), 1, none},
		{"EE, none matches", records{record(policy.DANEEE, 1, 1, other)}, below(good), -1, policy.TLSAInvalid},
		{"EE does not mean the issuer", records{record(policy.DANEEE, 1, 1, ca)}, below(good), -1, policy.TLSAInvalid},
		{"PKIX-EE beside a usable one does not count", records{record(policy.PKIXEE, 1, 1, good.Leaf), record(policy.DANEEE, 1, 1, other)}, leaf(good), -1, policy.TLSAInvalid},
		{"TA", records{record(policy.DANETA, policy.Cert, policy.SHA256, ca)}, below(good), 0, none},
		{"TA, key", records{record(policy.DANETA, policy.SPKI, policy.SHA512, ca)}, below(good), 0, none},
		{"TA, digest, not sent", records{record(policy.DANETA, 0, 1, ca)}, leaf(good), -1, policy.TLSAInvalid},
		{"TA, whole certificate, not sent", records{record(policy.DANETA, 0, policy.Full, ca)}, leaf(good), 0, none},
		{"TA, whole key, not sent", records{record(policy.DANETA, policy.SPKI, policy.Full, ca)}, leaf(good), 0, none},
		{"TA, another whole certificate", records{record(policy.DANETA, 0, policy.Full, other)}, below(good), -1, policy.TLSAInvalid},
		{"TA, another whole key", records{record(policy.DANETA, policy.SPKI, policy.Full, other)}, below(good), -1, policy.TLSAInvalid},
		{"TA does not mean the server's own", records{record(policy.DANETA, 1, 1, good.Leaf)}, below(good), -1, policy.TLSAInvalid},
		{"TA, wrong name", records{record(policy.DANETA, 0, 1, ca)}, below(elsewhere), -1, policy.CertificateHostMismatch},
		{"TA, expired", records{record(policy.DANETA, 0, 1, ca)}, below(expired), -1, policy.CertificateExpired},
		{"TA, expired, whole key", records{record(policy.DANETA, policy.SPKI, policy.Full, ca)}, leaf(expired), -1, policy.CertificateExpired},
		{"TA sent, and not the issuer", records{record(policy.DANETA, 0, 1, other)}, []*x509.Certificate{good.Leaf, other}, -1, policy.CertificateNotTrusted},
		{"TA fails, EE matches", records{record(policy.DANETA, 0, 1, ca), record(policy.DANEEE, 1, 1, expired.Leaf)}, below(expired), 1, none},
		{"nothing sent", records{record(policy.DANEEE, 1, 1, ca)}, nil, -1, policy.TLSAInvalid},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := policy.DANE{Records: c.records, Names: []string{"mx.example", "MX1.example.com."}}
			match, err := d.Verify(c.chain, now)
			var want *policy.TLSA
			if c.match >= 0 {
				want = &c.records[c.match]
			}
			if match != want {
				t.Errorf("match %v, want %v", match, want)
			}
			var e *policy.Error
			if c.failure == none && err != nil || c.failure != none && (!errors.As(err, &e) || e.Failure != c.failure || e.Host != "mx.example") {
				t.Errorf("%v, want %v", err, c.failure)
			}
		})
	}
}

func TestDANEWithoutNames(t *testing.T) {
	d := policy.DANE{Records: []policy.TLSA{record(policy.DANETA, 0, 1, authority().Certificate())}}
	chain := []*x509.Certificate{issue(certs.Options{}, host).Leaf, authority().Certificate()}
	if _, err := d.Verify(chain, time.Now()); err == nil {
		t.Error("accepted for no name at all")
	}
}

func TestDANEInAHandshake(t *testing.T) {
	self := must(certs.SelfSigned(certs.Options{Hosts: []string{"x.example"}}))
	good := issue(certs.Options{}, host)
	good.Certificate = append(good.Certificate, authority().Certificate().Raw)
	foreign := must(certs.NewCA())
	ee := func(c tls.Certificate) policy.TLSA { return record(policy.DANEEE, 1, 1, c.Leaf) }
	for _, c := range []struct {
		name        string
		records     []policy.TLSA
		requirement policy.Requirement
		cert        tls.Certificate
		ok          bool
		trust       transport.Trust
	}{
		{"no records, strict as before", nil, policy.RequireNothing, self, false, 0},
		{"none usable", []policy.TLSA{record(policy.PKIXTA, 0, 1, self.Leaf)}, policy.RequireTLS, self, true, transport.TrustAny},
		{"EE", []policy.TLSA{ee(self)}, policy.RequireAuthentication, self, true, transport.TrustCaller},
		{"TA", []policy.TLSA{record(policy.DANETA, 0, 1, authority().Certificate())}, policy.RequireAuthentication, good, true, transport.TrustCaller},
		{"another, and good otherwise", []policy.TLSA{ee(self)}, policy.RequireAuthentication, good, false, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := policy.DANE{Records: c.records}
			if got := d.Requirement(); got != c.requirement {
				t.Errorf("requires %d", got)
			}
			config := &transport.TLSConfig{ServerName: host, RootCAs: foreign.Pool(), Time: time.Now}
			s, err := connect(t, d.Configure(config), c.cert)
			if (err == nil) != c.ok || err == nil && (s.Trust != c.trust || s.Verified != (c.trust == transport.TrustCaller)) {
				t.Errorf("%v, %v", s, err)
			}
		})
	}
}

// TestNameSent: with DANE it is the name of the records, whatever the link was configured
// for; under MTA-STS that of the mail server.
func TestNameSent(t *testing.T) {
	good := issue(certs.Options{}, host)
	d := func(records ...policy.TLSA) func(*transport.TLSConfig) *transport.TLSConfig {
		return policy.DANE{Records: records, Names: []string{host + ".", "example.com"}}.Configure
	}
	sts := policy.STS{Mode: policy.ModeEnforce, MX: []string{"*.example.com"}}
	for _, c := range []struct {
		name, before string
		configure    func(*transport.TLSConfig) *transport.TLSConfig
	}{
		{"EE", "alias.example.com", d(record(policy.DANEEE, 1, 1, good.Leaf))},
		{"TA", "example.com", d(record(policy.DANETA, 0, policy.Full, authority().Certificate()))},
		{"none usable", "alias.example.com", d(record(policy.PKIXTA, 0, 1, good.Leaf))},
		{"STS", host, sts.Configure},
	} {
		l := tlstest.Dial(t, &tls.Config{Certificates: []tls.Certificate{good}}, true)
		before := &transport.TLSConfig{ServerName: c.before, RootCAs: authority().Pool()}
		s, err := l.StartTLS(t.Context(), c.configure(before))
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if cs, err := l.Server(); err != nil || cs.ServerName != host || before.ServerName != c.before || strings.TrimSuffix(s.ServerName, ".") != host {
			t.Errorf("%s: the server was asked for %q, %v; the link says %q", c.name, cs.ServerName, err, s.ServerName)
		}
	}
}

// TestDANEDecides: what DANE refuses, a policy of MTA-STS that would do does not make
// good, in whatever order they are applied (RFC 8461 §2).
func TestDANEDecides(t *testing.T) {
	good, other := issue(certs.Options{}, host), issue(certs.Options{}, host)
	sts := policy.STS{Mode: policy.ModeEnforce, MX: []string{host}}
	for _, c := range []struct {
		means tls.Certificate
		ok    bool
	}{{good, true}, {other, false}} {
		d := policy.DANE{Records: []policy.TLSA{record(policy.DANEEE, 1, 1, c.means.Leaf)}}
		for name, configure := range map[string]func(*transport.TLSConfig) *transport.TLSConfig{
			"DANE first": func(t *transport.TLSConfig) *transport.TLSConfig { return sts.Configure(d.Configure(t)) },
			"STS first":  func(t *transport.TLSConfig) *transport.TLSConfig { return d.Configure(sts.Configure(t)) },
		} {
			s, err := connect(t, configure(&transport.TLSConfig{ServerName: host, RootCAs: authority().Pool()}), good)
			var e *policy.Error
			if c.ok != (err == nil) || !c.ok && (!errors.As(err, &e) || e.Failure != policy.TLSAInvalid) {
				t.Errorf("%s, %v: %v, %v", name, c.ok, s, err)
			}
		}
	}
}

// TestFailures: each has the word of RFC 8460 §4.3.
func TestFailures(t *testing.T) {
	self := must(certs.SelfSigned(certs.Options{Hosts: []string{host}}))
	below := func(c tls.Certificate) []*x509.Certificate {
		return []*x509.Certificate{c.Leaf, authority().Certificate()}
	}
	sts := func(mx string, cert tls.Certificate) error {
		config := &transport.TLSConfig{ServerName: host, RootCAs: authority().Pool()}
		_, err := connect(t, policy.STS{Mode: policy.ModeEnforce, MX: []string{mx}}.Configure(config), cert)
		return err
	}
	dane := func(of *x509.Certificate, cert tls.Certificate) error {
		d := policy.DANE{Records: []policy.TLSA{record(policy.DANETA, 0, 1, of)}, Names: []string{host}}
		_, err := d.Verify(below(cert), time.Now())
		return err
	}
	_, invalid := policy.ParseSTS([]byte("version: STSv1\n"))
	for _, c := range []struct {
		what string
		err  error
		want string
	}{
		{"STS, name", sts(host, issue(certs.Options{}, "mx2.example.com")), "certificate-host-mismatch"},
		{"STS, expired", sts(host, issue(certs.Expired(certs.Options{}), host)), "certificate-expired"},
		{"STS, authority", sts(host, self), "certificate-not-trusted"},
		{"STS, usage", sts(host, issue(certs.Options{Client: true}, host)), "validation-failure"},
		{"STS, not in the policy", sts("mx2.example.com", issue(certs.Options{}, host)), "sts-webpki-invalid"},
		{"STS, no policy", invalid, "sts-policy-invalid"},
		{"DANE, name", dane(authority().Certificate(), issue(certs.Options{}, "mx2.example.com")), "certificate-host-mismatch"},
		{"DANE, expired", dane(authority().Certificate(), issue(certs.Expired(certs.Options{}), host)), "certificate-expired"},
		{"DANE, no match", dane(self.Leaf, issue(certs.Options{}, host)), "tlsa-invalid"},
	} {
		var e *policy.Error
		if !errors.As(c.err, &e) || e.Failure.String() != c.want || !strings.Contains(c.err.Error(), c.want) {
			t.Errorf("%s: %v, want %s", c.what, c.err, c.want)
		}
	}
}
