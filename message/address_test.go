package message_test

import (
	"errors"
	"net/mail"
	"strings"
	"testing"
	"unicode"

	"github.com/google/go-cmp/cmp"

	"github.com/parley-mail/parley/message"
)

// entry is an Address or Group in comparable text.
func entry(e message.Entry) string {
	switch e := e.(type) {
	case message.Address:
		return e.Name + "|" + e.Path.String()
	case message.Group:
		s := e.Name + "{"
		for _, a := range e.Members {
			s += entry(a) + ";"
		}
		return s + "}"
	}
	return "nil"
}

var goodLists = []struct {
	in   string
	want []string
}{
	{"", nil},
	{" \t,, (nobody) ,", nil},
	{"a@b", []string{"|a@b"}},
	{"<a@b>", []string{"|a@b"}},
	{"a@b, c@d,e@f", []string{"|a@b", "|c@d", "|e@f"}},
	{"John Doe <j@x>", []string{"John Doe|j@x"}},
	{`"Doe, John" <j@x>, a@b`, []string{"Doe, John|j@x", "|a@b"}},
	{`"say \"hi\" \\ now" <j@x>`, []string{`say "hi" \ now|j@x`}},
	{`John "the, man" Doe <j@x>`, []string{"John the, man Doe|j@x"}},
	{"John Q. Public <j@x>", []string{"John Q. Public|j@x"}},
	{"Jörg <jörg@bücher.example>", []string{"Jörg|jörg@bücher.example"}},
	{`"quoted local"@x`, []string{`|"quoted local"@x`}},
	{`<"a@b"@x>`, []string{`|"a@b"@x`}},
	{`"a"."b"@x`, []string{"|a.b@x"}},
	{"a . b @ x . y", []string{"|a.b@x.y"}},
	{"a(one)@(two)x(three)", []string{"three|a@x"}},
	{"a@x (Real Name)", []string{"Real Name|a@x"}},
	{"a@x (=?utf-8?q?J=C3=B6rg?=)", []string{"Jörg|a@x"}},
	{"a@x (nested (deep \\) one) end)", []string{"nested (deep ) one) end|a@x"}},
	{"John (x) <j@x>", []string{"John|j@x"}},
	{"<j@x> (J)", []string{"J|j@x"}},
	{"=?utf-8?q?J=C3=B6rg?= <j@x>", []string{"Jörg|j@x"}},
	{"=?utf-8?b?SsO2?= =?utf-8?q?rg?= M <j@x>", []string{"Jörg M|j@x"}},
	{"=?iso-8859-2?q?=B1?= <j@x>", []string{"ą|j@x"}},
	{"=?nonsense?q?=B1?= <j@x>", []string{"=?nonsense?q?=B1?=|j@x"}},
	{"=?utf-8?q?a=0D=0ABcc=3A_x?= <j@x>", []string{"=?utf-8?q?a=0D=0ABcc=3A_x?=|j@x"}},
	{`"=?utf-8?q?a?=" <j@x>`, []string{"=?utf-8?q?a?=|j@x"}},
	{"Friends: a@b, C <c@d>;", []string{"Friends{|a@b;C|c@d;}"}},
	{"undisclosed-recipients:;", []string{"undisclosed-recipients{}"}},
	{`"My, group": ,a@b,,; , x@y`, []string{"My, group{|a@b;}", "|x@y"}},
	{"G: a@b (A);,H:;", []string{"G{A|a@b;}", "H{}"}},
	{"<@one,@two:u@d>", []string{"|u@d"}},
	{"N <@[192.0.2.1] , @two : u@d>", []string{"N|u@d"}},
	{"a@[192.0.2.1], b@[IPv6:2001:db8::1]", []string{"|a@[192.0.2.1]", "|b@[IPv6:2001:db8::1]"}},
	{"a@b,\r\n c@d", []string{"|a@b", "|c@d"}},
	{"\"a\r\n b\" <c@d>", []string{"a b|c@d"}},
	{"(a\r\n b) c@d (e\r\n\tf)", []string{"e f|c@d"}},
	{"postmaster, Postmaster", []string{"|postmaster", "|Postmaster"}},
	{"N <postmaster>", []string{"N|postmaster"}},
	{"a@bücher.example", []string{"|a@xn--bcher-kva.example"}},
}

func TestParseAddressList(t *testing.T) {
	for _, tt := range goodLists {
		list, err := message.ParseAddressList(tt.in)
		if err != nil {
			t.Errorf("%q: %v", tt.in, err)
			continue
		}
		var got []string
		for _, e := range list {
			got = append(got, entry(e))
		}
		if d := cmp.Diff(tt.want, got); d != "" {
			t.Errorf("%q:\n%s", tt.in, d)
		}
		again, err := message.ParseAddressList(list.String())
		if d := cmp.Diff(list, again, cmp.Comparer(func(a, b message.Path) bool { return a == b })); err != nil || d != "" {
			t.Errorf("%q: written %q: %v\n%s", tt.in, list, err, d)
		}
		if n := len(list.Paths()); n != len(list.Addresses()) {
			t.Errorf("%q: %d paths", tt.in, n)
		}
	}
}

