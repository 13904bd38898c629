package parley

import (
	"context"
	"io"

	"github.com/parley-mail/parley/codec"
	"github.com/parley-mail/parley/fsm"
	"github.com/parley-mail/parley/message"
	"github.com/parley-mail/parley/session"
)

// Mail is one message to be handed over: an envelope and a content, and what may be
// done to the content on the way. The content is looked through before MAIL is sent, if
// it can be read twice, so that what cannot be sent is known before anything is.
type Mail struct {
	Envelope *message.Envelope
	Content  message.Content

	Verb     fsm.Command    // fsm.Mail (also if zero), fsm.Send, fsm.Soml or fsm.Saml
	LineEnds codec.LineEnds // what to do with a bare CR or LF
	// AsIs sends what breaks the rules for messages as it is: lines over 998 octets, which
	// a server need not take (RFC 5321 §4.5.3.1.6), and octets over 127 in the header
	// section that are no UTF-8 (RFC 6532). Otherwise they are an error before MAIL.
	AsIs     bool
	MayDrop  session.Needs // parameters that may be left out if the server does not offer them
	Required []bool        // recipients without whom nobody shall get the message, by index
}

// Deliver hands one message over and says what became of it. The result is there
// whatever the error, unless the message was refused before anything was said about it.
// The error is an *Error: nil if at least one recipient was accepted.
func (c *Conn) Deliver(ctx context.Context, m *Mail) (*Result, error) {
	tx := &session.Transaction{}
	if err := m.fill(tx); err != nil {
		return nil, err
	}
	var body io.ReadCloser
	if tx.Content == nil {
		var err error
		if body, err = m.Content.Open(); err != nil {
			return nil, &Error{Kind: ErrContent, Err: err}
		}
		defer body.Close()
	}
	err := c.Send(ctx, tx, body)
	return newResult(tx, err), err
}

// fill looks the content through and tells the transaction, which is new or was reset,
// what it needs.
func (m *Mail) fill(tx *session.Transaction) error {
	tx.Envelope, tx.Verb, tx.LineEnds, tx.MayDrop, tx.Required = m.Envelope, m.Verb, m.LineEnds, m.MayDrop, m.Required
	if m.Envelope == nil {
		return &Error{Kind: ErrMisuse, Detail: "a message needs an envelope"}
	}
	if m.Content.IsZero() {
		tx.Content = []byte{}
		return nil
	}
	if m.Content.Features == nil && m.Content.Reopens() {
		if err := m.Content.Scan(); err != nil {
			return &Error{Kind: ErrContent, Err: err}
		}
	}
	if b, ok := m.Content.Bytes(); ok {
		tx.Content = b
	}
	f := m.Content.Features
	if f == nil { // it can be read once only: what is in it shows when it is too late to ask
		tx.Body = codec.Body8BitMIME
		return nil
	}
	if err := f.Check(message.EightBit, true); err != nil && !f.NUL && !m.AsIs {
		return &Error{Kind: ErrContent, Err: err}
	}
	if err := f.CheckLineEnds(); err != nil && m.LineEnds == codec.Refuse {
		return &Error{Kind: ErrContent, Err: err}
	}
	switch {
	case f.NUL:
		tx.Body = codec.BodyBinaryMIME
	case f.EightBit:
		tx.Body, tx.NotMIME = codec.Body8BitMIME, !f.MIME
	default:
		tx.Body = codec.Body7Bit
	}
	tx.Canonical = f.FinalCRLF && f.CheckLineEnds() == nil
	tx.UTF8 = f.UTF8Header && !f.BadHeader
	tx.Octets = max(f.WireOctets, 0)
	return nil
}
