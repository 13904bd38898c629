package auth_test

import (
	"bytes"
	"encoding/base64"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/xdg-go/scram"

	"github.com/parley-mail/parley/auth"
)

func mechanism(t testing.TB, name string, creds auth.Credentials, policy auth.Policy) auth.Mechanism {
	t.Helper()
	m, err := auth.New(name, creds, policy)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// TestScramVectors holds the examples of RFC 5802 §5 and RFC 7677 §3.
func TestScramVectors(t *testing.T) {
	for _, c := range []struct{ name, nonce, first, final, proof string }{
		{
			"SCRAM-SHA-1", "fyko+d2lbbFgONRv9qkxdawL",
			"r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,s=QSXCR+Q6sek8bf92,i=4096",
			"c=biws,r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,p=v0X8v3Bz2T0CJGbJQyF0X+HI4Ts=",
			"v=rmF9pqV8S7suAoZWja4dJRkFsKQ=",
		},
		{
			"SCRAM-SHA-256", "rOprNGfwEbeRWgbNEkqO",
			"r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
			"c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=",
			"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := auth.FixNonce(mechanism(t, c.name, credentials("user", "pencil"), auth.Policy{}), c.nonce)
			if diff := cmp.Diff("n,,n=user,r="+c.nonce, string(start(t, m, nil))); diff != "" {
				t.Error(diff)
			}
			if err := m.Success(); !errors.Is(err, auth.RuleNoServerProof) {
				t.Errorf("Success before the proof: %v", err)
			}
			start(t, m, nil) // an error ends an exchange; begin another
			if diff := cmp.Diff(c.final, next(t, m, c.first)); diff != "" {
				t.Error(diff)
			}
			if got := next(t, m, c.proof); got != "" {
				t.Errorf("answer to the proof %q, want none", got)
			}
			if err := m.Success(); err != nil {
				t.Error(err)
			}
			_, err := m.Next([]byte(c.proof))
			wantRule(t, err, auth.RuleUnexpectedChallenge)
		})
	}
}

// scramServer is the other side, from the library.
func scramServer(t testing.TB, hash scram.HashGeneratorFcn, password string) *scram.Server {
	t.Helper()
	client, err := hash.NewClientUnprepped("", password, "")
	if err != nil {
		t.Fatal(err)
	}
	stored, err := client.GetStoredCredentialsWithError(scram.KeyFactors{Salt: "salt of the sea", Iters: 4096})
	if err != nil {
		t.Fatal(err)
	}
	server, err := hash.NewServer(func(string) (scram.StoredCredentials, error) { return stored, nil })
	if err != nil {
		t.Fatal(err)
	}
	return server
}

var scramHashes = map[string]scram.HashGeneratorFcn{
	"SCRAM-SHA-1": scram.SHA1, "SCRAM-SHA-256": scram.SHA256, "SCRAM-SHA-512": scram.SHA512,
}

// TestScramBinding runs whole exchanges against a server: every hash, every
// kind of channel binding, and each flag of the GS2 header (RFC 5802 §6).
func TestScramBinding(t *testing.T) {
	for base, hash := range scramHashes {
		server := scramServer(t, hash, "pencil")
		for _, c := range []struct {
			name    string
			plus    bool
			version uint16
			policy  auth.Policy
			clear   bool
			offered []string
			header  string
		}{
			{name: "no binding here", clear: true, header: "n,,"},
			{name: "binding by policy off", policy: auth.Policy{NoBinding: true}, version: 0x0304, header: "n,,"},
			{name: "C-SASL-013: server lists no -PLUS", version: 0x0304, offered: []string{base}, header: "y,,"},
			{name: "C-SASL-014: TLS 1.3", plus: true, version: 0x0304, header: "p=tls-exporter,,"},
			{name: "TLS version unknown", plus: true, header: "p=tls-exporter,,"},
			{name: "C-SASL-014: TLS 1.2", plus: true, version: 0x0303, header: "p=tls-unique,,"},
			{name: "kind by policy", plus: true, version: 0x0303, policy: auth.Policy{BindingKind: "tls-server-end-point"}, header: "p=tls-server-end-point,,"},
		} {
			t.Run(base+"/"+c.name, func(t *testing.T) {
				var bound scram.ChannelBinding
				link := &auth.Link{Host: "mx.example", Secure: !c.clear, Verified: true, TLSVersion: c.version, Offered: c.offered}
				link.Binding = func(kind string) ([]byte, error) {
					bound = scram.ChannelBinding{Type: scram.ChannelBindingType(kind), Data: []byte("data of " + kind)}
					return bound.Data, nil
				}
				name := base
				if c.plus {
					name += "-PLUS"
				}
				m := mechanism(t, name, credentials("user", "pencil"), c.policy)
				first := string(start(t, m, link))
				if !strings.HasPrefix(first, c.header+"n=user,r=") {
					t.Fatalf("client-first %q, want header %q", first, c.header)
				}
				conversation := server.NewConversation()
				if c.plus {
					conversation = server.NewConversationWithChannelBindingRequired(bound)
				}
				response := first
				for range 2 {
					challenge, err := conversation.Step(response)
					if err != nil {
						t.Fatalf("server on %q: %v", response, err)
					}
					response = next(t, m, challenge)
					if i := strings.Index(response, ","); i > 0 && strings.HasPrefix(response, "c=") {
						want := base64.StdEncoding.EncodeToString([]byte(c.header + string(boundData(c.plus, bound))))
						if response[2:i] != want {
							t.Errorf("C-SASL-016: c=%s, want %s", response[2:i], want)
						}
					}
				}
				if !conversation.Valid() {
					t.Error("server is not satisfied")
				}
				if err := m.Success(); err != nil {
					t.Error(err)
				}
			})
		}
	}
}

