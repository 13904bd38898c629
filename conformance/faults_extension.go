package conformance

import (
	"bytes"
	"errors"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/parley-mail/parley/codec"
	"github.com/parley-mail/parley/events"
	"github.com/parley-mail/parley/fsm"
	"github.com/parley-mail/parley/session"
)

// extensionFaults are about extensions: what is asked for, when, and how content goes out.
var extensionFaults = []namedFault{
	// PIPELINING.
	{"command-behind-data", "says NOOP behind DATA in the same write", fault{sent: replace(`DATA\r\n$`, "DATA\r\nNOOP\r\n")}},
	{"no-window", "sends commands without end before it reads a reply", fault{config: func(c *session.Config) { c.Window = 1 << 30 }}},
	{"moot-replies-unread", "does not wait for the replies behind a refusal of MAIL", fault{reply: func(f *faulty, r []byte) []byte {
		if f.answers("MAIL") && f.told == 0 && r[0] >= '4' {
			r = append(r, strings.Repeat("503 imagined\r\n", f.asked-1)...)
		}
		return r
	}}},
	{"dot-and-mail-swapped", "takes what answers the end of the content for what answers the MAIL behind it", fault{reply: func(f *faulty, r []byte) []byte {
		switch {
		case !bytes.Contains(f.last, []byte(".\r\nMAIL")):
			return r
		case f.kept == nil:
			f.kept = bytes.Clone(r)
			return nil
		}
		f.last = nil
		return append(r, f.kept...)
	}}},
	{"lost-forgets-refusals", "forgets what was refused when the connection is lost", fault{outcome: func(f *faulty, _ *session.Transaction, _ int, o session.Outcome) session.Outcome {
		if o.Status == session.Refused && errors.Is(f.Err(), session.ErrTransport) {
			o = session.Outcome{}
		}
		return o
	}}},
	{"unanswered-is-refused", "says refused where nobody has answered", fault{outcome: turn(session.NotSent, session.Refused)}},

	// CHUNKING and BINARYMIME.
	{"chunking-unasked", "sends chunks to whom it pleases", fault{reply: assume("CHUNKING")}},
	{"binary-unasked", "sends binary content to whom it pleases", fault{reply: assume("CHUNKING", "BINARYMIME")}},
	{"chunk-count-off", "counts an octet too few in a chunk", fault{sent: count(`BDAT \d+`, -1)}},
	{"chunks-by-lf", "ends lines in chunks by LF", fault{sent: func(_ *faulty, p []byte) []byte {
		line, content, ok := bytes.Cut(p, []byte(" LAST\r\n"))
		i := bytes.LastIndex(line, []byte("BDAT "))
		if !ok || i < 0 {
			return p
		}
		content = bytes.ReplaceAll(content, []byte("\r\n"), []byte("\n"))
		line = strconv.AppendInt(bytes.Clone(line[:i+5]), int64(len(content)), 10)
		return append(append(line, " LAST\r\n"...), content...)
	}}},
	{"refused-chunk-ignored", "sends further chunks although one was refused", fault{reply: func(f *faulty, r []byte) []byte {
		if cmd, ok := f.Awaited(); ok && cmd == fsm.Bdat {
			return recode(r, "250")
		}
		return r
	}}},
	{"last-twice", "ends the chunks twice", fault{sent: func(_ *faulty, p []byte) []byte {
		if bytes.Contains(p, []byte(" LAST\r\n")) {
			return append(bytes.Clone(p), "BDAT 0 LAST\r\n"...)
		}
		return p
	}}},
	{"data-behind-chunks", "tries DATA when a chunk was refused", fault{sent: func(f *faulty, p []byte) []byte {
		if f.State() == fsm.Spoiled {
			return bytes.Replace(p, []byte("RSET\r\n"), []byte("DATA\r\n"), 1)
		}
		return p
	}}},
	{"accepted-by-chunk", "says accepted when a chunk was", fault{outcome: func(_ *faulty, tx *session.Transaction, _ int, o session.Outcome) session.Outcome {
		if o.Status == session.NotSent && tx.Sent() > 0 {
			o.Status = session.Accepted
		}
		return o
	}}},

	// 8BITMIME and SIZE.
	{"8bit-unasked", "says BODY=8BITMIME to whom it pleases", fault{reply: assume("8BITMIME")}},
	{"body-twice", "says BODY twice", fault{sent: replace(` BODY=\w+`, "$0$0")}},
	{"8bit-all-the-same", "sends octets over 127 to whoever takes seven bits", fault{config: func(c *session.Config) { c.Raw8Bit = true }}},
	{"size-unasked", "says SIZE to whom it pleases", fault{reply: assume("SIZE")}},
	{"size-of-the-wire", "counts the line that ends the content", fault{sent: count(`SIZE=\d+`, 3)}},
	{"no-limit-is-one", "takes SIZE without a limit for one", fault{reply: replace(`250([- ])SIZE( 0)?\r\n`, "250${1}SIZE 1\r\n")}},
	{"size-is-a-promise", "takes the 2yz to MAIL with SIZE for the last word about the size", fault{outcome: func(_ *faulty, _ *session.Transaction, _ int, o session.Outcome) session.Outcome {
		if o.Command == fsm.EndOfData && (o.Reply.Code == 552 || o.Reply.Code == 452) {
			o.Status = session.Accepted
		}
		return o
	}}},
	{"values-unread", "does not read the values of keywords", fault{reply: replace(`(250[- ](?:SIZE|DELIVERBY|FUTURERELEASE|LIMITS)) [^\r\n]*`, "$1")}},

	// Enhanced status codes.
	{"no-enhanced-codes", "does not know enhanced status codes", fault{outcome: enhance(func(*faulty, codec.Reply) codec.Enhanced { return codec.Enhanced{} })}},
	{"enhanced-if-offered", "reads enhanced status codes only where they are offered", fault{outcome: enhance(func(f *faulty, r codec.Reply) codec.Enhanced {
		if !f.Extensions().EnhancedStatusCodes {
			return codec.Enhanced{}
		}
		return r.Enhanced
	})}},
	{"enhanced-of-any-class", "believes an enhanced code whose class is not that of the reply", fault{outcome: enhance(func(_ *faulty, r codec.Reply) codec.Enhanced {
		e, _ := codec.ParseEnhanced(r.Lines[0])
		return e
	})}},
	{"enhanced-by-prefix", "reads what begins like an enhanced code as far as it goes", fault{outcome: enhance(func(_ *faulty, r codec.Reply) codec.Enhanced {
		m := regexp.MustCompile(`^([245])\.(\d{1,3})(?:\.(\d{1,3}))?`).FindSubmatch(r.Lines[0])
		if m == nil {
			return r.Enhanced
		}
		var n [3]uint64
		for i := range n {
			n[i], _ = strconv.ParseUint(string(m[i+1]), 10, 16)
		}
		return codec.Enhanced{Class: uint16(n[0]), Subject: uint16(n[1]), Detail: uint16(n[2])}
	})}},
	{"enhanced-greeting", "takes the greeting's first word for an enhanced code", fault{config: func(c *session.Config) {
		c.Events = codeSeeker{c.Events}
	}}},

	// SMTPUTF8.
	{"no-smtputf8", "does not ask for SMTPUTF8", fault{sent: replace(` SMTPUTF8`, "")}},
	{"smtputf8-always", "asks for SMTPUTF8 wherever it is offered", fault{sent: func(f *faulty, p []byte) []byte {
		if f.Extensions().SMTPUTF8 && bytes.HasPrefix(p, []byte("MAIL")) {
			return bytes.Replace(p, []byte("\r\n"), []byte(" SMTPUTF8\r\n"), 1)
		}
		return p
	}}},
	{"smtputf8-unasked", "sends UTF-8 in addresses to whom it pleases", fault{reply: assume("SMTPUTF8")}},
	{"keywords-stand-alone", "does not know a keyword with a value behind it", fault{reply: replace(`(?i)(250[- ](?:SMTPUTF8|PIPELINING)) `, "$1-")}},
	{"utf8-without-8bit", "asks for SMTPUTF8 without 8BITMIME", fault{sent: replace(` BODY=8BITMIME( SMTPUTF8)`, "$1")}},
	{"replies-are-ascii", "drops octets over 127 from replies", fault{reply: replace(`[\x80-\x{10FFFF}]`, "")}},
	{"name-in-unicode", "says its name in U-labels", fault{sent: replace(`EHLO xn--bcher-kva`, "EHLO b\u00fccher")}},

	// DSN.
	{"dsn-unasked", "asks for notifications whom it pleases", fault{reply: assume("DSN")}},
	{"never-and-success", "says NEVER beside another condition", fault{sent: replace(`NOTIFY=S`, "NOTIFY=NEVER,S")}},
	{"raw-xtext", "does not encode what stands in ENVID and ORCPT", fault{sent: replace(`\+(2B|3D)`, "+")}},
	{"orcpt-in-latin", "writes an address of type utf-8 as if it were of type rfc822", fault{sent: replace(`\\x\{F6\}`, "+C3+B6")}},
	{"endless-envid", "does not bound ENVID", fault{sent: replace(`ENVID=`, "ENVID="+strings.Repeat("x", 101))}},
	{"ret-twice", "says RET twice", fault{sent: replace(` RET=\w+`, "$0$0")}},
	{"ret-all", "says RET=ALL", fault{sent: replace(`RET=FULL`, "RET=ALL")}},
	{"orcpt-of-another", "says as the original recipient whom it likes", fault{sent: replace(`ORCPT=rfc822;[^ \r]*`, "ORCPT=rfc822;postmaster@s.example")}},

	// DELIVERBY, FUTURERELEASE, MT-PRIORITY, REQUIRETLS, LIMITS.
	{"deliverby-unasked", "says BY to whom it pleases", fault{reply: assume("DELIVERBY")}},
	{"hold-unasked", "says HOLDFOR to whom it pleases", fault{reply: assume("FUTURERELEASE")}},
	{"hold-notifications", "asks to hold a notification", fault{sent: replace(`MAIL FROM:<[^>]*>(.* HOLD)`, "MAIL FROM:<>$1")}},
	{"due-while-held", "wants a message to be there before it is released", fault{sent: replace(`BY=\d+(;.*HOLDFOR)`, "BY=1$1")}},
	{"priority-unasked", "says MT-PRIORITY to whom it pleases", fault{reply: assume("MT-PRIORITY")}},
	{"other-priority-is-refusal", "takes another priority than it asked for as a refusal", fault{reply: func(_ *faulty, r []byte) []byte {
		if bytes.HasPrefix(r, []byte("250 2.3.6")) {
			return recode(r, "550")
		}
		return r
	}}},
	{"requiretls-unasked", "says REQUIRETLS to whom it pleases", fault{reply: assume("REQUIRETLS")}},
	{"requiretls-let-go", "sends the message although TLS cannot be required", fault{reply: assume("REQUIRETLS"), sent: replace(` REQUIRETLS`, "")}},
	{"limits-by-halves", "takes what it understands of a malformed line", fault{reply: replace(`(LIMITS .*?) [A-Z]+;?=;?(\r?\n)`, "$1$2")}},
	{"limits-with-zeros", "reads numbers with zeros in front", fault{reply: replace(`=0+([1-9])`, "=$1")}},
	{"limits-are-promises", "takes a refusal below the limit for a mistake", fault{reply: func(f *faulty, r []byte) []byte {
		if f.Extensions().RcptMax > 0 && f.State() == fsm.Recipients && firstCode(r) == "452" {
			return recode(r, "250")
		}
		return r
	}}},

	// LMTP.
	{"ehlo-to-lmtp", "says EHLO where LHLO is meant", fault{config: func(c *session.Config) { c.LMTP = false }}},
	{"helo-behind-lhlo", "says HELO when LHLO is not known", fault{reply: func(f *faulty, r []byte) []byte {
		if f.answers("LHLO") && r[0] == '5' {
			f.extra = []byte("HELO client.example\r\n")
		}
		return r
	}}},
	{"pipeline-over-lmtp", "takes it for granted that LMTP means PIPELINING", fault{reply: func(f *faulty, r []byte) []byte {
		if f.answers("LHLO") {
			return assume("PIPELINING")(f, r)
		}
		return r
	}}},
	{"content-behind-503", "sends the content behind a 503 to DATA", fault{reply: func(f *faulty, r []byte) []byte {
		if bytes.HasSuffix(f.last, []byte("DATA\r\n")) && firstCode(r) == "503" && f.told+1 == f.asked {
			f.extra = []byte("hi\r\n.\r\n")
		}
		return r
	}}},
	{"reply-for-nobody", "waits for a reply for recipients whom nobody has accepted", fault{reply: func(f *faulty, r []byte) []byte {
		if firstCode(r) == "503" && bytes.Contains(f.last, []byte(" LAST\r\n")) {
			return nil
		}
		return r
	}}},
	{"last-word-for-all", "takes the last of several replies for everybody", fault{outcome: func(_ *faulty, tx *session.Transaction, i int, o session.Outcome) session.Outcome {
		for k := i + 1; k < tx.Len(); k++ {
			if last := tx.Outcome(k); o.Command.EndsContent() && last.Command.EndsContent() {
				o = last
			}
		}
		return o
	}}},

	// Submission.
	{"blind-retry", "says MAIL again when it is told to authenticate", fault{reply: func(f *faulty, r []byte) []byte {
		if f.answers("MAIL") && firstCode(r) == "530" {
			f.extra = bytes.Clone(f.last)
		}
		return r
	}}},
	{"in-a-hurry", "waits for a quarter of a minute", fault{patience: func(d time.Duration) time.Duration { return min(d, 15*time.Second) }}},
}

