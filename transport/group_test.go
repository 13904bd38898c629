package transport_test

import (
	"crypto/tls"
	"io"
	"net"
	"sync/atomic"
	"testing"

	"github.com/parley-mail/parley/transport/mem"
)

// The first groups of commands on a fresh connection are a record each, and a write each, as the
// later ones are.
func TestGroupIsOneRecord(t *testing.T) {
	for _, c := range clients(false)[1:] {
		t.Run(c.name, func(t *testing.T) {
			x, y := mem.Pipe(mem.Options{})
			defer y.Close()
			group := make([]byte, 12<<10)
			got := make(chan error, 1)
			go func() {
				conn := tls.Server(y, server(with(ecdsaServer())))
				_, err := io.ReadFull(conn, make([]byte, len(group)))
				got <- err
			}()
			counted := &counting{Conn: x}
			nc := c.secure(t, counted)
			defer nc.Close()
			before := counted.writes.Load()
			if _, err := nc.Write(group); err != nil {
				t.Fatal(err)
			}
			if n := counted.writes.Load() - before; n != 1 {
				t.Errorf("%d writes", n)
			}
			if err := <-got; err != nil {
				t.Error(err)
			}
		})
	}
}

// counting counts the writes below TLS.
type counting struct {
	net.Conn
	writes atomic.Int64
}

func (c *counting) Write(p []byte) (int, error) {
	c.writes.Add(1)
	return c.Conn.Write(p)
}
