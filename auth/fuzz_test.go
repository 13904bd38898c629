package auth_test

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/parley-mail/parley/auth"
)

// FuzzSasl: whatever a server says, in however many challenges (separated by
// 0xFF), no mechanism panics, derives a key longer than the policy allows,
// answers after an error, believes a server that must prove itself and has
// not, or brings a secret into an error.
func FuzzSasl(f *testing.F) {
	for _, h := range hostiles {
		if said := strings.Join(h.challenges, "\xff"); len(said) < 4096 {
			f.Add([]byte(said))
		}
	}
	creds := auth.Credentials{User: "u", Password: auth.NewSecret("fuzzed-secret"), Token: auth.NewSecret("fuzzed-secret")}
	policy := auth.Policy{MinIterations: 1, MaxIterations: 16}
	link := secureLink()
	link.Binding = func(string) ([]byte, error) { return []byte("binding"), nil }
	f.Fuzz(func(t *testing.T, said []byte) {
		for _, name := range auth.Names() {
			m := auth.FixNonce(mechanism(t, name, creds, policy), scramNonce, "smtp")
			start(t, m, link)
			var failed error
			for _, challenge := range bytes.SplitN(said, []byte{0xFF}, 32) {
				response, err := m.Next(challenge)
				if (response == nil) == (err == nil) || failed != nil && !errors.Is(err, failed) {
					t.Fatalf("%s: Next = %q, %v after %v", name, response, err, failed)
				}
				failed = err
			}
			if text := fmt.Sprintf("%v %+v %#v", failed, failed, failed); strings.Contains(text, "fuzzed-secret") {
				t.Fatalf("%s: %s", name, text)
			}
			info, _ := auth.Lookup(name)
			if err := m.Success(); info.Mutual && err == nil {
				t.Fatalf("%s believes %q", name, said)
			}
		}
	})
}
