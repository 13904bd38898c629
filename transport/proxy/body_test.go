package proxy_test

import (
	"context"
	"net"
	"strings"
	"testing"

	"github.com/parley-mail/parley/transport/proxy"
)

// TestBodies: after a 407 the connection is used again where the body has an end that
// was read, and the proxy keeps it; else there is a new one. Either way no octet of a
// body is taken for an answer.
func TestBodies(t *testing.T) {
	const wants, chunks = "HTTP/1.1 407 x\r\nProxy-Authenticate: Basic\r\n", "Transfer-Encoding: chunked\r\n\r\n"
	const ok = "HTTP/1.1 200 OK\r\n\r\n"
	for _, tt := range []struct {
		name, answer string
		reused       bool
	}{
		{"length", wants + "Content-Length: 3\r\n\r\nno\n", true},
		{"longest", wants + "Content-Length: 65536\r\n\r\n" + strings.Repeat("x", 65536), true},
		{"no body", wants + "Content-Length: 0\r\n\r\n", true},
		{"the same length twice", wants + "Content-Length: 3\r\nContent-Length: 3\r\n\r\nno\n", true},
		{"kept by HTTP/1.0", "HTTP/1.0 407 x\r\nProxy-Authenticate: Basic\r\nProxy-Connection: Keep-Alive\r\nContent-Length: 3\r\n\r\nno\n", true},
		{"chunks", wants + chunks + "2\r\nno\r\n 1 ;x=y\r\n\n\r\n0\r\nA: b\r\n\r\n", true},
		{"no chunk", wants + chunks + "0\r\n\r\n", true},

		{"until the end", wants + "\r\nno\n", false},
		{"HTTP/1.0", "HTTP/1.0 407 x\r\nProxy-Authenticate: Basic\r\nContent-Length: 3\r\n\r\nno\n", false},
		{"closes", wants + "Connection: x, close\r\nContent-Length: 3\r\n\r\nno\n", false},
		{"two lengths", wants + "Content-Length: 3\r\nContent-Length: 4\r\n\r\nno\n", false},
		{"no number", wants + "Content-Length: -3\r\n\r\nno\n", false},
		{"long", wants + "Content-Length: 65537\r\n\r\n" + strings.Repeat("x", 65537), false},
		{"short", wants + "Content-Length: 30\r\n\r\nno\n", false},
		{"compressed", wants + "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", false},
		{"chunks and closes", wants + "Connection: close\r\n" + chunks + "0\r\n\r\n", false},
		{"size of a chunk", wants + chunks + "x\r\n\r\n0\r\n\r\n", false},
		{"minus in a size", wants + chunks + "-1\r\n\r\n0\r\n\r\n", false},
		{"large chunk", wants + chunks + "7fffffff\r\n", false},
		{"chunk with more in it", wants + chunks + "2\r\nno!\r\n0\r\n\r\n", false},
		{"chunk cut off", wants + chunks + "5\r\nno", false},
		{"chunks cut off", wants + chunks + "2\r\nno\r\n", false},
		{"many chunks", wants + chunks + strings.Repeat("1\r\nx\r\n", 20000) + "0\r\n\r\n", false},
		{"trailer cut off", wants + chunks + "0\r\nA: b\r\n", false},
		{"long trailer", wants + chunks + "0\r\n" + strings.Repeat("A: b\r\n", 300) + "\r\n", false},
		{"long line", wants + chunks + strings.Repeat("1", 9000) + "\r\n", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			first := tt.answer
			if tt.reused {
				first += ok + greeting
			}
			conns := []*script{{pieces: []string{first}}, {pieces: []string{ok + greeting}}}
			dials := 0
			nc, err := dial(proxy.Tunnel{Addr: "p", User: "me", Password: "pw"}, dialFunc(func(context.Context, string, string) (net.Conn, error) {
				dials++
				return conns[dials-1], nil
			}))
			if err != nil {
				t.Fatal(err)
			}
			wantGreeting(t, nc, greeting)
			if tt.reused != (dials == 1) || dials-1 != conns[0].closed {
				t.Errorf("%d connections, the first closed %d times", dials, conns[0].closed)
			}
		})
	}
}
