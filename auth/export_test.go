package auth

// FixNonce makes a SCRAM or DIGEST-MD5 mechanism use the nonce of a published
// example.
func FixNonce(m Mechanism, nonce string) Mechanism {
	g := m.(*guard)
	inner := g.make
	g.make = func(c *Credentials, p *Policy) exchange {
		x := inner(c, p)
		switch x := x.(type) {
		case *scramExchange:
			x.nonce = nonce
		case *digest:
			x.cnonce = nonce
		}
		return x
	}
	return m
}

// NTLMUnchecked hands a message to the NTLM library that the checks would have
// refused.
func NTLMUnchecked(challenge []byte) ([]byte, error) {
	m := &ntlm{user: "u", password: NewSecret("p")}
	return m.authenticate(challenge)
}
