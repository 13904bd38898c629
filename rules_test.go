package parley_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/parley-mail/parley"
	"github.com/parley-mail/parley/codec"
	"github.com/parley-mail/parley/fsm"
	"github.com/parley-mail/parley/internal/sink"
	"github.com/parley-mail/parley/internal/smtptest"
	"github.com/parley-mail/parley/session"
	"github.com/parley-mail/parley/transport"
	"github.com/parley-mail/parley/transport/mem"
)

// The rules that failures of other clients have taught. Those about octets and timers
// at every place of a dialogue are in robust_test.go, those about framing in packages
// codec and session.

// against plays a script as the server and sends one message to it.
func against(t *testing.T, script string, set func(*parley.Endpoint, *session.Transaction)) (*session.Transaction, error) {
	t.Helper()
	nc := smtptest.Play(t, script, nil)
	e := &parley.Endpoint{Address: "mx.example:25", Dialer: dialFunc(func() net.Conn { return nc })}
	tx := transaction(t, "a@x.example", "b@y.example", "c@y.example")
	tx.Content = []byte("Subject: hi\r\n\r\n")
	if set != nil {
		set(e, tx)
	}
	c, err := parley.Dial(t.Context(), e)
	if err != nil {
		return tx, err
	}
	err = c.Send(t.Context(), tx, nil)
	c.Quit(t.Context())
	return tx, err
}

func statuses(tx *session.Transaction) (all []string) {
	for i := range tx.Len() {
		o := tx.Outcome(i)
		all = append(all, fmt.Sprintf("%v %d", o.Status, o.Reply.Code))
	}
	return all
}

const opened = `
S: 220 mx.example
C: EHLO localhost
S: 250 mx.example
`

const envelope = opened + `
C: MAIL FROM:<a@x.example>
S: 250 ok
C: RCPT TO:<b@y.example>
S: 250 ok
C: RCPT TO:<c@y.example>
S: 250 ok
`

// A source that fails after 354 never ends in a terminator; before a chunk is complete
// the session even survives.
func TestRule01BodyFails(t *testing.T) {
	boom := errors.New("disk on fire")
	for _, data := range []session.DataMode{session.DataOnly, session.DataBDAT} {
		for _, before := range []int{0, 10, 100 << 10, 1 << 20} {
			peer := smtptest.Server(t, nil)
			c, err := parley.Dial(t.Context(), &parley.Endpoint{Address: peer.Addr, Session: session.Config{Data: data}})
			if err != nil {
				t.Fatal(err)
			}
			tx := transaction(t, "a@x.example", "b@y.example")
			source := io.MultiReader(strings.NewReader(strings.Repeat("0123456\r\n", before/9)), iotest.ErrReader(boom))
			err = c.Send(t.Context(), tx, source)
			if !errors.Is(err, parley.ErrContent) || !errors.Is(err, boom) || tx.Status(0) != session.NotSent {
				t.Errorf("%v, %d octets: %v, %v", data, before, err, tx.Status(0))
			}
			if data == session.DataBDAT {
				again := transaction(t, "a@x.example", "b@y.example")
				if err := c.Send(t.Context(), again, strings.NewReader(content)); err != nil {
					t.Errorf("the next message: %v", err)
				}
			}
			c.Quit(t.Context())
			for _, m := range peer.Memory.Messages() {
				if string(m.Content) != content+"\r\n" {
					t.Errorf("%v, %d octets: the server has %.60q", data, before, m.Content)
				}
			}
		}
	}
}

// From the first octet of the end of the content until a complete 2yz the outcome is
// unknown: not refused, and not to be tried again blindly.
func TestRule02Unknown(t *testing.T) {
	for _, end := range []string{"X: close", "S| 250 o\nX: close", "S: 250-more\nX: close", "S: 421 timeout"} {
		tx, err := against(t, envelope+"C: DATA\nS: 354 go\nC: Subject: hi\nC:\nC: .\n"+end, nil)
		var e *parley.Error
		if !errors.As(err, &e) || !e.Ambiguous() || e.Temporary() {
			t.Errorf("%s: %v", end, err)
		}
		if tx.Status(0) != session.Unknown || tx.Status(1) != session.Unknown {
			t.Errorf("%s: %v", end, statuses(tx))
		}
	}
}

