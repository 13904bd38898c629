// Package auth holds the client sides of the SASL mechanisms an SMTP session
// may use (RFC 4954): octets of a challenge in, octets of a response out.
//
// It knows how each mechanism is spoken, which credentials it needs, how
// strong it is, what the server must prove, and when a secret may not leave.
// It refuses to know SMTP: base64, the "=" of an empty initial response, the
// "*" that cancels, reply codes and line limits belong to the session. It has
// no clock, no network, no goroutine and no lock of its own; randomness comes
// from an io.Reader. Nothing here is safe for concurrent use: a Mechanism
// belongs to one exchange at a time.
//
// # Use
//
//	creds := auth.Credentials{User: "alice", Password: auth.NewSecret(password)}
//	candidates, err := auth.Choose(offered, link, creds, auth.Policy{})
//
// and the session then runs candidates[0]: Start, Next for every challenge,
// and Success when the server says 235. A mechanism is trusted only when
// Success returns nil: SCRAM and DIGEST-MD5 want the server's proof there.
//
// # Rules that hold for every mechanism
//
// A secret leaves on a clear link, or over TLS to a peer whose certificate was
// not verified, only when the Policy says so in words. Challenges are bounded
// in size and number. An error ends the exchange for good; the session cancels
// with "*". Errors name a Rule and never hold a secret, nor do any of this
// package's types when printed, logged or marshalled. What a server said is
// shown quoted, cut, and with the credentials struck out.
//
// Two libraries do the cryptography behind SCRAM and NTLM. Their input is
// checked first: iteration counts before the key derivation, lengths and
// offsets before the NTLM parser.
package auth
