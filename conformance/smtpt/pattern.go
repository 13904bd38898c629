package smtpt

import (
	"encoding/base64"
	"fmt"
	"regexp"
	"strings"
)

// Pattern is what a line of the client must look like: literal octets, and templates
// in braces.
type Pattern []Part

// Part is a stretch of a pattern.
type Part struct {
	Kind    PartKind
	Literal []byte         // Literal
	Name    string         // Var, SCRAM: what stands in the braces
	Expr    *regexp.Regexp // Any, Int, Regexp: anchored at both ends
}

// PartKind is what a part is.
type PartKind uint8

// The kinds of parts.
const (
	Literal PartKind = iota
	Var              // {name}: a value that the runner knows
	Any              // {any}: whatever does not end the line
	Int              // {int}: decimal digits
	Regexp           // {re:…}
)

var (
	anyExpr = regexp.MustCompile(`^[^\r\n]*$`)
	intExpr = regexp.MustCompile(`^[0-9]+$`)
)

// parsePattern reads a pattern. Templates are {name}, {any}, {int}, {re:…}, {b64:…},
// {scram:…}; {b64:…} is a literal at once.
func parsePattern(s string) (p Pattern, col int, err error) {
	for i := 0; i < len(s); {
		k := strings.IndexByte(s[i:], '{')
		if k != 0 {
			end := len(s)
			if k > 0 {
				end = i + k
			}
			octets, at, err := Unescape(s[i:end])
			if err != nil {
				return nil, i + at, err
			}
			p = p.literal(octets)
			i = end
			continue
		}
		n := Closing(s[i:])
		if n < 0 {
			return nil, i, fmt.Errorf("{ without }; a brace is written \\x7b")
		}
		part, at, err := parseTemplate(s[i+1 : i+n])
		if err != nil {
			return nil, i + 1 + at, err
		}
		if part.Kind == Literal {
			p = p.literal(part.Literal)
		} else {
			p = append(p, part)
		}
		i += n + 1
	}
	return p, 0, nil
}

func (p Pattern) literal(octets []byte) Pattern {
	if n := len(p); n > 0 && p[n-1].Kind == Literal {
		p[n-1].Literal = append(p[n-1].Literal, octets...)
		return p
	}
	return append(p, Part{Kind: Literal, Literal: octets})
}

// Closing returns the index of the brace that closes the one at the front, or -1.
func Closing(s string) int {
	depth := 0
	for i := range len(s) {
		switch s[i] {
		case '{':
			depth++
		case '}':
			if depth--; depth == 0 {
				return i
			}
		}
	}
	return -1
}

func parseTemplate(s string) (Part, int, error) {
	name, arg, has := strings.Cut(s, ":")
	switch {
	case s == "any":
		return Part{Kind: Any, Expr: anyExpr}, 0, nil
	case s == "int":
		return Part{Kind: Int, Expr: intExpr}, 0, nil
	case has && name == "re":
		e, err := regexp.Compile(`^(?:` + arg + `)$`)
		if err != nil {
			return Part{}, 3, fmt.Errorf("%w", err)
		}
		return Part{Kind: Regexp, Expr: e}, 0, nil
	case has && name == "b64":
		octets, at, err := Unescape(arg)
		if err != nil {
			return Part{}, 4 + at, err
		}
		return Part{Kind: Literal, Literal: base64.StdEncoding.AppendEncode(nil, octets)}, 0, nil
	case isWord(name) && (!has || name == "scram"):
		return Part{Kind: Var, Name: s}, 0, nil
	}
	return Part{}, 0, fmt.Errorf("no template {%s}: there are {name} {any} {int} {re:…} {b64:…} {scram:…}", s)
}

func isWord(s string) bool {
	for _, c := range []byte(s) {
		if (c < 'a' || c > 'z') && c != '-' {
			return false
		}
	}
	return s != ""
}

// templates are what may stand in braces in what a server says; other braces are
// themselves.
var templates = []string{"{name}", "{b64:", "{scram:"}

// parseServer reads what a server says as a pattern of literals and variables.
func parseServer(s string) (p Pattern, col int, err error) {
	for i := 0; i < len(s); {
		next := len(s)
		for _, t := range templates {
			if k := strings.Index(s[i:], t); k >= 0 {
				next = min(next, i+k)
			}
		}
		if next > i {
			octets, at, err := Unescape(s[i:next])
			if err != nil {
				return nil, i + at, err
			}
			p = p.literal(octets)
			i = next
			continue
		}
		n := Closing(s[i:])
		if n < 0 {
			return nil, i, fmt.Errorf("{ without }")
		}
		part, at, err := parseTemplate(s[i+1 : i+n])
		if err != nil {
			return nil, i + 1 + at, err
		}
		if part.Kind == Literal {
			p = p.literal(part.Literal)
		} else {
			p = append(p, part)
		}
		i += n + 1
	}
	return p, 0, nil
}

// Fill returns the octets of a pattern of literals and variables; ok is false if it has
// other parts or a variable that is not known.
func (p Pattern) Fill(vars func(string) (string, bool)) (octets []byte, ok bool) {
	for _, part := range p {
		switch part.Kind {
		case Literal:
			octets = append(octets, part.Literal...)
		case Var:
			v, ok := vars(part.Name)
			if !ok {
				return nil, false
			}
			octets = append(octets, v...)
		default:
			return nil, false
		}
	}
	return octets, true
}

// Match reports whether line, its CRLF included, fits.
func (p Pattern) Match(line []byte, vars func(string) (string, bool)) bool {
	if len(p) == 0 {
		return len(line) == 0
	}
	part, rest := p[0], p[1:]
	switch part.Kind {
	case Literal:
		after, ok := cutPrefix(line, part.Literal)
		return ok && rest.Match(after, vars)
	case Var:
		v, ok := vars(part.Name)
		if !ok {
			return false
		}
		after, ok := cutPrefix(line, []byte(v))
		return ok && rest.Match(after, vars)
	}
	for n := len(line); n >= 0; n-- {
		if part.Expr.Match(line[:n]) && rest.Match(line[n:], vars) {
			return true
		}
	}
	return false
}

func cutPrefix(p, prefix []byte) ([]byte, bool) {
	if len(p) < len(prefix) || string(p[:len(prefix)]) != string(prefix) {
		return nil, false
	}
	return p[len(prefix):], true
}
