package conformance

import (
	"fmt"
	"strings"
)

const lastLines = 10

// Report writes an outcome for people: the verdict and, if it failed, the requirement,
// the last lines of the dialogue, the path through the machine, and how to see it again.
func (o *Outcome) Report() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s", o.Verdict, o.Case.ID)
	if o.Reason != "" {
		fmt.Fprintf(&b, " (%s)", o.Reason)
	}
	b.WriteString("\n")
	f := o.Failure
	if f == nil {
		return b.String()
	}
	if f.Pos.Line > 0 {
		fmt.Fprintf(&b, "  %s:%d: ", o.Case.File(), f.Pos.Line)
	} else {
		b.WriteString("  ")
	}
	b.WriteString(indent(f.Text) + "\n")
	if f.Want != "" {
		fmt.Fprintf(&b, "  want  %s\n", indent(f.Want))
	}
	if f.Got != "" {
		fmt.Fprintf(&b, "  got   %s\n", indent(f.Got))
	}
	for _, id := range o.Case.Rfc {
		b.WriteString("  shows " + explainShort(id) + "\n")
	}
	if n := len(o.Wire); n > 0 {
		b.WriteString("  dialogue, to its end\n")
		for _, line := range o.Wire[max(0, n-lastLines):] {
			b.WriteString("  " + line.String() + "\n")
		}
	}
	if len(o.Moves) > 0 {
		b.WriteString("  path  " + pathOf(o.Moves) + "\n")
	}
	b.WriteString("  again " + o.Reproduce() + "\n")
	return b.String()
}

// Reproduce returns the command that plays the outcome's case again, in one line.
func (o *Outcome) Reproduce() string {
	if o.Again != "" {
		return o.Again
	}
	if seed, ok := strings.CutPrefix(o.Case.ID, "walk/"); ok {
		return "parley conform walk --seed " + seed + " --count 1"
	}
	return "parley conform run " + o.Case.ID + " --variant " + o.Variant.String()
}

func indent(s string) string { return strings.ReplaceAll(s, "\n", "\n        ") }

// pathOf joins moves to one path.
func pathOf(moves []string) string {
	var b strings.Builder
	for i, m := range moves {
		from, to, _ := strings.Cut(m, " -> ")
		to, _, _ = strings.Cut(to, " (")
		if i == 0 {
			b.WriteString(from)
		}
		b.WriteString(" > " + to)
	}
	return b.String()
}

// explainShort returns a requirement's id and what it demands.
func explainShort(id string) string {
	if r, ok := Lookup(id); ok {
		return id + ", " + r.Where() + ": " + r.Text
	}
	return id
}
