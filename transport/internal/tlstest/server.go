// Package tlstest is the other side of a TLS handshake in tests: a server in memory
// that keeps what the client said first, so that a test can look at the hello as it
// was on the wire.
//
// It knows crypto/tls as a server and the shape of a ClientHello. It refuses to judge:
// what is right is the test's to say.
package tlstest

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/parley-mail/parley/transport"
	"github.com/parley-mail/parley/transport/mem"
)

// Patience is how long a handshake in a test may take before it counts as stuck.
const Patience = 20 * time.Second

// Link is the client's end of a link whose other end is about to do a handshake.
type Link struct {
	transport.Conn

	raw  *tap
	done chan struct{}
	cs   tls.ConnectionState
	err  error
}

// Dial makes a link to a server of that configuration, which does its handshake and
// then sends back every line it gets. With starttls the dialogue before the
// handshake has been had.
func Dial(t testing.TB, cfg *tls.Config, starttls bool) *Link {
	return serve(t, starttls, func(l *Link, nc net.Conn) {
		conn := tls.Server(nc, cfg)
		l.err = conn.Handshake()
		l.cs = conn.ConnectionState()
		close(l.done)
		if l.err != nil {
			return
		}
		echo(conn)
	})
}

// DialRaw makes a link to a server that does whatever serve does.
func DialRaw(t testing.TB, do func(nc net.Conn)) *Link {
	return serve(t, false, func(l *Link, nc net.Conn) {
		close(l.done)
		do(nc)
	})
}

func serve(t testing.TB, starttls bool, do func(*Link, net.Conn)) *Link {
	t.Helper()
	a, b := mem.Pipe(mem.Options{})
	l := &Link{Conn: transport.New(a), raw: &tap{Conn: b}, done: make(chan struct{})}
	over := make(chan struct{})
	go func() {
		defer close(over)
		defer b.Close()
		if starttls {
			if err := announce(b); err != nil {
				l.err = err
				close(l.done)
				return
			}
		}
		do(l, l.raw)
	}()
	deadline := time.Now().Add(Patience)
	a.SetDeadline(deadline)
	b.SetDeadline(deadline)
	t.Cleanup(func() {
		l.Close()
		a.Close()
		<-over
	})
	if starttls {
		ask(t, l)
	}
	return l
}

// announce is the server's part of RFC 3207 §4, without the pleasantries.
func announce(nc net.Conn) error {
	if _, err := io.WriteString(nc, "220 mx.example\r\n"); err != nil {
		return err
	}
	const command = "STARTTLS\r\n"
	got := make([]byte, len(command))
	if _, err := io.ReadFull(nc, got); err != nil || string(got) != command {
		return fmt.Errorf("tlstest: client said %q, %v", got, err)
	}
	_, err := io.WriteString(nc, "220 go\r\n")
	return err
}

func ask(t testing.TB, l *Link) {
	t.Helper()
	expect(t, l, "220 mx.example\r\n")
	if _, err := io.WriteString(l, "STARTTLS\r\n"); err != nil {
		t.Fatal(err)
	}
	expect(t, l, "220 go\r\n")
}

func expect(t testing.TB, r io.Reader, want string) {
	t.Helper()
	got := make([]byte, len(want))
	if n, err := io.ReadFull(r, got); err != nil || string(got) != want {
		t.Fatalf("read %q, %v; want %q", got[:n], err, want)
	}
}

func echo(nc net.Conn) {
	in := bufio.NewReader(nc)
	for {
		line, err := in.ReadString('\n')
		if err != nil {
			return
		}
		if _, err := io.WriteString(nc, line); err != nil {
			return
		}
	}
}

// Server waits for the end of the server's handshake and returns how it went.
func (l *Link) Server() (tls.ConnectionState, error) {
	<-l.done
	return l.cs, l.err
}

// Echo proves that octets pass both ways. It also takes in the tickets that a server
// of TLS 1.3 sends behind its handshake.
func (l *Link) Echo(t testing.TB) {
	t.Helper()
	const line = "NOOP\r\n"
	if _, err := io.WriteString(l, line); err != nil {
		t.Fatal(err)
	}
	expect(t, l, line)
}

// Hellos returns the hellos that the client has sent: a second one after a retry.
func (l *Link) Hellos(t testing.TB) []Hello {
	t.Helper()
	hellos, err := ParseHellos(l.raw.octets())
	if err != nil {
		t.Fatal(err)
	}
	return hellos
}

// tap keeps the beginning of what is read.
type tap struct {
	net.Conn
	mu   sync.Mutex
	kept []byte
}

const tapped = 32 << 10

func (c *tap) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.kept = append(c.kept, p[:min(n, tapped-len(c.kept))]...)
	return n, err
}

func (c *tap) octets() []byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]byte(nil), c.kept...)
}
