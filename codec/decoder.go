package codec

import (
	"bytes"
	"strings"
)

// Decoder cuts a stream of octets into replies. The zero value is ready: lenient, with
// the default limits. After each Feed, Next is to be called until it returns no reply;
// then a decoder never holds more than Limits.Reply octets and what was fed last.
type Decoder struct {
	limits  Limits
	lineCap int  // the limit on a line in force
	strict  bool // anomalies are errors

	buf   []byte
	base  int64 // offset in the stream of buf[0]
	start int   // in buf: what is before belongs to replies already returned
	line  int   // in buf: where the line begins that is being collected
	scan  int   // in buf: from line to here there is no LF

	spans     []span // the lines of the reply being collected
	code      int    // its last code
	worst     int    // its code of the highest class
	anomalies Anomalies
	begun     bool // a reply has been returned since Reset

	lines [][]byte
	reply Reply
	raw   int // octets before start that are the last reply, if it may be compared with; or 0
	err   error
}

// span is the text of a line, as offsets from Decoder.start: buf may move.
type span struct{ from, to int }

const (
	clip      = 128 // octets of an offending line that an error keeps
	minBuffer = 512 // octets of room a decoder begins with
)

// Reset forgets everything but the memory, sets the limits and chooses the profile. To
// begin with a new stream, after STARTTLS for instance, a decoder must be reset.
func (d *Decoder) Reset(l Limits, strict bool) {
	*d = Decoder{limits: l.withDefaults(), strict: strict, buf: d.buf[:0], spans: d.spans[:0], lines: d.lines[:0]}
	d.lineCap = d.limits.Line
}

// SetLineLimit changes the limit on a line from the next one on, in octets with CRLF;
// 0 restores the one given to Reset. A challenge of AUTH needs [AuthLine].
func (d *Decoder) SetLineLimit(n int) {
	d.init()
	d.raw = 0
	d.lineCap = d.limits.Line
	if n > 0 {
		d.lineCap = n
	}
}

// Feed copies p behind what is buffered. After an error it does nothing.
func (d *Decoder) Feed(p []byte) {
	if d.err != nil {
		return
	}
	if d.start > 0 && (d.start == len(d.buf) || len(d.buf)+len(p) > cap(d.buf)) {
		n := copy(d.buf, d.buf[d.start:])
		d.buf = d.buf[:n]
		d.base += int64(d.start)
		d.line -= d.start
		d.scan -= d.start
		d.start, d.raw = 0, 0
	}
	if need := len(d.buf) + len(p); need > cap(d.buf) {
		d.grow(need, len(p))
	}
	d.buf = append(d.buf, p...)
}

// Next returns the next complete reply, or nil and no error if more octets are needed.
// The reply and its lines are valid until the next call of Feed, Next, Reset or
// Release. An error is a [*SyntaxError] and final: every later call returns it.
func (d *Decoder) Next() (*Reply, error) {
	if d.Again(1) > 0 || d.ordinary() {
		return &d.reply, nil
	}
	return d.next()
}

// next is Next without its short ways.
func (d *Decoder) next() (*Reply, error) {
	for d.err == nil {
		text, ok := d.nextLine()
		if !ok {
			break
		}
		if d.take(text) {
			return d.finish(), nil
		}
	}
	return nil, d.err
}

// Again takes as many of the next replies as are there and the last one again, octet for
// octet, as those to the recipients of a message nearly always are, but at most so many; the
// reply that Next has returned is the last of them then.
func (d *Decoder) Again(most int) (times int) {
	n := d.raw
	if n == 0 || d.line != d.start {
		return 0
	}
	last, rest := d.buf[d.start-n:], d.buf[d.start:]
	if most > 1 { // all of them at once: each octet is what is n before it
		most = min(most, len(rest)/n)
		if all := most * n; bytes.Equal(last[:all], rest[:all]) {
			times = most
		}
	}
	for times < most && len(rest) >= n*(times+1) && bytes.Equal(last[:n], rest[n*times:n*(times+1)]) {
		times++
	}
	if times == 0 {
		return 0
	}
	d.start += times * n
	d.line, d.scan = d.start, d.start
	text := d.reply.Lines[0]
	d.lines[0] = d.buf[d.start-len(crlf)-len(text) : d.start-len(crlf) : d.start-len(crlf)]
	return times
}

