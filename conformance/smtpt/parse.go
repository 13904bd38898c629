package smtpt

import (
	"bytes"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"
)

// MaxSize is how long a transcript may be, in octets.
const MaxSize = 4 << 20

// Load reads the transcript in a file.
func Load(path string) (*Script, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	return Parse(path, data)
}

// Parse reads a transcript. The error is a [*Error] that says where.
func Parse(name string, data []byte) (*Script, error) {
	p := &parser{script: &Script{Name: name}}
	if len(data) > MaxSize {
		return nil, p.fail(Pos{1, 1}, "%d octets are more than %d", len(data), MaxSize)
	}
	p.lines = split(data)
	if err := p.head(); err != nil {
		return nil, err
	}
	steps, end, err := p.block(0)
	if err != nil {
		return nil, err
	}
	if end != "" {
		return nil, p.fail(Pos{p.at, 1}, "} without a block")
	}
	p.script.Steps = trimBlank(steps)
	if err := p.files(); err != nil {
		return nil, err
	}
	return p.script, nil
}

type parser struct {
	script *Script
	lines  []string
	at     int // lines read: the number of the last one
}

const maxDepth = 8

// split cuts data into lines without their LF; a CR in front of it goes too.
func split(data []byte) []string {
	var lines []string
	for line := range bytes.Lines(data) {
		lines = append(lines, string(bytes.TrimSuffix(bytes.TrimSuffix(line, []byte("\n")), []byte("\r"))))
	}
	return lines
}

func (p *parser) fail(at Pos, format string, args ...any) *Error {
	return &Error{p.script.Name, at, fmt.Sprintf(format, args...)}
}

// next returns the next line of the script, and false at its end or where files begin.
func (p *parser) next() (string, bool) {
	if p.at >= len(p.lines) || isMarker(p.lines[p.at]) != "" {
		return "", false
	}
	p.at++
	return p.lines[p.at-1], true
}

// isMarker returns the name in a line "-- name --", or "".
func isMarker(line string) string {
	name, ok := strings.CutPrefix(line, "-- ")
	if !ok {
		return ""
	}
	name, ok = strings.CutSuffix(name, " --")
	if !ok {
		return ""
	}
	return strings.TrimSpace(name)
}

// head reads the comment lines at the top.
func (p *parser) head() error {
	for p.at < len(p.lines) {
		text, ok := strings.CutPrefix(p.lines[p.at], "#")
		if !ok {
			return nil
		}
		p.at++
		text = strings.TrimSpace(text)
		h := Header{Value: text, Pos: Pos{p.at, 1}}
		key, value, _ := strings.Cut(text, " ")
		if slices.Contains(Keys, key) {
			h.Key, h.Value = key, strings.Join(strings.Fields(value), " ")
			if h.Value == "" {
				return p.fail(h.Pos, "# %s needs a value", key)
			}
		}
		p.script.Header = append(p.script.Header, h)
	}
	return nil
}

// block reads steps up to a line that begins with "}", which it returns.
func (p *parser) block(depth int) (steps []Step, end string, err error) {
	if depth > maxDepth {
		return nil, "", p.fail(Pos{p.at, 1}, "blocks are nested more than %d deep", maxDepth)
	}
	for {
		line, ok := p.next()
		if !ok {
			return steps, "", nil
		}
		if i := strings.IndexFunc(line, func(r rune) bool { return r >= 0x7f || r < 0x20 && r != '\t' }); i >= 0 {
			return nil, "", p.fail(Pos{p.at, i + 1}, "a script is printable ASCII; other octets are written \\xHH")
		}
		trimmed := strings.TrimLeft(line, " \t")
		if strings.HasPrefix(trimmed, "}") {
			return steps, trimmed, nil
		}
		s := Step{Pos: Pos{p.at, 1 + len(line) - len(trimmed)}}
		if err := p.step(&s, trimmed, depth); err != nil {
			return nil, "", err
		}
		steps = append(steps, s)
	}
}

