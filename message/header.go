package message

import (
	"encoding/base64"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// Header fields on their way out. A value is a list of chunks, each of which must
// stay on one line; the writer breaks lines between chunks and nowhere else. So
// what may not be broken (an encoded-word, an angle address, a parameter) is one
// chunk from its birth.

// HeaderField is one field of a header section. In Value, line breaks of folding
// are absent.
type HeaderField struct {
	Name  string
	Value string
}

// String returns the field on one line, without a line end.
func (f HeaderField) String() string { return f.Name + ": " + f.Value }

// field is a header field before folding.
type field struct {
	name   string
	chunks []chunk
}

// chunk is a piece of a value. Every chunk but the first begins with the white
// space before which the line may be broken.
type chunk struct {
	text string
	word bool // an encoded-word: its line has 76 octets at most (RFC 2047 §2)
}

// appendTo appends the field in lines of at most limit octets where its chunks
// allow, and never over MaxLine.
func (f *field) appendTo(dst []byte, limit int) ([]byte, error) {
	dst = append(append(dst, f.name...), ':')
	line := len(f.name) + 1 // octets on the current line
	words := false          // the line has an encoded-word
	for i, c := range f.chunks {
		text := c.text
		if i == 0 {
			text = " " + text
		}
		room := limit
		if i == 0 { // some readers take a line end behind the name for a part of the value
			room = max(room, defaultHeaderLength-2)
		}
		if c.word || words {
			room = min(room, maxWordLine)
		}
		// The first chunk goes to a line of its own only if it fits there, and white
		// space never: it would be taken for the end of the section (RFC 5322 §3.2.2).
		if line+len(text) > room && (i > 0 || len(text) <= room || line+len(text) > MaxLine) && strings.Trim(text, " \t") != "" {
			dst = append(dst, "\r\n"...)
			line, words = 0, false
		}
		dst = append(dst, text...)
		line += len(text)
		words = words || c.word
		if line > MaxLine {
			return nil, &HeaderError{
				Field: clipAt(f.name, 0), Offset: -1,
				Rule: "over 998 octets without a place to fold (RFC 5322 §2.1.1)",
			}
		}
	}
	return append(dst, "\r\n"...), nil
}

// style says how header text is written.
type style struct {
	words *charset // the charset of encoded-words; nil: text goes out as it is
	raw   charset  // the code page that text goes out in as it is
	limit int      // octets of a line, without its line end
}

// unstructured makes a field of free text (RFC 5322 §2.2.1).
func (st *style) unstructured(name, value string) (field, error) {
	value, err := st.text(name, value)
	if err != nil {
		return field{}, err
	}
	if st.words != nil && wantsWords(value) {
		chunks, err := st.encodedWords(name, value, min(maxWordLine, st.limit)-len(name)-2)
		return field{name, chunks}, err
	}
	return field{name, splitWords(value, false)}, st.sendable(name, value)
}

// verbatim makes a field of a value with a syntax of its own: it is folded outside
// of quotes and angle brackets. It is not brought into a normal form: that turns
// U+037E into a semicolon.
func (st *style) verbatim(name, value string) (field, error) {
	if err := checkLength(name, value); err != nil {
		return field{}, err
	}
	if st.words != nil && !isASCII(value) {
		chunks, err := st.encodedWords(name, value, min(maxWordLine, st.limit)-len(name)-2)
		return field{name, chunks}, err
	}
	return field{name, splitWords(value, true)}, st.sendable(name, value)
}

// addresses makes a field of an address list, folded between addresses and around
// names.
func (st *style) addresses(name string, list AddressList) (field, error) {
	f := field{name: name}
	add := func(chunks []chunk) {
		if len(f.chunks) > 0 {
			chunks[0].text = " " + chunks[0].text
		}
		f.chunks = append(f.chunks, chunks...)
	}
	suffix := func(s string) { f.chunks[len(f.chunks)-1].text += s }
	if err := list.check(name); err != nil {
		return field{}, err
	}
	for i, e := range list {
		if i > 0 {
			suffix(",")
		}
		switch e := e.(type) {
		case Address:
			chunks, err := st.address(name, e)
			if err != nil {
				return field{}, err
			}
			add(chunks)
		case Group:
			if e.Name == "" {
				return field{}, &HeaderError{Field: name, Offset: -1, Rule: "group without name (RFC 5322 §3.4)"}
			}
			chunks, err := st.phrase(name, e.Name)
			if err != nil {
				return field{}, err
			}
			add(chunks)
			suffix(":")
			for j, a := range e.Members {
				if j > 0 {
					suffix(",")
				}
				if chunks, err = st.address(name, a); err != nil {
					return field{}, err
				}
				add(chunks)
			}
			suffix(";")
		}
	}
	return f, nil
}

// address writes one mailbox.
func (st *style) address(name string, a Address) ([]chunk, error) {
	if a.Path.Domain() == "" {
		return nil, &HeaderError{
			Field: name, Offset: 0, Value: a.Path.String(),
			Rule: "a mailbox in the header needs a domain (RFC 5322 §3.4.1)",
		}
	}
	if a.Name == "" {
		return []chunk{{text: a.Path.String()}}, nil
	}
	chunks, err := st.phrase(name, a.Name)
	return append(chunks, chunk{text: " <" + a.Path.String() + ">"}), err
}

// phrase writes a display name (RFC 5322 §3.2.5, RFC 2047 §5 (3)).
func (st *style) phrase(name, phrase string) ([]chunk, error) {
	phrase, err := st.text(name, phrase)
	if err != nil {
		return nil, err
	}
	if st.words != nil && wantsWords(phrase) {
		return st.encodedWords(name, phrase, maxWord)
	}
	return splitWords(writePhrase(phrase), false), st.sendable(name, phrase)
}

// text checks a value and brings it into normal form C (RFC 6532 §3.1).
func (st *style) text(name, value string) (string, error) {
	if err := checkLength(name, value); err != nil {
		return "", err
	}
	return norm.NFC.String(value), nil
}

// checkLength is checkValue with a limit.
func checkLength(name, value string) error {
	if len(value) > maxValue {
		return &HeaderError{Field: clipAt(name, 0), Offset: maxValue, Value: clipAt(value, maxValue), Rule: "over 65536 octets"}
	}
	return checkValue(name, value)
}

// sendable refuses what goes out as it is and should not: text beyond ASCII in
// another code page than UTF-8.
func (st *style) sendable(name, value string) error {
	if st.raw.name == utf8Charset.name || isASCII(value) {
		return nil
	}
	return &HeaderError{
		Field: name, Offset: -1,
		Rule: "text beyond ASCII goes into a header section in UTF-8 or in encoded-words only (RFC 6532 §3.1, RFC 2047)",
	}
}

// encodedWords writes value as encoded-words of whole characters, the first with
// at most room octets if that is a sensible size (RFC 2047 §2 and §5).
func (st *style) encodedWords(name, value string, room int) ([]chunk, error) {
	octets, err := st.words.encode(value)
	if err != nil {
		return nil, &HeaderError{Field: name, Offset: -1, Rule: "cannot be encoded (RFC 2047 §5)", Err: err}
	}
	q := quotedLen(octets) <= 2*len(octets) // most of it is readable: RFC 2047 §4
	open, size := "=?"+st.words.name+"?B?", base64.StdEncoding.EncodedLen
	if q {
		open = "=?" + st.words.name + "?Q?"
	}
	full := min(maxWord, max(st.limit-1, minWord))
	if room < minFirstWord || room > full {
		room = full
	}
	var chunks []chunk
	write := func(octets string) {
		var b strings.Builder
		if len(chunks) > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(open)
		if q {
			writeQuoted(&b, octets)
		} else {
			b.WriteString(base64.StdEncoding.EncodeToString([]byte(octets)))
		}
		b.WriteString("?=")
		chunks = append(chunks, chunk{text: b.String(), word: true})
		room = full
	}
	start := 0
	octets = ""
	for i, r := range value {
		next, err := st.words.encode(value[start : i+utf8.RuneLen(r)])
		if err != nil { // not on its own, though the whole could be
			return nil, &HeaderError{Field: name, Offset: i, Value: clipAt(value, i), Rule: "cannot be encoded (RFC 2047 §5)", Err: err}
		}
		n := size(len(next))
		if q {
			n = quotedLen(next)
		}
		if octets != "" && len(open)+n+2 > room {
			write(octets)
			start = i
			if next, err = st.words.encode(string(r)); err != nil {
				return nil, &HeaderError{Field: name, Offset: i, Value: clipAt(value, i), Rule: "cannot be encoded (RFC 2047 §5)", Err: err}
			}
		}
		octets = next
	}
	write(octets)
	return chunks, nil
}

// wantsWords reports whether a text would not survive as it is: it is beyond
// ASCII, looks like encoded-words, has space at its borders, or has a word too long
// for a line.
func wantsWords(s string) bool {
	if !isASCII(s) || strings.Contains(s, "=?") || s != strings.Trim(s, " \t") {
		return true
	}
	for _, c := range splitWords(s, false) {
		if len(c.text) > maxPlainWord {
			return true
		}
	}
	return false
}

// splitWords cuts s before each run of white space that has something else behind
// it; with protect, not between quotes or angle brackets.
func splitWords(s string, protect bool) []chunk {
	var chunks []chunk
	last := len(strings.TrimRight(s, " \t")) // behind it is white space only
	start := 0
	quoted, angle := false, false
	for i := 0; i < last; i++ {
		switch c := s[i]; {
		case c == '\\' && quoted:
			i++
		case c == '"' && protect:
			quoted = !quoted
		case c == '<' && protect && !quoted:
			angle = true
		case c == '>' && protect && !quoted:
			angle = false
		case (c == ' ' || c == '\t') && !quoted && !angle && i > 0 && s[i-1] != ' ' && s[i-1] != '\t' && start < i:
			chunks = append(chunks, plain(s[start:i]))
			start = i
		}
	}
	if start < len(s) {
		chunks = append(chunks, plain(s[start:]))
	}
	return chunks
}

// plain is a chunk of text given by the caller, which may be an encoded-word.
func plain(text string) chunk { return chunk{text: text, word: strings.Contains(text, "=?")} }

// checkValue refuses what may stand in no value: control characters, the tab
// excepted, and what is not UTF-8.
func checkValue(name, value string) error {
	for i, r := range value {
		rule := ""
		switch {
		case isControl(r):
			rule = "no control characters: they end lines or forge fields (RFC 5322 §2.2)"
		case r == utf8.RuneError && !strings.HasPrefix(value[i:], "\uFFFD"):
			rule = "not UTF-8 (RFC 6532 §3.1)"
		default:
			continue
		}
		return &HeaderError{Field: clipAt(name, 0), Offset: i, Value: clipAt(value, i), Rule: rule}
	}
	return nil
}

// checkName refuses what is no field name (RFC 5322 §2.2).
func checkName(name string) error {
	if name == "" || len(name) > maxName {
		return &HeaderError{Field: clipAt(name, 0), Offset: -1, Rule: "want a field name of 1 to 76 octets (RFC 5322 §2.2)"}
	}
	for i := 0; i < len(name); i++ {
		if name[i] <= ' ' || name[i] > '~' || name[i] == ':' {
			return &HeaderError{
				Field: name, Offset: i, Value: name,
				Rule: "want printable ASCII without space and colon in a field name (RFC 5322 §2.2)",
			}
		}
	}
	return nil
}

// quotedLen is the length of s in the Q encoding of phrases (RFC 2047 §5 (3)).
func quotedLen(s string) int {
	n := 0
	for i := 0; i < len(s); i++ {
		if n++; s[i] != ' ' && !isQuotedSafe(s[i]) {
			n += 2
		}
	}
	return n
}

func writeQuoted(b *strings.Builder, s string) {
	const hex = "0123456789ABCDEF"
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == ' ':
			b.WriteByte('_')
		case isQuotedSafe(c):
			b.WriteByte(c)
		default:
			b.WriteByte('=')
			b.WriteByte(hex[c>>4])
			b.WriteByte(hex[c&15])
		}
	}
}

func isQuotedSafe(c byte) bool {
	return isLetDig(c) || c == '!' || c == '*' || c == '+' || c == '-' || c == '/'
}

const (
	maxValue     = 64 << 10 // octets of a single value
	maxName      = 76       // octets of a field name, so that every first line can be short
	maxWord      = 75       // RFC 2047 §2
	maxWordLine  = 76       // RFC 2047 §2
	minWord      = 40       // octets of an encoded-word, however short the lines
	minFirstWord = 24       // a first encoded-word smaller than that goes to the next line
	maxPlainWord = 800      // a longer word is encoded where that is allowed, to be broken
)
