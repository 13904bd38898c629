package client

import (
	"context"
	"fmt"

	gomail "github.com/wneessen/go-mail"
	simple "github.com/xhit/go-simple-mail/v2"

	"github.com/parley-mail/parley/bench/load"
)

// goMail is github.com/wneessen/go-mail, which composes what it sends.
type goMail struct {
	c    *gomail.Client
	load *load.Load
	text string
	msg  *gomail.Msg // made when the first is sent
}

func newGoMail(l *load.Load, content []byte) (load.Opener, error) { return goMailWith(l, content) }

// newGoMailLean is without the NOOP before and the RSET after each message.
func newGoMailLean(l *load.Load, content []byte) (load.Opener, error) {
	return goMailWith(l, content, gomail.WithoutNoop(), gomail.WithoutRset())
}

func goMailWith(l *load.Load, content []byte, more ...gomail.Option) (load.Opener, error) {
	if err := noSTARTTLS(l); err != nil {
		return nil, err
	}
	host, port, err := hostPort(l)
	if err != nil {
		return nil, err
	}
	options := append([]gomail.Option{gomail.WithPort(port), gomail.WithHELO("client.example"), gomail.WithTLSPolicy(gomail.NoTLS)}, more...)
	if l.TLS == load.ImplicitTLS {
		config, err := l.TLSConfig()
		if err != nil {
			return nil, err
		}
		options = append(options, gomail.WithSSL(), gomail.WithTLSConfig(config))
	}
	text := string(content)
	return func() (load.Session, error) {
		c, err := gomail.NewClient(host, options...)
		if err != nil {
			return nil, err
		}
		if err := c.DialWithContext(context.Background()); err != nil {
			return nil, err
		}
		return &goMail{c: c, load: l, text: text}, nil
	}, nil
}

func (s *goMail) compose() error {
	s.msg = gomail.NewMsg(gomail.WithEncoding(gomail.NoEncoding))
	if err := s.msg.From(s.load.Sender()); err != nil {
		return err
	}
	if err := s.msg.Bcc(s.load.Recipients()...); err != nil { // so that a hundred do not make the message longer
		return err
	}
	s.msg.Subject("a message to be measured")
	s.msg.SetBodyString(gomail.TypeTextPlain, s.text)
	return nil
}

func (s *goMail) Send(n int) error {
	if s.msg == nil {
		if err := s.compose(); err != nil {
			return err
		}
	}
	for range n {
		if err := s.c.Send(s.msg); err != nil {
			return err
		}
	}
	return nil
}

func (s *goMail) Close() error { return s.c.Close() }

// simpleMail is github.com/xhit/go-simple-mail, given a message that is composed already.
type simpleMail struct {
	c    *simple.SMTPClient
	from string
	to   []string
	text string
}

func newSimpleMail(l *load.Load, content []byte) (load.Opener, error) {
	if l.TLS != load.NoTLS {
		return nil, fmt.Errorf("client: TLS is not measured here")
	}
	host, port, err := hostPort(l)
	if err != nil {
		return nil, err
	}
	text := string(content)
	return func() (load.Session, error) {
		srv := simple.NewSMTPClient()
		srv.Host, srv.Port, srv.Helo, srv.KeepAlive, srv.Encryption = host, port, "client.example", true, simple.EncryptionNone
		c, err := srv.Connect()
		if err != nil {
			return nil, err
		}
		return &simpleMail{c, l.Sender(), l.Recipients(), text}, nil
	}, nil
}

func (s *simpleMail) Send(n int) error {
	for range n {
		if err := simple.SendMessage(s.from, s.to, s.text, s.c); err != nil {
			return err
		}
	}
	return nil
}

func (s *simpleMail) Close() error { return s.c.Quit() }
