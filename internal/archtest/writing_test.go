package archtest_test

import (
	"bytes"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strconv"
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

// mention is a place where a comment speaks of an RFC or of a section, and reference
// is how it has to be written: RFC 5321 §4.5.3, RFC 5321 appendix F.2, or a section
// alone where the RFC is clear. Names such as time.RFC3339 are no mention.
var (
	mention   = regexp.MustCompile(`(?:^|[^\w.])(R[Ff][Cc]s?[ -]?[0-9])|(§)|\b([Ss]ections? [0-9]+\.[0-9])`)
	reference = regexp.MustCompile(`(?:RFC (\d{3,5})\b[,:;.)]?(?: §\d+(?:\.\d+)*[a-z]?\b| §[A-Z](?:\.\d+)*\b)?|§(?:\d+|[A-Z]\b)(?:\.\d+)*[a-z]?\b)`)
)

// In comments an RFC is referred to in one form, so that a reader and a tool can
// search for it, and its number is that of an RFC there is. Strings may have to be
// ASCII and are left alone.
func TestReferences(t *testing.T) {
	for _, f := range source(t) {
		if f.pkg == "internal/archtest" {
			continue
		}
		for _, group := range f.ast.Comments {
			for _, c := range group.List {
				for _, bad := range malformed(c.Text) {
					t.Errorf("%s: %q: write RFC 5321 §4.5.3", f.at(c.Pos()), bad)
				}
			}
		}
	}
}

// malformed returns the mentions in a comment that are no references.
func malformed(text string) (bad []string) {
	good := reference.FindAllStringSubmatchIndex(text, -1)
	for _, m := range mention.FindAllStringSubmatchIndex(text, -1) {
		start := max(m[2], m[4], m[6]) // of the group that is there; the others have -1
		ok := false
		for _, g := range good {
			if g[0] <= start && start < g[1] {
				ok = g[2] < 0 || number(text[g[2]:g[3]])
			}
		}
		if !ok {
			bad = append(bad, text[start:min(len(text), start+20)])
		}
	}
	return bad
}

// number reports whether text can be the number of an RFC: no zero in front, and
// not one from years to come.
func number(text string) bool {
	n, err := strconv.Atoi(text)
	return err == nil && text[0] != '0' && n < 10000
}

func TestMalformed(t *testing.T) {
	for text, want := range map[string]int{
		"RFC 5321 §4.5.3.2.2, RFC 2920": 0, "in the RFCs' words": 0, "(RFC 5321 §F.2)": 0, "§4.1 says": 0, "time.RFC3339": 0, "RFC 4954 §4a": 0,
		"RFC5321": 1, "RFC-5321": 1, "Rfc 5321": 1, "RFC 5321 § 4": 1, "RFC 5321 §§4, 5": 1, "rfc822;a@b": 0, "RFC 53211": 1, "RFC 0821": 1, "RFC 5321 section 4.1": 1, "RFC 5321 §": 1, "§x": 1,
	} {
		if got := malformed(text); len(got) != want {
			t.Errorf("%q: %q, want %d", text, got, want)
		}
	}
}

// strange are words that have no place in this tree: they speak of the machine
// or the day on which something was written. In pieces, so as not to find itself. Behind
// "# " one of them is a word of the Test Anything Protocol.
var strange = regexp.MustCompile(`/wo` + `rk/|/tm` + `p/[a-z]+/|/ro` + `ot/|/ho` + `me/[a-z]|(?:^|[^#\s])\s*\bTO` + `DO\b|\bFIX` + `ME\b|\bX` + `XX\b:?|(?i:\bclau` + `de\b|\banthro` + `pic\b|\bchat` + `gpt\b|\bco` + `pilot\b|language ` + `model)`)

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
