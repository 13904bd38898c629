package events

import "slices"

// Clone returns a copy of e that owns its memory. Errors and certificates, which
// never change, are shared.
func Clone(e Event) Event { return e.clone() }

// copied returns a copy of a struct.
func copied[T any](e *T) *T {
	c := *e
	return &c
}

func (e *Connected) clone() Event        { return copied(e) }
func (e *Secured) clone() Event          { return copied(e) }
func (e *Authenticated) clone() Event    { return copied(e) }
func (e *StateChanged) clone() Event     { return copied(e) }
func (e *ContentSent) clone() Event      { return copied(e) }
func (e *OutcomeUnknown) clone() Event   { return copied(e) }
func (e *Anomaly) clone() Event          { return copied(e) }
func (e *Violation) clone() Event        { return copied(e) }
func (e *Notice) clone() Event           { return copied(e) }
func (e *Closed) clone() Event           { return copied(e) }
func (e *ConnectionStatus) clone() Event { return copied(e) }
func (e *PITrail) clone() Event          { return copied(e) }
func (e *StartTransfer) clone() Event    { return copied(e) }
func (e *EndTransfer) clone() Event      { return copied(e) }
func (e *Expand) clone() Event           { return copied(e) }
func (e *Error) clone() Event            { return copied(e) }
func (e *SSLStatus) clone() Event        { return copied(e) }

func (e *Greeted) clone() Event {
	c := copied(e)
	c.Reply = c.Reply.Clone()
	return c
}

func (e *ExtensionsOffered) clone() Event {
	c := copied(e)
	if c.Extensions != nil {
		c.Extensions = c.Extensions.Clone()
	}
	return c
}

func (e *CommandSent) clone() Event {
	c := copied(e)
	c.Line = slices.Clone(c.Line)
	return c
}

func (e *ReplyReceived) clone() Event {
	c := copied(e)
	c.Reply = c.Reply.Clone()
	return c
}

func (e *SenderAccepted) clone() Event {
	c := copied(e)
	c.Reply = c.Reply.Clone()
	return c
}

func (e *SenderRefused) clone() Event {
	c := copied(e)
	c.Reply = c.Reply.Clone()
	return c
}

func (e *RecipientAccepted) clone() Event {
	c := copied(e)
	c.Reply = c.Reply.Clone()
	return c
}

func (e *RecipientRefused) clone() Event {
	c := copied(e)
	c.Reply = c.Reply.Clone()
	return c
}

func (e *Accepted) clone() Event {
	c := copied(e)
	c.Reply = c.Reply.Clone()
	return c
}

func (e *Rejected) clone() Event {
	c := copied(e)
	c.Reply = c.Reply.Clone()
	return c
}

func (e *Transfer) clone() Event {
	c := copied(e)
	c.Text = slices.Clone(c.Text)
	return c
}

func (e *SSLServerAuthentication) clone() Event {
	c := copied(e)
	c.CertEncoded, c.Certificates = slices.Clone(c.CertEncoded), slices.Clone(c.Certificates)
	return c
}