// Nothing after the accepting reply changes an outcome.
func TestRule03NothingAfterAcceptance(t *testing.T) {
	for _, end := range []string{
		"X: close", "C: QUIT\nX: close", "C: QUIT\nS| \\0\\0\\0\\x1a\nX: close", "C: QUIT\nS: 500 what\nX: close", "C: QUIT\nX: rst", "C: QUIT\nS: 354 go",
	} {
		tx, err := against(t, envelope+"C: DATA\nS: 354 go\nC: Subject: hi\nC:\nC: .\nS: 250 ok\n"+end, nil)
		if err != nil || tx.Status(0) != session.Accepted {
			t.Errorf("%s: %v, %v", end, err, statuses(tx))
		}
	}
}

// A deadline is armed where there is no session yet, too.
func TestRule04DialAndHandshake(t *testing.T) {
	bubble(t, func(t *testing.T) {
		start := time.Now()
		_, err := parley.Dial(t.Context(), &parley.Endpoint{Address: "mx.example:25", Dialer: silentDialer{}})
		if !errors.Is(err, parley.ErrTimeout) || time.Since(start) != time.Minute {
			t.Errorf("dialling: %v after %v", err, time.Since(start))
		}
	})
	for _, script := range []string{"", opened + "C: STARTTLS\nS: 220 go\n"} {
		bubble(t, func(t *testing.T) {
			client, server := mem.Pipe(mem.Options{})
			e := &parley.Endpoint{Address: "mx.example:25", TLS: parley.TLSImplicit, TLSConfig: pki().client, Dialer: dialFunc(func() net.Conn { return client })}
			if script != "" {
				e.TLS = parley.TLSStartTLS
				go func() {
					say(server, "220 mx.example\r\n", "250-mx.example\r\n250 STARTTLS\r\n", "220 go\r\n")
				}()
			}
			start := time.Now()
			_, err := parley.Dial(t.Context(), e)
			if took := time.Since(start); !errors.Is(err, parley.ErrTimeout) || took < time.Minute || took > 5*time.Minute {
				t.Errorf("handshake: %v after %v", err, took)
			}
			server.Close()
		})
	}
}

// say writes one line after each read.
func say(nc net.Conn, lines ...string) {
	buf := make([]byte, 1024)
	for i, line := range lines {
		if i > 0 {
			nc.Read(buf)
		}
		io.WriteString(nc, line)
	}
}

type silentDialer struct{}

func (silentDialer) DialContext(ctx context.Context, _, _ string) (net.Conn, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

// A flood ends at the cap, in constant memory, before TLS and inside it.
func TestRule05Flood(t *testing.T) {
	const flood = 256 << 20
	for name, line := range map[string]string{"one line": strings.Repeat("x", 8<<10), "continuation lines": strings.Repeat("250-x\r\n", 1000)} {
		for _, secure := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/%v", name, secure), func(t *testing.T) {
				client, server := net.Pipe()
				pki()
				go func() {
					defer server.Close()
					nc := server
					buf := make([]byte, 1024)
					if secure {
						nc = tls.Server(server, pki().server)
					}
					io.WriteString(nc, "220 mx.example\r\n")
					nc.Read(buf)
					for n := 0; n < flood; n += len(line) {
						if _, err := io.WriteString(nc, line); err != nil {
							return
						}
					}
				}()
				e := &parley.Endpoint{Address: "mx.example:25", Dialer: dialFunc(func() net.Conn { return client })}
				if secure {
					e.TLS, e.TLSConfig = parley.TLSImplicit, pki().client
				}
				before := heap()
				_, err := parley.Dial(t.Context(), e)
				grown := heap() - before
				var syntax *codec.SyntaxError
				if !errors.Is(err, parley.ErrViolation) || !errors.As(err, &syntax) {
					t.Fatalf("error %v", err)
				}
				if grown > 1<<20 {
					t.Errorf("the heap has grown by %d KiB", grown>>10)
				}
			})
		}
	}
}

