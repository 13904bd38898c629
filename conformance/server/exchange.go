package server

import (
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"hash"
	"strconv"
	"strings"

	"github.com/parley-mail/parley/auth"
)

// login authenticates, as the target says.
func (p *play) login() error {
	x := p.offers()
	mechanism, err := p.t.mechanism(x)
	if err != nil {
		return err
	}
	initial, err := mechanism.Start(&auth.Link{Offered: x.Auth})
	if err != nil {
		return err
	}
	line := "AUTH " + mechanism.Name()
	if initial != nil {
		line += " " + base64.StdEncoding.EncodeToString(initial)
	}
	r, err := p.cur.command(line)
	for err == nil && r.Code == 334 {
		var challenge, response []byte
		if challenge, err = base64.StdEncoding.DecodeString(string(r.Lines[0])); err != nil {
			return err
		}
		if response, err = mechanism.Next(challenge); err != nil {
			return err
		}
		r, err = p.cur.command(base64.StdEncoding.EncodeToString(response))
	}
	return wantCode(235)(r, err)
}

// scram authenticates by SCRAM in a way of its own, "gs2=y,," or "c=text", and leaves the
// reply to it, or to what went wrong before, to be judged (RFC 5802 §5).
func (p *play) scram(s *step) {
	header, bound := "n,,", ""
	for word := range strings.FieldsSeq(s.text) {
		switch key, value, _ := strings.Cut(word, "="); key {
		case "gs2":
			header = value
		case "c":
			bound = value
		}
	}
	if bound == "" {
		bound = header
	}
	name, sum := "SCRAM-SHA-256", sha256.New
	if x := p.offers(); !x.HasAuth(name) {
		name, sum = "SCRAM-SHA-1", sha1.New
	}
	user := strings.NewReplacer("=", "=3D", ",", "=2C").Replace(p.t.User)
	bare := "n=" + user + ",r=" + rand.Text()
	r, err := p.cur.command("AUTH " + name + " " + base64.StdEncoding.EncodeToString([]byte(header+bare)))
	if err == nil && r.Code == 334 {
		var final string
		if final, err = clientFinal(sum, p.t.Password, bare, r.shown(true), bound); err != nil {
			p.inconclusive("%v", err)
			return
		}
		if r, err = p.cur.command(base64.StdEncoding.EncodeToString([]byte(final))); err == nil && r.Code == 334 {
			r, err = p.cur.command("")
		}
	}
	if err != nil {
		p.inconclusive("%v", err)
		return
	}
	p.cur.back = r
}

// clientFinal is the client's last message (RFC 5802 §3).
func clientFinal(sum func() hash.Hash, password, bare, first, bound string) (string, error) {
	attr := map[string]string{}
	for a := range strings.SplitSeq(first, ",") {
		key, value, _ := strings.Cut(a, "=")
		attr[key] = value
	}
	salt, err := base64.StdEncoding.DecodeString(attr["s"])
	count, err2 := strconv.Atoi(attr["i"])
	if err != nil || err2 != nil || count < 1 || count > auth.DefaultMaxIterations {
		return "", fmt.Errorf("the server's first message is no SCRAM")
	}
	salted, err := pbkdf2.Key(sum, password, salt, count, sum().Size())
	if err != nil {
		return "", err
	}
	mac := func(key []byte, text string) []byte {
		h := hmac.New(sum, key)
		h.Write([]byte(text))
		return h.Sum(nil)
	}
	client := mac(salted, "Client Key")
	h := sum()
	h.Write(client)
	without := "c=" + base64.StdEncoding.EncodeToString([]byte(bound)) + ",r=" + attr["r"]
	signature := mac(h.Sum(nil), bare+","+first+","+without)
	for i := range client {
		client[i] ^= signature[i]
	}
	return without + ",p=" + base64.StdEncoding.EncodeToString(client), nil
}
