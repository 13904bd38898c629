package proxy_test

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"strings"
	"testing"

	"github.com/parley-mail/parley/transport/proxy"
)

// names is a resolver with one list for every name.
type names []string

func (n names) LookupNetIP(_ context.Context, _, _ string) (list []netip.Addr, err error) {
	for _, s := range n {
		list = append(list, netip.MustParseAddr(s))
	}
	return list, nil
}

var resolver = names{"192.0.2.25"}

func TestSOCKS4Replies(t *testing.T) {
	for _, tt := range []struct {
		name, reply string
		want        proxy.Error
	}{
		{"rejected", "\x00\x5b\x00\x00\x00\x00\x00\x00", proxy.Error{Op: proxy.OpConnect, Reason: proxy.ReasonRefused, Status: 91}},
		{"no identd", "\x00\x5c\x00\x00\x00\x00\x00\x00", proxy.Error{Op: proxy.OpConnect, Reason: proxy.ReasonAuthFailed, Status: 92}},
		{"other user", "\x00\x5d\x00\x00\x00\x00\x00\x00", proxy.Error{Op: proxy.OpConnect, Reason: proxy.ReasonAuthFailed, Status: 93}},
		{"two octets are enough for a refusal", "\x00\x5b", proxy.Error{Op: proxy.OpConnect, Reason: proxy.ReasonRefused, Status: 91}},
		{"unknown code", "\x00\x5e\x00\x00\x00\x00\x00\x00", proxy.Error{Op: proxy.OpConnect, Reason: proxy.ReasonBadReply, Status: 94}},
		{"request's version", "\x04\x5a\x00\x00\x00\x00\x00\x00", proxy.Error{Op: proxy.OpConnect, Reason: proxy.ReasonBadReply}},
		{"a SOCKS5 proxy", "\x05\xff", proxy.Error{Op: proxy.OpConnect, Reason: proxy.ReasonBadReply}},
		{"an SMTP server", greeting, proxy.Error{Op: proxy.OpConnect, Reason: proxy.ReasonBadReply}},
		{"closed at once", "", proxy.Error{Op: proxy.OpConnect, Reason: proxy.ReasonClosed}},
		{"closed inside", "\x00\x5a\x00\x00\x00", proxy.Error{Op: proxy.OpConnect, Reason: proxy.ReasonClosed}},
	} {
		for _, stage := range []proxy.Stage{
			proxy.SOCKS4{Addr: "proxy.example", Resolver: resolver},
			proxy.SOCKS4A{Addr: "proxy.example"},
		} {
			s := &script{pieces: []string{tt.reply}}
			_, err := dial(stage, s)
			wantError(t, err, tt.want)
			if s.closed != 1 {
				t.Errorf("%s: closed %d times", tt.name, s.closed)
			}
		}
	}
}

