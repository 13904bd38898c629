package parley

import (
	"context"
	"strings"

	"github.com/parley-mail/parley/codec"
	"github.com/parley-mail/parley/events"
	"github.com/parley-mail/parley/fsm"
	"github.com/parley-mail/parley/session"
)

// Send sends the message. Without a session it opens one and ends it afterwards. The
// result lists every recipient, in the order To, Cc, Bcc; it is nil if nothing was begun.
// The error is nil if at least one recipient was accepted and none that may not be refused
// was. A line that would break the rules is an error before anything is said.
func (s *SMTP) Send(ctx context.Context) (*Result, error) { return s.send(ctx, fsm.Mail) }

// SendToTerminalOnly sends by SEND: to the user's terminal (RFC 821 §3.4). Most servers
// refuse.
func (s *SMTP) SendToTerminalOnly(ctx context.Context) (*Result, error) {
	return s.send(ctx, fsm.Send)
}

// SendToTerminalOrEmail sends by SOML: to the terminal, or else to the mailbox.
func (s *SMTP) SendToTerminalOrEmail(ctx context.Context) (*Result, error) {
	return s.send(ctx, fsm.Soml)
}

// SendToTerminalAndEmail sends by SAML: to the terminal and to the mailbox.
func (s *SMTP) SendToTerminalAndEmail(ctx context.Context) (*Result, error) {
	return s.send(ctx, fsm.Saml)
}

func (s *SMTP) send(ctx context.Context, verb fsm.Command) (result *Result, err error) {
	done, ctx, err := s.begin(ctx)
	if err != nil {
		return nil, err
	}
	defer done()
	m, id, err := s.mail()
	if err != nil {
		return nil, err
	}
	if verb != fsm.Mail && !s.AllowExtensions {
		return nil, &Error{Kind: ErrMisuse, Detail: verb.String() + " needs AllowExtensions"}
	}
	m.Verb = verb
	err = s.with(ctx, func(c *Conn) error {
		s.state.required, s.state.moot, s.state.bodiless = m.Required, false, s.bodiless()
		defer func() { s.state.required, s.state.bodiless = nil, false }()
		result, err = c.Deliver(ctx, m)
		if result != nil {
			result.MessageID = id
		}
		return err
	})
	return result, err
}

// Verify asks the server about an address (VRFY). 250, 251 and 252 are success; 252 means
// that it was not checked and would be taken. A refusal is ErrRefused with the reply.
func (s *SMTP) Verify(ctx context.Context, address string) (codec.Reply, error) {
	return s.ask(ctx, fsm.Vrfy, address, nil)
}

// Expand asks who is on a list (EXPN), fires Expand for each line of the reply, and
// returns the addresses.
func (s *SMTP) Expand(ctx context.Context, list string) ([]string, error) {
	var all []string
	_, err := s.ask(ctx, fsm.Expn, list, func(r codec.Reply) {
		for line := range strings.SplitSeq(r.Text(), "\n") {
			line = strings.TrimSpace(line)
			all = append(all, line)
			s.Events.Publish(&events.Expand{Address: line})
		}
	})
	return all, err
}

// Command sends a line as it is and returns the reply. Lines that would move the dialogue
// where nobody could follow, such as DATA and STARTTLS, are refused.
func (s *SMTP) Command(ctx context.Context, line string) (codec.Reply, error) {
	return s.ask(ctx, fsm.Other, line, nil)
}

// ask sends a single command. Verify and Expand open a session if there is none; a line of
// the caller's own needs one.
func (s *SMTP) ask(ctx context.Context, command fsm.Command, arg string, each func(codec.Reply)) (codec.Reply, error) {
	done, ctx, err := s.begin(ctx)
	if err != nil {
		return codec.Reply{}, err
	}
	defer done()
	r := &session.Request{Command: command, Arg: arg}
	run := func(c *Conn) error {
		if err := c.Do(ctx, r); err != nil {
			return err
		}
		if each != nil {
			each(r.Reply)
		}
		return nil
	}
	if command == fsm.Other {
		if !s.state.connected.Load() {
			return codec.Reply{}, ErrNotConnected
		}
	}
	err = s.with(ctx, run)
	return r.Reply, err
}
