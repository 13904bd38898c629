package parley_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parley-mail/parley"
	"github.com/parley-mail/parley/auth"
	"github.com/parley-mail/parley/fsm"
	"github.com/parley-mail/parley/internal/certs"
	"github.com/parley-mail/parley/internal/sink"
	"github.com/parley-mail/parley/session"
	"github.com/parley-mail/parley/transport"
	"github.com/parley-mail/parley/transport/fault"
	"github.com/parley-mail/parley/transport/mem"
)

// dialogue is a canonical session with one message, over an in-memory link to a real
// receiving server, inside a bubble with virtual time.
type dialogue struct {
	name string
	lmtp bool
	tls  parley.TLSMode
	auth bool
	data session.DataMode
	ext  sink.Extensions
	body bool // content comes from a reader
	over func(transport.Conn) net.Conn
}

var dialogues = []dialogue{
	{name: "lock-step", ext: sink.EightBitMIME | sink.Size},
	{name: "pipelined", ext: sink.Pipelining},
	{name: "pipelined, streamed", ext: sink.Pipelining, body: true},
	{name: "chunked", ext: sink.Pipelining | sink.Chunking, data: session.DataBDAT},
	{name: "chunked, lock-step", ext: sink.Chunking, data: session.DataBDAT},
	{name: "lmtp", ext: sink.Pipelining, lmtp: true},
	{name: "lmtp, chunked", ext: sink.Pipelining | sink.Chunking, lmtp: true, data: session.DataBDAT},
	{name: "starttls and auth", tls: parley.TLSStartTLS, auth: true},
	{name: "implicit tls", tls: parley.TLSImplicit, ext: sink.Pipelining},
	{name: "lock-step, exchanging", ext: sink.EightBitMIME | sink.Size, over: exchanging},
	{name: "pipelined, exchanging", ext: sink.Pipelining, over: exchanging},
	{name: "chunked, exchanging", ext: sink.Pipelining | sink.Chunking, data: session.DataBDAT, over: exchanging},
	{name: "lmtp, exchanging", ext: sink.Pipelining, lmtp: true, over: exchanging},
	{name: "starttls and auth, exchanging", tls: parley.TLSStartTLS, auth: true, over: exchanging},
	{name: "pipelined, exchanging, hard of hearing", ext: sink.Pipelining, over: hardOfHearing},
}

const content = "Subject: hi\r\n\r\n.dot\r\nno end"

// pki is made outside the bubbles, in which it is the year 2000.
var pki = sync.OnceValue(func() (p struct {
	server *tls.Config
	client *transport.TLSConfig
},
) {
	ca, err := certs.NewCA()
	if err != nil {
		panic(err)
	}
	cert, err := ca.Issue(certs.Options{Hosts: []string{"mx.example"}})
	if err != nil {
		panic(err)
	}
	now := time.Now()
	p.server = &tls.Config{Certificates: []tls.Certificate{cert}, Time: func() time.Time { return now }}
	p.client = &transport.TLSConfig{
		RootCAs: ca.Pool(), ServerName: "mx.example", Base: &tls.Config{CurvePreferences: []tls.CurveID{tls.X25519}},
		Time: func() time.Time { return now },
	}
	return p
})

