package policy

import (
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// TLSA is one record (RFC 6698 §2.1).
type TLSA struct {
	Usage    Usage
	Selector Selector
	Matching Matching
	Data     []byte
}

// Usage says what the record binds the server to.
type Usage uint8

// The usages, by the names of RFC 7218.
const (
	PKIXTA Usage = 0 // not for mail (RFC 7672 §3.1.3)
	PKIXEE Usage = 1 // not for mail
	DANETA Usage = 2 // a trust anchor in the chain
	DANEEE Usage = 3 // the server's certificate itself
)

// Selector says what is compared.
type Selector uint8

// The selectors.
const (
	Cert Selector = 0 // the whole certificate
	SPKI Selector = 1 // its public key (SubjectPublicKeyInfo)
)

// Matching says how.
type Matching uint8

// The matching types.
const (
	Full   Matching = 0 // octet by octet
	SHA256 Matching = 1
	SHA512 Matching = 2
)

// maxAssociation bounds the data of a record.
const maxAssociation = 64 << 10

// ParseTLSA reads a record in the form of master files, "3 1 1 0a1b..."; the data may
// have blanks in it (RFC 6698 §2.2). A record that reads well need not be usable.
func ParseTLSA(s string) (TLSA, error) {
	f := strings.Fields(s)
	if len(f) < 4 {
		return TLSA{}, fmt.Errorf("policy: TLSA record %s: there must be four fields (RFC 6698 §2.2)", strconv.QuoteToASCII(clip(s, 80)))
	}
	var n [3]uint8
	for i := range n {
		v, err := strconv.ParseUint(f[i], 10, 8)
		if err != nil {
			return TLSA{}, fmt.Errorf("policy: TLSA record: %s is not a number up to 255", strconv.QuoteToASCII(clip(f[i], 80)))
		}
		n[i] = uint8(v)
	}
	digits := strings.Join(f[3:], "")
	if len(digits) > 2*maxAssociation {
		return TLSA{}, fmt.Errorf("policy: TLSA record: %d hexadecimal digits, allowed are %d", len(digits), 2*maxAssociation)
	}
	data, err := hex.DecodeString(digits)
	if err != nil {
		return TLSA{}, fmt.Errorf("policy: TLSA record: %w", err)
	}
	return TLSA{Usage(n[0]), Selector(n[1]), Matching(n[2]), data}, nil
}

// String returns the form of master files.
func (r TLSA) String() string {
	return fmt.Sprintf("%d %d %d %x", r.Usage, r.Selector, r.Matching, r.Data)
}

// Usable reports whether a mail client can do anything with the record: usage DANE-TA or
// DANE-EE, a known selector and matching type, and data that can be what they say
// (RFC 7672 §3.1).
func (r TLSA) Usable() bool {
	if r.Usage != DANETA && r.Usage != DANEEE {
		return false
	}
	switch {
	case r.Matching == SHA256 && r.Selector <= SPKI:
		return len(r.Data) == sha256.Size
	case r.Matching == SHA512 && r.Selector <= SPKI:
		return len(r.Data) == sha512.Size
	case r.Matching == Full && r.Selector == Cert:
		_, err := x509.ParseCertificate(r.Data)
		return err == nil
	case r.Matching == Full && r.Selector == SPKI:
		_, err := x509.ParsePKIXPublicKey(r.Data)
		return err == nil
	}
	return false
}

// Matches reports whether the certificate is the one that the record means.
func (r TLSA) Matches(cert *x509.Certificate) bool {
	what := cert.Raw
	if r.Selector == SPKI {
		what = cert.RawSubjectPublicKeyInfo
	} else if r.Selector != Cert {
		return false
	}
	switch r.Matching {
	case Full:
	case SHA256:
		d := sha256.Sum256(what)
		what = d[:]
	case SHA512:
		d := sha512.Sum512(what)
		what = d[:]
	default:
		return false
	}
	return len(what) > 0 && slices.Equal(what, r.Data)
}
