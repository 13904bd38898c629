package certfile

import (
	"crypto/sha1"
	"crypto/subtle"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/binary"
	"errors"
	"fmt"
)

// A Java key store: a header, entries, and a digest over the password and all of it.
// Private keys are protected by a stream made of the password and SHA-1.
var (
	jksMagic  = []byte{0xfe, 0xed, 0xfe, 0xed}
	jksPepper = []byte("Mighty Aphrodite")
	oidJKSKey = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 42, 2, 17, 1, 1}
)

const (
	jksKeyEntry  = 1
	jksCertEntry = 2
)

func (c *contents) jks(data []byte, password string) error {
	if len(data) < 12+sha1.Size {
		return errShort
	}
	body := data[:len(data)-sha1.Size]
	if password != "" { // without one the certificates can be read all the same
		sum := sha1.New()
		sum.Write(wide(password))
		sum.Write(jksPepper)
		sum.Write(body)
		if subtle.ConstantTimeCompare(sum.Sum(nil), data[len(body):]) == 0 {
			return ErrPassword
		}
	}
	r := &jksReader{b: body[4:]}
	version, count := r.u32(), r.u32()
	if version != 1 && version != 2 {
		return fmt.Errorf("no such version: %d", version)
	}
	if count > maxEntries {
		return fmt.Errorf("%d entries, allowed are %d", count, maxEntries)
	}
	for range count {
		kind := r.u32()
		r.text()  // alias
		r.take(8) // time of making
		switch {
		case r.short:
			return errShort
		case kind == jksKeyEntry:
			sealed := r.take(int(r.u32()))
			var chain contents
			for n := r.u32(); n > 0 && !r.short; n-- {
				if err := chain.jksCert(r, version); err != nil {
					return err
				}
			}
			if err := c.jksIdentity(sealed, password, chain.certs); err != nil {
				return err
			}
		case kind == jksCertEntry:
			if err := c.jksCert(r, version); err != nil {
				return err
			}
		default:
			return fmt.Errorf("no such entry: %d", kind)
		}
	}
	if r.short {
		return errShort
	}
	return nil
}

func (c *contents) jksCert(r *jksReader, version uint32) error {
	if version == 2 {
		if kind := r.text(); kind != "X.509" && !r.short {
			return fmt.Errorf("no such certificate: %q", kind[:min(len(kind), 64)])
		}
	}
	der := r.take(int(r.u32()))
	if r.short {
		return errShort
	}
	return c.cert(der)
}

func (c *contents) jksIdentity(sealed []byte, password string, chain []*x509.Certificate) error {
	if len(chain) == 0 {
		return errors.New("a private key without a certificate")
	}
	der, err := openJKSKey(sealed, password)
	if err != nil {
		return err
	}
	var k contents
	if err := k.key(der); err != nil {
		return err
	}
	id := tls.Certificate{PrivateKey: k.keys[0], Leaf: chain[0]}
	for _, cert := range chain {
		id.Certificate = append(id.Certificate, cert.Raw)
	}
	c.identities = append(c.identities, id)
	return nil
}

// openJKSKey decrypts a private key: a salt, the key under the stream, and a digest.
func openJKSKey(sealed []byte, password string) ([]byte, error) {
	var info struct {
		Algorithm pkix.AlgorithmIdentifier
		Data      []byte
	}
	if _, err := asn1.Unmarshal(sealed, &info); err != nil {
		return nil, err
	}
	if !info.Algorithm.Algorithm.Equal(oidJKSKey) {
		return nil, fmt.Errorf("no such encryption: %v", info.Algorithm.Algorithm)
	}
	n := len(info.Data) - 2*sha1.Size
	if n <= 0 {
		return nil, errShort
	}
	pw := wide(password)
	digest := func(more []byte) []byte {
		d := sha1.Sum(append(pw[:len(pw):len(pw)], more...))
		return d[:]
	}
	stream := info.Data[:sha1.Size]
	key := make([]byte, n)
	for i := range key {
		if i%sha1.Size == 0 {
			stream = digest(stream)
		}
		key[i] = info.Data[sha1.Size+i] ^ stream[i%sha1.Size]
	}
	if subtle.ConstantTimeCompare(digest(key), info.Data[sha1.Size+n:]) == 0 {
		return nil, ErrPassword
	}
	return key, nil
}

var errShort = errors.New("the file ends too soon")

// jksReader takes a store apart. Behind its end there is nothing, and short is set.
type jksReader struct {
	b     []byte
	short bool
}

func (r *jksReader) take(n int) []byte {
	if n < 0 || n > len(r.b) {
		r.short, r.b = true, nil
		return nil
	}
	p := r.b[:n]
	r.b = r.b[n:]
	return p
}

func (r *jksReader) u32() uint32 {
	if p := r.take(4); p != nil {
		return binary.BigEndian.Uint32(p)
	}
	return 0
}

func (r *jksReader) text() string {
	p := r.take(2)
	if p == nil {
		return ""
	}
	return string(r.take(int(binary.BigEndian.Uint16(p))))
}
