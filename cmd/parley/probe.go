package main

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/parley-mail/parley"
	"github.com/parley-mail/parley/events"
	"github.com/parley-mail/parley/fsm"
	"github.com/parley-mail/parley/session"
	"github.com/parley-mail/parley/transport"
)

func newProbe() *cobra.Command {
	f := &serverFlags{}
	cmd := &cobra.Command{
		Use:   "probe",
		Short: "Look a server over: greeting, extensions, certificate, mechanisms, limits, round trips",
		Long: `Connects, and shows the greeting, what the server offers before and inside TLS, its
certificate and whether it would be accepted, how one may log in, its limits, and how long
round trips take. Nothing is sent but EHLO, STARTTLS, NOOP and QUIT, and AUTH if a user is
given. A bad certificate is shown and does not stop the probe.`,
		Example: "  parley probe --server mx.example\n  parley probe --server submission://smtp.example --json",
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx, cancel := f.context(cmd.Context())
			defer cancel()
			return f.probe(ctx, cmd.OutOrStdout())
		},
	}
	f.add(cmd)
	return cmd
}

// probed is what was found out.
type probed struct {
	Server     string        `json:"server"`
	Address    string        `json:"address,omitempty"`
	Greeting   *jsonReply    `json:"greeting"`
	Clear      []string      `json:"extensions"`
	Secure     []string      `json:"extensions_in_tls,omitempty"`
	Mechanisms []string      `json:"mechanisms"`
	Limits     probedLimits  `json:"limits"`
	TLS        *jsonTLS      `json:"tls"`
	Chain      []probedCert  `json:"certificates,omitempty"`
	Verdict    string        `json:"certificate_verdict,omitempty"`
	Auth       string        `json:"auth,omitempty"`
	RoundTrips []probedRound `json:"round_trips"`
	Anomalies  []string      `json:"anomalies"`
	Notices    []string      `json:"notices"`
	Error      *jsonError    `json:"error"`
}

type probedLimits struct {
	Size    int64 `json:"size,omitempty"`
	Mails   int   `json:"mails,omitempty"`
	Rcpts   int   `json:"recipients,omitempty"`
	Domains int   `json:"recipient_domains,omitempty"`
}

type probedCert struct {
	Subject   string   `json:"subject"`
	Issuer    string   `json:"issuer"`
	Names     []string `json:"names,omitempty"`
	NotBefore string   `json:"not_before"`
	NotAfter  string   `json:"not_after"`
	Key       string   `json:"key"`
}

type probedRound struct {
	What         string  `json:"what"`
	Milliseconds float64 `json:"ms"`
}

func (f *serverFlags) probe(ctx context.Context, w io.Writer) error {
	e, err := f.endpoint()
	if err != nil {
		return err
	}
	p := &probed{Server: f.server, Clear: []string{}, Mechanisms: []string{}, RoundTrips: []probedRound{}, Anomalies: []string{}, Notices: []string{}}
	e.TLSConfig.VerifyPeer = func(peer transport.Peer) error {
		p.Verdict = "accepted"
		if peer.Verdict != nil {
			p.Verdict = message(peer.Verdict)
		}
		p.Chain = nil
		for _, c := range peer.Certificates {
			p.Chain = append(p.Chain, describe(c))
		}
		return nil // it is looked at, not trusted
	}
	e.AuthPolicy.AllowUnverified = false
	p.watch(e)
	c, err := parley.Dial(ctx, e)
	if err == nil {
		p.Auth = c.Session().Authenticated()
		for range 3 {
			err = errors.Join(err, c.Do(ctx, &session.Request{Command: fsm.Noop}))
		}
		p.take(c)
		c.Quit(ctx)
	}
	p.Anomalies = append(p.Anomalies, f.anomalies...)
	if e := asError(err); e != nil {
		p.Error = &jsonError{e.Kind.String(), message(err), e.Temporary(), false}
	}
	if derr := f.done(); err == nil {
		err = derr
	}
	if f.asJSON {
		json.NewEncoder(w).Encode(p)
		if err != nil {
			return &silentError{exitCode(ctx, err)}
		}
		return nil
	}
	p.write(w)
	return err
}

