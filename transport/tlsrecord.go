package transport

import (
	"encoding/binary"
	"fmt"
	"strconv"
	"strings"
)

// TLSRecord is the outline of one TLS record (RFC 8446 §5.1): everything that its
// header tells, and the names of handshake messages as long as they go in clear.
type TLSRecord struct {
	Sent     bool     // by the client
	Type     uint8    // content type; 23 is all that shows once TLS 1.3 encrypts
	Version  uint16   // as in the header, which is not the version agreed on
	Length   int      // octets behind the header
	Messages []string // handshake messages that end in this record, in clear
}

// String returns one line such as "< handshake 0x0303 122 octets: ServerHello".
func (r TLSRecord) String() string {
	dir := "<"
	if r.Sent {
		dir = ">"
	}
	s := fmt.Sprintf("%s %s 0x%04x %d octets", dir, r.TypeName(), r.Version, r.Length)
	if len(r.Messages) > 0 {
		s += ": " + strings.Join(r.Messages, ", ")
	}
	return s
}

// TypeName returns the content type in words.
func (r TLSRecord) TypeName() string {
	switch r.Type {
	case recordChangeCipherSpec:
		return "change_cipher_spec"
	case recordAlert:
		return "alert"
	case recordHandshake:
		return "handshake"
	case recordApplicationData:
		return "application_data"
	}
	return "type " + strconv.Itoa(int(r.Type))
}

// Content types (RFC 8446 §5.1).
const (
	recordChangeCipherSpec = 20
	recordAlert            = 21
	recordHandshake        = 22
	recordApplicationData  = 23
)

// Handshake messages (RFC 8446 §4, RFC 5246 §7.4).
const (
	messageServerHello       = 2
	messageServerKeyExchange = 12
)

var messageNames = map[uint8]string{
	0: "HelloRequest", 1: "ClientHello", messageServerHello: "ServerHello", 4: "NewSessionTicket",
	8: "EncryptedExtensions", 11: "Certificate", messageServerKeyExchange: "ServerKeyExchange",
	13: "CertificateRequest", 14: "ServerHelloDone", 15: "CertificateVerify", 16: "ClientKeyExchange",
	20: "Finished", 22: "CertificateStatus", 24: "KeyUpdate",
}

// messageOctets is how much of a handshake message is kept to be looked into:
// enough for any ServerHello in use.
const messageOctets = 4096

// recordReader follows one direction of a connection from record to record. It
// keeps a bounded amount whatever the peer sends, and stops at the first octet
// that cannot be TLS.
type recordReader struct {
	lost      bool // not TLS; nothing more is looked at
	encrypted bool // handshake messages are not readable any more

	header [5]byte
	have   int // octets of the header
	left   int // octets of the record still to come
	record TLSRecord

	msg     []byte // handshake message: its header and what is kept of its body
	msgLeft int    // octets of it still to come, once the header is there
	inBody  bool
	keep    int // octets kept of a body
}

// feed looks at p. It calls done at the end of each record and message for each
// handshake message in clear.
func (r *recordReader) feed(p []byte, done func(TLSRecord), message func(kind uint8, body []byte)) {
	for len(p) > 0 && !r.lost {
		if r.have < len(r.header) {
			n := copy(r.header[r.have:], p)
			r.have, p = r.have+n, p[n:]
			if r.have < len(r.header) {
				return
			}
			r.open()
			if r.left > 0 {
				continue
			}
		} else {
			n := min(r.left, len(p))
			if r.record.Type == recordHandshake && !r.encrypted {
				r.handshake(p[:n], message)
			}
			r.left, p = r.left-n, p[n:]
		}
		if r.left == 0 && !r.lost {
			if r.record.Type == recordChangeCipherSpec || r.record.Type == recordApplicationData {
				r.encrypted = true
			}
			done(r.record)
			r.have = 0
		}
	}
}

// open reads a complete header.
func (r *recordReader) open() {
	r.record = TLSRecord{
		Type:    r.header[0],
		Version: binary.BigEndian.Uint16(r.header[1:]),
		Length:  int(binary.BigEndian.Uint16(r.header[3:])),
	}
	r.left = r.record.Length
	if r.record.Type < recordChangeCipherSpec || r.record.Type > recordApplicationData || r.header[1] != 3 {
		r.lost = true
	}
}

// handshake reads octets of handshake messages, which records do not align with.
func (r *recordReader) handshake(p []byte, message func(kind uint8, body []byte)) {
	const head = 4
	for len(p) > 0 {
		if !r.inBody {
			n := min(head-len(r.msg), len(p))
			r.msg, p = append(r.msg, p[:n]...), p[n:]
			if len(r.msg) < head {
				return
			}
			r.msgLeft = int(r.msg[1])<<16 | int(r.msg[2])<<8 | int(r.msg[3])
			r.inBody = true
		}
		n := min(r.msgLeft, len(p))
		r.msg = append(r.msg, p[:min(n, head+r.keep-len(r.msg))]...)
		r.msgLeft, p = r.msgLeft-n, p[n:]
		if r.msgLeft > 0 {
			return
		}
		kind := r.msg[0]
		name, ok := messageNames[kind]
		if !ok {
			name = "message " + strconv.Itoa(int(kind))
		}
		if len(r.record.Messages) < 16 {
			r.record.Messages = append(r.record.Messages, name)
		}
		message(kind, r.msg[head:])
		r.msg, r.inBody = r.msg[:0], false
	}
}
