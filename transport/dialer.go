package transport

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"strconv"
	"syscall"
	"time"
)

// Dialer makes connections. *net.Dialer is one, and so are the dialers of
// package proxy.
type Dialer interface {
	DialContext(ctx context.Context, network, address string) (net.Conn, error)
}

// Family says which addresses of a host are used, and in which order.
type Family uint8

// The families.
const (
	FamilyDual       Family = iota // both, in the resolver's order, families taking turns
	FamilyIPv4                     // IPv4 only
	FamilyIPv6                     // IPv6 only
	FamilyPreferIPv6               // all of IPv6, then all of IPv4
	FamilyPreferIPv4               // all of IPv4, then all of IPv6
	familyCount
)

var familyNames = [familyCount]string{"dual", "ipv4", "ipv6", "prefer-ipv6", "prefer-ipv4"}

// String returns the family's name.
func (f Family) String() string {
	if f < familyCount {
		return familyNames[f]
	}
	return "Family(" + strconv.Itoa(int(f)) + ")"
}

// Resolver finds the addresses of a host; *net.Resolver is one.
type Resolver interface {
	LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error)
}

// TCPDialer dials TCP and sets the socket up. Its zero value is usable: both
// families, no delay, keep-alive as Go has it, the system's buffers. It also
// dials "unix", where settings of TCP are an error. It may be used from several
// goroutines and must not be changed while in use.
//
// All addresses of a host are tried, one more whenever the last has failed or
// FallbackDelay has passed without an answer; the first connection wins
// (RFC 8305). The context bounds the whole. Its errors are *DialError.
type TCPDialer struct {
	Family   Family
	Resolver Resolver // nil: net.DefaultResolver

	LocalHost string // address, name or interface's address to dial from; "": the system's choice
	LocalPort int    // 0: the system's choice

	// FallbackDelay is how long one address is waited for before the next is
	// tried beside it; 0: 300 ms; negative: until it has failed.
	FallbackDelay time.Duration
	// AddressTimeout bounds the attempt at one address; 0: 30 s if there are others
	// to try; negative: only the context bounds it.
	AddressTimeout time.Duration

	// KeepAlive is the idle time before the first keep-alive probe, and
	// KeepAliveInterval the time between unanswered probes; 0: 15 s each;
	// negative KeepAlive: no probes. KeepAliveCount unanswered ones end the
	// connection; 0: 9.
	KeepAlive         time.Duration
	KeepAliveInterval time.Duration
	KeepAliveCount    int

	// Linger is what Close does with octets not yet sent: 0: the system goes on
	// sending them behind the scenes; positive: Close waits that long, in whole
	// seconds, then resets; negative: Close resets at once.
	Linger time.Duration
	// Delay lets small packets be gathered (Nagle's algorithm, TcpNoDelay off).
	Delay bool
	// ReadBuffer and WriteBuffer are the sizes of the socket's buffers in octets;
	// 0: the system's. They are wishes: a system that refuses keeps its own.
	ReadBuffer, WriteBuffer int

	// Control is called on every socket before it is bound, see net.Dialer.
	Control func(ctx context.Context, network, address string, c syscall.RawConn) error
}

// DialContext implements [Dialer]. Networks are "tcp", "tcp4", "tcp6" and "unix".
// The address reached is the connection's RemoteAddr.
func (d *TCPDialer) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	if network == "unix" {
		return d.dialUnix(ctx, address)
	}
	host, service, err := net.SplitHostPort(address)
	if err != nil {
		return nil, &DialError{Op: OpAddress, Network: network, Address: address, Err: err}
	}
	fail := func(op Op, err error) (net.Conn, error) {
		return nil, &DialError{Op: op, Network: network, Address: address, Err: err}
	}
	family, err := d.Family.within(network)
	if err != nil {
		return fail(OpAddress, err)
	}
	local, err := d.local(ctx, family)
	if err != nil {
		return fail(OpBind, err)
	}
	var nc net.Conn
	var tried []AddressError
	if a, ok := family.literal(address); ok {
		nc, tried, err = d.only(ctx, a, address, local)
	} else {
		port, perr := d.port(ctx, network, service)
		if perr != nil {
			return fail(OpAddress, perr)
		}
		addrs, rerr := d.resolve(ctx, family, host)
		if rerr != nil {
			return fail(OpResolve, rerr)
		}
		nc, tried, err = d.race(ctx, addrs, port, local)
	}
	if err != nil {
		return nil, &DialError{Op: opOf(err), Network: network, Address: address, Tried: tried, Err: err}
	}
	if d.KeepAlive >= 0 || d.Control != nil { // a new socket sends no probes, unless Control has it do so
		err = d.keepAlive(nc)
	}
	if err == nil {
		err = d.apply(nc)
	}
	if err != nil {
		nc.Close()
		return fail(OpOption, err)
	}
	return nc, nil
}