func TestSOCKS5Replies(t *testing.T) {
	const rest = "\x00\x01\x00\x00\x00\x00\x00\x00"
	plain := proxy.SOCKS5{Addr: "proxy.example"}
	login := proxy.SOCKS5{Addr: "proxy.example", User: "me", Password: "hush"}
	for _, tt := range []struct {
		name, reply string
		stage       proxy.SOCKS5
		want        proxy.Error
	}{
		{"general failure", "\x05\x00\x05\x01" + rest, plain, proxy.Error{Op: proxy.OpConnect, Reason: proxy.ReasonRefused, Status: 1}},
		{"ruleset", "\x05\x00\x05\x02" + rest, plain, proxy.Error{Op: proxy.OpConnect, Reason: proxy.ReasonNotAllowed, Status: 2}},
		{"network", "\x05\x00\x05\x03" + rest, plain, proxy.Error{Op: proxy.OpConnect, Reason: proxy.ReasonNetworkUnreachable, Status: 3}},
		{"host", "\x05\x00\x05\x04" + rest, plain, proxy.Error{Op: proxy.OpConnect, Reason: proxy.ReasonHostUnreachable, Status: 4}},
		{"refused", "\x05\x00\x05\x05" + rest, plain, proxy.Error{Op: proxy.OpConnect, Reason: proxy.ReasonConnectionRefused, Status: 5}},
		{"TTL", "\x05\x00\x05\x06" + rest, plain, proxy.Error{Op: proxy.OpConnect, Reason: proxy.ReasonTTLExpired, Status: 6}},
		{"command", "\x05\x00\x05\x07" + rest, plain, proxy.Error{Op: proxy.OpConnect, Reason: proxy.ReasonCommandUnsupported, Status: 7}},
		{"address type", "\x05\x00\x05\x08" + rest, plain, proxy.Error{Op: proxy.OpConnect, Reason: proxy.ReasonAddressUnsupported, Status: 8}},
		{"unassigned", "\x05\x00\x05\xfe" + rest, plain, proxy.Error{Op: proxy.OpConnect, Reason: proxy.ReasonRefused, Status: 254}},
		{"failure and a bound name", "\x05\x00\x05\x04\x00\x03\x09localhost\x00\x00", plain, proxy.Error{Op: proxy.OpConnect, Reason: proxy.ReasonHostUnreachable, Status: 4}},
		{"no method, none given", "\x05\xff", plain, proxy.Error{Op: proxy.OpGreeting, Reason: proxy.ReasonAuthRequired, Status: 255}},
		{"no method, password given", "\x05\xff", login, proxy.Error{Op: proxy.OpGreeting, Reason: proxy.ReasonAuthUnsupported, Status: 255}},
		{"password wanted, none given", "\x05\x02", plain, proxy.Error{Op: proxy.OpGreeting, Reason: proxy.ReasonAuthRequired, Status: 2}},
		{"GSSAPI, never offered", "\x05\x01", login, proxy.Error{Op: proxy.OpGreeting, Reason: proxy.ReasonBadReply}},
		{"password refused", "\x05\x02\x01\x01", login, proxy.Error{Op: proxy.OpAuth, Reason: proxy.ReasonAuthFailed, Status: 1}},
		{"version of the subnegotiation", "\x05\x02\x05\x00", login, proxy.Error{Op: proxy.OpAuth, Reason: proxy.ReasonBadReply}},
		{"version 4", "\x04\x00", plain, proxy.Error{Op: proxy.OpGreeting, Reason: proxy.ReasonBadReply}},
		{"version 4 later", "\x05\x00\x04\x00" + rest, plain, proxy.Error{Op: proxy.OpConnect, Reason: proxy.ReasonBadReply}},
		{"bound address type", "\x05\x00\x05\x00\x00\x02\x00\x00", plain, proxy.Error{Op: proxy.OpConnect, Reason: proxy.ReasonBadReply}},
		{"an HTTP server", "HTTP/1.1 400 Bad Request\r\n\r\n", plain, proxy.Error{Op: proxy.OpGreeting, Reason: proxy.ReasonBadReply}},
		{"closed at once", "", plain, proxy.Error{Op: proxy.OpGreeting, Reason: proxy.ReasonClosed}},
		{"closed before the reply", "\x05\x00", plain, proxy.Error{Op: proxy.OpConnect, Reason: proxy.ReasonClosed}},
		{"closed in the bound name", "\x05\x00\x05\x00\x00\x03\xffshort", plain, proxy.Error{Op: proxy.OpConnect, Reason: proxy.ReasonClosed}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := &script{pieces: []string{tt.reply}}
			_, err := dial(tt.stage, s)
			e := wantError(t, err, tt.want)
			if s.closed != 1 {
				t.Errorf("closed %d times", s.closed)
			}
			if strings.Contains(e.Error(), "hush") {
				t.Errorf("the error holds the password: %v", e)
			}
		})
	}
}

// TestSOCKSRequests holds the octets that leave.
func TestSOCKSRequests(t *testing.T) {
	long := strings.Repeat("a", 255)
	const ok4, ok5 = "\x00\x5a\x00\x00\x00\x00\x00\x00", "\x05\x00\x05\x00\x00\x01\x00\x00\x00\x00\x00\x00"
	for _, tt := range []struct {
		name    string
		stage   proxy.Stage
		target  string
		reply   string
		want    string
		address string
	}{
		{"4, name", proxy.SOCKS4{Addr: "p", Resolver: resolver}, "mx.example:25", ok4, "\x04\x01\x00\x19\xc0\x00\x02\x19\x00", "p:1080"},
		{"4, literal and user", proxy.SOCKS4{Addr: "p:9", User: "me"}, "192.0.2.1:587", ok4, "\x04\x01\x02\x4b\xc0\x00\x02\x01me\x00", "p:9"},
		{"4a, name", proxy.SOCKS4A{Addr: "::1", User: "me"}, "mx.example:25", ok4, "\x04\x01\x00\x19\x00\x00\x00\x01me\x00mx.example\x00", "[::1]:1080"},
		{"4a, literal", proxy.SOCKS4A{Addr: "[::1]:9"}, "192.0.2.1:25", ok4, "\x04\x01\x00\x19\xc0\x00\x02\x01\x00", "[::1]:9"},
		{"5, name", proxy.SOCKS5{Addr: "p"}, "mx.example:25", ok5, "\x05\x01\x00\x05\x01\x00\x03\x0amx.example\x00\x19", "p:1080"},
		{"5, longest name", proxy.SOCKS5{Addr: "p"}, long + ":25", ok5, "\x05\x01\x00\x05\x01\x00\x03\xff" + long + "\x00\x19", "p:1080"},
		{"5, IPv4", proxy.SOCKS5{Addr: "p"}, "192.0.2.1:25", ok5, "\x05\x01\x00\x05\x01\x00\x01\xc0\x00\x02\x01\x00\x19", "p:1080"},
		{"5, IPv6", proxy.SOCKS5{Addr: "[::1]"}, "[2001:db8::1]:25", ok5, "\x05\x01\x00\x05\x01\x00\x04\x20\x01\x0d\xb8\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01\x00\x19", "[::1]:1080"},
		{"5, resolved here", proxy.SOCKS5{Addr: "p", ResolveLocally: true, Resolver: resolver}, "mx.example:25", ok5, "\x05\x01\x00\x05\x01\x00\x01\xc0\x00\x02\x19\x00\x19", "p:1080"},
		{"5, password", proxy.SOCKS5{Addr: "p", User: "me", Password: "pw"}, "mx.example:25", "\x05\x02\x01\x00" + ok5[2:], "\x05\x02\x00\x02\x01\x02me\x02pw\x05\x01\x00\x03\x0amx.example\x00\x19", "p:1080"},
		{"5, longest password", proxy.SOCKS5{Addr: "p", User: long, Password: long}, "x:25", "\x05\x02\x01\x00" + ok5[2:], "\x05\x02\x00\x02\x01\xff" + long + "\xff" + long + "\x05\x01\x00\x03\x01x\x00\x19", "p:1080"},
		{"5, password not wanted", proxy.SOCKS5{Addr: "p", User: "me", Password: "pw"}, "x:25", ok5, "\x05\x02\x00\x02\x05\x01\x00\x03\x01x\x00\x19", "p:1080"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := &script{pieces: []string{tt.reply + greeting}}
			nc, err := tt.stage.DialThrough(context.Background(), s, "tcp", tt.target)
			if err != nil {
				t.Fatal(err)
			}
			if got := s.written.String(); got != tt.want {
				t.Errorf("wrote\n%q\nwant\n%q", got, tt.want)
			}
			if s.addr != tt.address {
				t.Errorf("dialled %s, want %s", s.addr, tt.address)
			}
			if nc != net.Conn(s) {
				t.Errorf("a SOCKS tunnel is a %T, want the dialer's own connection", nc)
			}
			wantGreeting(t, nc, greeting)
		})
	}
}