func TestParseAddressListErrors(t *testing.T) {
	for _, tt := range []struct {
		in     string
		offset int
	}{
		{"a", 0},
		{"a@", 2},
		{"a@b c@d", 4},
		{"a@b c", 4},
		{"a@b<c@d>", 3},
		{"a b@c", 2},
		{`"a""b"@c`, 3},
		{"<a@b", 4},
		{"<a@b c>", 5},
		{"<>", 1},
		{"a@b>", 3},
		{"@b", 0},
		{"a;b@c", 0},
		{"G: a@b", 6},
		{"G: a@b c", 7},
		{"G: H: a@b;;", 4},
		{": a@b;", 0},
		{`"":;`, 2},
		{"G: <a@b;", 7},
		{`"open <a@b>`, 0},
		{`"open\`, 0},
		{"(open a@b", 0},
		{`(open\`, 0},
		{`a@b(\`, 3},
		{`a@b,"\`, 4},
		{"a@[192.0.2.1", 2},
		{"a@[192.0.2.256]", 0},
		{"a@-b", 0},
		{"a\r\nRCPT TO:<c@d>@b", 1},
		{"\"a\r\nb\" <c@d>", 2},
		{"(a\r\nb) c@d", 2},
		{"a\rb@c", 1},
		{"a@b\nc", 3},
		{"a@b\x00", 3},
		{"\"a\x00\" <c@d>", 0},
		{"(\x01) c@d", 0},
		{"\"a\u2028\" <c@d>", 0},
		{"a\xFF@b", 0},
		{"a@\xFFb", 2},
		{"<@a u@d>", 4},
		{"<@-a:u@d>", 2},
		{"<@a:>", 4},
		{strings.Repeat("(", 40), 32},
		{strings.Repeat("a", 2<<20), 1 << 20},
	} {
		list, err := message.ParseAddressList(tt.in)
		var e *message.AddressError
		if !errors.As(err, &e) {
			t.Errorf("%.60q = %q, %v; want an error", tt.in, list, err)
			continue
		}
		if e.Offset != tt.offset || len(err.Error()) > 600 || strings.IndexFunc(err.Error(), unicode.IsControl) >= 0 {
			t.Errorf("%.60q: at %d, want %d: %v", tt.in, e.Offset, tt.offset, err)
		}
	}
}

func TestParseAddress(t *testing.T) {
	a, err := message.ParseAddress("N <a@b>")
	if err != nil || a.Name != "N" || a.Path.String() != "a@b" || a.IsZero() {
		t.Errorf("%+v, %v", a, err)
	}
	for _, in := range []string{"", "a@b, c@d", "G: a@b;", "a@"} {
		if a, err := message.ParseAddress(in); err == nil {
			t.Errorf("%q = %v", in, a)
		}
	}
	if s := (message.Address{}).String(); s != "<>" {
		t.Errorf("zero Address: %q", s)
	}
}

func TestMustPanics(t *testing.T) {
	for name, f := range map[string]func(){
		"path": func() { message.MustParsePath("a@") },
		"list": func() { message.MustParseAddressList("a@") },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: no panic", name)
				}
			}()
			f()
		}()
	}
}

// TestAddressListIsLinear has a list that parsers with a quadratic step would chew on for long.
func TestAddressListIsLinear(t *testing.T) {
	for _, in := range []string{
		strings.Repeat("(", 1<<20), strings.Repeat("(x)", 300000), strings.Repeat(`"a" `, 200000), strings.Repeat("=?utf-8?q?a?= ", 70000),
		strings.Repeat("a@b,", 200000), strings.Repeat("G:;", 300000), "<" + strings.Repeat("@a,", 300000), strings.Repeat("\r\n ", 300000),
	} {
		_, _ = message.ParseAddressList(in)
	}
}

func FuzzAddressList(f *testing.F) {
	// parse, write, parse is the identity; names hold no controls; what net/mail reads as a plain list, we read as the same.
	for _, tt := range goodLists {
		f.Add(tt.in)
	}
	f.Fuzz(func(t *testing.T, in string) {
		list, err := message.ParseAddressList(in)
		if err == nil {
			again, err := message.ParseAddressList(list.String())
			if d := cmp.Diff(list, again, cmp.Comparer(func(a, b message.Path) bool { return a == b })); err != nil || d != "" {
				t.Fatalf("%q: written %q: %v\n%s", in, list, err, d)
			}
			for _, a := range list.Addresses() {
				if strings.ContainsFunc(a.Name, func(r rune) bool { return r != '\t' && unicode.IsControl(r) }) || a.Path.IsNull() {
					t.Fatalf("%q: address %q", in, a)
				}
			}
		}
		std, stdErr := mail.ParseAddressList(in)
		if stdErr != nil || err != nil || strings.ContainsAny(in, "\"\\()[]=:<>") {
			return // net/mail drops quotes and has its own mind on comments and groups
		}
		if len(std) != len(list) {
			t.Fatalf("%q: net/mail reads %d, we %d", in, len(std), len(list))
		}
		for i, a := range list.Addresses() {
			if local, _, _ := strings.Cut(std[i].Address, "@"); local != a.Path.Local() {
				t.Fatalf("%q: net/mail reads %q, we %q", in, std[i].Address, a.Path)
			}
		}
	})
}