// step reads one step, whose first line is given.
func (p *parser) step(s *Step, line string, depth int) error {
	switch {
	case line == "":
		s.Kind = Blank
		return nil
	case line[0] == '#':
		s.Kind, s.Text = Comment, strings.TrimSpace(line[1:])
		return nil
	}
	col := s.Pos.Col
	for strings.HasPrefix(line, "[") {
		n := strings.IndexByte(line, ']')
		if n < 0 {
			return p.fail(Pos{p.at, col}, "[ without ]")
		}
		cond := line[1:n]
		if !isWord(strings.TrimPrefix(cond, "!")) {
			return p.fail(Pos{p.at, col}, "[%s] is no condition", cond)
		}
		s.Conds = append(s.Conds, cond)
		rest := strings.TrimLeft(line[n+1:], " ")
		col += len(line) - len(rest)
		line = rest
	}
	if rest, ok := strings.CutPrefix(line, "!"); ok {
		s.Not = true
		col++
		line = rest
	}
	if err := p.line(s, line, col, depth); err != nil {
		return err
	}
	if s.Not && s.Kind != Event && s.Kind != Path && s.Kind != Result {
		return p.fail(s.Pos, "! goes with E:, F: and R: only")
	}
	return nil
}

// line reads what stands behind conditions.
func (p *parser) line(s *Step, line string, col, depth int) error {
	word, rest, _ := strings.Cut(line, " ")
	at := Pos{p.at, col + len(word) + 1}
	switch {
	case word == "call":
		s.Kind = Call
		return p.words(s, rest, at, 1)
	case word == "group":
		s.Kind = Group
		return p.group(s, strings.TrimSpace(rest), at, depth)
	case line == "alt {":
		s.Kind = Alt
		return p.alt(s, depth)
	case strings.HasPrefix(line, "S"):
		s.Kind = Server
		return p.server(s, line[1:], col+1)
	case strings.HasPrefix(line, "C<<"):
		s.Kind, s.Text = Content, strings.TrimSpace(line[3:])
		return p.content(s, Pos{p.at, col + 3})
	case strings.HasPrefix(line, "C~"):
		s.Kind = Quiet
		return p.duration(s, strings.TrimSpace(line[2:]), Pos{p.at, col + 2})
	case strings.HasPrefix(line, "C:"), strings.HasPrefix(line, "C|"):
		s.Kind, s.Raw, s.Text = Client, line[1] == '|', strings.TrimPrefix(line[2:], " ")
		pattern, i, err := parsePattern(s.Text)
		if err != nil {
			return p.fail(Pos{p.at, col + len(line) - len(s.Text) + i}, "%v", err)
		}
		s.Pattern = pattern
		if !s.Raw {
			s.Pattern = s.Pattern.literal([]byte("\r\n"))
		}
		return nil
	case word == "X:":
		s.Kind = Conn
		return p.words(s, rest, at, 1)
	case word == "TLS:":
		s.Kind = TLS
		return p.words(s, rest, at, 1)
	case word == "PROXY:":
		s.Kind = Proxy
		return p.proxy(s, rest, at, depth)
	case word == "T:":
		s.Kind = Advance
		return p.duration(s, strings.TrimPrefix(strings.TrimSpace(rest), "+"), at)
	case word == "E:":
		s.Kind = Event
		return p.words(s, rest, at, 1)
	case word == "F:":
		s.Kind, s.Text = Path, strings.TrimSpace(rest)
		step, cause, caused := strings.Cut(s.Text, " (")
		if from, to, ok := strings.Cut(step, " -> "); !ok || strings.ContainsAny(from+to, " ") || caused != strings.HasSuffix(cause, ")") {
			return p.fail(at, "F: wants \"state -> state\", and perhaps \"(cause)\"")
		}
		return nil
	case word == "R:":
		s.Kind = Result
		return p.words(s, rest, at, 2)
	}
	return p.fail(Pos{p.at, col}, "no line begins with %q: there are call, S: S| C: C| C<< C~ group alt X: TLS: PROXY: T: E: F: R: and #", word)
}

// words reads words and k=v pairs; at least min of them.
func (p *parser) words(s *Step, text string, at Pos, least int) error {
	attrs, col, err := parseWords(text, at)
	if err != nil {
		return p.fail(Pos{at.Line, at.Col + col}, "%v", err)
	}
	if len(attrs) < least {
		return p.fail(at, "%v: something is missing", s.Kind)
	}
	s.Attrs = attrs
	return nil
}

