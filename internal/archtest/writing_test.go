package archtest_test

import (
	"bytes"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"
)

// Every package says what it is.
func TestPackageComments(t *testing.T) {
	documented := map[string]bool{}
	for _, f := range source(t) {
		if f.test {
			continue
		}
		want := "Package " + f.ast.Name.Name + " "
		if f.ast.Name.Name == "main" {
			want = "Command "
			if f.pkg == "internal/gen" || strings.HasPrefix(f.pkg, "bench") || strings.HasPrefix(f.pkg, "internal/") {
				want = ""
			}
		}
		documented[f.pkg] = documented[f.pkg] || f.ast.Doc != nil && strings.HasPrefix(f.ast.Doc.Text(), want)
	}
	for pkg, ok := range documented {
		if !ok {
			t.Errorf("%s has no package comment in the usual form", pkg)
		}
	}
}

// badReferences are ways to refer to an RFC that are not ours: RFC 5321 §4.5.3.
var badReferences = regexp.MustCompile(`\bRFC[0-9]{3,}\b|\bRFC-[0-9]|\bRfc ?[0-9]{3,}|(?i)\bRFC ?[0-9]{3,},? (section|sec\.|chapter)|§ [0-9]|§§|\(?section [0-9]+\.[0-9]`)

// In comments an RFC is referred to in one form, so that a reader and a tool can
// search for it. Strings may have to be ASCII and are left alone.
func TestReferences(t *testing.T) {
	for _, f := range source(t) {
		for _, group := range f.ast.Comments {
			for _, c := range group.List {
				if bad := badReferences.FindString(c.Text); bad != "" && f.pkg != "internal/archtest" {
					t.Errorf("%s: %q: write RFC 5321 §4.5.3", f.at(c.Pos()), bad)
				}
			}
		}
	}
}

// strange are words that have no place in this tree: they speak of the machine
// or the day on which something was written. In pieces, so as not to find itself.
var strange = regexp.MustCompile(`/wo` + `rk/|/tm` + `p/[a-z]+/|/ro` + `ot/|/ho` + `me/[a-z]|\bTO` + `DO\b|\bFIX` + `ME\b|\bX` + `XX\b:?|(?i:\bclau` + `de\b|\banthro` + `pic\b|\bchat` + `gpt\b|\bco` + `pilot\b|language ` + `model)`)

func TestNothingStrange(t *testing.T) {
	top := root(t)
	walk(t, top, func(name string) {
		text, err := os.ReadFile(filepath.Join(top, filepath.FromSlash(name)))
		if err != nil {
			t.Error(err)
			return
		}
		if !utf8.Valid(text) || bytes.IndexByte(text, 0) >= 0 {
			return
		}
		for i, line := range strings.Split(string(text), "\n") {
			if word := strange.FindString(line); word != "" {
				t.Errorf("%s:%d: %q does not belong here", name, i+1, word)
			}
		}
	})
}

// A published go.mod has no replace: it would hold for us and for nobody else.
func TestModuleFiles(t *testing.T) {
	top := root(t)
	walk(t, top, func(name string) {
		if filepath.Base(name) != "go.mod" {
			return
		}
		text, err := os.ReadFile(filepath.Join(top, filepath.FromSlash(name)))
		if err != nil {
			t.Error(err)
			return
		}
		if regexp.MustCompile(`(?m)^\s*replace\b`).Match(text) {
			t.Errorf("%s has a replace directive", name)
		}
	})
}

// Every module but the tools' is worked on together.
func TestWorkspace(t *testing.T) {
	top := root(t)
	work, err := os.ReadFile(filepath.Join(top, "go.work"))
	if err != nil {
		t.Fatal(err)
	}
	walk(t, top, func(name string) {
		dir := path.Dir(name)
		if path.Base(name) != "go.mod" || dir == "tools" {
			return
		}
		if dir != "." {
			dir = "./" + dir
		}
		if !regexp.MustCompile(`(?m)^(use)?\s*` + regexp.QuoteMeta(dir) + `$`).Match(work) {
			t.Errorf("go.work does not use %s", dir)
		}
	})
}
