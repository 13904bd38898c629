package message

import "strconv"

// Features are the facts about a content that decide how it may be sent: what a
// transaction declares in MAIL, and whether it needs rewriting first.
type Features struct {
	Octets       int64 // as they are
	WireOctets   int64 // when every line end is CRLF, the last one included: the n of SIZE=n (RFC 1870 §6)
	Lines        int64 // line ends of any kind, and a last line without one
	HeaderOctets int64 // octets of the header section without the empty line; all, if there is no empty line
	LongestLine  int   // octets of the longest line without its line end
	EightBit     bool  // an octet over 127
	NUL          bool  // an octet of value 0
	BareCR       bool  // a CR without LF behind it
	BareLF       bool  // a LF without CR before it
	FinalCRLF    bool  // it is empty or its last two octets are CRLF
	UTF8Header   bool  // the header section has an octet over 127: it is for SMTPUTF8 (RFC 6532 §3.2)
	BadHeader    bool  // the header section is not UTF-8, so not even SMTPUTF8 may carry it
	MIME         bool  // there is a MIME-Version field (RFC 2045 §4)
	First        FirstLines
}

// FirstLines are the numbers, from 1, of the first lines that show a feature; 0
// where none does. A line ends with CRLF, CR or LF here.
type FirstLines struct {
	EightBit, NUL, BareCR, BareLF int64
	Long                          int64 // over MaxLine octets
}

// MaxLine is the most octets a text line may have without its CRLF
// (RFC 5321 §4.5.3.1.6, RFC 5322 §2.1.1).
const MaxLine = 998

// Encoding says what a transport takes, or what a content needs.
type Encoding uint8

// The encodings, each taking all that the ones before it take.
const (
	SevenBit Encoding = iota // any server (RFC 5321 §2.4)
	EightBit                 // 8BITMIME (RFC 6152)
	Binary                   // BINARYMIME with CHUNKING (RFC 3030 §3)

	encodingCount
)

var encodingNames = [encodingCount]string{SevenBit: "7bit", EightBit: "8bit", Binary: "binary"}

// String returns the word of RFC 2045 §6.1: "7bit", "8bit" or "binary".
func (e Encoding) String() string {
	if e < encodingCount {
		return encodingNames[e]
	}
	return "Encoding(" + strconv.Itoa(int(e)) + ")"
}

// Needs are the demands of a content on the transport.
type Needs struct {
	Encoding Encoding // the least that carries it unchanged
	UTF8     bool     // its header section needs SMTPUTF8
}

// Needs returns what it takes to send the content unchanged. Bare CRs and LFs
// ask for [Binary]; where line ends may be normalised, [Features.Check] is the
// better question.
func (f *Features) Needs() Needs {
	n := Needs{UTF8: f.UTF8Header}
	switch {
	case f.NUL || f.BareCR || f.BareLF || f.LongestLine > MaxLine:
		n.Encoding = Binary
	case f.EightBit:
		n.Encoding = EightBit
	}
	return n
}

// Check reports why a transport that takes e, and UTF-8 in the header section if
// utf8 is set, cannot carry the content; nil if it can. Line ends are taken as
// normalised on the way unless e is [Binary]. The error is a *ContentError.
func (f *Features) Check(e Encoding, utf8 bool) error {
	switch {
	case f.BadHeader:
		return &ContentError{Fault: FaultBadHeader}
	case f.UTF8Header && !utf8:
		return &ContentError{Fault: FaultUTF8Header}
	case e >= Binary:
		return nil
	case f.LongestLine > MaxLine:
		return &ContentError{Fault: FaultLongLine, Line: f.First.Long, Octets: int64(f.LongestLine)}
	case f.NUL:
		return &ContentError{Fault: FaultNUL, Line: f.First.NUL}
	case f.EightBit && e < EightBit:
		return &ContentError{Fault: FaultEightBit, Line: f.First.EightBit}
	}
	return nil
}

