package parley_test

import (
	"bufio"
	"context"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/parley-mail/parley"
	"github.com/parley-mail/parley/internal/smtptest"
	"github.com/parley-mail/parley/transport/mem"
	"github.com/parley-mail/parley/transport/proxy"
)

// gate is a proxy that leads to a peer, whatever it is asked for, and keeps what it was
// asked. As a dialer it is what stands before it.
type gate struct {
	peer    *smtptest.Peer
	refuse  bool
	mu      sync.Mutex
	asked   []string // "http localhost:25", with user and password if there were any
	dialled []string // addresses of the gate
	running sync.WaitGroup
}

func (g *gate) start(t *testing.T) *gate {
	t.Cleanup(g.running.Wait)
	return g
}

// DialContext connects to the gate.
func (g *gate) DialContext(ctx context.Context, _, address string) (net.Conn, error) {
	client, server := mem.Pipe(mem.Options{})
	g.mu.Lock()
	g.dialled = append(g.dialled, address)
	g.mu.Unlock()
	g.running.Go(func() {
		defer server.Close()
		in := bufio.NewReader(server)
		asked, yes, no, err := ask(in, server)
		if err != nil {
			return
		}
		g.mu.Lock()
		g.asked = append(g.asked, asked)
		g.mu.Unlock()
		if g.refuse {
			io.WriteString(server, no)
			return
		}
		io.WriteString(server, yes)
		behind, err := g.peer.DialContext(context.Background(), "tcp", "")
		if err != nil {
			return
		}
		g.running.Go(func() {
			io.Copy(behind, in)
			behind.Close()
		})
		io.Copy(server, behind)
	})
	return client, nil
}

// took returns the last request and the address of the gate that it came to.
func (g *gate) took() (asked, at string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.asked) == 0 {
		return "", ""
	}
	return g.asked[len(g.asked)-1], g.dialled[len(g.dialled)-1]
}

// ask reads a request of any of the protocols and has the answers for yes and no. Who wants
// port 587 by HTTP is asked for his name.
func ask(in *bufio.Reader, out io.Writer) (asked, yes, no string, err error) {
	first, err := in.Peek(1)
	if err != nil {
		return
	}
	switch first[0] {
	case 4:
		head := make([]byte, 8)
		if _, err = io.ReadFull(in, head); err != nil {
			return
		}
		user, _ := in.ReadString(0)
		host := net.IP(head[4:8]).String()
		kind := "socks4"
		if strings.HasPrefix(host, "0.0.0.") {
			kind = "socks4a"
			if host, err = in.ReadString(0); err != nil {
				return
			}
			host = strings.TrimSuffix(host, "\x00")
		}
		asked = fmt.Sprintf("%s %s:%d user=%s", kind, host, binary.BigEndian.Uint16(head[2:]), strings.TrimSuffix(user, "\x00"))
		return asked, "\x00\x5a\x00\x00\x00\x00\x00\x00", "\x00\x5b\x00\x00\x00\x00\x00\x00", nil
	case 5:
		return askSOCKS5(in, out)
	}
	r, err := http.ReadRequest(in)
	if err != nil {
		return
	}
	if strings.HasSuffix(r.Host, ":587") && r.Header.Get("Proxy-Authorization") == "" {
		io.WriteString(out, "HTTP/1.1 407 who?\r\nProxy-Authenticate: Basic realm=\"gate\"\r\nContent-Length: 0\r\n\r\n")
		if r, err = http.ReadRequest(in); err != nil {
			return
		}
	}
	asked = "http " + r.Host
	if user, password, ok := basic(r.Header.Get("Proxy-Authorization")); ok {
		asked += " user=" + user + " password=" + password
	}
	if x := r.Header.Get("X-Pass"); x != "" {
		asked += " X-Pass=" + x
	}
	return asked, "HTTP/1.1 200 ok\r\n\r\n", "HTTP/1.1 403 no\r\nContent-Length: 0\r\n\r\n", nil
}

func askSOCKS5(in *bufio.Reader, out io.Writer) (asked, yes, no string, err error) {
	read := func(n int) []byte {
		p := make([]byte, n)
		if err == nil {
			_, err = io.ReadFull(in, p)
		}
		return p
	}
	methods := read(int(read(2)[1]))
	login := ""
	if strings.ContainsRune(string(methods), 2) {
		io.WriteString(out, "\x05\x02")
		user := read(int(read(2)[1]))
		password := read(int(read(1)[0]))
		login = fmt.Sprintf(" user=%s password=%s", user, password)
		io.WriteString(out, "\x01\x00")
	} else {
		io.WriteString(out, "\x05\x00")
	}
	var host string
	switch head := read(4); head[3] {
	case 1:
		host = net.IP(read(4)).String()
	case 3:
		host = string(read(int(read(1)[0])))
	case 4:
		host = net.IP(read(16)).String()
	}
	asked = fmt.Sprintf("socks5 %s:%d%s", host, binary.BigEndian.Uint16(read(2)), login)
	return asked, "\x05\x00\x00\x01\x00\x00\x00\x00\x00\x00", "\x05\x02\x00\x01\x00\x00\x00\x00\x00\x00", err
}

func basic(header string) (user, password string, ok bool) {
	plain, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(header, "Basic "))
	if err != nil {
		return "", "", false
	}
	return strings.Cut(string(plain), ":")
}

