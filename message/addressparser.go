package message

import (
	"mime"
	"strings"
	"unicode"
	"unicode/utf8"
)

// ParseAddressList parses the value of a header field such as To (RFC 5322 §3.4),
// folded or not, obsolete forms included (RFC 5322 §4.4). Names are decoded for
// showing: quotes and escapes are gone, encoded-words (RFC 2047) are decoded, a
// comment behind a mailbox without name is its name. Routes are dropped, groups
// and their names are kept. A list without any entry is empty, and no error.
//
// A word that decodes to control characters is left encoded. Errors are
// *AddressError.
func ParseAddressList(s string) (AddressList, error) { return parseList(s, "") }

// parseList is ParseAddressList for a place where a local part alone is of the domain home.
func parseList(s, home string) (AddressList, error) {
	p := listParser{in: s, home: home}
	if len(s) > maxList {
		return nil, p.fail(maxList, "over 1 MiB")
	}
	var list AddressList
	for {
		p.skip()
		switch {
		case p.err != nil:
			return nil, p.err
		case p.pos == len(s):
			return list, nil
		case s[p.pos] == ',': // an empty element: RFC 5322 §4.4
			p.pos++
			continue
		}
		entry := p.entry()
		if p.err == nil && p.pos < len(s) && s[p.pos] != ',' {
			p.stop(p.pos, "want a comma between addresses (RFC 5322 §3.4)")
		}
		if p.err != nil {
			return nil, p.err
		}
		list = append(list, entry)
	}
}

// ParseAddress parses a single mailbox with or without a display name.
func ParseAddress(s string) (Address, error) {
	list, err := ParseAddressList(s)
	if err != nil {
		return Address{}, err
	}
	if len(list) == 1 {
		if a, ok := list[0].(Address); ok {
			return a, nil
		}
	}
	p := listParser{in: s}
	return Address{}, p.fail(len(s), "want one mailbox (RFC 5322 §3.4)")
}

// listParser walks in; the first error sticks.
type listParser struct {
	in      string
	home    string // the domain of a local part alone; "": it must be postmaster
	pos     int
	comment string // the last comment skipped, for mailboxes without name
	err     error
}

// word is a piece of a phrase or local part.
type word struct {
	text   string
	at     int  // where it starts
	quoted bool // a quoted string: never decoded, never a dot
}

func (p *listParser) fail(offset int, rule string) *AddressError {
	return &AddressError{What: "address list", Input: clipAt(p.in, offset), Offset: offset, Rule: rule}
}

func (p *listParser) stop(offset int, rule string) {
	if p.err == nil {
		p.err = p.fail(offset, rule)
	}
}

// peek returns the octet at pos, 0 at the end.
func (p *listParser) peek() byte {
	if p.err != nil || p.pos == len(p.in) {
		return 0
	}
	return p.in[p.pos]
}

// entry reads a mailbox or group and the space behind it.
func (p *listParser) entry() Entry {
	p.comment = ""
	words := p.words()
	if p.peek() != ':' {
		return p.mailbox(words)
	}
	g := Group{Name: p.name(words)}
	if g.Name == "" {
		p.stop(p.pos, "group without name (RFC 5322 §3.4)")
	}
	p.pos++
	for p.err == nil {
		p.skip()
		switch p.peek() {
		case ',':
			p.pos++
			continue
		case ';':
			p.pos++
			p.skip()
			return g
		case 0:
			p.stop(p.pos, "group without ; (RFC 5322 §3.4)")
			continue
		}
		p.comment = ""
		g.Members = append(g.Members, p.mailbox(p.words()))
		if c := p.peek(); c != ',' && c != ';' {
			p.stop(p.pos, "want , or ; behind a group's member (RFC 5322 §3.4)")
		}
	}
	return g
}

// mailbox reads the rest of a mailbox that begins with words.
func (p *listParser) mailbox(words []word) Address {
	if p.peek() != '<' {
		path := p.addrSpec(words, ",;")
		return Address{Name: p.comment, Path: path}
	}
	a := Address{Name: p.name(words)}
	p.pos++
	p.skip()
	if p.peek() == '@' || p.peek() == ',' {
		p.route()
	}
	a.Path = p.addrSpec(p.words(), ">")
	if p.peek() != '>' {
		p.stop(p.pos, "want > behind the mailbox (RFC 5322 §3.4)")
		return Address{}
	}
	p.pos++
	p.skip()
	if a.Name == "" {
		a.Name = p.comment
	}
	return a
}

