package parley

import (
	"net"
	"unsafe"

	"github.com/parley-mail/parley/transport"
)

// Seeds reports whether the class gives TLS a source of randomness of its own.
func Seeds(s *SMTP) bool {
	c, err := s.tlsConfig()
	return err == nil && c.Rand != nil
}

// Seeded is the source of randomness with data mixed in.
var Seeded = seeded

// SocketOf returns the socket of an open session.
func SocketOf(s *SMTP) net.Conn { return BottomOf(s.state.conn) }

// BottomOf is the connection below everything.
func BottomOf(c *Conn) net.Conn { return transport.Unwrap(c.nc) }

// Within is the context of the making of a connection.
var Within = within

// ConnSize is how many octets a Conn takes.
const ConnSize = unsafe.Sizeof(Conn{})
