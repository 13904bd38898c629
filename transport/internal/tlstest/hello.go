package tlstest

import (
	"crypto/tls"
	"encoding/binary"
	"errors"
	"slices"

	"github.com/parley-mail/parley/transport"
)

// Hello is a ClientHello (RFC 8446 §4.1.2) as it was on the wire, in its order. GREASE
// values (RFC 8701) are left out of the lists and counted.
type Hello struct {
	Legacy     uint16 // legacy_version
	Suites     []uint16
	Extensions []uint16
	ServerName string
	Versions   []uint16 // supported_versions
	Groups     []transport.Group
	KeyShares  []transport.Group
	Signatures []tls.SignatureScheme
	Protocols  []string
	PSK        bool // offers a session of TLS 1.3
	Ticket     int  // octets of the session ticket of TLS 1.2
	Grease     int
}

// Has reports whether the extension is there.
func (h *Hello) Has(extension uint16) bool { return slices.Contains(h.Extensions, extension) }

// Extensions that tests ask for.
const (
	ExtensionServerName        = 0
	ExtensionSignatures        = 13
	ExtensionALPN              = 16
	ExtensionSessionTicket     = 35
	ExtensionPSK               = 41
	ExtensionKeyShare          = 51
	ExtensionALPS              = 17513
	ExtensionALPSNew           = 17613
	ExtensionRenegotiationInfo = 65281
)

// ParseHellos finds the hellos at the beginning of a stream of records.
func ParseHellos(b []byte) (hellos []Hello, err error) {
	var messages []byte
	for len(b) >= 5 && b[0] == 22 {
		n := int(binary.BigEndian.Uint16(b[3:]))
		if len(b) < 5+n {
			break
		}
		messages, b = append(messages, b[5:5+n]...), b[5+n:]
		for len(messages) >= 4 && messages[0] == 1 {
			n := int(messages[1])<<16 | int(messages[2])<<8 | int(messages[3])
			if len(messages) < 4+n {
				break
			}
			h, err := parseHello(messages[4 : 4+n])
			if err != nil {
				return nil, err
			}
			hellos, messages = append(hellos, h), messages[4+n:]
		}
		if len(b) >= 6 && b[0] == 20 { // the compatibility record of TLS 1.3
			b = b[6:]
		}
	}
	if len(hellos) == 0 {
		return nil, errors.New("tlstest: the client sent no ClientHello")
	}
	return hellos, nil
}

var errShort = errors.New("tlstest: the ClientHello ends too soon")

func parseHello(b []byte) (h Hello, err error) {
	r := &reader{b: b}
	h.Legacy = r.u16()
	r.take(32)
	r.vector(1)
	h.Suites = numbers[uint16](&h, r.vector(2))
	r.vector(1)
	for e := r.vector(2); len(e.b) > 0 && !e.short; {
		kind, body := e.u16(), e.vector(2)
		if grease(kind) {
			h.Grease++
			continue
		}
		h.Extensions = append(h.Extensions, kind)
		h.extension(kind, body)
		if body.short {
			return h, errShort
		}
	}
	if r.short {
		return h, errShort
	}
	return h, nil
}

func (h *Hello) extension(kind uint16, r *reader) {
	switch kind {
	case ExtensionServerName:
		list := r.vector(2)
		list.take(1)
		h.ServerName = string(list.vector(2).b)
	case 10:
		h.Groups = numbers[transport.Group](h, r.vector(2))
	case ExtensionSignatures:
		h.Signatures = numbers[tls.SignatureScheme](h, r.vector(2))
	case ExtensionALPN:
		for list := r.vector(2); len(list.b) > 0 && !list.short; {
			h.Protocols = append(h.Protocols, string(list.vector(1).b))
		}
	case ExtensionSessionTicket:
		h.Ticket = len(r.b)
	case ExtensionPSK:
		h.PSK = true
	case 43:
		h.Versions = numbers[uint16](h, r.vector(1))
	case ExtensionKeyShare:
		for list := r.vector(2); len(list.b) > 0 && !list.short; {
			group := list.u16()
			if list.vector(2); grease(group) {
				h.Grease++
			} else {
				h.KeyShares = append(h.KeyShares, transport.Group(group))
			}
		}
	}
}

func numbers[T ~uint16](h *Hello, r *reader) (out []T) {
	for len(r.b) > 0 && !r.short {
		if v := r.u16(); grease(v) {
			h.Grease++
		} else {
			out = append(out, T(v))
		}
	}
	return out
}

func grease(v uint16) bool { return v>>8 == v&0xff && v&0x0f == 0x0a }

// reader takes a message apart. Behind its end there is nothing, and short is set.
type reader struct {
	b     []byte
	short bool
}

func (r *reader) take(n int) []byte {
	if n > len(r.b) {
		r.short, r.b = true, nil
		return make([]byte, n)
	}
	p := r.b[:n]
	r.b = r.b[n:]
	return p
}

func (r *reader) u16() uint16 { return binary.BigEndian.Uint16(r.take(2)) }

// vector reads a length of size octets and returns what it counts.
func (r *reader) vector(size int) *reader {
	n := 0
	for _, b := range r.take(size) {
		n = n<<8 | int(b)
	}
	if r.short {
		return &reader{short: true}
	}
	return &reader{b: r.take(n), short: r.short}
}
