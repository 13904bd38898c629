package transport

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"reflect"
	"strconv"
	"strings"
	"syscall"
)

// Reason says why a link could not be secured. It is an error itself, so that
// errors.Is(err, transport.ReasonExpired) works.
type Reason uint8

// The reasons.
const (
	ReasonOther            Reason = iota // none of the others; see Err
	ReasonUnknownAuthority               // no trusted root leads to the certificate
	ReasonSelfSigned                     // the same, and the certificate signs itself
	ReasonExpired                        // outside the time of validity
	ReasonWrongName                      // not made out to the server's name
	ReasonWrongUsage                     // not made for a TLS server
	ReasonPinMismatch                    // not the pinned certificate, and not valid otherwise
	ReasonBadCertificate                 // another fault of the certificate or its chain
	ReasonRefused                        // the caller's hook refused the certificate
	ReasonWeakSignature                  // the certificate is signed by an algorithm that is not allowed
	ReasonWeakCipher                     // the cipher is weaker than demanded
	ReasonVersion                        // no protocol version that both sides allow
	ReasonNotTLS                         // the peer does not speak TLS; see First
	ReasonAlert                          // the peer sent an alert; see Alert
	ReasonClosed                         // the peer closed the connection
	ReasonTimeout                        // a deadline passed
	ReasonCanceled                       // the context was cancelled
	ReasonAlreadySecure                  // the link is secure already
	ReasonConfig                         // the configuration cannot be honoured
	ReasonUseless                        // the peer keeps sending records without content
	ReasonInternal                       // the engine failed in a way it should not
	reasonCount
)

var reasonTexts = [reasonCount]string{
	"handshake failed",
	"certificate signed by an unknown authority",
	"certificate is self-signed",
	"certificate has expired or is not yet valid",
	"certificate is not valid for the server's name",
	"certificate is not for TLS servers",
	"certificate is not the pinned one and not valid otherwise",
	"certificate is faulty",
	"certificate refused by the caller",
	"certificate signature algorithm not allowed",
	"cipher too weak",
	"no common protocol version",
	"peer does not speak TLS",
	"peer sent an alert",
	"peer closed the connection",
	"timed out",
	"cancelled",
	"link is already secure",
	"configuration cannot be honoured",
	"peer keeps sending records without content",
	"internal failure of the TLS engine",
}

// String returns the reason in words.
func (r Reason) String() string {
	if r < reasonCount {
		return reasonTexts[r]
	}
	return "Reason(" + strconv.Itoa(int(r)) + ")"
}

// Error returns the reason in words.
func (r Reason) Error() string { return r.String() }

// TLSError is the error of a handshake. errors.As finds the error of crypto/x509
// below it, whichever engine ran.
type TLSError struct {
	Reason Reason
	Peer   string // remote address, or ""
	Server string // the name verified against, or ""
	Alert  uint8  // for ReasonAlert: its number (RFC 8446 §6.2)
	First  []byte // for ReasonNotTLS: the first octets the peer sent, at most 128
	Err    error  // the cause, or nil
}

// Error returns one printable line; what the peer sent is quoted.
func (e *TLSError) Error() string {
	var b strings.Builder
	b.WriteString("tls")
	if e.Server != "" {
		b.WriteString(" with " + strconv.QuoteToASCII(clip(e.Server, 255)))
	} else if e.Peer != "" {
		b.WriteString(" with " + e.Peer)
	}
	b.WriteString(": " + e.Reason.String())
	switch {
	case e.Reason == ReasonAlert:
		fmt.Fprintf(&b, ": %d %s", e.Alert, strings.TrimPrefix(tls.AlertError(e.Alert).Error(), "tls: "))
	case e.Reason == ReasonNotTLS:
		b.WriteString("; it said " + strconv.QuoteToASCII(string(e.First)))
	case e.Err != nil:
		b.WriteString(": " + strings.ToValidUTF8(e.Err.Error(), "?"))
	}
	return b.String()
}

