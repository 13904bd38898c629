package auth_test

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
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
	f.Fuzz(func(t *testing.T, said []byte) {
		for _, name := range auth.Names() {
			hearOut(t, name, bytes.SplitN(said, []byte{0xFF}, 32))
		}
	})
}

// FuzzChallenge: the same for two challenges to one mechanism, of any octets.
func FuzzChallenge(f *testing.F) {
	names := auth.Names()
	for _, h := range hostiles {
		if c := append(slices.Clone(h.challenges), ""); len(c[0])+len(c[1]) < 4096 {
			f.Add(uint8(slices.Index(names, h.mechanism)), []byte(c[0]), []byte(c[1]))
		}
	}
	f.Fuzz(func(t *testing.T, mechanism uint8, first, second []byte) {
		hearOut(t, names[int(mechanism)%len(names)], [][]byte{first, second})
	})
}

// hearOut gives a mechanism what the server says, and checks what is promised above.
func hearOut(t *testing.T, name string, challenges [][]byte) {
	creds := auth.Credentials{User: "u", Password: auth.NewSecret("fuzzed-secret"), Token: auth.NewSecret("fuzzed-secret")}
	link := secureLink()
	link.Binding = func(string) ([]byte, error) { return []byte("binding"), nil }
	m := auth.FixNonce(mechanism(t, name, creds, auth.Policy{MinIterations: 1, MaxIterations: 16}), scramNonce)
	start(t, m, link)
	var failed error
	for _, challenge := range challenges {
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
		t.Fatalf("%s believes %q", name, challenges)
	}
}
