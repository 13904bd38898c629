package codec

import (
	"math"
	"slices"
	"strconv"
	"strings"
)

// Extensions is what a server offered in its last EHLO or LHLO reply (RFC 5321
// §4.1.1.1). It holds for one phase of a session: after STARTTLS, and after AUTH with
// a security layer, the next reply replaces it.
type Extensions struct {
	Domain string // first word of the first line, what the server calls itself; proof of nothing

	Pipelining          bool // RFC 2920
	EightBitMIME        bool // RFC 6152
	Chunking            bool // RFC 3030 §2
	BinaryMIME          bool // RFC 3030 §3; only together with Chunking
	SMTPUTF8            bool // RFC 6531
	DSN                 bool // RFC 3461
	StartTLS            bool // RFC 3207
	EnhancedStatusCodes bool // RFC 2034
	RequireTLS          bool // RFC 8689
	Verify              bool // VRFY, RFC 5321 §3.5.2
	Expand              bool // EXPN, RFC 5321 §3.5.2
	Help                bool // HELP, RFC 5321 §4.1.1.8
	ETRN                bool // RFC 1985
	Size                bool // RFC 1870
	DeliverBy           bool // RFC 2852
	FutureRelease       bool // RFC 4865
	MTPriority          bool // RFC 6710
	Limits              bool // RFC 9422

	MaxSize           int64    // of a message in octets (RFC 1870 §4); 0: no stated limit
	Auth              []string // SASL mechanisms in capitals, in the server's order (RFC 4954 §3)
	DeliverByMin      int64    // shortest BY in mode R, seconds (RFC 2852 §2); 0: none stated
	MaxHold           int64    // longest HOLDFOR, seconds (RFC 4865 §4); 0: none stated
	MaxHoldUntil      string   // latest HOLDUNTIL, as the server wrote it; "": none stated
	MTPriorityProfile string   // RFC 6710 §3; "": none stated
	MailMax           int      // mail transactions per session (RFC 9422 §4); 0: none stated
	RcptMax           int      // recipients per transaction; 0: none stated
	RcptDomainMax     int      // domains of recipients per session; 0: none stated

	// Keywords holds the lines behind the first one: every keyword known here once,
	// and the first 128 others.
	Keywords []Keyword
}

// Keyword is one line of an EHLO reply.
type Keyword struct {
	Name   string // in capitals
	Params string // what follows it, raw, without blanks at its ends
}

// Bounds on what is kept of a reply that the [Decoder] let through.
const (
	maxUnknown    = 128  // keywords not known here
	maxName       = 64   // octets of a keyword
	maxKeyword    = 1024 // octets of a line; a longer one is ignored
	maxMechanisms = 64
	maxDomain     = 255
)

// known is what is done with the keywords that mean something here.
var known = map[string]func(x *Extensions, params string){
	"8BITMIME":            func(x *Extensions, _ string) { x.EightBitMIME = true },
	"AUTH":                (*Extensions).auth,
	"BINARYMIME":          func(x *Extensions, _ string) { x.BinaryMIME = true },
	"CHUNKING":            func(x *Extensions, _ string) { x.Chunking = true },
	"DELIVERBY":           (*Extensions).deliverBy,
	"DSN":                 func(x *Extensions, _ string) { x.DSN = true },
	"ENHANCEDSTATUSCODES": func(x *Extensions, _ string) { x.EnhancedStatusCodes = true },
	"ETRN":                func(x *Extensions, _ string) { x.ETRN = true },
	"EXPN":                func(x *Extensions, _ string) { x.Expand = true },
	"FUTURERELEASE":       (*Extensions).futureRelease,
	"HELP":                func(x *Extensions, _ string) { x.Help = true },
	"LIMITS":              (*Extensions).limits,
	"MT-PRIORITY":         (*Extensions).mtPriority,
	"PIPELINING":          func(x *Extensions, _ string) { x.Pipelining = true },
	"REQUIRETLS":          func(x *Extensions, _ string) { x.RequireTLS = true },
	"SIZE":                (*Extensions).size,
	"SMTPUTF8":            func(x *Extensions, _ string) { x.SMTPUTF8 = true },
	"STARTTLS":            func(x *Extensions, _ string) { x.StartTLS = true },
	"VRFY":                func(x *Extensions, _ string) { x.Verify = true },
}

// Parse replaces the whole set by what r offers; if r is nil or no 2yz that is
// nothing. Keywords are compared without regard to case, the first line is never one,
// and of two lines with one keyword the first counts, except that the mechanisms of
// all AUTH lines are merged, those of the old spelling "AUTH=" included. A value that
// is malformed counts as not stated.
func (x *Extensions) Parse(r *Reply) {
	*x = Extensions{}
	if r == nil || !r.Positive() || len(r.Lines) == 0 {
		return
	}
	// One string for all lines, so that a connection costs few allocations.
	var all strings.Builder
	n := 0
	for _, line := range r.Lines {
		n += len(line)
	}
	all.Grow(n)
	for _, line := range r.Lines {
		all.Write(line)
	}
	text := all.String()
	x.Keywords = make([]Keyword, 0, min(len(r.Lines)-1, maxUnknown))
	for i, line := range r.Lines {
		word := text[:len(line)]
		text = text[len(line):]
		switch {
		case i == 0:
			x.Domain = domainOf(word)
		case len(word) <= maxKeyword:
			x.keyword(word)
		}
	}
	x.BinaryMIME = x.BinaryMIME && x.Chunking
}

// Has reports whether the reply had a line with this keyword, known here or not.
func (x *Extensions) Has(keyword string) bool {
	_, ok := x.Param(keyword)
	return ok
}