// Unwrap returns the cause.
func (e *TLSError) Unwrap() error { return e.Err }

// Is reports whether target is this error's Reason.
func (e *TLSError) Is(target error) bool {
	r, ok := target.(Reason)
	return ok && r == e.Reason
}

// Timeout reports whether a deadline passed.
func (e *TLSError) Timeout() bool { return e.Reason == ReasonTimeout }

// Temporary reports whether trying again may help: time-outs, and a peer that
// closed the connection.
func (e *TLSError) Temporary() bool {
	return e.Reason == ReasonTimeout || e.Reason == ReasonClosed
}

func configError(setting, why string) *TLSError {
	return &TLSError{Reason: ReasonConfig, Err: fmt.Errorf("%s: %s", setting, why)}
}

// asTLSError makes a *TLSError of any error of an engine.
func asTLSError(ctx context.Context, err error, nc net.Conn, c *TLSConfig) error {
	var te *TLSError
	if errors.As(err, &te) {
		// A verdict of our own may have come back wrapped by the engine.
		e := *te
		te = &e
	} else {
		te = &TLSError{Err: err}
		te.Reason, te.Alert = classify(ctx, err)
	}
	if a := nc.RemoteAddr(); a != nil && te.Peer == "" {
		te.Peer = a.String()
	}
	if te.Server == "" {
		te.Server = c.ServerName
	}
	return te
}

// classify finds the reason of an error that is none of ours.
func classify(ctx context.Context, err error) (Reason, uint8) {
	var op *net.OpError
	switch {
	case errors.As(err, &op) && op.Op == "remote error":
		// Both engines have an alert type of their own, unexported: an octet.
		if v := reflect.ValueOf(op.Err); v.Kind() == reflect.Uint8 {
			return ReasonAlert, uint8(v.Uint())
		}
		return ReasonAlert, 0
	case errors.Is(err, context.Canceled), errors.Is(ctx.Err(), context.Canceled):
		return ReasonCanceled, 0
	case errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, context.DeadlineExceeded), errors.Is(ctx.Err(), context.DeadlineExceeded):
		return ReasonTimeout, 0
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, syscall.ECONNRESET),
		errors.Is(err, syscall.EPIPE), errors.Is(err, net.ErrClosed):
		return ReasonClosed, 0
	}
	return certificateReason(err, nil), 0
}

// ReasonOf finds the reason in an error of this package or of crypto/x509, such as
// [Peer.Problem]; ReasonOther if there is none.
func ReasonOf(err error) Reason {
	var te *TLSError
	if errors.As(err, &te) {
		return te.Reason
	}
	return certificateReason(err, nil)
}

// certificateReason finds the reason among the errors of crypto/x509 about leaf, which
// may be nil.
func certificateReason(err error, leaf *x509.Certificate) Reason {
	var (
		unknown x509.UnknownAuthorityError
		host    x509.HostnameError
		invalid x509.CertificateInvalidError
		weak    x509.InsecureAlgorithmError
		roots   x509.SystemRootsError
	)
	switch {
	case errors.As(err, &unknown):
		// The certificate of the error is the last of the chain, not always the leaf.
		if leaf != nil && leaf.Equal(unknown.Cert) && bytes.Equal(leaf.RawIssuer, leaf.RawSubject) {
			return ReasonSelfSigned
		}
		return ReasonUnknownAuthority
	case errors.As(err, &host):
		return ReasonWrongName
	case errors.As(err, &weak):
		return ReasonWeakSignature
	case errors.As(err, &roots):
		return ReasonUnknownAuthority
	case errors.As(err, &invalid):
		switch invalid.Reason {
		case x509.Expired:
			return ReasonExpired
		case x509.IncompatibleUsage:
			return ReasonWrongUsage
		case x509.NoValidChains:
			return ReasonUnknownAuthority
		}
		return ReasonBadCertificate
	}
	return ReasonOther
}
