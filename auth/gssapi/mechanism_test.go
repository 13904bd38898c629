package gssapi_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jcmturner/gofork/encoding/asn1"
	"github.com/jcmturner/gokrb5/v8/asn1tools"
	"github.com/jcmturner/gokrb5/v8/iana/asnAppTag"
	"github.com/jcmturner/gokrb5/v8/iana/etypeID"
	"github.com/jcmturner/gokrb5/v8/messages"
	"github.com/jcmturner/gokrb5/v8/types"

	"github.com/parley-mail/parley/auth"
	"github.com/parley-mail/parley/auth/gssapi"
)

var link = &auth.Link{Host: "mx.example"}

var aes = map[string]int32{
	"aes128-sha1": etypeID.AES128_CTS_HMAC_SHA1_96, "aes256-sha1": etypeID.AES256_CTS_HMAC_SHA1_96,
	"aes128-sha2": etypeID.AES128_CTS_HMAC_SHA256_128, "aes256-sha2": etypeID.AES256_CTS_HMAC_SHA384_192,
}

func start(t testing.TB, m auth.Mechanism) []byte {
	t.Helper()
	token, err := m.Start(link)
	if err != nil {
		t.Fatal(err)
	}
	return token
}

func next(t testing.TB, m auth.Mechanism, challenge []byte) []byte {
	t.Helper()
	response, err := m.Next(challenge)
	if err != nil || response == nil {
		t.Fatalf("Next = %v, %v", response, err)
	}
	return response
}

func wantRule(t testing.TB, err error, rule auth.Rule) {
	t.Helper()
	var e *auth.Error
	if !errors.As(err, &e) || e.Rule != rule || e.Mechanism != "GSSAPI" {
		t.Fatalf("error = %v, want rule %q", err, rule)
	}
}

// TestExchange is RFC 4752 §3.1 from end to end, with every encryption type,
// with and without a subkey of the acceptor, and with tokens rotated
// (C-SASL-022).
func TestExchange(t *testing.T) {
	for name, etype := range aes {
		for _, subkey := range []bool{false, true} {
			for rotation, authzID := range map[int]string{0: "", 12: "boss@example.test", 65535: "ü"} {
				t.Run(fmt.Sprintf("%s/subkey=%v/rotation=%d", name, subkey, rotation), func(t *testing.T) {
					server := newAcceptor(t, etype)
					m := server.mechanism(authzID)
					server.request(start(t, m))
					if response := next(t, m, server.reply(subkey, nil)); len(response) != 0 {
						t.Errorf("answer to the AP-REP %x, want none", response)
					}
					wrapped := next(t, m, server.wrap([]byte{7, 0, 0xFF, 0xFF}, rotation))
					if diff := cmp.Diff("\x01\x00\x00\x00"+authzID, string(server.unwrap(wrapped))); diff != "" {
						t.Error(diff)
					}
					if err := m.Success(); err != nil {
						t.Error(err)
					}
					_, err := m.Next(nil)
					wantRule(t, err, auth.RuleUnexpectedChallenge)
				})
			}
		}
	}
}

