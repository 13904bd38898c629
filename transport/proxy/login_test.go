package proxy_test

import (
	"crypto/md5"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"hash"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/icholy/digest"
	"github.com/parley-mail/parley/transport/proxy"
)

const (
	user, password = `DOM\user`, `pass "word"`
	basicValue     = "Basic RE9NXHVzZXI6cGFzcyAid29yZCI="
)

// digestOK checks a Digest answer by RFC 7616 §3.4 alone.
func digestOK(value, nonce string, h hash.Hash) bool {
	c, err := digest.ParseCredentials(value)
	if err != nil || c.Nonce != nonce || c.Username != user || c.Realm != `a "realm"` || c.QOP != "auth" || c.Nc != 1 {
		return false
	}
	sum := func(parts ...string) string {
		h.Reset()
		h.Write([]byte(strings.Join(parts, ":")))
		return hex.EncodeToString(h.Sum(nil))
	}
	want := sum(sum(user, c.Realm, password), nonce, "00000001", c.Cnonce, "auth", sum("CONNECT", c.URI))
	return c.Response == want && strings.HasPrefix(c.URI, "127.0.0.1:")
}

// ntlmChallenge is the least message of type 2 (MS-NLMP §2.2.1.2).
func ntlmChallenge() string {
	m := []byte("NTLMSSP\x00")
	m = binary.LittleEndian.AppendUint32(m, 2)
	m = append(m, 0, 0, 0, 0, 56, 0, 0, 0)               // target name
	m = binary.LittleEndian.AppendUint32(m, 0x00088201)  // Unicode, NTLM, always sign, extended security
	m = append(m, "\x01\x23\x45\x67\x89\xab\xcd\xef"...) // server challenge
	m = append(m, make([]byte, 8)...)                    // reserved
	m = append(m, 0, 0, 0, 0, 56, 0, 0, 0)               // target info
	m = append(m, make([]byte, 8)...)                    // version
	return "NTLM " + base64.StdEncoding.EncodeToString(m)
}

// oldChallenge is a message of the old form, without target information, whose target
// name is nowhere. Its flags may claim information all the same.
func oldChallenge(flags uint32) string {
	m := []byte("NTLMSSP\x00")
	m = binary.LittleEndian.AppendUint32(m, 2)
	m = append(m, 9, 0, 9, 0, 0xae, 0xaa, 0xaa, 0xaa)
	m = binary.LittleEndian.AppendUint32(m, flags)
	m = append(m, "\x01\x23\x45\x67\x89\xab\xcd\xef\x00\x00\x00\x00\x00\x00:\x00WORKGROUP"...)
	return "NTLM " + base64.StdEncoding.EncodeToString(m)
}

// ntlmType returns the type of an NTLM message, 0 for none.
func ntlmType(value string) uint32 {
	raw, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(value, "NTLM "))
	if err != nil || len(raw) < 12 || string(raw[:8]) != "NTLMSSP\x00" {
		return 0
	}
	return binary.LittleEndian.Uint32(raw[8:])
}

const digestMD5 = `Digest realm="a \"realm\"", nonce="n/1+=", qop="auth-int, auth"`

func basicJudge(no func(...string) string) answer {
	return func(_ int, value string) string {
		if value == basicValue {
			return ""
		}
		return no(`Basic realm="x"`)
	}
}

func digestJudge(no func(...string) string) answer {
	return func(_ int, value string) string {
		if digestOK(value, "n/1+=", md5.New()) {
			return ""
		}
		return no("NTLM", `Basic realm="x"`, digestMD5)
	}
}

func ntlmJudge(no func(...string) string) answer {
	return func(n int, value string) string {
		switch ntlmType(value) {
		case 1:
			return wants(ntlmChallenge())
		case 3:
			if n >= 2 { // on the connection of the challenge
				return ""
			}
		}
		return no("Negotiate", "NTLM", `Basic realm="x"`)
	}
}

func TestLogin(t *testing.T) {
	for _, tt := range []struct {
		name  string
		mode  proxy.Auth
		judge answer
	}{
		{"Basic, asked", proxy.AuthAny, basicJudge(wants)},
		{"Basic, asked, closes", proxy.AuthAny, basicJudge(wantsAndCloses)},
		{"Basic, unasked", proxy.AuthBasic, func(n int, value string) string {
			if n != 1 {
				return "HTTP/1.1 500 asked twice\r\n\r\n!"
			}
			return basicJudge(wants)(n, value)
		}},
		{"Digest", proxy.AuthDigest, digestJudge(wants)},
		{"Digest is stronger", proxy.AuthAny, digestJudge(wants)},
		{"Digest, closes", proxy.AuthAny, digestJudge(wantsAndCloses)},
		{"Digest, all challenges in one field", proxy.AuthAny, func(n int, value string) string {
			if digestOK(value, "n/1+=", md5.New()) {
				return ""
			}
			return wants(`Basic realm="x, Digest nonce=\"evil\"", NTLM, ` + digestMD5 + `, algorithm=MD5`)
		}},
		{"Digest, SHA-256 first", proxy.AuthAny, func(_ int, value string) string {
			if digestOK(value, "n2", sha256.New()) {
				return ""
			}
			return wants(`Digest realm="a \"realm\"", nonce="n0", qop="auth", algorithm=MD5-sess`,
				`Digest realm="a \"realm\"", nonce="n2", qop="auth", algorithm=SHA-256`, digestMD5)
		}},
		{"Digest, stale nonce", proxy.AuthAny, func(_ int, value string) string {
			if digestOK(value, "fresh", md5.New()) {
				return ""
			}
			if value != "" {
				return wants(`Digest realm="a \"realm\"", nonce="fresh", qop="auth", stale=TRUE`)
			}
			return wants(digestMD5)
		}},
		{"NTLM", proxy.AuthNTLM, ntlmJudge(wants)},
		{"NTLM, asked", proxy.AuthAny, ntlmJudge(wants)},
		{"NTLM, closes once", proxy.AuthAny, ntlmJudge(wantsAndCloses)},
		{"NTLM, old challenge", proxy.AuthNTLM, func(_ int, value string) string {
			if ntlmType(value) == 3 {
				return ""
			}
			return wants(oldChallenge(0x00008207))
		}},
		{"NTLM, old challenge, false flags", proxy.AuthNTLM, func(_ int, value string) string {
			if ntlmType(value) == 3 {
				return ""
			}
			return wants(oldChallenge(0x00888207))
		}},
		{"chunked body", proxy.AuthAny, func(n int, value string) string {
			if value == basicValue {
				if n != 2 {
					return "HTTP/1.1 500 not the same connection\r\n\r\n!"
				}
				return ""
			}
			return chunked("HTTP/1.1 407 x\r\nProxy-Authenticate: Basic\r\n")
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			target := mail(t)
			p := httpServer(t, tt.judge)
			d := proxy.Chain(nil, proxy.Tunnel{Addr: p.Addr, User: user, Password: password, Auth: tt.mode})
			nc, err := d.DialContext(t.Context(), "tcp", target.Addr)
			if err != nil {
				t.Fatal(err)
			}
			talk(t, nc)
		})
	}
}

