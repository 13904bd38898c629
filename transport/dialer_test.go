package transport_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/parley-mail/parley/transport"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// hosts is a resolver of names that are in no DNS.
type hosts map[string][]string

func (h hosts) LookupNetIP(_ context.Context, network, host string) ([]netip.Addr, error) {
	var out []netip.Addr
	for _, s := range h[host] {
		if a := netip.MustParseAddr(s); network == "ip" || (network == "ip4") == a.Unmap().Is4() {
			out = append(out, a)
		}
	}
	if len(out) == 0 {
		return nil, &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}
	}
	return out, nil
}

// attempts notes the addresses dialled, and fails each without touching the network.
type attempts struct {
	mu   sync.Mutex
	list []string
}

var errNoNetwork = errors.New("no network in this test")

func (a *attempts) control(_ context.Context, _, address string, _ syscall.RawConn) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.list = append(a.list, address)
	return errNoNetwork
}

func TestOrderOfAddresses(t *testing.T) {
	h := hosts{"mx.example": {"192.0.2.1", "2001:db8::1", "192.0.2.2", "::ffff:192.0.2.3"}, "six.example": {"2001:db8::6", "192.0.2.6"}}
	const a1, a2, a3, b1 = "192.0.2.1:25", "192.0.2.2:25", "192.0.2.3:25", "[2001:db8::1]:25"
	for _, c := range []struct {
		network, host string
		family        transport.Family
		want          []string
	}{
		{"tcp", "mx.example", transport.FamilyDual, []string{a1, b1, a2, a3}},
		{"tcp", "mx.example", transport.FamilyIPv4, []string{a1, a2, a3}},
		{"tcp", "mx.example", transport.FamilyIPv6, []string{b1}},
		{"tcp", "mx.example", transport.FamilyPreferIPv4, []string{a1, a2, a3, b1}},
		{"tcp", "mx.example", transport.FamilyPreferIPv6, []string{b1, a1, a2, a3}},
		{"tcp4", "mx.example", transport.FamilyDual, []string{a1, a2, a3}},
		{"tcp6", "mx.example", transport.FamilyPreferIPv4, []string{b1}},
		{"tcp", "six.example", transport.FamilyDual, []string{"[2001:db8::6]:25", "192.0.2.6:25"}},
		{"tcp", "192.0.2.9", transport.FamilyDual, []string{"192.0.2.9:25"}},
	} {
		var a attempts
		d := transport.TCPDialer{Family: c.family, Resolver: h, FallbackDelay: -1, Control: a.control}
		_, err := d.DialContext(t.Context(), c.network, c.host+":25")
		if !slices.Equal(a.list, c.want) {
			t.Errorf("%s of %s, %v: tried %q, want %q", c.network, c.host, c.family, a.list, c.want)
		}
		var e *transport.DialError
		if !errors.As(err, &e) || e.Op != transport.OpConnect || len(e.Tried) != len(c.want) || !errors.Is(err, errNoNetwork) {
			t.Errorf("%v", err)
			continue
		}
		for i, tried := range e.Tried {
			if tried.Address.String() != c.want[i] || len(c.want) > 1 && !strings.Contains(err.Error(), c.want[i]) {
				t.Errorf("%v", err)
			}
		}
	}
}

func TestDialErrors(t *testing.T) {
	h := hosts{"four.example": {"192.0.2.1"}}
	for name, c := range map[string]struct {
		d                transport.TCPDialer
		network, address string
		op               transport.Op
		temporary        bool
		notFound         bool
	}{
		"no port":            {transport.TCPDialer{}, "tcp", "mx.example", transport.OpAddress, false, false},
		"unknown port":       {transport.TCPDialer{}, "tcp", "mx.example:no-such-service", transport.OpAddress, false, false},
		"no network":         {transport.TCPDialer{}, "udp", "mx.example:25", transport.OpAddress, false, false},
		"no family":          {transport.TCPDialer{Family: 99}, "tcp", "mx.example:25", transport.OpAddress, false, false},
		"against its family": {transport.TCPDialer{Family: transport.FamilyIPv6}, "tcp4", "mx.example:25", transport.OpAddress, false, false},
		"no host":            {transport.TCPDialer{}, "tcp", ":25", transport.OpResolve, true, false},
		"no such host":       {transport.TCPDialer{Resolver: h}, "tcp", "mx.example:25", transport.OpResolve, false, true},
		"none of the family": {transport.TCPDialer{Resolver: h}, "tcp6", "four.example:25", transport.OpResolve, false, true},
		"literal of another": {transport.TCPDialer{}, "tcp6", "192.0.2.1:25", transport.OpResolve, false, true},
		"no such local port": {transport.TCPDialer{LocalPort: 70000}, "tcp", "192.0.2.1:25", transport.OpBind, false, false},
		"no local host":      {transport.TCPDialer{Resolver: h, LocalHost: "nobody.example"}, "tcp", "192.0.2.1:25", transport.OpBind, false, false},
		"local of another":   {transport.TCPDialer{Family: transport.FamilyDual, LocalHost: "::1"}, "tcp", "127.0.0.1:25", transport.OpBind, false, false},
		"foreign local":      {transport.TCPDialer{LocalHost: "192.0.2.1"}, "tcp", "127.0.0.1:25", transport.OpBind, false, false},
		"no such socket":     {transport.TCPDialer{}, "unix", "/nowhere/at/all", transport.OpConnect, true, false},
		"unix from a port":   {transport.TCPDialer{LocalPort: 25}, "unix", "/nowhere/at/all", transport.OpBind, false, false},
	} {
		nc, err := c.d.DialContext(t.Context(), c.network, c.address)
		var e *transport.DialError
		if !errors.As(err, &e) || e.Op != c.op || e.Temporary() != c.temporary || e.NotFound() != c.notFound || e.Timeout() || e.Refused() {
			t.Errorf("%s: %v, %v", name, nc, err)
		}
	}
}

