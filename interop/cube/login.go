//go:build unix

package cube

import (
	"crypto/tls"
	"strings"

	"github.com/parley-mail/parley"
	"github.com/parley-mail/parley/auth"
	"github.com/parley-mail/parley/codec"
	"github.com/parley-mail/parley/interop/peers"
)

// Login is a way of logging in.
type Login struct {
	Mechanism string // "": none
	// Set has the endpoint log in so. The function it returns, which may be nil, is called
	// when the cell is done.
	Set func(e *parley.Endpoint, site *peers.Site) (done func(), err error)
}

// Logins are all that the client has: none at all, and every mechanism.
func Logins() []Login {
	logins := []Login{{"", func(e *parley.Endpoint, _ *peers.Site) (func(), error) {
		e.Credentials = nil
		return nil, nil
	}}}
	for _, name := range auth.Names() {
		logins = append(logins, Login{name, func(e *parley.Endpoint, site *peers.Site) (func(), error) {
			return nil, login(e, site, name)
		}})
	}
	return logins
}

// login has the endpoint log in as Alice by one mechanism of package auth and no other.
func login(e *parley.Endpoint, site *peers.Site, name string) error {
	e.Credentials = &auth.Credentials{User: peers.Alice.User, Password: auth.NewSecret(peers.Alice.Password)}
	e.AuthPolicy = auth.Policy{Mechanisms: []string{name}, AllowPlaintext: e.TLS == parley.TLSNone, NoBinding: !strings.HasSuffix(name, "-PLUS")}
	switch name {
	case "XOAUTH2", "OAUTHBEARER":
		e.Credentials.Token = auth.NewSecret(peers.Token)
	case "ANONYMOUS":
		e.Credentials = &auth.Credentials{Anonymous: true, Trace: "interop"}
	case "EXTERNAL":
		e.Credentials = &auth.Credentials{External: true}
		return present(e, site)
	}
	return nil
}

// present has the client show Alice's certificate where it is asked for one.
func present(e *parley.Endpoint, site *peers.Site) error {
	cert, err := site.ClientCert(peers.Alice.User)
	e.TLSConfig.Certificates = []tls.Certificate{cert}
	return err
}

// why is the reason why there is no such login where the server offers this, or "".
// Whether a server lets somebody in who did not log in is not seen in what it offers.
func (l Login) why(e *parley.Endpoint, x *codec.Extensions) string {
	clear := e.TLS == parley.TLSNone
	switch {
	case l.Mechanism == "":
		return ""
	case len(x.Auth) == 0:
		return "AUTH is not offered on this port"
	case clear && strings.HasSuffix(l.Mechanism, "-PLUS"):
		return "it binds the login to TLS, and there is none"
	case clear && l.Mechanism == "EXTERNAL" && e.Network != "unix":
		return "it needs a client certificate, and there is no TLS to show it in"
	case !x.HasAuth(l.Mechanism):
		return "the server does not offer it"
	}
	return ""
}
