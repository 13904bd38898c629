package client

import (
	"context"
	"errors"

	"github.com/parley-mail/parley"
	"github.com/parley-mail/parley/bench/load"
	"github.com/parley-mail/parley/message"
	"github.com/parley-mail/parley/session"
)

// fileSession is Parley's Conn, without a Sender around it, and a content that is in a file.
type fileSession struct {
	c    *parley.Conn
	mail parley.Mail
}

func newParleyFile(l *load.Load, _ []byte) (load.Opener, error) {
	if l.BodyFile == "" || l.TLS != load.NoTLS {
		return nil, errors.New("client: a file, without TLS, is what this one is for")
	}
	from, err := message.ParsePath(l.Sender())
	if err != nil {
		return nil, err
	}
	env := &message.Envelope{ReversePath: from}
	for _, r := range l.Recipients() {
		to, err := message.ParsePath(r)
		if err != nil {
			return nil, err
		}
		env.Recipients = append(env.Recipients, message.Recipient{Path: to})
	}
	content, err := message.FromFile(l.BodyFile)
	if err != nil {
		return nil, err
	}
	e := &parley.Endpoint{Address: l.Addr, TLS: parley.TLSNone, Session: session.Config{Data: session.DataBDAT}}
	if l.Mode != load.Chunked {
		e.Session.Data = session.DataOnly
	}
	return func() (load.Session, error) {
		c, err := parley.Dial(context.Background(), e)
		if err != nil {
			return nil, err
		}
		return &fileSession{c, parley.Mail{Envelope: env, Content: content}}, nil
	}, nil
}

func (s *fileSession) Send(n int) error {
	for range n {
		if _, err := s.c.Deliver(context.Background(), &s.mail); err != nil {
			return err
		}
	}
	return nil
}

func (s *fileSession) Close() error { return s.c.Quit(context.Background()) }
