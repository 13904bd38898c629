package auth

// Link is what is known of the connection when an exchange starts. The driver
// fills it from what the transport declares; nothing in it is guessed. The
// zero value is a clear link to an unnamed host.
type Link struct {
	Host string // the name the caller dialled or had verified, never one learnt from DNS; used by OAUTHBEARER, DIGEST-MD5 and GSSAPI
	Port int    // the port dialled; 0: unknown
	// Service is the name of the protocol in IANA's list of GSSAPI, Kerberos and SASL
	// service names, such as "lmtp"; "": smtp. DIGEST-MD5 and GSSAPI use it.
	Service string

	Secure     bool   // octets are protected by TLS
	Verified   bool   // the peer's certificate chain and name were verified
	Loopback   bool   // the peer is this machine
	TLSVersion uint16 // as in crypto/tls: 0x0303 is TLS 1.2, 0x0304 TLS 1.3; 0: unknown or clear

	// Offered are the mechanism names of the current EHLO reply. SCRAM reads
	// them to tell the server whether a -PLUS name has been stripped
	// (RFC 5802 §6). Names learnt before TLS must not be in it.
	Offered []string

	// Binding returns channel binding data of the kind "tls-exporter"
	// (RFC 9266), "tls-unique" or "tls-server-end-point" (RFC 5929), or an
	// error when the link has none. It must refuse "tls-unique" on a session
	// that was resumed or lacks the extended master secret (RFC 7677 §4).
	// Nil: the transport cannot bind.
	Binding func(kind string) ([]byte, error)
}

// Mechanism is the client side of one SASL exchange (RFC 4422 §3). The session
// calls Start once, Next for every 334, and Success when the server claims
// success; Start begins afresh and may be called again on a new link.
//
// An error from Start means that nothing was sent and nothing may be. An error
// from Next makes the session cancel with "*" (RFC 4954 §4). Errors of this
// package are *Error.
type Mechanism interface {
	// Name is the mechanism's name as written after AUTH.
	Name() string

	// Start returns the initial response. Nil: the server speaks first. Empty
	// but not nil: the zero-length initial response, "=" on the wire. When the
	// response does not fit on the AUTH line, the session sends AUTH without it
	// and gives it as the answer to the first, empty challenge; it does not
	// call Next for that challenge.
	Start(link *Link) (initial []byte, err error)

	// Next answers one decoded challenge. An empty response is an empty line.
	// The response is the caller's; the challenge is not kept.
	Next(challenge []byte) (response []byte, err error)

	// Success is asked when the server says 235: may it be believed? Mechanisms
	// in which the server proves itself return an error until it has.
	Success() error
}

// Explain returns what the mechanism knows about a refusal beyond the reply
// code, or nil: the JSON of XOAUTH2 and OAUTHBEARER, the "e=" of SCRAM. The
// session attaches it to its error after a 4yz or 5yz reply.
func Explain(m Mechanism) error {
	if e, ok := m.(interface{ Explain() error }); ok {
		return e.Explain()
	}
	return nil
}

// IgnoresChallenge reports whether the mechanism pays no attention to what the
// next challenge says, so that a lenient session may pass over one that is not
// base64 (the prompts of LOGIN, the prose some servers put after a first 334).
func IgnoresChallenge(m Mechanism) bool {
	i, ok := m.(interface{ IgnoresChallenge() bool })
	return ok && i.IgnoresChallenge()
}
