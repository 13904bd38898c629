package certfile

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/des"
	"crypto/pbkdf2"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"fmt"
	"hash"
	"unicode/utf16"
)

// maxIterations bounds how long a file can make us derive a key.
const maxIterations = 2_000_000

// errLegacy says that a file uses RC2.
var errLegacy = errors.New("encryption by RC2")

var (
	oidPBES2    = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 5, 13}
	oidPBKDF2   = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 5, 12}
	oidSHA1DES3 = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 12, 1, 3}
	oidSHA1RC2  = []asn1.ObjectIdentifier{{1, 2, 840, 113549, 1, 12, 1, 5}, {1, 2, 840, 113549, 1, 12, 1, 6}}
)

// digests are the hash functions by the object identifiers of themselves and of the
// HMAC over them.
var digests = map[string]func() hash.Hash{
	"1.3.14.3.2.26": sha1.New, "1.2.840.113549.2.7": sha1.New,
	"2.16.840.1.101.3.4.2.1": sha256.New, "1.2.840.113549.2.9": sha256.New,
	"2.16.840.1.101.3.4.2.2": sha512.New384, "1.2.840.113549.2.10": sha512.New384,
	"2.16.840.1.101.3.4.2.3": sha512.New, "1.2.840.113549.2.11": sha512.New,
}

// ciphers are the block ciphers in CBC mode, with the length of their keys.
var ciphers = map[string]struct {
	key int
	new func([]byte) (cipher.Block, error)
}{
	"2.16.840.1.101.3.4.1.2":  {16, aes.NewCipher},
	"2.16.840.1.101.3.4.1.22": {24, aes.NewCipher},
	"2.16.840.1.101.3.4.1.42": {32, aes.NewCipher},
	"1.2.840.113549.3.7":      {24, des.NewTripleDESCipher},
}

// decryptPKCS8 opens an EncryptedPrivateKeyInfo (RFC 5958 §3).
func decryptPKCS8(der, raw []byte, password string) ([]byte, error) {
	var info struct {
		Algorithm pkix.AlgorithmIdentifier
		Data      []byte
	}
	if rest, err := asn1.Unmarshal(der, &info); err != nil {
		return nil, err
	} else if len(rest) > 0 {
		return nil, errors.New("octets behind the encrypted key")
	}
	return decrypt(info.Algorithm, info.Data, raw, password)
}

// decrypt opens data by a scheme of PKCS #5 with the password's octets (RFC 8018 §6.2),
// or by one of PKCS #12 with its characters (RFC 7292 §B).
func decrypt(a pkix.AlgorithmIdentifier, data, raw []byte, password string) ([]byte, error) {
	switch {
	case a.Algorithm.Equal(oidPBES2):
		return pbes2(a.Parameters.FullBytes, data, raw)
	case a.Algorithm.Equal(oidSHA1DES3):
		var p struct {
			Salt       []byte
			Iterations int
		}
		if _, err := asn1.Unmarshal(a.Parameters.FullBytes, &p); err != nil {
			return nil, err
		}
		if err := checkIterations(p.Iterations); err != nil {
			return nil, err
		}
		pw := bmp(password)
		block, err := des.NewTripleDESCipher(derive(sha1.New, pw, p.Salt, p.Iterations, 1, 24))
		if err != nil {
			return nil, err
		}
		return cbc(block, derive(sha1.New, pw, p.Salt, p.Iterations, 2, 8), data)
	case a.Algorithm.Equal(oidSHA1RC2[0]), a.Algorithm.Equal(oidSHA1RC2[1]):
		return nil, errLegacy
	}
	return nil, fmt.Errorf("no such encryption: %v", a.Algorithm)
}

