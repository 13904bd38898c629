package proxy_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/parley-mail/parley/transport/proxy"
)

func TestParse(t *testing.T) {
	for _, tt := range []struct {
		url  string
		want proxy.Stage
	}{
		{"socks4://p", proxy.SOCKS4{Addr: "p:1080"}},
		{"socks4a://me@p:9", proxy.SOCKS4A{Addr: "p:9", User: "me"}},
		{"socks5://p", proxy.SOCKS5{Addr: "p:1080", ResolveLocally: true}},
		{"socks5h://me:p%40s%3as@[::1]", proxy.SOCKS5{Addr: "[::1]:1080", User: "me", Password: "p@s:s"}},
		{"SOCKS5H://p/", proxy.SOCKS5{Addr: "p:1080"}},
		{"http://p", proxy.Tunnel{Addr: "p:80"}},
		{"http://DOM%5Cme:pw@p:3128", proxy.Tunnel{Addr: "p:3128", User: `DOM\me`, Password: "pw"}},
		{"http://192.0.2.1", proxy.Tunnel{Addr: "192.0.2.1:80"}},
	} {
		got, err := proxy.Parse(tt.url)
		if err != nil {
			t.Errorf("%s: %v", tt.url, err)
		} else if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.url, diff)
		}
	}
	s, err := proxy.Parse("https://me:pw@p")
	tunnel, ok := s.(proxy.Tunnel)
	if err != nil || !ok || tunnel.TLS == nil || tunnel.Addr != "p:443" || tunnel.User != "me" {
		t.Errorf("https: %v, %v", s, err)
	}
}

func TestParseRefused(t *testing.T) {
	for _, url := range []string{
		"", "p", "p:1080", "//p:1080", "socks5:p", "socks5://", "socks5://:1080", "socks5://p:0", "socks5://p:70000", "socks5://p:x",
		"socks5://p/path", "socks5://p?q", "socks5://p?", "socks5://p#f", "ftp://p", "socks://p", "http://p q", "http://p\r\n", "http://[::1", "http://m\u00fcx",
		"socks4://me:hush@p", "socks4://m%00e@p", "socks5://me@p", "socks5://:hush@p", "socks5://me:hu%0d%0ash@p", "http://:hush@p", "http://m%3ae:hush@p",
		"http://me:hu/sh@p", "http://me:hu%zzsh@p", "http://me:hush@p:port", "http://me:hush@p?", "ftp://me:hush@p", "me:hush@p:1080", "socks5://me:12#hush@p",
	} {
		_, err := proxy.Parse(url)
		var e *proxy.Error
		if !errors.As(err, &e) || e.Reason != proxy.ReasonArgument {
			t.Errorf("%q: error is %v", url, err)
			continue
		}
		if s := err.Error(); strings.Contains(s, "hu") || strings.Contains(s, "sh@") {
			t.Errorf("%q: the error repeats the password: %v", url, err)
		}
	}
}

// TestPasswordsDoNotPrint: a stage in a log shows no password.
func TestPasswordsDoNotPrint(t *testing.T) {
	for _, s := range []proxy.Stage{
		proxy.SOCKS5{Addr: "p:1", User: "me", Password: "hush"},
		proxy.Tunnel{Addr: "p:1", User: "me", Password: "hush"},
	} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q"} {
			if got := fmt.Sprintf(verb, s); strings.Contains(got, "hush") || !strings.Contains(got, "://me@p:1") {
				t.Errorf("%s prints %s", verb, got)
			}
		}
		if b, _ := json.Marshal(s); strings.Contains(string(b), "hush") {
			t.Errorf("JSON is %s", b)
		}
	}
	if got := fmt.Sprint(proxy.SOCKS4{Addr: "p"}, " ", proxy.SOCKS4A{Addr: "q", User: "me"}); got != "socks4://p socks4a://me@q" {
		t.Errorf("printed %s", got)
	}
}

