package proxy

import (
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/Azure/go-ntlmssp"
	"github.com/icholy/digest"
)

// Auth is how an HTTP proxy is told who asks.
type Auth uint8

// The schemes. The zero Auth waits for the proxy's 407 and answers with the
// strongest scheme it offers: Digest, then NTLM, then Basic.
const (
	AuthAny    Auth = iota
	AuthBasic       // RFC 7617; goes with the first request, unasked
	AuthDigest      // RFC 7616: MD5, SHA-256, SHA-512-256
	AuthNTLM        // NTLMv2, MS-NLMP; goes with the first request; User may be DOMAIN\user

	authCount
)

var authNames = [authCount]string{"any", "Basic", "Digest", "NTLM"}

// String returns the name of the scheme.
func (s Auth) String() string {
	if s < authCount {
		return authNames[s]
	}
	return "Auth(" + strconv.Itoa(int(s)) + ")"
}

// maxCredential is the longest user name or password for an HTTP proxy.
const maxCredential = 1024

func checkLogin(mode Auth, user, password string) error {
	if mode >= authCount {
		return fmt.Errorf("no such authentication scheme: %s", mode)
	}
	if user == "" {
		if password != "" || mode != AuthAny {
			return errors.New("the user is missing")
		}
		return nil
	}
	if strings.Contains(user, ":") {
		return errors.New("the user has a colon (RFC 7617 §2)")
	}
	if err := checkSecret("user", user, 1, maxCredential); err != nil {
		return err
	}
	return checkSecret("password", password, 0, maxCredential)
}

// login presents credentials over the requests for one tunnel. It gives up by
// itself: Basic is sent once, Digest twice if the first nonce was stale, NTLM takes
// its two messages.
type login struct {
	mode           Auth
	user, password string
	uri            string // what is asked for

	value  string // of Proxy-Authorization in the next request; "": none
	scheme Auth   // in use; AuthAny: none yet
	leg    int    // messages sent in this scheme
}

// start prepares the first request.
func (l *login) start() {
	switch l.mode {
	case AuthBasic:
		l.basic()
	case AuthNTLM:
		l.negotiate()
	}
}

// tied reports whether the next request must go on this same connection: NTLM
// authenticates connections, and its third message answers the second.
func (l *login) tied() bool { return l.scheme == AuthNTLM && l.leg == 2 }

// answer prepares the request that answers a 407.
func (l *login) answer(a *attempt, r *response) error {
	if l.user == "" {
		return l.refused(a, r, ReasonAuthRequired)
	}
	if l.scheme == AuthAny {
		return l.choose(a, r)
	}
	c, offered := find(r.challenges, l.scheme)
	switch {
	case !offered && l.leg == 1:
		return l.refused(a, r, ReasonAuthUnsupported)
	case l.scheme == AuthDigest && l.leg == 1 && strings.EqualFold(c.params["stale"], "true"):
		return l.digest(a, c)
	case l.scheme == AuthNTLM && l.leg == 1 && c.token != "":
		return l.authenticate(a, c)
	}
	return l.refused(a, r, ReasonAuthFailed)
}

// choose takes the strongest scheme that the mode admits.
func (l *login) choose(a *attempt, r *response) error {
	for _, scheme := range [...]Auth{AuthDigest, AuthNTLM, AuthBasic} {
		c, offered := find(r.challenges, scheme)
		if !offered || l.mode != AuthAny && l.mode != scheme {
			continue
		}
		switch scheme {
		case AuthDigest:
			return l.digest(a, c)
		case AuthNTLM:
			l.negotiate()
		default:
			l.basic()
		}
		return nil
	}
	return l.refused(a, r, ReasonAuthUnsupported)
}

func (l *login) use(scheme Auth, value string) {
	if l.scheme != scheme {
		l.scheme, l.leg = scheme, 0
	}
	l.leg++
	l.value = value
}

func (l *login) basic() {
	l.use(AuthBasic, "Basic "+base64.StdEncoding.EncodeToString([]byte(l.user+":"+l.password)))
}

func (l *login) digest(a *attempt, c challenge) error {
	d := c.digest()
	answer, err := digest.Digest(d, digest.Options{
		Method: "CONNECT", URI: l.uri, Count: 1, Username: l.user, Password: l.password,
	})
	if err != nil {
		return a.fail(ReasonAuthUnsupported, err)
	}
	l.use(AuthDigest, answer.String())
	return nil
}

func (l *login) negotiate() {
	message, err := ntlmssp.NewNegotiateMessage("", "")
	if err != nil {
		panic("proxy: an NTLM negotiate message without arguments: " + err.Error())
	}
	l.use(AuthNTLM, "NTLM "+base64.StdEncoding.EncodeToString(message))
}

func (l *login) authenticate(a *attempt, c challenge) error {
	raw, err := base64.StdEncoding.DecodeString(c.token)
	if err != nil {
		return a.fail(ReasonBadReply, fmt.Errorf("NTLM challenge: %w", err))
	}
	message, err := ntlmssp.NewAuthenticateMessage(plainChallenge(raw), l.user, l.password, nil)
	if err != nil {
		return a.fail(ReasonBadReply, fmt.Errorf("NTLM challenge: %w", err))
	}
	l.use(AuthNTLM, "NTLM "+base64.StdEncoding.EncodeToString(message))
	return nil
}