func heap() int64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// What the server says amiss is never matched to the wrong command.
func TestRule06Framing(t *testing.T) {
	for name, c := range map[string]struct {
		mail string // the answer to MAIL
		want string
		kind error
	}{
		"bare code":           {"S: 250", "accepted 250", nil},
		"LF only":             {`S| 250 ok\n`, "accepted 250", nil},
		"codes differ":        {"S: 250-a\nS: 251 b", "accepted 250", nil},
		"classes differ":      {"S: 250-a\nS: 550 b", "not_sent 0", parley.ErrViolation},
		"one reply too many":  {"S: 250 ok\nS: 250 ok", "not_sent 0", parley.ErrViolation},
		"greeting again":      {"S: 220 mx.example", "not_sent 0", parley.ErrViolation},
		"354 to MAIL":         {"S: 354 go", "not_sent 0", parley.ErrViolation},
		"letters in the code": {"S: 25O ok", "not_sent 0", parley.ErrViolation},
		"closing":             {"S: 421 bye", "not_sent 0", parley.ErrRefused},
		"closing by 221":      {"S: 221 bye", "not_sent 0", parley.ErrRefused},
	} {
		script := opened + "C: MAIL FROM:<a@x.example>\n" + c.mail + "\n"
		if c.kind == nil {
			script += "C: RCPT TO:<b@y.example>\nS: 250 ok\nC: RCPT TO:<c@y.example>\nS: 250 ok\nC: DATA\nS: 354 go\nC: Subject: hi\nC:\nC: .\nS: 250 ok\nC: QUIT\nS: 221 bye"
		}
		tx, err := against(t, script, nil)
		if c.kind == nil && err != nil || c.kind != nil && !errors.Is(err, c.kind) {
			t.Errorf("%s: error %v", name, err)
		}
		if got := statuses(tx)[0]; got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
}

// The transport declares what it is. A caller's own connection that says it is secure
// counts as secure; one that is not is an error before the first octet of SMTP.
func TestRule08DeclaredSecurity(t *testing.T) {
	nc := smtptest.Play(t, opened+"C: QUIT\nS: 221 bye", nil)
	e := &parley.Endpoint{
		Address: "mx.example:25", TLS: parley.TLSStartTLS,
		Dialer: dialFunc(func() net.Conn { return transport.NewSecure(nc, transport.Security{Verified: true}) }),
	}
	c, err := parley.Dial(t.Context(), e)
	if err != nil {
		t.Fatalf("declared secure: %v", err)
	}
	c.Quit(t.Context())

	client, server := net.Pipe()
	got := make(chan []byte)
	go func() {
		io.WriteString(server, "220 mx.example ESMTP\r\n")
		server.Close()
	}()
	go func() { b, _ := io.ReadAll(server); got <- b }()
	e.TLS, e.TLSConfig, e.Dialer = parley.TLSImplicit, pki().client, dialFunc(func() net.Conn { return client })
	if _, err = parley.Dial(t.Context(), e); !errors.Is(err, parley.ErrTLS) {
		t.Errorf("not secure: %v", err)
	}
	if b := <-got; strings.Contains(string(b), "EHLO") {
		t.Errorf("said %q", b)
	}
}

// Arguments cannot inject: they are refused before an octet of them leaves.
func TestRule10Arguments(t *testing.T) {
	for _, evil := range []string{"a\r\nRSET", "a\nb", "a\rb", "a\x00b"} {
		e := &parley.Endpoint{Address: "mx.example:25", Session: session.Config{Hello: evil}}
		nc := smtptest.Play(t, "S: 220 mx.example\nC: QUIT\nS: 221 bye", nil)
		e.Dialer = dialFunc(func() net.Conn { return nc })
		if _, err := parley.Dial(t.Context(), e); !errors.Is(err, parley.ErrMisuse) {
			t.Errorf("EHLO %q: %v", evil, err)
		}
		for _, cmd := range []fsm.Command{fsm.Vrfy, fsm.Expn, fsm.Help, fsm.Noop, fsm.Other} {
			nc := smtptest.Play(t, opened+"C: QUIT\nS: 221 bye", nil)
			c, err := parley.Dial(t.Context(), &parley.Endpoint{Address: "mx.example:25", Dialer: dialFunc(func() net.Conn { return nc })})
			if err != nil {
				t.Fatal(err)
			}
			if err := c.Do(t.Context(), &session.Request{Command: cmd, Arg: evil}); !errors.Is(err, parley.ErrMisuse) {
				t.Errorf("%v %q: %v", cmd, evil, err)
			}
			c.Quit(t.Context())
		}
		for name, set := range map[string]func(*session.Transaction){
			"ENVID": func(tx *session.Transaction) { tx.Envelope.Params.EnvelopeID = evil },
			"AUTH":  func(tx *session.Transaction) { tx.Envelope.Params.Auth = evil },
			"extra": func(tx *session.Transaction) { tx.Envelope.Params.Extra = []string{"X=" + evil} },
			"ORCPT": func(tx *session.Transaction) {
				tx.Envelope.Recipients[1].Params.OriginalRecipient = "rfc822;" + evil
			},
			"rcpt extra": func(tx *session.Transaction) { tx.Envelope.Recipients[1].Params.Extra = []string{evil} },
		} {
			dsn := strings.ReplaceAll(opened, "S: 250 mx.example", "S: 250-mx.example\nS: 250-AUTH PLAIN\nS: 250 DSN")
			tx, err := against(t, dsn+"C: QUIT\nS: 221 bye", func(_ *parley.Endpoint, tx *session.Transaction) { set(tx) })
			if !errors.Is(err, parley.ErrMisuse) || tx.Status(0) != session.NotSent {
				t.Errorf("%s %q: %v", name, evil, err)
			}
		}
	}
}

// Bare CR and LF never leave; where they may not be changed they are an error.
func TestRule11BareLineEnds(t *testing.T) {
	const bare = "Subject: hi\n\none\rtwo\r\n.\nthree\r"
	for _, data := range []session.DataMode{session.DataOnly, session.DataBDAT} {
		for _, streamed := range []bool{false, true} {
			for _, ends := range []codec.LineEnds{codec.Normalize, codec.Refuse} {
				peer := smtptest.Server(t, nil)
				c, err := parley.Dial(t.Context(), &parley.Endpoint{Address: peer.Addr, Session: session.Config{Data: data}})
				if err != nil {
					t.Fatal(err)
				}
				tx := transaction(t, "a@x.example", "b@y.example")
				tx.LineEnds = ends
				var body io.Reader = iotest.OneByteReader(strings.NewReader(bare))
				if !streamed {
					tx.Content, body = []byte(bare), nil
				}
				err = c.Send(t.Context(), tx, body)
				c.Quit(t.Context())
				if ends == codec.Refuse {
					var le *codec.LineEndError
					if !errors.Is(err, parley.ErrContent) || !errors.As(err, &le) || tx.Status(0) != session.NotSent || len(peer.Memory.Messages()) > 0 {
						t.Errorf("%v: %v", data, err)
					}
					continue
				}
				if err != nil {
					t.Fatal(err)
				}
				want := "Subject: hi\r\n\r\none\r\ntwo\r\n.\r\nthree\r\n"
				if diff := cmp.Diff(want, string(peer.Wait(t, 1)[0].Content)); diff != "" {
					t.Errorf("%v (-want +got):\n%s", data, diff)
				}
			}
		}
	}
}

// 251 and 252 are acceptances, and one refused recipient does not sink the rest, unless
// the caller says so.
func TestRule12Recipients(t *testing.T) {
	script := opened + "C: MAIL FROM:<a@x.example>\nS: 250 ok\nC: RCPT TO:<b@y.example>\nS: 251 will forward\nC: RCPT TO:<c@y.example>\n"
	data := "C: DATA\nS: 354 go\nC: Subject: hi\nC:\nC: .\nS: 250 ok\nC: QUIT\nS: 221 bye"
	for name, c := range map[string]struct {
		script   string
		required []bool
		want     []string
	}{
		"252":      {script + "S: 252 perhaps\n" + data, nil, []string{"accepted 250", "accepted 250"}},
		"refused":  {script + "S: 550 no\n" + data, nil, []string{"accepted 250", "refused 550"}},
		"required": {script + "S: 450 no\nC: QUIT\nS: 221 bye", []bool{false, true}, []string{"not_sent 251", "refused 450"}},
	} {
		tx, _ := against(t, c.script, func(_ *parley.Endpoint, tx *session.Transaction) { tx.Required = c.required })
		if diff := cmp.Diff(c.want, statuses(tx)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

// HELO comes only after "I do not know EHLO", never after 421, and a later error does
// not hide an earlier one.
func TestRule13Helo(t *testing.T) {
	for code, helo := range map[int]bool{500: true, 502: true, 503: true, 504: true, 550: false, 554: false, 421: false, 451: false} {
		script := fmt.Sprintf("S: 220 mx.example\nC: EHLO localhost\nS: %d no\n", code)
		switch {
		case helo:
			script += "C: HELO localhost\nX: close"
		case code != 421:
			script += "C: QUIT\nS: 221 bye"
		}
		_, err := against(t, script, nil)
		var e *parley.Error
		if !errors.As(err, &e) {
			t.Fatalf("%d: %v", code, err)
		}
		if helo && e.Kind != parley.ErrTransport || !helo && (e.Reply == nil || e.Reply.Code != code) {
			t.Errorf("%d: %v", code, err)
		}
	}
	for name, set := range map[string]func(*parley.Endpoint, *session.Transaction){
		"tls": func(e *parley.Endpoint, _ *session.Transaction) { e.TLS = parley.TLSStartTLS },
	} {
		_, err := against(t, "S: 220 mx.example\nC: EHLO localhost\nS: 502 no\nC: QUIT\nS: 221 bye", set)
		if !errors.Is(err, parley.ErrUnsupported) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Both sides can never wait for each other's write: a server that answers every RCPT
// before it reads the next one, over a link that holds almost nothing.
func TestRule15NoDeadlock(t *testing.T) {
	for _, buffer := range []int{1, 512, 8192} {
		bubble(t, func(t *testing.T) {
			memory := &sink.Memory{}
			srv := &sink.Server{Store: memory, Limits: sink.Limits{Recipients: 5000, Commands: 20000}}
			client, server := mem.Pipe(mem.Options{Buffer: buffer})
			done := make(chan struct{})
			go func() { defer close(done); srv.ServeConn(context.Background(), server) }()
			c, err := parley.Dial(t.Context(), &parley.Endpoint{Address: "mx.example:25", Dialer: dialFunc(func() net.Conn { return client })})
			if err != nil {
				t.Fatal(err)
			}
			var to []string
			for i := range 2000 {
				to = append(to, fmt.Sprintf("user%d@y.example", i))
			}
			tx := transaction(t, "a@x.example", to...)
			if err := c.Send(t.Context(), tx, strings.NewReader(strings.Repeat("0123456789\r\n", 20000))); err != nil {
				t.Errorf("buffer of %d: %v", buffer, err)
			}
			c.Quit(t.Context())
			<-done
			if n := len(memory.Messages()); n != 1 {
				t.Errorf("buffer of %d: %d messages", buffer, n)
			}
		})
	}
}

// Nothing returns nil on failure.
func TestRule17NoSilentFailure(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	l.Close()
	for name, e := range map[string]*parley.Endpoint{
		"refused port": {Address: addr},
		"no address":   {},
		"no port":      {Address: "localhost"},
		"no host":      {Address: "does-not-exist.example:25", Dialer: &transport.TCPDialer{Resolver: nobody{}}},
		"LMTP on 25":   {Address: "localhost:25", Session: session.Config{LMTP: true}},
		"no socket":    {Network: "unix", Address: t.TempDir() + "/none"},
	} {
		c, err := parley.Dial(t.Context(), e)
		var pe *parley.Error
		if c != nil || !errors.As(err, &pe) {
			t.Errorf("%s: %v, %v", name, c, err)
		}
		if wrong := errors.Is(err, parley.ErrMisuse); wrong != (name == "no address" || name == "LMTP on 25") {
			t.Errorf("%s: a misuse %v: %v", name, wrong, err)
		}
	}
	peer := smtptest.Server(t, nil)
	c, err := parley.Dial(t.Context(), &parley.Endpoint{Address: peer.Addr})
	if err != nil {
		t.Fatal(err)
	}
	c.Quit(t.Context())
	if err := c.Send(t.Context(), transaction(t, "a@x.example", "b@y.example"), nil); err == nil {
		t.Error("Send after Quit: no error")
	}
	if err := c.Do(t.Context(), &session.Request{Command: fsm.Noop}); err == nil {
		t.Error("NOOP after Quit: no error")
	}
}

// nobody is a resolver that knows no host.
type nobody struct{}

func (nobody) LookupNetIP(_ context.Context, _, host string) ([]netip.Addr, error) {
	return nil, &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}
}

// A server that refuses in the middle of the content and stops reading is neither
// overheard nor waited for.
func TestEarlyReply(t *testing.T) {
	for _, reply := range []string{"552 too big\r\n", "421 shutting down\r\n"} {
		bubble(t, func(t *testing.T) {
			client, server := mem.Pipe(mem.Options{Buffer: 64 << 10})
			go say(server, "220 mx.example\r\n", "250 mx.example\r\n", "250 ok\r\n", "250 ok\r\n", "354 go\r\n", reply)
			c, err := parley.Dial(t.Context(), &parley.Endpoint{Address: "mx.example:25", Dialer: dialFunc(func() net.Conn { return client })})
			if err != nil {
				t.Fatal(err)
			}
			tx := transaction(t, "a@x.example", "b@y.example")
			start := time.Now()
			err = c.Send(t.Context(), tx, strings.NewReader(strings.Repeat("0123456789\r\n", 1<<20)))
			if took := time.Since(start); took > time.Second {
				t.Errorf("%q: took %v", reply, took)
			}
			var e *parley.Error
			if !errors.As(err, &e) || e.Reply == nil || e.Reply.String() != strings.TrimSpace(reply) {
				t.Errorf("%q: %v", reply, err)
			}
			want := session.Refused
			if reply[0] == '4' {
				want = session.NotSent
			}
			if tx.Status(0) != want {
				t.Errorf("%q: %v", reply, tx.Status(0))
			}
			server.Close()
		})
	}
}