// run plays the dialogue with the faults. It returns what became of the message, what
// the server has of it, and the error.
func (d *dialogue) run(t *testing.T, ctx context.Context, plan fault.Plan) (tx *session.Transaction, got []*sink.Message, err error) {
	memory := &sink.Memory{}
	srv := &sink.Server{
		LMTP: d.lmtp, Extensions: d.ext | sink.Verify, Store: memory, TLS: pki().server,
		Auth: sink.Auth{Users: map[string]string{"alice": "secret"}},
	}
	if d.tls == parley.TLSStartTLS {
		srv.Extensions |= sink.StartTLS | sink.AuthExtension
	}
	client, server := mem.Pipe(mem.Options{Latency: time.Millisecond})
	serving := make(chan struct{})
	go func() {
		defer close(serving)
		if d.tls == parley.TLSImplicit {
			srv.ServeConn(context.Background(), tls.Server(server, srv.TLS))
			return
		}
		srv.ServeConn(context.Background(), server)
	}()
	e := &parley.Endpoint{
		Address: "mx.example:2525", TLS: d.tls, TLSConfig: pki().client,
		Dialer:  dialFunc(func() net.Conn { return fault.New(client, plan) }),
		Session: session.Config{LMTP: d.lmtp, Data: d.data},
	}
	if d.tls != parley.TLSNone {
		// Above TLS, so that every octet counted is one of the dialogue.
		e.Dialer = dialFunc(func() net.Conn { return &faultyAbove{transport.New(client), plan} })
	}
	if below := e.Dialer.(dialFunc); d.over != nil {
		e.Dialer = dialFunc(func() net.Conn { return d.over(transport.New(below())) })
	}
	if d.auth {
		e.Credentials = &auth.Credentials{User: "alice", Password: auth.NewSecret("secret")}
	}
	tx = transaction(t, "a@x.example", "b@y.example", "c@y.example")
	tx.Content = []byte(content)
	c, err := parley.Dial(ctx, e)
	if err == nil {
		if d.body {
			tx.Content = nil
			err = c.Send(ctx, tx, strings.NewReader(content))
		} else {
			err = c.Send(ctx, tx, nil)
		}
		if err == nil {
			err = c.Quit(ctx)
		} else {
			c.Close()
		}
	}
	client.Close()
	<-serving
	return tx, memory.Messages(), err
}

// length returns how many octets the client reads and writes when nothing fails.
func (d *dialogue) length(t *testing.T) (read, write int64) {
	t.Helper()
	find := func(side fault.Side) int64 {
		for n := int64(64); ; n *= 2 {
			ok := false
			bubble(t, func(t *testing.T) {
				_, _, err := d.run(t, t.Context(), fault.Plan{{Side: side, Kind: fault.Cut, At: n}})
				ok = err == nil
			})
			if ok {
				return n
			}
			if n > 1<<20 {
				t.Fatal("the dialogue does not succeed")
			}
		}
	}
	return find(fault.Read), find(fault.Write)
}

// The connection cut, reset or garbled after octet n, for every n and in both
// directions, never makes a lie of the outcome.
func TestEveryOctetCut(t *testing.T) {
	for _, d := range dialogues {
		t.Run(d.name, func(t *testing.T) {
			t.Parallel()
			read, write := d.length(t)
			for side, length := range map[fault.Side]int64{fault.Read: read, fault.Write: write} {
				kinds := []fault.Kind{fault.Cut, fault.Reset, fault.Garble}
				if side == fault.Write || d.tls != parley.TLSNone {
					kinds = kinds[:2] // what the client says is garbled is the server's affair
				}
				for _, kind := range kinds {
					for n := int64(0); n < length; n += stride {
						plan := fault.Plan{{Side: side, Kind: kind, At: n}}
						bubble(t, func(t *testing.T) {
							tx, got, err := d.run(t, t.Context(), plan)
							if e := truthful(tx, got, err); e != "" {
								t.Errorf("%v: %s (error %v)", plan, e, err)
							}
						})
					}
				}
			}
		})
	}
}

// truthful compares what the client believes with what the server has.
func truthful(tx *session.Transaction, got []*sink.Message, err error) string {
	if tx.Len() == 0 { // never begun
		if len(got) > 0 {
			return "the server has a message that was not begun"
		}
		if err == nil {
			return "nothing was sent and there is no error"
		}
		return ""
	}
	if !tx.Done() {
		return "a recipient is undecided"
	}
	want := content + "\r\n"
	for _, m := range got {
		if string(m.Content) != want {
			return fmt.Sprintf("the server has a truncated message: %q", m.Content)
		}
	}
	for i := range tx.Len() {
		stored := 0
		for _, m := range got {
			for _, r := range m.Recipients {
				if r.Path == tx.Envelope.Recipients[i].Path.String() {
					stored++
				}
			}
		}
		switch s := tx.Status(i); {
		case stored > 1:
			return "delivered twice"
		case s == session.Accepted && stored != 1:
			return "accepted and not delivered"
		case (s == session.NotSent || s == session.Refused) && stored != 0:
			return fmt.Sprintf("%v and delivered", s)
		}
	}
	if tx.Err() == nil && err != nil && !tx.Done() {
		return "an error and no reason"
	}
	return ""
}

