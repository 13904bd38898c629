package fuzz

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/parley-mail/parley/fsm"
	"github.com/parley-mail/parley/session"
)

// server answers commands as a plan says, and never breaks the protocol: what it does
// wrong is only to refuse. It keeps what it was given.
type server struct {
	answer   func(what string) bool // yes or no to "MAIL 0", "RCPT 0 1", "DATA 0", "END 0"…
	keywords []string
	in       []byte
	out      bytes.Buffer

	mail, from  int // mail transactions begun; whether one is open, as 1
	rcpts, good int // RCPTs seen and accepted in it
	data        bool
	skip        int // octets of a chunk still to come
	last        bool
	taken       []string // the messages accepted
}

func (v *server) say(s string) { v.out.WriteString(s + "\r\n") }

// feed takes what the client sent and collects the replies.
func (v *server) feed(p []byte) []byte {
	v.in = append(v.in, p...)
	for v.step() {
	}
	out := bytes.Clone(v.out.Bytes())
	v.out.Reset()
	return out
}

func (v *server) step() bool {
	switch {
	case v.skip > 0 || v.last:
		n := min(v.skip, len(v.in))
		v.skip, v.in = v.skip-n, v.in[n:]
		if v.skip > 0 {
			return false
		}
		if v.last {
			v.last = false
			v.end()
		}
		return true
	case v.data:
		i := bytes.Index(v.in, []byte("\r\n.\r\n"))
		switch {
		case bytes.HasPrefix(v.in, []byte(".\r\n")):
			v.in = v.in[3:]
		case i >= 0:
			v.in = v.in[i+5:]
		default:
			return false
		}
		v.data = false
		v.end()
		return true
	}
	line, rest, ok := bytes.Cut(v.in, []byte("\r\n"))
	if !ok {
		return false
	}
	v.in = rest
	v.command(string(line))
	return true
}

func (v *server) command(line string) {
	verb, arg, _ := strings.Cut(line, " ")
	yes := func(what, reply, refusal string) bool {
		if v.answer(what) {
			v.say(reply)
			return true
		}
		v.say(refusal)
		return false
	}
	switch verb {
	case "EHLO", "LHLO":
		for _, k := range v.keywords {
			v.say("250-" + k)
		}
		v.say("250 HELP") // no host name: nobody reads it
	case "MAIL":
		if v.from == 1 {
			v.say("503 nested")
			return
		}
		if yes(fmt.Sprint("MAIL ", v.mail), "250 ok", "550 no sender") {
			v.from = 1
		}
		v.mail++
		v.rcpts, v.good = 0, 0
	case "RCPT":
		if v.from == 0 {
			v.say("503 no sender")
			return
		}
		if yes(fmt.Sprint("RCPT ", v.mail-1, " ", v.rcpts), "250 ok", "450 not now") {
			v.good++
		}
		v.rcpts++
	case "DATA":
		if v.good == 0 {
			if v.from == 1 && v.answer(fmt.Sprint("ODD ", v.mail-1)) {
				v.say("354 odd")
				v.data = true
				return
			}
			v.say("503 nobody")
			return
		}
		v.data = yes(fmt.Sprint("DATA ", v.mail-1), "354 go", "451 no content")
	case "BDAT":
		fmt.Sscanf(arg, "%d", &v.skip)
		v.last = true // the engine under test sends one chunk
	case "RSET":
		v.from, v.good = 0, 0
		v.say("250 ok")
	case "QUIT":
		v.say("221 bye")
	default:
		v.say("502 what")
	}
}

func (v *server) end() {
	switch {
	case v.good == 0:
		v.say("554 nobody")
		return
	case v.answer(fmt.Sprint("END ", v.mail-1)):
		v.taken = append(v.taken, fmt.Sprint(v.mail-1, " ", v.good))
		v.say("250 queued")
	default:
		v.say("552 too much")
	}
	v.from, v.good = 0, 0
}

// Diff has one lawful server answer the same in every way of sending: in lock-step,
// pipelined, with messages overlapping, by DATA and by BDAT. What became of the
// messages must not depend on it, and must be what the server believes.
func Diff(data []byte) error {
	p := &plan{data}
	txs := 1 + p.pick(4)
	answers := map[string]bool{}
	answer := func(what string) bool {
		a, ok := answers[what]
		if !ok {
			a = p.pick(4) != 0
			answers[what] = a
		}
		return a
	}
	// Decide before the first run, so that no order of asking decides.
	for i := range txs {
		for _, what := range []string{"MAIL", "DATA", "END", "ODD"} {
			answer(fmt.Sprint(what, " ", i))
		}
		for k := range 3 {
			answer(fmt.Sprint("RCPT ", i, " ", k))
		}
	}
	for i := range txs { // BDAT has no reply before the content
		answers[fmt.Sprint("DATA ", i)] = true
	}
	var first *engine
	for _, way := range []struct {
		name     string
		keywords []string
		cfg      session.Config
		deaf     bool
	}{
		{"lock-step", nil, session.Config{}, false},
		{"pipelined", []string{"PIPELINING"}, session.Config{}, false},
		{"overlapping", []string{"PIPELINING"}, session.Config{Overlap: 8}, false},
		{"chunked", []string{"CHUNKING"}, session.Config{Data: session.DataBDAT}, false},
		{"chunked, pipelined", []string{"PIPELINING", "CHUNKING"}, session.Config{Data: session.DataBDAT}, false},
		{"chunked, overlapping", []string{"PIPELINING", "CHUNKING"}, session.Config{Data: session.DataBDAT, Overlap: 8}, false},
		{"chunked, overlapping, and nobody listens", []string{"PIPELINING", "CHUNKING"}, session.Config{Data: session.DataBDAT, Overlap: 8}, true},
		{"overlapping, and nobody listens", []string{"PIPELINING"}, session.Config{Overlap: 8}, true},
	} {
		v := &server{answer: answer, keywords: way.keywords}
		e := newEngine(way.cfg, &fsm.Compiled{}, txs, false, way.deaf)
		e.s.Receive([]byte("220 mx.example\r\n"))
		for range 100 {
			out := e.flush()
			if e.s.State().Over() || len(out) == 0 {
				break
			}
			e.s.Receive(v.feed(out))
		}
		if err := e.end(); err != nil {
			return fmt.Errorf("%s: %w", way.name, err)
		}
		if e.s.State() != fsm.Closed {
			return fmt.Errorf("%s: ended in %v: %v", way.name, e.s.State(), e.s.Err())
		}
		var accepted []string
		for i, tx := range e.txs {
			n := 0
			for k := range tx.Len() {
				if tx.Status(k) == session.Accepted {
					n++
				}
			}
			if n > 0 {
				accepted = append(accepted, fmt.Sprint(i, " ", n))
			}
		}
		if strings.Join(accepted, ",") != strings.Join(v.taken, ",") {
			return fmt.Errorf("%s: the client believes in %v, the server has %v", way.name, accepted, v.taken)
		}
		if first == nil {
			first = e
		} else if err := first.sameOutcomes(e); err != nil {
			return fmt.Errorf("lock-step or %s: %w", way.name, err)
		}
	}
	return nil
}
