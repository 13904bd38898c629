package conformance

import (
	"embed"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/parley-mail/parley/conformance/smtpt"
)

//go:embed testdata
var embedded embed.FS

// Case is one transcript with what its header says.
type Case struct {
	ID       string   // path without ".smtpt", as in "rfc2920/moot-354"
	About    string   // the prose of the header
	Level    string   // MUST, SHOULD, MAY or ""
	Rfc      []string // requirements that it shows
	Against  []string // requirements for which it is the negative control: server or caller tempts the client
	Odd      []string // rows of the list of odd replies
	Needs    []string // what a client must be able to do for the case to apply
	Profiles []Profile
	Kills    []string // mutants that the case is there to find
	Xfail    string   // why it is known to fail
	Script   *smtpt.Script
}

// Profile is how a client treats the oddities of a server.
type Profile uint8

// The profiles.
const (
	Lenient Profile = iota // noted and let pass
	Strict                 // the session ends
)

// String returns "lenient" or "strict".
func (p Profile) String() string {
	if p == Strict {
		return "strict"
	}
	return "lenient"
}

var levels = []string{"MUST", "SHOULD", "MAY"}

// Suite returns the cases that come with the program.
func Suite() ([]*Case, error) {
	sub, err := fs.Sub(embedded, "testdata")
	if err != nil {
		return nil, err
	}
	return Load(sub)
}

// Load reads all transcripts below fsys.
func Load(fsys fs.FS) ([]*Case, error) {
	files := map[string]*smtpt.Script{}
	err := fs.WalkDir(fsys, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || path.Ext(name) != ".smtpt" {
			return err
		}
		data, err := fs.ReadFile(fsys, name)
		if err != nil {
			return err
		}
		script, err := smtpt.Parse(name, data)
		if err != nil {
			return err
		}
		files[strings.TrimSuffix(name, ".smtpt")] = script
		return nil
	})
	if err != nil {
		return nil, err
	}
	var cases []*Case
	for id, script := range files {
		c, err := NewCase(id, script)
		if err != nil {
			return nil, err
		}
		if err := c.inherit(files); err != nil {
			return nil, err
		}
		cases = append(cases, c)
	}
	slices.SortFunc(cases, func(a, b *Case) int { return strings.Compare(a.ID, b.ID) })
	return cases, nil
}

// Names returns every requirement and odd reply that the header names.
func (c *Case) Names() []string { return slices.Concat(c.Rfc, c.Against, c.Odd) }

// Area returns the part of the id before the last "/": "rfc2920".
func (c *Case) Area() string { return path.Dir(c.ID) }

// File returns the name of the case's script, as failures name it; the id if it has none.
func (c *Case) File() string {
	if c.Script == nil || c.Script.Name == "" {
		return c.ID
	}
	return c.Script.Name
}

// NewCase reads the header of a script. The case must still be given its base, if it
// names one; Load does.
func NewCase(id string, script *smtpt.Script) (*Case, error) {
	c := &Case{
		ID: id, About: script.Prose(), Script: script,
		Rfc: script.All("rfc"), Against: script.All("against"), Odd: script.All("odd"), Needs: script.All("needs"), Kills: script.All("kills"),
		Xfail: strings.Join(script.All("xfail"), " "),
	}
	for _, h := range script.Header {
		fail := func(format string, args ...any) error {
			return &smtpt.Error{Name: script.Name, Pos: h.Pos, Text: fmt.Sprintf(format, args...)}
		}
		switch h.Key {
		case "id":
			if h.Value != id {
				return nil, fail("# id is %s, the file's name says %s", h.Value, id)
			}
		case "level":
			if c.Level = h.Value; !slices.Contains(levels, c.Level) {
				return nil, fail("# level is one of %s", strings.Join(levels, ", "))
			}
		case "profile":
			for word := range strings.FieldsSeq(h.Value) {
				switch word {
				case "lenient":
					c.Profiles = append(c.Profiles, Lenient)
				case "strict":
					c.Profiles = append(c.Profiles, Strict)
				default:
					return nil, fail("# profile is lenient, strict, or both")
				}
			}
		case "clock":
			if h.Value != "virtual" {
				return nil, fail("# clock virtual is the only one that can be played here")
			}
		}
	}
	if c.Profiles == nil {
		c.Profiles = []Profile{Lenient}
	}
	return c, nil
}

// inherit puts the script of the base in front: its steps up to the first result, and
// its calls unless the case has its own.
func (c *Case) inherit(files map[string]*smtpt.Script) error {
	names := c.Script.All("base")
	if len(names) == 0 {
		return nil
	}
	base, ok := files[names[0]]
	at := smtpt.Pos{Line: 1, Col: 1}
	switch {
	case len(names) > 1:
		return &smtpt.Error{Name: c.Script.Name, Pos: at, Text: "# base names one script"}
	case !ok:
		return &smtpt.Error{Name: c.Script.Name, Pos: at, Text: "no base " + names[0]}
	case len(base.All("base")) > 0:
		return &smtpt.Error{Name: c.Script.Name, Pos: at, Text: "the base " + names[0] + " has a base itself"}
	}
	own := slices.ContainsFunc(c.Script.Steps, func(s smtpt.Step) bool { return s.Kind == smtpt.Call })
	var steps []smtpt.Step
	if own {
		for _, s := range c.Script.Steps {
			if s.Kind == smtpt.Call {
				steps = append(steps, s)
			}
		}
	}
	for _, s := range base.Steps {
		if s.Kind != smtpt.Result && (!own || s.Kind != smtpt.Call) {
			steps = append(steps, s)
		}
	}
	for _, s := range c.Script.Steps {
		if s.Kind != smtpt.Call {
			steps = append(steps, s)
		}
	}
	joined := *c.Script
	joined.Steps = steps
	joined.Files = append(slices.Clone(c.Script.Files), base.Files...)
	c.Script = &joined
	return nil
}

// Select returns the cases that one of the patterns matches and none of the excluded.
// A pattern is a path.Match of the id, or a prefix of it that ends at a "/". No
// pattern selects all.
func Select(cases []*Case, patterns, exclude []string) ([]*Case, error) {
	var picked []*Case
	for _, c := range cases {
		in, err := matchAny(patterns, c.ID)
		if err != nil {
			return nil, err
		}
		out, err := matchAny(exclude, c.ID)
		if err != nil {
			return nil, err
		}
		if (in || len(patterns) == 0) && !out {
			picked = append(picked, c)
		}
	}
	return picked, nil
}

func matchAny(patterns []string, id string) (bool, error) {
	for _, p := range patterns {
		p = strings.TrimSuffix(p, "/")
		ok, err := path.Match(p, id)
		if err != nil {
			return false, fmt.Errorf("%q is no pattern: %w", p, err)
		}
		if ok || strings.HasPrefix(id, p+"/") {
			return true, nil
		}
	}
	return false, nil
}
