package conformance

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/parley-mail/parley/conformance/smtpt"
)

// LoadFile reads one transcript as a case of its own; its id is its name.
func LoadFile(name string) (*Case, error) {
	script, err := smtpt.Load(name)
	if err != nil {
		return nil, err
	}
	return NewCase(strings.TrimSuffix(filepath.ToSlash(name), ".smtpt"), script)
}

// Explain tells what is known of a case, a requirement, an odd reply or a mutant.
func Explain(cases []*Case, id string) (string, bool) {
	var b strings.Builder
	if r, ok := Lookup(id); ok {
		r.explain(&b)
	}
	if o, ok := lookupOdd(id); ok {
		o.explain(&b)
	}
	if m, ok := LookupMutant(id); ok {
		fmt.Fprintf(&b, "mutant %s: an engine that %s\n", m.Name, m.About)
		listCases(&b, "killed by", cases, func(c *Case) []string { return c.Kills }, id)
	}
	if i := slices.IndexFunc(cases, func(c *Case) bool { return c.ID == id }); i >= 0 {
		c := cases[i]
		fmt.Fprintf(&b, "case %s\n%s\n", c.ID, c.About)
		for _, r := range slices.Concat(c.Rfc, c.Odd) {
			fmt.Fprintf(&b, "  shows %s\n", r)
		}
		for _, r := range c.Against {
			fmt.Fprintf(&b, "  tempts to break %s\n", r)
		}
		for _, k := range c.Kills {
			fmt.Fprintf(&b, "  kills %s\n", k)
		}
	}
	listCases(&b, id+" is shown by", cases, func(c *Case) []string { return slices.Concat(c.Rfc, c.Odd) }, id)
	listCases(&b, id+" is tempted by", cases, func(c *Case) []string { return c.Against }, id)
	return b.String(), b.Len() > 0
}

// Where names the document and its section.
func (r Requirement) Where() string {
	if r.Section == "" {
		return r.RFC
	}
	return r.RFC + " §" + r.Section
}

func (r Requirement) explain(b *strings.Builder) {
	fmt.Fprintf(b, "%s, %s, %s: %s\n  %s\n", r.ID, r.Level, r.Where(), r.Layer, r.Text)
	if r.Observe != "" {
		fmt.Fprintf(b, "  seen by: %s\n", r.Observe)
	}
	explainRest(b, strings.Join(r.Tests(), " and "), r.Exclusion)
	for _, m := range sourceMutants() {
		if slices.Contains(m.IDs, r.ID) {
			fmt.Fprintf(b, "  which finds in %s: %s\n", m.File, m.About)
		}
	}
}

func (o OddReply) explain(b *strings.Builder) {
	fmt.Fprintf(b, "%s: %s\n  %s\n  a client: %s\n", o.ID, o.Name, o.Bytes, o.Must)
	explainRest(b, o.Test, o.Exclusion)
}

func explainRest(b *strings.Builder, test, exclusion string) {
	if test != "" {
		fmt.Fprintf(b, "  held by the test %s\n", test)
	}
	if exclusion != "" {
		fmt.Fprintf(b, "  does not apply: %s\n", exclusion)
	}
}

func listCases(b *strings.Builder, head string, cases []*Case, ids func(*Case) []string, id string) {
	for _, c := range cases {
		if slices.Contains(ids(c), id) {
			fmt.Fprintf(b, "  %s %s: %s\n", head, c.ID, c.About)
		}
	}
}
