package codec

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
	return "body(?)"
}

// MailParams are the parameters of a MAIL command. The zero value is none.
type MailParams struct {
	Size          int64      // SIZE, octets (RFC 1870 §6); 0: none
	Body          BodyType   // BODY
	SMTPUTF8      bool       // SMTPUTF8 (RFC 6531 §3.4); allows UTF-8 in the path
	Return        string     // RET (RFC 3461 §4.3): "", "FULL" or "HDRS"
	EnvelopeID    string     // ENVID before encoding (RFC 3461 §4.4); "": none
	Auth          string     // AUTH (RFC 4954 §5): "": none, "<>" or a mailbox before encoding
	DeliverBy     *DeliverBy // BY (RFC 2852 §4); nil: none
	HoldFor       int64      // HOLDFOR, seconds (RFC 4865 §4); 0: none
	HoldUntil     string     // HOLDUNTIL, date-time of RFC 3339 in UTC; "": none
	MTPriority    int        // MT-PRIORITY, -9 to 9 (RFC 6710 §5), if HasMTPriority
	HasMTPriority bool
	RequireTLS    bool     // REQUIRETLS (RFC 8689 §2)
	Extra         []string // further parameters, "KEYWORD" or "KEYWORD=value", as they are
}

// DeliverBy is the value of the BY parameter (RFC 2852 §4).
type DeliverBy struct {
	Seconds int64 // from now; may be zero or negative if not Return
	Return  bool  // mode R: return the message when the time has run out; otherwise N: notify
	Trace   bool  // mode modifier T
}

// Notify is the set of conditions of the NOTIFY parameter (RFC 3461 §4.1). Zero is
// no parameter.
type Notify uint8

// The conditions; NotifyNever stands alone.
const (
	NotifyNever Notify = 1 << iota
	NotifySuccess
	NotifyFailure
	NotifyDelay
)

// RcptParams are the parameters of a RCPT command. The zero value is none.
type RcptParams struct {
	SMTPUTF8          bool     // MAIL had SMTPUTF8: allows UTF-8 in the path; no parameter of RCPT
	Notify            Notify   // NOTIFY
	OriginalRecipient string   // ORCPT before encoding, "rfc822;a@b.example" (RFC 3461 §4.2); "": none
	Extra             []string // further parameters, "KEYWORD" or "KEYWORD=value", as they are
}
