package codec

import (
	"strconv"
	"strings"
	"time"
)

// BodyType is the value of the BODY parameter of MAIL (RFC 6152 §3, RFC 3030 §3).
type BodyType uint8

// The body types.
const (
	BodyDefault    BodyType = iota // no parameter: 7 bits
	Body7Bit                       // BODY=7BIT
	Body8BitMIME                   // BODY=8BITMIME
	BodyBinaryMIME                 // BODY=BINARYMIME
	bodyCount
)

var bodyNames = [bodyCount]string{"", "7BIT", "8BITMIME", "BINARYMIME"}

// String returns the parameter's value, "" for none.
func (b BodyType) String() string {
	if b < bodyCount {
		return bodyNames[b]
	}
	return "body(" + strconv.Itoa(int(b)) + ")"
}

// MailParams are the parameters of a MAIL command. The zero value is none. What the
// server offers is not compared; that is the session's business.
type MailParams struct {
	Size          int64      // SIZE, octets (RFC 1870 §6); 0: none
	Body          BodyType   // BODY
	SMTPUTF8      bool       // SMTPUTF8 (RFC 6531 §3.4); allows UTF-8 in the path
	Return        string     // RET (RFC 3461 §4.3): "", "FULL" or "HDRS"
	EnvelopeID    string     // ENVID before encoding (RFC 3461 §4.4), printable ASCII; "": none
	Auth          string     // AUTH (RFC 4954 §5): "": none, "<>" or a mailbox before encoding
	DeliverBy     *DeliverBy // BY (RFC 2852 §4); nil: none
	HoldFor       int64      // HOLDFOR, seconds, 1 to 999999999 (RFC 4865 §4); 0: none
	HoldUntil     string     // HOLDUNTIL, a date-time of RFC 3339 in UTC; "": none
	MTPriority    int        // MT-PRIORITY, -9 to 9 (RFC 6710 §5), if HasMTPriority
	HasMTPriority bool
	RequireTLS    bool     // REQUIRETLS (RFC 8689 §2)
	Extra         []string // further parameters as they are, "KEYWORD" or "KEYWORD=value"; they raise no limit
}

// DeliverBy is the value of the BY parameter (RFC 2852 §4).
type DeliverBy struct {
	Seconds int64 // from now, -999999999 to 999999999; over 0 if Return
	Return  bool  // mode R, return the message when the time has run out; otherwise N, notify
	Trace   bool  // trace modifier T
}

// Notify is the set of conditions of the NOTIFY parameter (RFC 3461 §4.1). Zero is
// no parameter.
type Notify uint8

// The conditions. NotifyNever stands alone.
const (
	NotifyNever Notify = 1 << iota
	NotifySuccess
	NotifyFailure
	NotifyDelay
)

var notifyNames = [...]string{"NEVER", "SUCCESS", "FAILURE", "DELAY"}

// String returns the parameter's value, "" for none.
func (n Notify) String() string { return string(n.append(nil)) }

func (n Notify) append(b []byte) []byte {
	from := len(b)
	for i, name := range notifyNames {
		if n&(1<<i) != 0 {
			if len(b) > from {
				b = append(b, ',')
			}
			b = append(b, name...)
		}
	}
	return b
}

// RcptParams are the parameters of a RCPT command. The zero value is none.
type RcptParams struct {
	SMTPUTF8          bool     // MAIL had SMTPUTF8: allows UTF-8 in the path; no parameter of RCPT itself
	Notify            Notify   // NOTIFY
	OriginalRecipient string   // ORCPT before encoding, "rfc822;a@b.example" or "utf-8;…" (RFC 3461 §4.2, RFC 6533 §3); "": none
	Extra             []string // further parameters as they are, "KEYWORD" or "KEYWORD=value"
}

