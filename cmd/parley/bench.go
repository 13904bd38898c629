package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"runtime"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/parley-mail/parley"
	"github.com/parley-mail/parley/internal/rusage"
	mail "github.com/parley-mail/parley/message"
	"github.com/parley-mail/parley/session"
	"github.com/parley-mail/parley/transport"
	"github.com/parley-mail/parley/transport/certfile"
	"github.com/parley-mail/parley/transport/utls"
)

// benchFlags describe a load.
type benchFlags struct {
	addr, mode, tls, tlsEngine, ca, bodyFile   string
	messages, size, rcpts, sessions, inflight  int
	reconnect, resume, hold, insecure, mapBody bool
	fromFile                                   bool
}

func newBench() *cobra.Command {
	f := &benchFlags{}
	cmd := &cobra.Command{
		Use:   "bench",
		Short: "Send many messages and measure what they cost",
		Long: `Opens sessions, sends messages over all of them together, quits, and prints one JSON line: seconds,
messages, the processor time of this process while it was sending (cpu_user, cpu_sys), and for
each message allocations, octets allocated, and round trips. A few messages go first to warm up.

The server has to be one that throws messages away, as "parley sink --discard" does.`,
		Example: `  parley sink --listen 127.0.0.1:2525 --discard &
  parley bench --addr 127.0.0.1:2525 --messages 10000
  parley bench --addr 127.0.0.1:2525 --messages 10000 --mode chunked --inflight 8
  parley bench --addr 127.0.0.1:2525 --sessions 1000 --hold`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return f.run(cmd.Context(), cmd.OutOrStdout()) },
	}
	fl := cmd.Flags()
	fl.StringVar(&f.addr, "addr", "", "the server: HOST:PORT")
	fl.IntVar(&f.messages, "messages", 1000, "how many messages, over all sessions together")
	fl.IntVar(&f.size, "size", 4096, "octets of a message")
	fl.IntVar(&f.rcpts, "rcpts", 1, "recipients of a message")
	fl.IntVar(&f.sessions, "sessions", 1, "sessions at once")
	choice(cmd, fl, &f.mode, "mode", "chunked", "plain: a round trip for each command; pipelined: DATA; chunked: BDAT", "plain", "pipelined", "chunked")
	fl.IntVar(&f.inflight, "inflight", 1, "messages unanswered on a session; with pipelined at least the envelope of the next goes along")
	fl.StringVar(&f.bodyFile, "body-file", "", "the message, with CRLF line ends and not dot-stuffed, instead of --size octets")
	fl.BoolVar(&f.mapBody, "map", false, "map --body-file into memory instead of reading it")
	fl.BoolVar(&f.fromFile, "from-file", false, "send each message from --body-file, by sendfile where that can be, instead of from memory")
	fl.BoolVar(&f.reconnect, "reconnect", false, "a session for each message")
	choice(cmd, fl, &f.tls, "tls", "none", "when TLS begins", "none", "starttls", "implicit")
	choice(cmd, fl, &f.tlsEngine, "tls-engine", "auto", "which TLS implementation", "auto", "std", "utls")
	fl.StringVar(&f.ca, "ca", "", "trust this authority, a PEM file")
	fl.BoolVar(&f.insecure, "insecure", false, "accept any certificate")
	fl.BoolVar(&f.resume, "resume", false, "resume TLS sessions")
	fl.BoolVar(&f.hold, "hold", false, "open the sessions, send nothing, and print what they cost")
	return cmd
}

func (f *benchFlags) run(ctx context.Context, out io.Writer) error {
	e, err := f.endpoint()
	if err != nil {
		return err
	}
	if f.hold {
		return f.holdThem(ctx, e, out)
	}
	content, done, err := f.content()
	if err != nil {
		return err
	}
	defer done()
	envelope, err := f.envelope()
	if err != nil {
		return err
	}
	inflight := max(1, f.inflight)
	if f.mode == "pipelined" && !f.reconnect {
		inflight = max(2, inflight) // the envelope of the next goes with the content of this
	}
	e.Session.Overlap = inflight
	s := &parley.Sender{MaxConns: f.sessions, MaxAge: 24 * time.Hour, MaxIdle: 24 * time.Hour}
	if f.reconnect {
		s.MaxMessages = 1
	}
	beside := rusage.WatchMemory()
	l := f.lanes(ctx, s, e, parley.Mail{Envelope: envelope, Content: content}, inflight)
	defer l.close()
	warm := f.sessions * inflight * 4
	if f.reconnect {
		warm = 4
	}
	if err := l.fill(); err != nil {
		return err
	}
	if err := l.send(warm); err != nil {
		return err
	}
	m, err := measure(func() error { return l.send(f.messages) }, s.Stats)
	if err != nil {
		return err
	}
	if err := l.drain(); err != nil {
		return err
	}
	if err := s.Close(ctx); err != nil {
		return err
	}
	m.Messages, m.Peak = f.messages, beside()
	return json.NewEncoder(out).Encode(m.perMessage())
}

