package client

import (
	"bytes"
	"io"
	"net"
	"net/smtp"

	emersion "github.com/emersion/go-smtp"

	"github.com/parley-mail/parley/bench/load"
)

// netSMTP is the client of the standard library.
type netSMTP struct {
	c       *smtp.Client
	from    string
	to      []string
	content []byte
}

func newNetSMTP(l *load.Load, content []byte) (load.Opener, error) {
	dial, err := dialer(l)
	if err != nil {
		return nil, err
	}
	host, _, err := net.SplitHostPort(l.Addr)
	if err != nil {
		return nil, err
	}
	return func() (load.Session, error) {
		nc, err := dial()
		if err != nil {
			return nil, err
		}
		c, err := smtp.NewClient(nc, host)
		if err != nil {
			return nil, err
		}
		if err := c.Hello("client.example"); err != nil {
			return nil, err
		}
		if l.TLS == load.StartTLS {
			config, err := l.TLSConfig()
			if err != nil {
				return nil, err
			}
			if err := c.StartTLS(config); err != nil {
				return nil, err
			}
		}
		return &netSMTP{c, l.Sender(), l.Recipients(), content}, nil
	}, nil
}

func (s *netSMTP) Send(n int) error {
	for range n {
		if err := s.c.Mail(s.from); err != nil {
			return err
		}
		for _, to := range s.to {
			if err := s.c.Rcpt(to); err != nil {
				return err
			}
		}
		if err := body(s.c.Data())(s.content); err != nil {
			return err
		}
	}
	return nil
}

// body writes the content of a message and ends it.
func body(w io.WriteCloser, err error) func(content []byte) error {
	return func(content []byte) error {
		if err != nil {
			return err
		}
		if _, err := w.Write(content); err != nil {
			return err
		}
		return w.Close()
	}
}

func (s *netSMTP) Close() error { return s.c.Quit() }

// emersionSession is github.com/emersion/go-smtp.
type emersionSession struct {
	c       *emersion.Client
	from    string
	to      []string
	content []byte
}

func newEmersion(l *load.Load, content []byte) (load.Opener, error) {
	if err := noSTARTTLS(l); err != nil {
		return nil, err
	}
	dial, err := dialer(l)
	if err != nil {
		return nil, err
	}
	return func() (load.Session, error) {
		nc, err := dial()
		if err != nil {
			return nil, err
		}
		c := emersion.NewClient(nc)
		if err := c.Hello("client.example"); err != nil {
			return nil, err
		}
		return &emersionSession{c, l.Sender(), l.Recipients(), content}, nil
	}, nil
}

func (s *emersionSession) Send(n int) error {
	for range n {
		if err := s.c.SendMail(s.from, s.to, bytes.NewReader(s.content)); err != nil {
			return err
		}
	}
	return nil
}

func (s *emersionSession) Close() error { return s.c.Quit() }
