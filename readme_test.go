package parley_test

import (
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// The code in README.md is that of ExampleDial, which compiles and runs.
func TestReadmeCode(t *testing.T) {
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	source, err := os.ReadFile("example_test.go")
	if err != nil {
		t.Fatal(err)
	}
	between := func(s, from, to string) string {
		_, s, _ = strings.Cut(s, from)
		s, _, _ = strings.Cut(s, to)
		return s
	}
	var want strings.Builder
	for line := range strings.Lines(between(string(source), "func ExampleDial() {\n", "\t// Output:\n")) {
		want.WriteString(strings.TrimPrefix(line, "\t"))
	}
	if diff := cmp.Diff(want.String(), between(string(readme), "```go\n", "```")); diff != "" {
		t.Errorf("README.md differs from ExampleDial (-example +README):\n%s", diff)
	}
}
