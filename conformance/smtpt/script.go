package smtpt

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Script is one transcript.
type Script struct {
	Name   string   // of the file, for errors
	Header []Header // comment lines at the top, in order
	Steps  []Step
	Files  []File
}

// Header is a comment line above the script; those whose first word is known say
// something about the case.
type Header struct {
	Key   string // first word, one of Keys, or "" for prose
	Value string // the rest, or the whole of the prose
	Pos   Pos
}

// Keys are the known first words of header lines.
var Keys = []string{"id", "rfc", "against", "odd", "level", "needs", "profile", "kills", "base", "xfail", "clock"}

// File is a file behind the script, in the manner of txtar.
type File struct {
	Name string
	Data []byte
	Pos  Pos
}

// Pos is a place in a file.
type Pos struct{ Line, Col int } // from 1

// Kind is what a step is.
type Kind uint8

// The kinds.
const (
	Comment Kind = iota // "# …" inside the script
	Call                // "call verb k=v …": what the client is asked to do
	Server              // "S: text", "S| octets"
	Client              // "C: pattern", "C| octets"
	Content             // "C<< …": message content
	Quiet               // "C~ 5s": nothing from the client for so long
	Group               // "group { … }"
	Alt                 // "alt { … } or { … } as latitude"
	Conn                // "X: fin": the connection
	TLS                 // "TLS: server …"
	Proxy               // "PROXY: socks5 { … }"
	Advance             // "T: +10m": time passes
	Event               // "E: name k=v …": an event of the engine
	Path                // "F: state -> state": a step of the machine
	Result              // "R: …": what came of it
	Blank               // an empty line
	numKinds
)

var kindNames = [numKinds]string{
	"comment", "call", "server", "client", "content", "quiet", "group", "alt", "conn", "tls", "proxy", "time", "event", "path", "result", "blank",
}

// String returns the kind's name.
func (k Kind) String() string {
	if k < numKinds {
		return kindNames[k]
	}
	return fmt.Sprintf("kind(%d)", uint8(k))
}

// Step is one line of a script, or a block of them.
type Step struct {
	Kind  Kind
	Pos   Pos
	Not   bool     // "!" in front: it must not be so
	Conds []string // "[strict]", "[!tls]" in front: facts that must hold for the step to count
	Attrs []Attr   // "S[split=3 join]:", and the words of call, X, TLS, E and so on
	Text  string   // as written: what stands behind the colon, or the first word
	Raw   bool     // "|" instead of ":": octets without CRLF

	Pattern Pattern       // Server: what goes out; Client: what is expected; CRLF included
	Lines   []string      // Content: lines given in place
	Dur     time.Duration // Quiet, Advance

	Steps    []Step   // Group, Proxy
	Branches []Branch // Alt
}

// Branch is one way that an alternative may go.
type Branch struct {
	Steps []Step
	As    string // verdict if it is taken: "", "latitude", "inconclusive" or "fail"
}

// Attr is a word, or a word with a value.
type Attr struct {
	Key, Value string
	Has        bool // there is a "="
	Pos        Pos
}

// String writes the attribute as it is read.
func (a Attr) String() string {
	if !a.Has {
		return a.Key
	}
	return a.Key + "=" + quoteWord(a.Value)
}

// Get returns the value of the attribute key, and whether it is there.
func (s *Step) Get(key string) (string, bool) {
	for _, a := range s.Attrs {
		if a.Key == key {
			return a.Value, true
		}
	}
	return "", false
}

// Has reports whether the attribute or word is there.
func (s *Step) Has(key string) bool {
	_, ok := s.Get(key)
	return ok
}

// Words returns the attributes that have no value.
func (s *Step) Words() []string {
	var words []string
	for _, a := range s.Attrs {
		if !a.Has {
			words = append(words, a.Key)
		}
	}
	return words
}

// All returns the values of a header key, split at blanks, from all its lines.
func (s *Script) All(key string) []string {
	var values []string
	for _, h := range s.Header {
		if h.Key == key {
			values = append(values, strings.Fields(h.Value)...)
		}
	}
	return values
}

// Prose returns the header lines that are no keys: what the case is about.
func (s *Script) Prose() string {
	var lines []string
	for _, h := range s.Header {
		if h.Key == "" && h.Value != "" {
			lines = append(lines, h.Value)
		}
	}
	return strings.Join(lines, " ")
}

// File returns the file of that name, and whether there is one.
func (s *Script) File(name string) ([]byte, bool) {
	i := slices.IndexFunc(s.Files, func(f File) bool { return f.Name == name })
	if i < 0 {
		return nil, false
	}
	return s.Files[i].Data, true
}

// Walk calls f for each step, those inside blocks after their block.
func Walk(steps []Step, f func(*Step)) {
	for i := range steps {
		s := &steps[i]
		f(s)
		Walk(s.Steps, f)
		for k := range s.Branches {
			Walk(s.Branches[k].Steps, f)
		}
	}
}

// Error is a mistake in a transcript.
type Error struct {
	Name string
	Pos  Pos
	Text string
}

// Error says where and what.
func (e *Error) Error() string {
	return fmt.Sprintf("%s:%d:%d: %s", e.Name, e.Pos.Line, e.Pos.Col, e.Text)
}
