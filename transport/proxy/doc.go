// Package proxy opens connections by way of proxies: SOCKS4, SOCKS4a, SOCKS5
// (RFC 1928, RFC 1929) and HTTP CONNECT (RFC 9110 §9.3.6), one or many in a row.
//
// # What it knows
//
// How to ask a proxy for a tunnel, and what its answers mean. It also knows which
// targets need no proxy ([Exceptions]), how proxies are written as URLs ([Parse]),
// where the environment names them ([Environment]), and the line that tells a
// server behind a balancer whom it is talking to ([Header]).
//
// # What it refuses to know
//
// SMTP, and the security of the link to the target: what comes out is a net.Conn
// that carries octets. Names are checked against certificates by whoever starts
// TLS on it, and always against the target, never against a proxy.
//
// # Theory of operation
//
// A [Stage] dials an address through a [Dialer] that reaches the stage's proxy, and
// so makes a further Dialer. [Chain] folds any number of stages over a first one:
//
//	d := proxy.Chain(&net.Dialer{},
//		proxy.SOCKS5{Addr: "bastion.example"},
//		proxy.Tunnel{Addr: "gate.example:3128", User: "me", Password: "secret"})
//	nc, err := d.DialContext(ctx, "tcp", "mx.example:25")
//
// Here the base dials the bastion, the bastion is asked for gate.example:3128, and
// the gate is asked for mx.example:25.
//
// Four promises hold for each stage.
//
//   - Everything is checked before the first octet leaves: a host name or credential
//     that a protocol cannot carry is an error, never a shorter or a split request.
//   - Every wait for a proxy ends: by the context, or by the stage's Timeout. How long
//     the first dial may take is the base dialer's business. Every answer has a
//     largest length.
//   - What follows the proxy's last octet belongs to the tunnel. Where the server's
//     greeting came in one segment with the proxy's answer, the connection returned
//     gives it first.
//   - A failure is an [*Error] that names the proxy and the reason. No stage is ever
//     skipped: there is no way from a failed proxy to a direct connection.
//
// # Credentials
//
// SOCKS5, and HTTP Basic on a proxy without TLS, send the password in clear (RFC
// 1929 §3, RFC 7617 §4). That a password was given for a proxy is taken as consent;
// a password is never sent to any other. Digest and NTLM do not send it.
package proxy