// TestNextAddress: what a proxy says of one address is no verdict on the name.
func TestNextAddress(t *testing.T) {
	const method, rest = "\x05\x00", "\x00\x01\x00\x00\x00\x00\x00\x00"
	var asked []string
	answers := []string{"\x05\x04", "\x05\x05", "\x05\x00"}
	forward := dialFunc(func(context.Context, string, string) (net.Conn, error) {
		s := &script{pieces: []string{method, answers[len(asked)] + rest + greeting}}
		asked = append(asked, "")
		return s, nil
	})
	stage := proxy.SOCKS5{Addr: "p", ResolveLocally: true, Resolver: names{"192.0.2.1", "2001:db8::1", "192.0.2.2", "192.0.2.3"}}
	nc, err := dial(stage, forward)
	if err != nil {
		t.Fatal(err)
	}
	if len(asked) != 3 {
		t.Errorf("%d addresses were tried, want 3", len(asked))
	}
	wantGreeting(t, nc, greeting)

	asked, answers = nil, []string{"\x05\x02"}
	_, err = dial(stage, forward)
	wantError(t, err, proxy.Error{Op: proxy.OpConnect, Reason: proxy.ReasonNotAllowed, Status: 2})
	if len(asked) != 1 {
		t.Errorf("after a refusal by rule %d addresses were tried, want 1", len(asked))
	}
}

// TestFamilies: a resolver may give more than it was asked for.
func TestFamilies(t *testing.T) {
	both := names{"2001:db8::1", "::ffff:192.0.2.9"}
	s := &script{pieces: []string{"\x00\x5a\x00\x00\x00\x00\x00\x00"}}
	if _, err := dial(proxy.SOCKS4{Addr: "p", Resolver: both}, s); err != nil {
		t.Fatal(err)
	}
	if want := "\x04\x01\x00\x19\xc0\x00\x02\x09\x00"; s.written.String() != want {
		t.Errorf("wrote %q, want %q", s.written.String(), want)
	}
	_, err := dial(proxy.SOCKS4{Addr: "p", Resolver: names{"2001:db8::1"}}, noDial(t))
	wantError(t, err, proxy.Error{Op: proxy.OpResolve, Reason: proxy.ReasonNoName})
	_, err = dial(proxy.SOCKS4{Addr: "p", Resolver: noNames{}}, noDial(t))
	wantError(t, err, proxy.Error{Op: proxy.OpResolve, Reason: proxy.ReasonNoName})
}

// TestMarkFromResolver: an address that a SOCKS4 proxy would take for the mark of a
// name is passed over, whoever says that the target has it.
func TestMarkFromResolver(t *testing.T) {
	s := &script{pieces: []string{"\x00\x5a\x00\x00\x00\x00\x00\x00"}}
	if _, err := dial(proxy.SOCKS4{Addr: "p", Resolver: names{"0.0.0.7", "192.0.2.9"}}, s); err != nil {
		t.Fatal(err)
	}
	if want := "\x04\x01\x00\x19\xc0\x00\x02\x09\x00"; s.written.String() != want {
		t.Errorf("wrote %q, want %q", s.written.String(), want)
	}
	_, err := dial(proxy.SOCKS4{Addr: "p", Resolver: names{"0.0.0.7"}}, noDial(t))
	wantError(t, err, proxy.Error{Op: proxy.OpResolve, Reason: proxy.ReasonAddressUnsupported})
}

type noNames struct{}

func (noNames) LookupNetIP(context.Context, string, string) ([]netip.Addr, error) {
	return nil, errors.New("no such host")
}
