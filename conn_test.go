package parley_test

import (
	"errors"
	"io"
	"net"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/parley-mail/parley"
	"github.com/parley-mail/parley/auth"
	"github.com/parley-mail/parley/internal/sink"
	"github.com/parley-mail/parley/internal/smtptest"
	"github.com/parley-mail/parley/message"
	"github.com/parley-mail/parley/session"
	"github.com/parley-mail/parley/transport"
)

// A message arrives octet for octet, over every kind of link and with every way of
// sending content.
func TestConnDelivers(t *testing.T) {
	contents := map[string]string{
		"small":   "Subject: hi\r\n\r\n.\r\n..\r\n.x\r\n",
		"no end":  "Subject: hi\r\n\r\nno end",
		"empty":   "",
		"150 KiB": "Subject: hi\r\n\r\n" + strings.Repeat(".0123456789\r\n", 12000),
		"3 MiB":   "Subject: hi\r\n\r\n" + strings.Repeat("0123456789abcdef\r\n", 170000),
	}
	peer := smtptest.Server(t, func(s *sink.Server) {
		s.Auth.Users = map[string]string{"alice": "secret"}
	})
	for _, mode := range []parley.TLSMode{parley.TLSNone, parley.TLSStartTLS, parley.TLSImplicit} {
		for _, data := range []session.DataMode{session.DataOnly, session.DataBDAT} {
			for _, streamed := range []bool{false, true} {
				for _, serial := range []bool{false, true} {
					e := &parley.Endpoint{
						Address: peer.Addr, TLS: mode,
						TLSConfig: &transport.TLSConfig{RootCAs: peer.Roots, ServerName: "localhost"},
						Session:   session.Config{Data: data, Serial: serial, Hello: "client.example"},
					}
					if mode == parley.TLSImplicit {
						e.Address = peer.TLSAddr
					}
					if mode != parley.TLSNone {
						e.Credentials = &auth.Credentials{User: "alice", Password: auth.NewSecret("secret")}
					}
					c, err := parley.Dial(t.Context(), e)
					if err != nil {
						t.Fatalf("%v: %v", mode, err)
					}
					for name, content := range contents {
						before := len(peer.Memory.Messages())
						tx := transaction(t, "a@x.example", "b@y.example", "c@y.example")
						var body io.Reader
						if streamed {
							body = strings.NewReader(content)
						} else {
							tx.Content = []byte(content)
						}
						if err := c.Send(t.Context(), tx, body); err != nil {
							t.Fatalf("%v %v %s: %v", mode, data, name, err)
						}
						got := peer.Wait(t, before+1)[before]
						want := content
						if want != "" && !strings.HasSuffix(want, "\r\n") {
							want += "\r\n"
						}
						if diff := cmp.Diff(want, string(got.Content)); diff != "" {
							t.Fatalf("%v %v %s: content (-want +got):\n%.400s", mode, data, name, diff)
						}
					}
					if err := c.Quit(t.Context()); err != nil {
						t.Errorf("%v: Quit: %v", mode, err)
					}
				}
			}
		}
	}
}

// The certificate is held against the host the caller named. What the server calls itself
// in the greeting and in the reply to EHLO has no say (RFC 3207 §4.1).
func TestNameIsTheCallers(t *testing.T) {
	for host, greeting := range map[string]string{"localhost": "mx.example", "mx.example": "localhost"} {
		peer := smtptest.Server(t, func(s *sink.Server) { s.Name = greeting }) // its certificate is for localhost
		for _, mode := range []parley.TLSMode{parley.TLSStartTLS, parley.TLSImplicit} {
			address := peer.Addr
			if mode == parley.TLSImplicit {
				address = peer.TLSAddr
			}
			c, err := parley.Dial(t.Context(), &parley.Endpoint{
				Address: host + ":25", TLS: mode, TLSConfig: &transport.TLSConfig{RootCAs: peer.Roots},
				Dialer: dialFunc(func() net.Conn {
					nc, err := net.Dial("tcp", address)
					if err != nil {
						t.Error(err)
					}
					return nc
				}),
			})
			if host == "localhost" && (err != nil || !c.Security().Verified) || host != "localhost" && !errors.Is(err, transport.ReasonWrongName) {
				t.Errorf("%v, a server at %s that calls itself %s: %v", mode, host, greeting, err)
			}
			if c != nil {
				c.Close()
			}
		}
	}
}

func transaction(t testing.TB, from string, to ...string) *session.Transaction {
	t.Helper()
	parse := func(s string) message.Path {
		p, err := message.ParsePath(s)
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	env := &message.Envelope{ReversePath: parse(from)}
	for _, a := range to {
		env.Recipients = append(env.Recipients, message.Recipient{Path: parse(a)})
	}
	return &session.Transaction{Envelope: env}
}

// What is larger than 512 octets and has pointers is given a header by the runtime, and falls
// into a class of memory that is 128 larger: ten thousand idle sessions would show it.
func TestConnIsSmall(t *testing.T) {
	if most := uintptr(512); parley.ConnSize > most {
		t.Errorf("a Conn has %d octets, more than %d", parley.ConnSize, most)
	}
}
