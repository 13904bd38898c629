package parley_test

import (
	"bufio"
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parley-mail/parley"
	"github.com/parley-mail/parley/codec"
	"github.com/parley-mail/parley/internal/sink"
	"github.com/parley-mail/parley/internal/smtptest"
	"github.com/parley-mail/parley/transport/mem"
)

// mute is a server that falls silent at the line that begins so; "" is the connection.
type mute string

// DialContext connects to a new one.
func (m mute) DialContext(context.Context, string, string) (net.Conn, error) {
	client, server := mem.Pipe(mem.Options{})
	go func() {
		defer server.Close()
		say := func(line string) { server.Write([]byte(line + "\r\n")) }
		if m != "" {
			say("220 hi")
		}
		content := false
		for lines := bufio.NewScanner(server); lines.Scan(); {
			line := lines.Text()
			switch {
			case m == "", content && line != ".", strings.HasPrefix(line, string(m)):
			case line == "DATA":
				content = true
				say("354 go on")
			case line == ".":
				content = false
				say("250 ok")
			default:
				say("250 ok")
			}
		}
	}()
	return client, nil
}

// took tests how long a session with a silent server takes until it is given up.
func took(t *testing.T, silent mute, want time.Duration, settings ...string) {
	t.Helper()
	s := parley.New()
	s.Dialer, s.MailServer, s.Hello = silent, "mx.example", "client.example"
	s.From, s.SendTo, s.MessageText = "a@x.example", "b@y.example", "hi\r\n"
	sets(t, s, settings...)
	begun := time.Now()
	_, err := s.Send(t.Context())
	if !errors.Is(err, parley.ErrTimeout) && !errors.Is(err, context.DeadlineExceeded) || parley.ErrorCode(err) != 201 {
		t.Errorf("%q, silent at %q: %v, code %d", settings, string(silent), err, parley.ErrorCode(err))
	}
	if got := time.Since(begun); got < want || got > want+want/10 {
		t.Errorf("%q, silent at %q: given up after %v, want %v", settings, string(silent), got, want)
	}
}

// inBubble runs a test where time is virtual.
func inBubble(f func(*testing.T)) func(*testing.T) {
	return func(t *testing.T) { synctest.Test(t, f) }
}

// overSocket returns a class with a session over TCP, and the peer.
func overSocket(t *testing.T, settings ...string) (*parley.SMTP, *smtptest.Peer) {
	t.Helper()
	s, peer := class(t, nil)
	overTCP(t, s, peer)
	sets(t, s, settings...)
	if err := s.Connect(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Disconnect(context.Background()) })
	return s, peer
}

// option tests a socket's option without and with settings.
func option(what socketOption, without int, with func(got, without int) bool, settings ...string) func(*testing.T) {
	return func(t *testing.T) {
		s, _ := overSocket(t)
		before := sockopt(t, parley.SocketOf(s), what)
		if without >= 0 && before != without {
			t.Errorf("by default it is %d, want %d", before, without)
		}
		s, _ = overSocket(t, settings...)
		if got := sockopt(t, parley.SocketOf(s), what); !with(got, before) {
			t.Errorf("%q: it is %d, by default %d", settings, got, before)
		}
	}
}

func is(want int) func(got, without int) bool {
	return func(got, _ int) bool { return got == want }
}

