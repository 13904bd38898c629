package main

import (
	"bytes"
	"errors"
	"slices"

	"github.com/emersion/go-sasl"
	emersion "github.com/emersion/go-smtp"
)

// emersionSMTP is github.com/emersion/go-smtp.
func emersionSMTP(j *job) error {
	err := j.emersion()
	var perRecipient emersion.LMTPDataError
	if errors.As(err, &perRecipient) {
		var refused []*refusal
		for _, e := range perRecipient {
			refused = append(refused, &refusal{e.Code, e})
		}
		slices.SortFunc(refused, func(a, b *refusal) int { return b.code - a.code })
		return worst(refused)
	}
	var e *emersion.SMTPError
	if errors.As(err, &e) {
		return &refusal{e.Code, err}
	}
	return err
}

func (j *job) emersion() error {
	nc, err := j.dial()
	if err != nil {
		return err
	}
	var c *emersion.Client
	switch {
	case j.lmtp && j.tls == "starttls":
		return errUnimplemented
	case j.lmtp:
		c = emersion.NewClientLMTP(nc)
	case j.tls == "starttls":
		if c, err = emersion.NewClientStartTLS(nc, j.config()); err != nil {
			return err
		}
	default:
		c = emersion.NewClient(nc)
	}
	defer c.Close()
	c.CommandTimeout, c.SubmissionTimeout = j.timeout, j.timeout
	if j.tls != "starttls" { // that has said EHLO as localhost
		if err := c.Hello(j.hello); err != nil {
			return err
		}
	}
	if j.user != "" {
		m, err := j.mechanism([]string{sasl.Plain, sasl.Login}, c.SupportsAuth)
		if err != nil {
			return err
		}
		how := sasl.NewPlainClient("", j.user, j.password)
		if m == sasl.Login {
			how = sasl.NewLoginClient(j.user, j.password)
		}
		if err := c.Auth(how); err != nil {
			return err
		}
	}
	if err := c.SendMail(j.from, j.to, bytes.NewReader(j.content)); err != nil {
		return err
	}
	_ = c.Quit()
	return nil
}
