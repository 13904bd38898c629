package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/parley-mail/parley"
	"github.com/parley-mail/parley/codec"
	"github.com/parley-mail/parley/events"
	"github.com/parley-mail/parley/fsm"
	mail "github.com/parley-mail/parley/message"
	"github.com/parley-mail/parley/session"
)

type sendFlags struct {
	serverFlags
	messageFlags
	stopOn    []string
	verb      string
	quitAfter string
	dropAfter string
	progress  string
	set       []string
}

// phases are where a session can be stopped on purpose.
var phases = []string{"banner", "ehlo", "starttls", "auth", "mail", "rcpt", "data", "dot"}

func newSend() *cobra.Command {
	f := &sendFlags{}
	cmd := &cobra.Command{
		Use:   "send [FILE|-]",
		Short: "Send one message",
		Long: `Sends one message. With --subject, --text, --text-file, --html-file or --attach it is composed;
otherwise FILE, or standard input, is a whole message (RFC 5322) and is sent as it is: its
line ends become CRLF, Bcc and Return-Path fields are left out, and nothing else changes.
What cannot be sent as it is, is an error before anything is said.

For each recipient it says what became of the message: accepted, refused (with the reply),
not_sent, or unknown. Unknown means that the content went out and no word came back: sending
it again may deliver it twice.`,
		Example: `  parley send --server smtp://mx.example --from a@x.example --to b@y.example message.eml
  parley send --server submission://smtp.example --user alice --from alice@x.example \
      --to b@y.example --subject Minutes --text "see the file" --attach minutes.pdf
  parley send --server lmtp+unix:///run/dovecot/lmtp --from '' --to bob --json < message.eml`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 1 {
				return usage("send takes one message, there are %d", len(args))
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error { return f.run(cmd, args) },
	}
	f.serverFlags.add(cmd)
	f.messageFlags.add(cmd)
	fl := cmd.Flags()
	fl.StringSliceVar(&f.stopOn, "stop-on", nil, "give up if a recipient of these is refused: to, cc, bcc")
	choice(cmd, fl, &f.verb, "verb", "mail", "the command that begins the transaction", "mail", "send", "soml", "saml")
	choice(cmd, fl, &f.quitAfter, "quit-after", "", "say QUIT after this phase", append([]string{""}, phases...)...)
	choice(cmd, fl, &f.dropAfter, "drop-after", "", "close without a word after this phase", append([]string{""}, phases...)...)
	f.addSet(cmd)
	choice(cmd, fl, &f.progress, "progress", "auto", "show progress on standard error", "auto", "always", "never")
	return cmd
}

func (f *sendFlags) run(cmd *cobra.Command, args []string) error {
	started := time.Now()
	ctx, cancel := f.context(cmd.Context())
	defer cancel()
	m, cleanup, err := f.mail(cmd, args)
	if err != nil {
		return err
	}
	defer cleanup()
	m.Verb = map[string]fsm.Command{"mail": fsm.Mail, "send": fsm.Send, "soml": fsm.Soml, "saml": fsm.Saml}[f.verb]
	if err := f.require(m); err != nil {
		return err
	}
	e, err := f.endpoint()
	if err != nil {
		return err
	}
	if err := f.stopPhase(e); err != nil {
		return err
	}
	if len(f.set) > 0 {
		return f.runClass(ctx, cmd, e, m)
	}
	bar := f.bar(m)
	if bar != nil {
		e.Events.Subscribe(events.Of(events.KindTransfer, events.KindEndTransfer), bar.handle)
	}
	o := &outcome{flags: &f.serverFlags, id: f.id}
	for i := range m.Envelope.Recipients {
		o.to = append(o.to, m.Envelope.Recipients[i].Path.String())
	}
	o.conn, err = parley.Dial(ctx, e)
	if err == nil {
		o.result, err = o.conn.Deliver(ctx, m)
		quit, cancelQuit := context.WithTimeout(context.WithoutCancel(ctx), quitPatience)
		if ctx.Err() != nil {
			o.conn.Close()
		} else {
			o.conn.Quit(quit)
		}
		cancelQuit()
	}
	if bar != nil {
		bar.end()
	}
	if errors.Is(err, parley.ErrStopped) {
		if !f.quiet && !f.asJSON {
			fmt.Fprintln(cmd.OutOrStdout(), message(err))
		}
		o.result, err = nil, nil
	}
	o.err, o.took = err, time.Since(started)
	o.write(cmd.OutOrStdout())
	if derr := f.done(); err == nil && derr != nil {
		return derr
	}
	return f.verdict(cmd.Context(), o)
}

// quitPatience is how long QUIT may take: nothing depends on it.
const quitPatience = 10 * time.Second

// verdict makes the exit code of what happened.
func (f *sendFlags) verdict(ctx context.Context, o *outcome) error {
	if o.err != nil {
		if f.asJSON {
			return &silentError{exitCode(ctx, o.err)}
		}
		return o.err
	}
	if o.result == nil {
		return nil
	}
	switch o.result.Outcome() {
	case parley.OutcomeAccepted:
		return nil
	case parley.OutcomeUnknown:
		return &silentError{exitUnknown}
	}
	for i := range o.result.Recipients {
		r := &o.result.Recipients[i]
		if r.Status != parley.Accepted && !r.Temporary() {
			return &silentError{exitRefused}
		}
	}
	return &silentError{exitTemporary}
}

// require makes the recipients of --stop-on indispensable.
func (f *sendFlags) require(m *parley.Mail) error {
	if len(f.stopOn) == 0 {
		return nil
	}
	kinds := map[string]mail.RecipientKind{"to": mail.KindTo, "cc": mail.KindCc, "bcc": mail.KindBcc}
	m.Required = make([]bool, len(m.Envelope.Recipients))
	for _, name := range f.stopOn {
		kind, ok := kinds[name]
		if !ok {
			return usage("--stop-on: there are to, cc and bcc, not %q", name)
		}
		for i, r := range m.Envelope.Recipients {
			m.Required[i] = m.Required[i] || r.Kind == kind
		}
	}
	return nil
}

// stopPhase has the session end early.
func (f *sendFlags) stopPhase(e *parley.Endpoint) (err error) {
	phase := f.quitAfter
	if f.dropAfter != "" {
		if phase != "" {
			return usage("--quit-after and --drop-after exclude each other")
		}
		phase, e.Session.Stop.Drop = f.dropAfter, true
	}
	if phase != "" {
		e.Session.Stop.After, err = session.ParsePhase(phase)
	}
	return err
}

// messageFlags say what is sent, and to whom.
type messageFlags struct {
	from, returnPath, replyTo   string
	to, cc, bcc                 []string
	subject, text, textFile     string
	htmlFile                    string
	attach, headers             []string
	importance, priority        string
	sensitivity                 string
	notify                      []string
	ret, envID                  string
	deliverBy, holdFor          time.Duration
	mtPriority                  int
	requireTLS, asIs, refuseBad bool
	dropDSN                     bool
	id                          string
	message                     *mail.Message // what was composed; nil: it was read
}

func (f *messageFlags) add(cmd *cobra.Command) {
	fl := cmd.Flags()
	fl.StringVar(&f.from, "from", "", "the sender; also the reverse-path unless --return-path is given; '' is the null path")
	fl.StringVar(&f.returnPath, "return-path", "", "where notices of failure go; '<>' is nowhere")
	fl.StringArrayVar(&f.to, "to", nil, "recipients, comma separated (repeatable)")
	fl.StringArrayVar(&f.cc, "cc", nil, "recipients of a copy")
	fl.StringArrayVar(&f.bcc, "bcc", nil, "recipients that no header names")
	fl.StringVar(&f.replyTo, "reply-to", "", "where answers go")
	fl.StringVar(&f.subject, "subject", "", "compose: the subject")
	fl.StringVar(&f.text, "text", "", "compose: the text")
	fl.StringVar(&f.textFile, "text-file", "", "compose: the file with the text; - is standard input")
	fl.StringVar(&f.htmlFile, "html-file", "", "compose: the file with the text as HTML")
	fl.StringArrayVar(&f.attach, "attach", nil, "compose: attach this file (repeatable)")
	fl.StringArrayVar(&f.headers, "header", nil, "compose: a further header field, 'Name: value' (repeatable)")
	choice(cmd, fl, &f.importance, "importance", "", "compose: the Importance field", "", "high", "normal", "low")
	choice(cmd, fl, &f.priority, "priority", "", "compose: the Priority field", "", "normal", "urgent", "non-urgent")
	choice(cmd, fl, &f.sensitivity, "sensitivity", "", "compose: the Sensitivity field", "", "personal", "private", "company-confidential")
	fl.StringSliceVar(&f.notify, "notify", nil, "delivery status notices wanted: never, or success, failure, delay (RFC 3461)")
	choice(cmd, fl, &f.ret, "ret", "", "how much of the message a notice returns (RFC 3461)", "", "full", "hdrs")
	fl.StringVar(&f.envID, "envid", "", "the envelope's id in notices (RFC 3461)")
	fl.BoolVar(&f.dropDSN, "dsn-optional", false, "send without notices if the server does not offer DSN")
	fl.DurationVar(&f.deliverBy, "deliver-by", 0, "return the message if it is not delivered within this time (RFC 2852)")
	fl.DurationVar(&f.holdFor, "hold-for", 0, "deliver it after this time only (RFC 4865)")
	fl.IntVar(&f.mtPriority, "mt-priority", 0, "priority from -9 to 9 (RFC 6710)")
	fl.BoolVar(&f.requireTLS, "require-tls", false, "demand TLS on the whole way (RFC 8689)")
	fl.BoolVar(&f.asIs, "as-is", false, "send lines over 998 octets, and header octets that are no UTF-8, as they are")
	fl.BoolVar(&f.refuseBad, "refuse-bare", false, "refuse a bare CR or LF instead of making it CRLF")
}

// mail puts the flags together; cleanup removes what was spooled.
func (f *messageFlags) mail(cmd *cobra.Command, args []string) (m *parley.Mail, cleanup func(), err error) {
	fl := cmd.Flags()
	cleanup = func() {}
	msg := &mail.Message{Encoding: mail.SevenBit, Charset: "UTF-8", AllowEmptyTo: true}
	for _, c := range []struct {
		flag string
		from []string
		to   *mail.AddressList
	}{{"to", f.to, &msg.To}, {"cc", f.cc, &msg.Cc}, {"bcc", f.bcc, &msg.Bcc}, {"reply-to", slices.DeleteFunc([]string{f.replyTo}, func(s string) bool { return s == "" }), &msg.ReplyTo}} {
		for _, s := range c.from {
			list, err := mail.ParseAddressList(s)
			if err != nil {
				return nil, cleanup, fmt.Errorf("--%s: %w", c.flag, err)
			}
			*c.to = append(*c.to, list...)
		}
	}
	if len(msg.To)+len(msg.Cc)+len(msg.Bcc) == 0 {
		return nil, cleanup, usage("no recipient is given: --to ADDRESS")
	}
	switch {
	case fl.Changed("from") && f.from != "" && f.from != "<>":
		list, err := mail.ParseAddressList(f.from)
		if err != nil {
			return nil, cleanup, fmt.Errorf("--from: %w", err)
		}
		msg.From = list.Addresses()
	case fl.Changed("from"), f.returnPath != "":
		f.returnPath = cmp(f.returnPath, "<>")
	default:
		return nil, cleanup, usage("no sender is given: --from ADDRESS")
	}
	if f.returnPath != "" {
		p, err := mail.ParsePath(strings.Trim(f.returnPath, "<>"))
		if err != nil {
			return nil, cleanup, fmt.Errorf("--return-path: %w", err)
		}
		msg.ReturnPath = &p
	}
	if f.composed(fl.Changed) {
		if len(args) > 0 {
			return nil, cleanup, usage("a message is either composed or read from a file, not both")
		}
		err = f.compose(msg)
	} else {
		cleanup, err = f.read(msg, args, cmd.InOrStdin())
	}
	if err != nil {
		return nil, cleanup, err
	}
	m, err = f.finish(msg)
	return m, cleanup, err
}

func cmp(s, def string) string {
	if s == "" {
		return def
	}
	return s
}

// composing are the flags that ask for composing.
var composing = []string{"subject", "text", "text-file", "html-file", "attach", "header"}

// composed reports whether a flag asks for composing.
func (f *messageFlags) composed(changed func(string) bool) bool {
	return slices.ContainsFunc(composing, changed)
}

func (f *messageFlags) compose(msg *mail.Message) error {
	msg.Subject, msg.Text = f.subject, f.text
	if f.textFile != "" {
		data, err := readAll(f.textFile)
		if err != nil {
			return err
		}
		msg.Text = string(data)
	}
	if f.htmlFile != "" {
		data, err := readAll(f.htmlFile)
		if err != nil {
			return err
		}
		msg.HTML = string(data)
	}
	for _, name := range f.attach {
		a, err := mail.AttachFile(name)
		if err != nil {
			return err
		}
		msg.Attachments = append(msg.Attachments, a)
	}
	for _, h := range f.headers {
		fields, err := mail.ParseFields(h)
		if err != nil {
			return fmt.Errorf("--header: %w", err)
		}
		msg.OtherHeaders = append(msg.OtherHeaders, fields...)
	}
	msg.Importance = map[string]mail.Importance{"high": mail.ImportanceHigh, "normal": mail.ImportanceNormal, "low": mail.ImportanceLow}[f.importance]
	msg.Priority = map[string]mail.Priority{"normal": mail.PriorityNormal, "urgent": mail.PriorityUrgent, "non-urgent": mail.PriorityNonUrgent}[f.priority]
	msg.Sensitivity = map[string]mail.Sensitivity{"personal": mail.SensitivityPersonal, "private": mail.SensitivityPrivate, "company-confidential": mail.SensitivityCompanyConfidential}[f.sensitivity]
	if err := msg.Seal(); err != nil {
		return err
	}
	f.id, f.message = msg.MessageID, msg
	return nil
}

func readAll(name string) ([]byte, error) {
	if name == "-" {
		return io.ReadAll(os.Stdin)
	}
	return os.ReadFile(name)
}

// spooled is how much of standard input is kept in memory; more goes to a file.
const spooled = 1 << 20

// read takes a whole message. Standard input is kept, so that it can be looked through
// before anything is said.
func (f *messageFlags) read(msg *mail.Message, args []string, stdin io.Reader) (cleanup func(), err error) {
	cleanup = func() {}
	if len(args) == 1 && args[0] != "-" {
		msg.Raw, err = mail.FromFile(args[0])
		return cleanup, err
	}
	head := make([]byte, spooled)
	n, err := io.ReadFull(stdin, head)
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		msg.Raw = mail.FromBytes(head[:n])
		return cleanup, nil
	}
	if err != nil {
		return cleanup, err
	}
	spool, err := os.CreateTemp("", "parley-*.eml")
	if err != nil {
		return cleanup, err
	}
	cleanup = func() { spool.Close(); os.Remove(spool.Name()) }
	size, err := io.Copy(spool, io.MultiReader(bytes.NewReader(head), stdin))
	msg.Raw = mail.FromReaderAt(spool, size)
	return cleanup, err
}

