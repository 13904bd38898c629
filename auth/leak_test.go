package auth_test

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log/slog"
	"reflect"
	"strings"
	"testing"

	"github.com/parley-mail/parley/auth"
)

// renderings shows a value in every way a program prints, logs or stores one.
func renderings(v any) map[string]string {
	type wrap struct{ V any }
	type hidden struct{ v any }
	out := map[string]string{}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%t", "%T", "%w"} {
		out[verb] = fmt.Sprintf(verb, v)
		out["in a struct "+verb] = fmt.Sprintf(verb, wrap{v})
		out["in a hidden field "+verb] = fmt.Sprintf(verb, hidden{v})
		out["in a slice "+verb] = fmt.Sprintf(verb, []any{v, &v})
		out["in a map "+verb] = fmt.Sprintf(verb, map[string]any{"k": v})
	}
	if b, err := json.Marshal(wrap{v}); err == nil {
		out["json"] = string(b)
	} else {
		out["json"] = err.Error()
	}
	var b bytes.Buffer
	slog.New(slog.NewTextHandler(&b, nil)).Info("m", "v", v, "w", wrap{v})
	slog.New(slog.NewJSONHandler(&b, nil)).Info("m", "v", v, "w", wrap{v})
	out["slog"] = b.String()
	return out
}

// assertNoSecret fails when a rendering of v, or a string anywhere inside it,
// holds one of the secrets, plain, in base64 or in hex.
func assertNoSecret(t testing.TB, v any, secrets ...string) {
	t.Helper()
	texts := renderings(v)
	found := 0
	walk(reflect.ValueOf(v), map[uintptr]bool{}, func(s string) {
		texts[fmt.Sprintf("string %d inside", found)] = s
		found++
	})
	for how, text := range texts {
		for _, s := range secrets {
			for _, shape := range []string{s, base64.StdEncoding.EncodeToString([]byte(s)), hex.EncodeToString([]byte(s)), strings.ToUpper(hex.EncodeToString([]byte(s)))} {
				if strings.Contains(text, shape) {
					t.Errorf("%T: %s shows the secret: %.300s", v, how, text)
				}
			}
		}
	}
}

// walk visits every string and octet string that reflection can reach, through
// unexported fields too.
func walk(v reflect.Value, seen map[uintptr]bool, visit func(string)) {
	switch v.Kind() {
	case reflect.String:
		visit(v.String())
	case reflect.Pointer:
		if v.IsNil() || seen[v.Pointer()] {
			return
		}
		seen[v.Pointer()] = true
		walk(v.Elem(), seen, visit)
	case reflect.Interface:
		if !v.IsNil() {
			walk(v.Elem(), seen, visit)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			walk(v.Field(i), seen, visit)
		}
	case reflect.Slice, reflect.Array:
		if v.Kind() == reflect.Slice && v.Type().Elem().Kind() == reflect.Uint8 {
			visit(string(v.Bytes()))
			return
		}
		for i := range v.Len() {
			walk(v.Index(i), seen, visit)
		}
	case reflect.Map:
		for _, k := range v.MapKeys() {
			walk(k, seen, visit)
			walk(v.MapIndex(k), seen, visit)
		}
	}
}

// TestNoSecretShows: no type of this package shows a secret, however it is
// printed and at whatever point of an exchange (C-4954-025, J3, J5).
func TestNoSecretShows(t *testing.T) {
	const password, token = "0pen-Sesame!", "eyJhbGciOi.t0ken"
	creds := auth.Credentials{
		User: "alice", Password: auth.NewSecret(password), Token: auth.NewSecret(token), Realm: "r", Domain: "d",
		GetPassword: nil, Anonymous: true, External: true,
	}
	creds.Extra = []auth.Mechanism{auth.NewPlain(creds, auth.Policy{})}
	show := func(v any) { t.Helper(); assertNoSecret(t, v, password, token) }
	show(creds)
	show(&creds)
	show(creds.Password)
	show(&creds.Token)
	show(auth.Secret{})

	challenges := map[string][]string{
		"LOGIN":       {"Username:", "Password:"},
		"CRAM-MD5":    {"<1@x>", "again"},
		"DIGEST-MD5":  {`nonce="n",algorithm=md5-sess`, `rspauth=0`},
		"NTLM":        {"", string(unhex(t, type2)), "again"},
		"XOAUTH2":     {`{"status":"400"}`, "again"},
		"OAUTHBEARER": {`{"status":"400"}`, "again"},
	}
	for _, name := range auth.Names() {
		m := mechanism(t, name, creds, auth.Policy{})
		show(m)
		link := secureLink()
		link.Binding = func(string) ([]byte, error) { return []byte("binding"), nil }
		initial, err := m.Start(link)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		show(m)
		for _, challenge := range scripted(name, string(initial), challenges) {
			_, err := m.Next([]byte(challenge))
			show(m)
			if err != nil {
				show(err)
			}
		}
		if err := m.Success(); err != nil {
			show(err)
		}
		if err := auth.Explain(m); err != nil {
			show(err)
		}
		show(m)
	}
}

// scripted returns challenges that carry an exchange through, and one more.
func scripted(name, initial string, challenges map[string][]string) []string {
	if strings.HasPrefix(name, "SCRAM") {
		return []string{initial[strings.Index(initial, "r="):] + "more,s=c2FsdA==,i=4096", "v=AAAA"}
	}
	return append(challenges[name], "one more")
}
