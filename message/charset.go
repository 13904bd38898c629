package message

import (
	"errors"
	"io"
	"strconv"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/ianaindex"
	"golang.org/x/text/encoding/japanese"
	"golang.org/x/text/encoding/korean"
	"golang.org/x/text/encoding/simplifiedchinese"
	"golang.org/x/text/encoding/traditionalchinese"
)

// Which octets a Go string becomes. Two names lead to an encoding: a Windows code
// page number, and a charset name of IANA. Encoding is strict: a rune that the
// charset lacks is an error, never a "?".

// charset is an encoding with its MIME name.
type charset struct {
	name string            // preferred MIME name, as in Content-Type
	enc  encoding.Encoding // nil: UTF-8 or US-ASCII, by the name
}

var (
	utf8Charset  = charset{name: "UTF-8"}
	asciiCharset = charset{name: "US-ASCII"} // x/text has none
)

// CodePageError says that there is no such code page here.
type CodePageError struct{ CodePage int }

// Error returns one line.
func (e *CodePageError) Error() string {
	return "message: code page " + strconv.Itoa(e.CodePage) + ": not known, or not usable in mail text"
}

// CharsetError says that there is no such charset here, or that it cannot express
// a text.
type CharsetError struct {
	Charset string // its name
	Rune    rune   // the first rune it lacks; -1 if the charset itself is unknown
}

// Error returns one printable line.
func (e *CharsetError) Error() string {
	s := "message: charset " + strconv.QuoteToASCII(clipAt(e.Charset, 0))
	if e.Rune < 0 {
		return s + ": not known, or not usable in mail text"
	}
	return s + ": has no " + strconv.QuoteRuneToASCII(e.Rune)
}

// codePage finds a charset by its Windows code page number; 0 is UTF-8.
func codePage(number int) (charset, error) {
	if number == 0 || number == 65001 {
		return utf8Charset, nil
	}
	if c, ok := codePages[number]; ok {
		return c, nil
	}
	return charset{}, &CodePageError{CodePage: number}
}

// charsetByName finds a charset by its IANA name or one of its aliases.
func charsetByName(name string) (charset, error) {
	if strings.EqualFold(name, "UTF-8") || strings.EqualFold(name, "UTF8") {
		return utf8Charset, nil
	}
	if strings.EqualFold(name, "US-ASCII") {
		return asciiCharset, nil
	}
	enc, err := ianaindex.MIME.Encoding(name)
	if err != nil || enc == nil {
		return charset{}, &CharsetError{Charset: name, Rune: -1}
	}
	// What does not write ASCII as ASCII can be in no header and no text part
	// (RFC 2045 §6.2).
	const probe = "Az=?~"
	if out, err := enc.NewEncoder().String(probe); err != nil || out != probe {
		return charset{}, &CharsetError{Charset: name, Rune: -1}
	}
	if preferred, err := ianaindex.MIME.Name(enc); err == nil {
		name = preferred
	}
	return charset{name: name, enc: enc}, nil
}

// encode returns the octets of s.
func (c charset) encode(s string) (string, error) {
	if isASCII(s) {
		return s, nil
	}
	switch {
	case !utf8.ValidString(s):
		return "", errNotUTF8
	case c == utf8Charset:
		return s, nil
	case c.enc != nil:
		if out, err := c.enc.NewEncoder().String(s); err == nil {
			return out, nil
		}
	}
	for _, r := range s {
		if r >= utf8.RuneSelf && (c.enc == nil || !canEncode(c.enc, r)) {
			return "", &CharsetError{Charset: c.name, Rune: r}
		}
	}
	return "", &CharsetError{Charset: c.name, Rune: utf8.RuneError}
}

func canEncode(enc encoding.Encoding, r rune) bool {
	_, err := enc.NewEncoder().String(string(r))
	return err == nil
}

// charsetReader decodes encoded-words beyond UTF-8, ISO-8859-1 and US-ASCII.
func charsetReader(name string, r io.Reader) (io.Reader, error) {
	enc, err := ianaindex.MIME.Encoding(name)
	if err != nil || enc == nil {
		return nil, &CharsetError{Charset: name, Rune: -1}
	}
	return enc.NewDecoder().Reader(r), nil
}

var errNotUTF8 = errors.New("message: text is not UTF-8")

// codePages are the code pages whose encodings are here and that write ASCII as
// ASCII, so that they can be in a text part. Left out for that reason: the UTF-16
// and UTF-32 pages, the EBCDIC ones and HZ.
var codePages = map[int]charset{
	437:   {"IBM437", charmap.CodePage437},
	850:   {"IBM850", charmap.CodePage850},
	852:   {"IBM852", charmap.CodePage852},
	855:   {"IBM855", charmap.CodePage855},
	858:   {"IBM00858", charmap.CodePage858},
	860:   {"IBM860", charmap.CodePage860},
	862:   {"IBM862", charmap.CodePage862},
	863:   {"IBM863", charmap.CodePage863},
	865:   {"IBM865", charmap.CodePage865},
	866:   {"IBM866", charmap.CodePage866},
	874:   {"windows-874", charmap.Windows874},
	932:   {"Shift_JIS", japanese.ShiftJIS},
	936:   {"GBK", simplifiedchinese.GBK},
	949:   {"EUC-KR", korean.EUCKR},
	950:   {"Big5", traditionalchinese.Big5},
	1250:  {"windows-1250", charmap.Windows1250},
	1251:  {"windows-1251", charmap.Windows1251},
	1252:  {"windows-1252", charmap.Windows1252},
	1253:  {"windows-1253", charmap.Windows1253},
	1254:  {"windows-1254", charmap.Windows1254},
	1255:  {"windows-1255", charmap.Windows1255},
	1256:  {"windows-1256", charmap.Windows1256},
	1257:  {"windows-1257", charmap.Windows1257},
	1258:  {"windows-1258", charmap.Windows1258},
	10000: {"macintosh", charmap.Macintosh},
	10007: {"x-mac-cyrillic", charmap.MacintoshCyrillic},
	20127: asciiCharset,
	20866: {"KOI8-R", charmap.KOI8R},
	20932: {"EUC-JP", japanese.EUCJP},
	21866: {"KOI8-U", charmap.KOI8U},
	28591: {"ISO-8859-1", charmap.ISO8859_1},
	28592: {"ISO-8859-2", charmap.ISO8859_2},
	28593: {"ISO-8859-3", charmap.ISO8859_3},
	28594: {"ISO-8859-4", charmap.ISO8859_4},
	28595: {"ISO-8859-5", charmap.ISO8859_5},
	28596: {"ISO-8859-6", charmap.ISO8859_6},
	28597: {"ISO-8859-7", charmap.ISO8859_7},
	28598: {"ISO-8859-8", charmap.ISO8859_8},
	28599: {"ISO-8859-9", charmap.ISO8859_9},
	28603: {"ISO-8859-13", charmap.ISO8859_13},
	28605: {"ISO-8859-15", charmap.ISO8859_15},
	50220: {"ISO-2022-JP", japanese.ISO2022JP},
	50221: {"ISO-2022-JP", japanese.ISO2022JP},
	50222: {"ISO-2022-JP", japanese.ISO2022JP},
	51932: {"EUC-JP", japanese.EUCJP},
	51949: {"EUC-KR", korean.EUCKR},
	54936: {"GB18030", simplifiedchinese.GB18030},
}
