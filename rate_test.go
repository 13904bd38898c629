package parley_test

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/parley-mail/parley"
	"github.com/parley-mail/parley/transport/mem"
)

// Writing is paced, and a wait ends at once when the context does.
func TestMaxRate(t *testing.T) {
	bubble(t, func(t *testing.T) {
		client, server := mem.Pipe(mem.Options{Buffer: 1 << 20})
		go func() {
			say(server, "220 mx.example\r\n", "250 mx.example\r\n", "250 ok\r\n", "250 ok\r\n", "354 go\r\n")
			io.Copy(io.Discard, server)
		}()
		e := &parley.Endpoint{Address: "mx.example:25", MaxRate: 1000, Dialer: dialFunc(func() net.Conn { return client })}
		c, err := parley.Dial(t.Context(), e)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		start := time.Now()
		tx := transaction(t, "a@x.example", "b@y.example")
		err = c.Send(ctx, tx, strings.NewReader(strings.Repeat("0123456789\r\n", 10000)))
		took := time.Since(start)
		if !errors.Is(err, parley.ErrCanceled) || took < 5*time.Second || took > 5*time.Second+100*time.Millisecond {
			t.Errorf("%v after %v", err, took)
		}
		if out := c.Session().Stats().OctetsOut; out < 4500 || out > 5600 {
			t.Errorf("%d octets in %v", out, took)
		}
		server.Close()
	})
}
