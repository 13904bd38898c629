package foreign

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"regexp"
	"strings"
	"time"
)

// Client is a program that sends one message, by the contract of conformance/shims.
type Client struct {
	Command  string        // for the shell; {host}, {port}, {from}, {rcpts}, {file}… stand for what it is told
	Patience time.Duration // how long it may go on when the session is over; 0: 5 s
	Idle     time.Duration // how long it may say nothing when it has its turn, until it is taken to wait for ever; 0: 250 ms
	Memory   int64         // how much it may take, in octets; 0: 512 MiB
	Env      []string      // beside the environment of this program
}

const (
	defaultPatience = 5 * time.Second
	defaultIdle     = 250 * time.Millisecond
	defaultMemory   = 512 << 20
	startup         = 10 * time.Second // how long it may take to connect
	replyTimeout    = "2"              // seconds that it is told to wait for a reply
)

// The message that is sent.
const (
	sender     = "a@c.example"
	recipients = "x@s.example,y@s.example"
	content    = "From: a@c.example\r\nTo: x@s.example\r\nSubject: t\r\nDate: Thu, 1 Oct 2026 10:00:00 +0000\r\nMessage-ID: <1@c.example>\r\n\r\nhello\r\n.dot\r\n"
)

// withDefaults returns the client with every limit set.
func (c Client) withDefaults() Client {
	if c.Patience == 0 {
		c.Patience = defaultPatience
	}
	if c.Idle == 0 {
		c.Idle = defaultIdle
	}
	if c.Memory == 0 {
		c.Memory = defaultMemory
	}
	return c
}

// end is how a program has ended.
type end struct {
	code   int
	signal string // by which it was ended; "": none
	hung   bool   // it had to be ended
	rss    int64  // the most memory it had, in octets
	stderr []byte
}

// values are what the program is told, by the names of placeholders.
func values(addr, file string) map[string]string {
	host, port, _ := net.SplitHostPort(addr)
	return map[string]string{
		"host": host, "port": port, "from": sender, "rcpts": recipients, "file": file, "proto": "smtp", "tls": "none", "ca": "",
		"user": "", "password": "", "token": "", "auth": "none", "plaintext": "no", "data": "auto", "hello": "c.example", "timeout": replyTimeout,
	}
}

var placeholder = regexp.MustCompile(`\{[a-z]+\}`)

// line makes a line for the shell of the command: placeholders become variables, so that
// nothing has to be quoted.
func (c *Client) line() (string, error) {
	known := values("", "")
	var unknown string
	line := placeholder.ReplaceAllStringFunc(c.Command, func(p string) string {
		name := strings.Trim(p, "{}")
		if _, ok := known[name]; !ok {
			unknown = p
		}
		return `"$PARLEY_` + strings.ToUpper(name) + `"`
	})
	if unknown != "" {
		return "", fmt.Errorf("there is no placeholder %s", unknown)
	}
	return line, nil
}

func (c *Client) environment(addr, file string) []string {
	env := append(os.Environ(), c.Env...)
	for name, v := range values(addr, file) {
		env = append(env, "PARLEY_"+strings.ToUpper(name)+"="+v)
	}
	return env
}

// The codes of the contract by which a program says that it was not accepted; those from
// 64 to 78 are the others of sysexits.
func refusedCode(code int) bool { return code >= 64 && code <= 78 }

var grief = regexp.MustCompile(`(?m)^(panic: .*|fatal error: .*|Traceback \(most recent call last\):|.*[Ss]egmentation fault.*|.*AddressSanitizer.*|.*[Aa]ssertion .*failed.*|Uncaught .*)$`)

// crash says how a program came to grief; "": it did not.
func (e *end) crash() string {
	m := grief.Find(e.stderr)
	switch {
	case bytes.HasPrefix(m, []byte("Traceback")): // the exception stands in the last line
		lines := bytes.Split(bytes.TrimSpace(e.stderr), []byte("\n"))
		return string(lines[len(lines)-1])
	case m != nil:
		return string(m)
	case e.hung:
		return ""
	case e.signal != "":
		return e.signal
	case e.code > 128 && e.code < 160 && e.code != 130: // as the shell says it
		return fmt.Sprintf("signal %d", e.code-128)
	}
	return ""
}

// tail keeps the end of what is written to it.
type tail struct{ octets []byte }

const tailLength = 16 << 10

func (t *tail) Write(p []byte) (int, error) {
	t.octets = append(t.octets, p...)
	if n := len(t.octets); n > 2*tailLength {
		t.octets = append(t.octets[:0], t.octets[n-tailLength:]...)
	}
	return len(p), nil
}
