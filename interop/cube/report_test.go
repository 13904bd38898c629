package cube_test

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/parley-mail/parley/interop/cube"
)

func cell(why, engine, column string, row ...string) *cube.Cell {
	c := &cube.Cell{Row: row, Column: column, Engine: engine, Why: why}
	if why == "" {
		c.Delivered = 1
	}
	return c
}

// A report that another has loaded shows the cells of both: those of a port together, empty
// rows that are alike as one, each engine's mark, each reason once.
func TestMarkdown(t *testing.T) {
	heads, columns := []string{"port", "login"}, []string{"DATA", "BDAT"}
	var other, report cube.Report
	other.Program("krb5kdc", "1.20")
	other.Add("A server", heads, columns,
		cell("", "std", "DATA", "submission", "GSSAPI"), cell("", "utls", "DATA", "submission", "GSSAPI"),
		cell("", "std", "BDAT", "submission", "GSSAPI"), cell("not yet", "utls", "BDAT", "submission", "GSSAPI"),
		cell("no AUTH", "", "DATA", "smtp", "GSSAPI"), cell("no AUTH", "", "BDAT", "smtp", "GSSAPI"))
	saved := filepath.Join(t.TempDir(), "saved")
	if err := other.Save(saved); err != nil {
		t.Fatal(err)
	}
	report.Program("a server", "1")
	report.Add("A server", heads, columns,
		cell("", "", "DATA", "smtp", "none"), cell("no CHUNKING", "", "BDAT", "smtp", "none"),
		cell("no AUTH", "", "DATA", "smtp", "PLAIN"), cell("no AUTH", "", "BDAT", "smtp", "PLAIN"),
		cell("refused", "std", "DATA", "submission", "none"), cell("refused", "utls", "DATA", "submission", "none"),
		cell("refused", "std", "BDAT", "submission", "none"), cell("refused", "utls", "BDAT", "submission", "none"),
		cell("", "std", "DATA", "submission", "PLAIN"), cell("", "utls", "DATA", "submission", "PLAIN"),
		cell("", "std", "BDAT", "submission", "PLAIN"), cell("", "utls", "BDAT", "submission", "PLAIN"))
	if err := report.Load(saved); err != nil {
		t.Fatal(err)
	}
	text := report.Markdown(time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC))
	for _, want := range []string{
		"Made on 2026-11-26.",
		"| A server | 8 | 10 | 0 | 8 |\n| all | 8 | 10 | 0 | 8 |",
		"| no AUTH | 4 |\n| refused | 4 |\n| no CHUNKING | 1 |\n| not yet | 1 |\n",
		"| a server | 1 |\n| krb5kdc | 1.20 |",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is missing", want)
		}
	}
	_, got, _ := strings.Cut(text, "## A server\n\n")
	want := `| port | login | DATA | BDAT |
|---|---|---|---|
| smtp | none | ✓ | a |
| smtp | every mechanism | b | b |
| submission | none | c | c |
| submission | PLAIN | ✓✓ | ✓✓ |
| submission | GSSAPI | ✓✓ | ✓d |

a: no CHUNKING  
b: no AUTH  
c: refused  
d: not yet  
`
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
