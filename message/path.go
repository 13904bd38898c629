package message

import (
	"net/netip"
	"strings"
	"unicode/utf8"

	"golang.org/x/net/idna"
)

// A mailbox is parsed once, into a Path, and everything that reaches the wire is
// written from that. This file knows the grammar of RFC 5321 §4.1.2 with the
// additions of RFC 6531 §3.3. It refuses to know header syntax (address.go):
// there are no comments, display names or folding here.

// Path is a reverse-path or forward-path (RFC 5321 §4.1.2): a mailbox in
// canonical form, without its angle brackets. Paths are values: == compares them,
// and two paths that are equal are written the same. The domain is in lower case,
// the local part is as the caller gave it (RFC 5321 §2.4).
//
// The zero Path is the null path, written <>.
type Path struct {
	text string // canonical; "" for the null path
	at   int32  // index of the @ between local part and domain; len(text) if there is no domain
	utf8 bool   // text has characters beyond ASCII
}

func newPath(text string, at int) Path { return Path{text, int32(at), !isASCII(text)} }

// The size limits of RFC 5321 §4.5.3.1, in octets.
const (
	MaxLocalPart = 64
	MaxDomain    = 255
	MaxPath      = 256 // with the angle brackets
)

// ParsePath parses a mailbox, with or without angle brackets. "" and "<>" are
// the null path, "postmaster" in any case needs no domain (RFC 5321 §4.5.1). A
// source route is checked and dropped (RFC 5321 appendix C).
//
// A local part that lacks the quotes it needs because of spaces or of the
// position of its dots is accepted, and quoted (RFC 5321 §4.1.2 leaves quoting to
// the sender). Any other character outside the grammar is an error; no character
// is ever mapped to another one in a local part.
//
// A domain beyond ASCII is turned into A-labels (RFC 5891), so that any server
// can take it, unless the local part is beyond ASCII too: then SMTPUTF8 is needed
// anyway, and it stays in U-labels. Errors are *AddressError.
func ParsePath(s string) (Path, error) {
	p := pathParser{in: s, end: len(s)}
	if len(s) > maxPathInput {
		return Path{}, p.fail("path", maxPathInput, "far over 256 octets (RFC 5321 §4.5.3.1.3)")
	}
	return p.path()
}

// NewPath makes a path of a local part as the mailbox owner writes it, without
// quotes and escapes, and a domain or address literal. An empty domain is good
// for the local part "postmaster" only.
func NewPath(local, domain string) (Path, error) {
	p := pathParser{in: local, end: len(local)}
	if len(local) > MaxLocalPart {
		return Path{}, p.fail("local part", MaxLocalPart, "over 64 octets (RFC 5321 §4.5.3.1.1)")
	}
	if err := p.checkLocal(local, 0); err != nil {
		return Path{}, err
	}
	if domain == "" {
		if !strings.EqualFold(local, postmaster) {
			return Path{}, p.fail("path", len(local), "no domain; only postmaster stands alone (RFC 5321 §4.1.1.3)")
		}
		return newPath(local, len(local)), nil
	}
	if len(domain) > maxPathInput {
		return Path{}, p.fail("domain", 0, "over 255 octets (RFC 5321 §4.5.3.1.2)")
	}
	d := pathParser{in: domain, end: len(domain)}
	canonical, err := d.domain(!isASCII(local))
	if err != nil {
		return Path{}, err
	}
	return d.join(local, canonical)
}

// MustParsePath is ParsePath for texts known to be good; it panics otherwise.
func MustParsePath(s string) Path {
	p, err := ParsePath(s)
	if err != nil {
		panic(err)
	}
	return p
}

// String returns the path as it stands between < and >. It holds no control
// character, and a > or space only between quotes.
func (p Path) String() string { return p.text }

// Local returns the local part without quotes and escapes.
func (p Path) Local() string {
	local := p.text[:p.at]
	if local == "" || local[0] != '"' {
		return local
	}
	local = local[1 : len(local)-1]
	if strings.IndexByte(local, '\\') < 0 {
		return local
	}
	var b strings.Builder
	for i := 0; i < len(local); i++ {
		if local[i] == '\\' {
			i++
		}
		b.WriteByte(local[i])
	}
	return b.String()
}

