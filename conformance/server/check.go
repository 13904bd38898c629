package server

import (
	"embed"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/parley-mail/parley/conformance"
	"github.com/parley-mail/parley/conformance/smtpt"
)

//go:embed testdata
var embedded embed.FS

// Check is one demand on a server, and the dialogue that shows whether it is met.
type Check struct {
	ID    string   // "server/hello/no-name": the path, without ".check"
	About string   // the prose of the header
	Level string   // MUST, SHOULD or MAY
	Rfc   []string // the requirements that it holds
	Needs []string // what must be offered or given: a keyword of EHLO, or a word that Target.need knows

	each  string // the variable that takes several values, "" for none
	value []string
	steps []step
	files map[string]string
	name  string
}

// suffix is that of files with a check.
const suffix = ".check"

// Suite returns the checks that come with the program, those of whole runs last.
func Suite() ([]*Check, error) {
	sub, err := fs.Sub(embedded, "testdata")
	if err != nil {
		return nil, err
	}
	return Load(sub)
}

// Load reads all checks below fsys. Those that judge every reply of a run come last.
func Load(fsys fs.FS) ([]*Check, error) {
	var checks []*Check
	err := fs.WalkDir(fsys, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || path.Ext(name) != suffix {
			return err
		}
		data, err := fs.ReadFile(fsys, name)
		if err != nil {
			return err
		}
		c, err := Parse(name, data)
		checks = append(checks, c)
		return err
	})
	slices.SortStableFunc(checks, func(a, b *Check) int {
		switch x, y := a.census(), b.census(); {
		case x == y:
			return strings.Compare(a.ID, b.ID)
		case y:
			return -1
		}
		return 1
	})
	return checks, err
}

// census reports whether the check judges more than its own dialogue.
func (c *Check) census() bool {
	return slices.ContainsFunc(c.steps, func(s step) bool { return s.kind == every })
}

// Case returns the check as a case, for reports.
func (c *Check) Case() *conformance.Case {
	return &conformance.Case{
		ID: c.ID, About: c.About, Level: c.Level, Rfc: c.Rfc, Needs: c.Needs,
		Script: &smtpt.Script{Name: c.name},
	}
}

// Cases returns checks as cases, for those who select or list.
func Cases(checks []*Check) []*conformance.Case {
	cases := make([]*conformance.Case, len(checks))
	for i, c := range checks {
		cases[i] = c.Case()
	}
	return cases
}

// Select returns the checks that one of the patterns matches, as conformance.Select has
// it; the "server/" in front may be left out.
func Select(checks []*Check, patterns, exclude []string) ([]*Check, error) {
	full := func(patterns []string) (all []string) {
		for _, p := range patterns {
			all = append(all, "server/"+strings.TrimPrefix(p, "server/"))
		}
		return all
	}
	picked, err := conformance.Select(Cases(checks), full(patterns), full(exclude))
	if err != nil {
		return nil, err
	}
	in := map[string]bool{}
	for _, c := range picked {
		in[c.ID] = true
	}
	var out []*Check
	for _, c := range checks {
		if in[c.ID] {
			out = append(out, c)
		}
	}
	return out, nil
}

// levels are what the header of a check may have as its level.
var levels = []string{"MUST", "SHOULD", "MAY"}

// header reads one line of the header.
func (c *Check) header(at smtpt.Pos, line string) error {
	text := strings.TrimSpace(strings.TrimPrefix(line, "#"))
	key, value, _ := strings.Cut(text, " ")
	value = strings.TrimSpace(value)
	switch key {
	case "rfc":
		c.Rfc = append(c.Rfc, strings.Fields(value)...)
	case "level":
		c.Level = value
	case "needs":
		c.Needs = append(c.Needs, strings.Fields(value)...)
	case "each":
		words := strings.Fields(value)
		if len(words) < 3 {
			return c.wrong(at, "# each is followed by a name and two values or more")
		}
		c.each = words[0]
		for _, w := range words[1:] {
			octets, col, err := smtpt.Unescape(w)
			if err != nil {
				return c.wrong(smtpt.Pos{Line: at.Line, Col: col + 1}, "%v", err)
			}
			c.value = append(c.value, string(octets))
		}
	default:
		c.About = strings.TrimSpace(c.About + " " + text)
	}
	return nil
}

// complete says what the header lacks.
func (c *Check) complete() error {
	at := smtpt.Pos{Line: 1, Col: 1}
	switch {
	case c.About == "":
		return c.wrong(at, "a check says what it is about")
	case !slices.Contains(levels, c.Level):
		return c.wrong(at, "# level is one of %s", strings.Join(levels, ", "))
	case len(c.steps) == 0:
		return c.wrong(at, "there is nothing to do")
	}
	for _, id := range c.Rfc {
		if _, ok := conformance.Lookup(id); !ok {
			return c.wrong(at, "no requirement %q", id)
		}
	}
	return nil
}

func (c *Check) wrong(at smtpt.Pos, format string, args ...any) error {
	return &smtpt.Error{Name: c.name, Pos: at, Text: fmt.Sprintf(format, args...)}
}
