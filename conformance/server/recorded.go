package server

import (
	"bytes"
	"context"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/parley-mail/parley/codec"
	"github.com/parley-mail/parley/conformance"
	"github.com/parley-mail/parley/conformance/smtpt"
)

// Recorded makes a check of a transcript: what its client said is said, and the codes that
// its server answered with are demanded. That an enhanced code is another one is latitude;
// the text is not looked at. Content that a recording has not kept is made up, a chunk as
// long as it was. The error, an *smtpt.Error, says what of the transcript cannot be said.
func Recorded(script *smtpt.Script) (*Check, error) {
	id := strings.TrimSuffix(path.Base(script.Name), ".smtpt")
	r := &recorded{script: script, c: &Check{ID: id, About: script.Prose(), Level: "MUST", name: script.Name, files: map[string]string{}}}
	r.c.steps = []step{{kind: link, rep: 1, text: "dial"}}
	err := r.read(script.Steps)
	if r.quit {
		r.add(step{kind: link, text: "close"}) // or else QUIT would be said at the end
	}
	if err == nil && r.said.Buffered() > 0 {
		err = r.noReply()
	}
	if err != nil {
		return nil, err
	}
	return r.c, nil
}

// Replay plays a check once, and nothing before or behind it. The outcome has the dialogue.
func Replay(ctx context.Context, t Target, c *Check) *conformance.Outcome {
	r := &runner{ctx: ctx, t: t.withDefaults(), run: "replay"}
	o := &conformance.Outcome{Case: c.Case(), Verdict: conformance.Skip}
	o.Wire = r.play(c, "", "replay", 0, o).log.lines
	return o
}

// recorded is a transcript that is being read.
type recorded struct {
	script *smtpt.Script
	c      *Check
	said   codec.Decoder // what the server says
	at     smtpt.Pos     // where it spoke last
	chunk  int           // how long the content is that comes next; -1: up to its dot
	quit   bool          // the last that the client says is QUIT
}