// route skips an obs-route (RFC 5322 §4.4).
func (p *listParser) route() {
	for p.err == nil {
		switch p.peek() {
		case ',':
			p.pos++
		case ':':
			p.pos++
			p.skip()
			return
		case '@':
			p.pos++
			start := p.pos
			if _, err := NewPath("x", p.domain()); err != nil {
				p.stop(start, "route of something else than domains (RFC 5322 §4.4)")
			}
		default:
			p.stop(p.pos, "want @ or : in the route (RFC 5322 §4.4)")
		}
		p.skip()
	}
}

// addrSpec reads the rest of an addr-spec whose local part is words. Behind a local part
// alone one of the octets in ends must follow.
func (p *listParser) addrSpec(words []word, ends string) Path {
	start := p.pos
	var local strings.Builder
	for i, w := range words {
		if i == 0 {
			start = w.at
		}
		dotted := i == 0 || !w.quoted && w.text[0] == '.' ||
			!words[i-1].quoted && strings.HasSuffix(words[i-1].text, ".")
		if !dotted {
			p.stop(w.at, "want < before the mailbox, or a dot between words of a local part (RFC 5322 §3.4)")
		}
		local.WriteString(w.text)
	}
	if len(words) == 0 {
		p.stop(p.pos, "want a mailbox (RFC 5322 §3.4)")
	}
	if p.err != nil {
		return Path{}
	}
	domain := p.home
	switch c := p.peek(); {
	case c == '@':
		p.pos++
		if domain = p.domain(); domain == "" {
			p.stop(p.pos, "want a domain behind @ (RFC 5322 §3.4.1)")
		}
	case c != 0 && strings.IndexByte(ends, c) < 0:
		p.stop(p.pos, "want @ behind a local part (RFC 5322 §3.4.1)")
	}
	if p.err != nil {
		return Path{}
	}
	path, err := NewPath(local.String(), domain)
	if err != nil {
		rule := err.Error()
		if e, ok := err.(*AddressError); ok {
			rule = e.What + ": " + e.Rule
		}
		p.stop(start, rule)
	}
	return path
}

// words reads atoms, with dots, and quoted strings, and the space around them.
func (p *listParser) words() []word {
	var words []word
	for {
		p.skip()
		c := p.peek()
		w := word{at: p.pos}
		switch {
		case c == '"':
			w.quoted = true
			w.text = p.quotedString()
		case c == '.' || isAtext(c):
			for c == '.' || isAtext(c) {
				p.pos++
				c = p.peek()
			}
			w.text = p.in[w.at:p.pos]
			p.checkText(w.text, w.at)
		default:
			return words
		}
		words = append(words, w)
	}
}

// domain reads a domain or domain literal, without the space between its labels.
func (p *listParser) domain() string {
	p.skip()
	if p.peek() == '[' {
		start := p.pos
		n := strings.IndexByte(p.in[start:], ']')
		if n < 0 {
			p.stop(start, "domain literal without ] (RFC 5322 §3.4.1)")
			return ""
		}
		p.pos += n + 1
		literal := p.in[start:p.pos]
		p.skip()
		return literal
	}
	var b strings.Builder
	dot := true
	for {
		start := p.pos
		for c := p.peek(); c == '.' || isAtext(c); c = p.peek() {
			p.pos++
		}
		piece := p.in[start:p.pos]
		if piece == "" {
			return b.String()
		}
		p.checkText(piece, start)
		if !dot && piece[0] != '.' {
			p.stop(start, "want a dot between labels, or a comma before another address (RFC 5322 §3.4)")
			return ""
		}
		dot = piece[len(piece)-1] == '.'
		b.WriteString(piece)
		p.skip()
	}
}

// quotedString reads a quoted string and returns its content (RFC 5322 §3.2.4).
func (p *listParser) quotedString() string {
	start := p.pos
	var b strings.Builder
	for p.pos++; p.pos < len(p.in); p.pos++ {
		switch c := p.in[p.pos]; c {
		case '"':
			p.pos++
			p.checkText(b.String(), start)
			return b.String()
		case '\\':
			if p.pos+1 < len(p.in) {
				p.pos++
				b.WriteByte(p.in[p.pos])
			}
		case '\r', '\n':
			if !p.fold() {
				return ""
			}
		default:
			b.WriteByte(c)
		}
	}
	p.stop(start, "quoted string without end (RFC 5322 §3.2.4)")
	return ""
}