func boundData(plus bool, b scram.ChannelBinding) []byte {
	if !plus {
		return nil
	}
	return b.Data
}

// TestScramStart: names are escaped, nonces are new, and what cannot be bound
// is not begun.
func TestScramStart(t *testing.T) {
	noBinding := errors.New("session was resumed")
	bind := func(kind string) ([]byte, error) { return []byte("b"), nil }
	m := mechanism(t, "SCRAM-SHA-256", auth.Credentials{User: "a,b=c", AuthzID: "d,e", Password: auth.NewSecret("pencil")}, auth.Policy{})
	first, second := start(t, m, nil), start(t, m, nil)
	if want := "n,a=d=2Ce,n=a=2Cb=3Dc,r="; !strings.HasPrefix(string(first), want) {
		t.Errorf("C-SASL-007: client-first %q, want %q…", first, want)
	}
	if bytes.Equal(first, second) {
		t.Error("C-SASL-006: the same nonce twice")
	}
	for _, c := range []struct {
		name, mechanism string
		link            *auth.Link
		policy          auth.Policy
		want            auth.Rule
	}{
		{"clear link", "SCRAM-SHA-256-PLUS", &auth.Link{Binding: bind}, auth.Policy{}, auth.RuleNoBinding},
		{"no function", "SCRAM-SHA-256-PLUS", &auth.Link{Secure: true}, auth.Policy{}, auth.RuleNoBinding},
		{"no data", "SCRAM-SHA-256-PLUS", &auth.Link{Secure: true, Binding: func(string) ([]byte, error) { return nil, nil }}, auth.Policy{}, auth.RuleNoBinding},
		{"C-SASL-015: refused", "SCRAM-SHA-256-PLUS", &auth.Link{Secure: true, Binding: func(string) ([]byte, error) { return nil, noBinding }}, auth.Policy{}, auth.RuleNoBinding},
		{"by policy", "SCRAM-SHA-256-PLUS", &auth.Link{Secure: true, Binding: bind}, auth.Policy{NoBinding: true}, auth.RuleNoBinding},
		{"-PLUS stripped by the caller", "SCRAM-SHA-256", &auth.Link{Secure: true, Binding: bind, Offered: []string{"scram-sha-256-plus"}}, auth.Policy{}, auth.RuleDowngrade},
		{"no randomness", "SCRAM-SHA-256", nil, auth.Policy{Rand: strings.NewReader("short")}, auth.RuleNoRandom},
	} {
		t.Run(c.name, func(t *testing.T) {
			initial, err := mechanism(t, c.mechanism, credentials("user", "pencil"), c.policy).Start(c.link)
			wantRule(t, err, c.want)
			if initial != nil {
				t.Errorf("refused, yet %q came out", initial)
			}
			if c.name == "C-SASL-015: refused" && !errors.Is(err, noBinding) {
				t.Errorf("the cause is lost: %v", err)
			}
		})
	}
}

// TestScramServerError: "e=" is a refusal with a reason (C-SASL-011), and what
// is optional and unknown is passed over (C-SASL-010).
func TestScramServerError(t *testing.T) {
	m := auth.FixNonce(mechanism(t, "SCRAM-SHA-1", credentials("user", "pencil"), auth.Policy{}), "abc")
	start(t, m, nil)
	next(t, m, "r=abcd,s=QSXCR+Q6sek8bf92,i=4096,x=1")
	_, err := m.Next([]byte("e=invalid-proof"))
	wantRule(t, err, auth.RuleServerError)
	var e *auth.Error
	if errors.As(auth.Explain(m), &e); e == nil || e.Server != "invalid-proof" || e.Step != 2 {
		t.Errorf("Explain = %+v", e)
	}
	if _, again := m.Next(nil); !errors.Is(again, auth.RuleServerError) {
		t.Errorf("an error does not end the exchange: %v", again)
	}
}
