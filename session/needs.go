package session

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/parley-mail/parley/codec"
	"github.com/parley-mail/parley/fsm"
	"github.com/parley-mail/parley/message"
)

// Needs is a set of things that a message needs and a server may not offer.
type Needs uint16

// The needs, by extension.
const (
	NeedSize          Needs = 1 << iota // it fits the size limit (RFC 1870)
	Need8Bit                            // 8BITMIME (RFC 6152)
	NeedBinary                          // BINARYMIME with CHUNKING (RFC 3030)
	NeedUTF8                            // SMTPUTF8 (RFC 6531)
	NeedDSN                             // DSN (RFC 3461)
	NeedDeliverBy                       // DELIVERBY (RFC 2852)
	NeedFutureRelease                   // FUTURERELEASE (RFC 4865)
	NeedPriority                        // MT-PRIORITY (RFC 6710)
	NeedRequireTLS                      // REQUIRETLS (RFC 8689)
	NeedAuth                            // AUTH, for AUTH= on MAIL (RFC 4954 §5)
)

var needNames = [...]string{
	"SIZE", "8BITMIME", "BINARYMIME", "SMTPUTF8", "DSN", "DELIVERBY", "FUTURERELEASE", "MT-PRIORITY", "REQUIRETLS", "AUTH",
}

// String returns the keywords, joined by blanks.
func (n Needs) String() string {
	var all []string
	for i, name := range needNames {
		if n&(1<<i) != 0 {
			all = append(all, name)
		}
	}
	return strings.Join(all, " ")
}

// negotiate compares what the message needs with what the server offers and
// computes the parameters of MAIL. The error means that the message was refused
// before MAIL: nothing of it was sent.
func (s *Session) negotiate(tx *Transaction) *Error {
	refuse := func(format string, args ...any) *Error {
		return &Error{Kind: ErrUnsupported, State: s.state, Command: tx.Verb, During: true, Detail: fmt.Sprintf(format, args...)}
	}
	if e := s.limit(tx); e != nil {
		return e
	}
	if tx.Verb != fsm.Mail {
		return s.plainVerb(tx, refuse)
	}

	p := tx.Envelope.Params
	missing := func(need Needs, why string) *Error {
		if tx.MayDrop&need != 0 {
			s.notice(tx.id, need.String()+" is not offered: "+why+" is left out")
			return nil
		}
		return refuse("%s needs %s, which the server does not offer", why, need)
	}
	x := &s.offer.Extensions
	switch {
	case !x.Size:
		p.Size = 0
	case tx.Octets > 0:
		if x.MaxSize > 0 && tx.Octets > x.MaxSize {
			return refuse("the message has %d octets, the server takes %d (RFC 1870)", tx.Octets, x.MaxSize)
		}
		p.Size = tx.Octets
	}
	if p.SMTPUTF8 || tx.UTF8 || tx.Envelope.NeedsUTF8() {
		if !x.SMTPUTF8 {
			return refuse("an address or a header field beyond ASCII needs SMTPUTF8, which the server does not offer")
		}
		p.SMTPUTF8 = true
	}
	tx.chunked = x.Chunking && s.cfg.Data == DataBDAT
	switch tx.Body {
	case codec.BodyBinaryMIME:
		if !x.BinaryMIME || s.cfg.Data == DataOnly {
			return refuse("binary content needs BINARYMIME and CHUNKING, which the server does not offer or the caller does not want")
		}
		p.Body, tx.chunked = codec.BodyBinaryMIME, true
	case codec.Body8BitMIME:
		const bare = "content with octets over 127 is no MIME, which 8BITMIME is for (RFC 5321 §2.4)"
		switch {
		case tx.NotMIME && s.cfg.Strict:
			return refuse(bare)
		case tx.NotMIME:
			s.notice(tx.id, bare)
		}
		switch {
		case x.EightBitMIME:
			p.Body = codec.Body8BitMIME
		case s.cfg.Raw8Bit:
			p.Body = codec.BodyDefault
			s.notice(tx.id, "8BITMIME is not offered: octets over 127 are sent all the same")
		default:
			return refuse("content with octets over 127 needs 8BITMIME, which the server does not offer")
		}
	default:
		p.Body = codec.BodyDefault
	}
	if (p.Return != "" || p.EnvelopeID != "") && !x.DSN {
		if e := missing(NeedDSN, "RET or ENVID"); e != nil {
			return e
		}
		p.Return, p.EnvelopeID = "", ""
	}
	if p.DeliverBy != nil {
		switch {
		case !x.DeliverBy && p.DeliverBy.Return: // nobody else would return it in time (RFC 2852 §4.1.4.1)
			return refuse("BY in mode R needs DELIVERBY, which the server does not offer")
		case !x.DeliverBy:
			if e := missing(NeedDeliverBy, "BY"); e != nil {
				return e
			}
			p.DeliverBy = nil
		case p.DeliverBy.Return && x.DeliverByMin > 0 && p.DeliverBy.Seconds < x.DeliverByMin:
			return refuse("BY=%d is under the server's minimum of %d s (RFC 2852)", p.DeliverBy.Seconds, x.DeliverByMin)
		}
	}
	if p.HoldFor > 0 || p.HoldUntil != "" {
		switch {
		case !x.FutureRelease:
			if e := missing(NeedFutureRelease, "HOLDFOR or HOLDUNTIL"); e != nil {
				return e
			}
			p.HoldFor, p.HoldUntil = 0, ""
		case x.MaxHold > 0 && p.HoldFor > x.MaxHold:
			return refuse("HOLDFOR=%d is over the server's maximum of %d s (RFC 4865)", p.HoldFor, x.MaxHold)
		case later(p.HoldUntil, x.MaxHoldUntil):
			return refuse("HOLDUNTIL=%s is later than the server's latest, %s (RFC 4865)", p.HoldUntil, x.MaxHoldUntil)
		}
	}
	if p.HasMTPriority && !x.MTPriority {
		if e := missing(NeedPriority, "MT-PRIORITY"); e != nil {
			return e
		}
		p.HasMTPriority = false
	}
	if p.RequireTLS {
		switch {
		case !s.link.Secure || !s.link.Verified:
			return refuse("REQUIRETLS needs TLS with a verified certificate on this link (RFC 8689 §4.2.1)")
		case !x.RequireTLS:
			return refuse("REQUIRETLS is not offered by the server")
		}
	}
	if p.Auth != "" && len(x.Auth) == 0 && !s.authenticated {
		if e := missing(NeedAuth, "AUTH="); e != nil {
			return e
		}
		p.Auth = ""
	}
	tx.params = p
	return s.tryRecipients(tx, missing)
}

