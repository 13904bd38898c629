package main

import (
	"context"
	"fmt"
	"net"
	"sync"

	"github.com/spf13/cobra"

	"github.com/parley-mail/parley/conformance"
	"github.com/parley-mail/parley/conformance/live"
)

func newConformServe() *cobra.Command {
	var f caseFlags
	listen, once, ca := "127.0.0.1:2525", false, ""
	cmd := &cobra.Command{
		Use: "serve CASE", Short: "Be the server of one case, for any client", Args: oneArg("a case"),
		Long: `Waits for clients and is to each the server of the case, as "parley conform run --client" has it:
replies are bound to the commands that they answer, and what the script does not foresee gets a
sane answer. Shows the dialogue, and at the end of each connection what a bystander has seen.

Exit codes: 0, 1 if a bystander saw a fault that no client may have, 2 usage.`,
		Example: "  parley conform serve rfc5321/421-anywhere-mail\n  parley conform serve my/case.smtpt --listen :2525 --once",
		RunE: func(cmd *cobra.Command, args []string) error {
			cases, _, err := f.pick(args)
			if err != nil {
				return err
			}
			if len(cases) != 1 {
				return usage("serve takes one case, and %q are %d", args[0], len(cases))
			}
			return serveCase(cmd, cases[0], listen, ca, once)
		},
	}
	cmd.Flags().StringVar(&f.dir, "dir", "", "read the cases below this folder instead of those built in")
	cmd.Flags().StringVar(&listen, "listen", listen, "where to wait")
	cmd.Flags().BoolVar(&once, "once", false, "end after one connection")
	cmd.Flags().StringVar(&ca, "ca", "", "write the authority of the server's certificate to this file")
	return cmd
}

func serveCase(cmd *cobra.Command, c *conformance.Case, listen, ca string, once bool) error {
	out := cmd.OutOrStdout()
	ctx, cancel := context.WithCancel(cmd.Context())
	defer cancel()
	l, err := net.Listen("tcp", listen)
	if err != nil {
		return err
	}
	context.AfterFunc(ctx, func() { l.Close() })
	var mu sync.Mutex
	fault := false
	server := live.Server{
		Case: c, CA: ca,
		Line: func(line conformance.Line) { fmt.Fprintln(out, line) },
		Ended: func(found []live.Finding) {
			mu.Lock()
			defer mu.Unlock()
			for _, x := range found {
				fault = fault || x.Fails
				fmt.Fprintf(out, "          %s\n", x.Text)
			}
			if len(found) == 0 {
				fmt.Fprintln(out, "          a bystander sees nothing wrong")
			}
			if once {
				l.Close()
			}
		},
	}
	fmt.Fprintf(out, "listening %s\n", l.Addr())
	if err := server.Serve(ctx, l); err != nil {
		return err
	}
	if fault {
		return &silentError{conformance.ExitFinding}
	}
	return nil
}
