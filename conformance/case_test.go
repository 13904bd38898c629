package conformance_test

import (
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"github.com/parley-mail/parley/conformance"
)

// The words of a header become what the case says of itself, and what is wrong in them
// is an error that says where.
func TestHeader(t *testing.T) {
	load := func(text string) (*conformance.Case, error) {
		cases, err := conformance.Load(fstest.MapFS{"area/name.smtpt": {Data: []byte(text)}})
		if err != nil {
			return nil, err
		}
		return cases[0], nil
	}
	c, err := load("# About it.\n# rfc     A-1 A-2\n# against A-3\n# odd     O-1\n# level   MUST\n\ncall open\n")
	if err != nil {
		t.Fatal(err)
	}
	want := &conformance.Case{
		ID: "area/name", About: "About it.", Level: "MUST", Rfc: []string{"A-1", "A-2"}, Against: []string{"A-3"}, Odd: []string{"O-1"},
		Profiles: []conformance.Profile{conformance.Lenient}, Script: c.Script,
	}
	if diff := cmp.Diff(want, c); diff != "" {
		t.Error(diff)
	}
	text, ok := conformance.Explain([]*conformance.Case{c}, "A-3")
	if !ok || !strings.Contains(text, "A-3 is tempted by area/name") {
		t.Errorf("explained by %q", text)
	}
	for header, complaint := range map[string]string{
		"# level   SOMETIMES":  "name.smtpt:1:1: # level is one of",
		"# profile bold":       "# profile is lenient, strict, or both",
		"# clock   real":       "# clock virtual",
		"# id      other/name": "the file's name says area/name",
		"# base    no/such":    "no base no/such",
	} {
		if _, err := load(header + "\n\ncall open\n"); err == nil || !strings.Contains(err.Error(), complaint) {
			t.Errorf("%s: %v", header, err)
		}
	}
}