func (r *recorded) read(steps []smtpt.Step) error {
	for i := range steps {
		s := &steps[i]
		if slices.ContainsFunc(s.Conds, func(c string) bool { return !strings.HasPrefix(c, "!") }) {
			continue // what holds for an engine only
		}
		var err error
		switch s.Kind {
		case smtpt.Server:
			err = r.server(s)
		case smtpt.Client:
			err = r.client(s)
		case smtpt.Content:
			err = r.content(s)
		case smtpt.Group:
			err = r.read(s.Steps)
		case smtpt.Conn:
			err = r.link(s)
		case smtpt.TLS:
			err = r.handshake(s)
		case smtpt.Alt, smtpt.Proxy:
			err = r.c.wrong(s.Pos, "this cannot be replayed as a client: it is not one thing that was said")
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (r *recorded) add(s step) {
	s.rep = 1
	r.c.steps = append(r.c.steps, s)
}

// server demands the replies that are whole now.
func (r *recorded) server(s *smtpt.Step) error {
	r.at = s.Pos
	octets, ok := s.Pattern.Fill(func(string) (string, bool) { return "", false })
	if !ok || s.Has("fill") {
		return r.noReply()
	}
	times := 1
	if n, ok := s.Get("rep"); ok {
		times, _ = strconv.Atoi(n)
	}
	r.said.Feed(bytes.Repeat(octets, times))
	for {
		reply, err := r.said.Next()
		switch {
		case err != nil:
			return r.noReply()
		case reply == nil:
			return nil
		}
		want := strconv.Itoa(reply.Code)
		if !reply.Enhanced.IsZero() {
			want += " " + reply.Enhanced.String() + " | latitude " + want
		}
		fits, err := parseAlternatives(want)
		if err != nil {
			return r.c.wrong(s.Pos, "%v", err)
		}
		r.add(step{kind: expect, at: s.Pos, text: want, want: fits})
	}
}

func (r *recorded) noReply() error {
	return r.c.wrong(r.at, "this cannot be replayed as a client: what the server says is no reply, and no server is asked to say that again")
}

// handshake begins TLS, if it is one that a server is to succeed in.
func (r *recorded) handshake(s *smtpt.Step) error {
	if word := s.Attrs[0].Key; word != "server" {
		return r.c.wrong(s.Pos, "this cannot be replayed as a client: TLS: %s is nothing that a server can be asked for", word)
	}
	r.add(step{kind: handshake, at: s.Pos})
	return nil
}

// client says what stands there, if all of it does.
func (r *recorded) client(s *smtpt.Step) error {
	if r.said.Buffered() > 0 {
		return r.noReply()
	}
	octets, ok := s.Pattern.Fill(func(name string) (string, bool) { return "{" + name + "}", name == "name" })
	if !ok {
		return r.c.wrong(s.Pos, "what stands in braces was not kept, as it was a secret mostly: write in its place what is to be said")
	}
	r.chunk, r.quit = -1, strings.EqualFold(string(octets), "QUIT\r\n")
	if size, ok := bytes.CutPrefix(octets, []byte("BDAT ")); ok {
		digits, _, _ := bytes.Cut(bytes.TrimSpace(size), []byte(" "))
		n, err := strconv.Atoi(string(digits))
		if err != nil || n < 0 {
			return r.c.wrong(s.Pos, "a chunk of %q octets", digits)
		}
		r.chunk = n
	}
	r.say(s.Pos, octets)
	return nil
}

// say has octets said as they are, but for the name that the client has here.
func (r *recorded) say(at smtpt.Pos, octets []byte) {
	var text strings.Builder
	for i, part := range strings.Split(string(octets), "{name}") {
		if i > 0 {
			text.WriteString("{name}")
		}
		text.WriteString(smtpt.Escape([]byte(part), true))
	}
	r.add(step{kind: send, at: at, text: text.String(), octet: true})
}

// content says what was kept of it, or something as good.
func (r *recorded) content(s *smtpt.Step) error {
	octets := made
	name, plain := strings.CutPrefix(s.Text, "unstuffed=")
	switch {
	case name == "lines":
		octets = nil
		for _, line := range s.Lines {
			text, _, _ := smtpt.Unescape(line) // it was tried when it was read
			octets = append(append(octets, text...), "\r\n"...)
		}
	case name != "any":
		data, ok := r.script.File(strings.TrimPrefix(name, "@"))
		if !ok {
			return r.c.wrong(s.Pos, "there is no file %q", name)
		}
		octets = bytes.ReplaceAll(data, []byte("\n"), []byte("\r\n"))
	case r.chunk >= 0:
		octets = bytes.Repeat(made, r.chunk/len(made)+1)[:r.chunk]
	}
	switch {
	case r.chunk >= 0 && len(octets) != r.chunk:
		return r.c.wrong(s.Pos, "the chunk has %d octets, and BDAT says %d", len(octets), r.chunk)
	case r.chunk >= 0:
		r.say(s.Pos, octets)
		return nil
	case plain:
		octets = stuffed(octets)
	}
	r.say(s.Pos, append(bytes.Clone(octets), ".\r\n"...))
	return nil
}

// made is content in place of that which was not kept.
var made = []byte("Subject: replayed\r\n\r\n" + strings.Repeat("A line in place of one that the recording has not kept.\r\n", 4))

// link ends the connection as the transcript does, or demands that the server does.
func (r *recorded) link(s *smtpt.Step) error {
	r.quit = false
	switch word := s.Attrs[0].Key; word {
	case "client-fin":
		r.add(step{kind: link, at: s.Pos, text: "close"})
	case "fin", "rst", "halfclose":
		r.add(step{kind: link, at: s.Pos, text: "eof"})
	default:
		return r.c.wrong(s.Pos, "this cannot be replayed as a client: X: %s is nothing that a server can be asked for", word)
	}
	return nil
}
