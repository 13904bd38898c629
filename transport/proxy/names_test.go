package proxy_test

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/parley-mail/parley/transport/proxy"
)

// TestNames: every value has a name of its own, and so has a value there is none of.
func TestNames(t *testing.T) {
	enum := func(kind string, count int, name func(i int) string) {
		seen := map[string]bool{}
		for i := range count {
			if s := name(i); s == "" || seen[s] || strings.Contains(s, "(") {
				t.Errorf("%s %d: %q", kind, i, s)
			} else {
				seen[s] = true
			}
		}
		if got, want := name(count), fmt.Sprintf("%s(%d)", kind, count); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	enum("Kind", 7, func(i int) string { return proxy.Kind(i).String() })
	enum("Op", 8, func(i int) string { return proxy.Op(i).String() })
	enum("Reason", int(proxy.ReasonAddressUnsupported)+1, func(i int) string { return proxy.Reason(i).Error() })
	enum("Auth", 4, func(i int) string { return proxy.Auth(i).String() })
}

// TestErrorText: one printable line that says where, what and why, and quotes the
// proxy.
func TestErrorText(t *testing.T) {
	for _, tt := range []struct {
		err  proxy.Error
		want string
	}{
		{proxy.Error{Op: proxy.OpCheck, Reason: proxy.ReasonArgument, Err: errors.New("why")}, "proxy: check: argument refused: why"},
		{
			proxy.Error{Stage: 2, Kind: proxy.KindHTTP, Addr: "p:3128", Target: "mx.example:25", Op: proxy.OpConnect, Reason: proxy.ReasonNotAllowed, Status: 403, Text: "Forbidden \x1b[31m"},
			`proxy 2 (http p:3128) for mx.example:25: connect: not allowed by the proxy's rules (403): proxy said "Forbidden \x1b[31m"`,
		},
		{
			proxy.Error{Kind: proxy.KindSOCKS5, Addr: "p\r\n", Target: "\xff:25", Op: proxy.OpAuth, Reason: proxy.ReasonLost, Err: io.ErrClosedPipe},
			`proxy (socks5 p\r\n) for \xff:25: authentication: connection to the proxy lost: io: read/write on closed pipe`,
		},
	} {
		if got := tt.err.Error(); got != tt.want {
			t.Errorf("got  %s\nwant %s", got, tt.want)
		}
	}
}

// TestTemporary: what a later attempt cannot heal is not tried again.
func TestTemporary(t *testing.T) {
	never := map[proxy.Reason]bool{
		proxy.ReasonArgument: true, proxy.ReasonCanceled: true, proxy.ReasonAuthRequired: true, proxy.ReasonAuthFailed: true, proxy.ReasonAuthUnsupported: true,
		proxy.ReasonNotAllowed: true, proxy.ReasonCommandUnsupported: true, proxy.ReasonAddressUnsupported: true,
	}
	for r := proxy.ReasonNone + 1; r <= proxy.ReasonAddressUnsupported; r++ {
		e := &proxy.Error{Reason: r}
		if e.Temporary() == never[r] || e.Timeout() != (r == proxy.ReasonTimeout) {
			t.Errorf("%s: temporary %t, timeout %t", r, e.Temporary(), e.Timeout())
		}
	}
}
