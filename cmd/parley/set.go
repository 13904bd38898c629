package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/parley-mail/parley"
	"github.com/parley-mail/parley/fsm"
	"github.com/parley-mail/parley/transport"
)

// addSet adds --set, which reaches every row of the class by its own name.
func (f *sendFlags) addSet(cmd *cobra.Command) {
	cmd.Flags().StringArrayVar(&f.set, "set", nil, "set a row of the class by its name, Name=Value (repeatable; parley surface lists them); it wins over other flags")
	_ = cmd.RegisterFlagCompletionFunc("set", func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		var names []string
		for _, s := range parley.Settings() {
			if !s.ReadOnly {
				names = append(names, s.Name+"=")
			}
		}
		return names, cobra.ShellCompDirectiveNoSpace | cobra.ShellCompDirectiveNoFileComp
	})
}

// runClass sends by way of the class, whose rows --set has reached.
func (f *sendFlags) runClass(ctx context.Context, cmd *cobra.Command, e *parley.Endpoint, m *parley.Mail) error {
	started := time.Now()
	s, err := f.class(e, m)
	if err != nil {
		return err
	}
	for _, set := range f.set {
		if _, err := s.Config(set); err != nil {
			return usage("--set: %v", strings.TrimPrefix(err.Error(), "parley: "))
		}
	}
	o := &outcome{flags: &f.serverFlags, id: s.MessageId}
	for i := range m.Envelope.Recipients {
		o.to = append(o.to, m.Envelope.Recipients[i].Path.String())
	}
	send := map[fsm.Command]func(context.Context) (*parley.Result, error){
		fsm.Mail: s.Send, fsm.Send: s.SendToTerminalOnly, fsm.Soml: s.SendToTerminalOrEmail, fsm.Saml: s.SendToTerminalAndEmail,
	}[m.Verb]
	o.result, o.err = send(ctx)
	if errors.Is(o.err, parley.ErrStopped) {
		o.result, o.err = nil, nil
	}
	o.took = time.Since(started)
	o.write(cmd.OutOrStdout())
	if err := f.done(); o.err == nil && err != nil {
		return err
	}
	return f.verdict(cmd.Context(), o)
}

// class makes an object of the flags; what --set says comes after it.
func (f *sendFlags) class(e *parley.Endpoint, m *parley.Mail) (*parley.SMTP, error) {
	s := parley.New()
	s.From, s.ReturnPath = f.from, f.returnPath
	if s.ReturnPath == "" && (f.from == "" || f.from == "<>") {
		s.From, s.ReturnPath = "", "<>"
	}
	s.SendTo, s.Cc, s.BCc, s.ReplyTo = strings.Join(f.to, ", "), strings.Join(f.cc, ", "), strings.Join(f.bcc, ", "), f.replyTo
	s.AllowEmptyTo, s.Charset = true, "UTF-8"
	s.StopOnToErrors, s.StopOnCcErrors, s.StopOnBccErrors = contains(f.stopOn, "to"), contains(f.stopOn, "cc"), contains(f.stopOn, "bcc")
	s.Params, s.MayDrop, s.AsIs, s.LineEnds = m.Envelope.Params, m.MayDrop, m.AsIs, m.LineEnds
	if len(m.Envelope.Recipients) > 0 {
		s.DSN.Notify = m.Envelope.Recipients[0].Params.Notify
	}
	if f.message == nil {
		r, err := m.Content.Open()
		if err != nil {
			return nil, err
		}
		defer r.Close()
		if s.Message, err = io.ReadAll(r); err != nil {
			return nil, err
		}
	} else {
		s.Subject, s.MessageText, s.HTML, s.Attachments = f.message.Subject, f.message.Text, f.message.HTML, f.message.Attachments
		s.Importance, s.Priority, s.Sensitivity = f.message.Importance, f.message.Priority, f.message.Sensitivity
		for _, h := range f.message.OtherHeaders {
			s.OtherHeaders += h.Name + ": " + h.Value + "\r\n"
		}
		s.MessageId = f.message.MessageID
	}

	s.Network, s.LMTP = e.Network, e.Session.LMTP
	s.MailServer = e.Address
	if e.Network != "unix" {
		host, port, err := net.SplitHostPort(e.Address)
		if err != nil {
			return nil, err
		}
		s.MailServer = host
		if s.MailPort, err = strconv.Atoi(port); err != nil {
			return nil, err
		}
	}
	s.Session, s.Hello = e.Session, e.Session.Hello
	s.Timeout, s.ConnectionTimeout, s.MaxTransferRate = f.timeout, f.connectTimeout, f.rate
	s.Credentials, s.AuthPolicy, s.TLSConfig = e.Credentials, e.AuthPolicy, e.TLSConfig
	switch e.TLS {
	case parley.TLSImplicit:
		s.SSLStartMode = parley.SSLImplicit
	case parley.TLSStartTLS:
		s.SSLStartMode = parley.SSLExplicit
	case parley.TLSOpportunistic:
		s.SSLStartMode = parley.SSLOpportunistic
	}
	if _, plain := e.Dialer.(*transport.TCPDialer); !plain || f.localAddr != "" || f.only4 || f.only6 {
		s.Dialer = e.Dialer
	}
	f.watch(&s.Events)
	return s, nil
}

func contains(list []string, s string) bool {
	for _, x := range list {
		if x == s {
			return true
		}
	}
	return false
}

func newSurface() *cobra.Command {
	asJSON := false
	cmd := &cobra.Command{
		Use:   "surface",
		Short: "List every row of the class: its name in Go, its flag, whether it works, and the test that proves it",
		Args:  noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			w := cmd.OutOrStdout()
			if asJSON {
				return jsonTo(w, parley.Surface())
			}
			for _, r := range parley.Surface() {
				fmt.Fprintf(w, "%-9s %-33s %-36s %-26s %s\n", r.Kind, r.Name, r.Symbol, r.Flag, r.Status)
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "as JSON, with notes and tests")
	return cmd
}
