package auth

import (
	"encoding/binary"
	"strings"
	"unicode/utf8"

	"github.com/Azure/go-ntlmssp"
)

// ntlm is NTLM version 2 as SMTP carries it: the server says it is ready (the
// first challenge, often prose), the client negotiates, the server sends its
// challenge message, the client authenticates. There is no signing, sealing or
// channel binding. The library computes the answer; the challenge message is
// checked here before the library sees it. The library takes its nonce from
// crypto/rand and, when the server sends no time, the time from the clock.
type ntlm struct {
	creds  *Credentials
	policy *Policy

	user     string // DOMAIN\user, or user alone
	password Secret
	said     int // messages sent
	proof    string
}

func newNTLM(c *Credentials, p *Policy) exchange { return &ntlm{creds: c, policy: p} }

// start checks the credentials. They are not run through SASLprep: Windows
// hashes the password as it was typed.
func (m *ntlm) start(*Link) ([]byte, error) {
	raw := *m.policy
	raw.Raw = true
	user, err := m.creds.user(&raw)
	if err != nil {
		return nil, err
	}
	password, err := m.creds.password(&raw)
	if err != nil {
		return nil, err
	}
	domain := m.creds.Domain
	switch {
	case !utf8.ValidString(user) || !utf8.ValidString(password) || !utf8.ValidString(domain):
		return nil, broken(RuleBadCredential, "NTLM wants UTF-8")
	case len(domain) > maxName:
		return nil, broken(RuleLongCredential, "domain")
	case strings.ContainsAny(domain, "\\\x00"):
		return nil, broken(RuleBadCredential, "domain with backslash or NUL")
	case domain != "" && !strings.Contains(user, `\`):
		user = domain + `\` + user
	}
	if strings.HasSuffix(user, `\`) {
		return nil, broken(RuleNoUser, "domain alone")
	}
	m.user, m.password = user, NewSecret(password)
	return nil, nil
}

func (m *ntlm) next(challenge []byte) (response []byte, err error) {
	switch m.said {
	case 0:
		response, err = ntlmssp.NewNegotiateMessage("", "")
		if err != nil {
			return nil, broken(RuleInternal, "NTLM library")
		}
	case 1:
		if err := checkType2(challenge); err != nil {
			return nil, err
		}
		if response, err = m.authenticate(challenge); err != nil {
			return nil, err
		}
		m.proof = string(response)
	default:
		return nil, broken(RuleUnexpectedChallenge, "after the authenticate message")
	}
	m.said++
	return response, nil
}

// authenticate calls the library, whose parser has panicked before.
func (m *ntlm) authenticate(challenge []byte) (response []byte, err error) {
	defer func() {
		if recover() != nil {
			response, err = nil, broken(RuleInternal, "NTLM library")
		}
	}()
	response, err = ntlmssp.NewAuthenticateMessage(challenge, m.user, m.password.Reveal(), nil)
	if err != nil {
		return nil, broken(RuleBadChallenge, "NTLM library refuses it")
	}
	return response, nil
}

func (m *ntlm) success() error {
	if m.said < 2 {
		return broken(RuleEnded, "success before the authenticate message")
	}
	return nil
}

// ignoresChallenge: "ntlm supported" is what servers say first.
func (m *ntlm) ignoresChallenge() bool { return m.said == 0 }

func (m *ntlm) secrets() []string { return []string{m.proof} }

// The challenge message ([MS-NLMP] §2.2.1.2). Numbers are little-endian.
const (
	ntlmSignature = "NTLMSSP\x00"

	type2Type       = 8  // 4 octets, the value 2
	type2TargetName = 12 // length 2, space 2, offset 4
	type2Flags      = 20
	type2TargetInfo = 40
	type2Size       = 48      // of the part that is fixed
	maxType2        = 1 << 15 // the answer repeats parts of it behind 16-bit lengths

	ntlmUnicode     = 1 << 0
	ntlmLMKey       = 1 << 7
	ntlmKeyExchange = 1 << 30

	avEOL       = 0 // ends a list of attributes ([MS-NLMP] §2.2.2.1)
	avTimestamp = 7
)

// checkType2 holds a challenge message to its layout: every length and offset
// inside the message, the list of attributes whole, nothing asked for that was
// not offered.
func checkType2(p []byte) error {
	le := binary.LittleEndian
	switch {
	case len(p) > maxType2:
		return broken(RuleLongChallenge, "NTLM: limit 32768 octets")
	case len(p) < type2Size:
		return brokenBy(RuleBadChallenge, "NTLM: under 48 octets", p)
	case string(p[:8]) != ntlmSignature:
		return brokenBy(RuleBadChallenge, "NTLM: signature", p)
	case le.Uint32(p[type2Type:]) != 2:
		return brokenBy(RuleBadChallenge, "NTLM: not a challenge message", p)
	}
	flags := le.Uint32(p[type2Flags:])
	switch {
	case flags&ntlmUnicode == 0:
		return broken(RuleUnsupported, "NTLM without Unicode")
	case flags&ntlmLMKey != 0:
		return broken(RuleUnsupported, "NTLM version 1")
	case flags&ntlmKeyExchange != 0:
		return broken(RuleUnsupported, "NTLM key exchange")
	}
	name, ok := type2Field(p, type2TargetName)
	if !ok || len(name)%2 != 0 {
		return brokenBy(RuleBadChallenge, "NTLM: target name", p)
	}
	info, ok := type2Field(p, type2TargetInfo)
	if !ok || !wholeAttributes(info) {
		return brokenBy(RuleBadChallenge, "NTLM: target information", p)
	}
	return nil
}

// type2Field returns what a field at the offset points to. An empty field may
// point anywhere.
func type2Field(p []byte, at int) ([]byte, bool) {
	length := uint64(binary.LittleEndian.Uint16(p[at:]))
	offset := uint64(binary.LittleEndian.Uint32(p[at+4:]))
	if length == 0 {
		return nil, true
	}
	if offset < type2Size || offset+length > uint64(len(p)) {
		return nil, false
	}
	return p[offset : offset+length], true
}

// wholeAttributes reports whether a list of attributes ends where it says so.
// No list at all is whole.
func wholeAttributes(p []byte) bool {
	if len(p) == 0 {
		return true
	}
	for len(p) >= 4 {
		id, length := binary.LittleEndian.Uint16(p), int(binary.LittleEndian.Uint16(p[2:]))
		p = p[4:]
		switch {
		case id == avEOL:
			return length == 0
		case length > len(p), id == avTimestamp && length != 8:
			return false
		}
		p = p[length:]
	}
	return false
}
