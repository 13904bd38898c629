package conformance

import (
	"bytes"
	"slices"
	"time"

	"github.com/parley-mail/parley/auth"
	"github.com/parley-mail/parley/codec"
	"github.com/parley-mail/parley/fsm"
	"github.com/parley-mail/parley/session"
)

// namedFault is an engine that is wrong in a way in which clients have been wrong.
type namedFault struct {
	name, about string
	fault       fault
}

// faults are all of them, in the order in which they are listed.
var faults = slices.Concat(coreFaults, mailFaults, linkFaults, extensionFaults)

// coreFaults are about replies, the order of commands and what is believed of a message.
var coreFaults = []namedFault{
	// Replies.
	{"last-line-counts", "takes the last line's code for that of the reply, whatever the others say", fault{reply: func(_ *faulty, r []byte) []byte {
		return recode(r, lastCode(r))
	}}},
	{"first-line-counts", "takes the first line's code for that of the reply", fault{reply: func(_ *faulty, r []byte) []byte {
		return recode(r, firstCode(r))
	}}},
	{"every-line-is-a-reply", "takes each line of a reply for a reply", fault{reply: func(_ *faulty, r []byte) []byte {
		return bytes.ReplaceAll(r, []byte("250-"), []byte("250 "))
	}}},
	{"act-on-text", "believes the word \"ok\" more than the code", fault{reply: func(_ *faulty, r []byte) []byte {
		if len(r) > 3 && bytes.Contains(bytes.ToLower(r[3:]), []byte("ok")) && r[0] == '5' {
			return recode(r, "250")
		}
		return r
	}}},
	{"exact-codes-only", "knows 250 and no other success", fault{reply: func(f *faulty, r []byte) []byte {
		if (f.answers("RCPT") || f.answers("MAIL")) && r[0] == '2' && firstCode(r) != "250" {
			return recode(r, "550")
		}
		return r
	}}},
	{"enhanced-code-decides", "believes the enhanced code more than the code", fault{reply: func(_ *faulty, r []byte) []byte {
		if len(r) > 6 && r[3] == ' ' && r[5] == '.' && r[4] >= '2' && r[4] <= '5' && r[4] != r[0] {
			return recode(r, string(r[4])+"50")
		}
		return r
	}}},
	{"swallow-extra-reply", "drops a reply that nobody owes", fault{reply: func(f *faulty, r []byte) []byte {
		if f.told >= f.asked && len(f.last) > 0 {
			return nil
		}
		return r
	}}},
	{"partial-line-is-a-reply", "takes what stands before the end of the connection for a line", fault{reply: same, lost: func(f *faulty) []byte {
		return []byte("\r\n")
	}}},
	{"half-reply-is-a-reply", "takes a reply without its last line for one", fault{reply: same, lost: func(f *faulty) []byte {
		return []byte("250 so be it\r\n")
	}}},
	{"farewell-is-transient", "takes 421 for any 4yz", fault{reply: recodeIf("421", "450")}},
	{"transient-is-permanent", "takes 4yz for 5yz", fault{outcome: func(_ *faulty, _ *session.Transaction, _ int, o session.Outcome) session.Outcome {
		if o.Reply.Code/100 == 4 {
			o.Reply.Code += 100
		}
		return o
	}}},
	{"no-limits", "reads lines and replies without end", fault{config: func(c *session.Config) {
		c.Limits = codec.Limits{Line: 1 << 30, Reply: 1 << 30, Lines: 1 << 30}
	}}},
	{"always-lenient", "lets oddities pass that it was told not to", fault{config: func(c *session.Config) { c.Strict = false }}},

	// Opening.
	{"talk-first", "does not wait for the greeting", fault{begin: func(f *faulty) { f.extra = []byte("NOOP\r\n") }}},
	{"any-greeting", "goes on after a greeting that is a refusal", fault{reply: func(f *faulty, r []byte) []byte {
		if f.last == nil && (r[0] == '4' || r[0] == '5') {
			return recode(r, "220")
		}
		return r
	}}},
	{"helo-after-farewell", "says HELO after 421 to EHLO", fault{reply: helloRefused("421")}},
	{"helo-after-refusal", "says HELO after 550 to EHLO", fault{reply: helloRefused("550")}},
	{"no-helo", "does not know HELO", fault{reply: func(f *faulty, r []byte) []byte {
		if f.answers("EHLO") && (firstCode(r) == "500" || firstCode(r) == "502") {
			return recode(r, "554")
		}
		return r
	}}},
	{"case-sensitive", "knows keywords only in upper case", fault{reply: func(f *faulty, r []byte) []byte {
		return ehloLines(f, r, func(i int, line []byte) []byte {
			if i > 0 && !bytes.Equal(line, bytes.ToUpper(line)) {
				return line[:4]
			}
			return line
		})
	}}},
	{"first-line-is-a-keyword", "looks for keywords in the first line of the EHLO reply", fault{reply: func(f *faulty, r []byte) []byte {
		return ehloLines(f, r, func(i int, line []byte) []byte {
			if i == 0 {
				return []byte("250-x\r\n250-" + string(line[4:]))
			}
			return line
		})
	}}},
	{"keyword-by-substring", "finds a keyword anywhere in a line", fault{reply: func(f *faulty, r []byte) []byte {
		return ehloLines(f, r, func(i int, line []byte) []byte {
			for _, k := range []string{"STARTTLS", "PIPELINING", "CHUNKING"} {
				if i > 0 && bytes.Contains(line, []byte(k)) {
					return []byte("250-" + k + "\r\n")
				}
			}
			return line
		})
	}}},

	// Pipelining.
	{"pipeline-unasked", "pipelines whatever the server offers", fault{reply: func(f *faulty, r []byte) []byte {
		return ehloLines(f, r, func(i int, line []byte) []byte {
			if i == 0 {
				return append([]byte("250-x\r\n250-PIPELINING\r\n"), bytes.Replace(line, []byte("250 "), []byte("250-"), 1)...)
			}
			return line
		})
	}}},
	{"no-pipelining", "never pipelines", fault{config: func(c *session.Config) { c.Serial = true }}},
	{"count-by-text", "gives a reply to the recipient whose address is in its text", fault{outcome: func(_ *faulty, tx *session.Transaction, i int, o session.Outcome) session.Outcome {
		for k := range tx.Len() {
			other := tx.Outcome(k)
			if bytes.Contains([]byte(other.Reply.Text()), []byte(tx.Envelope.Recipients[i].Path.String())) {
				return other
			}
		}
		return o
	}}},
	{"skip-lone-dot", "does not answer a 354 that has become moot", fault{sent: func(f *faulty, p []byte) []byte {
		if f.State() == fsm.LoneDot {
			return nil
		}
		return p
	}}},
	{"content-for-nobody", "sends the content although nobody wants it", fault{sent: func(f *faulty, p []byte) []byte {
		if f.State() == fsm.LoneDot {
			return append([]byte("hello\r\n"), p...)
		}
		return p
	}}},
	{"pipeline-behind-starttls", "says EHLO behind STARTTLS in the same write", fault{sent: func(_ *faulty, p []byte) []byte {
		if bytes.HasSuffix(p, []byte("STARTTLS\r\n")) {
			return append(p, "EHLO x.example\r\n"...)
		}
		return p
	}}},

	// TLS and AUTH.
	{"keep-clear-octets", "takes octets that came before the handshake for what is said inside", fault{reply: holdBehind220, secured: func(f *faulty) {
		held := f.held
		f.held = nil
		f.Session.Receive(held)
	}}},
	{"drop-clear-octets", "drops octets that came before the handshake in silence", fault{reply: holdBehind220, secured: func(f *faulty) { f.held = nil }}},
	{"remember-extensions", "remembers inside TLS what was offered in clear", fault{reply: func(f *faulty, r []byte) []byte {
		if !f.answers("EHLO") || r[0] != '2' {
			return r
		}
		lines := bytes.SplitAfter(r, []byte("\n"))
		if f.kept == nil {
			f.kept = bytes.Join(lines[1:], nil)
			f.kept = bytes.ReplaceAll(f.kept, []byte("250 "), []byte("250-"))
			return r
		}
		return append([]byte("250-x\r\n"), append(bytes.Clone(f.kept), bytes.Join(lines, nil)...)...)
	}}},
	{"downgrade", "goes on in clear where TLS was required", fault{config: func(c *session.Config) {
		if c.StartTLS == session.StartTLSOrNothing {
			c.StartTLS = session.StartTLSIfOffered
		}
	}}},
	{"any-reply-starts-tls", "begins TLS after whatever answers STARTTLS", fault{reply: func(f *faulty, r []byte) []byte {
		if f.answers("STARTTLS") {
			return recode(r, "220")
		}
		return r
	}}},
	{"secret-in-clear", "sends a password on a clear link", fault{policy: func(p *auth.Policy) { p.AllowPlaintext = true }}},
	{"secret-to-anybody", "sends a password to a peer whose certificate was not verified", fault{policy: func(p *auth.Policy) { p.AllowUnverified = true }}},
	{"few-iterations", "lets the server choose an iteration count of one", fault{policy: func(p *auth.Policy) { p.MinIterations = 1 }}},
	{"any-success-is-235", "believes a 2yz in the middle of an exchange", fault{reply: func(f *faulty, r []byte) []byte {
		if f.State() == fsm.Authenticating && r[0] == '5' {
			return recode(r, "235")
		}
		return r
	}}},
	{"no-cancel", "answers a challenge that it does not understand with nothing", fault{sent: func(_ *faulty, p []byte) []byte {
		return bytes.Replace(p, []byte("*\r\n"), []byte("\r\n"), 1)
	}}},
	{"wait-for-empty-response", "leaves out the = of an empty initial response", fault{sent: func(_ *faulty, p []byte) []byte {
		return bytes.Replace(p, []byte(" =\r\n"), []byte("\r\n"), 1)
	}}},

	// Content.
	{"content-without-354", "sends the content after a 2yz to DATA", fault{reply: func(f *faulty, r []byte) []byte {
		if bytes.HasSuffix(f.last, []byte("DATA\r\n")) && r[0] == '2' && f.told+1 == f.asked {
			return recode(r, "354")
		}
		return r
	}}},
	{"data-refusal-ignored", "sends the content although DATA was refused", fault{reply: func(f *faulty, r []byte) []byte {
		if bytes.HasSuffix(f.last, []byte("DATA\r\n")) && r[0] >= '4' && f.told+1 == f.asked && f.State() == fsm.Recipients {
			return recode(r, "354")
		}
		return r
	}}},
	{"no-transparency", "does not double the period at the front of a line", fault{sent: func(f *faulty, p []byte) []byte {
		if f.State() != fsm.Content {
			return p
		}
		p = bytes.ReplaceAll(p, []byte("\r\n.."), []byte("\r\n."))
		if bytes.HasPrefix(p, []byte("..")) {
			p = p[1:]
		}
		return p
	}}},
	{"stuff-chunks", "doubles the period in chunks", fault{sent: func(f *faulty, p []byte) []byte {
		if i := bytes.Index(p, []byte("BDAT ")); i >= 0 {
			return bytes.ReplaceAll(p, []byte("\r\n."), []byte("\r\n.."))
		}
		return p
	}}},
	{"one-crlf-more", "puts an empty line before the end of the content", fault{sent: func(f *faulty, p []byte) []byte {
		return bytes.Replace(p, []byte("\r\n.\r\n"), []byte("\r\n\r\n.\r\n"), 1)
	}}},
	{"bare-lf", "ends lines of the content by LF", fault{sent: func(f *faulty, p []byte) []byte {
		if f.State() == fsm.Content {
			return append(bytes.ReplaceAll(p[:max(0, len(p)-5)], []byte("\r\n"), []byte("\n")), p[max(0, len(p)-5):]...)
		}
		return p
	}}},
	{"end-on-failure", "ends the content although its source has failed", fault{body: func(f *faulty, _ error) { f.Session.Body(nil, true) }}},
	{"end-after-farewell", "ends the content after the server has said 421", fault{reply: func(f *faulty, r []byte) []byte {
		if firstCode(r) == "421" && f.State() == fsm.Content {
			f.extra = []byte("\r\n.\r\n")
		}
		return r
	}}},
	{"second-word", "lets what answers QUIT decide about the message", fault{reply: func(f *faulty, r []byte) []byte {
		if f.answers("QUIT") && r[0] != '2' {
			f.kept = r
		}
		return r
	}, outcome: func(f *faulty, _ *session.Transaction, _ int, o session.Outcome) session.Outcome {
		if f.kept != nil {
			o.Status = session.Unknown
		}
		return o
	}}},

	// Outcomes.
	{"lost-is-accepted", "says accepted when the end of the content was not answered", fault{outcome: turn(session.Unknown, session.Accepted)}},
	{"lost-is-unsent", "says that nothing was sent when the end of the content was not answered", fault{outcome: turn(session.Unknown, session.NotSent)}},
	{"lost-is-refused", "says refused when the end of the content was not answered", fault{outcome: turn(session.Unknown, session.Refused)}},
	{"accepted-by-rcpt", "says accepted when RCPT was", fault{outcome: func(_ *faulty, _ *session.Transaction, _ int, o session.Outcome) session.Outcome {
		if o.Status != session.Accepted && o.Command == fsm.Rcpt && o.Reply.Code/100 == 2 {
			o.Status = session.Accepted
		}
		return o
	}}},
	{"one-refusal-for-all", "says refused for all when one recipient was", fault{outcome: share(session.Refused)}},
	{"first-word-for-all", "says accepted for all when one recipient was", fault{outcome: share(session.Accepted)}},
	{"too-many-is-permanent", "takes 552 to RCPT for permanent", fault{outcome: func(_ *faulty, _ *session.Transaction, _ int, o session.Outcome) session.Outcome {
		if o.Reply.Code == 552 && o.Command == fsm.Rcpt {
			o.Reply.Code = 550
		}
		return o
	}}},

	// Commands.
	{"lower-case", "writes verbs in lower case", fault{sent: func(f *faulty, p []byte) []byte {
		if bytes.HasPrefix(p, []byte("EHLO")) || bytes.HasPrefix(p, []byte("MAIL")) {
			return append([]byte{p[0] | 0x20, p[1] | 0x20, p[2] | 0x20, p[3] | 0x20}, p[4:]...)
		}
		return p
	}}},
	{"space-behind-colon", "writes MAIL FROM: <a@b>", fault{sent: func(_ *faulty, p []byte) []byte { return bytes.ReplaceAll(p, []byte(":<"), []byte(": <")) }}},
	{"space-at-the-end", "writes a blank before CRLF", fault{sent: func(f *faulty, p []byte) []byte {
		if f.State() == fsm.Content {
			return p
		}
		return bytes.Replace(p, []byte("\r\n"), []byte(" \r\n"), 1)
	}}},
	{"no-null-path", "puts an address where the path is null", fault{sent: func(_ *faulty, p []byte) []byte {
		return bytes.Replace(p, []byte("FROM:<>"), []byte("FROM:<postmaster@c.example>"), 1)
	}}},
	{"no-rset", "opens a transaction inside another", fault{sent: func(f *faulty, p []byte) []byte {
		if bytes.HasPrefix(p, []byte("RSET\r\n")) {
			f.Session.Receive([]byte("250 imagined\r\n"))
			return p[6:]
		}
		return p
	}}},
	{"no-quit", "closes the connection without QUIT", fault{sent: func(f *faulty, p []byte) []byte {
		if q, ok := bytes.CutSuffix(p, []byte("QUIT\r\n")); ok {
			f.cut()
			return q
		}
		return p
	}}},
	{"talk-after-quit", "says something behind QUIT", fault{sent: func(_ *faulty, p []byte) []byte {
		if bytes.HasSuffix(p, []byte("QUIT\r\n")) {
			return append(p, "NOOP\r\n"...)
		}
		return p
	}}},

	// Timers.
	{"short-patience", "waits half as long as it should", fault{patience: func(d time.Duration) time.Duration { return d / 2 }}},
	{"endless-patience", "waits for a day", fault{patience: func(d time.Duration) time.Duration { return max(d, 24*time.Hour) }}},
	{"no-timer", "waits without a timer", fault{patience: func(time.Duration) time.Duration { return 0 }}},
}

