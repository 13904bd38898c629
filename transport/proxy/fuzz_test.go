package proxy_test

import (
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/parley-mail/parley/transport/proxy"
)

// fuzzReply holds for every parser of answers: there is no panic and no endless
// loop; a failure is an *Error without the password; a success takes a prefix of
// what the proxy said and gives every octet behind it; cutting changes nothing.
func fuzzReply(f *testing.F, stage proxy.Stage, seeds ...string) {
	for _, s := range seeds {
		f.Add(s, uint8(3))
	}
	f.Fuzz(func(t *testing.T, reply string, cut uint8) {
		at := min(int(cut), len(reply))
		whole, cutUp := &script{pieces: []string{reply}}, &script{pieces: []string{reply[:at], reply[at:]}}
		nc, err := dial(stage, whole)
		nc2, err2 := dial(stage, cutUp)
		if whole.dials > 1 || cutUp.dials > 1 {
			return // a connection that the proxy gave up takes what was read with it
		}
		if (err == nil) != (err2 == nil) || err != nil && err.Error() != err2.Error() && !errors.Is(err, proxy.ReasonBadReply) {
			t.Fatalf("cut at %d: %v, else %v", at, err2, err)
		}
		if err != nil {
			var e *proxy.Error
			if !errors.As(err, &e) || e.Reason == proxy.ReasonNone || strings.Contains(err.Error(), "hush") || whole.closed != whole.dials {
				t.Fatalf("%v; closed %d of %d", err, whole.closed, whole.dials)
			}
			return
		}
		rest, _ := io.ReadAll(nc)
		rest2, _ := io.ReadAll(nc2)
		if !strings.HasSuffix(reply, string(rest)) || len(rest) == len(reply) || string(rest) != string(rest2) {
			t.Fatalf("of %q the tunnel gave %q, cut %q", reply, rest, rest2)
		}
	})
}

func FuzzSOCKS4Reply(f *testing.F) {
	fuzzReply(f, proxy.SOCKS4A{Addr: "p"}, "\x00\x5a\x00\x00\x00\x00\x00\x00"+greeting, "\x00\x5b", "\x05\xff",
		"\x00\x5a\x00\x19\xc0\x00\x02\x01", "\x00\x5d\x00\x00\x00\x00\x00\x00", greeting)
}

func FuzzSOCKS5Reply(f *testing.F) {
	fuzzReply(f, proxy.SOCKS5{Addr: "p", User: "me", Password: "hush"},
		"\x05\x02\x01\x00\x05\x00\x00\x03\x09localhost\x04\x38"+greeting, "\x05\x00\x05\x04\x00\x01", "\x05\xff",
		"\x05\x02\x01\x01", "\x05\x01", "\x05\x00\x05\x00\x00\x04"+"0123456789abcdef"+"\x00\x19"+greeting,
		"\x05\x00\x05\x00\x00\x03\xffshort", "\x05\x00\x05\x00\x00\x02\x00\x00", greeting)
}

func FuzzHTTPReply(f *testing.F) {
	var seeds []string
	for _, a := range accepted {
		seeds = append(seeds, a.reply+greeting)
	}
	fuzzReply(f, proxy.Tunnel{Addr: "p", User: "me", Password: "hush"}, append(seeds,
		wants("NTLM", digestMD5)+"HTTP/1.1 200 OK\r\n\r\n"+greeting,
		wants("NTLM")+wants(ntlmChallenge())+"HTTP/1.1 200 OK\r\n\r\n",
		chunked("HTTP/1.1 407 x\r\nProxy-Authenticate: Basic\r\n")+"HTTP/1.1 204 x\n\n",
		wants("NTLM")+wants(oldChallenge(0x00888207))+"HTTP/1.1 200 OK\r\n\r\n",
		"HTTP/1.1 403 Forbidden\r\nContent-Length: 1234\r\n\r\n<html>", "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200\n\n")...)
}

// FuzzParse: a URL gives a stage that can be used as it is, or an *Error.
func FuzzParse(f *testing.F) {
	f.Add("socks5h://me:p%40ss@[::1]:1080/")
	f.Add("http://DOM%5Cme:pw@proxy.example:3128")
	f.Add("https://[fe80::1%25eth0]")
	f.Add("socks4a://me@p")
	f.Add("socks4://p:65536")
	f.Fuzz(func(t *testing.T, url string) {
		stage, err := proxy.Parse(url)
		if err != nil {
			if !errors.Is(err, proxy.ReasonArgument) {
				t.Fatal(err)
			}
			return
		}
		switch s := stage.(type) {
		case proxy.SOCKS4:
			s.Resolver = resolver
			stage = s
		case proxy.SOCKS5:
			s.Resolver = resolver
			stage = s
		case proxy.Tunnel:
			s.TLS = nil
			stage = s
		}
		if _, err := dial(stage, &script{}); !errors.Is(err, proxy.ReasonClosed) {
			t.Fatalf("%v from %q: %v", stage, url, err)
		}
	})
}

// FuzzExceptions: a list is refused or answers for any address, and never with the
// whole world unless it says so.
func FuzzExceptions(f *testing.F) {
	f.Add("mx.example;*.x,10.0.0.0/8 [::1]:25", "mx.example:25")
	f.Fuzz(func(t *testing.T, list, address string) {
		e, err := proxy.ParseExceptions(list)
		if err != nil && e.Match(address) {
			t.Fatalf("a refused list matches %q", address)
		}
		if e.Match("never.listed.invalid:1") && !strings.ContainsAny(list, "*Ii") {
			t.Fatalf("%q matches a name that is not on it", list)
		}
	})
}