// skip passes white space, folds and comments (RFC 5322 §3.2.2).
func (p *listParser) skip() {
	for {
		switch p.peek() {
		case ' ', '\t':
			p.pos++
		case '\r', '\n':
			if p.fold() {
				p.pos++
			}
		case '(':
			p.skipComment()
		default:
			return
		}
	}
}

// fold checks that a line end is that of a folded line, and stops at its LF.
func (p *listParser) fold() bool {
	rest := p.in[p.pos:]
	if len(rest) > 2 && rest[0] == '\r' && rest[1] == '\n' && (rest[2] == ' ' || rest[2] == '\t') {
		p.pos++
		return true
	}
	p.stop(p.pos, "CR or LF that is no folding (RFC 5322 §2.2.3)")
	return false
}

// skipComment passes a comment and keeps its text.
func (p *listParser) skipComment() {
	start := p.pos
	var b strings.Builder
	depth := 0
	for ; p.pos < len(p.in); p.pos++ {
		c := p.in[p.pos]
		switch c {
		case '(':
			if depth++; depth > maxNesting {
				p.stop(p.pos, "comments nested too deep")
				return
			}
			if depth == 1 {
				continue
			}
		case ')':
			if depth--; depth == 0 {
				p.pos++
				p.checkText(b.String(), start)
				p.comment = decodeWords(strings.Fields(b.String()))
				return
			}
		case '\\':
			if p.pos+1 == len(p.in) {
				continue
			}
			p.pos++
			c = p.in[p.pos]
		case '\r', '\n':
			if !p.fold() {
				return
			}
			continue
		}
		b.WriteByte(c)
	}
	p.stop(start, "comment without end (RFC 5322 §3.2.2)")
}

// checkText refuses controls and what is not UTF-8 in text read from at on.
func (p *listParser) checkText(text string, at int) {
	for i, r := range text {
		switch {
		case isControl(r):
			p.stop(at, "no control characters (RFC 5322 §3.2.1)")
		case r == utf8.RuneError && !strings.HasPrefix(text[i:], "\uFFFD"):
			p.stop(at, "not UTF-8 (RFC 6532 §3.1)")
		default:
			continue
		}
		return
	}
}

// name makes a display name of the words of a phrase.
func (p *listParser) name(words []word) string {
	var b strings.Builder
	for i := 0; i < len(words); i++ {
		if i > 0 {
			b.WriteByte(' ')
		}
		if words[i].quoted {
			b.WriteString(words[i].text)
			continue
		}
		run := []string{words[i].text}
		for i+1 < len(words) && !words[i+1].quoted {
			i++
			run = append(run, words[i].text)
		}
		b.WriteString(decodeWords(run))
	}
	return b.String()
}

// decodeWords joins words by spaces, decoding encoded-words; between two of those
// there is no space (RFC 2047 §6.2).
func decodeWords(words []string) string {
	var b strings.Builder
	encoded := false
	for i, w := range words {
		text, ok := decodeWord(w)
		if i > 0 && (!ok || !encoded) {
			b.WriteByte(' ')
		}
		b.WriteString(text)
		encoded = ok
	}
	return b.String()
}

// decodeWord decodes an encoded-word; other words are returned as they are.
func decodeWord(w string) (string, bool) {
	if !strings.HasPrefix(w, "=?") || len(w) > maxWordInput {
		return w, false
	}
	text, err := wordDecoder.Decode(w)
	if err != nil || !utf8.ValidString(text) || strings.IndexFunc(text, isControl) >= 0 {
		return w, false
	}
	return text, true
}

// isControl reports whether r may not stand in a name: all controls but the tab,
// and the line ends of Unicode.
func isControl(r rune) bool {
	return r != '\t' && unicode.IsControl(r) || r == '\u2028' || r == '\u2029'
}

var wordDecoder = mime.WordDecoder{CharsetReader: charsetReader}

const (
	maxList      = 1 << 20
	maxNesting   = 32
	maxWordInput = 1000 // RFC 2047 §2 says 75; what is a little over is decoded too
)