// plainChallenge makes an NTLM challenge readable for the library (MS-NLMP §2.2.1.2).
// It takes out the target's name, which the answer does not need and whose place in
// the message some servers leave undefined. It takes out the target's information
// where there is none, by the flags or because what stands in its field points out of
// the message: old messages have something else there, and some servers repeat the
// client's flags.
func plainChallenge(raw []byte) []byte {
	const nameAt, flagsAt, infoAt, end = 12, 20, 40, 48
	const hasTargetInfo = 0x00800000
	if len(raw) < infoAt-8 {
		return raw // the library says what is wrong
	}
	clear(raw[nameAt:flagsAt])
	if len(raw) >= end && binary.LittleEndian.Uint32(raw[flagsAt:])&hasTargetInfo != 0 {
		size, offset := binary.LittleEndian.Uint16(raw[infoAt:]), binary.LittleEndian.Uint32(raw[infoAt+4:])
		if uint64(offset)+uint64(size) <= uint64(len(raw)) {
			return raw
		}
	}
	plain := make([]byte, end)
	copy(plain[:infoAt], raw)
	return plain
}

// refused tells what the proxy offers.
func (l *login) refused(a *attempt, r *response, why Reason) error {
	e := a.refused(why, r.status, r.reason)
	if why != ReasonAuthFailed {
		var names []string
		for _, c := range r.challenges {
			names = append(names, c.scheme)
		}
		e.Err = fmt.Errorf("the proxy offers %+.80q", strings.Join(names, " "))
	}
	return e
}

// challenge is one of those in Proxy-Authenticate, RFC 9110 §11.6.1.
type challenge struct {
	scheme string // as the proxy writes it
	token  string // token68, for NTLM
	params map[string]string
}

// find returns the first challenge of a scheme; for Digest, the first that can be
// answered, for the proxy lists them by preference (RFC 7616 §3.3).
func find(list []challenge, scheme Auth) (challenge, bool) {
	for _, c := range list {
		if strings.EqualFold(c.scheme, scheme.String()) && (scheme != AuthDigest || c.usable()) {
			return c, true
		}
	}
	return challenge{}, false
}

// digest translates a challenge for the library, whose own parser takes one
// challenge only and no unquoted base64.
func (c challenge) digest() *digest.Challenge {
	d := &digest.Challenge{
		Realm: c.params["realm"], Nonce: c.params["nonce"], Opaque: c.params["opaque"],
		Algorithm: c.params["algorithm"], Userhash: strings.EqualFold(c.params["userhash"], "true"),
	}
	for qop := range strings.SplitSeq(c.params["qop"], ",") {
		if qop = strings.ToLower(strings.Trim(qop, " \t")); qop != "" {
			d.QOP = append(d.QOP, qop)
		}
	}
	return d
}

// usable reports whether the challenge can be answered. The answer repeats its
// values in quotes, so they have to be text, and the algorithm a token.
func (c challenge) usable() bool {
	for _, v := range c.params {
		if !utf8.ValidString(v) {
			return false
		}
	}
	return c.params["nonce"] != "" && digest.CanDigest(c.digest())
}

// maxChallenges and maxParams bound what is kept of one field line.
const (
	maxChallenges = 16
	maxParams     = 32
)

// parseChallenges splits a field value into challenges. Both a scheme's parameters
// and the challenges are separated by commas; what is a token followed by no "="
// starts a challenge. Reading stops at what is neither.
func parseChallenges(s string) []challenge {
	var list []challenge
	for {
		s = strings.TrimLeft(s, " \t,")
		n := tokenLength(s)
		if n == 0 {
			return list
		}
		name, rest := s[:n], strings.TrimLeft(s[n:], " \t")
		if value, ok := strings.CutPrefix(rest, "="); ok && len(list) > 0 {
			v, after, ok := paramValue(strings.TrimLeft(value, " \t"))
			if !ok {
				return list
			}
			if c := &list[len(list)-1]; len(c.params) < maxParams {
				c.params[strings.ToLower(name)] = v
			}
			s = after
			continue
		}
		if len(list) == maxChallenges {
			return list
		}
		c := challenge{scheme: name, params: map[string]string{}}
		c.token, s = token68(rest)
		list = append(list, c)
	}
}

// token68 returns the base64-like token at the front of s, if there is one and not
// a parameter: it ends its challenge.
func token68(s string) (token, rest string) {
	n := 0
	for n < len(s) && (isAlnum(s[n]) || strings.IndexByte("-._~+/", s[n]) >= 0) {
		n++
	}
	for n < len(s) && s[n] == '=' {
		n++
	}
	after := strings.TrimLeft(s[n:], " \t")
	if n == 0 || after != "" && after[0] != ',' {
		return "", s
	}
	return s[:n], after
}

// paramValue reads a token or a quoted string, RFC 9110 §5.6.4.
func paramValue(s string) (value, rest string, ok bool) {
	if !strings.HasPrefix(s, `"`) {
		n := strings.IndexAny(s, ", \t")
		if n < 0 {
			n = len(s)
		}
		return s[:n], s[n:], true
	}
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		switch s[i] {
		case '"':
			return b.String(), s[i+1:], true
		case '\\':
			if i++; i == len(s) {
				return "", "", false
			}
		}
		b.WriteByte(s[i])
	}
	return "", "", false
}

func tokenLength(s string) int {
	n := 0
	for n < len(s) && isToken(s[n:n+1]) {
		n++
	}
	return n
}

func isAlnum(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || isDigit(c)
}
