// Package smtptest plays scripted SMTP peers, and starts the receiving server of
// package sink, for tests.
//
// # Scripts
//
// A script is a dialogue in the notation of the RFCs, one step a line:
//
//	S: 220 mx.example           the server sends this line and CRLF
//	C: EHLO {any}               the client sends a line like this and CRLF
//	S: 250-mx.example
//	S: 250 PIPELINING
//	S| 250 half a li            octets, without CRLF
//	X: flush                    what was said so far goes out in a write of its own
//	X: close                    closes the connection
//	X: rst                      resets it, where the link can
//	X: stall                    takes and sends nothing until the test is over
//	X: eof                      the other side closes
//	TLS:                        a TLS handshake, server or client as the role is
//	# a comment
//
// Steps of one side that follow one another are one write, and may come in one.
// Text has the escapes \r \n \t \0 \\ and \xHH. In what is expected, {any} stands for
// any octets within the line, {word} for some without a space, {int} for digits.
// Either side of a script can be played.
package smtptest

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/parley-mail/parley/internal/escape"
)

// Script is a dialogue.
type Script struct{ steps []step }

// kind is what a step does.
type kind uint8

const (
	kindServer kind = iota // octets from the server
	kindClient             // octets from the client
	kindFlush
	kindClose
	kindReset
	kindStall
	kindEOF
	kindTLS
)

var actions = map[string]kind{"flush": kindFlush, "close": kindClose, "rst": kindReset, "stall": kindStall, "eof": kindEOF}

type step struct {
	kind   kind
	number int            // of the line, from 1
	source string         // the line itself
	octets []byte         // to be sent
	match  *regexp.Regexp // of what is expected, its end not included
	line   bool           // it is a line: CRLF follows
}

// Parse reads a script.
func Parse(text string) (*Script, error) {
	script := &Script{}
	for i, source := range strings.Split(text, "\n") {
		source = strings.TrimLeft(source, " \t")
		if trimmed := strings.TrimSpace(source); trimmed == "" || trimmed[0] == '#' {
			continue
		}
		st := step{number: i + 1, source: source}
		if err := st.parse(source); err != nil {
			return nil, fmt.Errorf("smtptest: line %d: %w: %q", i+1, err, source)
		}
		script.steps = append(script.steps, st)
	}
	return script, nil
}

func (st *step) parse(source string) error {
	head, text := source[:min(2, len(source))], ""
	if len(source) > 2 {
		text = strings.TrimPrefix(source[2:], " ")
	}
	switch head {
	case "S:", "S|":
		st.kind = kindServer
	case "C:", "C|":
		st.kind = kindClient
	case "X:":
		k, ok := actions[strings.TrimSpace(text)]
		if !ok {
			return fmt.Errorf("unknown action")
		}
		st.kind = k
		return nil
	default:
		if strings.TrimSpace(source) != "TLS:" {
			return fmt.Errorf("not a step")
		}
		st.kind = kindTLS
		return nil
	}
	octets, _, err := escape.Octets(text)
	if err != nil {
		return err
	}
	st.octets, st.line = octets, head[1] == ':'
	st.match, err = pattern(octets)
	if st.line {
		st.octets = append(octets[:len(octets):len(octets)], "\r\n"...)
	}
	return err
}

// pattern makes the expression for a whole expected text. Octets are matched one by
// one as the runes U+0000 to U+00FF, see latin1.
func pattern(octets []byte) (*regexp.Regexp, error) {
	quoted := regexp.QuoteMeta(latin1(octets))
	quoted = strings.NewReplacer(`\{any\}`, `.*`, `\{word\}`, `[^ ]+`, `\{int\}`, `[0-9]+`).Replace(quoted)
	return regexp.Compile(`(?s)\A` + quoted + `\z`)
}

func latin1(p []byte) string {
	runes := make([]rune, len(p))
	for i, c := range p {
		runes[i] = rune(c)
	}
	return string(runes)
}
