package conformance_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/parley-mail/parley/conformance"
)

// Cases name requirements, odd replies and mutants that exist.
func TestHeadersNameWhatExists(t *testing.T) {
	cases, err := conformance.Suite()
	if err != nil {
		t.Fatal(err)
	}
	if err := conformance.CheckHeaders(cases); err != nil {
		t.Error(err)
	}
	bad := &conformance.Case{ID: "x", Rfc: []string{"C-0000-000"}, Against: []string{"C-0000-001"}, Odd: []string{"O-0"}, Kills: []string{"nobody"}}
	err = conformance.CheckHeaders([]*conformance.Case{bad})
	for _, name := range []string{"C-0000-000", "C-0000-001", "O-0", "nobody"} {
		if err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s is passed over: %v", name, err)
		}
	}
}

// A test that the register names as the one that holds something is there.
func TestRegisterNamesTests(t *testing.T) {
	check := func(id, name string) {
		folder, function, ok := strings.Cut(filepath.Base(name), ".")
		if !ok {
			t.Errorf("%s: %q names no test", id, name)
			return
		}
		folder = filepath.Join("..", filepath.Dir(name), folder)
		if folder == filepath.Join("..", "parley") {
			folder = ".."
		}
		if !hasTest(folder, function) {
			t.Errorf("%s: there is no %s", id, name)
		}
	}
	for _, r := range conformance.Register() {
		for _, name := range r.Tests() {
			check(r.ID, name)
		}
	}
	for _, o := range conformance.OddReplies() {
		if o.Test != "" {
			check(o.ID, o.Test)
		}
	}
}

var testFunction = regexp.MustCompile(`(?m)^func ((?:Test|Fuzz|Example)\w*)\(`)

var testsIn = map[string]map[string]bool{}

// hasTest reports whether a package's folder has a test of that name.
func hasTest(folder, name string) bool {
	if testsIn[folder] == nil {
		found := map[string]bool{}
		files, _ := filepath.Glob(filepath.Join(folder, "*_test.go"))
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				continue
			}
			for _, m := range testFunction.FindAllSubmatch(text, -1) {
				found[string(m[1])] = true
			}
		}
		testsIn[folder] = found
	}
	return testsIn[folder][name]
}

// Requirements are counted by layer and level, and in three columns.
func TestStandings(t *testing.T) {
	var must conformance.Requirement
	for _, r := range conformance.Register() {
		if r.Level == "MUST" && r.Layer == "session" && r.Test == "" && r.Exclusion == "" {
			must = r
			break
		}
	}
	cases := []*conformance.Case{{ID: "a", Rfc: []string{must.ID}}, {ID: "b", Against: []string{must.ID}, Kills: []string{"no-limits"}}}
	rows := 0
	for _, s := range conformance.Standings(cases) {
		rows += s.Rows
		want := s.ByTest // each of them finds a fault in the source
		if s.Layer == "session" && s.Level == "MUST" {
			want++
		}
		if got := [3]int{s.Positive, s.Negative, s.Killed}; got != [3]int{want, want, want} {
			t.Errorf("%v", s)
		}
	}
	if rows != len(conformance.Register()) {
		t.Errorf("%d rows of %d", rows, len(conformance.Register()))
	}
	held, _ := conformance.Lookup("C-SASL-008")
	if !conformance.Caught(held) || conformance.Caught(must) || conformance.Caught(conformance.Requirement{ID: "C-SASL-000", Test: held.Test}) {
		t.Error("a test counts although it finds no fault, or does not although it does")
	}
	if text, _ := conformance.Explain(nil, held.ID); !strings.Contains(text, "which finds in auth/scram.go: ") {
		t.Errorf("no fault in\n%s", text)
	}
	text, ok := conformance.Explain(cases, must.ID)
	for _, part := range []string{must.Text, must.RFC, "is shown by a", "is tempted by b"} {
		if !ok || !strings.Contains(text, part) {
			t.Errorf("%q is not in\n%s", part, text)
		}
	}
}