// How far a parameter raises the limit of 512 octets on its command line.
const (
	raiseSize       = 26      // RFC 1870 §3
	raiseBody       = 17      // RFC 6152 §2
	raiseUTF8       = 10      // RFC 6531 §3.1
	raiseAuth       = 500     // RFC 4954 §3
	raiseReturn     = 9       // RFC 3461 §4.3, the parameter's length
	raiseEnvelopeID = 107     // RFC 3461 §4.4
	raiseRcptDSN    = 524     // RFC 3461 §4.1 and §4.2 together
	raiseBy         = 17      // RFC 2852 §2
	raiseHold       = 34      // RFC 4865 §4
	raisePriority   = 15      // RFC 6710 §3
	raiseRequireTLS = 11      // RFC 8689 §2
	maxEnvelopeID   = 100     // RFC 3461 §4.4
	maxORCPT        = 500     // RFC 3461 §4.2, the whole parameter
	maxDelay        = 1e9 - 1 // nine digits: RFC 2852 §4, RFC 4865 §4

	mostMail = CommandLine + raiseSize + raiseBody + raiseUTF8 + raiseAuth + raiseReturn + raiseEnvelopeID +
		raiseBy + raiseHold + raisePriority + raiseRequireTLS
)

// AppendMail appends MAIL or one of its obsolete siblings SEND, SOML and SAML (RFC 5321
// §4.1.1.2), with its parameters; p may be nil. The path is what stands between < and >,
// "" the null reverse-path.
func AppendMail(dst []byte, verb, path string, p *MailParams) ([]byte, error) {
	switch verb {
	case "MAIL", "SEND", "SOML", "SAML":
	default:
		return dst, wrong("verb", "not of the MAIL family", "MAIL, SEND, SOML or SAML", "RFC 5321 §4.1.1.2")
	}
	if err := checkPath("reverse-path", path, p != nil && p.SMTPUTF8); err != nil {
		return dst, err
	}
	c := command{line: dst, from: len(dst), limit: CommandLine}
	c.path(verb, " FROM:<", path)
	if p != nil {
		c.mail(path, p)
	}
	return c.end(dst)
}

// AppendRcpt appends RCPT (RFC 5321 §4.1.1.3), with its parameters; p may be nil. The
// path is what stands between < and >.
func AppendRcpt(dst []byte, path string, p *RcptParams) ([]byte, error) {
	if path == "" {
		return dst, wrong("forward-path", "empty", "a mailbox or Postmaster", "RFC 5321 §4.1.1.3")
	}
	if err := checkPath("forward-path", path, p != nil && p.SMTPUTF8); err != nil {
		return dst, err
	}
	if p == nil { // no path is as long as a line may be
		dst = append(dst, "RCPT TO:<"...)
		dst = append(dst, path...)
		return append(dst, ">\r\n"...), nil
	}
	c := command{line: dst, from: len(dst), limit: CommandLine}
	c.path("RCPT", " TO:<", path)
	c.rcpt(p)
	return c.end(dst)
}

// command is a command line being put together. The first error stays.
type command struct {
	line   []byte
	from   int // where the line begins in line
	params int // where its parameters begin
	limit  int // octets, CRLF included
	err    *ArgumentError
}

func (c *command) path(verb, colon, path string) {
	c.line = append(c.line, verb...)
	c.line = append(c.line, colon...)
	c.line = append(c.line, path...)
	c.line = append(c.line, '>')
	c.params = len(c.line)
}

func (c *command) fail(err *ArgumentError) {
	if c.err == nil {
		c.err = err
	}
}

// add begins a parameter and raises the limit.
func (c *command) add(param string, raise int) {
	c.line = append(c.line, ' ')
	c.line = append(c.line, param...)
	c.limit += raise
}

// end returns the line with its CRLF, or dst and the error.
func (c *command) end(dst []byte) ([]byte, error) {
	if size := len(c.line) + len("\r\n") - c.from; c.err == nil && size > c.limit {
		c.err = wrong("command line", octets(size), "at most "+strconv.Itoa(c.limit)+" with these parameters", "RFC 5321 §4.5.3.1.4")
	}
	if c.err != nil {
		return dst, c.err
	}
	return append(c.line, "\r\n"...), nil
}

