package auth_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/parley-mail/parley/auth"
)

// own is a caller's mechanism.
type own struct{ name string }

func (o own) Name() string                     { return o.name }
func (own) Start(*auth.Link) ([]byte, error)   { return nil, nil }
func (own) Next([]byte) ([]byte, error)        { return []byte{}, nil }
func (own) Success() error                     { return nil }
func names(mechanisms []auth.Mechanism) string { return strings.Join(mechanismNames(mechanisms), " ") }

func mechanismNames(mechanisms []auth.Mechanism) (all []string) {
	for _, m := range mechanisms {
		all = append(all, m.Name())
	}
	return all
}

func boundLink() *auth.Link {
	link := secureLink()
	link.Binding = func(string) ([]byte, error) { return []byte("binding"), nil }
	return link
}

const everything = "ANONYMOUS LOGIN CRAM-MD5 plain XOAUTH2 NTLM GSSAPI OAUTHBEARER DIGEST-MD5 SCRAM-SHA-1 SCRAM-SHA-1-PLUS SCRAM-SHA-256 SCRAM-SHA-256-PLUS SCRAM-SHA-512 SCRAM-SHA-512-PLUS EXTERNAL"

// TestChoose: who comes first, and who does not come at all.
func TestChoose(t *testing.T) {
	all := auth.Credentials{User: "u", Password: auth.NewSecret("p"), Token: auth.NewSecret("t")}
	with := func(change func(*auth.Credentials)) auth.Credentials {
		c := all
		change(&c)
		return c
	}
	clear, unverified := &auth.Link{}, &auth.Link{Secure: true}
	for _, c := range []struct {
		name    string
		offered string
		link    *auth.Link
		creds   auth.Credentials
		policy  auth.Policy
		want    string
	}{
		{"everything, bound", everything, boundLink(), all, auth.Policy{}, "SCRAM-SHA-512-PLUS SCRAM-SHA-256-PLUS SCRAM-SHA-1-PLUS OAUTHBEARER XOAUTH2 PLAIN LOGIN"},
		{"everything, not bound", everything, secureLink(), all, auth.Policy{}, "SCRAM-SHA-512 SCRAM-SHA-256 SCRAM-SHA-1 OAUTHBEARER XOAUTH2 PLAIN LOGIN"},
		{"everything, binding off", everything, boundLink(), all, auth.Policy{NoBinding: true}, "SCRAM-SHA-512 SCRAM-SHA-256 SCRAM-SHA-1 OAUTHBEARER XOAUTH2 PLAIN LOGIN"},
		{"everything, clear", everything, clear, all, auth.Policy{}, "SCRAM-SHA-512 SCRAM-SHA-256 SCRAM-SHA-1"},
		{"everything, no link", everything, nil, all, auth.Policy{}, "SCRAM-SHA-512 SCRAM-SHA-256 SCRAM-SHA-1"},
		{"clear, allowed", "PLAIN LOGIN", clear, all, auth.Policy{AllowPlaintext: true}, "PLAIN LOGIN"},
		{"C-4954-018: unverified", "PLAIN LOGIN SCRAM-SHA-1", unverified, all, auth.Policy{}, "SCRAM-SHA-1"},
		{"one -PLUS stands before every SCRAM without", "SCRAM-SHA-512 SCRAM-SHA-1-PLUS PLAIN", boundLink(), all, auth.Policy{}, "SCRAM-SHA-1-PLUS PLAIN"},
		{"C-SASL-026: no legacy", "CRAM-MD5 DIGEST-MD5 PLAIN SCRAM-SHA-256", secureLink(), all, auth.Policy{}, "SCRAM-SHA-256 PLAIN"},
		{"legacy last", "CRAM-MD5 NTLM DIGEST-MD5 PLAIN", secureLink(), all, auth.Policy{Legacy: true}, "PLAIN DIGEST-MD5 NTLM CRAM-MD5"},
		{"legacy whatever the floor", "CRAM-MD5 PLAIN SCRAM-SHA-1", secureLink(), all, auth.Policy{Legacy: true, Floor: auth.StrengthMutual}, "SCRAM-SHA-1 CRAM-MD5"},
		{"I15: floor", everything, secureLink(), all, auth.Policy{Floor: auth.StrengthToken}, "SCRAM-SHA-512 SCRAM-SHA-256 SCRAM-SHA-1 OAUTHBEARER XOAUTH2"},
		{"floor: bound only", everything, boundLink(), all, auth.Policy{Floor: auth.StrengthBound}, "SCRAM-SHA-512-PLUS SCRAM-SHA-256-PLUS SCRAM-SHA-1-PLUS"},
		{"external and own first", everything, secureLink(), with(func(c *auth.Credentials) {
			c.External, c.Extra = true, []auth.Mechanism{own{"gssapi"}, own{"KERBEROS_V4"}}
		}), auth.Policy{Floor: auth.StrengthMutual}, "EXTERNAL gssapi SCRAM-SHA-512 SCRAM-SHA-256 SCRAM-SHA-1"},
		{"own in place of ours, under the same rules", "PLAIN LOGIN", secureLink(), auth.Credentials{Extra: []auth.Mechanism{own{"PLAIN"}}}, auth.Policy{}, "PLAIN"},
		{"anonymous asked for", everything, clear, auth.Credentials{Anonymous: true}, auth.Policy{}, "ANONYMOUS"},
		{"token alone", everything, secureLink(), auth.Credentials{Token: auth.NewSecret("t")}, auth.Policy{}, "OAUTHBEARER"},
		{"callbacks count", "PLAIN XOAUTH2", secureLink(), auth.Credentials{
			User:        "u",
			GetPassword: func(context.Context) (auth.Secret, error) { panic("called") },
			GetToken:    func(context.Context) (auth.Secret, error) { panic("called") },
		}, auth.Policy{}, "XOAUTH2 PLAIN"},
		{"named, in that order", everything, secureLink(), all, auth.Policy{Mechanisms: []string{"login", "CRAM-MD5", "PLAIN", "XYZ"}}, "LOGIN CRAM-MD5 PLAIN"},
		{"named: floor does not apply", everything, secureLink(), all, auth.Policy{Mechanisms: []string{"NTLM", "ANONYMOUS", "EXTERNAL"}, Floor: auth.StrengthBound}, "NTLM ANONYMOUS EXTERNAL"},
		{"named: its -PLUS instead", everything, boundLink(), all, auth.Policy{Mechanisms: []string{"PLAIN", "SCRAM-SHA-256"}}, "PLAIN SCRAM-SHA-256-PLUS"},
		{"named: without its -PLUS", everything, secureLink(), all, auth.Policy{Mechanisms: []string{"SCRAM-SHA-256"}}, "SCRAM-SHA-256"},
		{"named: another's -PLUS is no bar", "SCRAM-SHA-1-PLUS SCRAM-SHA-256", boundLink(), all, auth.Policy{Mechanisms: []string{"SCRAM-SHA-256"}}, "SCRAM-SHA-256"},
		{"named -PLUS only", everything, boundLink(), all, auth.Policy{Mechanisms: []string{"SCRAM-SHA-256-PLUS"}}, "SCRAM-SHA-256-PLUS"},
		{"offered twice", "PLAIN plain Plain", secureLink(), all, auth.Policy{}, "PLAIN"},
	} {
		t.Run(c.name, func(t *testing.T) {
			chosen, err := auth.Choose(strings.Fields(c.offered), c.link, c.creds, c.policy)
			if err != nil {
				t.Fatal(err)
			}
			// Names are compared as we write them; a caller's own as he does.
			if diff := cmp.Diff(strings.ReplaceAll(c.want, "login", "LOGIN"), names(chosen)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestChooseNone: every name has its own reason.
func TestChooseNone(t *testing.T) {
	for _, c := range []struct {
		name    string
		offered string
		link    *auth.Link
		creds   auth.Credentials
		policy  auth.Policy
		want    string
	}{
		{"nothing offered", "", secureLink(), credentials("u", "p"), auth.Policy{}, "?: not offered"},
		{"C-4954-019: clear link", "PLAIN LOGIN", nil, credentials("u", "p"), auth.Policy{}, "PLAIN: " + auth.RuleClearLink.String() + ", LOGIN: " + auth.RuleClearLink.String()},
		{
			"no credential", "PLAIN XOAUTH2 OAUTHBEARER EXTERNAL ANONYMOUS", secureLink(),
			auth.Credentials{},
			auth.Policy{},
			"EXTERNAL: used only when asked for, OAUTHBEARER: no credential for it, XOAUTH2: no credential for it, PLAIN: no credential for it, ANONYMOUS: used only when asked for",
		},
		{"user without secret", "PLAIN XOAUTH2", secureLink(), auth.Credentials{User: "u"}, auth.Policy{}, "XOAUTH2: no credential for it, PLAIN: no credential for it"},
		{"weak and unknown", "CRAM-MD5 X-YZ", secureLink(), credentials("u", "p"), auth.Policy{}, "CRAM-MD5: weaker than the policy allows, X-YZ: unknown mechanism"},
		{"named", "PLAIN", secureLink(), credentials("u", "p"), auth.Policy{Mechanisms: []string{"SCRAM-SHA-1"}}, "SCRAM-SHA-1: not offered, PLAIN: not among the mechanisms named"},
		{"-PLUS without binding", "SCRAM-SHA-1-PLUS", secureLink(), credentials("u", "p"), auth.Policy{}, "SCRAM-SHA-1-PLUS: no channel binding data on this link"},
		{"not even by name", "SCRAM-SHA-1 SCRAM-SHA-1-PLUS", boundLink(), credentials("u", "p"), auth.Policy{Mechanisms: []string{"SCRAM-SHA-1"}, BindingKind: "tls-exporter", NoBinding: true, Floor: auth.StrengthNone}, ""},
		{"escapes", "\x1b[31m", secureLink(), credentials("u", "p"), auth.Policy{}, `"\x1b[31m": unknown mechanism`},
	} {
		t.Run(c.name, func(t *testing.T) {
			chosen, err := auth.Choose(strings.Fields(c.offered), c.link, c.creds, c.policy)
			if c.want == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			var choice *auth.ChoiceError
			if !errors.As(err, &choice) || chosen != nil {
				t.Fatalf("chosen %v, error %v", chosen, err)
			}
			var got []string
			for _, r := range choice.Reasons {
				if r.Step != auth.StepChoose || !r.Local() || !errors.Is(err, r.Rule) {
					t.Errorf("reason %#v", r)
				}
				got = append(got, strings.TrimPrefix(fmt.Sprintf("%s: %s", r.Mechanism, r.Rule), ": "))
			}
			if diff := cmp.Diff(strings.TrimPrefix(c.want, "?: "), strings.Join(got, ", ")); diff != "" {
				t.Error(diff)
			}
			if strings.ContainsAny(err.Error(), "\x1b\n") {
				t.Errorf("unprintable: %q", err)
			}
		})
	}
}

// TestChooseText: the line a user sees.
func TestChooseText(t *testing.T) {
	_, err := auth.Choose([]string{"PLAIN", "XOAUTH2"}, nil, credentials("u", "p"), auth.Policy{})
	want := "auth: no usable mechanism: XOAUTH2: secrets may not leave on a clear link; PLAIN: secrets may not leave on a clear link"
	if diff := cmp.Diff(want, err.Error()); diff != "" {
		t.Error(diff)
	}
	_, err = auth.Choose([]string{"PLAIN"}, secureLink(), auth.Credentials{User: "u"}, auth.Policy{})
	want = "auth: no usable mechanism: PLAIN: no credential for it (password missing)"
	if diff := cmp.Diff(want, err.Error()); diff != "" {
		t.Error(diff)
	}
}

// TestChooseFlood: a server that lists very many names costs little.
func TestChooseFlood(t *testing.T) {
	offered := make([]string, 100_000)
	for i := range offered {
		offered[i] = fmt.Sprintf("X%d", i)
	}
	_, err := auth.Choose(offered, secureLink(), credentials("u", "p"), auth.Policy{})
	var choice *auth.ChoiceError
	if !errors.As(err, &choice) || len(choice.Reasons) != 64 {
		t.Fatalf("error %.200v", err)
	}
}

// TestByNumber holds the numbers of the enumerated setting.
func TestByNumber(t *testing.T) {
	want := map[int]string{0: "LOGIN PLAIN", 1: "CRAM-MD5", 2: "NTLM", 4: "PLAIN", 5: "DIGEST-MD5", 6: "GSSAPI", 7: "XOAUTH2"}
	for n := -1; n <= 8; n++ {
		got, err := auth.ByNumber(n)
		if want[n] == "" {
			wantRule(t, err, auth.RuleUnknownMechanism)
		}
		if strings.Join(got, " ") != want[n] {
			t.Errorf("%d: %q, want %q", n, got, want[n])
		}
	}
	// The rules about links hold for a number too.
	mechanisms, _ := auth.ByNumber(0)
	_, err := auth.Choose([]string{"LOGIN", "PLAIN"}, nil, credentials("u", "p"), auth.Policy{Mechanisms: mechanisms})
	if !errors.Is(err, auth.RuleClearLink) {
		t.Errorf("number 0 on a clear link: %v", err)
	}
}

// TestResolve: callbacks run when something offered wants their result, and
// not otherwise.
func TestResolve(t *testing.T) {
	failed := errors.New("vault is closed")
	for _, c := range []struct {
		name            string
		offered         []string
		policy          auth.Policy
		password, token string
	}{
		{name: "all", password: "p", token: "t"},
		{name: "password", offered: []string{"login"}, password: "p"},
		{name: "token", offered: []string{"OAUTHBEARER"}, token: "t"},
		{name: "token with user", offered: []string{"XOAUTH2"}, token: "t"},
		{name: "neither", offered: []string{"EXTERNAL", "X-YZ"}},
		{name: "retired", offered: []string{"CRAM-MD5"}},
		{name: "excluded", offered: []string{"PLAIN", "XOAUTH2"}, policy: auth.Policy{Mechanisms: []string{"PLAIN"}}, password: "p"},
	} {
		t.Run(c.name, func(t *testing.T) {
			give := func(s string) func(context.Context) (auth.Secret, error) {
				return func(context.Context) (auth.Secret, error) { return auth.NewSecret(s), nil }
			}
			creds := auth.Credentials{User: "u", GetPassword: give("p"), GetToken: give("t")}
			got, err := creds.Resolve(t.Context(), c.policy, c.offered...)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff([]string{c.password, c.token}, []string{got.Password.Reveal(), got.Token.Reveal()}); diff != "" {
				t.Error(diff)
			}
		})
	}
	fail := func(context.Context) (auth.Secret, error) { return auth.Secret{}, failed }
	for _, creds := range []auth.Credentials{{GetPassword: fail}, {GetToken: fail}} {
		_, err := creds.Resolve(t.Context(), auth.Policy{})
		wantRule(t, err, auth.RuleNoSecret)
		if !errors.Is(err, failed) {
			t.Errorf("the cause is lost: %v", err)
		}
	}
	unresolved := auth.Credentials{User: "u", GetPassword: fail, GetToken: fail}
	for _, name := range []string{"PLAIN", "XOAUTH2"} {
		_, err := mechanism(t, name, unresolved, auth.Policy{}).Start(secureLink())
		wantRule(t, err, auth.RuleUnresolved)
	}
}