// Domain returns the domain or address literal in canonical form; "" for the
// null path and for postmaster alone.
func (p Path) Domain() string {
	if int(p.at) >= len(p.text) {
		return ""
	}
	return p.text[p.at+1:]
}

// IsNull reports whether p is the null path.
func (p Path) IsNull() bool { return p.text == "" }

// NeedsUTF8 reports whether the path can be sent only under SMTPUTF8
// (RFC 6531 §3.4).
func (p Path) NeedsUTF8() bool { return p.utf8 }

// pathParser walks in[pos:end].
type pathParser struct {
	in       string
	pos, end int
}

func (p *pathParser) fail(what string, offset int, rule string) *AddressError {
	return &AddressError{What: what, Input: clipAt(p.in, offset), Offset: offset, Rule: rule}
}

func (p *pathParser) path() (Path, error) {
	if strings.HasPrefix(p.in, "<") {
		p.pos = 1
		if len(p.in) < 2 || p.in[len(p.in)-1] != '>' {
			return Path{}, p.fail("path", len(p.in), "no > at the end (RFC 5321 §4.1.2)")
		}
		p.end--
	}
	if p.pos == p.end {
		return Path{}, nil
	}
	if p.in[p.pos] == '@' {
		if err := p.sourceRoute(); err != nil {
			return Path{}, err
		}
	}
	start := p.pos
	local, err := p.localPart()
	if err != nil {
		return Path{}, err
	}
	if p.pos == p.end {
		if start == p.end || !strings.EqualFold(p.in[start:p.end], postmaster) {
			return Path{}, p.fail("path", p.pos, "no @ and domain; only postmaster stands alone (RFC 5321 §4.1.1.3)")
		}
		return newPath(local, len(local)), nil
	}
	if len(local) > MaxLocalPart {
		return Path{}, p.fail("local part", start+MaxLocalPart, "over 64 octets (RFC 5321 §4.5.3.1.1)")
	}
	p.pos++ // the @
	domain, err := p.domain(!isASCII(local))
	if err != nil {
		return Path{}, err
	}
	return p.join(local, domain)
}

// join builds the path of a checked local part and a canonical domain.
func (p *pathParser) join(local, domain string) (Path, error) {
	if needsQuotes(local) {
		local = quoteLocal(local)
	}
	if len(local) > MaxLocalPart {
		return Path{}, p.fail("local part", 0, "over 64 octets when quoted (RFC 5321 §4.5.3.1.1)")
	}
	if len(local)+1+len(domain) > MaxPath-2 {
		return Path{}, p.fail("path", len(p.in), "over 256 octets with its angle brackets (RFC 5321 §4.5.3.1.3)")
	}
	return newPath(local+"@"+domain, len(local)), nil
}

// sourceRoute skips "@one,@two:" (RFC 5321 appendix C).
func (p *pathParser) sourceRoute() error {
	end := p.end
	for {
		p.pos++ // the @
		stop := strings.IndexAny(p.in[p.pos:end], ",:")
		if stop >= 0 && p.in[p.pos] == '[' { // an address literal has colons of its own
			if stop = strings.IndexByte(p.in[p.pos:end], ']'); stop >= 0 {
				stop++
			}
		}
		if stop < 0 || p.pos+stop >= end {
			return p.fail("source route", end, "no mailbox behind the route (RFC 5321 §4.1.2)")
		}
		p.end = p.pos + stop
		_, err := p.domain(true)
		p.end = end
		if err != nil {
			return err
		}
		switch {
		case p.in[p.pos] == ':':
			p.pos++
			return nil
		case strings.HasPrefix(p.in[p.pos:end], ",@"):
			p.pos++
		default:
			return p.fail("source route", p.pos, "want , and @ or : (RFC 5321 §4.1.2)")
		}
	}
}

// localPart reads up to the @ or the end and returns the local part unquoted.
func (p *pathParser) localPart() (string, error) {
	if p.pos < p.end && p.in[p.pos] == '"' {
		return p.quotedString()
	}
	start := p.pos
	stop := strings.IndexByte(p.in[start:p.end], '@')
	if stop < 0 {
		stop = p.end - start
	}
	local := p.in[start : start+stop]
	if err := p.checkLocal(local, start); err != nil {
		return "", err
	}
	for i := 0; i < len(local); i++ {
		if strings.IndexByte(specials, local[i]) >= 0 {
			return "", p.fail("local part", start+i, "a special character needs quotes around the local part (RFC 5321 §4.1.2)")
		}
	}
	if local == "" {
		return "", p.fail("local part", start, "empty (RFC 5321 §4.1.2)")
	}
	if local[0] == ' ' || local[len(local)-1] == ' ' {
		return "", p.fail("local part", start, "space at its border needs quotes (RFC 5321 §4.1.2)")
	}
	p.pos += stop
	return local, nil
}

