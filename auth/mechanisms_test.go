package auth_test

import (
	"encoding/base64"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/parley-mail/parley/auth"
)

// TestCramMD5 holds the example of RFC 2195 §2 (C-SASL-004).
func TestCramMD5(t *testing.T) {
	m := auth.NewCramMD5(credentials("tim", "tanstaaftanstaaf"), auth.Policy{})
	if initial := start(t, m, nil); initial != nil {
		t.Errorf("initial response %q, want none (C-4954-006)", initial)
	}
	wantRule(t, m.Success(), auth.RuleEnded)
	start(t, m, nil)
	if diff := cmp.Diff("tim b913a602c7eda7a495b4e6e7334d3890", next(t, m, "<1896.697170952@postoffice.reston.mci.net>")); diff != "" {
		t.Error(diff)
	}
	if err := m.Success(); err != nil {
		t.Error(err)
	}
}

// TestOAuth holds the examples of RFC 7628 §4 and of the XOAUTH2 documents
// (C-SASL-018…020).
func TestOAuth(t *testing.T) {
	token := func(user, token string) auth.Credentials {
		return auth.Credentials{User: user, Token: auth.NewSecret(token)}
	}
	link := func(host string, port int) *auth.Link {
		return &auth.Link{Host: host, Port: port, Secure: true, Verified: true}
	}
	const google, rfc = "ya29.vF9dft4qmTc2Nvb3RlckBhdHRhdmlzdGEuY29tCg", "vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg=="
	for _, c := range []struct {
		name, mechanism string
		creds           auth.Credentials
		link            *auth.Link
		want            string
	}{
		{
			"RFC 7628 §4.1", "OAUTHBEARER", token("user@example.com", rfc), link("server.example.com", 143),
			"n,a=user@example.com,\x01host=server.example.com\x01port=143\x01auth=Bearer " + rfc + "\x01\x01",
		},
		{"escapes", "OAUTHBEARER", token("a=b,c", "t0k"), link("h", 587), "n,a=a=3Db=2Cc,\x01host=h\x01port=587\x01auth=Bearer t0k\x01\x01"},
		{"identity to act as", "OAUTHBEARER", auth.Credentials{User: "u", AuthzID: "boss", Token: auth.NewSecret("t0k")}, link("h", 0), "n,a=boss,\x01host=h\x01auth=Bearer t0k\x01\x01"},
		{"no user, no host", "OAUTHBEARER", token("", "Bearer  t0k"), link("", 0), "n,,\x01auth=Bearer t0k\x01\x01"},
		{
			"providers' example", "XOAUTH2", token("someuser@example.com", google), link("h", 0),
			"user=someuser@example.com\x01auth=Bearer " + google + "\x01\x01",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := mechanism(t, c.mechanism, c.creds, auth.Policy{})
			if diff := cmp.Diff(c.want, string(start(t, m, c.link))); diff != "" {
				t.Error(diff)
			}
			if err := m.Success(); err != nil {
				t.Error(err)
			}
			if err := auth.Explain(m); err != nil {
				t.Errorf("Explain without an error challenge: %v", err)
			}
		})
	}

	for name, answer := range map[string]string{"XOAUTH2": "", "OAUTHBEARER": "\x01"} {
		for challenge, detail := range map[string]string{
			`{"status":"401","schemes":"bearer mac","scope":"https://mail.example/"}`: `status "401"`,
			`{"status":400}`: "status 400",
			`{"status":[]}`:  "",
			"not JSON":       "",
			"":               "",
			`{"status":"\u0000` + strings.Repeat("x", 100) + `"}`: `status "\x00` + strings.Repeat("x", 63) + `"`,
		} {
			m := mechanism(t, name, token("u", "t0ken"), auth.Policy{})
			start(t, m, secureLink())
			if got := next(t, m, challenge); got != answer {
				t.Errorf("%s: answer to %q = %q, want %q", name, challenge, got, answer)
			}
			var e *auth.Error
			if !errors.As(auth.Explain(m), &e) || e.Rule != auth.RuleServerError || e.Detail != detail || e.Server != challenge {
				t.Errorf("%s: Explain = %#v, want detail %q", name, e, detail)
			}
			wantRule(t, m.Success(), auth.RuleServerError)
		}
	}
}

