package transport_test

import (
	"crypto/tls"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/parley-mail/parley/transport"
)

func TestParseCipherList(t *testing.T) {
	const all13 = 3
	for list, want := range map[string][]string{
		"ECDHE-RSA-AES128-GCM-SHA256":                                     {"TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"},
		"TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256":                           {"TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"},
		"ECDHE+AESGCM+AES256":                                             {"TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384", "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384"},
		"ECDHE+CHACHA20:!aRSA":                                            {"TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256"},
		"ECDHE-RSA-CHACHA20-POLY1305":                                     {"TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256"},
		"AES128-GCM-SHA256":                                               {"TLS_RSA_WITH_AES_128_GCM_SHA256"},
		"AES128-SHA, DES-CBC3-SHA":                                        {"TLS_RSA_WITH_AES_128_CBC_SHA", "TLS_RSA_WITH_3DES_EDE_CBC_SHA"},
		"ECDHE+aECDSA+AES128+AESGCM:ECDHE+aECDSA+CHACHA20":                {"TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256", "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256"},
		"ECDHE+aECDSA+AES128+AESGCM:ECDHE+aECDSA+AES256+AESGCM:@STRENGTH": {"TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384", "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256"},
		"ECDHE+aECDSA+AES128+AESGCM:ECDHE+aECDSA+CHACHA20:+AES128":        {"TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256", "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256"},
		"ECDHE+aECDSA+AES128+AESGCM:ECDHE+aECDSA+CHACHA20:-AES128:ECDHE+aECDSA+AES128+AESGCM": {"TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256", "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256"},
		"!AES128:ECDHE+aECDSA+AESGCM:ECDHE-ECDSA-AES128-GCM-SHA256:!aNULL:!MD5:!DSS":          {"TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384"},
	} {
		ids, err := transport.ParseCipherList(list)
		if err != nil {
			t.Errorf("%s: %v", list, err)
			continue
		}
		var got []string
		for _, id := range ids {
			if id>>8 != 0x13 {
				got = append(got, tls.CipherSuiteName(id))
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", list, diff)
		}
		if n := len(ids) - len(got); n != all13 && n != all13-1 {
			t.Errorf("%s: %d suites of TLS 1.3", list, n)
		}
	}
	for _, list := range []string{"MEDIUM", "DEFAULT@SECLEVEL=9", "@SECLEVEL=2", "HIGH@SECLEVEL=x", "ECDHE-RSA-AES128-GMC-SHA256", "", "BOGUS", "ECDHE:BOGUS+AES", "@BOGUS", "ECDHE:DEFAULT", "!ALL", "ALL:!ALL", "aNULL"} {
		if ids, err := transport.ParseCipherList(list); err == nil {
			t.Errorf("%q: %v", list, ids)
		}
	}
	high, err := transport.ParseCipherList("HIGH")
	if err != nil || slices.Contains(high, tls.TLS_RSA_WITH_RC4_128_SHA) || slices.Contains(high, tls.TLS_RSA_WITH_3DES_EDE_CBC_SHA) {
		t.Errorf("HIGH: %x, %v", high, err)
	}
}

// Lists as they are in use, with what OpenSSL 3.0 makes of them as far as Go has it.
func TestCipherListsInUse(t *testing.T) {
	const (
		aead = "ECDHE-ECDSA-AES256-GCM-SHA384 ECDHE-RSA-AES256-GCM-SHA384 ECDHE-ECDSA-CHACHA20-POLY1305 ECDHE-RSA-CHACHA20-POLY1305 " +
			"ECDHE-ECDSA-AES128-GCM-SHA256 ECDHE-RSA-AES128-GCM-SHA256"
		cbc = "ECDHE-ECDSA-AES256-SHA ECDHE-RSA-AES256-SHA ECDHE-ECDSA-AES128-SHA ECDHE-RSA-AES128-SHA"
	)
	for list, want := range map[string]string{
		"ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305:" +
			"ECDHE-RSA-CHACHA20-POLY1305:DHE-RSA-AES128-GCM-SHA256:DHE-RSA-AES256-GCM-SHA384:DHE-RSA-CHACHA20-POLY1305": "ECDHE-ECDSA-AES128-GCM-SHA256 " +
			"ECDHE-RSA-AES128-GCM-SHA256 ECDHE-ECDSA-AES256-GCM-SHA384 ECDHE-RSA-AES256-GCM-SHA384 ECDHE-ECDSA-CHACHA20-POLY1305 ECDHE-RSA-CHACHA20-POLY1305",
		"DEFAULT":                        aead + " " + cbc,
		"DEFAULT@SECLEVEL=2":             aead + " " + cbc,
		"HIGH:!aNULL:!MD5:!kRSA":         aead + " " + cbc,
		"ECDHE+AESGCM:ECDHE+CHACHA20":    "ECDHE-ECDSA-AES256-GCM-SHA384 ECDHE-RSA-AES256-GCM-SHA384 ECDHE-ECDSA-AES128-GCM-SHA256 ECDHE-RSA-AES128-GCM-SHA256 ECDHE-ECDSA-CHACHA20-POLY1305 ECDHE-RSA-CHACHA20-POLY1305",
		"HIGH:@SECLEVEL=4":               "ECDHE-ECDSA-AES256-GCM-SHA384 ECDHE-RSA-AES256-GCM-SHA384 ECDHE-ECDSA-CHACHA20-POLY1305 ECDHE-RSA-CHACHA20-POLY1305 ECDHE-ECDSA-AES256-SHA ECDHE-RSA-AES256-SHA",
		"TLSv1":                          cbc,
		"SHA256":                         "ECDHE-ECDSA-AES128-SHA256 ECDHE-RSA-AES128-SHA256 AES128-SHA256",
		"kRSA":                           "AES256-GCM-SHA384 AES128-GCM-SHA256 AES128-SHA256 AES256-SHA AES128-SHA",
		"ECDHE+SHA1:RC4:!ECDSA":          "ECDHE-RSA-AES256-SHA ECDHE-RSA-AES128-SHA ECDHE-RSA-RC4-SHA RC4-SHA",
		"DES-CBC3-SHA:AES128-SHA:+SSLv3": "DES-CBC3-SHA AES128-SHA",
		"RC4:AES128-SHA:!aRSA+RC4":       "ECDHE-ECDSA-RC4-SHA AES128-SHA",
	} {
		ids, err := transport.ParseCipherList(list)
		var wanted, got []uint16
		for _, name := range strings.Fields(want) {
			one, err := transport.ParseCipherList(name)
			if err != nil {
				t.Fatal(err)
			}
			wanted = append(wanted, one[len(one)-1])
		}
		for _, id := range ids {
			if id>>8 != 0x13 {
				got = append(got, id)
			}
		}
		if diff := cmp.Diff(wanted, got); err != nil || diff != "" {
			t.Errorf("%s: %v\n%s", list, err, diff)
		}
	}
}
