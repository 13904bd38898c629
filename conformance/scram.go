package conformance

import (
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"hash"
	"strconv"
	"strings"
)

// scram returns a message of a SCRAM exchange (RFC 5802 §5) in base64, as the settings
// have user, password and mechanism: client-first, server-first, client-final,
// server-final. Since the nonces of a play are fixed all four are. Behind the name may
// stand ",i=1", ",nonce=other", ",x=…" and ",v=wrong", to make the server go wrong.
func (o *settings) scram(arg string) (string, bool) {
	f := strings.Split(arg, ",")
	opt := map[string]string{}
	for _, kv := range f[1:] {
		k, v, _ := strings.Cut(kv, "=")
		opt[k] = v
	}
	if len(o.policy.Mechanisms) == 0 {
		return "", false
	}
	name := o.policy.Mechanisms[0]
	sum := sha256.New
	switch {
	case strings.HasPrefix(name, "SCRAM-SHA-1"):
		sum = sha1.New
	case strings.HasPrefix(name, "SCRAM-SHA-512"):
		sum = sha512.New
	}
	header := "n,,"
	var binding []byte
	if o.link.Binding != nil && opt["plus"] != "" {
		header = "p=" + opt["plus"] + ",,"
		binding, _ = o.link.Binding(opt["plus"])
	} else if o.link.Binding != nil && opt["gs2"] != "n" {
		header = "y,,"
	}
	if o.creds.AuthzID != "" {
		header = strings.TrimSuffix(header, ",") + "a=" + scramName(o.creds.AuthzID) + ","
	}
	nonce := base64.StdEncoding.EncodeToString(make([]byte, scramNonce))
	bare := "n=" + scramName(o.creds.User) + ",r=" + nonce
	both, iterations := nonce+"server", 4096
	if v := opt["nonce"]; v != "" {
		both = v
	}
	if v := opt["i"]; v != "" {
		iterations, _ = strconv.Atoi(v)
	}
	first := "r=" + both + ",s=" + base64.StdEncoding.EncodeToString([]byte("salt")) + ",i=" + strconv.Itoa(iterations)
	if v := opt["m"]; v != "" {
		first = "m=" + v + "," + first
	}
	if v := opt["x"]; v != "" {
		first += ",x=" + v
	}
	final := "c=" + base64.StdEncoding.EncodeToString(append([]byte(header), binding...)) + ",r=" + both
	message := bare + "," + first + "," + final
	salted, err := pbkdf2.Key(sum, o.creds.Password.Reveal(), []byte("salt"), min(iterations, 100000), sum().Size())
	if err != nil {
		return "", false
	}
	clientKey := mac(sum, salted, "Client Key")
	stored := sum()
	stored.Write(clientKey)
	proof := mac(sum, stored.Sum(nil), message)
	for i := range proof {
		proof[i] ^= clientKey[i]
	}
	signature := mac(sum, mac(sum, salted, "Server Key"), message)
	if opt["v"] == "wrong" {
		signature[0] ^= 1
	}
	text, ok := map[string]string{
		"client-first": header + bare,
		"server-first": first,
		"client-final": final + ",p=" + base64.StdEncoding.EncodeToString(proof),
		"server-final": "v=" + base64.StdEncoding.EncodeToString(signature),
	}[f[0]]
	return base64.StdEncoding.EncodeToString([]byte(text)), ok
}

const scramNonce = 18 // octets of a nonce of package auth before base64

func scramName(s string) string {
	return strings.NewReplacer("=", "=3D", ",", "=2C").Replace(s)
}

func mac(sum func() hash.Hash, key []byte, text string) []byte {
	h := hmac.New(sum, key)
	h.Write([]byte(text))
	return h.Sum(nil)
}