func pbes2(parameters, data, password []byte) ([]byte, error) {
	var p struct {
		KDF struct {
			Algorithm asn1.ObjectIdentifier
			P         struct {
				Salt       []byte
				Iterations int
				KeyLength  int                      `asn1:"optional"`
				PRF        pkix.AlgorithmIdentifier `asn1:"optional"`
			}
		}
		Cipher struct {
			Algorithm asn1.ObjectIdentifier
			IV        []byte
		}
	}
	if _, err := asn1.Unmarshal(parameters, &p); err != nil {
		return nil, err
	}
	if !p.KDF.Algorithm.Equal(oidPBKDF2) {
		return nil, fmt.Errorf("no such key derivation: %v", p.KDF.Algorithm)
	}
	if err := checkIterations(p.KDF.P.Iterations); err != nil {
		return nil, err
	}
	prf := sha1.New
	if oid := p.KDF.P.PRF.Algorithm; len(oid) > 0 {
		if prf = digests[oid.String()]; prf == nil {
			return nil, fmt.Errorf("no such pseudo-random function: %v", oid)
		}
	}
	c, ok := ciphers[p.Cipher.Algorithm.String()]
	if !ok {
		return nil, fmt.Errorf("no such cipher: %v", p.Cipher.Algorithm)
	}
	key, err := pbkdf2.Key(prf, string(password), p.KDF.P.Salt, p.KDF.P.Iterations, c.key)
	if err != nil {
		return nil, err
	}
	block, err := c.new(key)
	if err != nil {
		return nil, err
	}
	return cbc(block, p.Cipher.IV, data)
}

// cbc decrypts and takes the padding off. What does not fit is the password's fault.
func cbc(block cipher.Block, iv, data []byte) ([]byte, error) {
	size := block.BlockSize()
	if len(iv) != size || len(data) == 0 || len(data)%size != 0 {
		return nil, errors.New("the encrypted octets do not fit the cipher")
	}
	out := make([]byte, len(data))
	cipher.NewCBCDecrypter(block, iv).CryptBlocks(out, data)
	pad := int(out[len(out)-1])
	if pad == 0 || pad > size {
		return nil, ErrPassword
	}
	for _, b := range out[len(out)-pad:] {
		if int(b) != pad {
			return nil, ErrPassword
		}
	}
	return out[:len(out)-pad], nil
}

func checkIterations(n int) error {
	if n < 1 || n > maxIterations {
		return fmt.Errorf("%d iterations, allowed are 1 to %d", n, maxIterations)
	}
	return nil
}

// derive makes n octets of a password (RFC 7292 §B.2). id is what they are for: 1 a key,
// 2 an initialization vector, 3 a key of a MAC.
func derive(newHash func() hash.Hash, password, salt []byte, iterations int, id byte, n int) []byte {
	h := newHash()
	u, v := h.Size(), h.BlockSize()
	fill := func(p []byte) []byte {
		if len(p) == 0 {
			return nil
		}
		out := make([]byte, (len(p)+v-1)/v*v)
		for i := range out {
			out[i] = p[i%len(p)]
		}
		return out
	}
	d := make([]byte, v)
	for i := range d {
		d[i] = id
	}
	in := append(fill(salt), fill(password)...)
	var out []byte
	for {
		h.Reset()
		h.Write(d)
		h.Write(in)
		a := h.Sum(nil)
		for range iterations - 1 {
			h.Reset()
			h.Write(a)
			a = h.Sum(a[:0])
		}
		if out = append(out, a...); len(out) >= n {
			return out[:n]
		}
		// Each block of the input is raised by the digest, repeated, and one.
		for at := 0; at < len(in); at += v {
			carry := 1
			for k := v - 1; k >= 0; k-- {
				carry += int(in[at+k]) + int(a[k%u])
				in[at+k] = byte(carry)
				carry >>= 8
			}
		}
	}
}

// bmp writes a password in UTF-16, with a zero behind it (RFC 7292 §B.1).
func bmp(s string) []byte {
	return append(wide(s), 0, 0)
}

// wide writes text in UTF-16, the high octet first.
func wide(s string) []byte {
	var out []byte
	for _, u := range utf16.Encode([]rune(s)) {
		out = append(out, byte(u>>8), byte(u))
	}
	return out
}
