package message

import (
	"strconv"

	"github.com/parley-mail/parley/codec"
)

// Envelope is what the transaction's commands carry: who gets notices of
// failure, and who gets the message (RFC 5321 §2.3.1). It is independent of the
// header.
type Envelope struct {
	ReversePath Path             // MAIL FROM; the null path for notices that must not be answered
	Params      codec.MailParams // parameters of MAIL
	Recipients  []Recipient      // one RCPT each, in this order
}

// Recipient is one forward-path with the parameters of its RCPT command.
type Recipient struct {
	Path   Path
	Params codec.RcptParams
	Kind   RecipientKind // the header field the recipient came from, if any
}

// RecipientKind says where a recipient was listed.
type RecipientKind uint8

// The kinds. The zero kind is for envelopes not made from a header.
const (
	KindNone RecipientKind = iota
	KindTo
	KindCc
	KindBcc // RFC 5322 §3.6.3: in no header

	kindCount
)

var kindNames = [kindCount]string{KindNone: "none", KindTo: "to", KindCc: "cc", KindBcc: "bcc"}

// String returns the kind in lower case, as in "cc".
func (k RecipientKind) String() string {
	if k < kindCount {
		return kindNames[k]
	}
	return "RecipientKind(" + strconv.Itoa(int(k)) + ")"
}

// NeedsUTF8 reports whether one of the paths can be sent only under SMTPUTF8
// (RFC 6531 §3.4).
func (e *Envelope) NeedsUTF8() bool {
	if e.ReversePath.NeedsUTF8() {
		return true
	}
	for i := range e.Recipients {
		if e.Recipients[i].Path.NeedsUTF8() {
			return true
		}
	}
	return false
}
