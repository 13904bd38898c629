package auth_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/parley-mail/parley/auth"
)

// hostile is one server that means ill, or is broken: what it says, and the
// rule by which it is found out.
type hostile struct {
	name, mechanism string
	challenges      []string // the last one is the one refused
	want            auth.Rule
	fatal           bool
}

const (
	scramNonce = "abcdefgh"
	scramFirst = "r=abcdefghij,s=c2FsdA==,i=4096"
	digestBase = `nonce="n",algorithm=md5-sess`
)

var hostiles = []hostile{
	// Too much.
	{"1 MiB challenge", "SCRAM-SHA-256", []string{strings.Repeat("r", 1<<20)}, auth.RuleLongChallenge, true},
	{"challenge over the cap", "OAUTHBEARER", []string{strings.Repeat("{", auth.DefaultMaxChallenge+1)}, auth.RuleLongChallenge, true},
	{"CRAM huge", "CRAM-MD5", []string{strings.Repeat("<", 2049)}, auth.RuleLongChallenge, true},
	{"DIGEST of 2048 octets", "DIGEST-MD5", []string{strings.Repeat("x", 2048)}, auth.RuleLongChallenge, true},

	// SCRAM.
	{"i=1", "SCRAM-SHA-256", []string{"r=abcdefghij,s=c2FsdA==,i=1"}, auth.RuleFewIterations, true},
	{"i=4095", "SCRAM-SHA-1", []string{"r=abcdefghij,s=c2FsdA==,i=4095"}, auth.RuleFewIterations, true},
	{"i=0", "SCRAM-SHA-1", []string{"r=abcdefghij,s=c2FsdA==,i=0"}, auth.RuleFewIterations, true},
	{"i=2^31-1", "SCRAM-SHA-512", []string{"r=abcdefghij,s=c2FsdA==,i=2147483647"}, auth.RuleManyIterations, true},
	{"i over 64 bits", "SCRAM-SHA-256", []string{"r=abcdefghij,s=c2FsdA==,i=99999999999999999999"}, auth.RuleManyIterations, true},
	{"i negative", "SCRAM-SHA-256", []string{"r=abcdefghij,s=c2FsdA==,i=-4096"}, auth.RuleBadChallenge, false},
	{"i with sign", "SCRAM-SHA-256", []string{"r=abcdefghij,s=c2FsdA==,i=+4096"}, auth.RuleBadChallenge, false},
	{"i empty", "SCRAM-SHA-256", []string{"r=abcdefghij,s=c2FsdA==,i="}, auth.RuleBadChallenge, false},
	{"i missing", "SCRAM-SHA-256", []string{"r=abcdefghij,s=c2FsdA=="}, auth.RuleBadChallenge, false},
	{"C-SASL-008: another nonce", "SCRAM-SHA-256", []string{"r=Abcdefghij,s=c2FsdA==,i=4096"}, auth.RuleNonce, true},
	{"nonce not longer", "SCRAM-SHA-256", []string{"r=abcdefgh,s=c2FsdA==,i=4096"}, auth.RuleNonce, true},
	{"nonce with control", "SCRAM-SHA-256", []string{"r=abcdefgh\x07,s=c2FsdA==,i=4096"}, auth.RuleBadChallenge, false},
	{"missing r", "SCRAM-SHA-256", []string{"s=c2FsdA==,i=4096"}, auth.RuleBadChallenge, false},
	{"order", "SCRAM-SHA-256", []string{"s=c2FsdA==,r=abcdefghij,i=4096"}, auth.RuleBadChallenge, false},
	{"salt empty", "SCRAM-SHA-256", []string{"r=abcdefghij,s=,i=4096"}, auth.RuleBadChallenge, false},
	{"salt not base64", "SCRAM-SHA-256", []string{"r=abcdefghij,s=c2FsdA=,i=4096"}, auth.RuleBadChallenge, false},
	{"empty", "SCRAM-SHA-256", []string{""}, auth.RuleBadChallenge, false},
	{"C-SASL-010: m= first", "SCRAM-SHA-256", []string{"m=x," + scramFirst}, auth.RuleMandatoryExtension, false},
	{"C-SASL-010: m= last", "SCRAM-SHA-256", []string{scramFirst + ",m=x"}, auth.RuleMandatoryExtension, false},
	{"m= in the final", "SCRAM-SHA-256", []string{scramFirst, "v=AAAA,m=x"}, auth.RuleMandatoryExtension, false},
	{"e= at first", "SCRAM-SHA-256", []string{"e=other-error"}, auth.RuleServerError, false},
	{"C-SASL-011: e= at last", "SCRAM-SHA-256", []string{scramFirst, "e=invalid-proof"}, auth.RuleServerError, false},
	{"C-SASL-009: wrong v=", "SCRAM-SHA-256", []string{scramFirst, "v=rmF9pqV8S7suAoZWja4dJRkFsKQ="}, auth.RuleServerProof, true},
	{"empty v=", "SCRAM-SHA-256", []string{scramFirst, "v="}, auth.RuleServerProof, true},
	{"v= not base64", "SCRAM-SHA-256", []string{scramFirst, "v=!"}, auth.RuleServerProof, true},
	{"first message again", "SCRAM-SHA-256", []string{scramFirst, scramFirst}, auth.RuleBadChallenge, false},
	{"empty final", "SCRAM-SHA-256", []string{scramFirst, ""}, auth.RuleBadChallenge, false},

	// DIGEST-MD5.
	{"nonce missing", "DIGEST-MD5", []string{"algorithm=md5-sess"}, auth.RuleBadChallenge, false},
	{"nonce twice", "DIGEST-MD5", []string{digestBase + `,nonce="m"`}, auth.RuleBadChallenge, false},
	{"nonce empty", "DIGEST-MD5", []string{`nonce="",algorithm=md5-sess`}, auth.RuleBadChallenge, false},
	{"algorithm missing", "DIGEST-MD5", []string{`nonce="n"`}, auth.RuleBadChallenge, false},
	{"algorithm twice", "DIGEST-MD5", []string{digestBase + ",algorithm=md5-sess"}, auth.RuleBadChallenge, false},
	{"algorithm md5", "DIGEST-MD5", []string{`nonce="n",algorithm=md5`}, auth.RuleUnsupported, false},
	{"only auth-int", "DIGEST-MD5", []string{digestBase + `,qop="auth-int,auth-conf"`}, auth.RuleUnsupported, false},
	{"charset twice", "DIGEST-MD5", []string{digestBase + ",charset=utf-8,charset=utf-8"}, auth.RuleBadChallenge, false},
	{"charset latin", "DIGEST-MD5", []string{digestBase + ",charset=iso-8859-1"}, auth.RuleBadChallenge, false},
	{"maxbuf twice", "DIGEST-MD5", []string{digestBase + ",maxbuf=1,maxbuf=2"}, auth.RuleBadChallenge, false},
	{"open quote", "DIGEST-MD5", []string{`nonce="n`}, auth.RuleBadChallenge, false},
	{"open quote behind a backslash", "DIGEST-MD5", []string{`nonce="n\`}, auth.RuleBadChallenge, false},
	{"no value", "DIGEST-MD5", []string{"nonce"}, auth.RuleBadChallenge, false},
	{"no name", "DIGEST-MD5", []string{"=x"}, auth.RuleBadChallenge, false},
	{"no comma", "DIGEST-MD5", []string{`nonce="n"algorithm=md5-sess`}, auth.RuleBadChallenge, false},
	{"commas", "DIGEST-MD5", []string{",,,"}, auth.RuleBadChallenge, false},
	{"C-SASL-025: wrong rspauth", "DIGEST-MD5", []string{digestBase, "rspauth=00000000000000000000000000000000"}, auth.RuleServerProof, true},
	{"rspauth twice", "DIGEST-MD5", []string{digestBase, "rspauth=0,rspauth=0"}, auth.RuleUnexpectedChallenge, false},
	{"challenge again, not stale", "DIGEST-MD5", []string{digestBase, digestBase}, auth.RuleUnexpectedChallenge, false},

	// NTLM: lengths and offsets (I3…I8).
	{"empty", "NTLM", []string{"", ""}, auth.RuleBadChallenge, false},
	{"47 octets", "NTLM", []string{"", type2With(func(p []byte) []byte { return p[:47] })}, auth.RuleBadChallenge, false},
	{"signature", "NTLM", []string{"", type2With(func(p []byte) []byte { p[0] = 'M'; return p })}, auth.RuleBadChallenge, false},
	{"type 3", "NTLM", []string{"", type2With(func(p []byte) []byte { p[8] = 3; return p })}, auth.RuleBadChallenge, false},
	{"name beyond the end", "NTLM", []string{"", type2With(func(p []byte) []byte { p[16] = 0x60; return p })}, auth.RuleBadChallenge, false},
	{"name at 2^32-1", "NTLM", []string{"", type2With(func(p []byte) []byte { copy(p[16:], "\xff\xff\xff\xff"); return p })}, auth.RuleBadChallenge, false},
	{"name in the header", "NTLM", []string{"", type2With(func(p []byte) []byte { p[16] = 0; return p })}, auth.RuleBadChallenge, false},
	{"name of odd length", "NTLM", []string{"", type2With(func(p []byte) []byte { p[12] = 11; return p })}, auth.RuleBadChallenge, false},
	{"attributes beyond the end", "NTLM", []string{"", type2With(func(p []byte) []byte { p[40] = 0x25; return p })}, auth.RuleBadChallenge, false},
	{"attribute too long", "NTLM", []string{"", type2With(func(p []byte) []byte { p[0x46] = 0xff; return p })}, auth.RuleBadChallenge, false},
	{"attributes without end", "NTLM", []string{"", type2With(func(p []byte) []byte { p[40] = 0x20; return p })}, auth.RuleBadChallenge, false},
	{"end with a length", "NTLM", []string{"", type2With(func(p []byte) []byte { p[0x66] = 1; return p })}, auth.RuleBadChallenge, false},
	{"time of 12 octets", "NTLM", []string{"", type2With(func(p []byte) []byte { p[0x44] = 7; return p })}, auth.RuleBadChallenge, false},
	{"no Unicode", "NTLM", []string{"", type2With(func(p []byte) []byte { p[20] &^= 1; return p })}, auth.RuleUnsupported, false},
	{"version 1", "NTLM", []string{"", type2With(func(p []byte) []byte { p[20] |= 0x80; return p })}, auth.RuleUnsupported, false},
	{"key exchange", "NTLM", []string{"", type2With(func(p []byte) []byte { p[23] |= 0x40; return p })}, auth.RuleUnsupported, false},
	{"third challenge", "NTLM", []string{"", type2With(func(p []byte) []byte { return p }), "x"}, auth.RuleUnexpectedChallenge, false},

	// The rest.
	{"empty", "CRAM-MD5", []string{""}, auth.RuleBadChallenge, false},
	{"second challenge", "CRAM-MD5", []string{"<a@b>", "<c@d>"}, auth.RuleUnexpectedChallenge, false},
	{"third prompt", "LOGIN", []string{"Username:", "Password:", "Password:"}, auth.RuleUnexpectedChallenge, false},
	{"any", "PLAIN", []string{"more?"}, auth.RuleUnexpectedChallenge, false},
	{"any", "EXTERNAL", []string{"more?"}, auth.RuleUnexpectedChallenge, false},
	{"any", "ANONYMOUS", []string{"more?"}, auth.RuleUnexpectedChallenge, false},
	{"second error", "XOAUTH2", []string{"{}", "{}"}, auth.RuleUnexpectedChallenge, false},
	{"second error", "OAUTHBEARER", []string{"{}", "{}"}, auth.RuleUnexpectedChallenge, false},
}

// type2With changes the published NTLM challenge.
func type2With(change func([]byte) []byte) string {
	return string(change(unhex(panics{}, type2)))
}

// panics lets the helpers of tests run while the table above is made.
type panics struct{ testing.TB }

func (panics) Helper()           {}
func (panics) Fatal(args ...any) { panic(args) }

// TestHostile is the seed family S-AUTH: every trick has its rule, ends the
// exchange for good, costs next to nothing, and brings no secret into an error.
func TestHostile(t *testing.T) {
	const password, token = "h0stile-Passw0rd", "h0stile.t0ken"
	creds := auth.Credentials{User: "u", Password: auth.NewSecret(password), Token: auth.NewSecret(token)}
	for _, h := range hostiles {
		t.Run(h.mechanism+"/"+h.name, func(t *testing.T) {
			m := mechanism(t, h.mechanism, creds, auth.Policy{})
			if h.mechanism != "DIGEST-MD5" {
				m = auth.FixNonce(m, scramNonce)
			}
			start(t, m, secureLink())
			last := len(h.challenges) - 1
			for _, challenge := range h.challenges[:last] {
				next(t, m, challenge)
			}
			begun := time.Now()
			response, err := m.Next([]byte(h.challenges[last]))
			if spent := time.Since(begun); spent > 5*time.Second {
				t.Errorf("took %v", spent)
			}
			wantRule(t, err, h.want)
			var e *auth.Error
			if errors.As(err, &e); response != nil || e.Step != auth.Step(len(h.challenges)) || e.Mechanism != h.mechanism || e.Fatal() != h.fatal || e.Local() {
				t.Errorf("response %q, error %#v, fatal %v", response, e, e.Fatal())
			}
			assertNoSecret(t, err, password, token)
			if strings.ContainsFunc(err.Error(), func(r rune) bool { return r < ' ' || r == 0x7f }) {
				t.Errorf("unprintable: %q", err)
			}
			if _, again := m.Next([]byte("x")); !errors.Is(again, h.want) {
				t.Errorf("after the error: %v", again)
			}
			if success := m.Success(); !errors.Is(success, h.want) {
				t.Errorf("Success after the error: %v", success)
			}
		})
	}
}

// TestEndlessChallenges: there is an end to 334s (S-AUTH, "endless 334").
func TestEndlessChallenges(t *testing.T) {
	m := auth.NewNTLM(credentials("u", "pass"), auth.Policy{MaxRounds: 2})
	start(t, m, nil)
	next(t, m, "")
	next(t, m, string(unhex(t, type2)))
	_, err := m.Next(nil)
	wantRule(t, err, auth.RuleManyChallenges)
}

// TestEarlySuccess: what a 235 is worth at each point of an exchange.
func TestEarlySuccess(t *testing.T) {
	for _, c := range []struct {
		name       string
		challenges []string
		want       auth.Rule
	}{
		{"PLAIN", nil, auth.RuleNone},
		{"LOGIN", nil, auth.RuleNone},
		{"CRAM-MD5", nil, auth.RuleEnded},
		{"NTLM", nil, auth.RuleEnded},
		{"NTLM", []string{""}, auth.RuleEnded},
		{"SCRAM-SHA-256", nil, auth.RuleNoServerProof},
		{"SCRAM-SHA-256", []string{scramFirst}, auth.RuleNoServerProof},
		{"DIGEST-MD5", nil, auth.RuleNoServerProof},
		{"DIGEST-MD5", []string{digestBase}, auth.RuleNoServerProof},
		{"OAUTHBEARER", []string{"{}"}, auth.RuleServerError},
	} {
		creds := auth.Credentials{User: "u", Password: auth.NewSecret("p"), Token: auth.NewSecret("t")}
		m := auth.FixNonce(mechanism(t, c.name, creds, auth.Policy{}), scramNonce)
		start(t, m, secureLink())
		for _, challenge := range c.challenges {
			next(t, m, challenge)
		}
		if err := m.Success(); c.want == auth.RuleNone && err != nil || c.want != auth.RuleNone && !errors.Is(err, c.want) {
			t.Errorf("%s after %q: %v, want %v", c.name, c.challenges, err, c.want)
		}
	}
}

// TestOrderOfCalls: a mechanism that was not started does nothing.
func TestOrderOfCalls(t *testing.T) {
	for _, name := range auth.Names() {
		m := mechanism(t, name, credentials("u", "p"), auth.Policy{})
		_, err := m.Next(nil)
		wantRule(t, err, auth.RuleNotStarted)
		m = mechanism(t, strings.ToLower(name), credentials("u", "p"), auth.Policy{})
		wantRule(t, m.Success(), auth.RuleNotStarted)
		if m.Name() != name {
			t.Errorf("name %q, want %q", m.Name(), name)
		}
	}
	_, err := auth.New("x\x1by", auth.Credentials{}, auth.Policy{})
	wantRule(t, err, auth.RuleUnknownMechanism)
}