// Every waiting state has a timer: the server falls silent, or stops reading, at every
// octet, and the call ends by itself with a time-out, or, behind QUIT, well.
func TestEveryWaitHasATimer(t *testing.T) {
	for _, d := range dialogues {
		t.Run(d.name, func(t *testing.T) {
			t.Parallel()
			read, write := d.length(t)
			for side, length := range map[fault.Side]int64{fault.Read: read, fault.Write: write} {
				for n := int64(0); n < length; n += stride {
					plan := fault.Plan{{Side: side, Kind: fault.Stall, At: n}}
					bubble(t, func(t *testing.T) {
						start := time.Now()
						tx, got, err := d.run(t, t.Context(), plan)
						took := time.Since(start)
						if e := truthful(tx, got, err); e != "" {
							t.Errorf("%v: %s", plan, e)
						}
						if err != nil && !errors.Is(err, parley.ErrTimeout) {
							t.Errorf("%v: error %v is no time-out", plan, err)
						}
						if took > 11*time.Minute || err != nil && took < time.Minute {
							t.Errorf("%v: took %v (%v)", plan, took, err)
						}
					})
				}
			}
		})
	}
}

// The caller says how long a reply may take, command by command (RFC 5321 §4.5.3.2), and
// what he says nothing about waits as long as ever.
func TestPatienceIsTheCallers(t *testing.T) {
	for slow, want := range map[string]error{"MAIL": nil, "RCPT": parley.ErrTimeout, "DATA": nil} {
		bubble(t, func(t *testing.T) {
			e := &parley.Endpoint{Address: "mx.example:25", Dialer: dialFunc(func() net.Conn { return tarrying(slow, 2*time.Second) })}
			e.Patience = func(c fsm.Command) time.Duration {
				if c == fsm.Rcpt {
					return time.Second
				}
				return 0
			}
			c, err := parley.Dial(t.Context(), e)
			if err != nil {
				t.Fatal(err)
			}
			defer time.Sleep(2 * time.Second) // virtual: until the server is done too
			defer c.Close()
			tx := transaction(t, "a@x.example", "b@y.example")
			tx.Content = []byte("Subject: hi\r\n\r\n")
			begun := time.Now()
			err = c.Send(t.Context(), tx, nil)
			took := time.Since(begun)
			var failed *parley.Error
			switch {
			case !errors.Is(err, want):
				t.Errorf("slow at %s: %v, want %v", slow, err, want)
			case want == nil && took != 2*time.Second:
				t.Errorf("slow at %s: took %v", slow, took)
			case want != nil && (!errors.As(err, &failed) || failed.Command != fsm.Rcpt || took != time.Second || tx.Status(0) != parley.NotSent):
				t.Errorf("slow at %s: %v after %v, %v", slow, err, took, tx.Status(0))
			}
		})
	}
}

