package parley

import (
	"net"
	"strconv"
	"strings"

	"github.com/parley-mail/parley/auth"
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

// through puts the firewall before a dialer. A proxy that fails is never gone around.
func (s *SMTP) through(direct transport.Dialer) (transport.Dialer, error) {
	f := &s.Firewall
	stages := f.Chain
	if f.Host != "" && f.Type != FirewallNone {
		stage, err := f.stage(strings.HasPrefix(s.MailServer, "*"))
		if err != nil {
			return nil, err
		}
		stages = append([]proxy.Stage{stage}, stages...)
	}
	var through transport.Dialer
	switch {
	case len(stages) > 0:
		through = proxy.Chain(direct, stages...)
	case f.AutoDetect:
		through = proxy.Environment(direct)
	default:
		return direct, nil
	}
	exceptions, err := proxy.ParseExceptions(f.Exceptions)
	if err != nil {
		return nil, &Error{Kind: ErrMisuse, Detail: "ProxyExceptionsList", Err: err}
	}
	return exceptions.Dialer(direct, through), nil
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
	case FirewallTunnel:
		t := proxy.Tunnel{Addr: addr, User: f.User, Password: f.Password.Reveal()}
		for line := range strings.Lines(f.Data) {
			if line = strings.TrimRight(line, "\r\n"); line != "" {
				t.Header = append(t.Header, line)
			}
		}
		return t, nil
	case FirewallSOCKS4:
		return proxy.SOCKS4{Addr: addr, User: f.User}, nil
	case FirewallSOCKS4A:
		return proxy.SOCKS4A{Addr: addr, User: f.User}, nil
	case FirewallSOCKS5:
		return proxy.SOCKS5{Addr: addr, User: f.User, Password: f.Password.Reveal(), ResolveLocally: !remote}, nil
	}
	return nil, &Error{Kind: ErrMisuse, Detail: "FirewallType: there is no type " + strconv.Itoa(int(f.Type))}
}
