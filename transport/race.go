package transport

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"time"
)

// maxAddresses bounds how many addresses of one host are tried.
const maxAddresses = 32

// within narrows the family to the network "tcp4" or "tcp6".
func (f Family) within(network string) (Family, error) {
	switch {
	case f >= familyCount:
		return 0, fmt.Errorf("no such address family: %v", f)
	case network == "tcp":
		return f, nil
	case network == "tcp4" && f != FamilyIPv6:
		return FamilyIPv4, nil
	case network == "tcp6" && f != FamilyIPv4:
		return FamilyIPv6, nil
	case network == "tcp4", network == "tcp6":
		return 0, fmt.Errorf("network %s and family %v exclude each other", network, f)
	}
	return 0, net.UnknownNetworkError(network)
}

// literal returns the address of a host that is written as one, if the family takes it: there
// is nothing to look up, and nothing to choose from.
func (f Family) literal(address string) (netip.AddrPort, bool) {
	a, err := netip.ParseAddrPort(address)
	a = netip.AddrPortFrom(a.Addr().Unmap(), a.Port())
	unfit := f == FamilyIPv4 && a.Addr().Is6() || f == FamilyIPv6 && a.Addr().Is4()
	return a, err == nil && !unfit
}

// resolve returns at least one address of host, in the order to try them in.
func (d *TCPDialer) resolve(ctx context.Context, family Family, host string) ([]netip.Addr, error) {
	var found []netip.Addr
	if a, err := netip.ParseAddr(host); err == nil {
		if family != FamilyIPv4 && family != FamilyIPv6 {
			return []netip.Addr{a.Unmap()}, nil
		}
		found = []netip.Addr{a}
	} else if host == "" {
		return nil, errors.New("no host")
	} else if found, err = d.resolver().LookupNetIP(ctx, lookupNetwork(family), host); err != nil {
		return nil, err
	}
	var v4, v6 []netip.Addr
	v6First := false
	for _, a := range found {
		if a = a.Unmap(); a.Is4() {
			v4 = append(v4, a)
		} else {
			v6First = v6First || len(v4) == 0
			v6 = append(v6, a)
		}
	}
	var addrs []netip.Addr
	switch family {
	case FamilyIPv4:
		addrs = v4
	case FamilyIPv6:
		addrs = v6
	case FamilyPreferIPv6:
		addrs = append(v6, v4...)
	case FamilyPreferIPv4:
		addrs = append(v4, v6...)
	default:
		if v6First {
			addrs = takeTurns(v6, v4)
		} else {
			addrs = takeTurns(v4, v6)
		}
	}
	if len(addrs) == 0 {
		return nil, &net.DNSError{Err: "no address of family " + family.String(), Name: host, IsNotFound: true}
	}
	return addrs[:min(len(addrs), maxAddresses)], nil
}

func lookupNetwork(f Family) string {
	switch f {
	case FamilyIPv4:
		return "ip4"
	case FamilyIPv6:
		return "ip6"
	}
	return "ip"
}

func takeTurns(a, b []netip.Addr) []netip.Addr {
	out := make([]netip.Addr, 0, len(a)+len(b))
	for i := range max(len(a), len(b)) {
		if i < len(a) {
			out = append(out, a[i])
		}
		if i < len(b) {
			out = append(out, b[i])
		}
	}
	return out
}

// attempt is the outcome of dialling one address.
type attempt struct {
	nc   net.Conn
	addr netip.AddrPort
	err  error
}

// race tries the addresses in order, each after the one before has failed or
// kept silent for the fallback delay. It returns the first connection, or all
// the failures and the error to show for them: the first one that is not a
// time-out, since that says most.
func (d *TCPDialer) race(ctx context.Context, addrs []netip.Addr, port uint16, local netip.AddrPort) (net.Conn, []AddressError, error) {
	if len(addrs) == 1 {
		a := netip.AddrPortFrom(addrs[0], port)
		return d.only(ctx, a, a.String(), local)
	}
	timeout := d.AddressTimeout
	if timeout == 0 {
		timeout = 30 * time.Second
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	results := make(chan attempt)
	next, running := 0, 0
	start := func() {
		a := netip.AddrPortFrom(addrs[next], port)
		next, running = next+1, running+1
		go func() {
			nc, err := d.dialAddress(ctx, a, a.String(), local, timeout)
			results <- attempt{nc, a, err}
		}()
	}
	// Whoever comes in after the first is closed.
	drain := func() {
		cancel()
		for range running {
			if r := <-results; r.nc != nil {
				r.nc.Close()
			}
		}
	}
	delay := d.FallbackDelay
	if delay == 0 {
		delay = 300 * time.Millisecond
	}
	timer := time.NewTimer(max(delay, 0))
	defer timer.Stop()
	if delay < 0 {
		timer.Stop()
	}
	start()
	var tried []AddressError
	for running > 0 {
		select {
		case <-timer.C:
			if next < len(addrs) {
				start()
				timer.Reset(delay)
			}
		case r := <-results:
			running--
			if r.err == nil {
				drain()
				return r.nc, tried, nil
			}
			tried = append(tried, AddressError{r.addr, r.err})
			if next < len(addrs) && ctx.Err() == nil {
				start()
				if delay > 0 {
					timer.Reset(delay)
				}
			}
		}
	}
	first := tried[0].Err
	for _, t := range tried {
		if !isTimeout(t.Err) {
			first = t.Err
			break
		}
	}
	return nil, tried, first
}

// only is race where there is a single address, written as text.
func (d *TCPDialer) only(ctx context.Context, a netip.AddrPort, text string, local netip.AddrPort) (net.Conn, []AddressError, error) {
	err := ctx.Err()
	if err != nil { // a refusal may be quicker than the context is seen
		return nil, []AddressError{{a, err}}, err
	}
	nc, err := d.dialAddress(ctx, a, text, local, d.AddressTimeout)
	if err != nil {
		return nil, []AddressError{{a, err}}, err
	}
	return nc, nil, nil
}

func (d *TCPDialer) dialAddress(ctx context.Context, a netip.AddrPort, text string, local netip.AddrPort, timeout time.Duration) (net.Conn, error) {
	nd := net.Dialer{
		ControlContext: d.Control,
		KeepAlive:      -1, // Apply sets it
		Timeout:        max(timeout, 0),
		FallbackDelay:  -1, // there is one address
	}
	if !local.Addr().IsValid() && local.Port() != 0 {
		any := netip.IPv6Unspecified()
		if a.Addr().Is4() {
			any = netip.IPv4Unspecified()
		}
		local = netip.AddrPortFrom(any, local.Port())
	}
	var nc net.Conn
	var err error
	if local.IsValid() {
		nc, err = nd.DialTCP(ctx, "tcp", local, a)
	} else { // DialTCP would bind all the same
		nc, err = nd.DialContext(ctx, "tcp", text)
	}
	if err == nil {
		return nc, nil
	}
	if local.Addr().IsValid() && local.Addr().Is4() != a.Addr().Is4() && !strings.Contains(err.Error(), "bind") {
		return nil, fmt.Errorf("bind: local address %v is of another family: %w", local.Addr(), err)
	}
	return nil, err
}