func (d *TCPDialer) dialUnix(ctx context.Context, path string) (net.Conn, error) {
	fail := func(op Op, err error) (net.Conn, error) {
		return nil, &DialError{Op: op, Network: "unix", Address: path, Err: err}
	}
	if d.LocalHost != "" || d.LocalPort != 0 {
		return fail(OpBind, errors.New("a unix socket has no local host and port"))
	}
	nc, err := (&net.Dialer{ControlContext: d.Control}).DialContext(ctx, "unix", path)
	if err != nil {
		return fail(OpConnect, err)
	}
	if err := d.Apply(nc); err != nil {
		nc.Close()
		return fail(OpOption, err)
	}
	return nc, nil
}

// Apply sets up the socket at the bottom of nc, for connections that another
// dialer made. A setting that was asked for and cannot be applied is an error.
func (d *TCPDialer) Apply(nc net.Conn) error {
	nc = Unwrap(nc)
	if err := d.keepAlive(nc); err != nil {
		return err
	}
	return d.apply(nc)
}

func (d *TCPDialer) keepAlive(nc net.Conn) error {
	tc, ok := nc.(*net.TCPConn)
	if !ok {
		return nil // apply sees whether it was asked for
	}
	return tc.SetKeepAliveConfig(net.KeepAliveConfig{
		Enable:   d.KeepAlive >= 0,
		Idle:     max(d.KeepAlive, 0),
		Interval: d.KeepAliveInterval,
		Count:    d.KeepAliveCount,
	})
}

// apply sets up all but the keep-alive probes.
func (d *TCPDialer) apply(nc net.Conn) (err error) {
	if b, ok := nc.(interface{ SetReadBuffer(int) error }); ok && d.ReadBuffer > 0 {
		_ = b.SetReadBuffer(d.ReadBuffer) // a wish
	}
	if b, ok := nc.(interface{ SetWriteBuffer(int) error }); ok && d.WriteBuffer > 0 {
		_ = b.SetWriteBuffer(d.WriteBuffer) // a wish
	}
	tc, ok := nc.(*net.TCPConn)
	if !ok {
		if d.KeepAlive > 0 || d.KeepAliveInterval != 0 || d.KeepAliveCount != 0 || d.Linger != 0 || d.Delay {
			return errors.New("settings of TCP do not apply to a connection of network " + networkOf(nc))
		}
		return nil
	}
	if d.Delay {
		err = tc.SetNoDelay(false)
	}
	switch {
	case err != nil:
	case d.Linger < 0:
		err = tc.SetLinger(0)
	case d.Linger > 0:
		err = tc.SetLinger(int((d.Linger + time.Second - 1) / time.Second))
	}
	return err
}

func networkOf(nc net.Conn) string {
	if a := nc.RemoteAddr(); a != nil {
		return a.Network()
	}
	return "unknown"
}

func (d *TCPDialer) resolver() Resolver {
	if d.Resolver != nil {
		return d.Resolver
	}
	return net.DefaultResolver
}

func (d *TCPDialer) port(ctx context.Context, network, service string) (uint16, error) {
	if n, err := strconv.ParseUint(service, 10, 16); err == nil {
		return uint16(n), nil
	}
	n, err := net.DefaultResolver.LookupPort(ctx, network, service)
	return uint16(n), err
}

// local returns the address to bind to, or its zero value.
func (d *TCPDialer) local(ctx context.Context, family Family) (netip.AddrPort, error) {
	if d.LocalPort < 0 || d.LocalPort > 65535 {
		return netip.AddrPort{}, errors.New("no local port " + strconv.Itoa(d.LocalPort))
	}
	port := uint16(d.LocalPort)
	if d.LocalHost == "" {
		return netip.AddrPortFrom(netip.Addr{}, port), nil
	}
	addrs, err := d.resolve(ctx, family, d.LocalHost)
	if err != nil {
		return netip.AddrPort{}, err
	}
	return netip.AddrPortFrom(addrs[0], port), nil
}
