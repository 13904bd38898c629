package conformance

import (
	"bytes"
	"errors"
	"regexp"
	"strings"
	"time"

	"github.com/parley-mail/parley/fsm"
	"github.com/parley-mail/parley/session"
)

// mailFaults are about RFC 5321 beside the core: paths, greetings, replies to single commands.
var mailFaults = []namedFault{
	// Replies.
	{"text-is-needed", "does not believe a code without a text", fault{reply: func(_ *faulty, r []byte) []byte {
		for line := range bytes.Lines(r) {
			if len(bytes.TrimRight(line, "\r\n ")) == 3 {
				return recode(r, "550")
			}
		}
		return r
	}}},
	{"any-digit-is-a-class", "takes a first digit that no class has for success", fault{reply: func(_ *faulty, r []byte) []byte {
		if len(r) > 3 && strings.IndexByte("016789", r[0]) >= 0 {
			return recode(r, "250")
		}
		return r
	}}},
	{"follow-forward", "sends another RCPT to whom a 251 or 551 names", fault{reply: func(f *faulty, r []byte) []byte {
		if m := regexp.MustCompile(`^[25]51 .*(<\S+>)`).FindSubmatch(r); m != nil && f.answers("RCPT") {
			f.extra = []byte("RCPT TO:" + string(m[1]) + "\r\n")
		}
		return r
	}}},
	{"short-lines", "reads lines of at most 500 octets", fault{config: func(c *session.Config) { c.Limits.Line = 500 }}},
	{"retry-at-once", "says again what was refused", fault{reply: func(f *faulty, r []byte) []byte {
		if (f.answers("MAIL") || f.answers("RCPT")) && r[0] >= '4' && !bytes.Equal(f.kept, f.last) {
			f.kept = bytes.Clone(f.last)
			f.extra = bytes.Clone(f.last)
		}
		return r
	}}},
	{"one-refusal-of-all", "leaves when a MAIL was refused, and tries no other message", fault{reply: func(f *faulty, r []byte) []byte {
		if f.answers("MAIL") && r[0] == '5' {
			f.kept = []byte("refused")
		}
		return r
	}, sent: func(f *faulty, p []byte) []byte {
		if f.kept != nil && bytes.HasPrefix(p, []byte("MAIL")) {
			return []byte("QUIT\r\n")
		}
		return p
	}}},
	{"no-address-is-transient", "takes the 521 and 556 of those who never take mail for something that will pass", fault{reply: func(_ *faulty, r []byte) []byte {
		if c := firstCode(r); c == "521" || c == "556" {
			return recode(r, "450")
		}
		return r
	}}},
	{"blank-is-hyphen", "takes a second reply for a further line of the first", fault{reply: func(f *faulty, r []byte) []byte {
		if f.answers("EHLO") && f.told == 0 && len(f.kept) == 0 {
			f.kept = bytes.Replace(r, []byte("250 "), []byte("250-"), 1)
			return nil
		}
		if f.answers("EHLO") && len(f.kept) > 0 {
			r, f.kept = append(f.kept, r...), []byte{}
		}
		return r
	}}},

	// Opening.
	{"no-ehlo", "says HELO to everybody", fault{config: func(c *session.Config) { c.NoExtensions = true }}},
	{"extensions-after-helo", "uses an extension behind HELO", fault{sent: func(f *faulty, p []byte) []byte {
		switch {
		case bytes.HasPrefix(p, []byte("HELO")):
			f.kept = []byte("HELO")
		case f.kept != nil && bytes.HasPrefix(p, []byte("MAIL")):
			return bytes.Replace(p, []byte("\r\n"), []byte(" SIZE=4\r\n"), 1)
		}
		return p
	}}},
	{"no-hello", "says MAIL where EHLO belongs", fault{sent: replace(`^(?:EHLO|HELO) [^\r]*`, "MAIL FROM:<a@c.example>")}},
	{"unqualified-name", "says a name of one label", fault{sent: replace(`^(EHLO|HELO) [^\r]*`, "$1 client")}},
	{"words-behind-name", "says more than its name", fault{sent: replace(`^((?:EHLO|HELO) [^\r]*)`, "$1 here")}},
	{"underscore-in-name", "says a name that is no host's", fault{sent: replace(`^(EHLO|HELO) [^\r]*`, "$1 my_host.example")}},
	{"domain-in-unicode", "writes a domain in U-labels", fault{sent: replace(`@xn--bcher-kva`, "@b\u00fccher")}},
	{"literal-without-tag", "leaves out the tag of an IPv6 literal", fault{sent: replace(`\[IPv6:`, "[")}},

	// Commands.
	{"commands-by-lf", "ends commands by LF alone", fault{sent: func(f *faulty, p []byte) []byte {
		if f.State() == fsm.Content {
			return p
		}
		return bytes.ReplaceAll(p, []byte("\r\n"), []byte("\n"))
	}}},
	{"unescape-arguments", "decodes %0D and %0A in what the caller gives", fault{sent: func(_ *faulty, p []byte) []byte {
		return bytes.ReplaceAll(bytes.ReplaceAll(p, []byte("%0D"), []byte("\r")), []byte("%0A"), []byte("\n"))
	}}},
	{"words-behind-verbs", "gives arguments to DATA, RSET and QUIT", fault{sent: replace(`(?m)^(DATA|RSET|QUIT)\r$`, "$1 now\r")}},
	{"fold-local-part", "writes addresses in lower case", fault{sent: func(_ *faulty, p []byte) []byte {
		return regexp.MustCompile(`(?:FROM|TO):<[^>]*>`).ReplaceAllFunc(p, func(m []byte) []byte {
			verb, path, _ := bytes.Cut(m, []byte("<"))
			return append(append(bytes.Clone(verb), '<'), bytes.ToLower(path)...)
		})
	}}},
	{"quote-everything", "quotes every local part", fault{sent: replace(`TO:<([^">@]+)@`, `TO:<"$1"@`)}},
	{"quoted-nothing", "leaves out what stands in quotes", fault{sent: replace(`TO:<"[^"]*"@`, `TO:<""@`)}},
	{"source-routes", "writes a route in front of the address", fault{sent: replace(`TO:<([^>]*)>`, "TO:<@r.example:$1>")}},
	{"host-numbers", "writes an address literal as a number", fault{sent: replace(`@\[192\.0\.2\.1\]`, "@#3221225985")}},
	{"postmaster-needs-domain", "puts a domain behind Postmaster", fault{sent: replace(`(?i)TO:<postmaster>`, "TO:<Postmaster@localhost>")}},
	{"cut-long-paths", "cuts a local part that is long", fault{sent: replace(`<([^@>]{32})[^@>]*@`, "<$1@")}},
	{"endless-commands", "writes lines of more than 512 octets", fault{sent: replace(`^(NOOP) ?`, "$1 "+strings.Repeat("x", 600))}},
	{"data-without-rcpt", "says DATA behind MAIL", fault{sent: replace(`^RCPT [^\r]*`, "DATA")}},
	{"data-for-nobody", "says DATA although every RCPT was refused", fault{reply: func(f *faulty, r []byte) []byte {
		if f.answers("RCPT") && r[0] >= '4' {
			f.extra = []byte("DATA\r\n")
		}
		return r
	}}},
	{"refused-reset-is-fine", "goes on after a RSET that was refused", fault{reply: func(f *faulty, r []byte) []byte {
		if f.answers("RSET") && r[0] >= '4' {
			return recode(r, "250")
		}
		return r
	}}},
	{"soml-for-mail", "says SOML if it is listed", fault{sent: replace(`^MAIL `, "SOML ")}},
	{"starttls-twice", "says STARTTLS inside TLS", fault{sent: func(f *faulty, p []byte) []byte {
		if f.kept != nil {
			return regexp.MustCompile(`^MAIL [^\r]*`).ReplaceAll(p, []byte("STARTTLS"))
		}
		return p
	}, secured: func(f *faulty) { f.kept = []byte("TLS") }}},

	// Content.
	{"dot-in-the-last-line", "puts the period that ends the content behind what has no line end", fault{sent: replace(`([^\n])\r\n\.\r\n$`, "$1.\r\n")}},
	{"nul-for-blank", "lets NUL into the content", fault{sent: func(f *faulty, p []byte) []byte {
		if f.State() == fsm.Content {
			return bytes.ReplaceAll(p, []byte("a b"), []byte("a\x00b"))
		}
		return p
	}}},
	{"split-long-lines", "breaks lines of content to its own taste", fault{sent: replace(`([a-z]{70})([a-z])`, "$1\r\n$2")}},

	// Outcomes.
	{"250-or-nothing", "knows no other success at the end of the content than 250", fault{reply: func(f *faulty, r []byte) []byte {
		if cmd, ok := f.Awaited(); ok && cmd.EndsContent() && r[0] == '2' && firstCode(r) != "250" {
			return recode(r, "550")
		}
		return r
	}}},
	{"intermediate-is-success", "takes a 3yz to the end of the content for success", fault{reply: func(f *faulty, r []byte) []byte {
		if cmd, ok := f.Awaited(); ok && cmd.EndsContent() && r[0] == '3' {
			return recode(r, "250")
		}
		return r
	}}},
	{"first-recipient-only", "lets what answers the content count for one recipient", fault{outcome: func(_ *faulty, _ *session.Transaction, i int, o session.Outcome) session.Outcome {
		if i > 0 && o.Command == fsm.EndOfData {
			return session.Outcome{}
		}
		return o
	}}},
	{"accepted-by-rcpt-at-the-end", "says accepted because RCPT was, although the content was refused", fault{outcome: func(_ *faulty, _ *session.Transaction, _ int, o session.Outcome) session.Outcome {
		if o.Status == session.Refused && o.Command == fsm.EndOfData {
			o.Status = session.Accepted
		}
		return o
	}}},
	{"lost-is-refused-when-idle", "lets the end of a session that has no work decide about a message", fault{reply: same, outcome: func(f *faulty, _ *session.Transaction, _ int, o session.Outcome) session.Outcome {
		if o.Status == session.Accepted && errors.Is(f.Err(), session.ErrTransport) {
			o.Status = session.Unknown
		}
		return o
	}}},
	{"lost-is-permanent", "takes the loss of the connection for a refusal", fault{outcome: turn(session.NotSent, session.Refused)}},

	// Closing and timers.
	{"hang-up-behind-quit", "does not wait for what answers QUIT", fault{sent: func(f *faulty, p []byte) []byte {
		if bytes.HasSuffix(p, []byte("QUIT\r\n")) {
			f.cut()
		}
		return p
	}}},
	{"one-timer", "gives every reply the time that one may take", fault{patience: func(time.Duration) time.Duration { return 5 * time.Minute }}},
}
