package main

import (
	"bytes"
	"context"
	"errors"
	"strconv"

	gomail "github.com/wneessen/go-mail"
)

// goMail is github.com/wneessen/go-mail. It composes what it sends, here of the parts
// of the message that is handed over.
func goMail(j *job) error {
	if j.lmtp {
		return errUnimplemented
	}
	err := j.goMail()
	var e *gomail.SendError
	if errors.As(err, &e) {
		return &refusal{e.ErrorCode(), err}
	}
	return reported(err)
}

func (j *job) goMail() error {
	port, err := strconv.Atoi(j.port)
	if err != nil {
		return err
	}
	options := []gomail.Option{
		gomail.WithPort(port), gomail.WithHELO(j.hello), gomail.WithTimeout(j.timeout), gomail.WithTLSConfig(j.config()), gomail.WithTLSPolicy(gomail.NoTLS),
	}
	switch j.tls {
	case "starttls":
		options = append(options, gomail.WithTLSPolicy(gomail.TLSMandatory))
	case "implicit":
		options = append(options, gomail.WithSSL())
	}
	if j.user != "" {
		how := gomail.SMTPAuthAutoDiscover
		switch len(j.mechanisms) {
		case 0:
		case 1:
			how = gomail.SMTPAuthType(j.mechanisms[0])
		default: // it takes one, or all
			return errUnimplemented
		}
		options = append(options, gomail.WithSMTPAuth(how), gomail.WithUsername(j.user), gomail.WithPassword(j.password))
	}
	c, err := gomail.NewClient(j.host, options...)
	if err != nil {
		return err
	}
	m, err := gomail.EMLToMsgFromReader(bytes.NewReader(j.content))
	if err != nil { // it has no header that go-mail knows: all of it is text
		m = gomail.NewMsg()
		m.SetBodyString(gomail.TypeTextPlain, string(j.content))
	}
	m.ToIgnoreInvalid()
	if err := errors.Join(m.EnvelopeFrom(j.from), m.Bcc(j.to...)); err != nil {
		return errors.Join(errUnimplemented, err)
	}
	if err := c.DialWithContext(context.Background()); err != nil {
		return err
	}
	if err := c.Send(m); err != nil {
		_ = c.Close()
		return err
	}
	_ = c.Close()
	return nil
}