func (c *command) mail(path string, p *MailParams) {
	if p.Size != 0 {
		c.add("SIZE=", raiseSize)
		c.line = strconv.AppendInt(c.line, p.Size, 10)
		if p.Size < 0 {
			c.fail(wrong("SIZE", "a negative number", "a number of octets", "RFC 1870 §6"))
		}
	}
	if p.Body != BodyDefault {
		c.add("BODY=", raiseBody)
		c.line = append(c.line, p.Body.String()...)
		if p.Body >= bodyCount {
			c.fail(wrong("BODY", "an unknown value", "7BIT, 8BITMIME or BINARYMIME", "RFC 6152 §3"))
		}
	}
	if p.SMTPUTF8 {
		c.add("SMTPUTF8", raiseUTF8)
	}
	if p.Return != "" || p.EnvelopeID != "" {
		c.dsn(p)
	}
	if p.Auth != "" {
		c.auth(p.Auth)
	}
	if p.DeliverBy != nil || p.HoldFor != 0 || p.HoldUntil != "" {
		c.timing(path, p)
	}
	if p.HasMTPriority {
		c.add("MT-PRIORITY=", raisePriority)
		c.line = strconv.AppendInt(c.line, int64(p.MTPriority), 10)
		if p.MTPriority < -9 || p.MTPriority > 9 {
			c.fail(wrong("MT-PRIORITY", strconv.Itoa(p.MTPriority), "-9 to 9", "RFC 6710 §5"))
		}
	}
	if p.RequireTLS {
		c.add("REQUIRETLS", raiseRequireTLS)
	}
	c.extra(p.Extra, p.SMTPUTF8)
}

func (c *command) dsn(p *MailParams) {
	switch {
	case p.Return == "":
	case strings.EqualFold(p.Return, "FULL"):
		c.add("RET=FULL", raiseReturn)
	case strings.EqualFold(p.Return, "HDRS"):
		c.add("RET=HDRS", raiseReturn)
	default:
		c.fail(wrong("RET", "an unknown value", "FULL or HDRS", "RFC 3461 §4.3"))
	}
	if p.EnvelopeID == "" {
		return
	}
	c.add("ENVID=", raiseEnvelopeID)
	from := len(c.line)
	if err := checkClass("ENVID", p.EnvelopeID, isText, false, "printable ASCII only", "RFC 3461 §4.4"); err != nil {
		c.fail(err)
	}
	c.line = AppendXtext(c.line, p.EnvelopeID)
	if n := len(c.line) - from; n > maxEnvelopeID {
		c.fail(wrong("ENVID", octets(n)+" in xtext", "at most 100", "RFC 3461 §4.4"))
	}
}

func (c *command) auth(mailbox string) {
	if mailbox == "<>" {
		c.add("AUTH=<>", raiseAuth)
		return
	}
	if err := checkPath("AUTH", mailbox, false); err != nil {
		c.fail(err)
	}
	c.add("AUTH=", raiseAuth)
	c.line = AppendXtext(c.line, mailbox)
}

func (c *command) timing(path string, p *MailParams) {
	if by := p.DeliverBy; by != nil {
		if by.Seconds < -maxDelay || by.Seconds > maxDelay || by.Return && by.Seconds <= 0 {
			c.fail(wrong("BY", strconv.FormatInt(by.Seconds, 10), "at most nine digits, over 0 in mode R", "RFC 2852 §4"))
		}
		c.add("BY=", raiseBy)
		c.line = strconv.AppendInt(c.line, by.Seconds, 10)
		mode := ";N"
		if by.Return {
			mode = ";R"
		}
		c.line = append(c.line, mode...)
		if by.Trace {
			c.line = append(c.line, 'T')
		}
		if p.HoldFor != 0 && by.Seconds <= p.HoldFor {
			c.fail(wrong("BY", "earlier than HOLDFOR", "a message is not due before it is released", "RFC 4865 §5.2.1"))
		}
	}
	if p.HoldFor == 0 && p.HoldUntil == "" {
		return
	}
	if path == "" {
		c.fail(wrong("HOLDFOR or HOLDUNTIL", "a null reverse-path", "notifications are not held", "RFC 4865 §5.1.1"))
	}
	if p.HoldFor != 0 && p.HoldUntil != "" {
		c.fail(wrong("HOLDUNTIL", "HOLDFOR beside it", "one of the two", "RFC 4865 §4"))
	}
	if p.HoldFor != 0 {
		if p.HoldFor < 0 || p.HoldFor > maxDelay {
			c.fail(wrong("HOLDFOR", strconv.FormatInt(p.HoldFor, 10), "1 to 999999999", "RFC 4865 §4"))
		}
		c.add("HOLDFOR=", raiseHold)
		c.line = strconv.AppendInt(c.line, p.HoldFor, 10)
		return
	}
	if _, err := time.Parse(time.RFC3339, p.HoldUntil); err != nil || !strings.HasSuffix(p.HoldUntil, "Z") {
		c.fail(wrong("HOLDUNTIL", "no date-time in UTC", "2006-01-02T15:04:05Z", "RFC 4865 §4"))
	}
	c.add("HOLDUNTIL=", raiseHold)
	c.line = append(c.line, p.HoldUntil...)
}