// limit says how many of the recipients this transaction is for (RFC 9422 §4).
func (s *Session) limit(tx *Transaction) *Error {
	x, all := &s.offer.Extensions, len(tx.outcomes)
	wait := func(n int, what string) *Error {
		return &Error{
			Kind: ErrTransport, State: s.state, Command: tx.Verb, During: true,
			Detail: fmt.Sprintf("the server takes %d %s a session (RFC 9422): a new session is needed", n, what),
		}
	}
	tx.limit = all
	if x.MailMax > 0 && s.mails >= x.MailMax {
		return wait(x.MailMax, "messages")
	}
	if x.RcptMax > 0 {
		tx.limit = min(all, x.RcptMax)
	}
	if x.RcptDomainMax > 0 {
		tx.limit = s.limitDomains(tx.Envelope.Recipients[:tx.limit])
	}
	switch {
	case tx.limit == 0 && all > 0:
		return wait(x.RcptDomainMax, "domains")
	case tx.limit == all:
		return nil
	}
	for i := tx.limit; i < all; i++ {
		if tx.required(i) {
			return &Error{
				Kind: ErrUnsupported, State: s.state, Command: tx.Verb, During: true,
				Detail: fmt.Sprintf("recipient %s is required, and the server takes %d of them at once (RFC 9422)", tx.Envelope.Recipients[i].Path, tx.limit),
			}
		}
	}
	s.notice(tx.id, fmt.Sprintf("the server takes %d of these recipients at once (RFC 9422): %d are left for another transaction", tx.limit, all-tx.limit))
	return nil
}

// limitDomains returns how many recipients, from the first on, stay within the domains
// that the server takes in one session, and notes theirs.
func (s *Session) limitDomains(to []message.Recipient) int {
	if s.domains == nil {
		s.domains = new([]string)
	}
	for i := range to {
		domain := to[i].Path.Domain()
		if domain == "" || slices.Contains(*s.domains, domain) {
			continue
		}
		if len(*s.domains) >= s.offer.Extensions.RcptDomainMax {
			return i
		}
		*s.domains = append(*s.domains, domain)
	}
	return len(to)
}

// later reports whether one date-time is behind another; what is none is behind nothing.
func later(a, b string) bool {
	t, err := time.Parse(time.RFC3339, a)
	latest, none := time.Parse(time.RFC3339, b)
	return err == nil && none == nil && t.After(latest)
}

// plainVerb is for SEND, SOML and SAML, which know no parameters (RFC 821 §3.4).
func (s *Session) plainVerb(tx *Transaction, refuse func(string, ...any) *Error) *Error {
	switch {
	case tx.Envelope.NeedsUTF8() || tx.UTF8:
		return refuse("%s cannot carry addresses or header fields beyond ASCII", tx.Verb)
	case tx.Body == codec.BodyBinaryMIME:
		return refuse("%s cannot carry binary content", tx.Verb)
	case tx.Body == codec.Body8BitMIME && !s.cfg.Raw8Bit:
		return refuse("%s cannot carry octets over 127", tx.Verb)
	}
	tx.params, tx.chunked = codec.MailParams{}, false
	return nil
}

// tryRecipients builds every RCPT line that has parameters, so that a wrong argument
// is known before MAIL.
func (s *Session) tryRecipients(tx *Transaction, missing func(Needs, string) *Error) *Error {
	dsn := false
	for i := range tx.Envelope.Recipients[:tx.limit] {
		to := &tx.Envelope.Recipients[i]
		if to.Params.Notify == 0 && to.Params.OriginalRecipient == "" && len(to.Params.Extra) == 0 {
			continue
		}
		dsn = dsn || to.Params.Notify != 0 || to.Params.OriginalRecipient != ""
		if _, err := s.appendRcpt(s.out.buf, tx, to); err != nil {
			return &Error{Kind: ErrMisuse, State: s.state, Command: fsm.Rcpt, During: true, Err: err}
		}
	}
	if dsn && !s.offer.Extensions.DSN {
		return missing(NeedDSN, "NOTIFY or ORCPT")
	}
	return nil
}

// appendRcpt appends the RCPT line, without what the server does not offer and the
// caller can do without.
func (s *Session) appendRcpt(dst []byte, tx *Transaction, to *message.Recipient) ([]byte, error) {
	if p := &to.Params; p.Notify == 0 && p.OriginalRecipient == "" && len(p.Extra) == 0 && !tx.params.SMTPUTF8 {
		return codec.AppendRcpt(dst, to.Path.String(), nil)
	}
	params := to.Params
	switch {
	case tx.Verb != fsm.Mail:
		params = codec.RcptParams{}
	case !s.offer.Extensions.DSN:
		params.Notify, params.OriginalRecipient = 0, ""
	}
	params.SMTPUTF8 = tx.params.SMTPUTF8
	return codec.AppendRcpt(dst, to.Path.String(), &params)
}
