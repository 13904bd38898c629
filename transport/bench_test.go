package transport_test

import (
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"testing"

	"github.com/parley-mail/parley/transport"
	"github.com/parley-mail/parley/transport/mem"
	"github.com/parley-mail/parley/transport/utls"
)

// client is a way of making a link secure. "bare" is crypto/tls used directly, as the
// measure of the others.
type client struct {
	name   string
	secure func(b testing.TB, nc net.Conn) net.Conn
}

// clients returns the ways, with a session cache each if they are to resume.
func clients(resume bool) []client {
	bare := &tls.Config{ServerName: host, RootCAs: authority().Pool()}
	if resume {
		bare.ClientSessionCache = tls.NewLRUClientSessionCache(1)
	}
	out := []client{{"bare", func(b testing.TB, nc net.Conn) net.Conn {
		c := tls.Client(nc, bare)
		if err := c.Handshake(); err != nil {
			b.Fatal(err)
		}
		return c
	}}}
	for _, engine := range []string{"std", "utls", "utls, as chrome"} {
		c := &transport.TLSConfig{ServerName: host, RootCAs: authority().Pool(), Engine: engine, Engines: []transport.TLSEngine{utls.Engine{}}}
		if engine == "utls, as chrome" {
			c.Engine, c.ClientHello = "utls", "chrome"
		}
		if resume {
			c.Sessions = new(transport.SessionCache)
		}
		out = append(out, client{engine, func(b testing.TB, nc net.Conn) net.Conn {
			l := transport.New(nc)
			s, err := l.StartTLS(b.Context(), c)
			if err != nil {
				b.Fatal(err)
			}
			_ = s
			return l
		}})
	}
	return out
}

// handshake is one from the first octet to the first line of the server, which brings
// the ticket along.
func handshake(b testing.TB, c client, server *tls.Config) {
	x, y := mem.Pipe(mem.Options{})
	done := make(chan error, 1)
	go func() {
		conn := tls.Server(y, server)
		_, err := conn.Write([]byte("220 mx.example\r\n"))
		done <- err
	}()
	nc := c.secure(b, x)
	var p [16]byte
	if _, err := io.ReadFull(nc, p[:]); err != nil {
		b.Fatal(err)
	}
	if err := <-done; err != nil {
		b.Fatal(err)
	}
	nc.Close()
	y.Close()
}

func BenchmarkHandshake(b *testing.B) {
	srv := server(with(ecdsaServer()))
	for _, resume := range []bool{false, true} {
		name := "full"
		if resume {
			name = "resumed"
		}
		for _, c := range clients(resume) {
			b.Run(name+"/"+c.name, func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					handshake(b, c, srv)
				}
			})
		}
	}
}

// BenchmarkBulk sends 1 MiB in the pieces that a message comes in.
func BenchmarkBulk(b *testing.B) {
	srv := server(with(ecdsaServer()))
	srv.SessionTicketsDisabled = true
	const total, piece = 1 << 20, 32 << 10
	way := func(b *testing.B, nc net.Conn) {
		p := make([]byte, piece)
		b.SetBytes(total)
		b.ReportAllocs()
		for b.Loop() {
			for range total / piece {
				if _, err := nc.Write(p); err != nil {
					b.Fatal(err)
				}
			}
		}
	}
	for _, c := range clients(false) {
		b.Run(c.name, func(b *testing.B) {
			x, y := mem.Pipe(mem.Options{Buffer: 1 << 20})
			go func() {
				io.Copy(io.Discard, tls.Server(y, srv))
			}()
			nc := c.secure(b, x)
			defer nc.Close()
			way(b, nc)
		})
	}
	b.Run("clear", func(b *testing.B) {
		x, y := mem.Pipe(mem.Options{Buffer: 1 << 20})
		go io.Copy(io.Discard, y)
		nc := transport.New(x)
		defer nc.Close()
		way(b, nc)
	})
}

// BenchmarkBuffers joins many small pieces into full records.
func BenchmarkBuffers(b *testing.B) {
	srv := server(with(ecdsaServer()))
	srv.SessionTicketsDisabled = true
	line := make([]byte, 70)
	for _, c := range clients(false)[1:3] {
		b.Run(fmt.Sprintf("%s/64KiB", c.name), func(b *testing.B) {
			x, y := mem.Pipe(mem.Options{Buffer: 1 << 20})
			go io.Copy(io.Discard, tls.Server(y, srv))
			nc := c.secure(b, x)
			defer nc.Close()
			pieces := make(net.Buffers, 64<<10/len(line))
			b.SetBytes(int64(len(pieces) * len(line)))
			b.ReportAllocs()
			for b.Loop() {
				for i := range pieces {
					pieces[i] = line
				}
				buffers := pieces
				if _, err := nc.(transport.BuffersWriter).WriteBuffers(&buffers); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// What this package adds to crypto/tls is a fixed handful of objects; over a secure
// link nothing is allocated to write.
func TestAllocations(t *testing.T) {
	if raceDetector {
		t.Skip("the race detector allocates on its own")
	}
	srv := server(with(ecdsaServer()))
	of := map[string]float64{}
	for _, c := range clients(false) {
		of[c.name] = testing.AllocsPerRun(20, func() { handshake(t, c, srv) })
	}
	for name, most := range map[string]float64{"std": 90, "utls": 350, "utls, as chrome": 900} {
		if more := of[name] - of["bare"]; more > most {
			t.Errorf("%s allocates %.0f objects more than crypto/tls, allowed are %.0f", name, more, most)
		}
	}
	t.Logf("%v", of)
}
