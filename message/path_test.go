package message_test

import (
	"errors"
	"net/mail"
	"strings"
	"testing"
	"unicode"

	"github.com/parley-mail/parley/message"
)

// longest is a domain of 252 octets: with "a@" and the angle brackets it makes a path of 256.
var longest = strings.Repeat(strings.Repeat("d", 62)+".", 4)[:251] + "d"

var goodPaths = []struct {
	in, text, local, domain string
	utf8                    bool
}{
	{in: "", text: ""},
	{in: "<>", text: ""},
	{"a@b.example", "a@b.example", "a", "b.example", false},
	{"<a@b.example>", "a@b.example", "a", "b.example", false},
	{"MiXeD@Example.COM", "MiXeD@example.com", "MiXeD", "example.com", false},
	{"Postmaster", "Postmaster", "Postmaster", "", false},
	{"<postmaster>", "postmaster", "postmaster", "", false},
	{"a b@x", `"a b"@x`, "a b", "x", false},
	{`"ab"@x`, "ab@x", "ab", "x", false},
	{`"a.b"@x`, "a.b@x", "a.b", "x", false},
	{`"\a\b"@x`, "ab@x", "ab", "x", false},
	{`"a\"b\\c"@x`, `"a\"b\\c"@x`, `a"b\c`, "x", false},
	{`"a@b"@x`, `"a@b"@x`, "a@b", "x", false},
	{`"a> NOTIFY=NEVER"@x`, `"a> NOTIFY=NEVER"@x`, "a> NOTIFY=NEVER", "x", false},
	{`""@x`, `""@x`, "", "x", false},
	{`" "@x`, `" "@x`, " ", "x", false},
	{"a..b@x", `"a..b"@x`, "a..b", "x", false},
	{".a@x", `".a"@x`, ".a", "x", false},
	{"a.@x", `"a."@x`, "a.", "x", false},
	{"a+b=c/d!e#f$g%h&i'j*k-l?m^n_o`p{q|r}s~t@x", "a+b=c/d!e#f$g%h&i'j*k-l?m^n_o`p{q|r}s~t@x", "a+b=c/d!e#f$g%h&i'j*k-l?m^n_o`p{q|r}s~t", "x", false},
	{"<@one.example,@two.example:u@d>", "u@d", "u", "d", false},
	{"@[IPv6:2001:db8::1]:u@d", "u@d", "u", "d", false},
	{"a@[192.0.2.1]", "a@[192.0.2.1]", "a", "[192.0.2.1]", false},
	{"a@[IPv6:2001:DB8:0:0::1]", "a@[IPv6:2001:db8::1]", "a", "[IPv6:2001:db8::1]", false},
	{"a@[ipv6:::ffff:192.0.2.1]", "a@[IPv6:::ffff:192.0.2.1]", "a", "[IPv6:::ffff:192.0.2.1]", false},
	{"a@[x-y:z!]", "a@[x-y:z!]", "a", "[x-y:z!]", false},
	{"a@my_host.example", "a@my_host.example", "a", "my_host.example", false},
	{"a@r3---sn.example", "a@r3---sn.example", "a", "r3---sn.example", false},
	{"a@bücher.example", "a@xn--bcher-kva.example", "a", "xn--bcher-kva.example", false},
	{"a@BÜCHER.example", "a@xn--bcher-kva.example", "a", "xn--bcher-kva.example", false},
	{"jörg@bücher.example", "jörg@bücher.example", "jörg", "bücher.example", true},
	{"jörg@xn--bcher-kva.example", "jörg@xn--bcher-kva.example", "jörg", "xn--bcher-kva.example", true},
	{"<@bücher.example:jörg@x>", "jörg@x", "jörg", "x", true},
	{"a＠b@x", "a＠b@x", "a＠b", "x", true}, // U+FF20 is a letter like any other, no @
	{"a\u760D\u760Ab@x", "a\u760D\u760Ab@x", "a\u760D\u760Ab", "x", true},
	{"a@" + longest, "a@" + longest, "a", longest, false},
	{strings.Repeat("l", 64) + "@x", strings.Repeat("l", 64) + "@x", strings.Repeat("l", 64), "x", false},
}