// TestHostile: what a server that is not the one, or is broken, can send
// (C-SASL-023, I14).
func TestHostile(t *testing.T) {
	short := func(token []byte) []byte { return token[:len(token)-1] }
	flip := func(token []byte, at int) []byte { token[at] ^= 1; return token }
	for _, c := range []struct {
		name  string
		first func(*acceptor) []byte // in place of the AP-REP
		then  func(*acceptor) []byte // in place of the security layers
		want  auth.Rule
	}{
		{name: "empty", first: func(*acceptor) []byte { return nil }, want: auth.RuleBadChallenge},
		{name: "1 MiB", first: func(*acceptor) []byte { return make([]byte, 1<<20) }, want: auth.RuleLongChallenge},
		{name: "cut short", first: func(a *acceptor) []byte { return short(a.reply(true, nil)) }, want: auth.RuleBadChallenge},
		{name: "an AP-REQ", first: func(*acceptor) []byte { return gssapi.Frame(gssapi.TokenAPReq, nil) }, want: auth.RuleBadChallenge},
		{name: "no DER", first: func(*acceptor) []byte { return gssapi.Frame(gssapi.TokenAPRep, []byte{0x6f, 0x84}) }, want: auth.RuleBadChallenge},
		{name: "damaged", first: func(a *acceptor) []byte { r := a.reply(true, nil); return flip(r, len(r)-1) }, want: auth.RuleServerProof},
		{name: "cipher of no octet", first: func(*acceptor) []byte { return reply(types.EncryptedData{EType: 18}) }, want: auth.RuleBadChallenge},
		{name: "cipher of one octet", first: func(*acceptor) []byte { return reply(types.EncryptedData{EType: 18, Cipher: []byte{1}}) }, want: auth.RuleBadChallenge},
		{name: "another time", first: func(a *acceptor) []byte {
			return a.reply(true, func(p *messages.EncAPRepPart) { p.Cusec ^= 1 })
		}, want: auth.RuleServerProof},
		{name: "another second", first: func(a *acceptor) []byte {
			return a.reply(true, func(p *messages.EncAPRepPart) { p.CTime = p.CTime.Add(1e9) })
		}, want: auth.RuleServerProof},
		{name: "another service's key", first: func(a *acceptor) []byte {
			other := newAcceptor(a.t, etypeID.AES256_CTS_HMAC_SHA1_96)
			other.authenticator = a.authenticator
			return other.reply(false, nil)
		}, want: auth.RuleServerProof},
		{name: "KRB-ERROR", first: func(*acceptor) []byte { return refusal(37, "clocks\r\n\x1bdiffer") }, want: auth.RuleServerError},
		{name: "KRB-ERROR damaged", first: func(*acceptor) []byte { return gssapi.Frame(gssapi.TokenError, []byte{1}) }, want: auth.RuleBadChallenge},
		{name: "subkey of no type", first: func(a *acceptor) []byte {
			return a.reply(true, func(p *messages.EncAPRepPart) { p.Subkey.KeyType = 99 })
		}, then: func(a *acceptor) []byte { return a.wrap([]byte{1, 0, 0, 0}, 0) }, want: auth.RuleUnsupported},
		{name: "subkey too short", first: func(a *acceptor) []byte {
			return a.reply(true, func(p *messages.EncAPRepPart) { p.Subkey.KeyValue = []byte{1} })
		}, then: func(a *acceptor) []byte { return a.wrap([]byte{1, 0, 0, 0}, 0) }, want: auth.RuleUnsupported},

		{name: "no wrap token", then: func(*acceptor) []byte { return nil }, want: auth.RuleBadChallenge},
		{name: "the client's own flag", then: func(a *acceptor) []byte { return flip(a.wrap([]byte{1, 0, 0, 0}, 0), 2) }, want: auth.RuleBadChallenge},
		{name: "sealed", then: func(a *acceptor) []byte { w := a.wrap([]byte{1, 0, 0, 0}, 0); w[2] |= 2; return w }, want: auth.RuleUnsupported},
		{name: "not by the subkey", then: func(a *acceptor) []byte { w := a.wrap([]byte{1, 0, 0, 0}, 0); w[2] &^= 4; return w }, want: auth.RuleBadChallenge},
		{name: "payload changed", then: func(a *acceptor) []byte { return flip(a.wrap([]byte{1, 0, 0, 0}, 0), 16) }, want: auth.RuleServerProof},
		{name: "checksum cut", then: func(a *acceptor) []byte { return short(a.wrap([]byte{1, 0, 0, 0}, 0)) }, want: auth.RuleServerProof},
		{name: "checksum of no octet", then: func(*acceptor) []byte { return gssapi.Wrap(5, 7, []byte{1, 0, 0, 0}, nil) }, want: auth.RuleServerProof},
		{name: "checksum over the end", then: func(a *acceptor) []byte { w := a.wrap([]byte{1, 0, 0, 0}, 0); w[4] = 1; return w }, want: auth.RuleBadChallenge},
		{name: "three octets", then: func(a *acceptor) []byte { return a.wrap([]byte{1, 0, 0}, 0) }, want: auth.RuleBadChallenge},
		{name: "five octets", then: func(a *acceptor) []byte { return a.wrap([]byte{1, 0, 0, 0, 0}, 0) }, want: auth.RuleBadChallenge},
		{name: "layers only", then: func(a *acceptor) []byte { return a.wrap([]byte{6, 0, 16, 0}, 0) }, want: auth.RuleUnsupported},
	} {
		t.Run(c.name, func(t *testing.T) {
			server := newAcceptor(t, etypeID.AES256_CTS_HMAC_SHA1_96)
			m := server.mechanism("")
			server.request(start(t, m))
			if c.first == nil {
				c.first = func(a *acceptor) []byte { return a.reply(true, nil) }
			}
			challenge, step := c.first(server), auth.Step(1)
			if c.then != nil {
				next(t, m, challenge)
				challenge, step = c.then(server), 2
			}
			response, err := m.Next(challenge)
			wantRule(t, err, c.want)
			var e *auth.Error
			if errors.As(err, &e); response != nil || e.Step != step || strings.ContainsAny(err.Error(), "\r\n\x1b") {
				t.Errorf("response %x, step %v, %q", response, e.Step, err)
			}
			if success := m.Success(); !errors.Is(success, c.want) {
				t.Errorf("Success after the error: %v", success)
			}
			if explained := auth.Explain(m); !errors.Is(explained, c.want) {
				t.Errorf("Explain: %v", explained)
			}
			if _, again := m.Next(nil); !errors.Is(again, c.want) {
				t.Errorf("Next after the error: %v", again)
			}
		})
	}
}