// watch collects what events tell.
func (p *probed) watch(e *parley.Endpoint) {
	var mu sync.Mutex
	sent := map[fsm.Command]time.Time{}
	secure := e.TLS == parley.TLSImplicit
	e.Events.Subscribe(events.All, func(ev events.Event) {
		mu.Lock()
		defer mu.Unlock()
		switch ev := ev.(type) {
		case *events.Connected:
			p.Address = ev.Address
		case *events.Secured:
			secure = true
		case *events.ReplyReceived:
			if ev.Command == fsm.Connect {
				p.Greeting = asJSONReply(ev.Reply)
			}
			if at, ok := sent[ev.Command]; ok {
				p.RoundTrips = append(p.RoundTrips, probedRound{ev.Command.String(), float64(time.Since(at).Microseconds()) / 1000})
			}
		case *events.CommandSent:
			sent[ev.Command] = time.Now()
		case *events.Notice:
			p.Notices = append(p.Notices, escape(ev.Detail))
		case *events.ExtensionsOffered:
			all := []string{}
			for _, k := range ev.Extensions.Keywords {
				all = append(all, escape(strings.TrimSpace(k.Name+" "+k.Params)))
			}
			if secure {
				p.Secure = all
			} else {
				p.Clear = all
			}
		}
	})
}

func (p *probed) take(c *parley.Conn) {
	x := c.Extensions()
	p.Mechanisms = append(p.Mechanisms, x.Auth...)
	p.Limits = probedLimits{x.MaxSize, x.MailMax, x.RcptMax, x.RcptDomainMax}
	if s := c.Security(); s.Secure {
		p.TLS = &jsonTLS{s.VersionName(), s.SuiteName(), s.KeyExchange(), s.Engine, s.Resumed, p.Verdict == "accepted"}
	}
}

func describe(c *x509.Certificate) probedCert {
	names := append([]string{}, c.DNSNames...)
	for _, ip := range c.IPAddresses {
		names = append(names, ip.String())
	}
	return probedCert{
		escape(c.Subject.String()), escape(c.Issuer.String()), names,
		c.NotBefore.UTC().Format(time.RFC3339), c.NotAfter.UTC().Format(time.RFC3339), c.PublicKeyAlgorithm.String(),
	}
}

func (p *probed) write(w io.Writer) {
	paint := paintFor(w)
	row := func(name, value string) {
		if value != "" {
			fmt.Fprintf(w, "%s %s\n", paint.bold(fmt.Sprintf("%-12s", name)), value)
		}
	}
	row("server", p.Server+"  "+paint.dim(p.Address))
	if p.Greeting != nil {
		row("greeting", fmt.Sprintf("%d %s", p.Greeting.Code, strings.Join(p.Greeting.Lines, " / ")))
	}
	row("offers", strings.Join(p.Clear, ", "))
	row("inside TLS", strings.Join(p.Secure, ", "))
	row("mechanisms", strings.Join(p.Mechanisms, " "))
	if p.Limits.Size > 0 {
		row("largest", size(p.Limits.Size))
	}
	if p.Limits.Rcpts > 0 {
		row("recipients", fmt.Sprintf("%d a message", p.Limits.Rcpts))
	}
	if p.Limits.Mails > 0 {
		row("messages", fmt.Sprintf("%d a session", p.Limits.Mails))
	}
	if p.TLS != nil {
		row("TLS", p.TLS.Version+", "+p.TLS.Cipher+", "+p.TLS.Group)
	}
	for i, c := range p.Chain {
		name := "certificate"
		if i > 0 {
			name = "  issued by"
		}
		row(name, fmt.Sprintf("%s  %s", c.Subject, paint.dim(fmt.Sprintf("%s, until %s, %s", c.Key, c.NotAfter[:10], strings.Join(c.Names, " ")))))
	}
	switch p.Verdict {
	case "":
	case "accepted":
		row("verdict", paint.green(p.Verdict))
	default:
		row("verdict", paint.red(p.Verdict))
	}
	row("logged in", p.Auth)
	var rounds []string
	for _, r := range p.RoundTrips {
		rounds = append(rounds, fmt.Sprintf("%s %.1f ms", r.What, r.Milliseconds))
	}
	row("round trips", strings.Join(rounds, ", "))
	for _, n := range p.Notices {
		row("note", n)
	}
	for _, a := range p.Anomalies {
		row("odd", a)
	}
}
