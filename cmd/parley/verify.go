package main

import (
	"encoding/json"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/parley-mail/parley"
	"github.com/parley-mail/parley/fsm"
	"github.com/parley-mail/parley/session"
)

func newVerify() *cobra.Command {
	return newQuestion(fsm.Vrfy, "verify ADDRESS", "Ask whether an address exists (VRFY)",
		"Asks the server about an address. Most servers answer 252, which promises nothing: the\naddress was not checked, and mail for it would be taken.",
		"  parley verify --server mx.example postmaster")
}

func newExpand() *cobra.Command {
	return newQuestion(fsm.Expn, "expand LIST", "Ask who is on a mailing list (EXPN)",
		"Asks the server for the members of a list. Most servers refuse.",
		"  parley expand --server mx.example staff")
}

// newQuestion makes a command that asks the server one thing and shows the reply.
func newQuestion(command fsm.Command, use, short, long, example string) *cobra.Command {
	f := &serverFlags{}
	cmd := &cobra.Command{
		Use: use, Short: short, Long: long, Example: example, Args: oneArg("what to ask about"),
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx, cancel := f.context(cmd.Context())
			defer cancel()
			e, err := f.endpoint()
			if err != nil {
				return err
			}
			c, err := parley.Dial(ctx, e)
			if err != nil {
				return err
			}
			r := &session.Request{Command: command, Arg: args[0]}
			err = c.Do(ctx, r)
			c.Quit(ctx)
			if f.asJSON {
				j := struct {
					Reply *jsonReply `json:"reply"`
					Error *jsonError `json:"error"`
				}{Reply: asJSONReply(r.Reply)}
				if e := asError(err); e != nil {
					j.Error = &jsonError{e.Kind.String(), message(e), e.Temporary(), false}
				}
				json.NewEncoder(cmd.OutOrStdout()).Encode(j)
				if err != nil {
					err = &silentError{exitCode(ctx, err)}
				}
			} else if err == nil {
				for _, line := range r.Reply.Lines {
					fmt.Fprintf(cmd.OutOrStdout(), "%d %s\n", r.Reply.Code, escape(string(line)))
				}
			}
			if derr := f.done(); err == nil {
				err = derr
			}
			return err
		},
	}
	f.add(cmd)
	return cmd
}
