//go:build unix

package transport_test

import (
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/parley-mail/parley/transport"
	"github.com/parley-mail/parley/transport/mem"
)

// exchange does one with memory of its own.
func exchange(nc net.Conn, out string) (wrote int, answer string, err error) {
	in := make([]byte, 64)
	wrote, n, err := transport.New(nc).(transport.Exchanger).Exchange(new(transport.Exchange), []byte(out), in)
	return wrote, string(in[:n]), err
}

func TestExchange(t *testing.T) {
	for network, address := range map[string]string{"tcp": "127.0.0.1:0", "unix": filepath.Join(t.TempDir(), "s")} {
		t.Run(network, func(t *testing.T) {
			client, server := ends(t, network, address)
			go func() {
				p := make([]byte, 4)
				for {
					if _, err := io.ReadFull(server, p); err != nil {
						return
					}
					server.Write(p)
				}
			}()
			l := transport.New(client)
			x := l.(transport.Exchanger)
			out, in := []byte("ping"), make([]byte, 64)
			var memory transport.Exchange
			turn := func() {
				wrote, read, err := x.Exchange(&memory, out, in)
				if wrote != 4 || string(in[:read]) != "ping" || err != nil {
					t.Fatalf("%d written, read %q, %v", wrote, in[:read], err)
				}
			}
			turn()
			if n := testing.AllocsPerRun(100, turn); n != 0 && !raceDetector {
				t.Errorf("%v allocations", n)
			}
		})
	}
}

// What the peer says is read, and its end is one.
func TestExchangeEnds(t *testing.T) {
	client, server := sockets(t)
	go func(server net.Conn) {
		p := make([]byte, 4)
		io.ReadFull(server, p)
		server.Close()
	}(server)
	if wrote, answer, err := exchange(client, "ping"); wrote != 4 || answer != "" || err != io.EOF {
		t.Errorf("%d, %q, %v", wrote, answer, err)
	}
	client, server = sockets(t)
	go func(server net.Conn) {
		p := make([]byte, 4)
		io.ReadFull(server, p)
		server.(*net.TCPConn).SetLinger(0)
		server.Close()
	}(server)
	var op *net.OpError
	if wrote, _, err := exchange(client, "ping"); wrote != 4 || !errors.Is(err, syscall.ECONNRESET) || !errors.As(err, &op) || op.Op != "read" || op.Addr == nil {
		t.Errorf("reset: %d, %v", wrote, err)
	}
	for range 2 { // the system may take the first to say that it is broken
		_, _, err := exchange(client, "ping")
		if !errors.As(err, &op) || op.Op != "write" && !errors.Is(err, io.EOF) {
			t.Errorf("after it: %v", err)
		}
	}
}

// What does not go out at once is left to the caller, and nothing is waited for.
func TestExchangeDoesNotWaitToWrite(t *testing.T) {
	client, server := sockets(t)
	x := transport.New(client).(transport.Exchanger)
	more := make([]byte, 64<<20) // than a socket takes
	wrote, read, err := x.Exchange(new(transport.Exchange), more, make([]byte, 64))
	if wrote == 0 || wrote == len(more) || read != 0 || err != nil {
		t.Fatal(wrote, read, err)
	}
	client.Close()
	if n, err := io.Copy(io.Discard, server); n != int64(wrote) || err != nil {
		t.Errorf("%d octets of %d, %v", n, wrote, err)
	}
}

// Where it cannot be done nothing is written, and nothing is wrong.
func TestExchangeElsewhere(t *testing.T) {
	client, server := sockets(t)
	late, _ := sockets(t)
	late.SetReadDeadline(time.Unix(1, 0))
	closed, _ := sockets(t)
	closed.Close()
	pipe, other := mem.Pipe(mem.Options{})
	defer other.Close()
	for name, nc := range map[string]net.Conn{
		"inside TLS":            transport.NewSecure(client, transport.Security{}),
		"wrapped by the caller": struct{ *net.TCPConn }{client.(*net.TCPConn)},
		"no socket":             pipe,
		"deadline passed":       late,
		"closed":                closed,
	} {
		if wrote, answer, err := exchange(nc, "ping"); wrote != 0 || answer != "" || err != nil {
			t.Errorf("%s: %d, %q, %v", name, wrote, answer, err)
		}
	}
	server.SetReadDeadline(time.Now().Add(time.Millisecond))
	if n, err := server.Read(make([]byte, 1)); n != 0 {
		t.Errorf("something was written: %v", err)
	}
}

// What the peer had said before, and that it says nothing now, loses nothing: at the latest
// it is there to be read after the deadline. A deadline ends the waiting at any time.
func TestExchangeWithWhoHasSpoken(t *testing.T) {
	client, server := sockets(t)
	said := "421 too late\r\n"
	io.WriteString(server, said)
	client.SetReadDeadline(time.Now().Add(20 * time.Millisecond))
	wrote, answer, err := exchange(client, "ping")
	if wrote != 4 || (answer == "") != errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("%d, %q, %v", wrote, answer, err)
	}
	client.SetReadDeadline(time.Now().Add(10 * time.Second))
	for in := make([]byte, 64); answer != said; {
		n, err := client.Read(in)
		if err != nil {
			t.Fatal(err)
		}
		answer += string(in[:n])
	}
	client.SetReadDeadline(time.Time{})
	ended := make(chan error)
	go func() {
		_, _, err := exchange(client, "ping")
		ended <- err
	}()
	client.SetReadDeadline(time.Unix(1, 0))
	if err := <-ended; err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Error(err)
	}
}
