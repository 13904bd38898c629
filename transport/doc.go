// Package transport carries the octets of an SMTP session: sockets, TLS, and the
// in-memory and faulty links that stand in for them in tests.
//
// # What it knows
//
// A [Conn] is a net.Conn that says of itself whether it is secure and to whom it
// leads ([Security]); nobody has to guess that from a Go type. [New] makes one of
// any net.Conn, whoever dialled it. [Conn.StartTLS] turns a clear link into a
// secure one in place, through the TLS engine that the [TLSConfig] chooses: "std"
// (crypto/tls, always there) or another one that the caller brings along.
// [TCPDialer] dials with every socket setting there is.
//
// # What it refuses to know
//
// SMTP. It reads no line and buffers no octet of the clear stream: what the peer
// sent before a handshake is the session's affair, which must not call StartTLS
// while octets are waiting (RFC 3207 §6). It arms no deadline of its own either:
// whoever drives the link arms one around each read and write. A deadline always
// goes to the socket itself, so arming one from another goroutine interrupts a
// read, a write or a handshake in progress. A write under TLS that has timed out
// cannot be resumed: such a link is good for nothing but Close.
//
// # Trust
//
// Both engines run the same verification, written here: first the pinned
// certificate, then "accept any", then chain, time, usage and name with what the
// caller forgives, then the caller's own hook. It runs during the handshake,
// before the client sends a certificate of its own or any application data, and
// it runs again when a session is resumed.
package transport
