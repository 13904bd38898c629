package conformance_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/parley-mail/parley/conformance"
)

// Each fault fits the source as it is, and its requirements are held by tests. That the
// tests find it takes a build for each: see TestSourceMutantsDie.
func TestSourceMutants(t *testing.T) {
	known := map[string]bool{}
	for _, m := range conformance.SourceMutants() {
		name := strings.Join(m.IDs, " ") + ": " + m.About
		text, err := os.ReadFile(filepath.Join("..", filepath.FromSlash(m.File)))
		if err == nil {
			_, err = m.Apply(string(text))
		}
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if filepath.Ext(m.File) != ".go" || strings.HasSuffix(m.File, "_test.go") || m.About == "" || known[m.File+m.Old+m.New] {
			t.Errorf("%s: in %s, or said twice", name, m.File)
		}
		known[m.File+m.Old+m.New] = true
		for _, id := range m.IDs {
			if r, ok := conformance.Lookup(id); !ok || r.Test == "" || r.Exclusion != "" {
				t.Errorf("%s: no test holds %s", name, id)
			}
			known[id] = true
		}
	}
	for _, r := range conformance.Register() {
		if r.Test != "" && !known[r.ID] {
			t.Errorf("%s: no fault shows that %s holds it", r.ID, r.Test)
		}
	}
}

func TestApplySourceMutant(t *testing.T) {
	m := conformance.SourceMutant{File: "x.go", Old: "\ta\n\tb\n", New: "\tc\n"}
	if got, err := m.Apply("x\n\ta\n\tb\ny\n"); err != nil || got != "x\n\tc\ny\n" {
		t.Errorf("%q, %v", got, err)
	}
	for _, source := range []string{"", "\ta\nx\tb\n", "\ta\n\tb\n\ta\n\tb\n", "x\ta\n\tb\n"} {
		if got, err := m.Apply(source); err == nil {
			t.Errorf("%q: %q", source, got)
		}
	}
	m.New = m.Old
	if _, err := m.Apply(m.Old); err == nil {
		t.Error("a fault that is none")
	}
}
