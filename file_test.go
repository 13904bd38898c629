package parley_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/parley-mail/parley"
	"github.com/parley-mail/parley/events"
	"github.com/parley-mail/parley/internal/smtptest"
	"github.com/parley-mail/parley/message"
	"github.com/parley-mail/parley/session"
	"github.com/parley-mail/parley/transport"
)

// bigLines are so many octets of lines, no two alike.
func bigLines(octets int) []byte {
	var b bytes.Buffer
	for i := 0; b.Len() < octets; i++ {
		fmt.Fprintf(&b, "line %d of a message that is in a file\r\n", i)
	}
	return append(b.Bytes()[:octets-2], '\r', '\n')
}

// inFile opens a file of its own.
func inFile(t *testing.T, octets []byte) *os.File {
	t.Helper()
	name := filepath.Join(t.TempDir(), "message")
	if err := os.WriteFile(name, octets, 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(name, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

// chunker is a server that takes one message by BDAT, over TCP. During the chunk it stops
// after half of it, if there is something to be done there.
type chunker struct {
	half  func(nc net.Conn)
	final string // the reply to the chunk; "": there is none

	chunks []int64
	got    bytes.Buffer
	err    error // how the session ended, if not by QUIT
}

func (s *chunker) serve(nc net.Conn) {
	r := bufio.NewReader(nc)
	io.WriteString(nc, "220 mx.example\r\n")
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			s.err = err
			return
		}
		switch verb, rest, _ := strings.Cut(strings.TrimSpace(line), " "); verb {
		case "EHLO":
			io.WriteString(nc, "250-mx.example\r\n250-PIPELINING\r\n250-CHUNKING\r\n250 BINARYMIME\r\n")
		case "BDAT":
			var n int64
			fmt.Sscan(rest, &n)
			s.chunks = append(s.chunks, n)
			if s.half != nil {
				if _, s.err = io.CopyN(&s.got, r, n/2); s.err != nil {
					return
				}
				s.half(nc)
				n -= n / 2
			}
			if _, s.err = io.CopyN(&s.got, r, n); s.err != nil {
				return
			}
			io.WriteString(nc, s.final)
		case "QUIT":
			io.WriteString(nc, "221 bye\r\n")
			return
		default:
			io.WriteString(nc, "250 ok\r\n")
		}
	}
}

// dialChunker connects to the server; done waits for its end.
func dialChunker(t *testing.T, s *chunker, bus *events.Bus) (c *parley.Conn, done func()) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		defer l.Close()
		nc, err := l.Accept()
		if err != nil {
			return
		}
		defer nc.Close()
		nc.(*net.TCPConn).SetReadBuffer(64 << 10) // most of the chunk waits at the client
		s.serve(nc)
	}()
	t.Cleanup(func() { l.Close(); <-ended })
	c, err = parley.Dial(t.Context(), &parley.Endpoint{
		Address: l.Addr().String(), Session: session.Config{Data: session.DataBDAT}, Events: bus,
		Dialer: dialFunc(func() net.Conn {
			nc, err := net.Dial("tcp", l.Addr().String())
			if err == nil {
				err = nc.(*net.TCPConn).SetWriteBuffer(64 << 10)
			}
			if err != nil {
				t.Error(err)
			}
			return nc
		}),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c, func() { <-ended }
}

// What is in a file goes as one chunk, straight to the socket, with every octet of it. What is
// short, or has to be looked at, is read.
func TestFileGoesAsOneChunk(t *testing.T) {
	all := bigLines(5<<20 + 4321)
	for name, tt := range map[string]struct {
		content   []byte
		body      func(f *os.File) io.Reader
		canonical bool
		want      []byte
		direct    bool
	}{
		"whole":          {all, func(f *os.File) io.Reader { return f }, true, all, true},
		"from an offset": {all, func(f *os.File) io.Reader { f.Seek(1000, io.SeekStart); return f }, true, all[1000:], true},
		"a part": {all, func(f *os.File) io.Reader {
			f.Seek(1000, io.SeekStart)
			return &io.LimitedReader{R: f, N: 3 << 20}
		}, true, all[1000 : 1000+3<<20], true},
		"as content": {all, func(f *os.File) io.Reader {
			c, err := message.FromFile(f.Name())
			if err != nil {
				t.Fatal(err)
			}
			r, err := c.Open()
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { r.Close() })
			return r
		}, true, all, true},
		"empty":             {nil, func(f *os.File) io.Reader { return f }, true, nil, true},
		"short":             {all[:100], func(f *os.File) io.Reader { return f }, true, all[:100], true},
		"not known":         {all, func(f *os.File) io.Reader { return f }, false, all, false},
		"not only the file": {all, func(f *os.File) io.Reader { return io.MultiReader(f, strings.NewReader("end\r\n")) }, true, append(all[:len(all):len(all)], "end\r\n"...), false},
	} {
		t.Run(name, func(t *testing.T) {
			s := &chunker{final: "250 ok\r\n"}
			c, done := dialChunker(t, s, nil)
			tx := transaction(t, "a@x.example", "b@y.example")
			tx.Canonical = tt.canonical
			if err := c.Send(t.Context(), tx, tt.body(inFile(t, tt.content))); err != nil {
				t.Fatal(err)
			}
			if err := c.Quit(t.Context()); err != nil {
				t.Fatal(err)
			}
			done()
			if !bytes.Equal(s.got.Bytes(), tt.want) || tx.Sent() != int64(len(tt.want)) {
				t.Errorf("%d octets came, %d were sent, or others than the %d in the file", s.got.Len(), tx.Sent(), len(tt.want))
			}
			if (len(s.chunks) == 1) != tt.direct {
				t.Errorf("chunks of %d", s.chunks)
			}
		})
	}
}