var socketRows = rowTests{
	"property/Timeout": inBubble(func(t *testing.T) {
		took(t, "MAIL", time.Minute)
		took(t, "MAIL", 7*time.Second, "Timeout=7")
		took(t, "", 7*time.Second, "Timeout=7")
		took(t, "MAIL", 5*time.Minute, "Timeout=0") // RFC 5321 §4.5.3.2.2
		took(t, ".", 10*time.Minute, "Timeout=7")
		took(t, ".", 20*time.Minute, "Timeout=1200")
	}),
	"setting/AbsoluteTimeout": inBubble(func(t *testing.T) {
		took(t, "MAIL", 7*time.Second, "Timeout=7", "AbsoluteTimeout=True")
		took(t, ".", 7*time.Second, "Timeout=7", "AbsoluteTimeout=True")
	}),
	"setting/ConnectionTimeout": inBubble(func(t *testing.T) {
		took(t, "", 3*time.Second, "Timeout=7", "ConnectionTimeout=3")
		took(t, "MAIL", 7*time.Second, "Timeout=7", "ConnectionTimeout=3")
		took(t, "", time.Minute)
	}),
	"setting/MaxTransferRate": inBubble(func(t *testing.T) {
		memory := &sink.Memory{}
		srv := &sink.Server{Store: memory}
		s := parley.New()
		s.Dialer = dialFunc(func() net.Conn {
			client, server := mem.Pipe(mem.Options{})
			go srv.ServeConn(context.Background(), server)
			return client
		})
		s.MailServer, s.Hello, s.From, s.SendTo = "mx.example", "client.example", "a@x.example", "b@y.example"
		s.MessageText = strings.Repeat("0123456789\r\n", 1000)
		sets(t, s, "MaxTransferRate=1000")
		begun := time.Now()
		if _, err := s.Send(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := time.Since(begun); got < 11*time.Second || got > 14*time.Second {
			t.Errorf("12000 octets took %v", got)
		}
	}),
	"setting/MaxLineLength": func(t *testing.T) {
		long := "S: 220 hi\nC: EHLO {any}\nS: 250 " + strings.Repeat("x", 400) + "\n"
		s := scripted(t, long+"C: QUIT\nS: 221 bye\n")
		sets(t, s, "MaxLineLength=512")
		if err := s.Connect(t.Context()); err != nil {
			t.Error(err)
		}
		s.Disconnect(t.Context())
		s = scripted(t, long+"X: eof\n")
		sets(t, s, "MaxLineLength=256")
		if err := s.Connect(t.Context()); !errors.Is(err, parley.ErrViolation) || parley.ErrorCode(err) != 162 {
			t.Errorf("a line over the limit: %v", err)
		}
		if _, err := s.Config("MaxLineLength=255"); !errors.Is(err, parley.ErrBadValue) {
			t.Errorf("255: %v", err)
		}
		frozen(t, "MaxLineLength", "1000", func(s *parley.SMTP) { s.MaxLineLength = 1000 })
		if parley.New().MaxLineLength != codec.DefaultLine {
			t.Error("the default is not the codec's")
		}
	},
	"setting/TCPKeepAlive":      option(keepAlive, 0, func(got, _ int) bool { return got != 0 }, "TCPKeepAlive=True"),
	"setting/KeepAliveTime":     all(option(keepIdle, -1, is(77), "KeepAliveTime=77000"), option(keepAlive, 0, func(got, _ int) bool { return got != 0 }, "KeepAliveTime=77000")),
	"setting/KeepAliveInterval": all(option(keepInterval, -1, is(33), "KeepAliveInterval=33000"), option(keepAlive, 0, func(got, _ int) bool { return got != 0 }, "KeepAliveInterval=33000")),
	"setting/TcpNoDelay":        option(noDelay, 1, is(0), "TcpNoDelay=False"),
	"setting/InBufferSize":      option(readBuffer, -1, func(got, without int) bool { return got != without && got >= 30000 && got <= 60000 }, "InBufferSize=30000"),
	"setting/OutBufferSize":     option(writeBuffer, -1, func(got, without int) bool { return got != without && got >= 30000 && got <= 60000 }, "OutBufferSize=30000"),
	"setting/Linger":            option(lingering, lingerOff, is(0), "Linger=False"),
	"setting/LingerTime": func(t *testing.T) {
		option(lingering, lingerOff, is(5), "LingerTime=5")(t)
		s, _ := class(t, nil) // in memory, where it cannot apply
		sets(t, s, "LingerTime=5")
		if err := s.Connect(t.Context()); !errors.Is(err, parley.ErrTransport) {
			t.Errorf("where it cannot apply: %v", err)
		}
	},
	"setting/UseIPv6": func(t *testing.T) {
		for value, ok := range map[string]bool{"dual": true, "0": true, "1": false, "2": true} {
			s, peer := class(t, nil) // listens on 127.0.0.1 alone
			overTCP(t, s, peer)
			sets(t, s, "MailServer=localhost", "UseIPv6="+value)
			_, err := s.Send(t.Context())
			if ok && err != nil || !ok && !errors.Is(err, parley.ErrTransport) {
				t.Errorf("%s: %v", value, err)
			}
		}
		s, _ := class(t, nil)
		sets(t, s, "UseIPv6=1")
		if err := s.Connect(t.Context()); !errors.Is(err, parley.ErrMisuse) {
			t.Errorf("with a Dialer that chooses for itself: %v", err)
		}
	},
	"setting/KeepQueue": func(t *testing.T) {
		for setting, want := range map[string]int{"False": 0, "True": 1} {
			s, peer, dir := queued(t, "one")
			sets(t, s, "KeepQueue="+setting)
			if err := s.ProcessQueue(t.Context(), dir); err != nil {
				t.Fatal(err)
			}
			if n := len(files(t, dir, "*.sent")); n != want || len(peer.Memory.Messages()) != 1 {
				t.Errorf("%s: %d files kept", setting, n)
			}
		}
	},
	"method/Queue": func(t *testing.T) {
		s, peer := class(t, nil)
		dir := t.TempDir()
		s.BCc = "secret@y.example"
		name, err := s.Queue(t.Context(), dir)
		if err != nil || !strings.HasSuffix(name, ".queued") || filepath.Base(name) != name {
			t.Fatalf("%q, %v", name, err)
		}
		if got := files(t, dir, "*"); len(got) != 1 || len(peer.Memory.Messages()) != 0 {
			t.Errorf("files %q", got)
		}
		if _, err := s.Queue(t.Context(), filepath.Join(dir, "missing")); !errors.Is(err, os.ErrNotExist) || parley.ErrorCode(err) != 302 {
			t.Errorf("no directory: %v, code %d", err, parley.ErrorCode(err))
		}
		s.From = ""
		if _, err := s.Queue(t.Context(), dir); !errors.Is(err, parley.ErrNoSender) {
			t.Errorf("no sender: %v", err)
		}
	},
	"method/ProcessQueue": func(t *testing.T) {
		s, peer, dir := queued(t, "one", "two")
		s.MailServer = ""
		if err := s.ProcessQueue(t.Context(), dir); !errors.Is(err, parley.ErrNoServer) || len(files(t, dir, "*.queued")) != 2 {
			t.Errorf("no server: %v, files %q", err, files(t, dir, "*"))
		}
		s.MailServer = "localhost"
		if err := s.ProcessQueue(t.Context(), dir); err != nil {
			t.Fatal(err)
		}
		got := peer.Wait(t, 2)
		if header(t, got[0].Content).Get("Subject") != "one" || header(t, got[1].Content).Get("Subject") != "two" || len(got[0].Paths()) != 2 {
			t.Errorf("delivered %q, %q", got[0].Content, got[1].Content)
		}
		if left := files(t, dir, "*"); len(left) != 0 || s.Connected() {
			t.Errorf("left behind %q, connected %v", left, s.Connected())
		}
		if err := s.ProcessQueue(t.Context(), dir); err != nil {
			t.Errorf("an empty one: %v", err)
		}
	},
}

// queued returns a class and a directory in which these subjects wait.
func queued(t *testing.T, subjects ...string) (*parley.SMTP, *smtptest.Peer, string) {
	t.Helper()
	s, peer := class(t, nil)
	dir := t.TempDir()
	s.BCc = "secret@y.example"
	for _, s.Subject = range subjects {
		if _, err := s.Queue(t.Context(), dir); err != nil {
			t.Fatal(err)
		}
		s.MessageId = "*"
	}
	return s, peer, dir
}

func files(t *testing.T, dir, pattern string) []string {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, pattern))
	if err != nil {
		t.Fatal(err)
	}
	return names
}

