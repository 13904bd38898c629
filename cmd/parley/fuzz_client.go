package main

import (
	"context"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/parley-mail/parley/conformance"
	"github.com/parley-mail/parley/conformance/foreign"
	"github.com/parley-mail/parley/conformance/smtpt"
)

// clientFlags say which foreign client is fuzzed and what it may do.
type clientFlags struct {
	command string
	timeout time.Duration
	memory  int64
	plan    string
}

func (f *clientFlags) add(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.command, "client", "", "fuzz this program, a line for the shell, over sockets; {host} {port} {from} {rcpts} {file} {hello} {timeout}… stand for what it is told")
	cmd.Flags().DurationVar(&f.timeout, "timeout", 5*time.Second, "with --client: how long it may go on when the session is over")
	cmd.Flags().Int64Var(&f.memory, "memory", 512, "with --client: the most memory it may take, in MiB")
	cmd.Flags().StringVar(&f.plan, "plan", "", "with --client: play this session only, as a finding names it")
}

// runClient fuzzes a foreign client.
func (f *fuzzFlags) runClient(cmd *cobra.Command) error {
	if f.mutant != "" {
		return conformUsage(cmd, fmt.Errorf("--mutant is an engine of ours, and --client is none"))
	}
	if f.seed == 0 {
		f.seed = rand.Uint64()
	}
	plan, err := hex.DecodeString(f.client.plan)
	if err != nil {
		return conformUsage(cmd, fmt.Errorf("--plan: %w", err))
	}
	fuzzer, err := foreign.New(foreign.Client{Command: f.client.command, Patience: f.client.timeout, Memory: f.client.memory << 20}, f.seed)
	if err != nil {
		return conformUsage(cmd, err)
	}
	defer fuzzer.Close()
	p := &chase{flags: f, cmd: cmd, fuzzer: fuzzer, begun: time.Now()}
	if f.client.plan != "" {
		x, err := fuzzer.Replay(cmd.Context(), plan)
		if err != nil {
			return conformUsage(cmd, err)
		}
		p.found(x)
	} else {
		p.run(cmd.Context())
	}
	return p.conclude()
}

// chase is what several workers look for together: every fault there is.
type chase struct {
	flags  *fuzzFlags
	cmd    *cobra.Command
	fuzzer *foreign.Fuzzer
	begun  time.Time

	mu       sync.Mutex
	started  int64
	findings int
	err      error // the client cannot be run, or a finding not be written
}

func (p *chase) run(ctx context.Context) {
	shown := make(chan struct{})
	var showing, working sync.WaitGroup
	if term.IsTerminal(int(os.Stderr.Fd())) {
		showing.Go(func() { p.show(shown) })
	}
	for range max(1, p.flags.workers) {
		working.Go(func() {
			for p.more(ctx) {
				x, err := p.fuzzer.Next(ctx)
				if err != nil {
					p.fail(err)
					return
				}
				p.found(x)
			}
		})
	}
	working.Wait()
	close(shown)
	showing.Wait()
}

// more reports whether another session is to be played.
func (p *chase) more(ctx context.Context) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	f := p.flags
	if ctx.Err() != nil || p.err != nil || f.sessions > 0 && p.started >= f.sessions || f.time > 0 && time.Since(p.begun) >= f.time {
		return false
	}
	p.started++
	return true
}

func (p *chase) fail(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.err == nil {
		p.err = err
	}
}

// found writes a finding down.
func (p *chase) found(x *foreign.Finding) {
	if x == nil {
		return
	}
	name := filepath.Join(p.flags.out, string(x.Kind)+"-"+short(x.Plan)+".smtpt")
	err := os.MkdirAll(p.flags.out, 0o755)
	if err == nil {
		err = os.WriteFile(name, x.Script.Format(), 0o644)
	}
	if err != nil {
		p.fail(err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.findings++
	fmt.Fprintf(p.cmd.OutOrStdout(), "%s: %s\n%s: see parley fuzz --client '%s' --plan %x\n", x.Kind, smtpt.Escape([]byte(x.Text), false),
		name, strings.ReplaceAll(p.flags.client.command, "'", `'\''`), x.Plan)
}

// show draws how far the work is, once a second, until there is nothing more to show.
func (p *chase) show(end <-chan struct{}) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-end:
			fmt.Fprintf(os.Stderr, "\r%-60s\r", "")
			return
		case <-tick.C:
			fmt.Fprintf(os.Stderr, "\r%-60s", p.sum())
		}
	}
}

func (p *chase) sum() string {
	sessions, kinds, shaky := p.fuzzer.Played()
	p.mu.Lock()
	defer p.mu.Unlock()
	took := time.Since(p.begun).Seconds()
	text := fmt.Sprintf("%d sessions in %.1f s, %.0f a second, seed %d: %d turns seen, %d findings", sessions, took, float64(sessions)/took, p.flags.seed, kinds, p.findings)
	if shaky > 0 {
		text += fmt.Sprintf(", %d that did not show again", shaky)
	}
	return text
}

func (p *chase) conclude() error {
	if p.err != nil {
		return conformUsage(p.cmd, p.err)
	}
	fmt.Fprintln(p.cmd.OutOrStdout(), p.sum())
	if p.findings > 0 {
		return &silentError{conformance.ExitFinding}
	}
	return nil
}
