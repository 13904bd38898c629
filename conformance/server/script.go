package server

import (
	"slices"
	"strconv"
	"strings"

	"github.com/parley-mail/parley/conformance/smtpt"
)

// kind is what a step of a check does.
type kind uint8

const (
	arrive    kind = iota // connect, hello, secure, ready, mail, rcpt, data: come so far
	send                  // C: or C|
	content               // C<<: a file, with dots stuffed, and the end of content
	expect                // S: or S?:
	many                  // many N: a command up to so many times, in lock-step
	handshake             // TLS:
	link                  // X: what becomes of the connection
	session               // session NAME: what follows is on another connection
	mailbox               // M: what has arrived
	recall                // recall: the reply to the last EHLO is read again
	exchange              // scram: a whole exchange
	every                 // every RULE: what holds for all replies of the run
)

// step is one line of a check.
type step struct {
	kind  kind
	at    smtpt.Pos
	text  string // what stands behind the colon, or the word itself
	octet bool   // C|: no CRLF behind it
	soft  bool   // S?: a precondition; every latitude: not a failure
	rep   int    // C, S: so many times; many: at most
	split bool   // C: play once for each way to cut the write in two
	cut   int    // C: play once with each number of octets missing at the end, up to this
	keep  string // S: remember the code under this name
	want  []alternative
	mail  stored
}

// Parse reads a check. Its id is the file's name.
func Parse(name string, data []byte) (*Check, error) {
	c := &Check{ID: "server/" + strings.TrimSuffix(name, suffix), name: name, files: map[string]string{}}
	head, file := true, "" // the file that is being read
	for i, line := range strings.Split(strings.TrimSuffix(string(data), "\n"), "\n") {
		at := smtpt.Pos{Line: i + 1, Col: 1}
		inside, marker := strings.CutPrefix(line, "-- ")
		inside, end := strings.CutSuffix(inside, " --")
		switch {
		case marker && end:
			file = inside
			c.files[file] = ""
		case file != "":
			c.files[file] += line + `\r\n`
		case head && strings.HasPrefix(line, "#"):
			if err := c.header(at, line); err != nil {
				return nil, err
			}
		case line == "" || line[0] == '#':
			head = false
		default:
			head = false
			s, err := c.parse(at, line)
			if err != nil {
				return nil, err
			}
			c.steps = append(c.steps, s)
		}
	}
	if err := c.complete(); err != nil {
		return nil, err
	}
	return c, c.validate()
}

// arrivals are the places that a check can come to by a word, each behind the one before.
var arrivals = []string{"connect", "hello", "secure", "ready", "mail", "rcpt", "data"}

// parse reads one line of the script.
func (c *Check) parse(at smtpt.Pos, line string) (step, error) {
	s := step{at: at, rep: 1}
	if slices.Contains(arrivals, line) {
		s.kind, s.text = arrive, line
		return s, nil
	}
	word, rest, _ := strings.Cut(line, " ")
	attrs := ""
	if head, _, ok := strings.Cut(word, "["); ok {
		word = head
		end := strings.Index(line, "]")
		if end < 0 {
			return s, c.wrong(at, "[ without ]")
		}
		attrs = line[len(head)+1 : end]
		word += strings.TrimSpace(line[end+1 : min(end+2, len(line))])
		rest = strings.TrimPrefix(line[min(end+2, len(line)):], " ")
	}
	s.text = rest
	switch word {
	case "C:", "C|":
		s.kind, s.octet = send, word == "C|"
	case "C<<":
		s.kind = content
		s.text = strings.TrimPrefix(rest, "@")
	case "S:", "S?:":
		s.kind, s.soft = expect, word == "S?:"
		var err error
		if s.want, err = parseAlternatives(rest); err != nil {
			return s, c.wrong(at, "%v", err)
		}
	case "many":
		n, text, ok := strings.Cut(rest, ": ")
		count, err := strconv.Atoi(n)
		if !ok || err != nil {
			return s, c.wrong(at, "many N: COMMAND")
		}
		s.kind, s.rep, s.text = many, count, text
	case "TLS:":
		s.kind = handshake
	case "X:":
		s.kind = link
		if !slices.Contains(linkWords, rest) {
			return s, c.wrong(at, "X: is followed by one of %s", strings.Join(linkWords, ", "))
		}
	case "session":
		s.kind = session
	case "recall":
		s.kind = recall
	case "M:":
		s.kind = mailbox
		var err error
		if s.mail, err = parseStored(rest); err != nil {
			return s, c.wrong(at, "%v", err)
		}
	case "scram":
		s.kind = exchange
	case "every":
		s.kind = every
		s.text, s.soft = strings.CutPrefix(rest, "latitude ")
		if _, ok := rules[s.text]; !ok {
			return s, c.wrong(at, "no rule %q", s.text)
		}
	default:
		return s, c.wrong(at, "no line begins with %q", word)
	}
	return s, c.attributes(&s, attrs)
}

// attributes reads what stands in brackets.
func (c *Check) attributes(s *step, text string) error {
	for a := range strings.FieldsSeq(text) {
		key, value, _ := strings.Cut(a, "=")
		var err error
		switch {
		case key == "rep" && (s.kind == send || s.kind == expect):
			s.rep, err = strconv.Atoi(value)
		case key == "split" && s.kind == send:
			s.split = true
		case key == "cut" && s.kind == send:
			s.cut, err = strconv.Atoi(value)
		case key == "keep" && s.kind == expect:
			s.keep = value
		default:
			return c.wrong(s.at, "no attribute %q here", key)
		}
		if err != nil {
			return c.wrong(s.at, "%v", err)
		}
	}
	return nil
}

// validate fills every text once, so that a misspelt variable shows when it is read.
func (c *Check) validate() error {
	known := vars{}
	for _, name := range variables {
		known[name] = name
	}
	if c.each != "" {
		known[c.each] = c.value[0]
	}
	for i := range c.steps {
		s := &c.steps[i]
		switch s.kind {
		case send, many:
			if _, err := known.expand(s.text); err != nil {
				return c.wrong(s.at, "%v", err)
			}
		case content:
			if _, ok := c.files[s.text]; !ok {
				return c.wrong(s.at, "no file %q", s.text)
			}
		case mailbox:
			for _, name := range []string{s.mail.body, s.mail.whole} {
				if _, ok := c.files[name]; name != "" && !ok {
					return c.wrong(s.at, "no file %q", name)
				}
			}
		case expect:
			for _, a := range s.want {
				if _, ok := known[a.same]; a.same != "" && !ok {
					return c.wrong(s.at, "nothing is kept as %q", a.same)
				}
			}
			if s.keep != "" {
				known[s.keep] = ""
			}
		}
	}
	for name, text := range c.files {
		if _, err := known.expand(text); err != nil {
			return c.wrong(smtpt.Pos{Line: 1, Col: 1}, "%s: %v", name, err)
		}
	}
	return nil
}
