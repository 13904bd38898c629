// Command gen writes what is computed from the table in package fsm: the page and
// the pictures of the machine, the list of rows that the conformance scenarios have
// to take, and the dictionary for fuzzers. "go generate ./fsm" runs it; a test of
// this package fails while a written file differs from what it would write.
package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/parley-mail/parley/fsm"
)

func main() {
	root := flag.String("root", ".", "top folder of the module")
	flag.Parse()
	for _, a := range artefacts {
		if err := write(filepath.Join(*root, filepath.FromSlash(a.path)), a.text()); err != nil {
			fmt.Fprintln(os.Stderr, "gen:", err)
			os.Exit(1)
		}
	}
}

// artefacts are the generated files, by path from the top of the module.
var artefacts = []struct {
	path string
	text func() string
}{
	{"docs/fsm.md", fsm.Markdown},
	{"docs/fsm.dot", fsm.DOT},
	{"fsm/fsm.svg", fsm.SVG},
	{"conformance/coverage.txt", rows},
	{"fuzz/smtp.dict", dictionary},
}

func write(path, text string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return os.WriteFile(path, []byte(text), 0o644)
}

// rows lists the table row by row, each once for every state it holds in and every
// reply it knows, in columns parted by tabs.
func rows() string {
	var b strings.Builder
	b.WriteString(rowsHead)
	for _, e := range fsm.Edges() {
		where := "may be sent"
		switch {
		case e.Input.Signal() || e.Input.Class() == fsm.Gone:
			where = "signal"
		case e.InFlight:
			where = "in flight only"
		}
		fmt.Fprintf(&b, "%v\t%v\t%v\t%s\t%s\n", e.From, e.Input, e.To, where, e.Ref)
	}
	return b.String()
}

const rowsHead = `# Generated from fsm/table.go by "go generate ./fsm". Do not edit.
# Every row must be taken by at least one scenario.
# state	input	next state	kind	because
`