// A local socket knows nothing of TCP, and does not mind.
func TestUnixSocket(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lmtp")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Skip(err)
	}
	memory := &sink.Memory{}
	srv := &sink.Server{LMTP: true, Store: memory}
	done := make(chan struct{})
	go func() { defer close(done); srv.Serve(context.Background(), l) }()
	defer func() { srv.Close(); <-done }()
	s := parley.New()
	s.Network, s.MailServer, s.LMTP, s.Hello = "unix", path, true, "client.example"
	s.From, s.SendTo, s.MessageText = "a@x.example", "b@y.example", "hi\r\n"
	if _, err := s.Send(t.Context()); err != nil || len(memory.Messages()) != 1 {
		t.Errorf("%v, %d messages", err, len(memory.Messages()))
	}
	s.KeepAliveTime = time.Minute
	if _, err := s.Send(t.Context()); !errors.Is(err, parley.ErrTransport) {
		t.Errorf("keep-alive: %v", err)
	}
}

// An endpoint without a dialer of its own sends no keep-alive probes, and may be any socket.
func TestPlainDialer(t *testing.T) {
	for network, address := range map[string]string{"tcp": "127.0.0.1:0", "unix": filepath.Join(t.TempDir(), "s")} {
		l, err := net.Listen(network, address)
		if err != nil {
			t.Fatal(err)
		}
		srv := &sink.Server{}
		done := make(chan struct{})
		go func() { defer close(done); srv.Serve(context.Background(), l) }()
		defer func() { srv.Close(); <-done }()
		c, err := parley.Dial(t.Context(), &parley.Endpoint{Network: network, Address: l.Addr().String()})
		if err != nil {
			t.Errorf("%s: %v", network, err)
			continue
		}
		defer c.Close()
		if nc := parley.BottomOf(c); network == "tcp" && sockopt(t, nc, keepAlive) != 0 {
			t.Error("there are probes")
		}
	}
}
