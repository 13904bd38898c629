package gssapi

import (
	"bytes"
	"encoding/binary"
)

// The kinds of token of a context's beginning (RFC 4121 §4.1).
const (
	tokenAPReq = 0x0100
	tokenAPRep = 0x0200
	tokenError = 0x0300
)

// kerberosOID is 1.2.840.113554.1.2.2 in DER (RFC 1964 §1).
var kerberosOID = []byte{0x06, 0x09, 0x2A, 0x86, 0x48, 0x86, 0xF7, 0x12, 0x01, 0x02, 0x02}

// frame puts the header of RFC 2743 §3.1 and the kind before a message.
func frame(kind uint16, message []byte) []byte {
	body := append([]byte(nil), kerberosOID...)
	body = binary.BigEndian.AppendUint16(body, kind)
	body = append(body, message...)
	return append(derHeader(0x60, len(body)), body...)
}

// derHeader is a tag and a definite length.
func derHeader(tag byte, n int) []byte {
	switch {
	case n < 0x80:
		return []byte{tag, byte(n)}
	case n < 0x100:
		return []byte{tag, 0x81, byte(n)}
	case n < 0x10000:
		return []byte{tag, 0x82, byte(n >> 8), byte(n)}
	}
	return []byte{tag, 0x83, byte(n >> 16), byte(n >> 8), byte(n)}
}

// unframe is the reverse of frame. Nothing may be missing or left over.
func unframe(token []byte) (kind uint16, message []byte, ok bool) {
	if len(token) < 2 || token[0] != 0x60 {
		return 0, nil, false
	}
	n, rest := int(token[1]), token[2:]
	if n >= 0x80 {
		octets := n - 0x80
		if octets < 1 || octets > 3 || len(rest) < octets {
			return 0, nil, false
		}
		n = 0
		for _, b := range rest[:octets] {
			n = n<<8 | int(b)
		}
		rest = rest[octets:]
	}
	if n != len(rest) || !bytes.HasPrefix(rest, kerberosOID) || len(rest) < len(kerberosOID)+2 {
		return 0, nil, false
	}
	rest = rest[len(kerberosOID):]
	return binary.BigEndian.Uint16(rest), rest[2:], true
}

// Flags of a wrap token (RFC 4121 §4.2.2).
const (
	wrapAcceptor = 1 << iota // sent by the acceptor
	wrapSealed               // encrypted
	wrapSubkey               // by the acceptor's subkey
)

// wrapHeader is the length of a wrap token's header.
const wrapHeader = 16

// wrapToken is a message that is protected but not encrypted
// (RFC 4121 §4.2.6.2).
type wrapToken struct {
	flags    byte
	sequence uint64
	payload  []byte
}

// header writes the header with a checksum of the given length; nothing is
// rotated.
func (t wrapToken) header(sum int) []byte {
	h := []byte{0x05, 0x04, t.flags, 0xFF, byte(sum >> 8), byte(sum), 0, 0}
	return binary.BigEndian.AppendUint64(h, t.sequence)
}

func (t wrapToken) append(dst, sum []byte) []byte {
	dst = append(dst, t.header(len(sum))...)
	dst = append(dst, t.payload...)
	return append(dst, sum...)
}

// parseWrapToken takes a token apart. What stands behind the header may have
// been rotated to the right (RFC 4121 §4.2.5).
func parseWrapToken(token []byte) (t wrapToken, sum []byte, ok bool) {
	if len(token) < wrapHeader || token[0] != 0x05 || token[1] != 0x04 || token[3] != 0xFF {
		return t, nil, false
	}
	length := int(binary.BigEndian.Uint16(token[4:]))
	rotation := int(binary.BigEndian.Uint16(token[6:]))
	body := token[wrapHeader:]
	if length > len(body) {
		return t, nil, false
	}
	if rotation != 0 && len(body) > 0 {
		rotation %= len(body)
		body = append(append([]byte(nil), body[rotation:]...), body[:rotation]...)
	}
	t = wrapToken{flags: token[2], sequence: binary.BigEndian.Uint64(token[8:]), payload: body[:len(body)-length]}
	return t, body[len(body)-length:], true
}