// endpoint is the server, spoken to in the way that is asked for.
func (f *benchFlags) endpoint() (*parley.Endpoint, error) {
	switch {
	case f.addr == "":
		return nil, usage("no server is given: --addr HOST:PORT")
	case f.sessions < 1 || f.messages < 1 || f.rcpts < 1 || f.size < 1:
		return nil, usage("--sessions, --messages, --rcpts and --size are at least 1")
	}
	host, _, err := net.SplitHostPort(f.addr)
	if err != nil {
		return nil, usage("--addr: %v", err)
	}
	e := &parley.Endpoint{Address: f.addr, Session: session.Config{Window: 64 << 10 * max(1, f.inflight)}}
	switch f.mode {
	case "plain":
		e.Session.Serial, e.Session.Data = true, session.DataOnly
	case "pipelined":
		e.Session.Data = session.DataOnly
	case "chunked":
		e.Session.Data = session.DataBDAT
	}
	e.TLS = map[string]parley.TLSMode{"none": parley.TLSNone, "starttls": parley.TLSStartTLS, "implicit": parley.TLSImplicit}[f.tls]
	e.TLSConfig = &transport.TLSConfig{
		ServerName: host, Endpoint: f.addr, InsecureSkipVerify: f.insecure, Engine: f.tlsEngine, Engines: []transport.TLSEngine{utls.Engine{}},
	}
	if f.ca != "" {
		if e.TLSConfig.ExtraRootCAs, err = certfile.LoadCAFile(f.ca); err != nil {
			return nil, err
		}
	}
	e.TLSConfig.Sessions = &transport.SessionCache{NoResumption: !f.resume} // a Sender would resume of itself
	return e, nil
}

func (f *benchFlags) content() (c mail.Content, done func() error, err error) {
	done = func() error { return nil }
	if f.bodyFile != "" && f.mapBody {
		return mail.MapFile(f.bodyFile)
	}
	if f.bodyFile != "" && f.fromFile {
		c, err := mail.FromFile(f.bodyFile)
		if err == nil {
			err = c.Scan()
		}
		return c, done, err
	}
	if f.bodyFile != "" {
		text, err := os.ReadFile(f.bodyFile)
		return mail.FromBytes(text), done, err
	}
	const line = "A line of text as people write them, seventy-odd octets long, with its end.\r\n"
	text := "Subject: a message\r\n\r\n" + strings.Repeat(line, f.size/len(line)+1)
	return mail.FromBytes([]byte(text[:max(f.size-2, 0)] + "\r\n")), done, nil
}

func (f *benchFlags) envelope() (*mail.Envelope, error) {
	from, err := mail.ParsePath("sender@client.example")
	if err != nil {
		return nil, err
	}
	env := &mail.Envelope{ReversePath: from}
	for i := range f.rcpts {
		to, err := mail.ParsePath(fmt.Sprintf("recipient%d@mx.example", i))
		if err != nil {
			return nil, err
		}
		env.Recipients = append(env.Recipients, mail.Recipient{Path: to})
	}
	return env, nil
}

// lanes send messages, each of them so many at a time and over a session of its own. They are
// full before anything is measured, and stay so: nothing rests.
type lanes struct {
	sender *parley.Sender
	ctx    context.Context
	fail   context.CancelCauseFunc
	each   []lane
	busy   sync.WaitGroup
}

type lane struct {
	window []parley.Message
	oldest int // in window
	todo   chan int
}

func (f *benchFlags) lanes(ctx context.Context, s *parley.Sender, e *parley.Endpoint, m parley.Mail, inflight int) *lanes {
	l := &lanes{sender: s, each: make([]lane, f.sessions)}
	l.ctx, l.fail = context.WithCancelCause(ctx)
	for i := range l.each {
		one := &l.each[i]
		one.window = make([]parley.Message, inflight)
		for k := range one.window {
			one.window[k].Endpoint, one.window[k].Mail = e, m
		}
		if f.sessions == 1 {
			break // it is the caller's goroutine, as in a program with one sender
		}
		one.todo = make(chan int)
		go func() {
			for n := range one.todo {
				l.work(one, n)
			}
		}()
	}
	return l
}

// fill gives each lane what it sends at a time. One after the other, so that what there is room
// for on a session goes on it, and who finds none opens another.
func (l *lanes) fill() error { return l.all(l.sender.Submit) }

// drain waits for all.
func (l *lanes) drain() error { return l.all(l.wait) }

func (l *lanes) all(do func(context.Context, *parley.Message) error) error {
	for i := range l.each {
		window := l.each[i].window
		for k := range window {
			if err := do(l.ctx, &window[k]); err != nil {
				return err
			}
		}
	}
	return nil
}

