package transport_test

import (
	"bytes"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"os"
	"runtime"
	"testing"
	"time"

	"github.com/parley-mail/parley/transport"
	"github.com/parley-mail/parley/transport/mem"
)

func TestClearLink(t *testing.T) {
	a, b := mem.Pipe(mem.Options{})
	defer b.Close()
	c := transport.New(a)
	if transport.New(c) != c {
		t.Error("a Conn was wrapped again")
	}
	if s := c.Security(); s.Secure || s.String() != "clear" || s.VersionName() != "" || s.SuiteName() != "" || s.KeyExchange() != "" || s.CipherBits() != 0 {
		t.Errorf("%v", s)
	}
	if c.LocalAddr().String() != "client" || c.RemoteAddr().String() != "server" || transport.Unwrap(c) != a {
		t.Errorf("%v, %v", c.LocalAddr(), c.RemoteAddr())
	}
	buffers := net.Buffers{[]byte("MAIL "), nil, []byte("FROM:<>\r\n")}
	if n, err := c.(transport.BuffersWriter).WriteBuffers(&buffers); n != 14 || err != nil || len(buffers) != 0 {
		t.Errorf("%d, %v, %q left", n, err, buffers)
	}
	p := make([]byte, 14)
	if _, err := io.ReadFull(b, p); err != nil || string(p) != "MAIL FROM:<>\r\n" {
		t.Errorf("%q, %v", p, err)
	}
	c.SetReadDeadline(time.Unix(1, 0))
	if _, err := c.Read(p); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("%v", err)
	}
	c.SetWriteDeadline(time.Unix(1, 0))
	if _, err := c.Write(p); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("%v", err)
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}
}

// declared is a connection that somebody else has secured, and that says so.
type declared struct {
	net.Conn
	security transport.Security
}

func (d declared) Security() transport.Security { return d.security }

func TestSecuredByOthers(t *testing.T) {
	a, b := mem.Pipe(mem.Options{})
	defer a.Close()
	defer b.Close()
	server := server()
	server.SessionTicketsDisabled = true
	go tls.Server(b, server).Handshake()
	tc := tls.Client(a, &tls.Config{ServerName: host, RootCAs: authority().Pool()})
	if err := tc.Handshake(); err != nil {
		t.Fatal(err)
	}
	s := transport.SecurityOf(tc.ConnectionState())
	if !s.Secure || !s.Verified || s.Trust != transport.TrustChain || s.Engine != "" || s.Version != tls.VersionTLS13 {
		t.Errorf("%+v", s)
	}
	if _, err := s.ChannelBinding(transport.BindingExporter); err != nil {
		t.Error(err)
	}
	if c := transport.NewSecure(tc, s); !c.Security().Secure || transport.Unwrap(c) != a {
		t.Errorf("%v", c.Security())
	}
	c := transport.New(declared{tc, s})
	if got := c.Security(); got.String() != s.String() {
		t.Errorf("%v", got)
	}
	if _, err := c.StartTLS(t.Context(), nil); !errors.Is(err, transport.ReasonAlreadySecure) {
		t.Errorf("%v", err)
	}
	if c := transport.New(declared{tc, transport.Security{}}); c.Security().Secure {
		t.Error("a link that says it is clear is secure")
	}
}

// Many buffers leave as few records, and arrive as they are.
func TestBuffersInsideTLS(t *testing.T) {
	eachRun(t, func(t *testing.T, r run) {
		if r.starttls {
			t.Skip("the same")
		}
		big := bytes.Repeat([]byte("0123456789abcdef"), 5<<10)
		for _, sizes := range [][]int{{}, {0, 0}, {1}, {100, 1, 3, 0, 2000}, {16 << 10}, {1, 16 << 10, 1}, {5000, 5000, 5000, 5000}, {40 << 10, 7, 40 << 10}} {
			records := 0
			l, _ := r.connect(t, r.config(transport.TLSConfig{MaxVersion: tls.VersionTLS12, RecordLog: func(rec transport.TLSRecord) {
				if rec.Sent && rec.TypeName() == "application_data" {
					records++
				}
			}}), server())
			var b net.Buffers
			var want []byte
			for i, n := range sizes {
				b = append(b, big[i:i+n])
				want = append(want, big[i:i+n]...)
			}
			b = append(b, []byte("\n"))
			want = append(want, '\n')
			records = 0
			n, err := l.Conn.(transport.BuffersWriter).WriteBuffers(&b)
			if n != int64(len(want)) || err != nil || len(b) != 0 {
				t.Errorf("%v: %d, %v", sizes, n, err)
			}
			got := make([]byte, len(want))
			if _, err := io.ReadFull(l, got); err != nil || !bytes.Equal(got, want) {
				t.Errorf("%v: %d octets, %v", sizes, len(got), err)
			}
			if limit := 3 + len(want)/(1<<10); records > limit || len(want) < 1000 && records != 1 {
				t.Errorf("%v: %d records", sizes, records)
			}
		}
	})
}

func TestBuffersOnALostLink(t *testing.T) {
	l, _ := run{"std", false}.connect(t, run{"std", false}.config(transport.TLSConfig{}), server())
	l.Close()
	for _, sizes := range [][]int{{3}, {20 << 10}, {10 << 10, 10 << 10}} {
		var b net.Buffers
		for _, n := range sizes {
			b = append(b, make([]byte, n))
		}
		if n, err := l.Conn.(transport.BuffersWriter).WriteBuffers(&b); n != 0 || err == nil {
			t.Errorf("%v: %d, %v", sizes, n, err)
		}
	}
}

