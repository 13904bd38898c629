//go:build interop

package conformance_test

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/parley-mail/parley/conformance"
)

// TestSourceMutantsDie: the tests that the register names pass, and with each fault in the
// source one of every requirement that the fault breaks fails. No test is named in vain:
// each fails with one of its requirement's faults. Every fault is a build of its own,
// hence the tag.
func TestSourceMutantsDie(t *testing.T) {
	top, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	vain := map[string]bool{} // "C-SASL-001 auth.TestPlain" has not failed yet
	left := map[string]int{}  // faults of a requirement that have not been tried
	t.Run("as it is", func(t *testing.T) {
		all := map[string]bool{}
		for _, m := range conformance.SourceMutants() {
			for _, id := range m.IDs {
				left[id]++
				r, _ := conformance.Lookup(id)
				for _, name := range r.Tests() {
					all[name], vain[id+" "+name] = true, true
				}
			}
		}
		for folder, functions := range byFolder(all) {
			t.Run(folder, func(t *testing.T) {
				t.Parallel()
				if out, err := goTest(top, folder, functions, ""); err != nil {
					t.Errorf("%v\n%s", err, out)
				}
			})
		}
	})
	t.Run("with", func(t *testing.T) {
		for i, m := range conformance.SourceMutants() {
			t.Run(fmt.Sprintf("%s/%d", strings.Join(m.IDs, "+"), i), func(t *testing.T) {
				t.Parallel()
				failed := withFault(t, top, m)
				mu.Lock()
				defer mu.Unlock()
				for _, id := range m.IDs {
					left[id]--
					r, _ := conformance.Lookup(id)
					if !slices.ContainsFunc(r.Tests(), func(name string) bool { return failed[name] }) {
						t.Errorf("%s: %s: no test of %s fails", id, m.About, r.Tests())
					}
					for _, name := range r.Tests() {
						if failed[name] {
							delete(vain, id+" "+name)
						}
					}
				}
			})
		}
	})
	for name := range vain {
		if id, _, _ := strings.Cut(name, " "); left[id] == 0 {
			t.Errorf("%s finds none of the faults", name)
		}
	}
}

// withFault runs the tests of a fault's requirements with the fault and returns those that
// failed.
func withFault(t *testing.T, top string, m conformance.SourceMutant) map[string]bool {
	t.Helper()
	all, failed := map[string]bool{}, map[string]bool{}
	for _, id := range m.IDs {
		r, _ := conformance.Lookup(id)
		for _, name := range r.Tests() {
			all[name] = true
		}
	}
	file := overlay(t, top, m)
	for folder, functions := range byFolder(all) {
		out, err := goTest(top, folder, functions, file)
		if err != nil && !strings.Contains(out, "--- FAIL: ") {
			t.Errorf("%s: %v\n%s", m.About, err, out)
		}
		for name := range all {
			if in, function := testOf(name); in == folder && strings.Contains(out, "--- FAIL: "+function+" ") {
				failed[name] = true
			}
		}
	}
	return failed
}

// testOf returns the folder and the function of a test as the register names it.
func testOf(name string) (folder, function string) {
	folder, function, _ = strings.Cut(name, ".")
	if folder == "parley" {
		folder = "."
	}
	return folder, function
}

// byFolder returns the functions of each folder as "TestA|TestB".
func byFolder(names map[string]bool) map[string]string {
	all := map[string]string{}
	for name := range names {
		folder, function := testOf(name)
		all[folder] = strings.TrimPrefix(all[folder]+"|"+function, "|")
	}
	return all
}

// goTest runs tests of a folder, which need not be of the root's module.
func goTest(top, folder, functions, overlay string) (string, error) {
	cmd := exec.Command("go", "test", "-count=1", "-vet=off", "-timeout=2m", "-ldflags=-s -w", "-overlay="+overlay, "-run=^("+functions+")$", ".")
	cmd.Dir = filepath.Join(top, filepath.FromSlash(folder))
	cmd.Env = append(os.Environ(), "GOWORK=")
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// overlay writes the file with the fault, and for the compiler that it stands for the
// real one.
func overlay(t *testing.T, top string, m conformance.SourceMutant) string {
	t.Helper()
	file := filepath.Join(top, filepath.FromSlash(m.File))
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	faulty, err := m.Apply(string(text))
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	stand := filepath.Join(dir, filepath.Base(m.File))
	list, err := json.Marshal(map[string]any{"Replace": map[string]string{file: stand}})
	if err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(dir, "overlay.json")
	for name, text := range map[string][]byte{stand: []byte(faulty), name: list} {
		if err := os.WriteFile(name, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return name
}
