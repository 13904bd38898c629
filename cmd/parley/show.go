package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"unicode/utf8"

	"golang.org/x/term"

	"github.com/parley-mail/parley/codec"
	"github.com/parley-mail/parley/events"
	"github.com/parley-mail/parley/fsm"
)

// escape makes a server's text safe for a terminal: controls and what is not UTF-8 are
// written \xHH, a backslash is doubled only where it would mislead.
func escape(s string) string {
	clean := true
	for i := 0; i < len(s) && clean; i++ {
		clean = s[i] >= ' ' && s[i] < 0x7f
	}
	if clean {
		return s
	}
	var b strings.Builder
	for len(s) > 0 {
		r, n := utf8.DecodeRuneInString(s)
		switch {
		case r == utf8.RuneError && n <= 1, r < ' ', r >= 0x7f && r < 0xa0, r >= 0x200b && r <= 0x200f, r >= 0x202a && r <= 0x202e, r >= 0x2066 && r <= 0x2069, r == 0xfeff:
			for i := range n {
				fmt.Fprintf(&b, `\x%02x`, s[i])
			}
		default:
			b.WriteString(s[:n])
		}
		s = s[n:]
	}
	return b.String()
}

// paint is how a stream shows colours, if it does.
type paint struct{ on bool }

// paintFor obeys NO_COLOR, CLICOLOR_FORCE and TERM=dumb.
func paintFor(w io.Writer) paint {
	if os.Getenv("NO_COLOR") != "" {
		return paint{}
	}
	if force := os.Getenv("CLICOLOR_FORCE"); force != "" && force != "0" {
		return paint{true}
	}
	f, ok := w.(*os.File)
	return paint{ok && os.Getenv("TERM") != "dumb" && term.IsTerminal(int(f.Fd()))}
}

func (p paint) code(code, s string) string {
	if !p.on || s == "" {
		return s
	}
	return "\x1b[" + code + "m" + s + "\x1b[0m"
}

func (p paint) dim(s string) string    { return p.code("2", s) }
func (p paint) bold(s string) string   { return p.code("1", s) }
func (p paint) green(s string) string  { return p.code("32", s) }
func (p paint) red(s string) string    { return p.code("31", s) }
func (p paint) yellow(s string) string { return p.code("33", s) }
func (p paint) blue(s string) string   { return p.code("36", s) }

// tracer writes the dialogue as it happens: who speaks, "=" inside TLS.
type tracer struct {
	mu     sync.Mutex
	w      io.Writer
	paint  paint
	secure bool
	states bool // also show how the machine moves
	path   []fsm.State
}

var traced = events.Of(events.KindConnected, events.KindCommandSent, events.KindReplyReceived, events.KindSecured,
	events.KindContentSent, events.KindNotice, events.KindAnomaly, events.KindViolation, events.KindStateChanged)

func newTracer(w io.Writer, states bool) *tracer {
	return &tracer{w: w, paint: paintFor(w), states: states, path: []fsm.State{fsm.Idle}}
}

func (t *tracer) handle(e events.Event) {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch e := e.(type) {
	case *events.Connected:
		t.note("connected to " + e.Address)
	case *events.CommandSent:
		t.line("C", string(e.Line), t.paint.blue)
	case *events.ReplyReceived:
		for i, text := range e.Reply.Lines {
			sep := "-"
			if i == len(e.Reply.Lines)-1 {
				sep = " "
			}
			t.line("S", fmt.Sprintf("%d%s%s", e.Reply.Code, sep, text), t.shade(e.Reply))
		}
	case *events.Secured:
		t.secure = true
		t.note(tlsSummary(e))
	case *events.ContentSent:
		t.line("C", fmt.Sprintf("(%d octets of content, and the end of it)", e.Octets), t.paint.dim)
	case *events.Notice:
		t.note(e.Detail)
	case *events.Anomaly:
		t.note("odd: " + e.What.String() + " " + e.Detail)
	case *events.Violation:
		t.note("broken: " + e.Detail)
	case *events.StateChanged:
		t.path = append(t.path, e.To)
		if t.states {
			fmt.Fprintln(t.w, t.paint.dim(fmt.Sprintf("      %v --%v--> %v", e.From, e.By, e.To)))
		}
	}
}

func (t *tracer) shade(r codec.Reply) func(string) string {
	switch {
	case r.Permanent():
		return t.paint.red
	case r.Temporary():
		return t.paint.yellow
	}
	return func(s string) string { return s }
}

// line writes one line of the dialogue.
func (t *tracer) line(who, text string, shade func(string) string) {
	mark := ":"
	if t.secure {
		mark = "=" // inside TLS
	}
	fmt.Fprintln(t.w, t.paint.dim(who+mark)+" "+shade(escape(text)))
}

func (t *tracer) note(text string) { fmt.Fprintln(t.w, t.paint.dim("*  "+escape(text))) }

// pathLine is the way through the machine in one line.
func (t *tracer) pathLine() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	var all []string
	for _, s := range t.path {
		all = append(all, s.String())
	}
	return strings.Join(all, " > ")
}
