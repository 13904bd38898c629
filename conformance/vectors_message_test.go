package conformance_test

import (
	"errors"
	"io"
	"mime"
	"net/mail"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/parley-mail/parley/auth"
	"github.com/parley-mail/parley/codec"
	"github.com/parley-mail/parley/message"
)

func checkPath(t *testing.T, v *vector) {
	var want struct{ Path, Local, Domain octets }
	strict(t, v.Expect, &want)
	p, err := message.ParsePath(string(v.Bytes))
	if (err != nil) != (v.Result == "invalid") {
		t.Fatalf("%q, %v", p, err)
	}
	if err != nil {
		return
	}
	same(t, [3]string{string(want.Path), string(want.Local), string(want.Domain)}, [3]string{p.String(), p.Local(), p.Domain()})
	again, err := message.ParsePath("<" + p.String() + ">")
	if err != nil || again != p {
		t.Errorf("%q read again is %q, %v", p, again, err)
	}
	command, err := codec.AppendMail(nil, "MAIL", p.String(), &codec.MailParams{SMTPUTF8: p.NeedsUTF8()})
	if err != nil || strings.ContainsAny(strings.TrimSuffix(string(command), "\r\n"), "\r\n\x00") {
		t.Errorf("%q, %v", command, err)
	}
}

// checkSasl lets a mechanism speak with the replies of the vector.
func checkSasl(t *testing.T, v *vector) {
	var want struct{ Client octets }
	strict(t, v.Expect, &want)
	c := v.Credentials
	m, err := auth.New(v.Mechanism, auth.Credentials{
		User: string(c["user"]), Password: auth.NewSecret(string(c["password"])), AuthzID: string(c["authzid"]),
		Token: auth.NewSecret(string(c["token"])), Trace: string(c["trace"]), External: c["external"] != "", Anonymous: c["anonymous"] != "",
	}, auth.Policy{})
	if err != nil {
		t.Fatal(err)
	}
	said, success := exchange(t, m, string(v.Bytes))
	same(t, string(want.Client), said)
	if success != (v.Result != "invalid") {
		t.Errorf("success %v", success)
	}
	if v.has("local") != (said == "") {
		t.Errorf("said %q", said)
	}
}

// exchange runs AUTH against replies and returns all that the client says, and whether
// it may believe that it is authenticated.
func exchange(t *testing.T, m auth.Mechanism, server string) (said string, success bool) {
	t.Helper()
	initial, err := m.Start(&auth.Link{Host: "mx.example", Port: 587, Secure: true, Verified: true})
	if err != nil {
		return "", false
	}
	out, err := codec.AppendAuth(nil, m.Name(), initial, initial != nil)
	if err != nil {
		t.Fatal(err)
	}
	var d codec.Decoder
	d.SetLineLimit(codec.AuthLine)
	d.Feed([]byte(server))
	for {
		r, err := d.Next()
		if err != nil || r == nil {
			t.Fatalf("the server has no more to say: %v", err)
		}
		if r.Code != 334 {
			return string(out), r.Positive() && m.Success() == nil
		}
		challenge, err := codec.DecodeChallenge(nil, r.Lines[0])
		var response []byte
		if err == nil {
			response, err = m.Next(challenge)
		}
		if err != nil {
			out = codec.AppendAuthCancel(out)
			continue
		}
		out = codec.AppendAuthResponse(out, response)
	}
}

var (
	encodedWord = regexp.MustCompile(`=\?([!-<>@-~]+)\?([QqBb])\?([!->@-~]*)\?=`)
	phraseText  = regexp.MustCompile(`^([A-Za-z0-9!*+/_-]|=[0-9A-F]{2})*$`)
)

func checkWords(t *testing.T, v *vector) {
	var want struct{ Text octets }
	strict(t, v.Expect, &want)
	author := message.Address{Path: message.MustParsePath("a@x.example")}
	m := message.Message{Subject: "s", Charset: v.Charset, To: message.Addresses(author)}
	if v.Field == "From" {
		author.Name = string(v.Bytes)
	} else {
		m.Subject = string(v.Bytes)
	}
	m.From = []message.Address{author}
	text, err := m.HeaderString()
	if (err != nil) != (v.Result == "invalid") {
		t.Fatalf("%q, %v", text, err)
	}
	if err != nil {
		return
	}
	checkEncodedWords(t, text, v.Field)
	r, err := mail.ReadMessage(strings.NewReader(text + "\r\n"))
	if err != nil {
		t.Fatal(err)
	}
	if v.Field == "From" {
		a, err := mail.ParseAddress(r.Header.Get("From"))
		if err != nil {
			t.Fatalf("%q: %v", r.Header.Get("From"), err)
		}
		same(t, string(want.Text), a.Name)
		return
	}
	got, err := (&mime.WordDecoder{}).DecodeHeader(fieldValue(t, text, "Subject"))
	if err != nil {
		t.Fatal(err)
	}
	same(t, string(want.Text), got)
}

// fieldValue is what stands behind a field's name, unfolded, with its blanks.
func fieldValue(t *testing.T, text, name string) string {
	t.Helper()
	_, rest, ok := strings.Cut("\r\n"+text, "\r\n"+name+": ")
	if !ok {
		t.Fatalf("no %s in %q", name, text)
	}
	for i := 0; ; i++ {
		end := strings.Index(rest[i:], "\r\n")
		if end < 0 {
			return rest
		}
		if i += end; i+2 >= len(rest) || rest[i+2] != ' ' && rest[i+2] != '\t' {
			return strings.ReplaceAll(rest[:i], "\r\n", "")
		}
	}
}

// checkEncodedWords: RFC 2047 §2 and §5, word by word.
func checkEncodedWords(t *testing.T, text, field string) {
	t.Helper()
	in := ""
	for line := range strings.SplitSeq(text, "\r\n") {
		if name, _, ok := strings.Cut(line, ":"); ok && line[0] != ' ' && line[0] != '\t' {
			in = name
		}
		words := encodedWord.FindAllStringSubmatch(line, -1)
		if len(words) > 0 && len(line) > 76 {
			t.Errorf("a line of %d octets: %q", len(line), line)
		}
		for _, w := range words {
			got, err := (&mime.WordDecoder{CharsetReader: noReader}).Decode(w[0])
			if err != nil || !utf8.ValidString(got) || strings.ContainsRune(got, utf8.RuneError) {
				t.Errorf("%q is %q, %v", w[0], got, err)
			}
			if len(w[0]) > 75 {
				t.Errorf("%q has %d octets", w[0], len(w[0]))
			}
			if in == "From" && field == "From" && (w[2] == "Q" || w[2] == "q") && !phraseText.MatchString(w[3]) {
				t.Errorf("%q within a phrase", w[0])
			}
		}
	}
}

func noReader(charset string, _ io.Reader) (io.Reader, error) {
	return nil, errors.New("charset " + charset)
}
