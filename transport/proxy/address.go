package proxy

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/parley-mail/parley/transport"
)

// target is a checked address.
type target struct {
	host string     // name or literal, without brackets
	ip   netip.Addr // valid if the host is a literal; IPv4-mapped IPv6 is unmapped
	port uint16
}

// String returns "host:port", an IPv6 literal in brackets.
func (t target) String() string { return net.JoinHostPort(t.host, strconv.Itoa(int(t.port))) }

// at is the same port at a literal.
func (t target) at(ip netip.Addr) target { return target{host: ip.String(), ip: ip, port: t.port} }

// maxHost is the longest host name SOCKS5 carries, RFC 1928 §5. It holds for all
// protocols, and is more than DNS allows.
const maxHost = 255

// parseTarget reads "host:port". A zone has a meaning on this machine only, and is
// refused: the one who dials the address is the proxy.
func parseTarget(network, address string) (target, error) {
	switch network {
	case "tcp", "tcp4", "tcp6":
	default:
		return target{}, fmt.Errorf("network %+.20q is not tcp, tcp4 or tcp6", network)
	}
	t, err := splitTarget(address)
	if err == nil && t.ip.Zone() != "" {
		return target{}, fmt.Errorf("host %+.80q: a zone means nothing to a proxy", t.host)
	}
	return t, err
}

func splitTarget(address string) (target, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return target{}, fmt.Errorf("address %+.80q is not host:port", address)
	}
	return makeTarget(host, port)
}

// endpoint reads a proxy's "host", "host:port" or literal, with the port of its type
// for the case that none is given.
func endpoint(addr string, port uint16) (string, error) {
	if addr == "" {
		return "", errors.New("the proxy's address is missing")
	}
	if strings.HasPrefix(addr, "[") && strings.HasSuffix(addr, "]") {
		addr = addr[1 : len(addr)-1]
	}
	host, p := addr, strconv.Itoa(int(port))
	if _, err := netip.ParseAddr(addr); err == nil {
		host = addr
	} else if strings.Contains(addr, ":") {
		if host, p, err = net.SplitHostPort(addr); err != nil {
			return "", fmt.Errorf("proxy address %+.80q is not host:port", addr)
		}
	}
	t, err := makeTarget(host, p)
	if err != nil {
		return "", fmt.Errorf("proxy address: %w", err)
	}
	return t.String(), nil
}

func makeTarget(host, port string) (target, error) {
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil || n == 0 {
		return target{}, fmt.Errorf("port %+.20q is not a number from 1 to 65535", port)
	}
	if ip, err := netip.ParseAddr(host); err == nil {
		if zone := ip.Zone(); zone != "" {
			if err := checkHost(zone); err != nil {
				return target{}, fmt.Errorf("zone: %w", err)
			}
		}
		ip = ip.Unmap()
		return target{host: ip.String(), ip: ip, port: uint16(n)}, nil
	}
	if err := checkHost(host); err != nil {
		return target{}, err
	}
	return target{host: host, port: uint16(n)}, nil
}

// checkHost admits letters, digits, hyphen, dot and underscore. Everything by which
// a name could end a field or start another one is outside.
func checkHost(host string) error {
	switch {
	case host == "":
		return errors.New("the host is empty")
	case len(host) > maxHost:
		return fmt.Errorf("host of %d octets; RFC 1928 §5 carries %d", len(host), maxHost)
	}
	for i := range len(host) {
		c := host[i]
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '-', c == '.', c == '_':
		case c >= utf8.RuneSelf:
			return fmt.Errorf("host %+.80q has an octet beyond ASCII at %d; write it in A-labels (RFC 5890 §2.3.2.1)", host, i)
		default:
			return fmt.Errorf("host %+.80q has %q at octet %d", host, c, i)
		}
	}
	return nil
}

// checkSecret checks a user name or password without ever showing it.
func checkSecret(what, s string, shortest, longest int) error {
	if len(s) < shortest || len(s) > longest {
		return fmt.Errorf("%s of %d octets; %d to %d are possible", what, len(s), shortest, longest)
	}
	if !utf8.ValidString(s) {
		return fmt.Errorf("%s is not UTF-8", what)
	}
	for i := range len(s) {
		if s[i] < ' ' || s[i] == 0x7f {
			return fmt.Errorf("%s has a control character at octet %d", what, i)
		}
	}
	return nil
}

// maxAddresses is how many addresses of one name are tried.
const maxAddresses = 8

// resolve returns what a name stands for on this machine, a literal as it is.
func (a *attempt) resolve(ctx context.Context, r transport.Resolver, network string, t target, timeout time.Duration) ([]target, error) {
	a.op = OpResolve
	ctx, cancel := context.WithTimeout(ctx, cmp.Or(max(timeout, 0), DefaultTimeout))
	defer cancel()
	family := "ip" + network[len("tcp"):]
	if t.ip.IsValid() {
		return []target{t}, nil
	}
	if r == nil {
		r = net.DefaultResolver
	}
	ips, err := r.LookupNetIP(ctx, family, t.host)
	switch {
	case ctx.Err() != nil:
		return nil, a.ended(ctx)
	case err != nil:
		return nil, a.fail(ReasonNoName, err)
	}
	var list []target
	for _, ip := range ips {
		ip = ip.Unmap().WithZone("")
		if ip.IsValid() && (family == "ip" || ip.Is4() == (family == "ip4")) && len(list) < maxAddresses {
			list = append(list, t.at(ip))
		}
	}
	if len(list) == 0 {
		return nil, a.fail(ReasonNoName, errors.New("no address of family "+family))
	}
	return list, nil
}

// firstOf dials the addresses in turn until one works. Only what the proxy says
// about an address leads to the next one.
func firstOf(list []target, dial func(target) (net.Conn, error)) (nc net.Conn, err error) {
	for _, t := range list {
		nc, err = dial(t)
		var e *Error
		if err == nil || !errors.As(err, &e) || e.Stage != 0 {
			return nc, err
		}
		switch e.Reason {
		case ReasonRefused, ReasonHostUnreachable, ReasonNetworkUnreachable, ReasonConnectionRefused,
			ReasonTTLExpired, ReasonAddressUnsupported:
		default:
			return nil, err
		}
	}
	return nil, err
}
