package utls_test

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"crypto/tls"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"

	"github.com/parley-mail/parley/transport"
	"github.com/parley-mail/parley/transport/internal/tlstest"
)

// sealer writes records of TLS 1.3 as the server, with TLS_AES_128_GCM_SHA256.
type sealer struct {
	t      *testing.T
	secret []byte
	seq    uint64
}

// newSealer finds the server's traffic secret in a key log.
func newSealer(t *testing.T, keyLog string) *sealer {
	for line := range strings.Lines(keyLog) {
		if f := strings.Fields(line); len(f) == 3 && f[0] == "SERVER_TRAFFIC_SECRET_0" {
			secret, err := hex.DecodeString(f[2])
			if err != nil {
				t.Error(err)
			}
			return &sealer{t: t, secret: secret}
		}
	}
	t.Errorf("no secret in %q", keyLog)
	return &sealer{t: t, secret: make([]byte, 32)}
}

// expand is HKDF-Expand-Label without a context (RFC 8446 §7.1).
func (s *sealer) expand(label string, n int) []byte {
	label = "tls13 " + label
	info := fmt.Sprintf("%c%c%c%s\x00", 0, n, len(label), label)
	out, err := hkdf.Expand(sha256.New, s.secret, info, n)
	if err != nil {
		s.t.Error(err)
	}
	return out
}

func (s *sealer) record(kind byte, content []byte) []byte {
	block, err := aes.NewCipher(s.expand("key", 16))
	if err != nil {
		s.t.Error(err)
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		s.t.Error(err)
	}
	nonce := s.expand("iv", 12)
	for i, b := range binary.BigEndian.AppendUint64(nil, s.seq) {
		nonce[4+i] ^= b
	}
	s.seq++
	inner := append(bytes.Clone(content), kind)
	header := binary.BigEndian.AppendUint16([]byte{23, 3, 3}, uint16(len(inner)+aead.Overhead()))
	return aead.Seal(header, nonce, inner, header)
}

// keyUpdate is one that asks for none in return; the next record has the next key.
func (s *sealer) keyUpdate() []byte {
	rec := s.record(22, []byte{24, 0, 0, 1, 0})
	s.secret, s.seq = s.expand("traffic upd", 32), 0
	return rec
}

// flood makes a link whose server sends n key updates, then a line, twice over.
func flood(t *testing.T, n int) *tlstest.Link {
	return tlstest.DialRaw(t, func(nc net.Conn) {
		var keys bytes.Buffer
		srv := server()
		srv.SessionTicketsDisabled, srv.KeyLogWriter = true, &keys
		if err := tls.Server(nc, srv).Handshake(); err != nil {
			t.Error(err)
			return
		}
		s := newSealer(t, keys.String())
		for range 2 {
			for range n {
				if _, err := nc.Write(s.keyUpdate()); err != nil {
					return
				}
			}
			nc.Write(s.record(23, []byte("250 ok\r\n")))
		}
	})
}

// Invariant: a peer that keeps sending records without content is cut off, and one that
// sends a few between its content is not.
func TestEndlessKeyUpdates(t *testing.T) {
	config := config(transport.TLSConfig{CipherSuites: []uint16{tls.TLS_AES_128_GCM_SHA256}})
	reply := make([]byte, 16)

	l := flood(t, 12)
	if _, err := l.StartTLS(t.Context(), config); err != nil {
		t.Fatal(err)
	}
	if n, err := io.ReadFull(l, reply); err != nil || string(reply[:n]) != "250 ok\r\n250 ok\r\n" {
		t.Errorf("%q, %v", reply[:n], err)
	}

	l = flood(t, 1000)
	if _, err := l.StartTLS(t.Context(), config); err != nil {
		t.Fatal(err)
	}
	if n, err := io.ReadFull(l, reply); !errors.Is(err, transport.ReasonUseless) {
		t.Errorf("%q, %v", reply[:n], err)
	}
}
