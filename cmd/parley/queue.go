package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/parley-mail/parley"
	"github.com/parley-mail/parley/fsm"
	"github.com/parley-mail/parley/queue"
)

func newQueue() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "queue",
		Short: "Keep messages in a directory and send them later",
		Long: `Keeps messages in a directory, a file each, and sends them later. What becomes of one shows
in its file's name: .queued waits, .sending and .offering are being sent, .failed was refused
and .unknown may have been delivered; a .reason beside those says why. A process that is
killed loses nothing and sends nothing twice.`,
		Example: `  parley queue put --dir spool --from a@x.example --to b@y.example message.eml
  parley queue run --dir spool --server mx.example
  parley queue list --dir spool`,
	}
	cmd.AddCommand(newQueuePut(), newQueueRun(), newQueueList(), newQueueShow(), newQueueRetry(), newQueueDrop())
	return cmd
}

// directory adds --dir, which every subcommand needs.
func directory(cmd *cobra.Command, dir *string) {
	cmd.Flags().StringVar(dir, "dir", "", "the directory of the queue; it must exist")
	check := cmd.Args
	cmd.Args = func(cmd *cobra.Command, args []string) error {
		if *dir == "" {
			return usage("no directory is given: --dir DIR")
		}
		return check(cmd, args)
	}
}

func newQueuePut() *cobra.Command {
	f, dir := &messageFlags{}, ""
	verb := ""
	cmd := &cobra.Command{
		Use: "put [FILE|-]", Short: "Put one message into the queue; the flags are those of send",
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			m, cleanup, err := f.mail(cmd, args)
			if err != nil {
				return err
			}
			defer cleanup()
			m.Verb = map[string]fsm.Command{"mail": fsm.Mail, "send": fsm.Send, "soml": fsm.Soml, "saml": fsm.Saml}[verb]
			name, err := queue.Put(cmd.Context(), dir, parley.NewQueueEntry(m, f.id))
			if err != nil {
				return err
			}
			fmt.Fprintln(cmd.OutOrStdout(), name)
			return nil
		},
	}
	f.add(cmd)
	choice(cmd, cmd.Flags(), &verb, "verb", "mail", "the command that begins the transaction", "mail", "send", "soml", "saml")
	directory(cmd, &dir)
	return cmd
}

func newQueueRun() *cobra.Command {
	f, dir := &serverFlags{}, ""
	var o queue.Options
	var stale time.Duration
	cmd := &cobra.Command{
		Use: "run", Short: "Send what is queued; the flags are those of send", Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx, cancel := f.context(cmd.Context())
			defer cancel()
			e, err := f.endpoint()
			if err != nil {
				return err
			}
			out := cmd.OutOrStdout()
			if stale > 0 {
				back, err := queue.Recover(dir, stale)
				if err != nil {
					return err
				}
				for _, name := range back {
					fmt.Fprintln(cmd.ErrOrStderr(), "recovered "+name)
				}
			}
			o.Done = func(r queue.Result) { f.tell(out, r) }
			sender := &parley.QueueSender{Endpoint: e}
			if err := sender.Open(ctx); err != nil {
				return err
			}
			report, err := queue.Process(ctx, dir, sender, o)
			sender.Close(ctx)
			if f.asJSON {
				json.NewEncoder(out).Encode(report)
			}
			if derr := f.done(); err == nil {
				err = derr
			}
			switch {
			case err != nil:
				return err
			case report.Unknown > 0:
				return &silentError{exitUnknown}
			case report.Failed > 0:
				return &silentError{exitRefused}
			case report.Requeued > 0:
				return &silentError{exitTemporary}
			}
			return nil
		},
	}
	f.add(cmd)
	fl := cmd.Flags()
	fl.BoolVar(&o.Keep, "keep", false, "keep what was sent, as .sent")
	fl.BoolVar(&o.ContinueOnError, "continue", false, "go on behind a message that failed")
	fl.BoolVar(&o.RequeueTemporary, "requeue", false, "put back what failed for now only")
	fl.DurationVar(&stale, "recover", 0, "first give back what a process that is gone has left behind for this long")
	directory(cmd, &dir)
	return cmd
}