// A file that fails within its chunk: the session ends there, no other octet takes the place
// of those that are missing, and nobody has the message.
func TestFileFailsWithinItsChunk(t *testing.T) {
	all := bigLines(16 << 20)
	for name, fail := range map[string]func(f *os.File) error{
		"truncated": func(f *os.File) error { return os.Truncate(f.Name(), 12<<20) },
		"closed":    func(f *os.File) error { return f.Close() },
	} {
		t.Run(name, func(t *testing.T) {
			f := inFile(t, all)
			s := &chunker{half: func(net.Conn) {
				if err := fail(f); err != nil {
					t.Error(err)
				}
			}, final: "250 ok\r\n"}
			c, done := dialChunker(t, s, nil)
			tx := transaction(t, "a@x.example", "b@y.example")
			tx.Canonical = true
			err := c.Send(t.Context(), tx, f)
			if !errors.Is(err, parley.ErrContent) || tx.Status(0) != session.NotSent || c.Session().Err() == nil {
				t.Errorf("%v, %v, session %v", err, tx.Status(0), c.Session().Err())
			}
			c.Close()
			done()
			if s.err == nil || s.got.Len() >= len(all) || !bytes.HasPrefix(all, s.got.Bytes()) {
				t.Errorf("%d octets came, then %v", s.got.Len(), s.err)
			}
		})
	}
}

// A call that is cancelled ends a file as it ends other content.
func TestFileIsCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	s := &chunker{half: func(net.Conn) { cancel() }, final: "250 ok\r\n"}
	c, done := dialChunker(t, s, nil)
	tx := transaction(t, "a@x.example", "b@y.example")
	tx.Canonical = true
	err := c.Send(ctx, tx, inFile(t, bigLines(16<<20)))
	if !errors.Is(err, context.Canceled) || tx.Status(0) != session.Unknown {
		t.Errorf("%v, %v", err, tx.Status(0))
	}
	c.Close()
	done()
	if s.got.Len() >= 16<<20 {
		t.Error("all of it came")
	}
}

// A reply that comes in the middle of the chunk is read while the file is written; the
// session lives on.
func TestFileIsRefusedEarly(t *testing.T) {
	early := make(chan struct{})
	bus := &events.Bus{}
	bus.Subscribe(events.Of(events.KindReplyReceived), func(e events.Event) {
		if r, ok := e.(*events.ReplyReceived); ok && r.Reply.Code == 552 {
			close(early)
		}
	})
	all := bigLines(16 << 20)
	s := &chunker{half: func(nc net.Conn) {
		io.WriteString(nc, "552 too much\r\n")
		select {
		case <-early:
		case <-time.After(time.Minute):
			t.Error("nobody reads beside the file")
		}
	}}
	c, done := dialChunker(t, s, bus)
	tx := transaction(t, "a@x.example", "b@y.example")
	tx.Canonical = true
	err := c.Send(t.Context(), tx, inFile(t, all))
	if !errors.Is(err, parley.ErrRefused) || tx.Status(0) != session.Refused || tx.Final().Code != 552 {
		t.Errorf("%v, %v", err, tx.Status(0))
	}
	if err := c.Quit(t.Context()); err != nil {
		t.Error(err)
	}
	done()
	if s.err != nil || !bytes.Equal(s.got.Bytes(), all) {
		t.Errorf("%d octets came: %v", s.got.Len(), s.err)
	}
}

// Over TLS, and for who follows the progress, a file is read as other content is.
func TestFileIsSeenOnTheWay(t *testing.T) {
	all := bigLines(2 << 20)
	peer := smtptest.Server(t, nil)
	for name, e := range map[string]*parley.Endpoint{
		"TLS":      {Address: peer.Addr, TLS: parley.TLSStartTLS, TLSConfig: &transport.TLSConfig{RootCAs: peer.Roots, ServerName: "localhost"}},
		"progress": {Address: peer.Addr, Events: &events.Bus{}},
	} {
		var seen bytes.Buffer
		if e.Events != nil {
			e.Events.Subscribe(events.Of(events.KindTransfer), func(ev events.Event) { seen.Write(ev.(*events.Transfer).Text) })
		}
		e.Session.Data = session.DataBDAT
		c, err := parley.Dial(t.Context(), e)
		if err != nil {
			t.Fatal(err)
		}
		before := len(peer.Memory.Messages())
		tx := transaction(t, "a@x.example", "b@y.example")
		tx.Canonical = true
		if err := c.Send(t.Context(), tx, inFile(t, all)); err != nil {
			t.Fatal(err)
		}
		c.Quit(t.Context())
		if got := peer.Wait(t, before+1)[before]; !bytes.Equal(got.Content, all) {
			t.Errorf("%s: %d octets came", name, len(got.Content))
		}
		if e.Events != nil && !bytes.Equal(seen.Bytes(), all) {
			t.Errorf("%d octets were seen", seen.Len())
		}
	}
}