// send waits for n messages, over all lanes together, and puts another in the place of each.
func (l *lanes) send(n int) error {
	l.busy.Add(len(l.each))
	for i := range l.each {
		one, share := &l.each[i], n/len(l.each)
		if i < n%len(l.each) {
			share++
		}
		if one.todo == nil {
			l.work(one, share)
		} else {
			one.todo <- share
		}
	}
	l.busy.Wait()
	return context.Cause(l.ctx)
}

func (l *lanes) close() {
	l.fail(nil)
	for _, one := range l.each {
		if one.todo != nil {
			close(one.todo)
		}
	}
}

func (l *lanes) work(one *lane, n int) {
	defer l.busy.Done()
	for range n {
		m := &one.window[one.oldest]
		if err := l.wait(l.ctx, m); err != nil {
			l.fail(err)
			return
		}
		if err := l.sender.Submit(l.ctx, m); err != nil {
			l.fail(err)
			return
		}
		if one.oldest++; one.oldest == len(one.window) {
			one.oldest = 0
		}
	}
}

func (l *lanes) wait(ctx context.Context, m *parley.Message) error {
	switch o, err := l.sender.Wait(ctx, m); {
	case err != nil:
		return err
	case o != parley.OutcomeAccepted:
		return errors.New("not every recipient was accepted")
	}
	return nil
}

// measured is the result line.
type measured struct {
	Seconds    float64 `json:"seconds"`
	Messages   int     `json:"messages"`
	CPUUser    float64 `json:"cpu_user"`
	CPUSys     float64 `json:"cpu_sys"`
	Allocs     float64 `json:"allocs_per_msg"`
	Bytes      float64 `json:"bytes_per_msg"`
	RoundTrips float64 `json:"round_trips_per_msg"`
	// Peak is the most memory in use above that of the program with its message and without a
	// session.
	Peak *float64 `json:"peak_kib,omitempty"`
}

func measure(work func() error, stats func() parley.SenderStats) (*measured, error) {
	m, turns := new(measured), stats().Turns
	runtime.GC()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	user, sys := rusage.CPU()
	start := time.Now()
	err := work()
	m.Seconds = time.Since(start).Seconds()
	u, y := rusage.CPU()
	m.CPUUser, m.CPUSys = (u - user).Seconds(), (y - sys).Seconds()
	runtime.ReadMemStats(&after)
	m.Allocs, m.Bytes = float64(after.Mallocs-before.Mallocs), float64(after.TotalAlloc-before.TotalAlloc)
	m.RoundTrips = float64(stats().Turns - turns)
	return m, err
}

func (m *measured) perMessage() *measured {
	n := float64(m.Messages)
	m.Allocs, m.Bytes, m.RoundTrips = m.Allocs/n, m.Bytes/n, m.RoundTrips/n
	return m
}

// held is the result line of --hold.
type held struct {
	Sessions   int     `json:"sessions"`
	RSS        float64 `json:"rss_kib_per_session"`
	Heap       float64 `json:"heap_kib_per_session"`
	Goroutines int     `json:"goroutines"` // beside those of a program that does nothing
	Allocs     float64 `json:"allocs_per_msg"`
	Bytes      float64 `json:"bytes_per_msg"`
}

// holdThem opens the sessions and tells what each costs while it idles.
func (f *benchFlags) holdThem(ctx context.Context, e *parley.Endpoint, out io.Writer) error {
	conns := make([]*parley.Conn, 0, f.sessions)
	defer func() {
		for _, c := range conns {
			c.Close()
		}
	}()
	open := func(n int) error {
		for range n {
			c, err := parley.Dial(ctx, e)
			if err != nil {
				return err
			}
			c.Idle()
			conns = append(conns, c)
		}
		return nil
	}
	warm := min(4, f.sessions)
	if err := open(warm); err != nil {
		return err
	}
	var before, after runtime.MemStats
	rusage.Settle()
	runtime.ReadMemStats(&before)
	rss, goroutines := rusage.Resident(), runtime.NumGoroutine()
	if err := open(f.sessions); err != nil {
		return err
	}
	runtime.ReadMemStats(&after)
	allocs, octets := after.Mallocs-before.Mallocs, after.TotalAlloc-before.TotalAlloc
	rusage.Settle()
	runtime.ReadMemStats(&after)
	n := float64(f.sessions)
	return json.NewEncoder(out).Encode(held{
		Sessions: f.sessions, RSS: float64(rusage.Resident()-rss) / 1024 / n, Heap: (float64(after.HeapAlloc) - float64(before.HeapAlloc)) / 1024 / n,
		Goroutines: runtime.NumGoroutine() - goroutines, Allocs: float64(allocs) / n, Bytes: float64(octets) / n,
	})
}
