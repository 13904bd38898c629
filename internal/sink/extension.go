package sink

import (
	"fmt"
	"math/bits"
	"strconv"
	"strings"
	"time"
)

// Extensions is a set of service extensions.
type Extensions uint32

// The extensions, in the order in which they are listed.
const (
	Pipelining          Extensions = 1 << iota // RFC 2920
	EightBitMIME                               // RFC 6152
	Size                                       // RFC 1870
	SMTPUTF8                                   // RFC 6531; wants EightBitMIME
	Chunking                                   // RFC 3030
	BinaryMIME                                 // RFC 3030; wants Chunking
	DSN                                        // RFC 3461
	EnhancedStatusCodes                        // RFC 2034
	StartTLS                                   // RFC 3207
	AuthExtension                              // RFC 4954
	DeliverBy                                  // RFC 2852
	FutureRelease                              // RFC 4865
	MTPriority                                 // RFC 6710
	RequireTLS                                 // RFC 8689; listed inside TLS only
	LimitsExtension                            // RFC 9422
	Verify                                     // VRFY, RFC 5321 §3.5; not listed, it is answered 252
	Expand                                     // EXPN, RFC 5321 §3.5
	Help                                       // HELP, RFC 5321 §4.1.1.8

	NoExtensions Extensions = 1 << 31 // is none, where zero stands for all
)

// AllExtensions is every extension.
const AllExtensions = 1<<18 - 1

var keywords = [...]string{
	"PIPELINING", "8BITMIME", "SIZE", "SMTPUTF8", "CHUNKING", "BINARYMIME", "DSN", "ENHANCEDSTATUSCODES",
	"STARTTLS", "AUTH", "DELIVERBY", "FUTURERELEASE", "MT-PRIORITY", "REQUIRETLS", "LIMITS", "VRFY", "EXPN", "HELP",
}

// holdMax is the longest FUTURERELEASE interval offered.
const holdMax = 7 * 24 * time.Hour

// ParseExtensions reads a list of keywords parted by commas or spaces. "all" and
// "none" stand for themselves, and "-KEYWORD" takes one out: "all,-CHUNKING".
func ParseExtensions(list string) (Extensions, error) {
	var x Extensions
	for _, word := range strings.FieldsFunc(list, func(r rune) bool { return r == ',' || r == ' ' }) {
		name, without := strings.CutPrefix(word, "-")
		var bit Extensions
		switch {
		case strings.EqualFold(name, "all"):
			bit = AllExtensions
		case strings.EqualFold(name, "none"):
		default:
			for i, k := range keywords {
				if strings.EqualFold(name, k) {
					bit = 1 << i
				}
			}
			if bit == 0 {
				return 0, fmt.Errorf("sink: unknown extension %q; known are %s", name, strings.Join(keywords[:], " "))
			}
		}
		if without {
			x &^= bit
		} else {
			x |= bit
		}
	}
	if x == 0 {
		x = NoExtensions
	}
	return x, nil
}

// String returns the keywords, parted by spaces.
func (x Extensions) String() string {
	var words []string
	for rest := uint32(x & AllExtensions); rest != 0; rest &= rest - 1 {
		words = append(words, keywords[bits.TrailingZeros32(rest)])
	}
	return strings.Join(words, " ")
}

// extensions returns what the server as set up can offer at all.
func (srv *Server) extensions() Extensions {
	x := srv.Extensions
	if x == 0 {
		x = AllExtensions
	}
	if srv.TLS == nil {
		x &^= StartTLS | RequireTLS
	}
	if len(srv.Auth.Users) == 0 {
		x &^= AuthExtension
	}
	if x&Chunking == 0 {
		x &^= BinaryMIME
	}
	if x&EightBitMIME == 0 {
		x &^= SMTPUTF8
	}
	return x & AllExtensions
}

// offers reports whether the extension is implemented towards this client now.
func (s *session) offers(x Extensions) bool { return s.extensions()&x != 0 }

func (s *session) extensions() Extensions {
	if s.tls != nil {
		return s.offered &^ StartTLS
	}
	return s.offered &^ RequireTLS
}

// hello answers EHLO and LHLO (RFC 5321 §4.1.1.1).
func (s *session) hello() {
	words := append(make([]string, 0, 24), s.srv.name()+" greets you")
	for rest := uint32(s.extensions()); rest != 0; rest &= rest - 1 {
		x := Extensions(rest & -rest)
		if word := s.keyword(x); word != "" {
			words = append(words, word)
		}
	}
	words = append(words, s.srv.Keywords...)
	s.say(250, "", strings.Join(words, "\n"))
}

// keyword returns the line for one extension, or "" when it is not listed.
func (s *session) keyword(x Extensions) string {
	word := keywords[bits.TrailingZeros32(uint32(x))]
	limits := &s.srv.Limits
	switch x {
	case Size:
		return word + " " + strconv.FormatInt(max(limits.size(), 0), 10)
	case AuthExtension:
		if names := s.mechanisms(); len(names) > 0 && s.user == "" {
			return word + " " + strings.Join(names, " ")
		}
		return ""
	case FutureRelease:
		return fmt.Sprintf("%s %d %s", word, int(holdMax.Seconds()), time.Now().Add(holdMax).UTC().Format(time.RFC3339))
	case LimitsExtension:
		word += " RCPTMAX=" + strconv.Itoa(limits.recipients())
		if limits.Messages > 0 {
			word += " MAILMAX=" + strconv.Itoa(limits.Messages)
		}
		if limits.RecipientDomains > 0 {
			word += " RCPTDOMAINMAX=" + strconv.Itoa(limits.RecipientDomains)
		}
	}
	return word
}
