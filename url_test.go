package parley_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/parley-mail/parley"
)

func TestParseEndpoint(t *testing.T) {
	for s, want := range map[string]struct {
		network, address string
		tls              parley.TLSMode
		lmtp             bool
		user             string
	}{
		"mx.example":                         {"", "mx.example:25", parley.TLSOpportunistic, false, ""},
		"mx.example:2525":                    {"", "mx.example:2525", parley.TLSOpportunistic, false, ""},
		"mx.example:465":                     {"", "mx.example:465", parley.TLSImplicit, false, ""},
		"mx.example:587":                     {"", "mx.example:587", parley.TLSStartTLS, false, ""},
		"[2001:db8::1]:25":                   {"", "[2001:db8::1]:25", parley.TLSOpportunistic, false, ""},
		"smtp://mx.example":                  {"", "mx.example:25", parley.TLSOpportunistic, false, ""},
		"SMTPS://mx.example/":                {"", "mx.example:465", parley.TLSImplicit, false, ""},
		"submission://al%40ice:s@mx.example": {"", "mx.example:587", parley.TLSStartTLS, false, "al@ice"},
		"lmtp://localhost:24":                {"", "localhost:24", parley.TLSNone, true, ""},
		"lmtp+unix:///run/lmtp":              {"unix", "/run/lmtp", parley.TLSNone, true, ""},
	} {
		e, err := parley.ParseEndpoint(s)
		if err != nil {
			t.Errorf("%s: %v", s, err)
			continue
		}
		user := ""
		if e.Credentials != nil {
			user = e.Credentials.User
		}
		if e.Network != want.network || e.Address != want.address || e.TLS != want.tls || e.Session.LMTP != want.lmtp || user != want.user {
			t.Errorf("%s: %+v", s, e)
		}
	}
	for _, s := range []string{"", "http://mx.example", "mx.example:0", "mx.example:70000", "mx.example:x", "smtp://", "smtp://mx.example/path", "lmtp://localhost", "lmtp://localhost:25", "lmtp+unix://host/path", "smtp://u:hunter2@mx example", "a\r\nb"} {
		e, err := parley.ParseEndpoint(s)
		if !errors.Is(err, parley.ErrMisuse) {
			t.Errorf("%q: %+v, %v", s, e, err)
		}
		if err != nil && strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%q: the error shows the password: %v", s, err)
		}
	}
}
