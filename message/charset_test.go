package message_test

import (
	"errors"
	"io"
	"strings"
	"testing"

	"golang.org/x/text/encoding/ianaindex"

	"github.com/parley-mail/parley/message"
)

// charsetReader decodes any charset that x/text has.
func charsetReader(name string, r io.Reader) (io.Reader, error) {
	enc, err := ianaindex.MIME.Encoding(name)
	if err != nil {
		return nil, err
	}
	return enc.NewDecoder().Reader(r), nil
}

func TestCodePages(t *testing.T) {
	for page, tt := range map[int]struct{ charset, text, octets string }{
		0:     {"UTF-8", "ü€", "ü€"},
		65001: {"UTF-8", "ü€", "ü€"},
		1252:  {"windows-1252", "ü€", "\xFC\x80"},
		28591: {"ISO-8859-1", "ü", "\xFC"},
		28605: {"ISO-8859-15", "€", "\xA4"},
		1251:  {"windows-1251", "Привет", "\xCF\xF0\xE8\xE2\xE5\xF2"},
		20866: {"KOI8-R", "Привет", "\xF0\xD2\xC9\xD7\xC5\xD4"},
		437:   {"IBM437", "ü", "\x81"},
		932:   {"Shift_JIS", "日本", "\x93\xFA\x96\x7B"},
		50220: {"ISO-2022-JP", "日本", "\x1B$BF|K\\\x1B(B"},
		54936: {"GB18030", "😀", "\x94\x39\xFC\x36"},
		949:   {"EUC-KR", "한", "\xC7\xD1"},
		950:   {"Big5", "中", "\xA4\xA4"},
		20127: {"US-ASCII", "plain", "plain"},
	} {
		m := base()
		m.CodePage, m.Text, m.Encoding = page, tt.text, message.EightBit
		_, body, _ := strings.Cut(written(t, &m), "\r\n\r\n")
		if got := value(t, written(t, &m), "Content-Type"); got != "text/plain; charset="+tt.charset || body != tt.octets+"\r\n" {
			t.Errorf("%d: %q, body %q", page, got, body)
		}
	}
}

func TestUnencodable(t *testing.T) {
	for _, page := range []int{1252, 28591, 20127, 437, 932, 50220} {
		m := base()
		m.CodePage, m.Text = page, "fine \u0950 not"
		_, err := m.Content()
		var ce *message.CharsetError
		if !errors.As(err, &ce) || ce.Rune != '\u0950' || !strings.Contains(err.Error(), `'\u0950'`) {
			t.Errorf("%d: %v", page, err)
		}
	}
	for _, page := range []int{1, 1200, 1201, 12000, 37, 500, 65000, 52936, -1} {
		m := base()
		m.CodePage = page
		_, err := m.Content()
		var pe *message.CodePageError
		if !errors.As(err, &pe) || pe.CodePage != page || pe.Error() == "" {
			t.Errorf("%d: %v", page, err)
		}
	}
	for _, charset := range []string{"nonsense", "UTF-16", "UTF-16LE", "\r\nX: y", strings.Repeat("x", 64<<10), "IBM037"} {
		m := base()
		m.Charset = charset
		_, err := m.Content()
		var ce *message.CharsetError
		if !errors.As(err, &ce) || ce.Rune != -1 || strings.ContainsAny(err.Error(), "\r\n") || len(err.Error()) > 400 {
			t.Errorf("%.40q: %v", charset, err)
		}
	}
	m := base()
	m.Text = "a\xFFb"
	if _, err := m.Content(); !errors.Is(err, message.FaultSource) {
		t.Errorf("not UTF-8: %v", err)
	}
}

func TestCharsetNames(t *testing.T) {
	for in, want := range map[string]string{
		"utf8": "=?UTF-8?Q?m=C3=BCde_and_more?=", "latin1": "=?ISO-8859-1?Q?m=FCde_and_more?=", "windows-1252": "=?windows-1252?Q?m=FCde_and_more?=",
		"iso-8859-15": "=?ISO-8859-15?Q?m=FCde_and_more?=",
	} {
		m := base()
		m.Charset, m.Subject = in, "müde and more"
		if got := value(t, written(t, &m), "Subject"); got != want {
			t.Errorf("%q: %q", in, got)
		}
	}
	m := base()
	m.Charset, m.Subject = "us-ascii", "ü"
	_, err := m.Content()
	checkHeaderError(t, "us-ascii", err, "Subject")
	var ce *message.CharsetError
	if !errors.As(err, &ce) || ce.Rune != 'ü' {
		t.Errorf("cause of %v is %v", err, ce)
	}
}

// inCharset returns the octets of s.
func inCharset(name, s string) string {
	enc, err := ianaindex.MIME.Encoding(name)
	if err != nil {
		panic(err)
	}
	if name == "utf-8" {
		return s
	}
	out, err := enc.NewEncoder().String(s)
	if err != nil {
		panic(err)
	}
	return out
}
