// Command parley speaks SMTP: it sends mail, receives it, looks servers over, and shows
// the machine that does it. See "parley help" and docs/cli.md.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(run(ctx, commandLine(os.Args)))
}

// commandLine is what follows the program's name. If that is sendmail, it is the command.
func commandLine(args []string) []string {
	if name := filepath.Base(args[0]); strings.TrimSuffix(name, ".exe") == "sendmail" {
		return append([]string{"sendmail"}, args[1:]...)
	}
	return args[1:]
}

// run executes one command line and returns the exit code.
func run(ctx context.Context, args []string) int {
	root := newRoot()
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return exitOK
	}
	code := exitCode(ctx, err)
	var silent *silentError
	if !errors.As(err, &silent) {
		fmt.Fprintln(os.Stderr, "parley: "+message(err))
		if hint := advice(err); hint != "" {
			fmt.Fprintln(os.Stderr, "        "+hint)
		}
	}
	return code
}

func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:   "parley",
		Short: "Speak SMTP: send, receive, probe, and see the dialogue",
		Long: `Parley speaks SMTP as a client, by one explicit state machine, and says truthfully
what became of a message: accepted, refused, not sent, or unknown.

  parley demo                                        the whole of it, with nothing installed
  parley send --server smtp://mx.example --from a@x.example --to b@y.example FILE
  parley probe --server mx.example                   what a server offers
  parley sink --listen 127.0.0.1:2525                a server that receives
  parley fsm --format svg > fsm.svg                  the machine, drawn

Exit codes: 0 accepted, 64 usage, 65 bad message or address, 66 no such file, 68 host not
found, 69 refused, 74 I/O error, 75 temporary, 76 the peer broke the protocol, 77
authentication or certificate refused, 78 not offered or configured wrongly, 79 outcome unknown, 130 interrupted.`,
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return usage("%v (see %q)", err, cmd.CommandPath()+" --help")
	})
	for _, command := range commands {
		root.AddCommand(command())
	}
	return root
}

// commands are the subcommands; a file per subcommand adds to it.
var commands = []func() *cobra.Command{
	newSend, newDemo, newSink, newProbe, newVerify, newExpand, newFSM, newVersion, newQueue, newSurface, newConform, newFuzz, newBench, newSendmail,
}
