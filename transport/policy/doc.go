// Package policy judges a mail server's certificate by what its domain publishes: an
// MTA-STS policy (RFC 8461) or TLSA records (DANE, RFC 6698 and RFC 7672).
//
// It knows how to read both, when each of them asks for what, and whether a chain of
// certificates fits. It refuses to fetch anything: whether the records came with DNSSEC,
// and the policy over HTTPS, is for the one who fetched them to know. Without that
// knowledge neither is worth more than what it protects against. Verdicts read no clock;
// the time is an argument.
//
// [DANE.Configure] and [STS.Configure] turn a policy into a [transport.TLSConfig]. Where
// a domain has both, DANE decides: a policy of MTA-STS must not excuse a server whose
// TLSA records do not match (RFC 8461 §2).
package policy

import (
	"strconv"
	"strings"
)

// Failure is what is wrong, in the words of TLS reports (RFC 8460 §4.3).
type Failure uint8

// The failures.
const (
	ValidationFailure       Failure = iota // none of the others
	CertificateHostMismatch                // the names in the certificate are others
	CertificateExpired                     // outside the time of validity
	CertificateNotTrusted                  // no trusted root leads to the certificate
	TLSAInvalid                            // no TLSA record matches
	STSPolicyInvalid                       // the policy is not one
	STSWebPKIInvalid                       // the policy does not name the mail server
	failureCount
)

var failureNames = [failureCount]string{
	"validation-failure", "certificate-host-mismatch", "certificate-expired", "certificate-not-trusted",
	"tlsa-invalid", "sts-policy-invalid", "sts-webpki-invalid",
}

// String returns the result type of RFC 8460.
func (f Failure) String() string {
	if f < failureCount {
		return failureNames[f]
	}
	return "Failure(" + strconv.Itoa(int(f)) + ")"
}

// Error is the error of this package.
type Error struct {
	Failure Failure
	Host    string // the mail server, or "" where it is about a policy alone
	Err     error  // what is wrong
}

// Error returns one printable line.
func (e *Error) Error() string {
	s := "policy: "
	if e.Host != "" {
		s += strconv.QuoteToASCII(clip(e.Host, 255)) + ": "
	}
	return s + e.Failure.String() + ": " + strings.ToValidUTF8(e.Err.Error(), "?")
}

// Unwrap returns what is wrong.
func (e *Error) Unwrap() error { return e.Err }

func clip(s string, n int) string {
	if len(s) > n {
		return s[:n] + "..."
	}
	return s
}
