package main

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/parley-mail/parley/conformance"
	"github.com/parley-mail/parley/conformance/server"
	"github.com/parley-mail/parley/conformance/smtpt"
)

// replaying is one side of a transcript being said again.
type replaying struct {
	as     string
	judge  judgeFlags // as the client
	listen string     // as the server
	once   bool
}

func newConformReplay() *cobra.Command {
	r := &replaying{}
	cmd := &cobra.Command{
		Use: "replay FILE --as client|server", Short: "Say again what one side of a transcript has said", Args: oneArg("a transcript"),
		Long: `As the client: says to the server at --target what the client of the transcript said, shows the
dialogue, and tells where the server answers with another code than it did. Another enhanced code
alone is told and no fault; texts are not compared. Content that was not kept is made up. A secret
was not kept either: write one in its place, or leave the dialogue with AUTH away.

As the server: answers any client as the server of the transcript did, like "parley conform serve".

Exit codes: 0 the same, 1 another code or a fault of the client, 2 usage or a transcript that
cannot be said, 3 the server cannot be reached.`,
		Example: `  parley conform record --upstream mx.example:25 --once --out recorded
  parley conform replay recorded/session-1.smtpt --as client --target 127.0.0.1:2525
  parley conform replay recorded/session-1.smtpt --as server --listen 127.0.0.1:2525 --once`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if r.as == "server" {
				c, err := conformance.LoadFile(args[0])
				if err != nil {
					return err
				}
				return serveCase(cmd, c, r.listen, "", r.once)
			}
			return r.client(cmd, args[0])
		},
	}
	fl := cmd.Flags()
	choice(cmd, fl, &r.as, "as", "client", "whose part it is", "client", "server")
	fl.StringVar(&r.judge.target.Addr, "target", "", "as the client: the server, HOST:PORT")
	choice(cmd, fl, &r.judge.mode, "tls", "none", "as the client: when TLS begins that is not in the transcript", "none", "implicit")
	fl.StringArrayVar(&r.judge.ca, "ca", nil, "as the client: trust this authority, a PEM file or a directory of them (repeatable)")
	fl.BoolVar(&r.judge.insecure, "insecure", false, "as the client: accept any certificate")
	fl.StringVar(&r.judge.serverName, "server-name", "", "as the client: the name that the certificate must be for, if it is not the host's")
	fl.StringVar(&r.judge.target.Hello, "hello", "", "as the client: what stands for {name} (default parley.example)")
	fl.DurationVar(&r.judge.target.Timeout, "timeout", 10*time.Second, "as the client: how long the server may take for a reply")
	fl.StringVar(&r.listen, "listen", "127.0.0.1:2525", "as the server: where to wait")
	fl.BoolVar(&r.once, "once", false, "as the server: end after one connection")
	return cmd
}

func (r *replaying) client(cmd *cobra.Command, name string) error {
	script, err := smtpt.Load(name)
	if err != nil {
		return err
	}
	check, err := server.Recorded(script)
	if err != nil {
		return err
	}
	if r.judge.target.Addr == "" {
		return usage("no server is given: --target HOST:PORT")
	}
	if err := r.judge.complete(); err != nil {
		return err
	}
	out := cmd.OutOrStdout()
	o := server.Replay(cmd.Context(), r.judge.target, check)
	for _, line := range o.Wire {
		fmt.Fprintln(out, line)
	}
	switch o.Verdict {
	case conformance.Fail:
		fmt.Fprintf(out, "%s: line %d: %s: wanted %s, got %s\n", name, o.Failure.Pos.Line, o.Failure.Text, o.Failure.Want, o.Failure.Got)
		return &silentError{conformance.ExitFinding}
	case conformance.Inconclusive:
		fmt.Fprintf(out, "%s: %s\n", name, o.Reason)
		return &silentError{conformance.ExitInconclusive}
	case conformance.Latitude:
		fmt.Fprintf(out, "the same but for an enhanced code: %s\n", o.Reason)
	default:
		fmt.Fprintln(out, "the same")
	}
	return nil
}
