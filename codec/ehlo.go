package codec

import "slices"

// Extensions is what a server offered in its last EHLO or LHLO reply.
type Extensions struct {
	Domain string // first word of the first line: what the server calls itself

	Pipelining          bool // RFC 2920
	EightBitMIME        bool // RFC 6152
	Chunking            bool // RFC 3030 §2
	BinaryMIME          bool // RFC 3030 §3; only with Chunking
	SMTPUTF8            bool // RFC 6531
	DSN                 bool // RFC 3461
	StartTLS            bool // RFC 3207
	EnhancedStatusCodes bool // RFC 2034
	RequireTLS          bool // RFC 8689
	Verify              bool // VRFY, RFC 5321 §3.5.2
	Expand              bool // EXPN
	Help                bool // HELP
	ETRN                bool // RFC 1985
	Size                bool // RFC 1870
	DeliverBy           bool // RFC 2852
	FutureRelease       bool // RFC 4865
	MTPriority          bool // RFC 6710
	Limits              bool // RFC 9422

	MaxSize           int64    // octets; 0: no stated limit
	Auth              []string // mechanisms in capitals, in the server's order (RFC 4954 §3)
	DeliverByMin      int64    // seconds; 0: none stated
	MaxHold           int64    // seconds; 0: none stated
	MaxHoldUntil      string   // date-time of RFC 3339; "": none stated
	MTPriorityProfile string   // "": none stated
	MailMax           int      // mail transactions per session; 0: none stated
	RcptMax           int      // recipients per transaction; 0: none stated
	RcptDomainMax     int      // recipient domains per session; 0: none stated

	Keywords []Keyword // every line behind the first, known or not, up to a cap
}

// Keyword is one line of an EHLO reply.
type Keyword struct {
	Name   string // in capitals
	Params string // what follows, raw
}

// Parse replaces the whole set by what r offers.
func (x *Extensions) Parse(r *Reply) { *x = Extensions{} }

// Has reports whether keyword was offered.
func (x *Extensions) Has(keyword string) bool { return false }

// Param returns the parameters of keyword, raw.
func (x *Extensions) Param(keyword string) (params string, ok bool) { return "", false }

// HasAuth reports whether the SASL mechanism was offered.
func (x *Extensions) HasAuth(mech string) bool { return false }

// Clone returns a copy that shares no memory that changes.
func (x *Extensions) Clone() *Extensions {
	c := *x
	c.Auth = slices.Clone(x.Auth)
	c.Keywords = slices.Clone(x.Keywords)
	return &c
}
