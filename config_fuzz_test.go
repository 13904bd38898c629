package parley_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/parley-mail/parley"
)

// Invariant: a text for Config either sets what then reads the same when set again, or is
// a typed error that changes nothing and does not repeat a secret.
func FuzzConfig(f *testing.F) {
	for _, s := range parley.Settings() {
		f.Add(s.Name + "=" + s.Default)
		f.Add(strings.ToLower(s.Name) + "= 1 ")
	}
	f.Add("Password=hunter2")
	f.Add("=")
	f.Add("SSLSecurityFlags=0x80000000")
	f.Fuzz(func(t *testing.T, text string) {
		s := parley.New()
		name, value, assign := strings.Cut(text, "=")
		before, _ := s.Config(name)
		_, err := s.Config(text)
		after, rerr := s.Config(name)
		var typed *parley.SettingError
		switch {
		case err != nil && !errors.As(err, &typed):
			t.Fatalf("%q: %v", text, err)
		case err != nil && after != before:
			t.Fatalf("%q is refused and changes %q to %q", text, before, after)
		case err == nil && rerr != nil:
			t.Fatalf("%q is set and cannot be read: %v", text, rerr)
		case err == nil && assign && after != "":
			row, _ := parley.FindSetting(strings.TrimSpace(name))
			if _, err := s.Config(name + "=" + after); err != nil && row.Type != "secret" {
				t.Fatalf("%q reads as %q, which is refused: %v", text, after, err)
			}
			if row.Type == "secret" && len(value) > 8 && strings.Contains(after, value) {
				t.Fatalf("%q shows the secret", text)
			}
		}
	})
}
