package sink

import (
	"bytes"
	"errors"
	"time"
)

// data takes content by DATA (RFC 5321 §4.1.1.4).
func (s *session) data() {
	switch {
	case !s.mail.open:
		s.say(503, "5.5.1", "MAIL first")
		return
	case s.mail.chunks:
		s.say(503, "5.5.1", "Chunks have begun; BDAT or RSET")
		return
	case s.mail.body == bodyBinary:
		s.say(503, "5.5.1", "BINARYMIME needs BDAT")
		return
	case s.mail.recipients == 0 && s.srv.LMTP: // RFC 2033 §4.2
		s.say(503, "5.5.1", "No valid recipients")
		return
	case s.mail.recipients == 0:
		s.say(554, "5.5.1", "No valid recipients")
		return
	}
	if s.srv.Hooks.Data != nil {
		if r := s.srv.Hooks.Data(); r.Code != 0 && !r.Positive() {
			s.sayReply(r)
			return
		}
	}
	s.open(false)
	s.say(354, "", "Start mail input; end with <CRLF>.<CRLF>")
	s.scanner = scanner{}
	until := time.Now().Add(s.srv.Limits.content())
	for end := false; !end; {
		if s.buffered() == 0 && !s.more(until) {
			return
		}
		var n int
		n, end = s.scanner.scan(s.buf[s.r:s.w], s.emit)
		s.r += n
	}
	if s.scanner.bare && !s.tolerates(BareLineEnds) {
		s.srv.stats.violations.Add(1)
		s.mail.check.fault = "A CR or LF stands alone (RFC 5321 section 2.3.8)"
	}
	s.finish()
	s.syncAfterContent()
}

// bdat takes a chunk (RFC 3030 §2). Its octets are taken before it is answered,
// whatever the answer.
func (s *session) bdat(args []byte) {
	digits, word, more := bytes.Cut(args, []byte(" "))
	size, ok := number(digits, 20)
	last := more && is(word, "LAST")
	if !ok || more != last {
		// Nobody knows how many octets of content follow.
		s.say(501, "5.5.4", "Syntax: BDAT size [LAST]")
		s.end = endRefused
		return
	}
	if s.excessive(size) {
		s.say(552, "5.3.4", "Chunk is larger than SIZE allows")
		s.end = endRefused
		return
	}
	refusal := Reply{}
	switch {
	case !s.offers(Chunking) || !s.extended:
		refusal = Reply{502, "5.5.1", "Not offered"}
	case !s.mail.open:
		refusal = Reply{503, "5.5.1", "MAIL first"}
	case s.mail.broken:
		refusal = Reply{503, "5.5.1", "A chunk was refused; RSET"}
	case s.mail.recipients == 0 && s.srv.LMTP:
		refusal = Reply{503, "5.5.1", "No valid recipients"}
	case s.mail.recipients == 0:
		refusal = Reply{554, "5.5.1", "No valid recipients"}
	case !s.mail.chunks:
		s.open(true)
	}
	if !s.chunk(size, refusal.IsZero()) {
		return
	}
	s.phase = between
	if s.mail.open {
		s.phase = transaction
	}
	switch {
	case !refusal.IsZero():
		s.mail.broken = s.mail.open && s.mail.recipients > 0
		s.say(refusal.Code, refusal.Enhanced, refusal.Text)
	case last:
		s.finish()
	default:
		if r := s.verdict(); !r.IsZero() {
			s.mail.broken = true
			s.sayReply(r)
			break
		}
		s.sayOctets(250, "2.0.0", "Ok, ", size)
	}
	s.syncAfterContent()
}

// chunk takes size octets and keeps or discards them. It reports whether the
// session goes on.
func (s *session) chunk(size int64, keep bool) bool {
	s.phase = content
	until := time.Now().Add(s.srv.Limits.content())
	for size > 0 {
		if s.buffered() == 0 && !s.more(until) {
			return false
		}
		n := min(size, int64(s.buffered()))
		if keep {
			s.take(s.buf[s.r : s.r+int(n)])
		}
		s.r += int(n)
		size -= n
	}
	return true
}

// more waits for more content. It reports whether the session goes on.
func (s *session) more(until time.Time) bool {
	if s.excessive(s.mail.octets) {
		s.say(552, "5.3.4", "Message is larger than SIZE allows, and no end of it is in sight")
		s.end = endRefused
		return false
	}
	if next := time.Now().Add(s.srv.Limits.wait()); next.Before(until) {
		until = next
	}
	if err := s.fill(until); err != nil {
		s.cut(err)
		return false
	}
	return true
}

// excessive reports whether content is so far over the limit that taking it to its
// end, only to refuse it, is no longer worth while.
func (s *session) excessive(octets int64) bool {
	most := s.srv.Limits.size()
	return most >= 0 && octets > 2*most+1<<20
}

// cut ends a session in the middle of content.
func (s *session) cut(err error) {
	err = s.lost(err)
	if s.end == endNot {
		s.end = endHangup
	}
	if err != nil && s.srv.OnError != nil {
		s.srv.OnError(s.raw.RemoteAddr(), err)
	}
}

