package gssapi_test

import (
	"bytes"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jcmturner/gokrb5/v8/iana/etypeID"
	"github.com/jcmturner/gokrb5/v8/types"

	"github.com/parley-mail/parley/auth/gssapi"
)

const oid = "\x06\x09\x2a\x86\x48\x86\xf7\x12\x01\x02\x02"

// TestFrame: the header of RFC 2743 §3.1, with lengths of one to four octets.
func TestFrame(t *testing.T) {
	for n, header := range map[int]string{
		0: "\x60\x0d", 114: "\x60\x7f", 115: "\x60\x81\x80", 242: "\x60\x81\xff", 243: "\x60\x82\x01\x00",
		65522: "\x60\x82\xff\xff", 65523: "\x60\x83\x01\x00\x00",
	} {
		message := bytes.Repeat([]byte{'m'}, n)
		token := gssapi.Frame(gssapi.TokenAPRep, message)
		if want := header + oid + "\x02\x00"; !bytes.HasPrefix(token, []byte(want)) {
			t.Errorf("%d octets: %x, want %x…", n, token[:min(len(token), 20)], want)
		}
		kind, got, ok := gssapi.Unframe(token)
		if !ok || kind != gssapi.TokenAPRep || !bytes.Equal(got, message) {
			t.Errorf("%d octets do not come back: %v %x", n, ok, kind)
		}
	}
}

// TestUnframe: tokens that are not whole.
func TestUnframe(t *testing.T) {
	for _, token := range []string{
		"", "\x60", "\x61\x0d" + oid + "\x02\x00", "\x60\x0d" + oid + "\x02", "\x60\x0d" + oid + "\x02\x00x",
		"\x60\x0b" + oid, "\x60\x80" + oid + "\x02\x00", "\x60\x81", "\x60\x84\x00\x00\x00\x0d" + oid + "\x02\x00",
		"\x60\xff" + oid, "\x60\x0d\x06\x09\x2a\x86\x48\x86\xf7\x12\x01\x02\x03\x02\x00",
	} {
		if kind, _, ok := gssapi.Unframe([]byte(token)); ok {
			t.Errorf("%x is taken for a token of kind %x", token, kind)
		}
	}
}

// TestWrap: the header of RFC 4121 §4.2.6.2, and its rotation.
func TestWrap(t *testing.T) {
	token := gssapi.Wrap(4, 0x0102, []byte("payload"), []byte("sum"))
	if diff := cmp.Diff([]byte("\x05\x04\x04\xff\x00\x03\x00\x00\x00\x00\x00\x00\x00\x00\x01\x02payloadsum"), token); diff != "" {
		t.Error(diff)
	}
	rotated := []byte("\x05\x04\x04\xff\x00\x03\x00\x0d\x00\x00\x00\x00\x00\x00\x01\x02sumpayload") // 13 is 3 of 10
	for _, token := range [][]byte{token, rotated} {
		flags, sequence, payload, sum, ok := gssapi.ParseWrap(token)
		if !ok || flags != 4 || sequence != 0x0102 || string(payload) != "payload" || string(sum) != "sum" {
			t.Errorf("%x: %v %x %x %q %q", token, ok, flags, sequence, payload, sum)
		}
	}
	for _, bad := range []string{"", "\x05\x04\x04\xff\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00", "\x04\x04" + string(token[2:]), "\x05\x05" + string(token[2:]), "\x05\x04\x04\xfe" + string(token[4:]), string(token[:17])} {
		if _, _, _, _, ok := gssapi.ParseWrap([]byte(bad)); ok {
			t.Errorf("%x is taken for a wrap token", bad)
		}
	}
}

// FuzzChallenges: whatever a server says, at either point of the exchange,
// there is no panic, and a server that does not know the key is not believed.
func FuzzChallenges(f *testing.F) {
	f.Add([]byte{}, []byte{})
	f.Add(refusal(37, "text"), []byte{})
	f.Add(gssapi.Frame(gssapi.TokenAPRep, []byte{0x6f, 0x00}), gssapi.Wrap(1, 0, []byte{1, 0, 0, 0}, make([]byte, 12)))
	f.Add(reply(sealedRubbish), []byte("\x05\x04\x05\xff\xff\xff\xff\xff"))
	server := newAcceptor(f, etypeID.AES256_CTS_HMAC_SHA1_96)
	f.Fuzz(func(t *testing.T, first, second []byte) {
		m := server.mechanism("")
		start(t, m)
		if _, err := m.Next(first); err == nil {
			t.Fatalf("%x is believed", first)
		}
		honest := *server
		honest.t = t
		honest.request(start(t, m))
		next(t, m, honest.reply(true, nil))
		if _, err := m.Next(second); err == nil || m.Success() == nil {
			t.Fatalf("%x is believed", second)
		}
	})
}

var sealedRubbish = types.EncryptedData{EType: etypeID.AES256_CTS_HMAC_SHA1_96, Cipher: bytes.Repeat([]byte{7}, 60)}