func TestLoginRefused(t *testing.T) {
	stale := `Digest realm="r", nonce="n", stale=true`
	for _, tt := range []struct {
		name     string
		mode     proxy.Auth
		no       func(int, string) string
		reason   proxy.Reason
		requests int32
	}{
		{"wrong Basic", proxy.AuthAny, func(int, string) string { return wants("Basic") }, proxy.ReasonAuthFailed, 2},
		{"wrong Basic, unasked", proxy.AuthBasic, func(int, string) string { return wants("Basic") }, proxy.ReasonAuthFailed, 1},
		{"wrong Digest", proxy.AuthAny, func(int, string) string { return wants(digestMD5) }, proxy.ReasonAuthFailed, 2},
		{"stale for ever", proxy.AuthAny, func(int, string) string { return wants(stale) }, proxy.ReasonAuthFailed, 3},
		{"stale for ever, closes", proxy.AuthAny, func(int, string) string { return wantsAndCloses(stale) }, proxy.ReasonAuthFailed, 3},
		{"wrong NTLM", proxy.AuthNTLM, func(_ int, v string) string {
			if ntlmType(v) == 1 {
				return wants(ntlmChallenge())
			}
			return wants("NTLM")
		}, proxy.ReasonAuthFailed, 2},
		{"NTLM without a challenge", proxy.AuthNTLM, func(int, string) string { return wants("NTLM") }, proxy.ReasonAuthFailed, 1},
		{"NTLM, broken challenge", proxy.AuthNTLM, func(int, string) string { return wants("NTLM AAAA") }, proxy.ReasonBadReply, 1},
		{"NTLM, no base64", proxy.AuthNTLM, func(int, string) string { return wants("NTLM A") }, proxy.ReasonBadReply, 1},
		{"NTLM challenge and end", proxy.AuthNTLM, func(int, string) string { return wantsAndCloses(ntlmChallenge()) }, proxy.ReasonBadReply, 1},
		{"401 for 407", proxy.AuthBasic, func(int, string) string { return "HTTP/1.0 401 Unauthorized\r\n\r\n!" }, proxy.ReasonAuthFailed, 1},
		{"nothing offered", proxy.AuthAny, func(int, string) string { return wants() }, proxy.ReasonAuthUnsupported, 1},
		{"only Negotiate", proxy.AuthAny, func(int, string) string { return wants("Negotiate", "Bearer") }, proxy.ReasonAuthUnsupported, 1},
		{"only Basic, Digest demanded", proxy.AuthDigest, func(int, string) string { return wants("Basic") }, proxy.ReasonAuthUnsupported, 1},
		{"Basic sent, Digest wanted", proxy.AuthBasic, func(int, string) string { return wants(digestMD5) }, proxy.ReasonAuthUnsupported, 1},
		{"unknown algorithm", proxy.AuthAny, func(int, string) string { return wants(`Digest nonce="n", algorithm=ROT13`) }, proxy.ReasonAuthUnsupported, 1},
		{"no nonce", proxy.AuthAny, func(int, string) string { return wants(`Digest realm="r"`) }, proxy.ReasonAuthUnsupported, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var requests atomic.Int32
			p := httpServer(t, func(n int, value string) string {
				requests.Add(1)
				return tt.no(n, value)
			})
			_, err := dial(proxy.Tunnel{Addr: p.Addr, User: user, Password: password, Auth: tt.mode}, proxy.Chain(nil))
			var e *proxy.Error
			if !errors.As(err, &e) || e.Reason != tt.reason {
				t.Fatalf("error is %v, want %q", err, tt.reason)
			}
			if said := strings.Contains(err.Error(), "the proxy offers"); said != (tt.reason == proxy.ReasonAuthUnsupported) {
				t.Errorf("tells what the proxy offers: %t: %v", said, err)
			}
			if got := requests.Load(); got != tt.requests {
				t.Errorf("%d requests, want %d", got, tt.requests)
			}
			for _, secret := range []string{password, `pass \"word`, "RE9NXHVzZXI6"} {
				if strings.Contains(err.Error(), secret) {
					t.Errorf("the error holds a secret: %v", err)
				}
			}
		})
	}
}
