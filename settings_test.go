package parley_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/parley-mail/parley"
)

// Each row of the table has a name of its own, says what a new object really has, takes
// what it gives, and refuses what it must.
func TestSettingsTable(t *testing.T) {
	seen := map[string]bool{}
	for _, row := range parley.Settings() {
		key := strings.ToLower(row.Name)
		if seen[key] {
			t.Errorf("%s is there twice", row.Name)
		}
		seen[key] = true
		if row.Doc == "" || row.Type == "" || !row.Property && !row.Config {
			t.Errorf("%s: %+v", row.Name, row)
		}
		s := parley.New()
		got, err := s.Config(strings.ToUpper(row.Name))
		if err != nil {
			t.Errorf("%s: %v", row.Name, err)
		}
		dynamic := row.Name == "BuildInfo" || row.Name == "LicenseInfo"
		if got != row.Default && !dynamic {
			t.Errorf("%s is %q, and the table says %q", row.Name, got, row.Default)
		}
		switch _, err := s.Config(row.Name + "=" + got); {
		case row.ReadOnly && !errors.Is(err, parley.ErrReadOnly):
			t.Errorf("%s is read-only: %v", row.Name, err)
		case !row.ReadOnly && err != nil:
			t.Errorf("%s does not take its own value %q: %v", row.Name, got, err)
		}
		if again, _ := s.Config(row.Name); again != got && !row.ReadOnly {
			t.Errorf("%s=%s reads as %q", row.Name, got, again)
		}
	}
}

// Values that are not allowed change nothing, and no error repeats what it was given.
func TestSettingsRefuse(t *testing.T) {
	const secret = "hunter2hunter2"
	for _, row := range parley.Settings() {
		if row.ReadOnly || row.Type == "text" || row.Type == "secret" {
			continue
		}
		s := parley.New()
		before, _ := s.Config(row.Name)
		for _, bad := range []string{secret, "", "99999999999999999999", "-7", "1e3"} {
			_, err := s.Config(row.Name + "=" + bad)
			var typed *parley.SettingError
			if !errors.As(err, &typed) || !errors.Is(err, parley.ErrBadValue) || typed.Name != row.Name {
				t.Errorf("%s=%s: %v", row.Name, bad, err)
				continue
			}
			if strings.Contains(err.Error(), secret) {
				t.Errorf("%s repeats the value: %v", row.Name, err)
			}
			if after, _ := s.Config(row.Name); after != before {
				t.Errorf("%s=%s is refused and changes %q to %q", row.Name, bad, before, after)
			}
		}
	}
}
