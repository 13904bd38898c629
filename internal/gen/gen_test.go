package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/parley-mail/parley/auth"
	"github.com/parley-mail/parley/fsm"
)

const root = "../.."

func TestGeneratedFilesAreFresh(t *testing.T) {
	for _, a := range artefacts {
		t.Run(a.path, func(t *testing.T) {
			have, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(a.path)))
			if err != nil {
				t.Fatalf("%v; run: go generate ./fsm", err)
			}
			if diff := cmp.Diff(string(have), a.text()); diff != "" {
				t.Errorf("stale; run: go generate ./fsm\n(-written +wanted)\n%s", diff)
			}
		})
	}
}

// Every line of the dictionary is a comment, blank, or one string as libFuzzer reads
// it, and no string comes twice.
func TestDictionaryIsWellFormed(t *testing.T) {
	entry := regexp.MustCompile(`^"([ !#-\[\]-~]|\\["\\]|\\x[0-9A-F]{2})+"$`)
	seen := map[string]bool{}
	for _, line := range strings.Split(strings.TrimSuffix(dictionary(), "\n"), "\n") {
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		if !entry.MatchString(line) {
			t.Errorf("not an entry: %s", line)
		}
		if seen[line] {
			t.Errorf("twice: %s", line)
		}
		seen[line] = true
	}
	for _, name := range auth.Names() {
		if !seen[quoted(name)] {
			t.Errorf("the mechanism %s is missing", name)
		}
	}
	for _, want := range []string{`"EHLO"`, `"BDAT"`, `"354 "`, `"250-"`, `"\x0D\x0A.\x0D\x0A"`} {
		if !seen[want] {
			t.Errorf("%s is missing", want)
		}
	}
}

func TestRowsListEveryEdgeOnce(t *testing.T) {
	seen := map[string]bool{}
	for line := range strings.Lines(rows()) {
		if strings.HasPrefix(line, "#") {
			continue
		}
		cells := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		if len(cells) != 5 || seen[cells[0]+" "+cells[1]] {
			t.Errorf("bad or repeated row %q", line)
		}
		seen[cells[0]+" "+cells[1]] = true
	}
	if len(seen) != len(fsm.Edges()) {
		t.Errorf("%d rows, %d edges", len(seen), len(fsm.Edges()))
	}
}

func TestWriteMakesFolders(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a", "b.txt")
	if err := write(path, "text"); err != nil {
		t.Fatal(err)
	}
	have, err := os.ReadFile(path)
	if err != nil || string(have) != "text" {
		t.Errorf("read %q, %v", have, err)
	}
}