func TestParsePath(t *testing.T) {
	for _, tt := range goodPaths {
		p, err := message.ParsePath(tt.in)
		if err != nil {
			t.Errorf("ParsePath(%q): %v", tt.in, err)
			continue
		}
		if p.String() != tt.text || p.Local() != tt.local || p.Domain() != tt.domain || p.NeedsUTF8() != tt.utf8 || p.IsNull() != (tt.text == "") {
			t.Errorf("ParsePath(%q) = %q, local %q, domain %q, utf8 %v", tt.in, p, p.Local(), p.Domain(), p.NeedsUTF8())
		}
		again, err := message.ParsePath(p.String())
		if err != nil || again != p {
			t.Errorf("ParsePath(%q) twice = %q, %v", tt.in, again, err)
		}
		if tt.text == "" {
			continue
		}
		if made, err := message.NewPath(tt.local, tt.domain); err != nil || made != p {
			t.Errorf("NewPath(%q, %q) = %q, %v", tt.local, tt.domain, made, err)
		}
	}
}

func TestParsePathErrors(t *testing.T) {
	long := strings.Repeat("d", 63)
	for _, tt := range []struct {
		in, what string
		offset   int
	}{
		{"a", "path", 1},
		{"<a@b", "path", 4},
		{"@b", "source route", 2},
		{"a@", "domain", 2},
		{"a@b\r\nRCPT TO:<c@d>", "domain", 3},
		{"a\r\nRCPT TO:<c@d>@b", "local part", 1},
		{"\"a\r\nb\"@x", "local part", 2},
		{"\"a\\\rb\"@x", "local part", 3},
		{"a\x00@b", "local part", 1},
		{"a@b\x00", "domain", 3},
		{"a\x7F@b", "local part", 1},
		{"a\u0085b@x", "local part", 1},
		{"a\u2028b@x", "local part", 1},
		{"a\xFFb@x", "local part", 1},
		{"a@b\xFF", "domain", 3},
		{"a@b>", "domain", 3},
		{"<a@b> NOTIFY=NEVER", "path", 18},
		{"<a@b>NOTIFY=<c>", "domain", 4},
		{"a@b c", "domain", 3},
		{"a,b@x", "local part", 1},
		{"a(b@x", "local part", 1},
		{" a@x", "local part", 0},
		{"a @x", "local part", 0},
		{`"a"b@x`, "local part", 3},
		{`"a@x`, "local part", 0},
		{`"postmaster"`, "path", 12},
		{"a@-b", "domain", 2},
		{"a@b-.c", "domain", 2},
		{"a@b..c", "domain", 4},
		{"a@b.", "domain", 4},
		{"a@" + long + "d", "domain", 2},
		{"a＠b.example", "path", 13},
		{"a@b＠c.example", "domain", 3},
		{"a@b。example", "domain", 2},
		{"a@b․example", "domain", 2},
		{"a@⑴.example", "domain", 2},
		{"a@\u202Eb.example", "domain", 2},
		{"a@xn--a.bücher", "domain", 2},
		{"a@[192.0.2.256]", "address literal", 3},
		{"a@[192.0.2]", "address literal", 3},
		{"a@[192.0.2.1", "address literal", 12},
		{"a@[IPv6:192.0.2.1]", "address literal", 3},
		{"a@[IPv6:fe80::1%eth0]", "address literal", 3},
		{"a@[x:]", "address literal", 3},
		{"a@[-:y]", "address literal", 3},
		{"a@[x:a b]", "address literal", 6},
		{"a@[x:a>b]", "address literal", 6},
		{"a@[x:a\r\nb]", "address literal", 6},
		{"<@a u@d>", "source route", 7},
		{"<@a,b:u@d>", "source route", 3},
		{strings.Repeat("l", 65) + "@x", "local part", 64},
		{`"` + strings.Repeat(" ", 63) + `"@x`, "local part", 0},
		{"aa@" + longest, "path", 255},
		{"a@" + long + "." + long + "." + long + "." + long, "path", 257},
		{strings.Repeat("x", 64<<10), "path", 2048},
	} {
		p, err := message.ParsePath(tt.in)
		var e *message.AddressError
		if !errors.As(err, &e) {
			t.Errorf("ParsePath(%.40q) = %q, %v; want an error", tt.in, p, err)
			continue
		}
		if e.What != tt.what || e.Offset != tt.offset {
			t.Errorf("ParsePath(%.40q): %s at %d; want %s at %d (%v)", tt.in, e.What, e.Offset, tt.what, tt.offset, err)
		}
		if text := err.Error(); len(text) > 600 || strings.IndexFunc(text, unicode.IsControl) >= 0 || !strings.Contains(text, "RFC ") {
			t.Errorf("ParsePath(%.40q): error %q", tt.in, text)
		}
	}
}

