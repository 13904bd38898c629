package proxy

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
)

// Exceptions is a list of targets that are reached directly. The zero value has
// none.
type Exceptions struct{ rules []exception }

// exception is one entry: a prefix, a name, or everything.
type exception struct {
	prefix netip.Prefix
	name   string // lower case; "" with an invalid prefix: everything
	below  bool   // the names below name, not name itself
	port   uint16 // 0: any
}

// ParseExceptions reads a list separated by semicolons, commas or white space. An
// entry is
//
//	mx.example          that name only
//	.example *.example  all names below it
//	192.0.2.1  2001:db8::1  [2001:db8::1]
//	192.0.2.0/24  2001:db8::/32
//	*                   everything
//
// and may end in ":port", an IPv6 address then in brackets. Case does not matter.
// An address is compared with literals only: no name is looked up to decide.
func ParseExceptions(list string) (Exceptions, error) {
	var e Exceptions
	separator := func(c rune) bool { return strings.ContainsRune(";, \t\r\n", c) }
	for entry := range strings.FieldsFuncSeq(list, separator) {
		rule, err := parseException(entry)
		if err != nil {
			return Exceptions{}, &Error{Op: OpCheck, Reason: ReasonArgument, Err: fmt.Errorf("proxy exception %+.80q: %w", entry, err)}
		}
		e.rules = append(e.rules, rule)
	}
	return e, nil
}

func parseException(entry string) (exception, error) {
	if p, err := netip.ParsePrefix(entry); err == nil {
		return exception{prefix: p.Masked()}, nil
	}
	var r exception
	host := entry
	if _, err := netip.ParseAddr(entry); err != nil && strings.Contains(entry, ":") && !strings.HasSuffix(entry, "]") {
		h, p, err := net.SplitHostPort(entry)
		if err != nil {
			return r, err
		}
		n, err := strconv.ParseUint(p, 10, 16)
		if err != nil || n == 0 {
			return r, fmt.Errorf("port %+.20q is not a number from 1 to 65535", p)
		}
		host, r.port = h, uint16(n)
	}
	if ip, err := netip.ParseAddr(strings.Trim(host, "[]")); err == nil {
		ip = ip.Unmap().WithZone("")
		r.prefix = netip.PrefixFrom(ip, ip.BitLen())
		return r, nil
	}
	if host == "*" {
		return r, nil
	}
	name, wild := strings.CutPrefix(host, "*.")
	if !wild {
		name, wild = strings.CutPrefix(host, ".")
	}
	r.name, r.below = canonical(name), wild
	return r, checkHost(r.name)
}

// canonical is how names are compared: without case and the root's dot.
func canonical(name string) string { return strings.TrimSuffix(strings.ToLower(name), ".") }

// Match reports whether address ("host:port") is to be reached directly.
func (e Exceptions) Match(address string) bool {
	t, err := splitTarget(address)
	if err != nil {
		return false // the proxy's stage will say what is wrong with it
	}
	for _, r := range e.rules {
		if (r.port == 0 || r.port == t.port) && r.match(t) {
			return true
		}
	}
	return false
}

func (r exception) match(t target) bool {
	switch {
	case r.prefix.IsValid():
		return r.prefix.Contains(t.ip.WithZone(""))
	case t.ip.IsValid():
		return r.name == ""
	case r.below:
		return strings.HasSuffix(canonical(t.host), "."+r.name)
	}
	return r.name == "" || r.name == canonical(t.host)
}

// Dialer returns a Dialer that takes direct for what is on the list, and through
// for everything else. A nil direct is a plain net.Dialer.
func (e Exceptions) Dialer(direct, through Dialer) Dialer {
	return exceptional{exceptions: e, direct: Chain(direct), through: through}
}

type exceptional struct {
	exceptions      Exceptions
	direct, through Dialer
}

// DialContext implements Dialer.
func (d exceptional) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	if d.exceptions.Match(address) {
		return d.direct.DialContext(ctx, network, address)
	}
	return d.through.DialContext(ctx, network, address)
}
