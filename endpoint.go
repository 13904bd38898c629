package parley

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/parley-mail/parley/auth"
	"github.com/parley-mail/parley/events"
	"github.com/parley-mail/parley/fsm"
	"github.com/parley-mail/parley/session"
	"github.com/parley-mail/parley/transport"
)

// TLSMode says when TLS begins, and whether mail may flow without it.
type TLSMode uint8

// The modes. None of them is ever weakened in silence: what TLSStartTLS and
// TLSImplicit demand and cannot get is an error.
const (
	TLSNone          TLSMode = iota // all in clear
	TLSOpportunistic                // STARTTLS if the server offers it and does not refuse it
	TLSStartTLS                     // STARTTLS or nothing (RFC 3207 §6)
	TLSImplicit                     // a handshake before the greeting (RFC 8314 §3)
	numTLSModes
)

var tlsModeNames = [numTLSModes]string{"none", "opportunistic", "starttls", "implicit"}

// String returns "none", "opportunistic", "starttls" or "implicit".
func (m TLSMode) String() string {
	if m < numTLSModes {
		return tlsModeNames[m]
	}
	return "tls(?)"
}

// MarshalText makes modes readable in JSON.
func (m TLSMode) MarshalText() ([]byte, error) { return []byte(m.String()), nil }

// Endpoint says where a mail server is, and how a session with it is opened. The zero
// value with an Address speaks ESMTP in clear. It must not be changed while in use.
type Endpoint struct {
	Network string           // "tcp" (also ""), "tcp4", "tcp6" or "unix"
	Address string           // host:port, or a path
	Dialer  transport.Dialer // nil: a plain transport.TCPDialer without keep-alive probes; package proxy has others

	TLS       TLSMode
	TLSConfig *transport.TLSConfig // nil: the host of Address is verified against the system's roots

	Credentials *auth.Credentials // nil: no AUTH
	AuthPolicy  auth.Policy

	// Session has the rest: name for EHLO, LMTP, strictness, pipelining. Its fields
	// StartTLS, Authenticate, ID and Events are filled in by Dial.
	Session session.Config

	ConnectTimeout time.Duration // for dialling and a handshake before the greeting; 0: one minute
	// Patience returns how long the reply to a command may take; nil: what RFC 5321
	// §4.5.3.2 says. Zero and less also mean that.
	Patience func(fsm.Command) time.Duration
	// BlockTimeout is how long the peer may take no octet of what is being written; 0:
	// three minutes (RFC 5321 §4.5.3.2.5).
	BlockTimeout time.Duration

	// MaxRate is how many octets a second are written at most, before TLS adds its own;
	// 0: no limit.
	MaxRate int64

	Events *events.Bus // nil: nobody listens

	firewall func() bool // whether the connection that was made goes through a proxy; for ConnectionStatus
}

const (
	defaultConnect = time.Minute
	defaultBlock   = 3 * time.Minute
)

// host returns the name that was meant, for TLS and AUTH.
func (e *Endpoint) host() string {
	if e.Network == "unix" {
		return ""
	}
	if host, _, err := net.SplitHostPort(e.Address); err == nil {
		return host
	}
	return e.Address
}

func (e *Endpoint) port() int {
	if e.Network == "unix" {
		return 0
	}
	_, service, _ := net.SplitHostPort(e.Address)
	port, _ := strconv.Atoi(service)
	return port
}

// check refuses what cannot be meant.
func (e *Endpoint) check() error {
	misuse := func(detail string) error { return &Error{Kind: ErrMisuse, Detail: detail} }
	switch {
	case e.Address == "":
		return misuse("no mail server is given")
	case e.TLS >= numTLSModes:
		return misuse("no such TLS mode: " + e.TLS.String())
	case e.Session.LMTP && e.Network != "unix" && e.port() == 25:
		return misuse("LMTP must not be spoken on port 25 (RFC 2033 §5)")
	}
	return nil
}

