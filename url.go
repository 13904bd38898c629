package parley

import (
	"net"
	"net/url"
	"strconv"
	"strings"

	"github.com/parley-mail/parley/auth"
)

// ParseEndpoint reads where a server is: a host with or without a port, or a URL.
//
//	mx.example  mx.example:2525   port 25 unless given
//	smtp://HOST[:PORT]            port 25, STARTTLS if the server offers it
//	submission://HOST[:PORT]      port 587, STARTTLS required (RFC 8314 §3.3)
//	smtps://HOST[:PORT]           port 465, TLS from the first octet (RFC 8314 §3.3)
//	lmtp://HOST:PORT              LMTP (RFC 2033)
//	lmtp+unix:///PATH             LMTP on a local socket
//
// Without a scheme the port decides: 465 is smtps, 587 is submission, others are smtp.
// User and password may stand before the host; they become Credentials. Errors do not
// repeat the URL, which may hold a password.
func ParseEndpoint(s string) (*Endpoint, error) {
	bad := func(why string) (*Endpoint, error) {
		return nil, &Error{Kind: ErrMisuse, Detail: "server: " + why}
	}
	if !strings.Contains(s, "://") {
		s = "//" + s
	}
	u, err := url.Parse(s)
	if err != nil {
		return bad("not a host and not a URL")
	}
	e := &Endpoint{}
	port := 25
	switch scheme := strings.ToLower(u.Scheme); scheme {
	case "", "smtp":
		e.TLS = TLSOpportunistic
	case "submission":
		e.TLS, port = TLSStartTLS, 587
	case "smtps":
		e.TLS, port = TLSImplicit, 465
	case "lmtp":
		e.Session.LMTP, port = true, 0
	case "lmtp+unix":
		if u.Host != "" || u.Path == "" {
			return bad("lmtp+unix:///PATH names a path and no host")
		}
		e.Session.LMTP, e.Network, e.Address = true, "unix", u.Path
		return e, nil
	default:
		return bad("no scheme " + strconv.QuoteToASCII(scheme) + ": there are smtp, submission, smtps, lmtp and lmtp+unix")
	}
	if u.Hostname() == "" {
		return bad("no host is given")
	}
	if u.Path != "" && u.Path != "/" || u.RawQuery != "" || u.Fragment != "" {
		return bad("nothing may follow the host and port")
	}
	if p := u.Port(); p != "" {
		if port, err = strconv.Atoi(p); err != nil || port < 1 || port > 65535 {
			return bad("no such port")
		}
		if u.Scheme == "" {
			e.TLS = TLSForPort(port)
		}
	}
	if port == 0 {
		return bad("LMTP has no port of its own: give one")
	}
	e.Address = net.JoinHostPort(u.Hostname(), strconv.Itoa(port))
	if u.User != nil {
		password, _ := u.User.Password()
		e.Credentials = &auth.Credentials{User: u.User.Username(), Password: auth.NewSecret(password)}
	}
	return e, e.check()
}

// TLSForPort is when TLS begins by custom: at once on port 465, by a required STARTTLS on
// 587, by STARTTLS if offered elsewhere (RFC 8314 §3.3).
func TLSForPort(port int) TLSMode {
	switch port {
	case 465:
		return TLSImplicit
	case 587:
		return TLSStartTLS
	}
	return TLSOpportunistic
}