// quotedString reads a Quoted-string (RFC 5321 §4.1.2) and returns its content.
func (p *pathParser) quotedString() (string, error) {
	start := p.pos
	var b strings.Builder
	for i := start + 1; i < p.end; i++ {
		c := p.in[i]
		switch c {
		case '"':
			p.pos = i + 1
			if p.pos < p.end && p.in[p.pos] != '@' {
				return "", p.fail("local part", p.pos, "want @ behind the quoted string (RFC 5321 §4.1.2)")
			}
			local := b.String()
			return local, p.checkLocal(local, start+1)
		case '\\':
			if i++; i == p.end || p.in[i] < ' ' || p.in[i] > '~' {
				return "", p.fail("local part", i, "want a printable ASCII character behind \\ (RFC 5321 §4.1.2)")
			}
			c = p.in[i]
		}
		b.WriteByte(c)
	}
	return "", p.fail("local part", start, "quoted string without end (RFC 5321 §4.1.2)")
}

// checkLocal refuses what no local part can hold, quoted or not: controls of
// ASCII and Latin-1, line and paragraph separators, and what is not UTF-8.
func (p *pathParser) checkLocal(local string, offset int) error {
	for i, r := range local {
		switch {
		case r < ' ' || r == 0x7F || r >= 0x80 && r < 0xA0 || r == '\u2028' || r == '\u2029':
			return p.fail("local part", offset+i, "no control character, quoted or not (RFC 5321 §4.1.2)")
		case r == utf8.RuneError && !strings.HasPrefix(local[i:], "\uFFFD"):
			return p.fail("local part", offset+i, "not UTF-8 (RFC 6531 §3.3)")
		}
	}
	return nil
}

// domain reads in[pos:end] as a domain or address literal and returns it in
// canonical form: lower case, A-labels, or U-labels if unicode is set.
func (p *pathParser) domain(unicode bool) (string, error) {
	start := p.pos
	text := p.in[start:p.end]
	p.pos = p.end
	switch {
	case text == "":
		return "", p.fail("domain", start, "empty (RFC 5321 §4.1.2)")
	case text[0] == '[':
		return p.addressLiteral(text, start)
	case isASCII(text):
		return p.asciiDomain(text, start)
	}
	if i := strings.IndexRune(text, utf8.RuneError); i >= 0 { // the profile would encode it
		return "", p.fail("domain", start+i, "not UTF-8 (RFC 6531 §3.3)")
	}
	ascii, err := profile.ToASCII(text)
	if err != nil {
		return "", p.fail("domain", start, "not an internationalised domain name (RFC 5891 §4): "+clipAt(err.Error(), 0))
	}
	// Some code points are mapped to dots or to other syntax: what looks like
	// one label would become two. The mapping is for letters only.
	if strings.Count(ascii, ".") != strings.Count(text, ".") {
		return "", p.fail("domain", start, "a character that only looks like a dot (RFC 5891 §4.2)")
	}
	if ascii, err = p.asciiDomain(ascii, start); err != nil || !unicode {
		return ascii, err
	}
	labels, err := profile.ToUnicode(ascii)
	if err != nil {
		return "", p.fail("domain", start, "not an internationalised domain name (RFC 5891 §4)")
	}
	return labels, nil
}