func TestFromEnvironment(t *testing.T) {
	all := []string{"HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy", "NO_PROXY", "no_proxy", "HTTP_PROXY", "http_proxy"}
	for _, tt := range []struct {
		name, address string
		env           map[string]string
		want          string // "" for none, "error"
	}{
		{"nothing set", "mx.example:25", nil, ""},
		{"HTTPS_PROXY", "mx.example:25", map[string]string{"HTTPS_PROXY": "http://p:3128"}, "http://p:3128"},
		{"without a scheme", "mx.example:25", map[string]string{"HTTPS_PROXY": "p:3128"}, "http://p:3128"},
		{"ALL_PROXY", "mx.example:25", map[string]string{"ALL_PROXY": "socks5h://p"}, "socks5://p:1080"},
		{"both", "mx.example:25", map[string]string{"ALL_PROXY": "socks5://p", "HTTPS_PROXY": "http://q"}, "http://q:80"},
		{"lower case goes first", "mx.example:25", map[string]string{"https_proxy": "http://lower", "HTTPS_PROXY": "http://upper"}, "http://lower:80"},
		{"HTTP_PROXY is not ours", "mx.example:25", map[string]string{"HTTP_PROXY": "http://p", "http_proxy": "http://p"}, ""},
		{"NO_PROXY, name", "mx.example:25", map[string]string{"ALL_PROXY": "socks5h://p", "NO_PROXY": "other, MX.example"}, ""},
		{"NO_PROXY, domain", "mx.example:25", map[string]string{"ALL_PROXY": "socks5h://p", "no_proxy": "example"}, ""},
		{"NO_PROXY, port", "mx.example:25", map[string]string{"ALL_PROXY": "socks5h://p", "no_proxy": "mx.example:587"}, "socks5://p:1080"},
		{"NO_PROXY, CIDR", "192.0.2.9:25", map[string]string{"ALL_PROXY": "socks5h://p", "no_proxy": "192.0.2.0/24"}, ""},
		{"NO_PROXY, all", "mx.example:25", map[string]string{"ALL_PROXY": "socks5h://p", "no_proxy": "*"}, ""},
		{"loopback", "127.0.0.1:25", map[string]string{"ALL_PROXY": "socks5h://p"}, ""},
		{"bad URL", "mx.example:25", map[string]string{"HTTPS_PROXY": "gopher://p", "ALL_PROXY": "socks5://p"}, "error"},
		{"bad port", "mx.example:25", map[string]string{"ALL_PROXY": "socks5://p:port"}, "error"},
		{"bad address", "mx.example", map[string]string{"ALL_PROXY": "socks5://p"}, "error"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for _, name := range all {
				t.Setenv(name, tt.env[name])
			}
			s, err := proxy.FromEnvironment(tt.address)
			got := ""
			switch {
			case err != nil:
				got = "error"
			case s != nil:
				got = fmt.Sprint(s)
			}
			if got != tt.want {
				t.Errorf("got %q (%v), want %q", got, err, tt.want)
			}
		})
	}
}

// TestEnvironment: the variables count at the dial, and a bad one is never a direct
// connection.
func TestEnvironment(t *testing.T) {
	for _, name := range []string{"HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy", "NO_PROXY", "no_proxy"} {
		t.Setenv(name, "")
	}
	var dialled string
	d := proxy.Environment(dialFunc(func(_ context.Context, _, address string) (net.Conn, error) {
		dialled = address
		return nil, errors.New("no network")
	}))
	for _, tt := range []struct{ value, want string }{
		{"", "mx.example:25"},
		{"socks5h://p", "p:1080"},
		{"socks5h://p:bad", ""},
	} {
		t.Setenv("ALL_PROXY", tt.value)
		dialled = ""
		if _, err := d.DialContext(t.Context(), "tcp", "mx.example:25"); err == nil || dialled != tt.want {
			t.Errorf("ALL_PROXY=%s: dialled %q, %v", tt.value, dialled, err)
		}
	}
}

func TestExceptions(t *testing.T) {
	list := "MX.example; .inner.example,*.star.example. 192.0.2.1 198.51.100.0/24;[2001:db8::1]:587 2001:db8:1::/48 odd.example:2525 ::ffff:203.0.113.5 fe80::/10"
	e, err := proxy.ParseExceptions(list)
	if err != nil {
		t.Fatal(err)
	}
	for address, want := range map[string]bool{
		"mx.example:25": true, "mx.EXAMPLE.:25": true, "a.mx.example:25": false, "amx.example:25": false,
		"inner.example:25": false, "a.inner.example:25": true, "a.b.inner.example:25": true, "ainner.example:25": false,
		"x.star.example:25": true, "star.example:25": false,
		"192.0.2.1:25": true, "[::ffff:192.0.2.1]:25": true, "192.0.2.2:25": false, "198.51.100.77:25": true,
		"[2001:db8::1]:587": true, "[2001:db8::1]:25": false, "[2001:db8:1::9]:25": true,
		"odd.example:2525": true, "odd.example:25": false, "203.0.113.5:25": true, "[fe80::1%eth0]:25": true,
		"mx.example": false, "": false, "mx.example:smtp": false,
	} {
		if got := e.Match(address); got != want {
			t.Errorf("Match(%q) is %v", address, got)
		}
	}
	star, err := proxy.ParseExceptions("*")
	if err != nil || !star.Match("x:25") || !star.Match("192.0.2.1:25") || !star.Match("[::1]:25") {
		t.Errorf("* does not match everything: %v", err)
	}
	if (proxy.Exceptions{}).Match("x:25") {
		t.Error("no exception matches")
	}
	for _, bad := range []string{"a b@c", "x:0", "x:port", "[::1", ".", "*.", "a*b", "10.0.0.0/33", "x/8", "m\u00fcx"} {
		if _, err := proxy.ParseExceptions(bad); !errors.Is(err, proxy.ReasonArgument) {
			t.Errorf("%q: error is %v", bad, err)
		}
	}
}

func TestExceptionsDialer(t *testing.T) {
	e, err := proxy.ParseExceptions(".local.example")
	if err != nil {
		t.Fatal(err)
	}
	var took string
	way := func(name string) proxy.Dialer {
		return dialFunc(func(context.Context, string, string) (net.Conn, error) {
			took = name
			return nil, errors.New("no network")
		})
	}
	d := e.Dialer(way("direct"), way("through"))
	for address, want := range map[string]string{"a.local.example:25": "direct", "mx.example:25": "through", "bad address": "through"} {
		if _, err := d.DialContext(t.Context(), "tcp", address); err == nil || took != want {
			t.Errorf("%s went %s", address, took)
		}
	}
}