func TestNewPathErrors(t *testing.T) {
	for _, tt := range [][2]string{
		{"a", ""},
		{"a\nb", "x"},
		{"a", "x\r\n"},
		{strings.Repeat("a", 65), "x"},
		{"a", strings.Repeat("x", 64<<10)},
		{strings.Repeat(`"`, 40), "x"},
		{strings.Repeat("a", 64<<10), "x"},
		{"a", "[" + strings.Repeat("x", 300) + ":y]"},
	} {
		if p, err := message.NewPath(tt[0], tt[1]); err == nil {
			t.Errorf("NewPath(%.40q, %.40q) = %q", tt[0], tt[1], p)
		}
	}
}

func TestPathIsCheap(t *testing.T) {
	n := testing.AllocsPerRun(100, func() { _, _ = message.ParsePath("someone@mail.example.com") })
	if n > 1 {
		t.Errorf("ParsePath: %v allocations; want the path itself", n)
	}
}

func FuzzPath(f *testing.F) {
	// parse, write, parse is the identity; what is written has no controls and no > or space outside quotes;
	// a dot-atom mailbox that net/mail takes is taken, and means the same.
	for _, tt := range goodPaths {
		f.Add(tt.in)
	}
	f.Add("a\r\n@b")
	f.Add("é@[IPv6:::1]")
	f.Fuzz(func(t *testing.T, in string) {
		p, err := message.ParsePath(in)
		if err == nil {
			text := p.String()
			again, err := message.ParsePath("<" + text + ">")
			if err != nil || again != p {
				t.Fatalf("%q: %q becomes %q, %v", in, text, again, err)
			}
			if made, err := message.NewPath(p.Local(), p.Domain()); !p.IsNull() && (err != nil || made != p) {
				t.Fatalf("%q: NewPath(%q, %q) = %q, %v", in, p.Local(), p.Domain(), made, err)
			}
			if strings.IndexFunc(text, unicode.IsControl) >= 0 || len(text) > message.MaxPath-2 {
				t.Fatalf("%q: unsafe %q", in, text)
			}
			if text != "" && text[0] != '"' && strings.ContainsAny(text, "<> \",;\\") {
				t.Fatalf("%q: unquoted %q", in, text)
			}
		}
		a, stdErr := mail.ParseAddress("<" + in + ">")
		if stdErr != nil || strings.ContainsAny(in, "\"\\() \t\r\n[]=:<>") {
			return // net/mail drops quotes and knows comments: no judge there
		}
		if err != nil {
			var e *message.AddressError
			if errors.As(err, &e) && (e.What == "domain" || strings.Contains(e.Rule, "over 64") || strings.Contains(e.Rule, "over 256") || strings.Contains(e.Rule, "control")) {
				return // net/mail checks no domains, lengths and control characters
			}
			t.Fatalf("%q: net/mail reads %q, we say %v", in, a.Address, err)
		}
		if local := in[:strings.LastIndexByte(in, '@')]; p.Local() != local {
			t.Fatalf("%q: local part %q, net/mail %q", in, p.Local(), local)
		}
	})
}
