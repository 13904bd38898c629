package sink

import (
	"strconv"
	"strings"
)

// Reply is an answer to a command. The zero Reply, returned by a hook, stands for
// what the server would answer by itself. As an error of a [Store] it is sent as
// it is.
type Reply struct {
	Code     int    // 200 to 599; a session ends after 421
	Enhanced string // "5.1.1" (RFC 3463), or ""; left out when the extension is not offered
	Text     string // may have several lines, parted by "\n"
}

// Hangup, returned by a hook, closes the connection in place of a reply.
var Hangup = Reply{Code: hangup}

const hangup = -1

// IsZero reports whether r is the zero Reply.
func (r Reply) IsZero() bool { return r == Reply{} }

// Positive reports whether the code is 2yz or 3yz.
func (r Reply) Positive() bool { return r.Code >= 200 && r.Code < 400 }

// String returns the reply in one line: "550 5.1.1 no such user".
func (r Reply) String() string {
	if r.Code == hangup {
		return "connection closed"
	}
	s := strconv.Itoa(r.Code)
	if r.Enhanced != "" {
		s += " " + r.Enhanced
	}
	return s + " " + strings.ReplaceAll(r.Text, "\n", " / ")
}

// Error is String.
func (r Reply) Error() string { return r.String() }

// say appends a reply to the output. Replies leave in [session.flush].
func (s *session) say(code int, enhanced, text string) {
	for {
		line, rest, more := strings.Cut(text, "\n")
		s.line(code, more, enhanced)
		s.out = append(s.out, line...)
		s.out = append(s.out, '\r', '\n')
		if !more {
			break
		}
		text = rest
	}
	s.said(code)
}

// sayOctets is say for a positive reply that ends with a number of octets.
func (s *session) sayOctets(code int, enhanced, text string, octets int64) {
	s.line(code, false, enhanced)
	s.out = append(s.out, text...)
	s.out = strconv.AppendInt(s.out, octets, 10)
	s.out = append(s.out, " octets\r\n"...)
	s.said(code)
}

// sayReply is sayPlain with an enhanced code where the reply brings none (RFC 2034
// §4).
func (s *session) sayReply(r Reply) {
	if r.Enhanced == "" && r.Code >= 200 && r.Code/100 != 3 {
		r.Enhanced = strconv.Itoa(r.Code/100) + ".0.0"
	}
	s.sayPlain(r)
}

// sayPlain is say for a reply from outside: CR is struck out, lines are cut to 512
// octets (RFC 5321 §4.5.3.1.5).
func (s *session) sayPlain(r Reply) {
	if r.Code == hangup {
		s.end = endHangup
		return
	}
	text := strings.ReplaceAll(r.Text, "\r", "")
	const room = 512 - len("550 5.123.123 \r\n")
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		lines[i] = line[:min(len(line), room)]
	}
	s.say(r.Code, r.Enhanced, strings.Join(lines, "\n"))
}

// line begins a line of a reply. Every line has the enhanced code (RFC 2034 §4);
// the greeting, the reply to EHLO and 3yz have none.
func (s *session) line(code int, more bool, enhanced string) {
	separator := byte(' ')
	if more {
		separator = '-'
	}
	s.out = append(s.out, byte('0'+code/100), byte('0'+code/10%10), byte('0'+code%10), separator)
	if enhanced != "" && s.offers(EnhancedStatusCodes) {
		s.out = append(s.out, enhanced...)
		s.out = append(s.out, ' ')
	}
}

// said books a reply.
func (s *session) said(code int) {
	if code < 400 {
		return
	}
	s.srv.stats.refused.Add(1)
	switch {
	case code == 421:
		s.end = endRefused
	case code >= 500 && code <= 504:
		s.errors++
		if s.errors > s.srv.Limits.errors() && s.end == endNot {
			s.say(421, "4.7.0", "Too many errors")
		}
	}
}

// goodbye ends the session because a limit was passed.
func (s *session) goodbye(text string) { s.say(421, "4.7.0", text) }