// asciiDomain checks sub-domain *("." sub-domain). The underscore, outside the
// grammar, is let through: hosts with one do receive mail.
func (p *pathParser) asciiDomain(text string, offset int) (string, error) {
	if len(text) > MaxDomain {
		return "", p.fail("domain", offset, "over 255 octets (RFC 5321 §4.5.3.1.2)")
	}
	label := 0 // where the current one starts
	for i := 0; i <= len(text); i++ {
		if i < len(text) && text[i] != '.' {
			if !isLetDig(text[i]) && text[i] != '-' && text[i] != '_' {
				return "", p.fail("domain", offset+i, "want letters, digits and hyphens (RFC 5321 §4.1.2)")
			}
			continue
		}
		switch {
		case i == label:
			return "", p.fail("domain", offset+i, "empty label (RFC 5321 §4.1.2)")
		case i-label > maxLabel:
			return "", p.fail("domain", offset+label, "label over 63 octets (RFC 1035 §2.3.4)")
		case text[label] == '-' || text[i-1] == '-':
			return "", p.fail("domain", offset+label, "label with a hyphen at its border (RFC 5321 §4.1.2)")
		}
		label = i + 1
	}
	return strings.ToLower(text), nil
}

// addressLiteral checks and canonicalises "[...]" (RFC 5321 §4.1.3).
func (p *pathParser) addressLiteral(text string, offset int) (string, error) {
	if len(text) < 2 || text[len(text)-1] != ']' {
		return "", p.fail("address literal", offset+len(text), "no ] at the end (RFC 5321 §4.1.3)")
	}
	inner := text[1 : len(text)-1]
	tag, rest, tagged := strings.Cut(inner, ":")
	switch {
	case !tagged:
		ip, err := netip.ParseAddr(inner)
		if err != nil || !ip.Is4() {
			return "", p.fail("address literal", offset+1, "want four decimal numbers to 255 (RFC 5321 §4.1.3)")
		}
		return "[" + ip.String() + "]", nil
	case strings.EqualFold(tag, "IPv6"):
		ip, err := netip.ParseAddr(rest)
		if err != nil || !ip.Is6() || ip.Zone() != "" {
			return "", p.fail("address literal", offset+1, "want an IPv6 address behind IPv6: (RFC 5321 §4.1.3)")
		}
		return "[IPv6:" + ip.String() + "]", nil
	}
	if ip, err := netip.ParseAddr(inner); err == nil && ip.Is6() {
		return "", p.fail("address literal", offset+1, "want IPv6: in front of the address (RFC 5321 §4.1.3)")
	}
	for i := 0; i < len(tag); i++ {
		if !isLetDig(tag[i]) && (tag[i] != '-' || i == len(tag)-1) {
			return "", p.fail("address literal", offset+1+i, "want a tag of letters, digits and hyphens (RFC 5321 §4.1.3)")
		}
	}
	if tag == "" || rest == "" {
		return "", p.fail("address literal", offset+1, "want a tag, a colon and an address (RFC 5321 §4.1.3)")
	}
	for i := 0; i < len(rest); i++ {
		// dcontent, without what would be syntax around a path or in a header.
		if c := rest[i]; c < '!' || c > '~' || c != ':' && strings.IndexByte(specials, c) >= 0 {
			return "", p.fail("address literal", offset+2+len(tag)+i, "want printable ASCII, no specials but the colon (RFC 5321 §4.1.3)")
		}
	}
	return text, nil
}

// needsQuotes reports whether local is no Dot-string (RFC 5321 §4.1.2).
func needsQuotes(local string) bool {
	if local == "" || local[0] == '.' || local[len(local)-1] == '.' || strings.Contains(local, "..") {
		return true
	}
	for i := 0; i < len(local); i++ {
		if c := local[i]; c == ' ' || strings.IndexByte(specials, c) >= 0 {
			return true
		}
	}
	return false
}

// quoteLocal writes local as a Quoted-string with as few escapes as can be.
func quoteLocal(local string) string {
	var b strings.Builder
	b.WriteByte('"')
	for i := 0; i < len(local); i++ {
		if local[i] == '"' || local[i] == '\\' {
			b.WriteByte('\\')
		}
		b.WriteByte(local[i])
	}
	b.WriteByte('"')
	return b.String()
}

func isLetDig(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
}

func isASCII(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// profile maps case and width, applies the Bidi rule and the DNS lengths, and
// leaves the underscore alone.
var profile = idna.New(
	idna.MapForLookup(),
	idna.BidiRule(),
	idna.VerifyDNSLength(true),
	idna.StrictDomainName(false),
)

const (
	postmaster   = "postmaster"
	specials     = `()<>[]:;@\,"` // RFC 5322 §3.2.3, without the dot
	maxLabel     = 63
	maxPathInput = 2048 // a source route may precede 256 octets; nothing longer is looked at
)
