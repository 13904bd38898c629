package transport

import (
	"crypto/tls"
	"fmt"
	"strconv"
	"strings"
)

// Group is a key exchange group by its IANA number (TLS Supported Groups).
type Group uint16

// The groups that are known by name. Those of RFC 7919 and X448 can be named but
// not computed by either engine.
const (
	P256               Group = 23
	P384               Group = 24
	P521               Group = 25
	X25519             Group = 29
	X448               Group = 30
	FFDHE2048          Group = 256
	FFDHE3072          Group = 257
	FFDHE4096          Group = 258
	FFDHE6144          Group = 259
	FFDHE8192          Group = 260
	SecP256r1MLKEM768  Group = 4587
	X25519MLKEM768     Group = 4588
	SecP384r1MLKEM1024 Group = 4589
)

type groupFact struct {
	group Group
	name  string
	bits  int
	also  []string
}

var groupFacts = []groupFact{
	{X25519, "X25519", 256, []string{"ecdhe_x25519"}},
	{P256, "P-256", 256, []string{"ecdhe_secp256r1", "secp256r1", "prime256v1", "p256"}},
	{P384, "P-384", 384, []string{"ecdhe_secp384r1", "secp384r1", "p384"}},
	{P521, "P-521", 521, []string{"ecdhe_secp521r1", "secp521r1", "p521"}},
	{X448, "X448", 448, []string{"ecdhe_x448"}},
	{FFDHE2048, "ffdhe2048", 2048, []string{"ffdhe_2048"}},
	{FFDHE3072, "ffdhe3072", 3072, []string{"ffdhe_3072"}},
	{FFDHE4096, "ffdhe4096", 4096, []string{"ffdhe_4096"}},
	{FFDHE6144, "ffdhe6144", 6144, []string{"ffdhe_6144"}},
	{FFDHE8192, "ffdhe8192", 8192, []string{"ffdhe_8192"}},
	{X25519MLKEM768, "X25519MLKEM768", 256, nil},
	{SecP256r1MLKEM768, "SecP256r1MLKEM768", 256, nil},
	{SecP384r1MLKEM1024, "SecP384r1MLKEM1024", 384, nil},
}

func (g Group) fact() groupFact {
	for _, f := range groupFacts {
		if f.group == g {
			return f
		}
	}
	return groupFact{name: "Group(" + strconv.Itoa(int(g)) + ")"}
}

// String returns the group's name.
func (g Group) String() string { return g.fact().name }

// Bits returns the size of the (classical part of the) group; 0 if unknown.
func (g Group) Bits() int { return g.fact().bits }

// Classical reports whether the group is an elliptic curve that the engines can
// compute alone.
func (g Group) Classical() bool { return g == X25519 || g >= P256 && g <= P521 }

// ParseGroup returns the group of that name, in any letter case: "X25519",
// "P-256", "secp256r1", "ecdhe_secp256r1", "X25519MLKEM768". A group that is
// known and cannot be computed is returned all the same; a handshake refuses it.
func ParseGroup(name string) (Group, error) {
	for _, f := range groupFacts {
		if strings.EqualFold(name, f.name) {
			return f.group, nil
		}
		for _, a := range f.also {
			if strings.EqualFold(name, a) {
				return f.group, nil
			}
		}
	}
	return 0, fmt.Errorf("transport: no key exchange group %s", strconv.QuoteToASCII(clip(name, 64)))
}

// ParseVersion returns the protocol version of that name: "1.2", "TLS1.2",
// "TLSv1.2", "TLS 1.2".
func ParseVersion(name string) (uint16, error) {
	s := strings.ToLower(strings.ReplaceAll(name, " ", ""))
	s = strings.TrimPrefix(strings.TrimPrefix(s, "tls"), "v")
	switch s {
	case "1", "1.0":
		return tls.VersionTLS10, nil
	case "1.1":
		return tls.VersionTLS11, nil
	case "1.2":
		return tls.VersionTLS12, nil
	case "1.3":
		return tls.VersionTLS13, nil
	}
	return 0, fmt.Errorf("transport: no TLS version %s", strconv.QuoteToASCII(clip(name, 64)))
}

// suites are all suites that can be named, those of TLS 1.3 first.
func suites() []*tls.CipherSuite {
	return append(tls.CipherSuites(), tls.InsecureCipherSuites()...)
}

// ParseCipherSuite returns the suite of that IANA name, in any letter case.
func ParseCipherSuite(name string) (uint16, error) {
	for _, s := range suites() {
		if strings.EqualFold(s.Name, name) || strings.EqualFold(strings.TrimSuffix(s.Name, "_SHA256"), name) && strings.HasSuffix(s.Name, "CHACHA20_POLY1305_SHA256") {
			return s.ID, nil
		}
	}
	return 0, fmt.Errorf("transport: no cipher suite %s", strconv.QuoteToASCII(clip(name, 64)))
}

// SuiteBits returns the strength of the suite's bulk cipher in bits; 0 if unknown.
func SuiteBits(id uint16) int { return cipherBits(suiteCipher(tls.CipherSuiteName(id))) }

// suiteCipher returns "AES_128_GCM" of "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256".
func suiteCipher(name string) string {
	_, c, ok := strings.Cut(name, "_WITH_")
	if !ok {
		c, ok = strings.CutPrefix(name, "TLS_")
	}
	if !ok {
		return ""
	}
	if i := strings.LastIndex(c, "_SHA"); i > 0 {
		c = c[:i]
	}
	return c
}

// suiteKeyExchange returns "ECDHE" of "TLS_ECDHE_RSA_WITH_...". Suites of TLS 1.3
// do not name one.
func suiteKeyExchange(name string) string {
	kx, _, ok := strings.Cut(strings.TrimPrefix(name, "TLS_"), "_WITH_")
	if !ok {
		return ""
	}
	kx, _, _ = strings.Cut(kx, "_")
	return kx
}

func cipherBits(cipher string) int {
	switch {
	case strings.HasPrefix(cipher, "AES_256"), strings.HasPrefix(cipher, "CHACHA20"):
		return 256
	case strings.HasPrefix(cipher, "AES_128"), strings.HasPrefix(cipher, "RC4_128"):
		return 128
	case strings.HasPrefix(cipher, "3DES"):
		return 112
	}
	return 0
}
