package smtpt

import (
	"bytes"
	"fmt"
	"strings"
)

// Import reads a plain recording: lines "S: octets" and "C: octets" in the escapes of
// transcripts, CRLF written out, and "# write n" in front of what left in one write.
// Secrets do not get into the script: what follows the mechanism of AUTH, and what
// answers a 334, becomes {any}.
func Import(name string, data []byte) (*Script, error) {
	s := &Script{Name: name}
	var group *Step
	var challenged bool
	at := 0
	for line := range bytes.Lines(data) {
		at++
		text := strings.TrimRight(string(line), "\n")
		pos := Pos{at, 1}
		switch {
		case text == "":
			continue
		case strings.HasPrefix(text, "# write"):
			s.Steps = flushGroup(s.Steps, &group)
			group = &Step{Kind: Group, Text: "one-write", Pos: pos}
			continue
		case strings.HasPrefix(text, "#"):
			s.Steps = append(s.Steps, Step{Kind: Comment, Text: strings.TrimSpace(text[1:]), Pos: pos})
			continue
		}
		who, octets, ok := strings.Cut(text, ": ")
		if !ok || who != "S" && who != "C" {
			return nil, &Error{name, pos, "a line of a recording begins with \"S: \", \"C: \" or \"#\""}
		}
		if _, i, err := Unescape(octets); err != nil {
			return nil, &Error{name, Pos{at, 4 + i}, err.Error()}
		}
		body, whole := strings.CutSuffix(octets, `\r\n`)
		if strings.HasSuffix(body, `\`) {
			body, whole = octets, false
		}
		step := Step{Kind: Server, Text: body, Raw: !whole, Pos: pos}
		if who == "C" {
			step.Kind, step.Text = Client, hide(body, challenged)
			challenged = false
		} else {
			challenged = strings.HasPrefix(body, "334")
		}
		if who == "C" && group != nil {
			group.Steps = append(group.Steps, step)
			continue
		}
		s.Steps = flushGroup(s.Steps, &group)
		s.Steps = append(s.Steps, step)
	}
	s.Steps = flushGroup(s.Steps, &group)
	if _, err := Parse(name, s.Format()); err != nil {
		return nil, fmt.Errorf("what was imported is no transcript: %w", err)
	}
	return s, nil
}

// flushGroup adds the group, if it has lines: one alone needs no group.
func flushGroup(steps []Step, group **Step) []Step {
	g := *group
	*group = nil
	switch {
	case g == nil || len(g.Steps) == 0:
		return steps
	case len(g.Steps) == 1:
		return append(steps, g.Steps[0])
	}
	return append(steps, *g)
}

// hide replaces what may be secret in a client's line, and braces, which would read as
// templates.
func hide(line string, challenged bool) string {
	if challenged {
		return "{any}"
	}
	f := strings.SplitN(line, " ", 3)
	if strings.EqualFold(f[0], "AUTH") {
		if len(f) == 3 {
			f[2] = "{any}"
		}
		return strings.Join(f, " ")
	}
	return strings.NewReplacer("{", `\x7b`, "}", `\x7d`).Replace(line)
}