// tell says what became of one file.
func (f *serverFlags) tell(w io.Writer, r queue.Result) {
	if f.asJSON {
		reason := ""
		if r.Err != nil {
			reason = message(r.Err)
		}
		json.NewEncoder(w).Encode(map[string]any{"name": r.Name, "state": r.State, "reason": reason})
		return
	}
	if f.quiet {
		return
	}
	p := paintFor(w)
	shade := map[queue.State]func(string) string{queue.Sent: p.green, queue.Failed: p.red}[r.State]
	if shade == nil {
		shade = p.yellow
	}
	fmt.Fprintf(w, "%s %s\n", shade(fmt.Sprintf("%-8s", r.State)), r.Name)
	for _, o := range r.Outcomes {
		if o.Status != queue.Accepted {
			fmt.Fprintf(w, "         %s: %s\n", escape(o.Path), p.dim(escape(o.Reason)))
		}
	}
}

func newQueueList() *cobra.Command {
	dir, asJSON := "", false
	cmd := &cobra.Command{
		Use: "list", Short: "List the messages of a queue, the oldest first", Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			all, err := queue.List(dir)
			if err != nil {
				return err
			}
			for _, info := range all {
				if asJSON {
					json.NewEncoder(cmd.OutOrStdout()).Encode(infoJSON(&info))
					continue
				}
				if info.Err != nil {
					fmt.Fprintf(cmd.OutOrStdout(), "%-8s %s  %s\n", info.State, info.Name, message(info.Err))
					continue
				}
				fmt.Fprintf(cmd.OutOrStdout(), "%-8s %s  %s  %s\n", info.State, info.Name, size(info.Octets), escape(strings.Join(recipients(&info), ", ")))
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "a JSON object a line")
	directory(cmd, &dir)
	return cmd
}

func recipients(info *queue.Info) []string {
	all := []string{}
	for _, r := range info.Entry.Envelope.Recipients {
		all = append(all, r.Path.String())
	}
	return all
}

func infoJSON(info *queue.Info) map[string]any {
	j := map[string]any{"name": info.Name, "state": info.State, "octets": info.Octets, "reason": info.Reason}
	if info.Err != nil {
		j["error"] = message(info.Err)
		return j
	}
	j["from"], j["to"], j["queued"], j["message_id"] = info.Entry.Envelope.ReversePath.String(), recipients(info), info.Entry.Queued, info.Entry.MessageID
	return j
}

func newQueueShow() *cobra.Command {
	dir, asJSON := "", false
	cmd := &cobra.Command{
		Use: "show NAME", Short: "Show one message: its envelope, then its content", Args: oneArg("a file's name"),
		RunE: func(cmd *cobra.Command, args []string) error {
			info, err := queue.Show(dir, args[0])
			if err != nil {
				return err
			}
			w := cmd.OutOrStdout()
			if asJSON {
				return json.NewEncoder(w).Encode(infoJSON(info))
			}
			fmt.Fprintf(w, "%s, queued %s\nfrom %s\n", info.State, info.Entry.Queued.Format(time.RFC3339), escape(info.Entry.Envelope.ReversePath.String()))
			for _, to := range recipients(info) {
				fmt.Fprintf(w, "to   %s\n", escape(to))
			}
			if info.Reason != "" {
				fmt.Fprintf(w, "why  %s\n", escape(info.Reason))
			}
			fmt.Fprintln(w)
			_, err = info.Entry.Content.WriteTo(w)
			return err
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "the envelope as JSON, without the content")
	directory(cmd, &dir)
	return cmd
}

func newQueueRetry() *cobra.Command {
	dir, unknown := "", false
	cmd := &cobra.Command{
		Use: "retry NAME", Short: "Queue a failed message again", Args: oneArg("a file's name"),
		RunE: func(_ *cobra.Command, args []string) error { return named(queue.Retry(dir, args[0], unknown)) },
	}
	cmd.Flags().BoolVar(&unknown, "unknown", false, "also one that may have been delivered")
	directory(cmd, &dir)
	return cmd
}

func newQueueDrop() *cobra.Command {
	dir := ""
	cmd := &cobra.Command{
		Use: "drop NAME", Short: "Remove a message for good", Args: oneArg("a file's name"),
		RunE: func(_ *cobra.Command, args []string) error { return named(queue.Drop(dir, args[0])) },
	}
	directory(cmd, &dir)
	return cmd
}

// named makes a usage error of what cannot be done to a file of that name.
func named(err error) error {
	if err == nil || errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return usage("%s", strings.TrimPrefix(err.Error(), "queue: "))
}