// finish makes the envelope and its parameters.
func (f *messageFlags) finish(msg *mail.Message) (*parley.Mail, error) {
	envelope, err := msg.Envelope()
	if err != nil {
		return nil, err
	}
	content, err := msg.Content()
	if err != nil {
		return nil, err
	}
	m := &parley.Mail{Envelope: &envelope, Content: content, AsIs: f.asIs}
	if f.refuseBad {
		m.LineEnds = codec.Refuse
	}
	p := &envelope.Params
	p.Return, p.EnvelopeID, p.RequireTLS = strings.ToUpper(f.ret), f.envID, f.requireTLS
	p.HoldFor = int64(f.holdFor / time.Second)
	if f.deliverBy > 0 {
		p.DeliverBy = &codec.DeliverBy{Seconds: int64(f.deliverBy / time.Second), Return: true}
	}
	if f.mtPriority != 0 {
		p.MTPriority, p.HasMTPriority = f.mtPriority, true
	}
	var notify codec.Notify
	for _, word := range f.notify {
		bit, ok := map[string]codec.Notify{"never": codec.NotifyNever, "success": codec.NotifySuccess, "failure": codec.NotifyFailure, "delay": codec.NotifyDelay}[strings.ToLower(word)]
		if !ok {
			return nil, usage("--notify: there are never, success, failure and delay, not %q", word)
		}
		notify |= bit
	}
	for i := range envelope.Recipients {
		envelope.Recipients[i].Params.Notify = notify
	}
	if f.dropDSN {
		m.MayDrop |= session.NeedDSN
	}
	return m, nil
}