// Param returns what followed the keyword, raw, and whether it was there at all.
func (x *Extensions) Param(keyword string) (params string, ok bool) {
	for _, k := range x.Keywords {
		if strings.EqualFold(k.Name, keyword) {
			return k.Params, true
		}
	}
	return "", false
}

// HasAuth reports whether the SASL mechanism was offered, without regard to case.
func (x *Extensions) HasAuth(mech string) bool {
	return slices.ContainsFunc(x.Auth, func(m string) bool { return strings.EqualFold(m, mech) })
}

// Clone returns a copy with slices of its own.
func (x *Extensions) Clone() *Extensions {
	c := *x
	c.Auth = slices.Clone(x.Auth)
	c.Keywords = slices.Clone(x.Keywords)
	return &c
}

const blanks = " \t"

// domainOf returns the first word of the greeting line, "" if it cannot be shown.
func domainOf(line string) string {
	word, _, _ := strings.Cut(strings.Trim(line, blanks), " ")
	if len(word) > maxDomain || !isGraphic(word) {
		return ""
	}
	return strings.Clone(word)
}

// keyword takes one line behind the first.
func (x *Extensions) keyword(line string) {
	line = strings.Trim(line, blanks)
	name, params := line, ""
	if i := strings.IndexAny(line, blanks); i >= 0 {
		name, params = line[:i], strings.TrimLeft(line[i:], blanks)
	}
	if i := strings.IndexByte(name, '='); i >= 0 && strings.EqualFold(name[:i], "AUTH") {
		name, params = name[:i], strings.TrimLeft(line[i+1:], blanks)
	}
	if name == "" || len(name) > maxName || !isGraphic(name) {
		return
	}
	name = strings.ToUpper(name)
	set, ok := known[name]
	switch {
	case !ok:
		if len(x.Keywords) < maxUnknown {
			x.Keywords = append(x.Keywords, Keyword{name, params})
		}
	case !x.Has(name):
		x.Keywords = append(x.Keywords, Keyword{name, params})
		set(x, params)
	case name == "AUTH":
		set(x, params)
	}
}

// auth adds the mechanisms of one line. RFC 4422 §3.1 gives their names' syntax.
func (x *Extensions) auth(params string) {
	for mech := range strings.FieldsSeq(params) {
		mech = strings.ToUpper(mech)
		if len(x.Auth) < maxMechanisms && isMechanism(mech) && !slices.Contains(x.Auth, mech) {
			x.Auth = append(x.Auth, mech)
		}
	}
}

// size reads the limit. More octets than an int64 can count are as good as that many.
func (x *Extensions) size(params string) {
	x.Size = true
	word := firstWord(params)
	if len(word) > 20 || !isNumber(word) { // RFC 1870 §4: 1*20DIGIT
		return
	}
	n, err := strconv.ParseInt(word, 10, 64)
	if err != nil { // out of range
		n = math.MaxInt64
	}
	x.MaxSize = n
}

func (x *Extensions) deliverBy(params string) {
	x.DeliverBy = true
	least, _, _ := strings.Cut(firstWord(params), ",")
	x.DeliverByMin = nineDigits(least)
}

func (x *Extensions) futureRelease(params string) {
	x.FutureRelease = true
	word := firstWord(params)
	x.MaxHold = nineDigits(word)
	x.MaxHoldUntil = firstWord(strings.TrimLeft(params[len(word):], blanks))
}

func (x *Extensions) mtPriority(params string) {
	x.MTPriority = true
	x.MTPriorityProfile = firstWord(params)
}

// limits reads "name[=value] ...". A malformed line is ignored as a whole, a value that
// is no number only for its own limit (RFC 9422 §3).
func (x *Extensions) limits(params string) {
	for limit := range strings.FieldsSeq(params) {
		name, value, ok := strings.Cut(limit, "=")
		if !isLimitName(name) || ok && value == "" || !isGraphic(value) || strings.Contains(value, ";") {
			return
		}
	}
	x.Limits = true
	for limit := range strings.FieldsSeq(params) {
		name, value, _ := strings.Cut(limit, "=")
		if len(value) > 6 || !isNumber(value) || value[0] == '0' {
			continue
		}
		n, _ := strconv.Atoi(value)
		switch strings.ToUpper(name) {
		case "MAILMAX":
			x.MailMax = n
		case "RCPTMAX":
			x.RcptMax = n
		case "RCPTDOMAINMAX":
			x.RcptDomainMax = n
		}
	}
}

func firstWord(s string) string {
	if i := strings.IndexAny(s, blanks); i >= 0 {
		return s[:i]
	}
	return s
}

// nineDigits reads a number of one to nine digits, 0 if it is none.
func nineDigits(s string) int64 {
	if len(s) > 9 || !isNumber(s) {
		return 0
	}
	n, _ := strconv.ParseInt(s, 10, 64)
	return n
}

func isNumber(s string) bool {
	for i := range len(s) {
		if !isDigit(s[i]) {
			return false
		}
	}
	return s != ""
}

// isGraphic reports whether s holds nothing but printable ASCII other than SP.
func isGraphic(s string) bool {
	for i := range len(s) {
		if s[i] <= ' ' || s[i] >= 0x7f {
			return false
		}
	}
	return true
}

func isLimitName(s string) bool {
	for i := range len(s) {
		if c := s[i]; !isAlnum(c) && c != '-' && c != '_' {
			return false
		}
	}
	return s != ""
}

func isMechanism(s string) bool {
	for i := range len(s) {
		if c := s[i]; !isDigit(c) && (c < 'A' || c > 'Z') && c != '-' && c != '_' {
			return false
		}
	}
	return s != "" && len(s) <= 20
}

func isAlnum(c byte) bool { return isDigit(c) || c|0x20 >= 'a' && c|0x20 <= 'z' }
