package gssapi_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jcmturner/gokrb5/v8/iana/etypeID"
	"github.com/jcmturner/gokrb5/v8/keytab"

	"github.com/parley-mail/parley/auth"
	"github.com/parley-mail/parley/auth/gssapi"
)

func write(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestConfig: what a configuration must hold, and that its files are read
// before anything is sent.
func TestConfig(t *testing.T) {
	conf := write(t, "krb5.conf", "[libdefaults]\n default_realm = EXAMPLE.TEST\n dns_lookup_kdc = false\n")
	homeless := write(t, "krb5.conf", "[libdefaults]\n dns_lookup_kdc = false\n")
	keys := keytab.New()
	if err := keys.AddEntry("alice", realm, "p", time.Now(), 1, etypeID.AES256_CTS_HMAC_SHA1_96); err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	if _, err := keys.Write(&b); err != nil {
		t.Fatal(err)
	}
	keyFile := write(t, "keytab", b.String())
	secret := auth.NewSecret("sesame-0pen")
	t.Setenv("KRB5CCNAME", "FILE:"+filepath.Join(t.TempDir(), "none"))
	t.Setenv("KRB5_CONFIG", conf)

	for _, c := range []struct {
		name   string
		config gssapi.Config
		want   auth.Rule
	}{
		{"keytab", gssapi.Config{Principal: "alice@EXAMPLE.TEST", Keytab: keyFile}, auth.RuleNone},
		{"password, default realm", gssapi.Config{Krb5Conf: conf, Principal: "alice", Password: secret}, auth.RuleNone},
		{"no configuration", gssapi.Config{Krb5Conf: "/nonexistent", Principal: "alice", Password: secret}, auth.RuleBadCredential},
		{"no realm", gssapi.Config{Krb5Conf: homeless, Principal: "alice", Password: secret}, auth.RuleNoUser},
		{"no principal", gssapi.Config{Password: secret}, auth.RuleNoUser},
		{"no keytab", gssapi.Config{Principal: "alice", Keytab: "/nonexistent"}, auth.RuleNoSecret},
		{"keytab damaged", gssapi.Config{Principal: "alice", Keytab: write(t, "keytab", b.String()[:20])}, auth.RuleNoSecret},
		{"no cache", gssapi.Config{}, auth.RuleNoSecret},
		{"cache damaged", gssapi.Config{CCache: write(t, "cc", "\x05\x04\x00\x00\x00\x00\x00\x01\x00\x00\x00\x09R")}, auth.RuleBadCredential},
		{"not a cache", gssapi.Config{CCache: write(t, "cc", "text")}, auth.RuleNoSecret},
		{"cache of nobody", gssapi.Config{CCache: "FILE:" + write(t, "cc", "\x05\x04\x00\x00\x00\x00\x00\x01\x00\x00\x00\x01\x00\x00\x00\x01R\x00\x00\x00\x01a")}, auth.RuleNoSecret},
		{"NUL in the identity", gssapi.Config{AuthzID: "a\x00"}, auth.RuleBadCredential},
		{"long identity", gssapi.Config{AuthzID: strings.Repeat("a", 4097)}, auth.RuleLongCredential},
	} {
		t.Run(c.name, func(t *testing.T) {
			m, err := gssapi.New(c.config)
			if c.want == auth.RuleNone {
				if err != nil {
					t.Fatal(err)
				}
				m.Close()
				return
			}
			wantRule(t, err, c.want)
			if m != nil {
				t.Error("a mechanism beside the error")
			}
		})
	}
}

// TestNoSecretShows: neither the configuration nor the mechanism prints the
// password, nor does the error when there is no KDC.
func TestNoSecretShows(t *testing.T) {
	const password = "sesame-0pen"
	conf := write(t, "krb5.conf", "[libdefaults]\n default_realm = EXAMPLE.TEST\n dns_lookup_kdc = false\n")
	config := gssapi.Config{Krb5Conf: conf, Principal: "alice", Password: auth.NewSecret(password)}
	m, err := gssapi.New(config)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	_, err = m.Start(link) // no KDC is configured
	wantRule(t, err, auth.RuleNoTicket)
	var texts []string
	for _, v := range []any{config, &config, m, err, struct{ m any }{m}, errors.Unwrap(err)} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x"} {
			texts = append(texts, fmt.Sprintf(verb, v))
		}
		encoded, _ := json.Marshal(v)
		texts = append(texts, string(encoded))
	}
	texts = append(texts, m.String(), m.LogValue().String())
	for _, text := range texts {
		if strings.Contains(text, password) || strings.Contains(text, fmt.Sprintf("%x", password)) {
			t.Errorf("the password shows: %s", text)
		}
	}
}
