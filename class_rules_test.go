package parley_test

import (
	"errors"
	"regexp"
	"strings"
	"testing"

	"github.com/parley-mail/parley"
	"github.com/parley-mail/parley/internal/sink"
	"github.com/parley-mail/parley/message"
)

// What the RFCs say of the octets of a message holds for what the class makes and sends:
// each case looks at what the server has.
func TestMessageRules(t *testing.T) {
	plain := sink.Pipelining | sink.Size // no 8BITMIME
	for _, c := range []struct {
		name  string
		offer sink.Extensions
		set   func(*parley.SMTP)
		check func(string) bool // of the content; nil: an error before anything is said
		fault error
	}{
		{name: "dots arrive as they were (RFC 5321 §4.5.2)", set: func(s *parley.SMTP) { s.MessageText = ".\r\n..\r\n.x\r\n" }, check: ends(".\r\n..\r\n.x\r\n")},
		{name: "no line is added behind the last (RFC 5321 §4.1.1.4)", set: func(s *parley.SMTP) { s.MessageText = "abc\r\n" }, check: ends("\r\n\r\nabc\r\n")},
		{name: "a last line gets its end (RFC 5321 §4.1.1.4)", set: func(s *parley.SMTP) { s.MessageText = "abc" }, check: ends("\r\n\r\nabc\r\n")},
		{name: "text without 8BITMIME is encoded (RFC 5321 §2.4)", offer: plain, set: func(s *parley.SMTP) { s.MessageText = "größer\r\n" }, check: sevenBit},
		{name: "8 bit as it is, without 8BITMIME (RFC 6152 §3)", offer: plain, set: func(s *parley.SMTP) { s.Message = []byte("A: b\r\n\r\n\xe9\r\n") }, fault: parley.ErrUnsupported},
		{name: "8 bit as it is, and no MIME, strictly (RFC 5321 §2.4)", set: func(s *parley.SMTP) {
			s.Message, s.Session.Strict = []byte("A: b\r\n\r\n\xe9\r\n"), true
		}, fault: parley.ErrUnsupported},
		{name: "8 bit as it is, and MIME, strictly (RFC 5321 §2.4)", set: func(s *parley.SMTP) {
			s.Message, s.Session.Strict = []byte("MIME-Version: 1.0\r\n\r\n\xe9\r\n"), true
		}, check: ends("\xe9\r\n")},
		{name: "a NUL as it is, not through DATA (RFC 5321 §4.5.2)", offer: plain, set: func(s *parley.SMTP) { s.Message = []byte("A: b\r\n\r\na\x00b\r\n") }, fault: parley.ErrUnsupported},
		{name: "a long line of text is encoded (RFC 5321 §4.5.3.1.6)", set: func(s *parley.SMTP) { s.MessageText = strings.Repeat("x", 1200) }, check: lines(998)},
		{name: "a long line as it is (RFC 5321 §4.5.3.1.6)", set: func(s *parley.SMTP) { s.Message = []byte("A: b\r\n\r\n" + strings.Repeat("x", 1200) + "\r\n") }, fault: message.FaultLongLine},
		{name: "Return-Path is left out (RFC 5321 §4.4)", set: func(s *parley.SMTP) { s.Message = []byte("Return-Path: <x@y.example>\r\nA: b\r\n\r\n") }, check: without("Return-Path")},
		{name: "Return-Path is no header of one's own (RFC 5321 §4.4)", set: func(s *parley.SMTP) { s.OtherHeaders = "Return-Path: <x@y.example>" }, fault: parley.ErrMisuse},
		{name: "Bcc is left out (RFC 5321 §7.2)", set: func(s *parley.SMTP) { s.BCc = "secret@y.example" }, check: without("secret")},
		{name: "TLS-Required: No stands once (RFC 8689 §4.3)", set: func(s *parley.SMTP) { s.TLSOptional = true }, check: matches(`(?m)^TLS-Required: No\r$`)},
		{name: "long subjects are folded (RFC 5322 §2.1.1)", set: func(s *parley.SMTP) {
			s.Subject = strings.Repeat("wörter ", 700)
			s.Charset, s.MessageId = "UTF-8", "a@b.example"
		}, check: lines(78)},
		{name: "a second Subject (RFC 5322 §3.6)", set: func(s *parley.SMTP) { s.OtherHeaders = "Subject: another" }, fault: parley.ErrMisuse},
		{name: "two authors and no Sender (RFC 5322 §3.6.2)", set: func(s *parley.SMTP) { s.From = "a@x.example, b@x.example" }, fault: parley.ErrMisuse},
		{name: "no From, although there is a ReturnPath (RFC 5322 §3.6)", set: func(s *parley.SMTP) { s.From, s.ReturnPath, s.MessageId = "", "a@x.example", "a@b.example" }, fault: parley.ErrNoSender},
		{name: "a header name with a colon (RFC 5322 §2.2)", set: func(s *parley.SMTP) { s.OtherHeaders = "A B: c" }, fault: parley.ErrMisuse},
		{name: "encoded-words have at most 75 octets (RFC 2047 §2)", set: func(s *parley.SMTP) { s.Subject = strings.Repeat("日本語", 60); s.Charset = "UTF-8" }, check: func(c string) bool {
			for _, w := range regexp.MustCompile(`=\?[^ ]*\?=`).FindAllString(c, -1) {
				if len(w) > 75 {
					return false
				}
			}
			return strings.Contains(c, "=?UTF-8?")
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, peer := class(t, func(s *sink.Server) { s.Extensions, s.CheckContent = c.offer, true })
			c.set(s)
			if c.fault != nil {
				if _, err := s.Send(t.Context()); !errors.Is(err, c.fault) || len(peer.Memory.Messages()) != 0 {
					t.Errorf("error %v, want %v", err, c.fault)
				}
				return
			}
			got := string(send(t, s, peer).Content)
			if !c.check(got) {
				t.Errorf("content %.1000q", got)
			}
			if bare := regexp.MustCompile(`\r[^\n]|[^\r]\n|\n[ \t]+\r\n`); bare.MatchString(got) {
				t.Errorf("a bare CR or LF, or an empty folded line: %.1000q", got)
			}
		})
	}
}

func ends(tail string) func(string) bool {
	return func(c string) bool { return strings.HasSuffix(c, tail) }
}

func without(word string) func(string) bool {
	return func(c string) bool { return !strings.Contains(c, word) }
}

func matches(once string) func(string) bool {
	return func(c string) bool { return len(regexp.MustCompile(once).FindAllString(c, -1)) == 1 }
}

func lines(most int) func(string) bool {
	return func(c string) bool {
		for line := range strings.SplitSeq(c, "\r\n") {
			if len(line) > most {
				return false
			}
		}
		return true
	}
}

func sevenBit(c string) bool {
	return strings.IndexFunc(c, func(r rune) bool { return r >= 0x80 }) < 0
}
