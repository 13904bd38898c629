package codec_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/parley-mail/parley/codec"
)

// decodeReply returns the first reply of a stream.
func decodeReply(t testing.TB, stream string) *codec.Reply {
	t.Helper()
	var d codec.Decoder
	d.Feed([]byte(stream))
	r, err := d.Next()
	if r == nil || err != nil {
		t.Fatalf("%q: %v, %v", stream, r, err)
	}
	return r
}

func TestReplyText(t *testing.T) {
	tests := []struct{ name, stream, text, enhanced, line string }{
		{"O-D12", "550-5.7.1 [192.0.2.1      12] Our system\r\n550-5.7.1 has detected\r\n550 5.7.1 x - gsmtp\r\n", "[192.0.2.1      12] Our system\nhas detected\nx - gsmtp", "5.7.1", "550 5.7.1 [192.0.2.1      12] Our system / has detected / x - gsmtp"},
		{"O-M41", "550-first\r\n550 5.7.1 last\r\n", "first\nlast", "5.7.1", "550 5.7.1 first / last"},
		{"two codes", "550-5.1.1 a\r\n550 5.7.1 b\r\n", "a\nb", "5.1.1", "550 5.1.1 a / b"},
		{"class differs on the first line", "550-4.2.2 a\r\n550 5.7.1 b\r\n", "4.2.2 a\nb", "5.7.1", "550 5.7.1 4.2.2 a / b"},
		{"code alone", "250 2.0.0\r\n", "", "2.0.0", "250 2.0.0"},
		{"no text", "354\r\n", "", "", "354"},
		{"raw octets", "550 \x80\xff \x1b[31m\tx\r\n", "\x80\xff \x1b[31m\tx", "", `550 \x80\xff \x1b[31m\tx`},
		{"bidirectional override", "550 a\u202eb\r\n", "a\u202eb", "", `550 a\xe2\x80\xaeb`},
		{"long", "550 " + strings.Repeat("x", 600) + "\r\n", strings.Repeat("x", 600), "", "550 " + strings.Repeat("x", 508) + "..."},
	}
	for _, test := range tests {
		r := decodeReply(t, test.stream)
		if r.Text() != test.text || r.Enhanced.String() != test.enhanced || r.String() != test.line {
			t.Errorf("%s:\ntext %q\nenhanced %q\nline %q", test.name, r.Text(), r.Enhanced, r.String())
		}
	}
}

func TestReplyClasses(t *testing.T) {
	for code, want := range map[int]string{250: "2", 354: "3", 421: "4", 550: "5", 0: ""} {
		r := codec.Reply{Code: code}
		got := ""
		for class, is := range map[string]bool{"2": r.Positive(), "3": r.Intermediate(), "4": r.Temporary(), "5": r.Permanent()} {
			if is {
				got += class
			}
		}
		if got != want {
			t.Errorf("%d: class %q", code, got)
		}
	}
}

func TestReplyClone(t *testing.T) {
	var d codec.Decoder
	d.Feed([]byte("250-a\r\n250 bc\r\n250 xxxxxxxx\r\n"))
	r, err := d.Next()
	if err != nil {
		t.Fatal(err)
	}
	c := r.Clone()
	_ = append(c.Lines[0], "overrun"...)
	if _, err := d.Next(); err != nil {
		t.Fatal(err)
	}
	d.Feed([]byte("250-yyyyyyyyyyyyyyyyyyyy\r\n"))
	if diff := cmp.Diff("a\nbc", c.Text()); diff != "" {
		t.Error(diff)
	}
	if c := (codec.Reply{}).Clone(); c.Lines != nil || c.Code != 0 || c.String() != "000" {
		t.Errorf("zero: %v", c)
	}
}

// A reply's lines cannot be grown into each other.
func TestReplyLinesAreClosed(t *testing.T) {
	r := decodeReply(t, "250-a\r\n250 b\r\n")
	_ = append(r.Lines[0], "overrun"...)
	if r.Text() != "a\nb" {
		t.Errorf("%q", r.Text())
	}
}

func TestParseEnhanced(t *testing.T) {
	tests := []struct{ text, code, rest string }{
		{"5.1.1 no", "5.1.1", "no"},
		{"2.0.0", "2.0.0", ""},
		{"5.7.9  two", "5.7.9", "two"},
		{"4.3.2\ttab", "4.3.2", "tab"},
		{"5.2.122 x", "5.2.122", "x"},
		{"5.999.999", "5.999.999", ""},
		{"5.001.010 x", "5.1.10", "x"},
		{"5.7.1-3", "", "5.7.1-3"},
		{"5.7.1: x", "", "5.7.1: x"},
		{"5.7", "", "5.7"},
		{"5.7.", "", "5.7."},
		{"5..1 x", "", "5..1 x"},
		{"5.7. x", "", "5.7. x"},
		{"5.1000.1", "", "5.1000.1"},
		{"5.1.1000", "", "5.1.1000"},
		{"5.x.1 text", "", "5.x.1 text"},
		{"5.1.x text", "", "5.1.x text"},
		{"5.1-1 text", "", "5.1-1 text"},
		{"5.1.1-text", "", "5.1.1-text"},
		{"3.1.1 x", "", "3.1.1 x"},
		{"55.1.1", "", "55.1.1"},
		{" 5.1.1", "", " 5.1.1"},
		{"(#5.1.1)", "", "(#5.1.1)"},
		{"5.1.1\r", "", "5.1.1\r"},
		{"", "", ""},
	}
	for _, test := range tests {
		e, rest := codec.ParseEnhanced([]byte(test.text))
		if e.String() != test.code || string(rest) != test.rest || e.IsZero() != (test.code == "") {
			t.Errorf("%q: %q, rest %q", test.text, e, rest)
		}
	}
}

func TestAnomalies(t *testing.T) {
	s := codec.Anomalies(0).Add(codec.StrayLine).Add(codec.BareLF)
	if got := slices.Collect(s.All()); !slices.Equal(got, []codec.Anomaly{codec.BareLF, codec.StrayLine}) {
		t.Errorf("%v", got)
	}
	for a := range s.All() { // stops when told to
		if a != codec.BareLF {
			t.Errorf("%v", a)
		}
		break
	}
	if !s.Has(codec.BareLF) || s.Has(codec.BareCR) || s.String() != "bare-lf,stray-line" || codec.Anomalies(0).String() != "" {
		t.Errorf("%v", s)
	}
	seen := map[string]bool{}
	for a := codec.NoAnomaly; a <= codec.OddSuccess; a++ {
		if name := a.String(); name == "" || seen[name] {
			t.Errorf("anomaly %d has no name of its own: %q", a, name)
		}
		seen[a.String()] = true
	}
	if got := codec.Anomaly(200).String(); got != "anomaly(200)" {
		t.Error(got)
	}
}
