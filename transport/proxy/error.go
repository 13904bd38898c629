package proxy

import (
	"errors"
	"io"
	"strconv"
	"strings"
)

// Error is the error of this package. It holds no password.
type Error struct {
	Stage  int    // place in the chain, 1 for the proxy dialled first; 0: not in a chain
	Kind   Kind   // what speaks there; KindUnknown: the error is in a URL or list
	Addr   string // the proxy as "host:port"; for a Header the server that gets it
	Target string // what the proxy was asked for, "host:port"; "" for a Header
	Op     Op     // what was being done
	Reason Reason // why it failed; errors.Is matches it
	Status int    // the proxy's own code: HTTP status, SOCKS reply or method; 0: none
	Text   string // what the proxy said, at most 256 octets; not escaped: show it with %q
	Err    error  // a cause from below, or nil
}

// Error returns one line of printable text; the proxy's words are quoted.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString("proxy")
	if e.Stage > 0 {
		b.WriteString(" " + strconv.Itoa(e.Stage))
	}
	if e.Kind != KindUnknown {
		b.WriteString(" (" + e.Kind.String())
		if e.Addr != "" {
			b.WriteString(" " + printable(e.Addr))
		}
		b.WriteString(")")
	}
	if e.Target != "" {
		b.WriteString(" for " + printable(e.Target))
	}
	b.WriteString(": " + e.Op.String() + ": " + e.Reason.String())
	if e.Status != 0 {
		b.WriteString(" (" + strconv.Itoa(e.Status) + ")")
	}
	if e.Text != "" {
		b.WriteString(": proxy said " + strconv.QuoteToASCII(e.Text))
	}
	if e.Err != nil {
		b.WriteString(": " + e.Err.Error())
	}
	return b.String()
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Is reports whether target is this error's Reason.
func (e *Error) Is(target error) bool {
	r, ok := target.(Reason)
	return ok && r == e.Reason
}

// Timeout reports whether a wait has run out.
func (e *Error) Timeout() bool { return e.Reason == ReasonTimeout }

// Temporary reports whether the same attempt may succeed later. Wrong arguments,
// wrong or missing credentials and what the proxy's rules forbid do not heal.
func (e *Error) Temporary() bool {
	switch e.Reason {
	case ReasonArgument, ReasonCanceled, ReasonAuthRequired, ReasonAuthFailed, ReasonAuthUnsupported,
		ReasonNotAllowed, ReasonCommandUnsupported, ReasonAddressUnsupported:
		return false
	}
	return true
}

// Kind is what a stage speaks.
type Kind uint8

// The kinds of stages.
const (
	KindUnknown Kind = iota
	KindSOCKS4
	KindSOCKS4A
	KindSOCKS5 // RFC 1928
	KindHTTP   // RFC 9110 §9.3.6
	KindHTTPS  // the same inside TLS
	KindHeader // PROXY protocol

	kindCount
)

var kindNames = [kindCount]string{"unknown", "socks4", "socks4a", "socks5", "http", "https", "proxy-header"}

// String returns the name of the kind, for proxies that of the URL scheme.
func (k Kind) String() string {
	if k < kindCount {
		return kindNames[k]
	}
	return "Kind(" + strconv.Itoa(int(k)) + ")"
}

// Op is a step on the way to a tunnel.
type Op uint8

// The steps, in their order.
const (
	OpCheck    Op = iota // arguments are checked
	OpResolve            // the target's name is looked up here
	OpDial               // the proxy is dialled
	OpTLS                // TLS with the proxy
	OpGreeting           // SOCKS5 methods are agreed, RFC 1928 §3
	OpAuth               // credentials are presented
	OpConnect            // the tunnel is asked for
	OpHeader             // the PROXY protocol header is written

	opCount
)

var opNames = [opCount]string{"check", "look-up", "dial", "TLS handshake", "greeting", "authentication", "connect", "header"}

// String returns the step in words.
func (o Op) String() string {
	if o < opCount {
		return opNames[o]
	}
	return "Op(" + strconv.Itoa(int(o)) + ")"
}

// Reason says why there is no tunnel. It is an error itself, so that
// errors.Is(err, proxy.ReasonNotAllowed) works on anything this package returns.
type Reason uint8

// The reasons. The zero Reason is none.
const (
	ReasonNone Reason = iota

	// On this side; nothing has been sent.
	ReasonArgument // an address, credential or header line the protocol cannot carry
	ReasonNoName   // the target's name did not resolve here
	ReasonNoProxy  // the proxy could not be connected

	// The link to the proxy.
	ReasonTLS      // TLS with the proxy failed
	ReasonTimeout  // a wait has run out
	ReasonCanceled // the caller gave up
	ReasonClosed   // the proxy closed the connection instead of answering
	ReasonLost     // the connection broke

	// The proxy breaks its protocol.
	ReasonBadReply  // not in the protocol's grammar
	ReasonLongReply // over the longest answer accepted

	// The proxy wants to know who asks.
	ReasonAuthRequired    // credentials are wanted and there are none
	ReasonAuthFailed      // the credentials were refused
	ReasonAuthUnsupported // no method both sides know

	// The proxy says no.
	ReasonRefused            // without a reason that has a name below
	ReasonNotAllowed         // its rules forbid this target
	ReasonNetworkUnreachable // it has no route
	ReasonHostUnreachable    // it cannot reach the target
	ReasonConnectionRefused  // the target refused the connection
	ReasonTTLExpired         // the target is too far away
	ReasonCommandUnsupported // it does not open tunnels
	ReasonAddressUnsupported // it does not know this type of address

	reasonCount
)

var reasonTexts = [reasonCount]string{
	ReasonNone:               "no reason",
	ReasonArgument:           "argument refused",
	ReasonNoName:             "name does not resolve",
	ReasonNoProxy:            "proxy not reached",
	ReasonTLS:                "TLS with the proxy failed",
	ReasonTimeout:            "timed out",
	ReasonCanceled:           "cancelled",
	ReasonClosed:             "proxy closed the connection",
	ReasonLost:               "connection to the proxy lost",
	ReasonBadReply:           "malformed answer",
	ReasonLongReply:          "answer too long",
	ReasonAuthRequired:       "proxy wants credentials",
	ReasonAuthFailed:         "credentials refused",
	ReasonAuthUnsupported:    "no common authentication method",
	ReasonRefused:            "refused",
	ReasonNotAllowed:         "not allowed by the proxy's rules",
	ReasonNetworkUnreachable: "network unreachable",
	ReasonHostUnreachable:    "host unreachable",
	ReasonConnectionRefused:  "connection refused",
	ReasonTTLExpired:         "TTL expired",
	ReasonCommandUnsupported: "command not supported",
	ReasonAddressUnsupported: "address type not supported",
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

// maxText is how much of what a proxy says goes into an error.
const maxText = 256

func clip(s string) string {
	if len(s) > maxText {
		return s[:maxText]
	}
	return s
}

// printable escapes what a caller or a URL may have brought into an address.
func printable(s string) string {
	q := strconv.QuoteToASCII(clip(s))
	return q[1 : len(q)-1]
}

func isEOF(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
}