func TestDial(t *testing.T) {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	_, port, _ := net.SplitHostPort(address)
	d := transport.TCPDialer{
		// The first address refuses: nobody listens there.
		Resolver: hosts{"mx.example": {"127.0.0.2", "127.0.0.1"}}, FallbackDelay: -1, LocalHost: "127.0.0.1",
		KeepAlive: time.Minute, KeepAliveInterval: time.Second, KeepAliveCount: 3, Linger: 1500 * time.Millisecond, Delay: true,
		ReadBuffer: 8192, WriteBuffer: 8192,
	}
	nc, err := d.DialContext(t.Context(), "tcp", "mx.example:"+port)
	if err != nil {
		t.Fatal(err)
	}
	if nc.RemoteAddr().String() != address || !strings.HasPrefix(nc.LocalAddr().String(), "127.0.0.1:") {
		t.Errorf("%v from %v", nc.RemoteAddr(), nc.LocalAddr())
	}
	nc.Close()
	for _, d := range []transport.TCPDialer{{}, {KeepAlive: -1, Linger: -1, AddressTimeout: -1}, {AddressTimeout: time.Minute, FallbackDelay: time.Minute}} {
		nc, err := d.DialContext(t.Context(), "tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		nc.Close()
	}
	l.Close()
	_, err = d.DialContext(t.Context(), "tcp", "mx.example:"+port)
	var e *transport.DialError
	if !errors.As(err, &e) || !e.Refused() || !e.Temporary() || len(e.Tried) != 2 || e.Address != "mx.example:"+port {
		t.Errorf("%v", err)
	}
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := d.DialContext(cancelled, "tcp", address); !errors.As(err, &e) || !errors.Is(err, context.Canceled) || e.Temporary() {
		t.Errorf("%v", err)
	}
}

func TestDialUnix(t *testing.T) {
	dir, err := os.MkdirTemp("", "s") // t.TempDir may be too long for a socket's name
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "lmtp")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Skip(err)
	}
	defer l.Close()
	nc, err := new(transport.TCPDialer).DialContext(t.Context(), "unix", path)
	if err != nil {
		t.Fatal(err)
	}
	nc.Close()
	_, err = (&transport.TCPDialer{Delay: true}).DialContext(t.Context(), "unix", path)
	var e *transport.DialError
	if !errors.As(err, &e) || e.Op != transport.OpOption {
		t.Errorf("%v", err)
	}
}

// The next address is tried beside one that keeps silent, and who comes second is closed.
func TestFallback(t *testing.T) {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	release := make(chan struct{})
	first := make(chan struct{})
	d := transport.TCPDialer{
		Resolver:      hosts{"mx.example": {"127.0.0.2", "127.0.0.1"}},
		FallbackDelay: time.Nanosecond,
		Control: func(ctx context.Context, _, address string, _ syscall.RawConn) error {
			if strings.HasPrefix(address, "127.0.0.2:") {
				close(first)
				select { // silent until the race is over
				case <-ctx.Done():
				case <-release:
				}
				return ctx.Err()
			}
			<-first
			return nil
		},
	}
	nc, err := d.DialContext(t.Context(), "tcp", "mx.example:"+port)
	close(release)
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	server, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	go io.WriteString(server, "220 hi\r\n")
	p := make([]byte, 8)
	if _, err := io.ReadFull(nc, p); err != nil || string(p) != "220 hi\r\n" {
		t.Errorf("%q, %v", p, err)
	}
}
