package auth_test

import (
	"crypto/hmac"
	"crypto/md5"
	"encoding/binary"
	"encoding/hex"
	"strings"
	"testing"
	"unicode/utf16"

	"github.com/google/go-cmp/cmp"

	"github.com/parley-mail/parley/auth"
)

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// The values of [MS-NLMP] §4.2.1 and §4.2.4: User, Password, Domain.
const (
	ntowf      = "0c868a403bfd7a93a3001ef22ef02e3f"
	ntProof    = "68cd0ab851e51c96aabc927bebef6a1c"
	serverRand = "0123456789abcdef"
	clientRand = "aaaaaaaaaaaaaaaa"
	targetInfo = "02000c0044006f006d00610069006e0001000c0053006500720076006500720000000000"
	// The flags of §4.2.4.3 are 33828ae2; key exchange, which is not offered
	// here, is taken out.
	type2 = "4e544c4d53535000 02000000 0c000c0038000000 33828aa2" + serverRand + "0000000000000000 2400240044000000 060070170000000f" +
		"530065007200760065007200" + targetInfo
)

// ntlmBlob is the part of a response that the proof covers, "temp" of §3.3.2.
func ntlmBlob(time, client, info string) string {
	return "0101000000000000" + time + client + "00000000" + info + "00000000"
}

func ntlmProof(t testing.TB, key, blob string) string {
	mac := hmac.New(md5.New, unhex(t, key))
	mac.Write(unhex(t, serverRand))
	mac.Write(unhex(t, blob))
	return hex.EncodeToString(mac.Sum(nil))
}

// payload returns what the field at an offset of a message points to.
func payload(p []byte, at int) []byte {
	length, offset := binary.LittleEndian.Uint16(p[at:]), binary.LittleEndian.Uint32(p[at+4:])
	return p[offset:][:length]
}

func utf16le(s string) []byte {
	var b []byte
	for _, u := range utf16.Encode([]rune(s)) {
		b = binary.LittleEndian.AppendUint16(b, u)
	}
	return b
}

// TestNTLM checks the authenticate message against the published key, after
// the check has been checked against the published proof.
func TestNTLM(t *testing.T) {
	if got := ntlmProof(t, ntowf, ntlmBlob("0000000000000000", clientRand, targetInfo)); got != ntProof {
		t.Fatalf("[MS-NLMP] §4.2.4.2.2: proof %s, want %s", got, ntProof)
	}
	for _, c := range []struct {
		name  string
		creds auth.Credentials
	}{
		{"domain apart", auth.Credentials{User: "User", Domain: "Domain", Password: auth.NewSecret("Password")}},
		{"domain in the name", credentials(`Domain\User`, "Password")},
		{"domain in the name wins", auth.Credentials{User: `Domain\User`, Domain: "Other", Password: auth.NewSecret("Password")}},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := auth.NewNTLM(c.creds, auth.Policy{})
			if initial := start(t, m, nil); initial != nil {
				t.Errorf("initial response %q, want none", initial)
			}
			if !auth.IgnoresChallenge(m) {
				t.Error("the first challenge is prose as a rule")
			}
			if got := next(t, m, "ntlm supported"); !strings.HasPrefix(got, "NTLMSSP\x00\x01\x00\x00\x00") {
				t.Errorf("no negotiate message: %q", got)
			}
			if auth.IgnoresChallenge(m) {
				t.Error("the second challenge must be read")
			}
			response := []byte(next(t, m, string(unhex(t, type2))))
			if !strings.HasPrefix(string(response), "NTLMSSP\x00\x03\x00\x00\x00") {
				t.Fatalf("no authenticate message: %q", response)
			}
			answer := hex.EncodeToString(payload(response, 20))
			proof, blob := answer[:32], answer[32:]
			if want := ntlmProof(t, ntowf, blob); proof != want {
				t.Errorf("proof %s, want %s", proof, want)
			}
			if !strings.HasSuffix(blob, targetInfo+"00000000") {
				t.Errorf("target information is not repeated: %s", blob)
			}
			if diff := cmp.Diff([][]byte{utf16le("Domain"), utf16le("User")}, [][]byte{payload(response, 28), payload(response, 36)}); diff != "" {
				t.Error(diff)
			}
			if err := m.Success(); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestNTLMRaw: the password is hashed as it was typed, whatever SASLprep would
// make of it.
func TestNTLMRaw(t *testing.T) {
	m := auth.NewNTLM(credentials("\u00aa@x", "a\u00adb"), auth.Policy{})
	start(t, m, nil)
	next(t, m, "")
	response := []byte(next(t, m, string(unhex(t, type2))))
	if diff := cmp.Diff(utf16le("\u00aa@x"), payload(response, 36)); diff != "" {
		t.Error(diff)
	}
}

// TestNTLMLibrary: whatever the library makes of rubbish, it ends in an error.
func TestNTLMLibrary(t *testing.T) {
	for _, rubbish := range []string{"", "NTLMSSP\x00", strings.Repeat("\xff", 48)} {
		if response, err := auth.NTLMUnchecked([]byte(rubbish)); err == nil {
			t.Errorf("%q: response %q", rubbish, response)
		}
	}
}
