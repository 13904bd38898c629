package conformance

import (
	"bytes"
	"errors"
	"fmt"
	"strings"

	"github.com/parley-mail/parley/conformance/smtpt"
	"github.com/parley-mail/parley/fsm"
	"github.com/parley-mail/parley/session"
)

// recorder writes a play down as a transcript that can be played again.
type recorder struct {
	lines strings.Builder
	said  bool // the last line is one of the server
}

func (r *recorder) line(format string, args ...any) {
	if r != nil {
		fmt.Fprintf(&r.lines, format+"\n", args...)
		r.said = strings.HasPrefix(format, "S")
	}
}

// octets writes what one side has said, a line of the script for each of its lines.
func (r *recorder) octets(who string, octets []byte) {
	if r == nil {
		return
	}
	for line := range bytes.Lines(octets) {
		text := smtpt.Escape(line, true)
		if whole, ok := strings.CutSuffix(text, `\r\n`); ok {
			r.line(who+": %s", whole)
		} else {
			r.line(who+"| %s", text)
		}
	}
}

// call writes a call down as it stands in the script.
func (r *recorder) call(s *smtpt.Step) {
	r.line("%s", formatStep(s))
}

// turn ends a turn of the server: the client may speak.
func (r *recorder) turn() {
	if r != nil && r.said {
		r.line("T: +0s")
	}
}

// transcribed returns a fuzzed session as a transcript, with what is wrong as its prose.
func (o *Outcome) transcribed() []byte {
	first, _, _ := strings.Cut(o.Failure.Text, "\n")
	return []byte("# Found by fuzzing: " + smtpt.Escape([]byte(first), false) + ".\n\n" + o.transcript)
}

// lost writes down that a connection is gone, or could not be had.
func (r *recorder) lost(s fsm.State, err error) {
	var e *session.Error
	switch {
	case errors.As(err, &e) && e.Kind == session.ErrTLS:
		r.line("TLS: fail")
	case s == fsm.Connecting:
		r.line("X: refuse")
	case err == errReset:
		r.line("X: rst")
	default:
		r.line("X: fin")
	}
}