// Readable tells without waiting and takes nothing away.
func TestReadableInsideTLS(t *testing.T) {
	eachRun(t, func(t *testing.T, r run) {
		l, _ := r.connect(t, r.config(transport.TLSConfig{}), server())
		probe := l.Conn.(transport.Prober)
		if ok, err := probe.Readable(); ok || err != nil {
			t.Errorf("nothing there: %v, %v", ok, err)
		}
		// Two lines that come in one record: one is read, the other stays inside TLS.
		if _, err := io.WriteString(l, "a\nb\n"); err != nil {
			t.Fatal(err)
		}
		p := make([]byte, 2)
		for _, want := range []string{"a\n", "b\n"} {
			if _, err := io.ReadFull(l, p); err != nil || string(p) != want {
				t.Fatalf("%q, %v", p, err)
			}
			if want == "a\n" {
				for range 3 {
					// The second line is on its way or here; once here it stays.
					for range 100000 {
						if ok, err := probe.Readable(); err != nil {
							t.Fatal(err)
						} else if ok {
							break
						}
						runtime.Gosched()
					}
				}
			}
		}
		if ok, err := probe.Readable(); ok || err != nil {
			t.Errorf("all was read: %v, %v", ok, err)
		}
		l.Echo(t)
		l.Close()
		if ok, err := probe.Readable(); !ok || err == nil {
			t.Errorf("closed: %v, %v", ok, err)
		}
	})
}

func TestReadableSocket(t *testing.T) {
	client, server := sockets(t)
	c := transport.New(client)
	probe := c.(transport.Prober)
	if ok, err := probe.Readable(); ok || err != nil {
		t.Errorf("%v, %v", ok, err)
	}
	io.WriteString(server, "421 bye\r\n")
	wait(t, func() bool { ok, err := probe.Readable(); return ok && err == nil })
	p := make([]byte, 99)
	if n, err := c.Read(p); err != nil || string(p[:n]) != "421 bye\r\n" {
		t.Errorf("%q, %v", p[:n], err)
	}
	server.Close()
	wait(t, func() bool { ok, err := probe.Readable(); return ok && err == nil })
	c.Close()
	if ok, err := probe.Readable(); !ok || err == nil {
		t.Errorf("closed: %v, %v", ok, err)
	}

	a, b := net.Pipe()
	defer a.Close()
	defer b.Close()
	if _, err := transport.New(a).(transport.Prober).Readable(); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("%v", err)
	}
}

// wait waits for what the kernel does in its own time.
func wait(t *testing.T, for_ func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !for_(); runtime.Gosched() {
		if time.Now().After(deadline) {
			t.Fatal("waited in vain")
		}
	}
}

// sockets returns the two ends of a TCP connection.
func sockets(t *testing.T) (client, server net.Conn) { return ends(t, "tcp", "127.0.0.1:0") }

// ends returns the two ends of a connection by way of an address.
func ends(t *testing.T, network, address string) (client, server net.Conn) {
	t.Helper()
	l, err := net.Listen(network, address)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if client, err = net.Dial(network, l.Addr().String()); err != nil {
		t.Fatal(err)
	}
	if server, err = l.Accept(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		client.Close()
		server.Close()
	})
	return client, server
}

// cyclic says that it lies over itself.
type cyclic struct{ net.Conn }

func (c cyclic) NetConn() net.Conn { return c }

func TestUnwrapEnds(t *testing.T) {
	if _, ok := transport.Unwrap(cyclic{}).(cyclic); !ok {
		t.Error("something else")
	}
}

// Close says close_notify before the connection ends (RFC 8446 §6.1): the server can tell
// the end from a cut.
func TestCloseNotify(t *testing.T) {
	eachRun(t, func(t *testing.T, r run) {
		a, b := mem.Pipe(mem.Options{})
		defer b.Close()
		end := make(chan error, 1)
		go func() {
			_, err := tls.Server(b, server()).Read(make([]byte, 1))
			end <- err
		}()
		l := transport.New(a)
		if _, err := l.StartTLS(t.Context(), r.config(transport.TLSConfig{})); err != nil {
			t.Fatal(err)
		}
		if err := l.Close(); err != nil {
			t.Error(err)
		}
		if err := <-end; err != io.EOF {
			t.Errorf("the server sees %v, want EOF behind close_notify", err)
		}
	})
}

// What the socket takes is written, and no more: nobody waits.
func TestWriteNow(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	a, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	b, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	w := transport.New(a).(transport.NowWriter)
	block, sent := make([]byte, 64<<10), 0
	for i := range block {
		block[i] = byte(i % 251)
	}
	for {
		n, err := w.WriteNow(block)
		if errors.Is(err, errors.ErrUnsupported) {
			t.Skip("this system cannot say what a socket takes at once")
		}
		if err != nil {
			t.Fatal(err)
		}
		if n == 0 {
			break // it is full, and we are still here
		}
		block = append(block[n:], block[:n]...)
		sent += n
	}
	a.Close()
	got, err := io.ReadAll(b)
	if err != nil || len(got) != sent || sent == 0 {
		t.Fatalf("%d octets of %d, %v", len(got), sent, err)
	}
	if _, err := w.WriteNow(block); err == nil {
		t.Error("a closed connection was written to")
	}
	client, server := net.Pipe()
	defer client.Close()
	defer server.Close()
	if _, err := transport.New(client).(transport.NowWriter).WriteNow(block); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("what is no socket: %v", err)
	}
}

// To look whether there is something to read costs nothing, however often.
func TestReadableDoesNotAllocate(t *testing.T) {
	if raceDetector {
		t.Skip("the race detector allocates on its own")
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	nc, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	probe := transport.New(nc).(transport.Prober)
	look := func() {
		if ok, err := probe.Readable(); ok || err != nil {
			t.Fatal(ok, err)
		}
	}
	if n := testing.AllocsPerRun(100, look); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
