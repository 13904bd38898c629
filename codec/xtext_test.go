package codec_test

import (
	"testing"
	"unicode/utf8"

	"github.com/parley-mail/parley/codec"
)

func TestXtext(t *testing.T) {
	tests := []struct{ text, encoded string }{
		{"", ""},
		{"abc", "abc"},
		{"a+b=c", "a+2Bb+3Dc"},
		{" \t\r\n\x00\x7f\xff", "+20+09+0D+0A+00+7F+FF"},
		{"\u00e9", "+C3+A9"},
	}
	for _, test := range tests {
		if got := string(codec.AppendXtext([]byte("x"), test.text)); got != "x"+test.encoded {
			t.Errorf("%q: %q", test.text, got)
		}
		if got := of2(codec.DecodeXtext(test.encoded)); got != test.text {
			t.Errorf("%q: back %q", test.encoded, got)
		}
	}
	const bad = " (printable ASCII, or + and two capital hexadecimal digits, RFC 3461 §4)"
	for encoded, want := range map[string]string{
		"+2b":  "codec: xtext: '+' at offset 0" + bad, // RFC 3461 has capitals only
		"a+":   "codec: xtext: '+' at offset 1" + bad,
		"a+2":  "codec: xtext: '+' at offset 1" + bad,
		"a+2G": "codec: xtext: '+' at offset 1" + bad,
		"a=b":  "codec: xtext: '=' at offset 1" + bad,
		"a b":  "codec: xtext: SP at offset 1" + bad,
		"\xff": "codec: xtext: octet 0xff at offset 0" + bad,
	} {
		if got := of2(codec.DecodeXtext(encoded)); got != want {
			t.Errorf("%q: %q, want %q", encoded, got, want)
		}
	}
}

func of2(s string, err error) string { return of([]byte(s), err) }

func TestUTF8Xtext(t *testing.T) {
	tests := []struct{ text, encoded string }{
		{"", ""},
		{"a@b.example", "a@b.example"},
		{"\u00fc@\u4f8b.example", `\x{FC}@\x{4F8B}.example`},
		{"a+b=c\\ d\x01", `a\x{2B}b\x{3D}c\x{5C}\x{20}d\x{01}`},
		{"\U0010ffff", `\x{10FFFF}`},
	}
	for _, test := range tests {
		if got := string(codec.AppendUTF8Xtext(nil, test.text)); got != test.encoded {
			t.Errorf("%q: %q", test.text, got)
		}
		if got := of2(codec.DecodeUTF8Xtext(test.encoded)); got != test.text {
			t.Errorf("%q: back %q", test.encoded, got)
		}
	}
	if got := of2(codec.DecodeUTF8Xtext("\u00fc@b")); got != "\u00fc@b" {
		t.Errorf("UTF-8 as it is: %q", got)
	}
	const bad = " (printable characters, or \\x{...}, RFC 6533 §3)"
	for encoded, want := range map[string]string{
		`a\x{fc}`:     `codec: utf-8 address: '\' at offset 1` + bad,
		`\x{F}`:       `codec: utf-8 address: '\' at offset 0` + bad,
		`\x{00FC}`:    `codec: utf-8 address: '\' at offset 0` + bad,
		`\x{110000}`:  `codec: utf-8 address: '\' at offset 0` + bad,
		`\x{1000000}`: `codec: utf-8 address: '\' at offset 0` + bad,
		`\x{D800}`:    `codec: utf-8 address: '\' at offset 0` + bad,
		`\x{41}`:      `codec: utf-8 address: '\' at offset 0` + bad, // stands for itself
		`\x{FC`:       `codec: utf-8 address: '\' at offset 0` + bad,
		`\FC}`:        `codec: utf-8 address: '\' at offset 0` + bad,
		`a+b`:         `codec: utf-8 address: '+' at offset 1` + bad,
		"a\xffb":      "codec: utf-8 address: octet 0xff at offset 1" + bad,
		"a\r":         "codec: utf-8 address: CR at offset 1" + bad,
	} {
		if got := of2(codec.DecodeUTF8Xtext(encoded)); got != want {
			t.Errorf("%q: %q, want %q", encoded, got, want)
		}
	}
}

// FuzzXtext: both encodings give back what was put in and stay within ASCII that no
// parameter needs to quote; what a decoder takes is what the encoder makes, or means it.
func FuzzXtext(f *testing.F) {
	f.Add("a+b=c d\x00\xff")
	f.Add(`\x{FC}@b`)
	f.Add("+2B")
	f.Fuzz(func(t *testing.T, s string) {
		x := string(codec.AppendXtext(nil, s))
		if back, err := codec.DecodeXtext(x); err != nil || back != s {
			t.Fatalf("%q: %q, back %q, %v", s, x, back, err)
		}
		if plain, err := codec.DecodeXtext(s); err == nil {
			if again, err := codec.DecodeXtext(string(codec.AppendXtext(nil, plain))); err != nil || again != plain {
				t.Fatalf("%q means %q, back %q, %v", s, plain, again, err)
			}
		}
		if !utf8.ValidString(s) {
			return
		}
		u := string(codec.AppendUTF8Xtext(nil, s))
		if back, err := codec.DecodeUTF8Xtext(u); err != nil || back != s {
			t.Fatalf("%q: %q, back %q, %v", s, u, back, err)
		}
		for _, c := range x + u {
			if c <= ' ' || c >= 0x7f || c == '=' {
				t.Fatalf("%q: %q, %q", s, x, u)
			}
		}
	})
}
