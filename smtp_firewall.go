package parley

import (
	"context"
	"net"
	"strconv"
	"strings"

	"github.com/parley-mail/parley/auth"
	"github.com/parley-mail/parley/events"
	"github.com/parley-mail/parley/transport"
	"github.com/parley-mail/parley/transport/proxy"
)

// Firewall is the proxy that every connection goes through.
type Firewall struct {
	AutoDetect bool // as the environment says: HTTPS_PROXY, ALL_PROXY, NO_PROXY
	Type       FirewallType
	Host       string // "": none
	Port       int    // 0: 80 for a tunnel, 1080 for SOCKS
	User       string
	Password   auth.Secret
	Data       string // further header lines for a tunnel
	Exceptions string // ProxyExceptionsList: hosts that are reached directly, separated by semicolons

	Chain []proxy.Stage // further stages, behind Host if that is given
}

// FirewallType is a kind of proxy, by the numbers of such classes.
type FirewallType uint8

// The types.
const (
	FirewallNone    FirewallType = 0
	FirewallTunnel  FirewallType = 1 // HTTP CONNECT
	FirewallSOCKS4  FirewallType = 2
	FirewallSOCKS5  FirewallType = 3
	FirewallSOCKS4A FirewallType = 10
)

// through puts the firewall before a dialer. A proxy that fails, or is only half described,
// is never gone around.
func (s *SMTP) through(direct transport.Dialer) (transport.Dialer, error) {
	f := &s.Firewall
	remote := strings.HasPrefix(s.MailServer, "*")
	stages := f.Chain
	switch {
	case f.Host != "":
		stage, err := f.stage(remote)
		if err != nil {
			return nil, err
		}
		stages = append([]proxy.Stage{stage}, stages...)
	case f.Type != FirewallNone:
		return nil, &Error{Kind: ErrMisuse, Detail: "FirewallType says that there is a firewall, and FirewallHost does not say where"}
	case remote:
		return nil, &Error{Kind: ErrMisuse, Detail: "MailServer: a name with * before it is looked up by the firewall, and there is none"}
	}
	s.state.firewalled = false
	var through transport.Dialer
	switch {
	case len(stages) > 0:
		through = announced{s, proxy.Chain(direct, stages...)}
	case f.AutoDetect:
		through = detected{s, direct}
	default:
		return direct, nil
	}
	exceptions, err := proxy.ParseExceptions(f.Exceptions)
	if err != nil {
		return nil, rowError("ProxyExceptionsList", err)
	}
	return exceptions.Dialer(direct, through), nil
}

// announced tells of the connections that a dialer makes through a firewall.
type announced struct {
	class *SMTP
	transport.Dialer
}

// DialContext implements transport.Dialer.
func (d announced) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	nc, err := d.Dialer.DialContext(ctx, network, address)
	e := &events.ConnectionStatus{ConnectionEvent: "Firewall connection complete", Description: "OK"}
	if err != nil {
		e.StatusCode, e.Description = ErrorCode(err), err.Error()
		err = firewallError{err}
	}
	d.class.state.firewalled = err == nil
	d.class.Events.Publish(e)
	return nc, err
}

// firewallError is an error on the way through a firewall: errors.Is finds ErrFirewall.
type firewallError struct{ error }

// Unwrap returns the cause.
func (e firewallError) Unwrap() error { return e.error }

// Is reports whether target is ErrFirewall.
func (e firewallError) Is(target error) bool { return target == ErrFirewall }

// detected goes the way that the environment names.
type detected struct {
	class  *SMTP
	direct transport.Dialer
}

// DialContext implements transport.Dialer.
func (d detected) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	stage, err := proxy.FromEnvironment(address)
	if err != nil {
		return nil, err
	}
	if stage == nil {
		return d.direct.DialContext(ctx, network, address)
	}
	return announced{d.class, proxy.Chain(d.direct, stage)}.DialContext(ctx, network, address)
}

// stage makes the stage that the rows describe; remote says that the proxy looks names up.
func (f *Firewall) stage(remote bool) (proxy.Stage, error) {
	addr := f.Host
	if f.Port != 0 {
		addr = net.JoinHostPort(f.Host, strconv.Itoa(f.Port))
	}
	if f.Data != "" && f.Type != FirewallTunnel {
		return nil, &Error{Kind: ErrMisuse, Detail: "FirewallData is for a tunnel only"}
	}
	switch f.Type {
	case FirewallNone:
		return nil, &Error{Kind: ErrMisuse, Detail: "FirewallHost is given, and FirewallType does not say what it speaks"}
	case FirewallTunnel:
		t := proxy.Tunnel{Addr: addr, User: f.User, Password: f.Password.Reveal()}
		for line := range strings.Lines(f.Data) {
			if line = strings.TrimRight(line, "\r\n"); line != "" {
				t.Header = append(t.Header, line)
			}
		}
		return t, nil
	case FirewallSOCKS4:
		if remote {
			return nil, &Error{Kind: ErrMisuse, Detail: "MailServer: SOCKS4 looks no names up, so none can have * before it"}
		}
		return proxy.SOCKS4{Addr: addr, User: f.User}, nil
	case FirewallSOCKS4A:
		return proxy.SOCKS4A{Addr: addr, User: f.User}, nil
	case FirewallSOCKS5:
		return proxy.SOCKS5{Addr: addr, User: f.User, Password: f.Password.Reveal(), ResolveLocally: !remote}, nil
	}
	return nil, &Error{Kind: ErrMisuse, Detail: "FirewallType: there is no type " + strconv.Itoa(int(f.Type))}
}
