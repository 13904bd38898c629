package auth_test

import (
	"bytes"
	"errors"
	"testing"

	"github.com/parley-mail/parley/auth"
)

// FuzzSasl: whatever a server says, in however many challenges (separated by
// 0xFF), no mechanism panics, derives a key longer than the policy allows,
// answers after an error, believes a server that must prove itself and has
// not, or brings a secret into an error.
func FuzzSasl(f *testing.F) {
	for _, h := range hostiles {
		f.Add([]byte(bytes.Join(octets(h.challenges), []byte{0xFF})))
	}
	const password, token = "fuzzed-Passw0rd", "fuzzed.t0ken"
	creds := auth.Credentials{User: "u", Password: auth.NewSecret(password), Token: auth.NewSecret(token)}
	policy := auth.Policy{MinIterations: 1, MaxIterations: 16}
	f.Fuzz(func(t *testing.T, said []byte) {
		for _, name := range auth.Names() {
			m := auth.FixNonce(mechanism(t, name, creds, policy), scramNonce, "smtp")
			link := secureLink()
			link.Binding = func(string) ([]byte, error) { return []byte("binding"), nil }
			if _, err := m.Start(link); err != nil {
				t.Fatal(err)
			}
			var failed error
			for _, challenge := range bytes.Split(said, []byte{0xFF}) {
				response, err := m.Next(challenge)
				if (response == nil) == (err == nil) || failed != nil && !errors.Is(err, failed) {
					t.Fatalf("%s: Next = %q, %v after %v", name, response, err, failed)
				}
				if failed = err; err != nil {
					assertNoSecret(t, err, password, token)
				}
			}
			info, _ := auth.Lookup(name)
			if err := m.Success(); info.Mutual && err == nil {
				t.Fatalf("%s believes %q", name, said)
			}
		}
	})
}

func octets(all []string) (out [][]byte) {
	for _, s := range all {
		out = append(out, []byte(s))
	}
	return out
}