// ordinary takes the next reply if it is one whole line without anything odd about it, as
// most are: then nothing has to be kept from one call to the next. Everything else is left
// to the long way, which says what is wrong.
func (d *Decoder) ordinary() bool {
	if d.line != d.start || d.err != nil {
		return false
	}
	text := d.buf[d.start:]
	n := bytes.IndexByte(text, '\n') + 1
	if n < len("250 \r\n") || n > min(d.lineCap, d.limits.Reply) || text[3] != ' ' {
		return false
	}
	end := n - len("\r\n")
	code := replyCode(text)
	if code == 0 || bytes.IndexByte(text[:n], '\r') != end {
		return false
	}
	line := text[4:end:end]
	e, _ := ParseEnhanced(line)
	if int(e.Class) != int(text[0]-'0') {
		e = Enhanced{}
	}
	d.lines = append(d.lines[:0], line)
	r := &d.reply
	r.Code, r.Enhanced, r.Lines, r.Anomalies = code, e, d.lines, 0
	d.raw, d.begun = n, true
	d.start += n
	d.line, d.scan = d.start, d.start
	return true
}

// Buffered returns how many octets were fed and are not part of a returned reply. A
// tolerated stray line counts until the reply behind it is returned.
func (d *Decoder) Buffered() int { return len(d.buf) - d.start }

// PartialReply reports whether a line of an unfinished reply has been seen.
func (d *Decoder) PartialReply() bool { return len(d.spans) > 0 }

// Blank reports whether all that is buffered, when Next has returned nil, is the one
// empty line that the lenient profile tolerates behind a reply.
func (d *Decoder) Blank() bool {
	return d.anomalies.Has(StrayLine) && len(d.spans) == 0 && d.line == len(d.buf)
}

// Unfinished returns the beginning of the line that has no end yet, at most 128
// octets, to be shown when the connection ends there. It is borrowed like a reply.
func (d *Decoder) Unfinished() []byte {
	return d.buf[d.line:min(len(d.buf), d.line+clip)]
}

// Release gives the memory back if nothing is buffered or the stream is in error.
func (d *Decoder) Release() {
	if d.Buffered() > 0 && d.err == nil {
		return
	}
	d.base += int64(len(d.buf))
	d.buf, d.spans, d.lines, d.reply = nil, nil, nil, Reply{}
	d.start, d.line, d.scan, d.raw = 0, 0, 0, 0
}

func (d *Decoder) init() {
	if d.limits.Line == 0 { // the zero value
		d.limits = d.limits.withDefaults()
		d.lineCap = d.limits.Line
	}
}

// grow makes room for need octets: twice the old room, but no more than a reply and a
// piece can take.
func (d *Decoder) grow(need, piece int) {
	d.init()
	room := min(max(2*cap(d.buf), minBuffer), d.limits.Reply+piece)
	if room < need {
		room = need + need/4
	}
	d.buf = append(make([]byte, 0, room), d.buf...)
}

// nextLine moves scan to the end of the current line and returns the line without its
// LF, or false if the LF is not there yet or beyond a limit.
func (d *Decoder) nextLine() (text []byte, ok bool) {
	d.init()
	room, over := d.lineCap, LongLine
	if left := d.limits.Reply - (d.line - d.start); left < room {
		room, over = left, LongReply
	}
	end := min(len(d.buf), d.line+room)
	if d.scan < end {
		if i := bytes.IndexByte(d.buf[d.scan:end], '\n'); i >= 0 {
			d.scan += i + 1
			return d.buf[d.line : d.scan-1], true
		}
	}
	if end == d.line+room {
		d.fail(over, d.buf[d.line:end])
		return nil, false
	}
	d.scan = end
	return nil, false
}

// take adds a line to the reply and reports whether it was the last one. What it finds
// wrong goes to d.err or d.anomalies.
func (d *Decoder) take(text []byte) (last bool) {
	raw := text
	if n := len(text); n > 0 && text[n-1] == '\r' {
		text = text[:n-1]
	} else if !d.let(BareLF, raw) {
		return false
	}
	if len(text) == 0 {
		d.empty()
		return false
	}
	code := replyCode(text)
	if code == 0 {
		d.fail(BadCode, text)
		return false
	}
	if len(d.spans) >= d.limits.Lines {
		d.fail(ManyLines, text)
		return false
	}
	from := 4
	last = true
	switch {
	case len(text) == 3:
		from = 3
	case text[3] == ' ':
	case text[3] == '-':
		last = false
	case text[3] == '\t':
		if !d.let(TabSeparator, text) {
			return false
		}
	default:
		if !d.let(NoSeparator, text) {
			return false
		}
		from = 3
	}
	if bytes.IndexByte(text, '\r') >= 0 && !d.let(BareCR, text) {
		return false
	}
	if !d.merge(code, text) {
		return false
	}
	at := d.line - d.start
	d.spans = append(d.spans, span{at + from, at + len(text)})
	d.line = d.scan
	return last
}

