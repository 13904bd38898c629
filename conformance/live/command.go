package live

import (
	"bytes"
	"fmt"
	"os"
	"regexp"
	"strings"

	"github.com/parley-mail/parley/conformance"
)

// Command is a program as a client: a line for the shell, in which {host}, {port} and the
// other names of [Task.Values] stand for what it is told. The same is in its environment,
// as PARLEY_HOST and so on.
type Command struct {
	line string
	env  []string
}

var placeholder = regexp.MustCompile(`\{[a-z_]+\}`)

// NewCommand reads a command; env is added to the environment of this program.
func NewCommand(line string, env ...string) (*Command, error) {
	known := (&Task{Errand: &conformance.Errand{}}).Values()
	var unknown string
	made := placeholder.ReplaceAllStringFunc(line, func(p string) string {
		name := strings.Trim(p, "{}")
		if _, ok := known[name]; !ok {
			unknown = p
		}
		return `"$` + variable(name) + `"` // so that nothing in it is the shell's
	})
	switch {
	case unknown != "":
		return nil, fmt.Errorf("there is no placeholder %s", unknown)
	case strings.TrimSpace(line) == "":
		return nil, fmt.Errorf("the command is empty")
	}
	return &Command{made, env}, nil
}

func variable(name string) string { return "PARLEY_" + strings.ToUpper(name) }

func (c *Command) environment(t *Task) []string {
	env := append(os.Environ(), c.env...)
	for name, v := range t.Values() {
		env = append(env, variable(name)+"="+v)
	}
	return env
}

// grief are the last words of programs that did not mean to end.
var grief = regexp.MustCompile(`(?m)^(panic: .*|fatal error: .*|Traceback \(most recent call last\):|.*[Ss]egmentation fault.*|.*AddressSanitizer.*|.*[Aa]ssertion .*failed.*|Uncaught .*)$`)

// crashed says how a program came to grief; "": it did not.
func crashed(code int, signal string, stderr []byte) string {
	m := grief.Find(stderr)
	switch {
	case bytes.HasPrefix(m, []byte("Traceback")): // what was raised stands in the last line
		lines := bytes.Split(bytes.TrimSpace(stderr), []byte("\n"))
		return string(lines[len(lines)-1])
	case m != nil:
		return string(m)
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
