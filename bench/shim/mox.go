package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"strings"

	"github.com/mjl-/mox/dns"
	"github.com/mjl-/mox/sasl"
	"github.com/mjl-/mox/smtpclient"
)

// mox is the client of mox.
func mox(j *job) error {
	if j.lmtp {
		return errUnimplemented
	}
	err := j.mox()
	var e smtpclient.Error
	if errors.As(err, &e) {
		if e.Permanent {
			return &refusal{max(e.Code, 500), err}
		}
		return &refusal{400, err}
	}
	return err
}

func (j *job) moxAuth(offered []string) (sasl.Client, error) {
	m, err := j.mechanism([]string{"SCRAM-SHA-256", "SCRAM-SHA-1", "CRAM-MD5", "PLAIN", "LOGIN"}, among(offered))
	switch m {
	case "SCRAM-SHA-256":
		return sasl.NewClientSCRAMSHA256(j.user, j.password, false), nil
	case "SCRAM-SHA-1":
		return sasl.NewClientSCRAMSHA1(j.user, j.password, false), nil
	case "CRAM-MD5":
		return sasl.NewClientCRAMMD5(j.user, j.password), nil
	case "PLAIN":
		return sasl.NewClientPlain(j.user, j.password), nil
	case "LOGIN":
		return sasl.NewClientLogin(j.user, j.password), nil
	}
	return nil, err
}

func (j *job) mox() error {
	mode := map[string]smtpclient.TLSMode{"starttls": smtpclient.TLSRequiredStartTLS, "implicit": smtpclient.TLSImmediate}[j.tls]
	if mode == "" {
		mode = smtpclient.TLSSkip
	}
	opts := smtpclient.Opts{RootCAs: j.ca}
	if j.user != "" {
		opts.Auth = func(offered []string, _ *tls.ConnectionState) (sasl.Client, error) { return j.moxAuth(offered) }
	}
	tcp := *j
	tcp.tls = "none" // it begins TLS itself
	nc, err := tcp.dial()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), j.timeout)
	defer cancel()
	log := slog.New(slog.DiscardHandler)
	us, them := dns.Domain{ASCII: j.hello}, dns.Domain{ASCII: "localhost"}
	c, err := smtpclient.New(ctx, log, nc, mode, j.tls != "none", us, them, opts)
	if err != nil {
		return err
	}
	defer c.Close()
	beyond := func(r rune) bool { return r >= 0x80 }
	eight, utf8 := bytes.ContainsFunc(j.content, beyond), strings.ContainsFunc(j.from+strings.Join(j.to, ""), beyond)
	answers, err := c.DeliverMultiple(ctx, j.from, j.to, int64(len(j.content)), bytes.NewReader(j.content), eight, utf8, false)
	var refused []*refusal
	for _, a := range answers {
		if a.Err != nil || a.Code/100 != 2 {
			refused = append(refused, &refusal{a.Code, smtpclient.Error(a)})
		}
	}
	if err != nil && len(refused) < len(j.to) { // where all are refused it only says so
		return err
	}
	return worst(refused)
}
