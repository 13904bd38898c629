package conformance_test

import (
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/parley-mail/parley/conformance"
)

// groups are the groups of requirements and how many each has. Rows are added to a group's
// end and never taken away, so a number here only grows.
var groups = map[string]int{
	"C-1870": 6, "C-2033": 9, "C-2034": 5, "C-2920": 11, "C-3030": 11, "C-3207": 14,
	"C-3461": 9, "C-4954": 26, "C-5321": 106, "C-6152": 3, "C-6409": 3, "C-6531": 12,
	"C-7504": 4, "C-821": 4, "C-8314": 11, "C-BIS": 5, "C-EXT": 18, "C-MSG": 17, "C-POL": 23,
	"C-PROXY": 15, "C-SASL": 28,
	"S-5321": 72, "S-AUTH": 24, "S-EXT": 16, "S-LMTP": 6, "S-PIPE": 17, "S-TLS": 15,
}

var (
	requirementID = regexp.MustCompile(`^([CS]-[A-Z0-9]+)-(\d{3})$`)
	levelName     = regexp.MustCompile(`^(MUST|MUST NOT|SHOULD|SHOULD NOT|MAY|must|must not|should|should not|de facto)$`)
	clientLayer   = regexp.MustCompile(`^(reply|session|auth|transport|message|queue)$`)
	documentName  = regexp.MustCompile(`^(RFC \d{3,4}|5321bis|draft-[a-z-]+|XOAUTH2|SOCKS4a?)$`)
	sectionName   = regexp.MustCompile(`^((Appendix )?[0-9A-Z]+(\.\d+)*(-\d+)?(\(\d+\))?(, |$))*$`)
)

func TestRegister(t *testing.T) {
	seen, last := map[string]int{}, map[string]int{}
	texts := map[string]string{}
	for _, r := range conformance.Register() {
		m := requirementID.FindStringSubmatch(r.ID)
		if m == nil {
			t.Fatalf("%q is no ID", r.ID)
		}
		n, _ := strconv.Atoi(m[2])
		if n != last[m[1]]+1 {
			t.Errorf("%s comes behind number %d", r.ID, last[m[1]])
		}
		last[m[1]] = n
		seen[m[1]]++
		server := strings.HasPrefix(r.ID, "S-")
		if !levelName.MatchString(r.Level) {
			t.Errorf("%s: level %q", r.ID, r.Level)
		}
		if server != (r.Layer == "server") || !server && !clientLayer.MatchString(r.Layer) {
			t.Errorf("%s: layer %q", r.ID, r.Layer)
		}
		if !documentName.MatchString(r.RFC) || !sectionName.MatchString(r.Section) {
			t.Errorf("%s: %q, section %q", r.ID, r.RFC, r.Section)
		}
		sentences(t, r.ID, r.Text, r.Observe)
		if other := texts[r.Text]; other != "" {
			t.Errorf("%s says what %s says", r.ID, other)
		}
		texts[r.Text] = r.ID
		if r.Test != "" && r.Exclusion != "" {
			t.Errorf("%s: test %q, exclusion %q", r.ID, r.Test, r.Exclusion)
		}
		if got, ok := conformance.Lookup(r.ID); !ok || got != r {
			t.Errorf("Lookup(%s) = %v, %v", r.ID, got, ok)
		}
	}
	for name, n := range groups {
		if seen[name] != n {
			t.Errorf("%s has %d rows, want %d", name, seen[name], n)
		}
		delete(seen, name)
	}
	for name, n := range seen {
		t.Errorf("%s has %d rows and is not known", name, n)
	}
	if r, ok := conformance.Lookup("C-5321-000"); ok {
		t.Errorf("Lookup found %v", r)
	}
}

// TestRegisterIsTheCallers: what a caller does to the slices stays with the caller.
func TestRegisterIsTheCallers(t *testing.T) {
	conformance.Register()[0].Text = "x"
	conformance.OddReplies()[0].Must = "x"
	if conformance.Register()[0].Text == "x" || conformance.OddReplies()[0].Must == "x" {
		t.Error("a row was changed from outside")
	}
}

func TestOddReplies(t *testing.T) {
	id := regexp.MustCompile(`^O-[GETAMDQFP]\d\d$`)
	seen, last := map[string]bool{}, ""
	all := conformance.OddReplies()
	if len(all) != 153 {
		t.Errorf("%d rows, want 153", len(all))
	}
	for _, o := range all {
		if !id.MatchString(o.ID) || seen[o.ID] || last != "" && o.ID[2] == last[2] && o.ID < last {
			t.Errorf("%q behind %q", o.ID, last)
		}
		seen[o.ID], last = true, o.ID
		if o.Name == "" || strings.TrimSpace(o.Name) != o.Name {
			t.Errorf("%s: name %q", o.ID, o.Name)
		}
		if s, err := strconv.Unquote(`"` + strings.ReplaceAll(o.Bytes, `"`, `\"`) + `"`); err != nil || s == "" {
			t.Errorf("%s: %q: %v", o.ID, o.Bytes, err)
		}
		sentences(t, o.ID, o.Must)
		if o.Test != "" && o.Exclusion != "" {
			t.Errorf("%s: test %q, exclusion %q", o.ID, o.Test, o.Exclusion)
		}
	}
}

// sentences: texts begin in a way that can be read alone and end with a full stop.
func sentences(t *testing.T, id string, texts ...string) {
	t.Helper()
	for _, s := range texts {
		if len(s) < 5 || strings.TrimSpace(s) != s || !strings.HasSuffix(s, ".") || strings.Contains(s, "  ") {
			t.Errorf("%s: %q is no sentence", id, s)
		}
	}
}
