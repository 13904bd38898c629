package auth_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/parley-mail/parley/auth"
)

// TestEnumerations: every value has a name of its own, and one that is none
// still prints.
func TestEnumerations(t *testing.T) {
	seen := map[string]bool{}
	for r := auth.RuleNone; ; r++ {
		text := r.Error()
		if strings.HasPrefix(text, "Rule(") {
			if r < 30 {
				t.Errorf("only %d rules", r)
			}
			break
		}
		if text == "" || seen[text] {
			t.Errorf("rule %d: text %q is empty or not its own", r, text)
		}
		seen[text] = true
	}
	var strengths, steps []string
	for s := auth.StrengthNone; s <= auth.StrengthExternal+1; s++ {
		strengths = append(strengths, s.String())
	}
	for _, s := range []auth.Step{-3, auth.StepChoose, auth.StepSuccess, auth.StepStart, 2} {
		steps = append(steps, s.String())
	}
	if diff := cmp.Diff([]string{"none", "legacy", "plain", "token", "mutual", "bound", "external", "Strength(7)"}, strengths); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"Step(-3)", "choice", "outcome", "start", "challenge 2"}, steps); diff != "" {
		t.Error(diff)
	}
}

// TestErrorText: one line, what, where, which rule, the server quoted.
func TestErrorText(t *testing.T) {
	err := &auth.Error{
		Mechanism: "SCRAM-SHA-1", Step: 2, Rule: auth.RuleServerError, Detail: "detail",
		Server: "bad\r\n\x1b%s", Err: errors.New("cause"),
	}
	want := `auth SCRAM-SHA-1: challenge 2: server reported an error (detail): server said "bad\r\n\x1b%s": cause`
	if diff := cmp.Diff(want, err.Error()); diff != "" {
		t.Error(diff)
	}
	if !errors.Is(err, auth.RuleServerError) || errors.Is(err, auth.RuleNonce) || !errors.Is(err, err.Err) {
		t.Error("errors.Is")
	}
}

// TestSecret: a secret is worth its text to those who ask, and a mask to the
// rest.
func TestSecret(t *testing.T) {
	s := auth.NewSecret("sesame")
	if s.Reveal() != "sesame" || s.IsZero() || !auth.NewSecret("").IsZero() || (auth.Secret{}).Reveal() != "" {
		t.Error("Reveal, IsZero")
	}
	if !s.Equal(auth.NewSecret("sesame")) || s.Equal(auth.NewSecret("sesamo")) || s.Equal(auth.Secret{}) {
		t.Error("Equal")
	}
	if s.String() != "[secret]" || s.GoString() != "[secret]" || s.String() != (auth.Secret{}).String() {
		t.Errorf("%s", s)
	}
	var file struct{ Password auth.Secret }
	if err := json.Unmarshal([]byte(`{"Password":"sesame"}`), &file); err != nil || !file.Password.Equal(s) {
		t.Errorf("read from JSON: %v", err)
	}
	if out, err := json.Marshal(file); err != nil || string(out) != `{"Password":"[secret]"}` {
		t.Errorf("written to JSON: %s, %v", out, err)
	}
}

// TestIgnoresChallenge: before the first answer some mechanisms pay no
// attention (O-A03, O-A04), and a caller's own pays it always.
func TestIgnoresChallenge(t *testing.T) {
	want := map[string]bool{"PLAIN": true, "LOGIN": true, "NTLM": true}
	for _, name := range auth.Names() {
		creds := auth.Credentials{User: "u", Password: auth.NewSecret("p"), Token: auth.NewSecret("t")}
		m := mechanism(t, name, creds, auth.Policy{})
		if auth.IgnoresChallenge(m) {
			t.Errorf("%s before Start", name)
		}
		start(t, m, boundLink())
		if got := auth.IgnoresChallenge(m); got != want[name] {
			t.Errorf("%s: %v, want %v", name, got, want[name])
		}
	}
	if auth.IgnoresChallenge(own{}) || auth.Explain(own{}) != nil {
		t.Error("a caller's own mechanism without the optional methods")
	}
}

// TestTable: the table says of each mechanism what the mechanism does.
func TestTable(t *testing.T) {
	creds := auth.Credentials{User: "u", Password: auth.NewSecret("p"), Token: auth.NewSecret("t")}
	last := auth.StrengthExternal
	for _, name := range auth.Names() {
		info, ok := auth.Lookup(strings.ToLower(name))
		if !ok || info.Name != name || info.Reference == "" || info.Strength > last {
			t.Errorf("%s: %+v", name, info)
		}
		last = info.Strength
		m := mechanism(t, name, creds, auth.Policy{})
		if initial := start(t, m, boundLink()); (initial != nil) != info.ClientFirst {
			t.Errorf("%s: ClientFirst %v, initial response %q", name, info.ClientFirst, initial)
		}
		if err := m.Success(); info.SingleRound && err != nil || info.Mutual && err == nil {
			t.Errorf("%s: Success at once: %v", name, err)
		}
		if _, err := mechanism(t, name, creds, auth.Policy{}).Start(&auth.Link{Host: "h"}); info.Reveals != errors.Is(err, auth.RuleClearLink) {
			t.Errorf("%s: Reveals %v, on a clear link: %v", name, info.Reveals, err)
		}
	}
	for name, m := range map[string]auth.Mechanism{
		"OAUTHBEARER": auth.NewOAuthBearer(creds, auth.Policy{}),
		"EXTERNAL":    auth.NewExternal(creds, auth.Policy{}),
		"ANONYMOUS":   auth.NewAnonymous(creds, auth.Policy{}),
	} {
		if m.Name() != name {
			t.Errorf("%s is %s", name, m.Name())
		}
	}
}