// open makes ready for content.
func (s *session) open(chunks bool) {
	s.phase = content
	s.mail.chunks = chunks
	s.mail.check = check{
		on: s.srv.CheckContent, lines: s.mail.body != bodyBinary,
		eightBit: s.mail.body != body7Bit || s.mail.utf8,
	}
	if s.srv.Store != nil {
		s.mail.envelope.Chunked = chunks
		s.mail.writer, s.mail.failed = s.srv.Store.Open(&s.mail.envelope)
	}
}

// take receives content, without stuffed dots.
func (s *session) take(p []byte) {
	s.mail.octets += int64(len(p))
	if most := s.srv.Limits.size(); most >= 0 && s.mail.octets > most {
		return
	}
	if s.mail.check.on {
		s.mail.check.write(p)
	}
	if s.mail.writer != nil && s.mail.failed == nil {
		_, s.mail.failed = s.mail.writer.Write(p)
	}
}

// verdict returns the refusal that the content so far has earned, or the zero
// Reply.
func (s *session) verdict() Reply {
	switch most := s.srv.Limits.size(); {
	case most >= 0 && s.mail.octets > most:
		return Reply{552, "5.3.4", "Message is larger than SIZE allows"}
	case s.mail.check.fault != "":
		return Reply{554, "5.6.0", s.mail.check.fault}
	case s.mail.failed != nil:
		return storeReply(s.mail.failed)
	}
	return Reply{}
}

func storeReply(err error) Reply {
	var r Reply
	if errors.As(err, &r) && r.Code >= 400 {
		return r
	}
	return Reply{451, "4.3.0", "The message cannot be stored"}
}

// finish answers the end of content and ends the mail transaction.
func (s *session) finish() {
	defer s.reset()
	refusal := s.verdict()
	if s.srv.LMTP {
		s.finishLMTP(refusal)
		return
	}
	if refusal.IsZero() && s.srv.Hooks.End != nil {
		if refusal = s.srv.Hooks.End(""); refusal.Positive() {
			refusal = Reply{}
		}
	}
	if refusal.IsZero() {
		refusal = s.commit()
	}
	if !refusal.IsZero() {
		s.sayReply(refusal)
		return
	}
	s.accepted(s.mail.recipients)
	s.sayOctets(250, "2.0.0", "Accepted, ", s.mail.octets)
}

// finishLMTP gives one reply for each recipient (RFC 2033 §4.2).
func (s *session) finishLMTP(refusal Reply) {
	good := s.mail.recipients
	replies := make([]Reply, s.mail.recipients)
	for i := range replies {
		replies[i] = refusal
		if refusal.IsZero() && s.srv.Hooks.End != nil {
			replies[i] = s.srv.Hooks.End(s.mail.envelope.Recipients[i].Path)
		}
		if !replies[i].IsZero() && !replies[i].Positive() {
			good--
		}
	}
	if good > 0 {
		kept := s.mail.envelope.Recipients[:0:0]
		for i, r := range s.mail.envelope.Recipients {
			if replies[i].IsZero() || replies[i].Positive() {
				kept = append(kept, r)
			}
		}
		s.mail.envelope.Recipients = kept
		refusal = s.commit()
	}
	for _, r := range replies {
		if r.IsZero() || r.Positive() {
			if !refusal.IsZero() {
				r = refusal
			}
		}
		if r.IsZero() {
			s.say(250, "2.1.5", "Delivered")
		} else {
			s.sayReply(r)
		}
		if s.end != endNot {
			break
		}
	}
	if good > 0 && refusal.IsZero() {
		s.accepted(good)
	}
}

// commit hands the message to the store.
func (s *session) commit() Reply {
	if s.mail.writer == nil {
		return Reply{}
	}
	s.mail.failed = s.mail.writer.Commit(&s.mail.envelope)
	s.mail.writer = nil
	return s.verdict()
}

func (s *session) accepted(recipients int) {
	s.messages++
	s.errors = 0
	s.srv.stats.messages.Add(1)
	s.srv.stats.recipients.Add(int64(recipients))
	s.srv.stats.octets.Add(s.mail.octets)
}

// syncAfterContent holds a client to lock-step when PIPELINING is not offered.
func (s *session) syncAfterContent() {
	if s.end == endNot && s.buffered() > 0 && !s.mayPipeline() && !s.tolerates(InputAhead) {
		s.violation()
	}
}

// check looks for what RFC 5321 and RFC 6152 do not let content hold.
type check struct {
	on       bool
	lines    bool // it consists of lines, without NUL
	eightBit bool // octets over 127 were declared
	line     int  // octets of the present line
	fault    string
}

func (c *check) write(p []byte) {
	if !c.eightBit && !ascii(p) {
		c.fault = "Octets over 127 were not declared (RFC 6152 section 3)"
	}
	if !c.lines {
		return
	}
	if bytes.IndexByte(p, 0) >= 0 {
		c.fault = "NUL (RFC 5321 section 4.5.2)"
	}
	for len(p) > 0 {
		i := bytes.IndexByte(p, '\n') + 1
		if i == 0 {
			i = len(p)
		}
		c.line += i
		if c.line > 1000 {
			c.fault = "A line is over 1000 octets (RFC 5321 section 4.5.3.1.6)"
		}
		if p[i-1] == '\n' {
			c.line = 0
		}
		p = p[i:]
	}
}
