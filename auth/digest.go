package auth

import (
	"cmp"
	"crypto/md5"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// maxDigestResponse is the length of a response in octets (RFC 2831 §2.1.2).
const maxDigestResponse = 4096

// digest is DIGEST-MD5 (RFC 2831) with qop=auth: no security layer. The server
// proves itself in a second challenge, rspauth. RFC 6331 has retired it.
type digest struct {
	creds  *Credentials
	policy *Policy

	cnonce string // ours; made by next unless a test has set it

	user, authzID string
	password      Secret
	uri           string // digest-uri: service and host

	nonce   string // the server's, of the challenge answered last
	count   int    // how often that nonce was used
	stale   bool   // a stale nonce has been replaced once
	answer  string // the response value sent
	rspauth string // the proof that must come back
	proved  bool
}

func newDigest(c *Credentials, p *Policy) exchange {
	return &digest{creds: c, policy: p}
}

func (m *digest) start(link *Link) ([]byte, error) {
	user, password, authzID, err := m.creds.login(m.policy)
	if err != nil {
		return nil, err
	}
	if link.Host == "" {
		return nil, broken(RuleNoHost, "digest-uri")
	}
	m.user, m.password, m.authzID = user, NewSecret(password), authzID
	m.uri = cmp.Or(link.Service, "smtp") + "/" + link.Host
	return nil, nil
}

func (m *digest) next(challenge []byte) ([]byte, error) {
	if m.proved {
		return nil, broken(RuleUnexpectedChallenge, "after the server's proof")
	}
	directives, err := parseDirectives(challenge)
	if err != nil {
		return nil, err
	}
	if m.answer == "" {
		return m.respond(directives, challenge)
	}
	if proof, ok := directives.one("rspauth"); ok {
		if subtle.ConstantTimeCompare([]byte(proof), []byte(m.rspauth)) != 1 {
			return nil, broken(RuleServerProof, "")
		}
		m.proved = true
		return []byte{}, nil
	}
	if stale, _ := directives.one("stale"); !strings.EqualFold(stale, "true") || m.stale {
		return nil, brokenBy(RuleUnexpectedChallenge, "neither rspauth nor a first stale", challenge)
	}
	m.stale = true
	return m.respond(directives, challenge)
}

// respond answers a digest-challenge.
func (m *digest) respond(d directives, challenge []byte) ([]byte, error) {
	c, err := d.challenge(m.creds.Realm, challenge)
	if err != nil {
		return nil, err
	}
	if m.cnonce == "" {
		random, err := m.policy.random(scramNonce)
		if err != nil {
			return nil, err
		}
		m.cnonce = base64.StdEncoding.EncodeToString(random)
	}
	if c.nonce == m.nonce {
		m.count++
	} else {
		m.nonce, m.count = c.nonce, 1
	}
	user, err := c.encode("user name", m.user)
	if err != nil {
		return nil, err
	}
	hashedUser, err := c.hashed("user name", m.user)
	if err != nil {
		return nil, err
	}
	hashedPassword, err := c.hashed("password", m.password.Reveal())
	if err != nil {
		return nil, err
	}
	secret := md5.Sum([]byte(hashedUser + ":" + c.realm + ":" + hashedPassword))
	m.prove(secret)

	var b strings.Builder
	if c.utf8 {
		b.WriteString("charset=utf-8,")
	}
	fmt.Fprintf(&b, "username=%s,realm=%s,nonce=%s,nc=%08x,cnonce=%s,digest-uri=%s,response=%s,qop=auth",
		quote(user), quote(c.realm), quote(c.nonce), m.count, quote(m.cnonce), quote(m.uri), m.answer)
	if m.authzID != "" {
		b.WriteString(",authzid=" + quote(m.authzID))
	}
	if b.Len() >= maxDigestResponse {
		return nil, broken(RuleLongCredential, "response over 4096 octets")
	}
	return []byte(b.String()), nil
}

// prove computes what is sent and what must come back (RFC 2831 §2.1.2.1 and
// §2.1.3) from H(user:realm:password).
func (m *digest) prove(secret [md5.Size]byte) {
	a1 := string(secret[:]) + ":" + m.nonce + ":" + m.cnonce
	if m.authzID != "" {
		a1 += ":" + m.authzID
	}
	keyed := func(a2 string) string {
		return hexMD5(fmt.Sprintf("%s:%s:%08x:%s:auth:%s", hexMD5(a1), m.nonce, m.count, m.cnonce, hexMD5(a2)))
	}
	m.answer = keyed("AUTHENTICATE:" + m.uri)
	m.rspauth = keyed(":" + m.uri)
}

func (m *digest) success() error {
	if !m.proved {
		return broken(RuleNoServerProof, "")
	}
	return nil
}

func (m *digest) secrets() []string { return []string{m.answer, m.rspauth} }

func hexMD5(s string) string {
	sum := md5.Sum([]byte(s))
	return hex.EncodeToString(sum[:])
}

// digestChallenge is a digest-challenge that has been judged.
type digestChallenge struct {
	realm, nonce string
	utf8         bool
}

// challenge reads the directives of RFC 2831 §2.1.1. Unknown ones are passed
// over. The realm is the one wanted, or the first, or none.
func (d directives) challenge(wanted string, text []byte) (digestChallenge, error) {
	var c digestChallenge
	for _, name := range []string{"nonce", "algorithm"} {
		if len(d[name]) != 1 || d[name][0] == "" {
			return c, brokenBy(RuleBadChallenge, name+" must come once", text)
		}
	}
	for _, name := range []string{"charset", "stale", "maxbuf", "cipher"} {
		if len(d[name]) > 1 {
			return c, brokenBy(RuleBadChallenge, name+" came twice", text)
		}
	}
	if !strings.EqualFold(d["algorithm"][0], "md5-sess") {
		return c, brokenBy(RuleUnsupported, "algorithm other than md5-sess", text)
	}
	if charset, ok := d.one("charset"); ok {
		if !strings.EqualFold(charset, "utf-8") {
			return c, brokenBy(RuleBadChallenge, "charset other than utf-8", text)
		}
		c.utf8 = true
	}
	qop := strings.FieldsFunc(strings.ToLower(strings.Join(d["qop"], ",")), func(r rune) bool { return r == ',' || r == ' ' || r == '\t' })
	if len(d["qop"]) > 0 && !slices.Contains(qop, "auth") {
		return c, brokenBy(RuleUnsupported, "no qop=auth", text)
	}
	realms := d["realm"]
	switch {
	case wanted == "" && len(realms) > 0:
		c.realm = realms[0]
	case wanted == "" || len(realms) == 0 || slices.Contains(realms, wanted):
		c.realm = wanted
	default:
		return c, brokenBy(RuleUnsupported, "the realm asked for is not listed", text)
	}
	c.nonce = d["nonce"][0]
	return c, nil
}

// encode writes a text for the response: UTF-8 where the server has it, else
// ISO 8859-1.
func (c digestChallenge) encode(what, s string) (string, error) {
	if c.utf8 || !utf8.ValidString(s) { // not UTF-8: Policy.Raw, the caller knows best
		return s, nil
	}
	if narrow, ok := latin1(s); ok {
		return narrow, nil
	}
	return "", broken(RuleBadCredential, what+" does not fit ISO 8859-1, and the server has no UTF-8")
}

// hashed writes a text for the hash: ISO 8859-1 whenever it fits.
func (c digestChallenge) hashed(what, s string) (string, error) {
	if narrow, ok := latin1(s); ok {
		return narrow, nil
	}
	return c.encode(what, s)
}

// latin1 turns UTF-8 into ISO 8859-1.
func latin1(s string) (string, bool) {
	b := make([]byte, 0, len(s))
	for _, r := range s {
		if r > 0xFF {
			return "", false
		}
		b = append(b, byte(r))
	}
	return string(b), true
}
