// Package component times the parts of the engine without a network, and beside each
// what others use for the same job.
package component

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"io"
	"net/textproto"
	"strings"
	"testing"

	looplab "github.com/looplab/fsm"

	"github.com/parley-mail/parley/codec"
	"github.com/parley-mail/parley/events"
	"github.com/parley-mail/parley/fsm"
	"github.com/parley-mail/parley/session"
)

// Timing is what one part costs.
type Timing struct {
	Name   string  `json:"name"`
	Nanos  float64 `json:"ns"`
	Allocs float64 `json:"allocs"`
}

// part is a benchmark that does so many steps each time round.
type part struct {
	name  string
	steps int
	run   func(b *testing.B)
}

const reply = "250 2.1.5 Recipient ok\r\n"

// The names of the parts, for the report.
const (
	Step        = "step of the dialogue machine, with a hook"
	LooplabStep = "step of looplab/fsm"
	Parse       = "parsing a reply of one line"
	Textproto   = "the same by net/textproto"
	Callback    = "event by callback"
	Channel     = "event by a channel"
	StuffLines  = "stuffing and checking 1 MiB"
	StuffDots   = "the same, a dot on each line"
	DotWriter   = "stuffing 1 MiB by textproto.DotWriter"
	Segments    = "stuffing and checking 1 MiB without copying"
	Copy        = "copying 1 MiB"
	EHLO        = "parsing a reply to EHLO, ten extensions"
	Message     = "a message of 4 KiB through a session, one recipient, DATA"
	MessageBDAT = "the same with BDAT"
	Message100  = "the same with DATA, 100 recipients"
	Looplab     = "the same with DATA, one recipient, the machine of looplab/fsm"
)

func parts() []part {
	lines := bytes.Repeat([]byte(strings.Repeat("x", 76)+"\r\n"), 1<<20/78)
	dots := bytes.Repeat([]byte("."+strings.Repeat("x", 75)+"\r\n"), 1<<20/78)
	return []part{
		{Step, len(cycle), step},
		{LooplabStep, len(cycle), looplabStep},
		{Parse, 1, parse},
		{Textproto, 1, parseTextproto},
		{Callback, 1, callback},
		{Channel, 1, channel},
		{StuffLines, 1, func(b *testing.B) { stuff(b, lines) }},
		{StuffDots, 1, func(b *testing.B) { stuff(b, dots) }},
		{Segments, 1, func(b *testing.B) { segments(b, lines) }},
		{DotWriter, 1, func(b *testing.B) { dotWriter(b, lines) }},
		{Copy, 1, func(b *testing.B) {
			to := make([]byte, len(lines))
			for b.Loop() {
				copy(to, lines)
			}
		}},
		{EHLO, 1, extensions},
		{Message, 1, func(b *testing.B) { messages(b, &fsm.Compiled{}, session.DataOnly, 1) }},
		{MessageBDAT, 1, func(b *testing.B) { messages(b, &fsm.Compiled{}, session.DataBDAT, 1) }},
		{Message100, 1, func(b *testing.B) { messages(b, &fsm.Compiled{}, session.DataOnly, 100) }},
		{Looplab, 1, func(b *testing.B) { messages(b, fsm.NewLooplab(), session.DataOnly, 1) }},
	}
}

// Run times every part a few times, each for so long ("200ms"), and prints the best as a
// line of JSON: other load only adds.
func Run(out io.Writer, times int, each string) error {
	testing.Init()
	if err := flag.Set("test.benchtime", each); err != nil {
		return err
	}
	for _, p := range parts() {
		var best Timing
		for i := range times {
			r := testing.Benchmark(p.run)
			t := Timing{p.name, float64(r.T.Nanoseconds()) / float64(max(r.N, 1)) / float64(p.steps), float64(r.MemAllocs) / float64(max(r.N, 1)) / float64(p.steps)}
			if i == 0 || t.Nanos < best.Nanos {
				best = t
			}
		}
		if err := json.NewEncoder(out).Encode(best); err != nil {
			return err
		}
	}
	return nil
}