// parseWords splits at blanks, but not inside double quotes.
func parseWords(text string, at Pos) (attrs []Attr, col int, err error) {
	for i := 0; i < len(text); {
		if text[i] == ' ' || text[i] == '\t' {
			i++
			continue
		}
		from, inside := i, false
		for ; i < len(text) && (inside || text[i] != ' ' && text[i] != '\t'); i++ {
			if text[i] == '"' {
				inside = !inside
			}
		}
		if inside {
			return nil, from, fmt.Errorf(`" without its pair`)
		}
		a := Attr{Key: text[from:i], Pos: Pos{at.Line, at.Col + from}}
		if key, value, ok := strings.Cut(a.Key, "="); ok && key != "" && !strings.Contains(key, `"`) {
			if n := len(value); n >= 2 && value[0] == '"' && value[n-1] == '"' {
				value = value[1 : n-1]
			}
			if k := strings.IndexByte(value, '"'); k >= 0 {
				return nil, from + len(key) + 1 + k, fmt.Errorf(`a quote inside a value is written \x22`)
			}
			if _, k, err := Unescape(value); err != nil {
				return nil, from + len(key) + 1 + k, err
			}
			a.Key, a.Value, a.Has = key, value, true
		}
		attrs = append(attrs, a)
	}
	return attrs, 0, nil
}

// Octets returns what the value stands for.
func (a Attr) Octets() []byte {
	octets, _, _ := Unescape(a.Value) // it was tried when it was read
	return octets
}

// serverAttrs are the attributes of what a server says.
var serverAttrs = []string{"at", "split", "gap", "join", "rep", "fill"}

func (p *parser) server(s *Step, rest string, col int) error {
	if strings.HasPrefix(rest, "[") {
		n := strings.IndexByte(rest, ']')
		if n < 0 {
			return p.fail(Pos{p.at, col}, "[ without ]")
		}
		attrs, k, err := parseWords(rest[1:n], Pos{p.at, col + 1})
		if err != nil {
			return p.fail(Pos{p.at, col + 1 + k}, "%v", err)
		}
		for _, a := range attrs {
			if !slices.Contains(serverAttrs, a.Key) {
				return p.fail(a.Pos, "no attribute %q: there are %s", a.Key, strings.Join(serverAttrs, ", "))
			}
			if err := checkServerAttr(a); err != nil {
				return p.fail(a.Pos, "%s: %v", a.Key, err)
			}
		}
		s.Attrs, rest, col = attrs, rest[n+1:], col+n+1
	}
	if rest == "" || rest[0] != ':' && rest[0] != '|' {
		return p.fail(Pos{p.at, col}, "S is followed by \":\" or \"|\"")
	}
	s.Raw, s.Text = rest[0] == '|', strings.TrimPrefix(rest[1:], " ")
	pattern, i, err := parseServer(s.Text)
	if err != nil {
		return p.fail(Pos{p.at, col + len(rest) - len(s.Text) + i}, "%v", err)
	}
	if v, ok := s.Get("fill"); ok {
		octets, n, _ := Fill(v)
		pattern = pattern.literal(bytes.Repeat(octets, n))
	}
	if !s.Raw {
		pattern = pattern.literal([]byte("\r\n"))
	}
	s.Pattern = pattern
	return nil
}

func (p *parser) duration(s *Step, text string, at Pos) error {
	d, err := time.ParseDuration(text)
	if err != nil || d < 0 || d > 24*time.Hour {
		return p.fail(at, "%q is no time span up to 24h", text)
	}
	s.Dur = d
	return nil
}

// content reads "@file", "unstuffed=@file", "any" or "lines", the last one followed by
// the lines and a "." alone.
func (p *parser) content(s *Step, at Pos) error {
	if s.Text == "lines" {
		for {
			if p.at >= len(p.lines) {
				return p.fail(at, "C<< lines ends with a line that is \".\"")
			}
			line := p.lines[p.at]
			p.at++
			if line == "." {
				return nil
			}
			if _, i, err := Unescape(line); err != nil {
				return p.fail(Pos{p.at, i + 1}, "%v", err)
			}
			s.Lines = append(s.Lines, line)
		}
	}
	name := strings.TrimPrefix(s.Text, "unstuffed=")
	if s.Text != "any" && (!strings.HasPrefix(name, "@") || len(name) < 2) {
		return p.fail(at, "C<< is followed by any, lines, @file or unstuffed=@file")
	}
	return nil
}

