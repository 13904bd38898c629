package auth_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/parley-mail/parley/auth"
)

// secureLink is a verified TLS 1.3 link without channel binding.
func secureLink() *auth.Link {
	return &auth.Link{Host: "mx.example", Port: 587, Secure: true, Verified: true, TLSVersion: 0x0304}
}

func credentials(user, password string) auth.Credentials {
	return auth.Credentials{User: user, Password: auth.NewSecret(password)}
}

// wantRule fails unless err is an *auth.Error with the rule.
func wantRule(t *testing.T, err error, rule auth.Rule) {
	t.Helper()
	var e *auth.Error
	if !errors.As(err, &e) || !errors.Is(err, rule) {
		t.Fatalf("error = %v, want rule %q", err, rule)
	}
}

func start(t *testing.T, m auth.Mechanism, link *auth.Link) []byte {
	t.Helper()
	initial, err := m.Start(link)
	if err != nil {
		t.Fatalf("Start: %v", err)
	}
	return initial
}

func next(t *testing.T, m auth.Mechanism, challenge string) string {
	t.Helper()
	response, err := m.Next([]byte(challenge))
	if err != nil {
		t.Fatalf("Next(%q): %v", challenge, err)
	}
	if response == nil {
		t.Fatalf("Next(%q) = nil response without an error", challenge)
	}
	return string(response)
}

// TestPlain holds the examples of RFC 4616 §4 and the limits of §2.
func TestPlain(t *testing.T) {
	long := strings.Repeat("x", 255)
	for _, c := range []struct {
		name  string
		creds auth.Credentials
		raw   bool
		want  string
	}{
		{"RFC 4616 §4, tim", credentials("tim", "tanstaaftanstaaf"), false, "\x00tim\x00tanstaaftanstaaf"},
		{"RFC 4616 §4, Kurt for Ursel", auth.Credentials{User: "Kurt", AuthzID: "Ursel", Password: auth.NewSecret("xipj3plmq")}, false, "Ursel\x00Kurt\x00xipj3plmq"},
		{"C-SASL-003: 255 octets", credentials(long, long), false, "\x00" + long + "\x00" + long},
		{"C-SASL-002: SASLprep", credentials("\u00aa", "p"), false, "\x00a\x00p"},
		{"C-SASL-002: raw", credentials("\u00aa", "p"), true, "\x00\u00aa\x00p"},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := auth.NewPlain(c.creds, auth.Policy{Raw: c.raw})
			if diff := cmp.Diff(c.want, string(start(t, m, secureLink()))); diff != "" {
				t.Error(diff)
			}
			if err := m.Success(); err != nil {
				t.Errorf("Success: %v", err)
			}
			_, err := m.Next(nil)
			wantRule(t, err, auth.RuleUnexpectedChallenge)
			wantRule(t, m.Success(), auth.RuleUnexpectedChallenge)
		})
	}
}

// TestLogin: prompts are counted, never read (C-SASL-005, O-A04…A07).
func TestLogin(t *testing.T) {
	for _, prompts := range [][2]string{
		{"Username:", "Password:"},
		{"User Name\x00", "Password\x00"},
		{"", ""},
		{"Password:", "Username:"},
	} {
		m := auth.NewLogin(credentials("alice", "sesame"), auth.Policy{})
		if initial := start(t, m, secureLink()); initial != nil {
			t.Errorf("initial response %q, want none", initial)
		}
		if got := next(t, m, prompts[0]); got != "alice" {
			t.Errorf("answer to %q = %q, want the user", prompts[0], got)
		}
		if got := next(t, m, prompts[1]); got != "sesame" {
			t.Errorf("answer to %q = %q, want the password", prompts[1], got)
		}
		if err := m.Success(); err != nil {
			t.Error(err)
		}
		_, err := m.Next([]byte("Password:"))
		wantRule(t, err, auth.RuleUnexpectedChallenge)
	}

	m := auth.NewLogin(credentials("alice", "sesame"), auth.Policy{LoginInitial: true})
	if got := string(start(t, m, secureLink())); got != "alice" {
		t.Errorf("initial response %q, want the user", got)
	}
	if got := next(t, m, "Username:"); got != "sesame" {
		t.Errorf("first answer %q, want the password", got)
	}
	_, err := m.Next(nil)
	wantRule(t, err, auth.RuleUnexpectedChallenge)
}

// TestClearLink: no secret on a clear link, or to an unverified peer, unless
// the policy says so (C-4954-018, C-4954-019; B14).
func TestClearLink(t *testing.T) {
	clear, loop := &auth.Link{Host: "mx.example"}, &auth.Link{Host: "localhost", Loopback: true}
	unverified := &auth.Link{Host: "mx.example", Secure: true}
	for _, name := range []string{"PLAIN", "LOGIN"} {
		for _, c := range []struct {
			link   *auth.Link
			policy auth.Policy
			want   auth.Rule
		}{
			{nil, auth.Policy{}, auth.RuleClearLink},
			{clear, auth.Policy{}, auth.RuleClearLink},
			{clear, auth.Policy{AllowLoopback: true, AllowUnverified: true}, auth.RuleClearLink},
			{clear, auth.Policy{AllowPlaintext: true}, auth.RuleNone},
			{loop, auth.Policy{}, auth.RuleClearLink},
			{loop, auth.Policy{AllowLoopback: true}, auth.RuleNone},
			{unverified, auth.Policy{}, auth.RuleUnverifiedLink},
			{unverified, auth.Policy{AllowLoopback: true}, auth.RuleUnverifiedLink},
			{unverified, auth.Policy{AllowUnverified: true}, auth.RuleNone},
			{secureLink(), auth.Policy{}, auth.RuleNone},
		} {
			m, err := auth.New(name, credentials("alice", "sesame"), c.policy)
			if err != nil {
				t.Fatal(err)
			}
			initial, err := m.Start(c.link)
			if c.want == auth.RuleNone {
				if err != nil {
					t.Errorf("%s on %+v with %+v: %v", name, c.link, c.policy, err)
				}
				continue
			}
			wantRule(t, err, c.want)
			if initial != nil {
				t.Errorf("%s: refused, yet %q came out", name, initial)
			}
			if _, err := m.Next(nil); !errors.Is(err, c.want) {
				t.Errorf("%s: Next after a refused Start: %v", name, err)
			}
		}
	}
}