// goesBy tests what a gate is asked, and where, with these settings.
func goesBy(want, at string, settings ...string) func(*testing.T) {
	return func(t *testing.T) {
		s, peer := class(t, nil)
		g := (&gate{peer: peer}).start(t)
		s.Dialer = g
		sets(t, s, "MailServer=192.0.2.1")
		sets(t, s, settings...)
		send(t, s, peer)
		if asked, address := g.took(); asked != want || address != at {
			t.Errorf("asked %q at %q, want %q at %q", asked, address, want, at)
		}
		g.refuse = true
		_, err := s.Send(t.Context())
		if bad := (*proxy.Error)(nil); !errors.As(err, &bad) || !errors.Is(err, parley.ErrFirewall) || !errors.Is(err, parley.ErrTransport) || parley.ErrorCode(err) != 118 || len(peer.Memory.Messages()) != 1 {
			t.Errorf("refused: %v, code %d", err, parley.ErrorCode(err))
		}
	}
}

// all runs several tests for one row.
func all(tests ...func(*testing.T)) func(*testing.T) {
	return func(t *testing.T) {
		for _, test := range tests {
			test(t)
		}
	}
}

var firewallRows = rowTests{
	"property/Firewall": goesBy("http 192.0.2.1:587 user=me password=pw", "gate.example:3128",
		"MailPort=587", "FirewallType=1", "FirewallHost=gate.example", "FirewallPort=3128", "FirewallUser=me", "FirewallPassword=pw"),
	"setting/FirewallType": all(
		goesBy("http 192.0.2.1:25", "gate.example:80", "FirewallType=1", "FirewallHost=gate.example"),
		goesBy("socks4 192.0.2.1:25 user=", "gate.example:1080", "FirewallType=2", "FirewallHost=gate.example"),
		goesBy("socks5 192.0.2.1:25", "gate.example:1080", "FirewallType=3", "FirewallHost=gate.example"),
		goesBy("socks5 mx.example:25", "gate.example:1080", "FirewallType=socks5", "FirewallHost=gate.example", "MailServer=*mx.example"),
		goesBy("socks4a mx.example:25 user=", "gate.example:1080", "FirewallType=10", "FirewallHost=gate.example", "MailServer=*mx.example"),
	),
	"setting/FirewallHost": func(t *testing.T) {
		goesBy("http 192.0.2.1:25", "other.example:80", "FirewallType=1", "FirewallHost=other.example")(t)
		for _, half := range []string{"FirewallHost=gate.example", "FirewallType=3", "MailServer=*mx.example"} {
			s, peer := class(t, nil)
			sets(t, s, half)
			if _, err := s.Send(t.Context()); !errors.Is(err, parley.ErrMisuse) || len(peer.Memory.Messages()) != 0 {
				t.Errorf("%s alone: %v", half, err)
			}
		}
	},
	"setting/FirewallPort":     goesBy("http 192.0.2.1:25", "gate.example:8080", "FirewallPort=8080", "FirewallType=1", "FirewallHost=gate.example"),
	"setting/FirewallUser":     goesBy("socks4 192.0.2.1:25 user=me", "gate.example:1080", "FirewallType=2", "FirewallHost=gate.example", "FirewallUser=me"),
	"setting/FirewallPassword": goesBy("socks5 192.0.2.1:25 user=me password=pw", "gate.example:1080", "FirewallType=3", "FirewallHost=gate.example", "FirewallUser=me", "FirewallPassword=pw"),
	"setting/FirewallData": func(t *testing.T) {
		goesBy("http 192.0.2.1:25 X-Pass=sesame", "gate.example:80", "FirewallType=1", "FirewallHost=gate.example", "FirewallData=X-Pass: sesame\r\nX-More: 1")(t)
		s, _ := class(t, nil)
		sets(t, s, "FirewallType=3", "FirewallHost=gate.example", "FirewallData=X-Pass: sesame")
		if err := s.Connect(t.Context()); !errors.Is(err, parley.ErrMisuse) {
			t.Errorf("with SOCKS: %v", err)
		}
	},
	"setting/FirewallAutoDetect": func(t *testing.T) {
		t.Setenv("https_proxy", "socks5://me:pw@gate.example:1081")
		goesBy("socks5 192.0.2.1:25 user=me password=pw", "gate.example:1081", "FirewallAutoDetect=True")(t)
		t.Setenv("no_proxy", "mx.example")
		s, peer := class(t, nil)
		sets(t, s, "FirewallAutoDetect=True", "MailServer=mx.example")
		if address := dialled(s, peer); send(t, s, peer) == nil || *address != "mx.example:25" {
			t.Errorf("an exception went to %q", *address)
		}
	},
	"setting/ProxyExceptionsList": func(t *testing.T) {
		for list, direct := range map[string]bool{
			"": false, "mx.example": true, "MX.EXAMPLE; other": true, "*.example": true, ".example": true, "other.example;192.0.2.0/24": false,
		} {
			s, peer := class(t, nil)
			g := (&gate{peer: peer}).start(t)
			address := dialled(s, peer)
			if !direct {
				s.Dialer = g
			}
			sets(t, s, "MailServer=mx.example", "FirewallType=1", "FirewallHost=gate.example", "ProxyExceptionsList="+list)
			send(t, s, peer)
			if asked, _ := g.took(); direct && *address != "mx.example:25" || !direct && asked != "http mx.example:25" {
				t.Errorf("%q: dialled %q, the gate was asked %q", list, *address, asked)
			}
		}
		s, _ := class(t, nil)
		sets(t, s, "FirewallType=1", "FirewallHost=gate.example", "ProxyExceptionsList=[")
		if err := s.Connect(t.Context()); !errors.Is(err, parley.ErrMisuse) {
			t.Errorf("no list: %v", err)
		}
	},
}