func (c *command) rcpt(p *RcptParams) {
	if p.Notify != 0 {
		if p.Notify >= NotifyDelay<<1 || p.Notify&NotifyNever != 0 && p.Notify != NotifyNever {
			c.fail(wrong("NOTIFY", "NEVER beside other conditions", "NEVER alone, or SUCCESS, FAILURE and DELAY", "RFC 3461 §4.1"))
		}
		c.add("NOTIFY=", 0)
		c.line = p.Notify.append(c.line)
	}
	if p.OriginalRecipient != "" {
		c.originalRecipient(p.OriginalRecipient)
	}
	if p.Notify != 0 || p.OriginalRecipient != "" {
		c.limit += raiseRcptDSN
	}
	c.extra(p.Extra, p.SMTPUTF8)
}

func (c *command) originalRecipient(s string) {
	const what = "ORCPT"
	kind, address, _ := strings.Cut(s, ";")
	if n := spanClass(kind, 0, isAtext, false); n == 0 || n < len(kind) || address == "" {
		c.fail(wrong(what, "no address type", "type;address", "RFC 3461 §4.2"))
		return
	}
	c.add("ORCPT=", 0)
	from := len(c.line)
	// A value with "=" would end the esmtp-value early; an atom may hold it.
	if strings.ContainsRune(kind, '=') {
		c.fail(wrong(what, "'=' in the address type", "a registered type", "RFC 3461 §4.2"))
	}
	c.line = append(c.line, kind...)
	c.line = append(c.line, ';')
	utf8 := strings.EqualFold(kind, "utf-8")
	if err := checkClass(what, s, isText, utf8, "printable characters only", "RFC 3461 §4.2"); err != nil {
		c.fail(err)
	}
	if utf8 {
		c.line = AppendUTF8Xtext(c.line, address)
	} else {
		c.line = AppendXtext(c.line, address)
	}
	if n := len("ORCPT=") + len(c.line) - from; n > maxORCPT {
		c.fail(wrong(what, octets(n), "at most 500", "RFC 3461 §4.2"))
	}
}

// extra adds the caller's own parameters (esmtp-param, RFC 5321 §4.1.2).
func (c *command) extra(params []string, utf8 bool) {
	const what = "parameter"
	for _, param := range params {
		keyword, val, has := strings.Cut(param, "=")
		if !isKeyword(keyword) {
			c.fail(wrong(what, "no keyword", "a letter or digit, then letters, digits and hyphens", "RFC 5321 §4.1.2"))
			return
		}
		if has && val == "" {
			c.fail(wrong(what, "an empty value", "a value behind =", "RFC 5321 §4.1.2"))
		}
		if err := checkClass(what, val, isValue, utf8, "no blanks, no control characters, no =", "RFC 5321 §4.1.2"); err != nil {
			err.Offset += len(keyword) + 1
			c.fail(err)
		}
		if c.has(keyword) {
			c.fail(wrong(what, strings.ToUpper(keyword)+" twice", "each parameter once", "RFC 5321 §4.1.1.11"))
		}
		c.add(param, 0)
	}
}

// has reports whether the line has a parameter of this name already.
func (c *command) has(keyword string) bool {
	for param := range strings.FieldsSeq(string(c.line[c.params:])) {
		if name, _, _ := strings.Cut(param, "="); strings.EqualFold(name, keyword) {
			return true
		}
	}
	return false
}

func isKeyword(s string) bool {
	for i := range len(s) {
		if !isAlnum(s[i]) && (s[i] != '-' || i == 0) {
			return false
		}
	}
	return s != ""
}
