package main

import (
	"context"
	"fmt"
	"io"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/parley-mail/parley/conformance"
	"github.com/parley-mail/parley/conformance/live"
)

// heldFlags say which client is held against the cases, other than the engine.
type heldFlags struct {
	client, clientName, clientVersion string
	limit, patience                   time.Duration
	memory                            int64
}

func (f *heldFlags) add(cmd *cobra.Command) {
	fl := cmd.Flags()
	fl.StringVar(&f.client, "client", "", "play against this command instead of the engine: placeholders in braces say what to send")
	fl.StringVar(&f.clientName, "client-name", "", "with --client: what reports call it (default: the program's name)")
	fl.StringVar(&f.clientVersion, "client-version", "", "with --client: its version, for reports")
	fl.DurationVar(&f.limit, "timeout", live.DefaultLimit, "with --client: how long a case may take")
	fl.DurationVar(&f.patience, "patience", live.DefaultPatience, "with --client: how long it is told to wait for a reply")
	fl.Int64Var(&f.memory, "memory", live.DefaultMemory>>20, "with --client: how many MiB it may take beyond those of the control case")
}

// inFlight is how many clients run at once for each processor: they wait most of the time.
const inFlight = 4

// playClient has the plan play against the client; end cleans up.
func (f *runFlags) playClient(cmd *cobra.Command, plan *conformance.Plan) (end func(), err error) {
	if f.mutant != "" || f.variant != "" {
		return nil, usage("--mutant and --variant are about the engine, and --client is not")
	}
	command, err := live.NewCommand(f.client)
	if err != nil {
		return nil, usage("--client: %v", err)
	}
	player, err := live.NewPlayer(command)
	if err != nil {
		return nil, err
	}
	player.Limit, player.Patience, player.Memory = f.limit, f.patience, f.memory<<20
	again := "parley conform run --client " + quoteForShell(f.client)
	for _, name := range []string{"timeout", "patience", "memory"} {
		if flag := cmd.Flags().Lookup(name); flag.Changed {
			again += " --" + name + " " + flag.Value.String()
		}
	}
	player.Command = strings.ReplaceAll(again, "%", "%%") + " %s"
	ctx, cancel := context.WithCancel(cmd.Context())
	plan.Play = func(c *conformance.Case) *conformance.Outcome { return player.Play(ctx, c) }
	plan.Facts = nil
	plan.Peer = conformance.Peer{
		Name: cmp(f.clientName, filepath.Base(strings.Fields(f.client)[0])), Version: f.clientVersion, Kind: conformance.ClientPeer,
		Target: f.client, When: plan.Peer.When,
	}
	if !cmd.Flags().Changed("workers") {
		plan.Workers = inFlight * runtime.GOMAXPROCS(0)
	}
	return func() { cancel(); player.Close() }, nil
}

// quoteForShell makes one word of a text.
func quoteForShell(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }

// sayPlayed says how many cases could be played against another client.
func sayPlayed(out io.Writer, r *conformance.Report) {
	played := 0
	for _, o := range r.Outcomes {
		if o.Plays > 0 {
			played++
		}
	}
	fmt.Fprintf(out, "%s: %d cases are portable and were played, %d are about this engine alone\n", r.Peer.Name, played, len(r.Outcomes)-played)
}
