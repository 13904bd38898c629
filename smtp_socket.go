package parley

import (
	"context"
	"net"

	"github.com/parley-mail/parley/transport"
)

// route is the way to the server: the socket's settings, and the firewall.
func (s *SMTP) route() (transport.Dialer, error) {
	d := s.socket()
	switch {
	case s.Dialer == nil:
		return s.through(d)
	case s.LocalHost != "" || s.LocalPort != 0 || s.UseIPv6 != IPDual:
		return nil, &Error{Kind: ErrMisuse, Detail: "LocalHost, LocalPort and UseIPv6 are not for a Dialer of one's own, which chooses addresses by itself"}
	case d.KeepAlive >= 0 || d.ReadBuffer > 0 || d.WriteBuffer > 0 || d.Linger > 0:
		return s.through(applied{s.Dialer, d})
	}
	return s.through(s.Dialer)
}

// socket has the settings of the socket. A local socket has none of TCP unless they are
// asked for, which is an error when it is dialled.
func (s *SMTP) socket() *transport.TCPDialer {
	d := &transport.TCPDialer{
		LocalHost: s.LocalHost, LocalPort: s.LocalPort,
		ReadBuffer: s.InBufferSize, WriteBuffer: s.OutBufferSize,
		Family: map[IPv6]transport.Family{
			IPDual: transport.FamilyDual, IPv4Only: transport.FamilyIPv4, IPv6Only: transport.FamilyIPv6, IPv6Preferred: transport.FamilyPreferIPv6,
		}[s.UseIPv6],
	}
	if s.Network != "unix" {
		d.KeepAlive, d.Delay = -1, !s.TcpNoDelay
	}
	if s.TCPKeepAlive || s.KeepAliveTime > 0 || s.KeepAliveInterval > 0 {
		d.KeepAlive, d.KeepAliveInterval = s.KeepAliveTime, s.KeepAliveInterval
	}
	switch {
	case !s.Linger && s.Network != "unix":
		d.Linger = -1
	case s.Linger && s.LingerTime > 0:
		d.Linger = s.LingerTime
	}
	return d
}

// applied puts the socket's settings on what another dialer connects. Settings that do not
// apply there are an error.
type applied struct {
	transport.Dialer
	settings *transport.TCPDialer
}

// DialContext implements transport.Dialer.
func (d applied) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	nc, err := d.Dialer.DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	if err := d.settings.Apply(nc); err != nil {
		nc.Close()
		return nil, &transport.DialError{Op: transport.OpOption, Network: network, Address: address, Err: err}
	}
	return nc, nil
}