// replyCode returns the code at the front of a line, or 0 if there is none: three ASCII
// digits, not followed by a fourth, the first of them from 2 to 5 (RFC 5321 §4.2).
func replyCode(text []byte) int {
	if len(text) < 3 || text[0] < '2' || text[0] > '5' || !isDigit(text[1]) || !isDigit(text[2]) ||
		len(text) > 3 && isDigit(text[3]) {
		return 0
	}
	return int(text[0]-'0')*100 + int(text[1]-'0')*10 + int(text[2]-'0')
}

// empty passes over an empty line where the lenient profile tolerates one: once inside
// a reply, once behind one.
func (d *Decoder) empty() {
	switch {
	case len(d.spans) > 0:
		if d.anomalies.Has(EmptyLine) {
			d.fail(EmptyLine, nil)
			return
		}
		d.let(EmptyLine, nil)
	case d.begun && !d.anomalies.Has(StrayLine):
		d.let(StrayLine, nil)
	default:
		d.fail(BadCode, nil)
		return
	}
	d.line = d.scan
}

// merge compares a line's code with those before it.
func (d *Decoder) merge(code int, text []byte) bool {
	switch {
	case len(d.spans) == 0:
		d.worst = code
	case code == d.code:
	case code/100 == d.code/100:
		if !d.let(MixedCodes, text) {
			return false
		}
	default:
		if !d.let(MixedClasses, text) {
			return false
		}
	}
	d.code = code
	if code/100 >= d.worst/100 {
		d.worst = code
	}
	return true
}

// finish makes the reply out of its lines and begins the next one.
func (d *Decoder) finish() *Reply {
	r := &d.reply // written where it is: a copy would wait for the parts
	r.Code, r.Enhanced, r.Anomalies = d.worst, Enhanced{}, d.anomalies
	d.lines = d.lines[:0]
	for _, s := range d.spans {
		line := d.buf[d.start+s.from : d.start+s.to : d.start+s.to]
		d.lines = append(d.lines, line)
		if r.Enhanced.Class == 0 {
			if e, _ := ParseEnhanced(line); int(e.Class) == d.worst/100 {
				r.Enhanced = e
			}
		}
	}
	r.Lines = d.lines
	d.raw = 0
	if len(d.lines) == 1 && d.anomalies == 0 {
		d.raw = d.scan - d.start
	}
	d.start = d.scan
	d.spans = d.spans[:0]
	d.anomalies = 0
	d.begun = true
	return &d.reply
}

// let notes an anomaly, or fails with it in the strict profile.
func (d *Decoder) let(a Anomaly, text []byte) bool {
	if d.strict {
		d.fail(a, text)
		return false
	}
	d.anomalies = d.anomalies.Add(a)
	return true
}

func (d *Decoder) fail(a Anomaly, text []byte) {
	d.err = &SyntaxError{Anomaly: a, Offset: d.base + int64(d.line), Bytes: bytes.Clone(text[:min(len(text), clip)])}
}

// hints tell other protocols by how their servers begin.
var hints = [...]struct{ prefix, hint string }{
	{"\x15\x03", "looks like TLS"}, // an alert record
	{"\x16\x03", "looks like TLS"}, // a handshake record
	{"HTTP/", "looks like HTTP"},
	{"<", "looks like HTML"},
	{"SSH-", "looks like SSH"},
	{"* OK", "looks like IMAP"},
	{"* PREAUTH", "looks like IMAP"},
	{"* BYE", "looks like IMAP"},
	{"+OK", "looks like POP3"},
	{"-ERR", "looks like POP3"},
	{"\"IMPLEMENTATION\"", "looks like ManageSieve"},
	{"\xff\xfb", "looks like Telnet"},
	{"\xff\xfd", "looks like Telnet"},
	{"\xef\xbb\xbf", "begins with a byte order mark"},
	{"\x00", "begins with NUL"},
}

// Hint says what protocol a line that is no reply may be from, such as "looks like
// HTTP", or "". It is a guess for people to read.
func Hint(line []byte) string {
	head := string(line[:min(len(line), 20)])
	for _, h := range hints {
		if strings.HasPrefix(head, h.prefix) {
			return h.hint
		}
	}
	return ""
}