// reply is an AP-REP with any encrypted part.
func reply(sealed types.EncryptedData) []byte {
	body, err := asn1.Marshal(messages.APRep{PVNO: 5, MsgType: 15, EncPart: sealed})
	if err != nil {
		panic(err)
	}
	return gssapi.Frame(gssapi.TokenAPRep, asn1tools.AddASNAppTag(body, asnAppTag.APREP))
}

// refusal is a KRB-ERROR.
func refusal(code int32, text string) []byte {
	e := messages.NewKRBError(types.NewPrincipalName(1, service), realm, code, text)
	body, err := e.Marshal()
	if err != nil {
		panic(err)
	}
	return gssapi.Frame(gssapi.TokenError, body)
}

// TestRefusal: a KRB-ERROR says why, and the server's words are kept.
func TestRefusal(t *testing.T) {
	m := newAcceptor(t, etypeID.AES256_CTS_HMAC_SHA1_96).mechanism("")
	start(t, m)
	_, err := m.Next(refusal(37, strings.Repeat("x", 2000)))
	var e *auth.Error
	if !errors.As(err, &e) || !strings.Contains(e.Detail, "KRB_AP_ERR_SKEW") || len(e.Server) != 1024 {
		t.Errorf("error %.200v", err)
	}
}

// TestStart: what is refused before the first octet, and what the order of
// calls is.
func TestStart(t *testing.T) {
	server := newAcceptor(t, etypeID.AES256_CTS_HMAC_SHA1_96)
	for _, host := range []string{"", "a/b", "a@B", "a\x00"} {
		_, err := server.mechanism("").Start(&auth.Link{Host: host})
		wantRule(t, err, auth.RuleNoHost)
	}
	_, err := server.mechanism("").Start(nil)
	wantRule(t, err, auth.RuleNoHost)

	// The target is the host as the caller has named it, whatever DNS makes of it
	// (C-SASL-021).
	for _, host := range []string{"mx.example", "MX.Example.", "localhost", "127.0.0.1"} {
		m := server.mechanism("")
		asked := gssapi.Asked(m)
		if _, err := m.Start(&auth.Link{Host: host}); err != nil {
			t.Error(err)
		}
		if diff := cmp.Diff([]string{"smtp/" + host}, *asked); diff != "" {
			t.Error(diff)
		}
	}

	// The service is that of the link.
	m := server.mechanism("")
	asked := gssapi.Asked(m)
	if _, err := m.Start(&auth.Link{Host: "mx.example", Service: "lmtp"}); err != nil {
		t.Error(err)
	}
	if diff := cmp.Diff([]string{"lmtp/mx.example"}, *asked); diff != "" {
		t.Error(diff)
	}

	down := errors.New("KDC is down")
	m = gssapi.NewWithTicket("", realm, server.client, server.ticket, server.key, down)
	if err := m.Prepare("mx.example"); !errors.Is(err, down) || !errors.Is(err, auth.RuleNoTicket) {
		t.Errorf("Prepare: %v", err)
	}
	_, err = m.Start(link)
	wantRule(t, err, auth.RuleNoTicket)
	wantRule(t, m.Success(), auth.RuleNoTicket)

	rc4 := server.key
	rc4.KeyType = etypeID.RC4_HMAC
	_, err = gssapi.NewWithTicket("", realm, server.client, server.ticket, rc4, nil).Start(link)
	wantRule(t, err, auth.RuleUnsupported)

	m = server.mechanism("")
	_, err = m.Next(nil)
	wantRule(t, err, auth.RuleNotStarted)
	m = server.mechanism("")
	wantRule(t, m.Success(), auth.RuleNotStarted)
	start(t, m)
	wantRule(t, m.Success(), auth.RuleNoServerProof)
	server.request(start(t, m))
	next(t, m, server.reply(true, nil))
	wantRule(t, m.Success(), auth.RuleEnded)
	m.Close()
	start(t, m)
}

// TestChosen: given as a caller's own mechanism it is chosen when listed.
func TestChosen(t *testing.T) {
	m := newAcceptor(t, etypeID.AES256_CTS_HMAC_SHA1_96).mechanism("")
	chosen, err := auth.Choose([]string{"PLAIN", "gssapi"}, link, auth.Credentials{Extra: []auth.Mechanism{m}}, auth.Policy{})
	if err != nil || len(chosen) != 1 || chosen[0].Name() != "GSSAPI" {
		t.Errorf("chosen %v, %v", chosen, err)
	}
}