// assume lets the engine believe that the server offers these as well.
func assume(keywords ...string) func(*faulty, []byte) []byte {
	return func(f *faulty, r []byte) []byte {
		if r[0] != '2' || !f.answers("EHLO") && !f.answers("LHLO") {
			return r
		}
		more := "250-x\r\n"
		for _, k := range keywords {
			more += "250-" + k + "\r\n"
		}
		return append([]byte(more), r...)
	}
}

// replace puts something else in the place of what the pattern finds, in what is said or
// in what is heard.
func replace(pattern, instead string) func(*faulty, []byte) []byte {
	re := regexp.MustCompile(pattern)
	return func(_ *faulty, p []byte) []byte { return re.ReplaceAll(p, []byte(instead)) }
}

// count adds to the number at the end of what the pattern finds.
func count(pattern string, more int64) func(*faulty, []byte) []byte {
	re := regexp.MustCompile(pattern)
	return func(_ *faulty, p []byte) []byte {
		return re.ReplaceAllFunc(p, func(found []byte) []byte {
			i := bytes.LastIndexAny(found, " =") + 1
			n, _ := strconv.ParseInt(string(found[i:]), 10, 64)
			return strconv.AppendInt(bytes.Clone(found[:i]), n+more, 10)
		})
	}
}

// enhance lets code say which enhanced code a reply has.
func enhance(code func(*faulty, codec.Reply) codec.Enhanced) func(*faulty, *session.Transaction, int, session.Outcome) session.Outcome {
	return func(f *faulty, _ *session.Transaction, _ int, o session.Outcome) session.Outcome {
		if o.Reply.Code != 0 {
			o.Reply.Enhanced = code(f, o.Reply)
		}
		return o
	}
}

// codeSeeker finds an enhanced code where there cannot be one.
type codeSeeker struct{ session.Sink }

// Publish alters what is said of the greeting.
func (c codeSeeker) Publish(e events.Event) {
	if g, ok := e.(*events.Greeted); ok {
		g.Reply.Enhanced, _ = codec.ParseEnhanced(g.Reply.Lines[0])
	}
	c.Sink.Publish(e)
}
