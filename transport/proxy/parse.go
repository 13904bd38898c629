package proxy

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"strings"
)

// Parse reads a proxy's URL: scheme://[user[:password]@]host[:port]. Schemes:
//
//	socks4   names are looked up here
//	socks4a  names are looked up by the proxy
//	socks5   names are looked up here
//	socks5h  names are looked up by the proxy
//	http     CONNECT
//	https    CONNECT inside TLS; the certificate is verified for host
//
// User and password may be percent-encoded. The stage is a SOCKS4, SOCKS4A, SOCKS5
// or Tunnel, and can be asserted to set what a URL cannot say. Errors do not repeat
// the URL, which may hold a password.
func Parse(rawURL string) (Stage, error) {
	u, err := url.Parse(rawURL)
	if err != nil {
		return nil, urlError(err)
	}
	if u.Host == "" || u.Opaque != "" {
		return nil, urlError(errors.New("not of the form scheme://host:port"))
	}
	if u.Path != "" && u.Path != "/" || u.RawQuery != "" || u.ForceQuery || u.Fragment != "" {
		return nil, urlError(errors.New("nothing may follow the port"))
	}
	addr, user := u.Host, u.User.Username()
	password, hasPassword := u.User.Password()
	if addr, err = endpoint(addr, defaultPort(u.Scheme)); err != nil {
		return nil, urlError(err)
	}
	switch u.Scheme {
	case "socks4", "socks4a":
		if hasPassword {
			return nil, urlError(errors.New("SOCKS4 has no password"))
		}
		if err := checkSecret("user id", user, 0, 255); err != nil {
			return nil, urlError(err)
		}
		if u.Scheme == "socks4a" {
			return SOCKS4A{Addr: addr, User: user}, nil
		}
		return SOCKS4{Addr: addr, User: user}, nil
	case "socks5", "socks5h":
		s := SOCKS5{Addr: addr, User: user, Password: password, ResolveLocally: u.Scheme == "socks5"}
		if _, err := s.check(&attempt{}, "tcp", "host:1"); err != nil {
			return nil, urlError(err)
		}
		return s, nil
	case "http", "https":
		t := Tunnel{Addr: addr, User: user, Password: password}
		if u.Scheme == "https" {
			t.TLS = VerifiedTLS(serverName(u.Hostname()), nil)
		}
		if err := checkLogin(t.Auth, user, password); err != nil {
			return nil, urlError(err)
		}
		return t, nil
	}
	return nil, urlError(fmt.Errorf("unknown scheme %+.20q; known are socks4, socks4a, socks5, socks5h, http and https", u.Scheme))
}

func defaultPort(scheme string) uint16 {
	switch scheme {
	case "http":
		return httpPort
	case "https":
		return httpsPort
	}
	return socksPort
}

// serverName is what a certificate is verified for: a literal without its zone.
func serverName(host string) string {
	if ip, err := netip.ParseAddr(host); err == nil {
		return ip.WithZone("").String()
	}
	return strings.TrimSuffix(host, ".")
}

// urlError takes the URL out of net/url's errors, whose Err may quote a part of it:
// only causes of our own words are shown.
func urlError(err error) error {
	var parse *url.Error
	if errors.As(err, &parse) {
		err = errors.New("not a URL")
	}
	return &Error{Op: OpCheck, Reason: ReasonArgument, Err: fmt.Errorf("proxy URL: %w", err)}
}

// stageURL is how a stage is shown: never with a password.
func stageURL(k Kind, addr, user string) string {
	u := url.URL{Scheme: k.String(), Host: addr}
	if user != "" {
		u.User = url.User(user)
	}
	return u.String()
}