// TestEmptyResponses: "" and nothing are not the same (C-SASL-027, C-4954-004).
func TestEmptyResponses(t *testing.T) {
	for _, c := range []struct {
		name  string
		creds auth.Credentials
		want  string
	}{
		{"EXTERNAL", auth.Credentials{External: true}, ""},
		{"EXTERNAL", auth.Credentials{External: true, AuthzID: "boss@x"}, "boss@x"},
		{"ANONYMOUS", auth.Credentials{Anonymous: true}, ""},
		{"ANONYMOUS", auth.Credentials{Anonymous: true, Trace: "sirhc"}, "sirhc"}, // RFC 4505 §4
		{"ANONYMOUS", auth.Credentials{Anonymous: true, Trace: "a@b.example"}, "a@b.example"},
		{"ANONYMOUS", auth.Credentials{Anonymous: true, Trace: strings.Repeat("ä", 255)}, strings.Repeat("ä", 255)},
	} {
		m := mechanism(t, c.name, c.creds, auth.Policy{})
		initial := start(t, m, nil)
		if initial == nil || string(initial) != c.want {
			t.Errorf("%s %+v: initial response %#v, want %q", c.name, c.creds, initial, c.want)
		}
		if err := m.Success(); err != nil {
			t.Error(err)
		}
		_, err := m.Next(nil)
		wantRule(t, err, auth.RuleUnexpectedChallenge)
	}
}