// The answer to the end of large content, which another goroutine has written, is waited for
// as long as the caller says and no longer, and the context counts, sooner and later.
func TestPatienceBehindLargeContent(t *testing.T) {
	const ms = time.Millisecond
	for _, c := range []struct {
		answer, patience, cancel time.Duration
		want                     error
		took                     time.Duration
	}{
		{answer: 200 * ms, patience: time.Minute, took: 200 * ms},
		{answer: 5000 * ms, patience: time.Minute, took: 5000 * ms},
		{answer: 5000 * ms, patience: 300 * ms, want: parley.ErrTimeout, took: 300 * ms},
		{answer: 5000 * ms, patience: 1000 * ms, want: parley.ErrTimeout, took: 1000 * ms},
		{answer: 5000 * ms, patience: 3000 * ms, want: parley.ErrTimeout, took: 3000 * ms},
		{answer: 5000 * ms, patience: time.Minute, cancel: 700 * ms, want: parley.ErrCanceled, took: 700 * ms},
		{answer: 5000 * ms, patience: time.Minute, cancel: 1700 * ms, want: parley.ErrCanceled, took: 1700 * ms},
	} {
		bubble(t, func(t *testing.T) {
			conn, err := parley.Dial(t.Context(), &parley.Endpoint{
				Address: "mx.example:25", Dialer: dialFunc(func() net.Conn { return tarrying(".", c.answer) }),
				Patience: func(fsm.Command) time.Duration { return c.patience },
			})
			if err != nil {
				t.Fatal(err)
			}
			defer time.Sleep(c.answer) // virtual: until the server is done too
			defer conn.Close()
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			if c.cancel > 0 {
				time.AfterFunc(c.cancel, cancel)
			}
			tx := transaction(t, "a@x.example", "b@y.example")
			tx.Content = bigLines(1 << 20)
			begun := time.Now()
			err = conn.Send(ctx, tx, nil)
			status := parley.Accepted
			if c.want != nil {
				status = parley.Unknown
			}
			if took := time.Since(begun); !errors.Is(err, c.want) || took != c.took || tx.Status(0) != status {
				t.Errorf("%+v: %v after %v: %v", c, tx.Status(0), took, err)
			}
		})
	}
}

// tarrying is a connection to a server that takes its time over one verb.
func tarrying(slow string, by time.Duration) net.Conn {
	client, server := mem.Pipe(mem.Options{})
	go func() {
		defer server.Close()
		say := func(line string) bool { _, err := io.WriteString(server, line+"\r\n"); return err == nil }
		content := false
		lines := bufio.NewScanner(server)
		for ok := say("220 mx.example"); ok && lines.Scan(); {
			line := lines.Text()
			if content && line != "." {
				continue
			}
			if strings.HasPrefix(line, slow) {
				time.Sleep(by)
			}
			reply := "250 ok"
			if content = line == "DATA"; content {
				reply = "354 go"
			}
			ok = say(reply)
		}
	}()
	return client
}

// Cancelling the context ends the call at once, wherever it is, and leaves nothing
// running: a bubble whose goroutines do not end fails.
func TestCancelEverywhere(t *testing.T) {
	for _, d := range dialogues {
		t.Run(d.name, func(t *testing.T) {
			t.Parallel()
			read, write := d.length(t)
			for side, length := range map[fault.Side]int64{fault.Read: read, fault.Write: write} {
				for n := int64(0); n < length; n += stride {
					plan := fault.Plan{{Side: side, Kind: fault.Stall, At: n}}
					bubble(t, func(t *testing.T) {
						ctx, cancel := context.WithTimeout(t.Context(), time.Second)
						defer cancel()
						start := time.Now()
						tx, got, err := d.run(t, ctx, plan)
						if took := time.Since(start); took > time.Second+100*time.Millisecond {
							t.Errorf("%v: returned %v after the context was done", plan, took-time.Second)
						}
						if e := truthful(tx, got, err); e != "" {
							t.Errorf("%v: %s", plan, e)
						}
						if err != nil && !errors.Is(err, parley.ErrCanceled) && !errors.Is(err, context.DeadlineExceeded) {
							t.Errorf("%v: error %v", plan, err)
						}
					})
				}
			}
		})
	}
}

// bubble runs f with virtual time.
func bubble(t *testing.T, f func(*testing.T)) {
	t.Helper()
	synctest.Test(t, f)
}

type dialFunc func() net.Conn

func (f dialFunc) DialContext(context.Context, string, string) (net.Conn, error) { return f(), nil }

// faultyAbove puts the faults over the link as soon as it is secure, so that octets are
// counted as the session sees them.
type faultyAbove struct {
	transport.Conn
	plan fault.Plan
}

func (f *faultyAbove) StartTLS(ctx context.Context, c *transport.TLSConfig) (transport.Security, error) {
	s, err := f.Conn.StartTLS(ctx, c)
	if err == nil {
		f.Conn = fault.Over(f.Conn, f.plan)
	}
	return s, err
}
