// Package gssapi is the SASL mechanism GSSAPI (RFC 4752) over Kerberos 5, in
// pure Go, for package auth of Parley:
//
//	m, err := gssapi.New(gssapi.Config{CCache: "/tmp/krb5cc_1000"})
//	...
//	defer m.Close()
//	creds := auth.Credentials{Extra: []auth.Mechanism{m}}
//
// It is a module of its own, so that who has no Kerberos does not get the
// library behind it. It knows the exchange of RFC 4752 §3.1, the tokens of
// RFC 4121 and the three places a ticket can come from: a keytab, a credential
// cache, a password. It refuses to know SMTP, and it has no security layer:
// TLS has that part, and a server that insists on one is refused.
//
// The target is service@host with the name in auth.Link.Host, which is never
// changed by way of the DNS (RFC 4752 §5). The server must prove itself: the
// context is mutual, and Success fails until the server's token was verified.
//
// Unlike the mechanisms of package auth, Start does I/O: it asks the KDC for a
// ticket, unless there is one already. Prepare does that beforehand. The
// library has its own timeouts there (5 seconds a KDC).
//
// A Mechanism is not safe for concurrent use.
package gssapi
