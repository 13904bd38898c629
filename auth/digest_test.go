package auth_test

import (
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/parley-mail/parley/auth"
)

func digestLink(host string) *auth.Link { return &auth.Link{Host: host} }

// TestDigestVectors holds the two examples of RFC 2831 §4 (C-SASL-024, 025).
func TestDigestVectors(t *testing.T) {
	for _, c := range []struct{ service, nonce, cnonce, response, rspauth string }{
		{"imap", "OA6MG9tEQGm2hh", "OA6MHXh6VqTrRk", "d388dad90d4bbd760a152321f2143af7", "ea40f60335c427b5527b84dbabcdfffd"},
		{"acap", "OA9BSXrbuRhWay", "OA9BSuZWMSpW8m", "6084c6db3fede7352c551284490fd0fc", "2f0b3d7c3c2e486600ef710726aa2eae"},
	} {
		t.Run(c.service, func(t *testing.T) {
			m := auth.FixNonce(auth.NewDigestMD5(credentials("chris", "secret"), auth.Policy{}), c.cnonce)
			if initial := start(t, m, &auth.Link{Host: "elwood.innosoft.com", Service: c.service}); initial != nil {
				t.Errorf("initial response %q, want none", initial)
			}
			got := next(t, m, fmt.Sprintf(`realm="elwood.innosoft.com",nonce=%q,qop="auth",algorithm=md5-sess,charset=utf-8`, c.nonce))
			want := fmt.Sprintf(`charset=utf-8,username="chris",realm="elwood.innosoft.com",nonce=%q,nc=00000001,cnonce=%q,digest-uri="%s/elwood.innosoft.com",response=%s,qop=auth`,
				c.nonce, c.cnonce, c.service, c.response)
			if diff := cmp.Diff(want, got); diff != "" {
				t.Error(diff)
			}
			if got := next(t, m, "rspauth="+c.rspauth); got != "" {
				t.Errorf("answer to the proof %q, want none", got)
			}
			if err := m.Success(); err != nil {
				t.Error(err)
			}
			_, err := m.Next([]byte("rspauth=" + c.rspauth))
			wantRule(t, err, auth.RuleUnexpectedChallenge)
		})
	}
}

var directive = regexp.MustCompile(`([a-z-]+)=("(?:[^"\\]|\\.)*"|[^,]*)`)

// field digs one directive out of a response.
func field(response, name string) string {
	for _, m := range directive.FindAllStringSubmatch(response, -1) {
		if m[1] == name {
			return m[2]
		}
	}
	return "absent"
}

// TestDigestChallenges: what is read out of a challenge, and how it is written
// back.
func TestDigestChallenges(t *testing.T) {
	const base = `nonce="n0nce",algorithm=md5-sess`
	for _, c := range []struct {
		name, challenge string
		creds           auth.Credentials
		want            map[string]string
	}{
		{"least", base, credentials("u", "p"), map[string]string{"charset": "absent", "realm": `""`, "nc": "00000001", "qop": "auth", "authzid": "absent", "digest-uri": `"smtp/mx.example"`}},
		{"blanks and empty elements", ` , nonce = "n0nce" ,, algorithm	=	MD5-SESS , `, credentials("u", "p"), map[string]string{"nonce": `"n0nce"`}},
		{"unknown directives", base + `,shoe-size=43,motto="a,b=\"c\""`, credentials("u", "p"), map[string]string{"nonce": `"n0nce"`}},
		{"names fold case", `NONCE="x",Algorithm="md5-sess",Charset=UTF-8`, credentials("u", "p"), map[string]string{"charset": "utf-8", "nonce": `"x"`}},
		{"first realm", base + `,realm="a",realm="b"`, credentials("u", "p"), map[string]string{"realm": `"a"`}},
		{"realm asked for", base + `,realm="a",realm="b"`, auth.Credentials{User: "u", Password: auth.NewSecret("p"), Realm: "b"}, map[string]string{"realm": `"b"`}},
		{"realm of the caller", base, auth.Credentials{User: "u", Password: auth.NewSecret("p"), Realm: "c"}, map[string]string{"realm": `"c"`}},
		{"quoting", base + `,realm="a\"b\\c"`, credentials(`u"v\w`, "p"), map[string]string{"realm": `"a\"b\\c"`, "username": `"u\"v\\w"`}},
		{"identity to act as", base + `,charset=utf-8`, auth.Credentials{User: "u", AuthzID: "boss", Password: auth.NewSecret("p")}, map[string]string{"authzid": `"boss"`}},
		{"qop list", base + `,qop="auth-conf, auth,auth-int"`, credentials("u", "p"), map[string]string{"qop": "auth"}},
		{"ISO 8859-1 without charset", base, credentials("jürg", "p"), map[string]string{"username": "\"j\xfcrg\""}},
		{"UTF-8 with charset", base + ",charset=utf-8", credentials("jürg", "p"), map[string]string{"username": `"jürg"`}},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := auth.NewDigestMD5(c.creds, auth.Policy{})
			start(t, m, digestLink("mx.example"))
			response := next(t, m, c.challenge)
			for name, want := range c.want {
				if got := field(response, name); got != want {
					t.Errorf("%s = %s, want %s in %q", name, got, want, response)
				}
			}
		})
	}
}

// TestDigestCharset: the same name and password hash alike, whichever way the
// server wants to read them, as long as ISO 8859-1 can hold them
// (RFC 2831 §2.1.2.1).
func TestDigestCharset(t *testing.T) {
	response := func(user, charset string) string {
		m := auth.FixNonce(auth.NewDigestMD5(credentials(user, "pässe"), auth.Policy{}), "cn")
		start(t, m, digestLink("mx.example"))
		return field(next(t, m, `nonce="n",algorithm=md5-sess`+charset), "response")
	}
	if a, b := response("jürg", ""), response("jürg", ",charset=utf-8"); a != b {
		t.Errorf("%s without charset, %s with", a, b)
	}
	if response("юрий", ",charset=utf-8") == response("jürg", ",charset=utf-8") {
		t.Error("different users, the same response")
	}
}

// TestDigestStale: a nonce that has gone stale is replaced once, and used for
// the first time then.
func TestDigestStale(t *testing.T) {
	m := auth.NewDigestMD5(credentials("u", "p"), auth.Policy{})
	start(t, m, digestLink("mx.example"))
	first := next(t, m, `nonce="one",algorithm=md5-sess`)
	second := next(t, m, `nonce="two",algorithm=md5-sess,stale=true`)
	if field(second, "nc") != "00000001" || field(second, "nonce") != `"two"` || field(first, "response") == field(second, "response") {
		t.Errorf("after stale: %q", second)
	}
	_, err := m.Next([]byte(`nonce="three",algorithm=md5-sess,stale=true`))
	wantRule(t, err, auth.RuleUnexpectedChallenge)

	start(t, m, digestLink("mx.example"))
	next(t, m, `nonce="one",algorithm=md5-sess`)
	if again := next(t, m, `nonce="one",algorithm=md5-sess,stale=TRUE`); field(again, "nc") != "00000002" {
		t.Errorf("the same nonce again: %q", again)
	}
	wantRule(t, m.Success(), auth.RuleNoServerProof)
}

// TestDigestLongResponse: escapes can double a name, and a response has a
// limit.
func TestDigestLongResponse(t *testing.T) {
	m := auth.NewDigestMD5(credentials(strings.Repeat(`"`, 4000), "p"), auth.Policy{})
	start(t, m, digestLink("mx.example"))
	_, err := m.Next([]byte(`nonce="one",algorithm=md5-sess`))
	wantRule(t, err, auth.RuleLongCredential)
}