// tlsConfig returns the policy for the handshake, with the name to verify. It is the
// caller's own if nothing is to be filled in.
func (e *Endpoint) tlsConfig() *transport.TLSConfig {
	if e.TLSConfig != nil && e.TLSConfig.ServerName != "" && e.TLSConfig.Endpoint != "" {
		return e.TLSConfig
	}
	c := transport.TLSConfig{}
	if e.TLSConfig != nil {
		c = *e.TLSConfig
	}
	if c.ServerName == "" {
		c.ServerName = e.host()
	}
	if c.Endpoint == "" {
		c.Endpoint = e.Address
	}
	return &c
}

// plainDialer has no probes: every wait has a timer, and an idle connection is looked at.
var plainDialer = transport.TCPDialer{KeepAlive: -1}

// connect dials. The context bounds it, and so does ConnectTimeout.
func (e *Endpoint) connect(ctx context.Context) (transport.Conn, error) {
	dialer := e.Dialer
	if dialer == nil {
		dialer = &plainDialer
	}
	network := e.Network
	if network == "" {
		network = "tcp"
	}
	nc, err := dialer.DialContext(ctx, network, e.Address)
	if err != nil {
		return nil, &Error{Kind: ErrTransport, Err: err}
	}
	if e.MaxRate > 0 {
		nc = pace(nc, e.MaxRate)
	}
	conn := transport.New(nc)
	if e.TLS == TLSImplicit && !conn.Security().Secure {
		if _, err := conn.StartTLS(ctx, e.tlsConfig()); err != nil {
			return nil, &Error{Kind: ErrTLS, Err: err}
		}
	}
	return conn, nil
}

// toItself reports whether connect shows its context to nobody but package net.
func (e *Endpoint) toItself() bool {
	d, ok := e.Dialer.(*transport.TCPDialer)
	return e.TLS != TLSImplicit && (e.Dialer == nil || ok && d.Resolver == nil && d.Control == nil)
}

// starttls is what the mode means to the session.
func (e *Endpoint) starttls() session.StartTLS {
	switch e.TLS {
	case TLSOpportunistic:
		return session.StartTLSIfOffered
	case TLSStartTLS, TLSImplicit:
		return session.StartTLSOrNothing
	}
	return session.StartTLSNever
}

// link tells the session what the transport declares.
func (e *Endpoint) link(conn transport.Conn) session.Link {
	l := session.Link{Host: e.host(), Port: e.port(), Loopback: e.Network == "unix"}
	if a := conn.RemoteAddr(); a != nil {
		if tcp, ok := a.(*net.TCPAddr); ok {
			l.Address = e.text(tcp.AddrPort())
			l.Loopback = tcp.IP.IsLoopback() && isLoopback(l.Host)
		} else {
			l.Address = a.String()
		}
	}
	s := conn.Security()
	if s.Secure {
		l.Secure, l.Verified = true, s.Verified
		l.Version, l.CipherSuite, l.Engine, l.Peer = s.Version, s.CipherSuite, s.Engine, s.PeerCertificates
		l.Binding = func(kind string) ([]byte, error) { return conn.Security().ChannelBinding(kind) }
	}
	return l
}

// text writes an address. Where it is the endpoint's own that costs nothing.
func (e *Endpoint) text(a netip.AddrPort) string {
	a = netip.AddrPortFrom(a.Addr().Unmap(), a.Port())
	var buf [64]byte
	if p := a.AppendTo(buf[:0]); string(p) != e.Address {
		return string(p)
	}
	return e.Address
}

// isLoopback reports whether a host is this machine by its very name. That the peer's
// address is one of this machine does not suffice: it may be a proxy's.
func isLoopback(host string) bool {
	if ip, err := netip.ParseAddr(host); err == nil {
		return ip.Unmap().IsLoopback()
	}
	return strings.EqualFold(strings.TrimSuffix(host, "."), "localhost")
}

// timedOut reports whether err is a deadline that has passed.
func timedOut(err error) bool {
	t, ok := errors.AsType[interface {
		error
		Timeout() bool
	}](err)
	return ok && t.Timeout()
}
