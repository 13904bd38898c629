package main

import (
	"errors"
	"net/smtp"
	"net/textproto"
	"strings"
)

// netSMTP is the client of the standard library, step by step: its SendMail would take
// TLS whenever it is offered.
func netSMTP(j *job) error {
	if j.lmtp {
		return errUnimplemented
	}
	return reported(j.netSMTP())
}

func (j *job) netSMTP() error {
	nc, err := j.dial()
	if err != nil {
		return err
	}
	c, err := smtp.NewClient(nc, j.host)
	if err != nil {
		return err
	}
	defer c.Close()
	if err := c.Hello(j.hello); err != nil {
		return err
	}
	if j.tls == "starttls" {
		if ok, _ := c.Extension("STARTTLS"); !ok {
			return errNoTLS
		}
		if err := c.StartTLS(j.config()); err != nil {
			return err
		}
	}
	if j.user != "" {
		_, list := c.Extension("AUTH")
		m, err := j.mechanism([]string{"PLAIN", "CRAM-MD5"}, among(strings.Fields(list)))
		if err != nil {
			return err
		}
		how := smtp.PlainAuth("", j.user, j.password, j.host)
		if m == "CRAM-MD5" {
			how = smtp.CRAMMD5Auth(j.user, j.password)
		}
		if err := c.Auth(how); err != nil {
			return err
		}
	}
	if err := c.Mail(j.from); err != nil {
		return err
	}
	for _, to := range j.to {
		if err := c.Rcpt(to); err != nil {
			return err
		}
	}
	w, err := c.Data()
	if err != nil {
		return err
	}
	if _, err := w.Write(j.content); err != nil {
		return err
	}
	if err := w.Close(); err != nil {
		return err
	}
	_ = c.Quit() // nothing that comes now can change anything
	return nil
}

// reported finds the reply in an error of net/textproto.
func reported(err error) error {
	var e *textproto.Error
	if errors.As(err, &e) {
		return &refusal{e.Code, err}
	}
	return err
}
