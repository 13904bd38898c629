package foreign

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
)

// Command is a program that sends one message to one server, by the contract of
// conformance/shims: a line for the shell in which names in braces, such as {host}, stand
// for what it is told. The same is in its environment, as PARLEY_HOST and so on.
type Command struct {
	line  string
	names []string
	env   []string
}

var placeholder = regexp.MustCompile(`\{[a-z_]+\}`)

// NewCommand reads a command. names are the values that there will be; env is added to
// the environment of this program.
func NewCommand(line string, names []string, env ...string) (*Command, error) {
	if strings.TrimSpace(line) == "" {
		return nil, fmt.Errorf("the command is empty")
	}
	for _, p := range placeholder.FindAllString(line, -1) {
		if !slices.Contains(names, strings.Trim(p, "{}")) {
			return nil, fmt.Errorf("there is no placeholder %s: there are {%s}", p, strings.Join(slices.Sorted(slices.Values(names)), "} {"))
		}
	}
	// A variable of the shell, so that nothing in a value is the shell's.
	line = placeholder.ReplaceAllStringFunc(line, func(p string) string { return `"$` + variable(strings.Trim(p, "{}")) + `"` })
	return &Command{line, names, env}, nil
}

// variable is the name of a value in the environment.
func variable(name string) string { return "PARLEY_" + strings.ToUpper(name) }

func (c *Command) environment(values map[string]string) []string {
	env := append(os.Environ(), c.env...)
	for _, name := range c.names {
		env = append(env, variable(name)+"="+values[name])
	}
	return env
}

// Run runs the program with the values until it ends or ctx does; then it and all that it
// has started are ended. An error means that there was no program to speak of.
func (c *Command) Run(ctx context.Context, values map[string]string) (*Exit, error) {
	p, err := c.Start(ctx, values)
	if err != nil {
		return nil, err
	}
	return p.Wait()
}

// Exit is how a program has ended, and what it says about the message.
type Exit struct {
	Code       int    // see the constants; -1: a signal has ended it
	Crash      string // how it came to grief, by a signal or its own words; "": it did not
	Hung       bool   // it did not end in time, and was ended with all that it had started
	Memory     int64  // the most memory that it, or one program it waited for, had at once, in octets; 0: no more than this one
	Recipients []Word // from its line of JSON; empty: it says nothing about each
	Stdout     []byte // the end of what it wrote
	Stderr     []byte
}

// Word is what a program says about one recipient, in the words of "parley send --json":
// accepted, refused, not_sent or unknown.
type Word struct {
	Address string `json:"address"`
	Outcome string `json:"outcome"`
}

// The exit codes of the contract.
const (
	CodeAccepted      = 0
	CodePermanent     = 69
	CodeTemporary     = 75
	CodeUnknown       = 79 // the end of the content was sent, and nobody knows
	CodeUnimplemented = 89 // the client cannot do what it is asked for
)

// NotAccepted reports whether the code says that the message was not accepted for all
// recipients, which the others of sysexits do also.
func (e *Exit) NotAccepted() bool { return e.Code >= 64 && e.Code <= 78 }

// Foreseen reports whether the contract knows the code.
func (e *Exit) Foreseen() bool {
	return e.Code == CodeAccepted || e.NotAccepted() || e.Code == CodeUnknown || e.Code == CodeUnimplemented
}

// read fills in what its output tells. Result is a file that the program may have written
// its line of JSON to, instead of standard output.
func (e *Exit) read(signal, result string) {
	if !e.Hung {
		e.Crash = crash(e.Code, signal, e.Stderr)
	}
	words := e.Stdout
	if written, err := os.ReadFile(result); err == nil {
		words = written
	}
	for line := range bytes.Lines(words) {
		var doc struct{ Recipients []Word }
		if bytes.HasPrefix(line, []byte("{")) && json.Unmarshal(line, &doc) == nil {
			e.Recipients = doc.Recipients
		}
	}
}

// lastWords are those of programs that did not mean to end: of Go, Python, C, Node, Rust,
// Java and PHP.
var lastWords = regexp.MustCompile(`(?m)^(panic: .*|fatal error: .*|Traceback \(most recent call last\):|.*[Ss]egmentation fault.*|.*(?:Address|Memory|UndefinedBehavior)Sanitizer.*|` +
	`.*[Aa]ssertion .*failed.*|Uncaught .*|\s*throw err;.*|thread '.*' panicked at .*|Exception in thread .*|PHP Fatal error: .*)$`)

// crash says how a program came to grief; "": it did not.
func crash(code int, signal string, stderr []byte) string {
	m := lastWords.Find(stderr)
	switch {
	case bytes.HasPrefix(m, []byte("Traceback")): // what was raised stands in the last line
		lines := bytes.Split(bytes.TrimSpace(stderr), []byte("\n"))
		return string(lines[len(lines)-1])
	case m != nil:
		return string(bytes.TrimSpace(m))
	case signal != "":
		return "signal: " + signal
	case code > 128 && code < 160 && code != 130: // as the shell says it
		return fmt.Sprintf("signal %d", code-128)
	}
	return ""
}

// tail keeps the end of what is written to it.
type tail struct{ octets []byte }

const tailLength = 64 << 10

func (t *tail) Write(p []byte) (int, error) {
	t.octets = append(t.octets, p...)
	if n := len(t.octets); n > 2*tailLength {
		t.octets = append(t.octets[:0], t.octets[n-tailLength:]...)
	}
	return len(p), nil
}