// CheckLineEnds reports the first bare CR or LF, for a transport that refuses them
// instead of normalising; nil if there is none. The error is a *ContentError.
func (f *Features) CheckLineEnds() error {
	switch cr, lf := f.First.BareCR, f.First.BareLF; {
	case f.BareCR && (!f.BareLF || cr <= lf):
		return &ContentError{Fault: FaultBareCR, Line: cr}
	case f.BareLF:
		return &ContentError{Fault: FaultBareLF, Line: lf}
	}
	return nil
}

// Fault names what keeps a content from being sent. It is an error itself, so
// that errors.Is(err, message.FaultLongLine) works.
type Fault uint8

// The faults. The zero Fault is none.
const (
	FaultNone       Fault = iota
	FaultLongLine         // RFC 5321 §4.5.3.1.6
	FaultNUL              // RFC 5321 §4.5.2, RFC 2045 §2.8
	FaultEightBit         // RFC 6152 §3
	FaultBareCR           // RFC 5321 §2.3.8
	FaultBareLF           // RFC 5321 §2.3.8
	FaultUTF8Header       // RFC 6531 §3.2
	FaultBadHeader        // RFC 6532 §3.2
	FaultSize             // the source gave another number of octets than announced (RFC 1870 §6.2)
	FaultReopen           // the source can be read once only
	FaultBoundary         // a part holds the boundary of its multipart (RFC 2046 §5.1.1)
	FaultSource           // the source failed

	faultCount
)

var faultTexts = [faultCount]string{
	FaultNone:       "no fault",
	FaultLongLine:   "line over 998 octets (RFC 5321 §4.5.3.1.6)",
	FaultNUL:        "NUL in a text (RFC 5321 §4.5.2)",
	FaultEightBit:   "octet over 127, and the transport takes 7bit only (RFC 6152 §3)",
	FaultBareCR:     "CR without LF (RFC 5321 §2.3.8)",
	FaultBareLF:     "LF without CR (RFC 5321 §2.3.8)",
	FaultUTF8Header: "header section beyond ASCII, and no SMTPUTF8 (RFC 6531 §3.2)",
	FaultBadHeader:  "header section neither ASCII nor UTF-8 (RFC 6532 §3.2)",
	FaultSize:       "the source has another size than announced (RFC 1870 §6.2)",
	FaultReopen:     "the source can be read only once",
	FaultBoundary:   "a part holds the boundary (RFC 2046 §5.1.1)",
	FaultSource:     "the source failed",
}

// String returns the fault in words.
func (f Fault) String() string {
	if f < faultCount {
		return faultTexts[f]
	}
	return "Fault(" + strconv.Itoa(int(f)) + ")"
}

// Error returns the fault in words.
func (f Fault) Error() string { return f.String() }

// ContentError says why a content cannot be sent as it is.
type ContentError struct {
	Fault  Fault  // errors.Is matches it
	Part   string // the attachment or part, by its name; "" for the content as a whole; not escaped
	Line   int64  // number of the first such line, from 1; 0 if unknown
	Octets int64  // octets of the line or of the source, where they are the fault
	Err    error  // a cause, or nil
}

// Error returns one printable line.
func (e *ContentError) Error() string {
	s := "message: content: "
	if e.Part != "" {
		s += "part " + strconv.QuoteToASCII(clipAt(e.Part, 0)) + ": "
	}
	if e.Line > 0 {
		s += "line " + strconv.FormatInt(e.Line, 10) + ": "
	}
	s += e.Fault.String()
	if e.Octets > 0 {
		s += ": " + strconv.FormatInt(e.Octets, 10) + " octets"
	}
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	return s
}

// Unwrap returns the cause.
func (e *ContentError) Unwrap() error { return e.Err }

// Is reports whether target is this error's Fault.
func (e *ContentError) Is(target error) bool {
	f, ok := target.(Fault)
	return ok && f == e.Fault
}