// TestCredentialsRefused: what a mechanism cannot carry is refused before the
// first octet.
func TestCredentialsRefused(t *testing.T) {
	secret := auth.NewSecret("sesame")
	long := strings.Repeat("x", 4097)
	for _, c := range []struct {
		what, name string
		creds      auth.Credentials
		link       *auth.Link
		raw        bool
		want       auth.Rule
	}{
		{"no user", "PLAIN", auth.Credentials{Password: secret}, secureLink(), false, auth.RuleNoUser},
		{"no password", "LOGIN", auth.Credentials{User: "u"}, secureLink(), false, auth.RuleNoSecret},
		{"NUL in user", "PLAIN", auth.Credentials{User: "u\x00v", Password: secret}, secureLink(), true, auth.RuleBadCredential},
		{"C-SASL-001: NUL in password", "PLAIN", credentials("u", "a\x00b"), secureLink(), false, auth.RuleBadCredential},
		{"NUL in authzid", "PLAIN", auth.Credentials{User: "u", Password: secret, AuthzID: "\x00"}, secureLink(), false, auth.RuleBadCredential},
		{"long user", "CRAM-MD5", credentials(long, "p"), nil, false, auth.RuleLongCredential},
		{"long password", "CRAM-MD5", credentials("u", long), nil, false, auth.RuleLongCredential},
		{"user not UTF-8", "SCRAM-SHA-1", credentials("\xff", "p"), nil, false, auth.RuleBadCredential},
		{"unassigned", "SCRAM-SHA-1", credentials("u", "\u0221"), nil, false, auth.RuleNotPrepared},
		{"control", "LOGIN", credentials("u\r\nv", "p"), secureLink(), false, auth.RuleNotPrepared},
		{"no host", "DIGEST-MD5", credentials("u", "p"), &auth.Link{}, false, auth.RuleNoHost},
		{"no user", "DIGEST-MD5", credentials("", "p"), secureLink(), false, auth.RuleNoUser},
		{"no user", "NTLM", credentials("", "p"), nil, false, auth.RuleNoUser},
		{"no password", "NTLM", credentials("u", ""), nil, false, auth.RuleNoSecret},
		{"domain alone", "NTLM", credentials(`D\`, "p"), nil, false, auth.RuleNoUser},
		{"domain with backslash", "NTLM", auth.Credentials{User: "u", Password: secret, Domain: `D\E`}, nil, false, auth.RuleBadCredential},
		{"long domain", "NTLM", auth.Credentials{User: "u", Password: secret, Domain: long}, nil, false, auth.RuleLongCredential},
		{"not UTF-8", "NTLM", credentials("u", "\xff"), nil, true, auth.RuleBadCredential},
		{"no token", "XOAUTH2", credentials("u", "p"), secureLink(), false, auth.RuleNoSecret},
		{"blank token", "XOAUTH2", auth.Credentials{User: "u", Token: auth.NewSecret("Bearer ")}, secureLink(), false, auth.RuleNoSecret},
		{"^A in token", "XOAUTH2", auth.Credentials{User: "u", Token: auth.NewSecret("a\x01b")}, secureLink(), false, auth.RuleBadCredential},
		{"long token", "XOAUTH2", auth.Credentials{User: "u", Token: auth.NewSecret(strings.Repeat("t", 33000))}, secureLink(), false, auth.RuleLongCredential},
		{"no user", "XOAUTH2", auth.Credentials{Token: secret}, secureLink(), false, auth.RuleNoUser},
		{"^A in user", "XOAUTH2", auth.Credentials{User: "u\x01", Token: secret}, secureLink(), true, auth.RuleBadCredential},
		{"^A in user", "OAUTHBEARER", auth.Credentials{User: "u\x01", Token: secret}, secureLink(), true, auth.RuleBadCredential},
		{"NUL in user", "OAUTHBEARER", auth.Credentials{User: "u\x00", Token: secret}, secureLink(), true, auth.RuleBadCredential},
		{"host with blank", "OAUTHBEARER", auth.Credentials{User: "u", Token: secret}, &auth.Link{Secure: true, Verified: true, Host: "a b"}, true, auth.RuleNoHost},
		{"C-SASL-017: clear link", "OAUTHBEARER", auth.Credentials{User: "u", Token: secret}, nil, false, auth.RuleClearLink},
		{"NUL in authzid", "EXTERNAL", auth.Credentials{AuthzID: "\x00"}, nil, false, auth.RuleBadCredential},
		{"C-SASL-028: long trace", "ANONYMOUS", auth.Credentials{Trace: strings.Repeat("ä", 256)}, nil, false, auth.RuleLongCredential},
		{"trace with CR", "ANONYMOUS", auth.Credentials{Trace: "a\rb"}, nil, false, auth.RuleBadCredential},
		{"trace not UTF-8", "ANONYMOUS", auth.Credentials{Trace: "\xff"}, nil, false, auth.RuleBadCredential},
		{"trace no address", "ANONYMOUS", auth.Credentials{Trace: "a@"}, nil, false, auth.RuleBadCredential},
	} {
		t.Run(c.name+"/"+c.what, func(t *testing.T) {
			m := mechanism(t, c.name, c.creds, auth.Policy{Raw: c.raw})
			initial, err := m.Start(c.link)
			wantRule(t, err, c.want)
			var e *auth.Error
			if errors.As(err, &e); initial != nil || e.Mechanism != c.name || e.Step != auth.StepStart || !e.Local() {
				t.Errorf("initial %q, error %#v", initial, e)
			}
		})
	}
}

// TestEchoedSecret: a server that repeats what it was told does not get it
// into an error, in whatever part of base64 it stands.
func TestEchoedSecret(t *testing.T) {
	const token = "tok-3n-of-l1fe"
	for _, echo := range []string{
		token, "Bearer " + token, "<" + token + token + ">",
		base64.StdEncoding.EncodeToString([]byte(token)),
		base64.StdEncoding.EncodeToString([]byte("1" + token + "1")),
		base64.StdEncoding.EncodeToString([]byte("22" + token)),
		base64.StdEncoding.EncodeToString([]byte("user=u\x01auth=Bearer " + token + "\x01\x01")),
	} {
		m := auth.NewXOAuth2(auth.Credentials{User: "u", Token: auth.NewSecret(token)}, auth.Policy{})
		start(t, m, secureLink())
		next(t, m, echo)
		var e *auth.Error
		if !errors.As(auth.Explain(m), &e) || !strings.Contains(e.Server, "[secret]") {
			t.Errorf("echo %q: error %v", echo, e)
		}
		assertNoSecret(t, e, token)
	}
}
