//go:build unix

package cube

import (
	"slices"

	"github.com/parley-mail/parley"
	"github.com/parley-mail/parley/auth"
	"github.com/parley-mail/parley/interop/peers"
	"github.com/parley-mail/parley/session"
	"github.com/parley-mail/parley/transport"
)

// The kinds of port by what the client has to do there. What is not named is in clear.
var (
	startTLS = []peers.Kind{
		peers.StartTLS, peers.Submission, peers.LMTPStartTLS, peers.LMTPAuthTLS,
		peers.TLSRequired, peers.TLSClientCert, peers.TLSExpired, peers.TLSWrongName,
	}
	implicit = []peers.Kind{peers.SMTPS, peers.Submissions, peers.LMTPS}
	lmtp     = []peers.Kind{peers.LMTP, peers.LMTPStartTLS, peers.LMTPS, peers.LMTPUnix, peers.LMTPAuth, peers.LMTPAuthTLS}
	// guarded ports take mail only from who has logged in.
	guarded = []peers.Kind{peers.AuthClear, peers.Submission, peers.Submissions, peers.LMTPAuth, peers.LMTPAuthTLS}
)

// Endpoint is how the client reaches a port of a peer, as Alice where one has to log in.
func Endpoint(p peers.Peer, site *peers.Site, kind peers.Kind) *parley.Endpoint {
	e := &parley.Endpoint{
		Address:   p.Addr(kind),
		TLSConfig: &transport.TLSConfig{RootCAs: site.Roots(), ServerName: peers.Host},
		Session:   session.Config{Hello: "client.test", LMTP: slices.Contains(lmtp, kind)},
	}
	switch {
	case slices.Contains(startTLS, kind):
		e.TLS = parley.TLSStartTLS
	case slices.Contains(implicit, kind):
		e.TLS = parley.TLSImplicit
	}
	if kind == peers.LMTPUnix {
		e.Network = "unix"
	}
	if slices.Contains(guarded, kind) {
		e.Credentials = &auth.Credentials{User: peers.Alice.User, Password: auth.NewSecret(peers.Alice.Password)}
		e.AuthPolicy.AllowPlaintext = e.TLS == parley.TLSNone
	}
	return e
}

// Way is what the octets go through, for a reader.
func Way(e *parley.Endpoint) string {
	switch {
	case e.TLS == parley.TLSStartTLS:
		return "STARTTLS"
	case e.TLS == parley.TLSImplicit:
		return "implicit TLS"
	case e.Network == "unix":
		return "Unix socket"
	}
	return "clear"
}
