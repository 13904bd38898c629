package codec

import (
	"fmt"
	"iter"
	"math/bits"
	"strconv"
)

// Limits bounds what a [Decoder] keeps of a reply. Zero fields mean the defaults.
type Limits struct {
	Line  int // octets per line, its CRLF included; 0: 8192 (RFC 5321 §4.5.3.1.5 asks for 512)
	Reply int // octets per reply, all lines together; 0: 262144
	Lines int // lines per reply; 0: 2000
}

// The default limits, and the length of line that AUTH needs.
const (
	DefaultLine  = 8192
	DefaultReply = 256 << 10
	DefaultLines = 2000
	AuthLine     = 12288 + 6 // a challenge (RFC 4954 §4) behind "334 " and before CRLF
)

func (l Limits) withDefaults() Limits {
	if l.Line <= 0 {
		l.Line = DefaultLine
	}
	if l.Reply <= 0 {
		l.Reply = DefaultReply
	}
	if l.Lines <= 0 {
		l.Lines = DefaultLines
	}
	return l
}

// Anomaly names one way in which a server departs from the protocol. The zero value
// is none.
type Anomaly uint8

// The anomalies.
const (
	NoAnomaly Anomaly = iota

	// Let pass by the lenient profile and noted in [Reply].Anomalies; fatal in the
	// strict one.
	BareLF       // a line ended by LF without CR (RFC 5321 §2.3.8)
	BareCR       // CR inside a line's text; it stays in the text (RFC 5321 §2.3.8)
	NoSeparator  // neither SP nor "-" behind the code: the line is taken as the last one (RFC 5321 §4.2)
	TabSeparator // HT behind the code, taken as SP
	EmptyLine    // one empty line inside a reply; the second is fatal
	StrayLine    // one empty line behind the previous reply; the second is fatal
	MixedCodes   // the lines differ in their codes but not in the first digit; the last one counts (RFC 5321 §4.2.1)
	MixedClasses // the lines differ in the first digit; the worst one counts, and the session is not to be trusted further

	// Always fatal.
	BadCode   // no three ASCII digits from 200 to 599 at a line's front (RFC 5321 §4.2)
	LongLine  // over Limits.Line
	LongReply // over Limits.Reply
	ManyLines // over Limits.Lines

	// What only a session can see.
	Unsolicited     // octets that no command asked for
	OddGreeting     // a greeting of 2yz that is not 220 (RFC 5321 §3.1)
	OddIntermediate // a 3yz that is neither 334 nor 354
	LateGreeting    // 220 in answer to a command that does not have it: replies and commands are out of step
	EarlyClosing    // 221 in answer to anything but QUIT
	OddSuccess      // a 2yz that is not 235 at the end of AUTH (RFC 4954 §4)

	anomalyCount
)

var anomalyNames = [anomalyCount]string{
	NoAnomaly:       "none",
	BareLF:          "bare-lf",
	BareCR:          "bare-cr",
	NoSeparator:     "no-separator",
	TabSeparator:    "tab-separator",
	EmptyLine:       "empty-line",
	StrayLine:       "stray-line",
	MixedCodes:      "mixed-codes",
	MixedClasses:    "mixed-classes",
	BadCode:         "bad-code",
	LongLine:        "long-line",
	LongReply:       "long-reply",
	ManyLines:       "many-lines",
	Unsolicited:     "unsolicited",
	OddGreeting:     "odd-greeting",
	OddIntermediate: "odd-intermediate",
	LateGreeting:    "late-greeting",
	EarlyClosing:    "early-closing",
	OddSuccess:      "odd-success",
}

// String returns the name in lower case with hyphens.
func (a Anomaly) String() string {
	if a < anomalyCount {
		return anomalyNames[a]
	}
	return "anomaly(" + strconv.Itoa(int(a)) + ")"
}

// Anomalies is a set of anomalies.
type Anomalies uint32

// Has reports whether a is in the set.
func (s Anomalies) Has(a Anomaly) bool { return s&(1<<a) != 0 }

// Add returns the set with a in it.
func (s Anomalies) Add(a Anomaly) Anomalies { return s | 1<<a }

// All returns the anomalies of the set, in the order of their declaration.
func (s Anomalies) All() iter.Seq[Anomaly] {
	return func(yield func(Anomaly) bool) {
		for ; s != 0; s &= s - 1 {
			if !yield(Anomaly(bits.TrailingZeros32(uint32(s)))) {
				return
			}
		}
	}
}

// String returns the names joined by commas, or "" for the empty set.
func (s Anomalies) String() string {
	var b []byte
	for a := range s.All() {
		if b != nil {
			b = append(b, ',')
		}
		b = append(b, a.String()...)
	}
	return string(b)
}

// SyntaxError says that what the server sent is no reply. Nothing behind it can be
// matched to a command, so the session is over.
type SyntaxError struct {
	Anomaly Anomaly // what is wrong
	Offset  int64   // of the line, in octets since the decoder was reset
	Bytes   []byte  // the line without its end, cut at 128 octets; a copy
}

// Error returns one printable line; the server's octets are quoted.
func (e *SyntaxError) Error() string {
	hint := e.Hint()
	if hint != "" {
		hint = ", " + hint
	}
	return fmt.Sprintf("codec: malformed reply (%s) at offset %d: %q%s", e.Anomaly, e.Offset, e.Bytes, hint)
}

// Hint says what the peer may be instead of an SMTP server, such as "looks like
// HTTP", or "".
func (e *SyntaxError) Hint() string { return Hint(e.Bytes) }