var groupKinds = []string{"", "one-write", "free"}

func (p *parser) group(s *Step, rest string, at Pos, depth int) error {
	kind, ok := strings.CutSuffix(rest, "{")
	s.Text = strings.TrimSpace(kind)
	if !ok || !slices.Contains(groupKinds, s.Text) {
		return p.fail(at, "a group begins with \"group {\", \"group one-write {\" or \"group free {\"")
	}
	steps, end, err := p.block(depth + 1)
	if err != nil {
		return err
	}
	if end != "}" {
		return p.fail(s.Pos, "the group does not end with \"}\"")
	}
	for i := range steps {
		k := steps[i].Kind
		if k != Client && k != Content && k != Comment && k != Blank && (s.Text != "free" || k != Server) {
			return p.fail(steps[i].Pos, "%v: a group has only lines of the client, a free one also of the server", k)
		}
	}
	s.Steps = trimBlank(steps)
	return nil
}

var verdicts = []string{"latitude", "inconclusive", "fail"}

func (p *parser) alt(s *Step, depth int) error {
	for {
		steps, end, err := p.block(depth + 1)
		if err != nil {
			return err
		}
		b := Branch{Steps: trimBlank(steps)}
		tail := strings.TrimSpace(strings.TrimPrefix(end, "}"))
		more := tail == "or {" || strings.HasSuffix(tail, " or {")
		as := strings.TrimSpace(strings.TrimSuffix(tail, "or {"))
		if as != "" {
			v, ok := strings.CutPrefix(as, "as ")
			if !ok || !slices.Contains(verdicts, v) {
				return p.fail(Pos{p.at, 1}, "a branch ends with \"}\" or \"} as %s\", then perhaps \"or {\"", strings.Join(verdicts, "|"))
			}
			b.As = v
		}
		if end == "" {
			return p.fail(s.Pos, "the alternative does not end with \"}\"")
		}
		if len(b.Steps) == 0 {
			return p.fail(Pos{p.at, 1}, "a branch without lines cannot be told from the others")
		}
		s.Branches = append(s.Branches, b)
		if !more {
			break
		}
	}
	if len(s.Branches) < 2 {
		return p.fail(s.Pos, "an alternative has at least two branches")
	}
	return nil
}

func (p *parser) proxy(s *Step, rest string, at Pos, depth int) error {
	head, ok := strings.CutSuffix(strings.TrimSpace(rest), "{")
	if !ok {
		return p.fail(at, "PROXY: is followed by the kind of proxy and a block")
	}
	if err := p.words(s, strings.TrimSpace(head), at, 1); err != nil {
		return err
	}
	steps, end, err := p.block(depth + 1)
	if err != nil {
		return err
	}
	if end != "}" {
		return p.fail(s.Pos, "the block does not end with \"}\"")
	}
	s.Steps = trimBlank(steps)
	return nil
}

// files reads what stands behind the script.
func (p *parser) files() error {
	for p.at < len(p.lines) {
		name := isMarker(p.lines[p.at])
		p.at++
		f := File{Name: name, Pos: Pos{p.at, 1}}
		if _, ok := p.script.File(name); ok {
			return p.fail(f.Pos, "there are two files %q", name)
		}
		for p.at < len(p.lines) && isMarker(p.lines[p.at]) == "" {
			f.Data = append(append(f.Data, p.lines[p.at]...), '\n')
			p.at++
		}
		p.script.Files = append(p.script.Files, f)
	}
	return nil
}

// trimBlank drops empty lines at both ends, and all but one of several in a row.
func trimBlank(steps []Step) []Step {
	var out []Step
	for i := range steps {
		if steps[i].Kind == Blank && (len(out) == 0 || out[len(out)-1].Kind == Blank) {
			continue
		}
		out = append(out, steps[i])
	}
	if n := len(out); n > 0 && out[n-1].Kind == Blank {
		out = out[:n-1]
	}
	return out
}