func same(_ *faulty, r []byte) []byte { return r }

func firstCode(r []byte) string {
	if len(r) < 3 {
		return ""
	}
	return string(r[:3])
}

func lastCode(r []byte) string {
	r = bytes.TrimRight(r, "\r\n")
	return firstCode(r[bytes.LastIndexByte(r, '\n')+1:])
}

func recodeIf(code, to string) func(*faulty, []byte) []byte {
	return func(_ *faulty, r []byte) []byte {
		if firstCode(r) == code {
			return recode(r, to)
		}
		return r
	}
}

// helloRefused makes a code that answers EHLO look like "not understood".
func helloRefused(code string) func(*faulty, []byte) []byte {
	return func(f *faulty, r []byte) []byte {
		if f.answers("EHLO") && firstCode(r) == code {
			return recode(r, "500")
		}
		return r
	}
}

// ehloLines rewrites the lines of a positive answer to EHLO.
func ehloLines(f *faulty, r []byte, line func(int, []byte) []byte) []byte {
	if !f.answers("EHLO") || r[0] != '2' {
		return r
	}
	var out []byte
	i := 0
	for l := range bytes.Lines(r) {
		l = line(i, append([]byte("250-"), l[min(4, len(l)):]...))
		if !bytes.HasSuffix(l, []byte("\n")) {
			l = append(l, "\r\n"...)
		}
		out = append(out, l...)
		i++
	}
	return append(out, "250 X-END\r\n"...)
}

// holdBehind220 keeps back what comes behind the 220 to STARTTLS.
func holdBehind220(f *faulty, r []byte) []byte {
	if f.answers("STARTTLS") && firstCode(r) == "220" {
		f.holding = true
	}
	return r
}

// turn makes one outcome of another.
func turn(from, to session.Status) func(*faulty, *session.Transaction, int, session.Outcome) session.Outcome {
	return func(_ *faulty, _ *session.Transaction, _ int, o session.Outcome) session.Outcome {
		if o.Status == from {
			o.Status = to
		}
		return o
	}
}

// share gives one recipient's outcome to all.
func share(status session.Status) func(*faulty, *session.Transaction, int, session.Outcome) session.Outcome {
	return func(_ *faulty, tx *session.Transaction, _ int, o session.Outcome) session.Outcome {
		for k := range tx.Len() {
			if other := tx.Outcome(k); other.Status == status {
				return other
			}
		}
		return o
	}
}