// cycle is one mail transaction, from Ready to Ready.
var cycle = []fsm.Input{
	fsm.On(fsm.Mail, fsm.Positive), fsm.On(fsm.Rcpt, fsm.Positive), fsm.On(fsm.Data, fsm.Intermediate), fsm.On(fsm.EndOfData, fsm.Positive),
}

func step(b *testing.B) {
	var m fsm.Machine = &fsm.Compiled{}
	for _, i := range []fsm.Input{fsm.Dial, fsm.Up, fsm.On(fsm.Connect, fsm.Positive), fsm.On(fsm.Ehlo, fsm.Positive)} {
		if _, err := m.Fire(i); err != nil {
			b.Fatal(err)
		}
	}
	var seen [32]int
	hook := func(s fsm.State) { seen[s%32]++ }
	b.ReportAllocs()
	for b.Loop() {
		for _, i := range cycle {
			s, err := m.Fire(i)
			if err != nil {
				b.Fatal(err)
			}
			hook(s)
		}
	}
}

func looplabStep(b *testing.B) {
	names := []string{"mail", "rcpt", "data", "end"}
	states := []string{"ready", "sender", "recipients", "content", "ready"}
	var table looplab.Events
	for i, n := range names {
		table = append(table, looplab.EventDesc{Name: n, Src: []string{states[i]}, Dst: states[i+1]})
	}
	m := looplab.NewFSM("ready", table, looplab.Callbacks{"enter_state": func(context.Context, *looplab.Event) {}})
	ctx := context.Background()
	b.ReportAllocs()
	for b.Loop() {
		for _, n := range names {
			if err := m.Event(ctx, n); err != nil {
				b.Fatal(err)
			}
		}
	}
}

func parse(b *testing.B) {
	stream := []byte(reply)
	var d codec.Decoder
	b.ReportAllocs()
	for b.Loop() {
		d.Feed(stream)
		if r, err := d.Next(); r == nil || err != nil {
			b.Fatal(r, err)
		}
	}
}

func parseTextproto(b *testing.B) {
	in := strings.NewReader(reply)
	buffered := bufio.NewReader(in)
	r := textproto.NewReader(buffered)
	b.ReportAllocs()
	for b.Loop() {
		in.Reset(reply)
		buffered.Reset(in)
		if _, _, err := r.ReadResponse(250); err != nil {
			b.Fatal(err)
		}
	}
}

func callback(b *testing.B) {
	var bus events.Bus
	n := 0
	defer bus.Subscribe(events.All, func(events.Event) { n++ })()
	e := &events.ReplyReceived{}
	b.ReportAllocs()
	for b.Loop() {
		bus.Publish(e)
	}
}

func channel(b *testing.B) {
	c := make(chan events.Event, 64)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for range c {
		}
	}()
	e := &events.ReplyReceived{}
	b.ReportAllocs()
	for b.Loop() {
		c <- e
	}
	close(c)
	<-done
}

func stuff(b *testing.B, content []byte) {
	var s codec.Stuffer
	to := make([]byte, 0, 2*len(content))
	b.ReportAllocs()
	for b.Loop() {
		s.Reset(codec.Refuse)
		if _, err := s.Append(to, content); err != nil {
			b.Fatal(err)
		}
	}
}

func segments(b *testing.B, content []byte) {
	var s codec.Stuffer
	var to [][]byte
	b.ReportAllocs()
	for b.Loop() {
		s.Reset(codec.Refuse)
		var err error
		if to, err = s.Segments(to[:0], content); err != nil {
			b.Fatal(err)
		}
	}
}

func dotWriter(b *testing.B, content []byte) {
	w := textproto.NewWriter(bufio.NewWriter(io.Discard))
	b.ReportAllocs()
	for b.Loop() {
		d := w.DotWriter()
		if _, err := d.Write(content); err != nil {
			b.Fatal(err)
		}
		if err := d.Close(); err != nil {
			b.Fatal(err)
		}
	}
}
