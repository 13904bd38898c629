package transport

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"strconv"
	"strings"
)

// signatureNames lists the schemes in this package's order of preference, each
// with the name of RFC 8446 §4.2.3 and the older hash-key form.
var signatureNames = []struct {
	scheme tls.SignatureScheme
	name   string
	old    string
}{
	{tls.Ed25519, "ed25519", ""},
	{tls.ECDSAWithP256AndSHA256, "ecdsa_secp256r1_sha256", "sha256-ecdsa"},
	{tls.ECDSAWithP384AndSHA384, "ecdsa_secp384r1_sha384", "sha384-ecdsa"},
	{tls.ECDSAWithP521AndSHA512, "ecdsa_secp521r1_sha512", "sha512-ecdsa"},
	{tls.PSSWithSHA256, "rsa_pss_rsae_sha256", "rsa_pss_sha256"},
	{tls.PSSWithSHA384, "rsa_pss_rsae_sha384", "rsa_pss_sha384"},
	{tls.PSSWithSHA512, "rsa_pss_rsae_sha512", "rsa_pss_sha512"},
	{tls.PKCS1WithSHA256, "rsa_pkcs1_sha256", "sha256-rsa"},
	{tls.PKCS1WithSHA384, "rsa_pkcs1_sha384", "sha384-rsa"},
	{tls.PKCS1WithSHA512, "rsa_pkcs1_sha512", "sha512-rsa"},
	{tls.PKCS1WithSHA1, "rsa_pkcs1_sha1", "sha1-rsa"},
	{tls.ECDSAWithSHA1, "ecdsa_sha1", "sha1-ecdsa"},
}

// ParseSignatureScheme returns the signature scheme of that name, in any letter
// case: "ecdsa_secp256r1_sha256" (RFC 8446 §4.2.3) or "sha256-ecdsa". DSA, SHA-224
// and Ed448 are not available.
func ParseSignatureScheme(name string) (tls.SignatureScheme, error) {
	for _, s := range signatureNames {
		if strings.EqualFold(name, s.name) || s.old != "" && strings.EqualFold(name, s.old) {
			return s.scheme, nil
		}
	}
	what := "no signature algorithm"
	if n := strings.ToLower(name); strings.HasSuffix(n, "-dsa") || strings.Contains(n, "sha224") || n == "ed448" {
		what = "not available: signature algorithm"
	}
	return 0, fmt.Errorf("transport: %s %s", what, strconv.QuoteToASCII(clip(name, 64)))
}

// schemesOf are the schemes a certificate signed with a may have been signed
// by, as far as the signature tells: of ECDSA only the hash is known.
func schemesOf(a x509.SignatureAlgorithm) []tls.SignatureScheme {
	switch a {
	case x509.PureEd25519:
		return []tls.SignatureScheme{tls.Ed25519}
	case x509.ECDSAWithSHA256:
		return []tls.SignatureScheme{tls.ECDSAWithP256AndSHA256}
	case x509.ECDSAWithSHA384:
		return []tls.SignatureScheme{tls.ECDSAWithP384AndSHA384}
	case x509.ECDSAWithSHA512:
		return []tls.SignatureScheme{tls.ECDSAWithP521AndSHA512}
	case x509.ECDSAWithSHA1:
		return []tls.SignatureScheme{tls.ECDSAWithSHA1}
	case x509.SHA256WithRSA:
		return []tls.SignatureScheme{tls.PKCS1WithSHA256}
	case x509.SHA384WithRSA:
		return []tls.SignatureScheme{tls.PKCS1WithSHA384}
	case x509.SHA512WithRSA:
		return []tls.SignatureScheme{tls.PKCS1WithSHA512}
	case x509.SHA1WithRSA:
		return []tls.SignatureScheme{tls.PKCS1WithSHA1}
	case x509.SHA256WithRSAPSS:
		return []tls.SignatureScheme{tls.PSSWithSHA256}
	case x509.SHA384WithRSAPSS:
		return []tls.SignatureScheme{tls.PSSWithSHA384}
	case x509.SHA512WithRSAPSS:
		return []tls.SignatureScheme{tls.PSSWithSHA512}
	}
	return nil
}
