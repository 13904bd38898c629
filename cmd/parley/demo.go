package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/parley-mail/parley"
	"github.com/parley-mail/parley/auth"
	"github.com/parley-mail/parley/events"
	"github.com/parley-mail/parley/fsm"
	"github.com/parley-mail/parley/internal/certs"
	"github.com/parley-mail/parley/internal/sink"
	mail "github.com/parley-mail/parley/message"
	"github.com/parley-mail/parley/session"
	"github.com/parley-mail/parley/transport"
)

func newDemo() *cobra.Command {
	var asJSON, states bool
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Send a real message to a built-in server and show everything",
		Long: `Starts the built-in receiving server with a throw-away certificate, sends it a real message
over STARTTLS, with a login and pipelined commands, and shows the dialogue, the path through
the machine, what became of each recipient, and whether the content arrived octet for octet.
Needs nothing but this program.`,
		Example: "  parley demo\n  parley demo --states\n  parley demo --json",
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return demo(cmd.Context(), cmd.OutOrStdout(), asJSON, states)
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "the result as JSON")
	cmd.Flags().BoolVar(&states, "states", false, "also show each move of the machine in its place")
	return cmd
}

// letter is the message of the demonstration: text beyond ASCII, lines that are dots, and
// a last line without an end.
func letter() *mail.Message {
	var text strings.Builder
	text.WriteString("Grüße vom Band! This line has octets over 127: 8BITMIME carries them.\n\n")
	text.WriteString("The next three lines are dots. A client that forgets to double them\nloses the rest of the letter, or worse:\n.\n..\n.hidden\n\n")
	for i := range 40 {
		fmt.Fprintf(&text, "%02d  The quick brown fox jumps over the lazy dog, and the dog reports 250 ok.\n", i+1)
	}
	text.WriteString("\n-- \nno line end behind this line")
	return &mail.Message{
		From: mail.MustParseAddressList("Ada <ada@client.example>").Addresses(), To: mail.MustParseAddressList("Bob <bob@mx.example>, nobody@mx.example, Carol <carol@mx.example>"),
		Subject: "A demonstration", Text: text.String(), Charset: "UTF-8", Encoding: mail.EightBit,
	}
}

func demo(ctx context.Context, w io.Writer, asJSON, states bool) error {
	started := time.Now()
	ca, err := certs.NewCA()
	if err != nil {
		return err
	}
	cert, err := ca.Issue(certs.Options{Hosts: []string{"localhost", "127.0.0.1"}})
	if err != nil {
		return err
	}
	memory := &sink.Memory{}
	srv := &sink.Server{
		Name: "mx.example", TLS: &tls.Config{Certificates: []tls.Certificate{cert}}, Store: memory,
		Extensions: sink.Pipelining | sink.EightBitMIME | sink.Size | sink.SMTPUTF8 | sink.StartTLS | sink.AuthExtension | sink.DSN | sink.EnhancedStatusCodes,
		Auth:       sink.Auth{Users: map[string]string{"ada": "lovelace"}, Required: true},
	}
	srv.Hooks.Rcpt = func(path string) sink.Reply {
		if strings.HasPrefix(path, "nobody@") {
			return sink.Reply{Code: 550, Enhanced: "5.1.1", Text: "nobody lives here"}
		}
		return sink.Reply{}
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	serving, stop := context.WithCancel(ctx)
	done := make(chan error, 1)
	go func() { done <- srv.Serve(serving, l) }()
	defer func() { stop(); <-done }()

	bus := &events.Bus{}
	dialogue := io.Discard
	if !asJSON {
		dialogue = w
	}
	t := newTracer(dialogue, states)
	bus.Subscribe(traced, t.handle)
	machine := fsm.NewLooplab()
	defer machine.Release()
	e := &parley.Endpoint{
		Address: l.Addr().String(), TLS: parley.TLSStartTLS, TLSConfig: &transport.TLSConfig{RootCAs: ca.Pool(), ServerName: "localhost"},
		Credentials: &auth.Credentials{User: "ada", Password: auth.NewSecret("lovelace")},
		Session:     session.Config{Hello: "client.example", Machine: machine},
		Events:      bus,
	}
	msg := letter()
	if err := msg.Seal(); err != nil {
		return err
	}
	envelope, err := msg.Envelope()
	if err != nil {
		return err
	}
	content, err := msg.Content()
	if err != nil {
		return err
	}
	if !asJSON {
		fmt.Fprintln(w, t.paint.bold("The dialogue")+t.paint.dim("   C client, S server, = inside TLS, * notes; the login is masked"))
	}
	o := &outcome{flags: &serverFlags{asJSON: asJSON}, id: msg.MessageID}
	if o.conn, err = parley.Dial(ctx, e); err != nil {
		return err
	}
	o.result, o.err = o.conn.Deliver(ctx, &parley.Mail{Envelope: &envelope, Content: content})
	if o.err != nil {
		return o.err
	}
	security := o.conn.Security()
	o.conn.Quit(ctx)
	o.took = time.Since(started)

	var want bytes.Buffer
	if _, err := content.WriteTo(&want); err != nil {
		return err
	}
	exact := len(memory.Messages()) == 1 && bytes.Equal(memory.Messages()[0].Content, crlf(want.Bytes()))
	if asJSON {
		j := struct {
			*jsonResult
			Path  string `json:"path"`
			Exact bool   `json:"content_exact"`
		}{o.json(), t.pathLine(), exact}
		return json.NewEncoder(w).Encode(j)
	}
	p := t.paint
	fmt.Fprintln(w, "\n"+p.bold("The path through the machine")+p.dim("   (parley fsm shows all of it)"))
	fmt.Fprintln(w, wrap(t.pathLine(), 78))
	fmt.Fprintln(w, "\n"+p.bold("What became of the message"))
	o.write(w)
	s := o.conn.Session().Stats()
	fmt.Fprintf(w, "\n%s  %d octets, %d commands, %d round trips, %d ms, %s\n", p.bold("In all"), o.result.Octets, s.Commands, s.Turns, o.took.Milliseconds(), security.VersionName())
	if !exact {
		return fmt.Errorf("the content did not arrive as it was sent")
	}
	fmt.Fprintln(w, p.green("The content arrived octet for octet")+", dots, umlauts and all.")
	fmt.Fprintln(w, p.dim("Next: parley send --help; parley probe --server HOST; parley sink --maildir DIR"))
	return nil
}

// crlf ends the last line, as transparency has to (RFC 5321 §4.1.1.4).
func crlf(b []byte) []byte {
	if len(b) > 0 && !bytes.HasSuffix(b, []byte("\r\n")) {
		b = append(b, '\r', '\n')
	}
	return b
}

// wrap breaks s at blanks.
func wrap(s string, width int) string {
	var b strings.Builder
	n := 0
	for _, word := range strings.Fields(s) {
		if n > 0 && n+1+len(word) > width {
			b.WriteString("\n")
			n = 0
		}
		if n > 0 {
			b.WriteString(" ")
			n++
		}
		b.WriteString(word)
		n += len(word)
	}
	return b.String()
}
