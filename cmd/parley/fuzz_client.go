package main

import (
	"context"
	"encoding/hex"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/parley-mail/parley/conformance"
	"github.com/parley-mail/parley/conformance/foreign"
	"github.com/parley-mail/parley/conformance/smtpt"
)

// foreignFlags say which foreign client is fuzzed and what it may do.
type foreignFlags struct {
	command string
	timeout time.Duration
	memory  int64
	plan    string
}

func (f *foreignFlags) add(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.command, "client", "", "fuzz this program, a line for the shell, over sockets; {host} {port} {from} {rcpts} {file}… stand for what it is told")
	cmd.Flags().DurationVar(&f.timeout, "timeout", 5*time.Second, "with --client: how long it may go on when the session is over")
	cmd.Flags().Int64Var(&f.memory, "memory", 32, "with --client: how many MiB more it may take than for a session in which nothing goes wrong")
	cmd.Flags().StringVar(&f.plan, "plan", "", "with --client: play this session only, as a finding names it")
}

// perProcessor is how many clients run at once for each processor: they wait most of the
// time.
const perProcessor = 4

// runClient fuzzes a foreign client.
func (f *fuzzFlags) runClient(cmd *cobra.Command) error {
	if f.mutant != "" {
		return conformUsage(cmd, fmt.Errorf("--mutant is an engine of ours, and --client is none"))
	}
	if f.seed == 0 {
		f.seed = rand.Uint64()
	}
	if !cmd.Flags().Changed("workers") {
		f.workers = perProcessor * runtime.GOMAXPROCS(0)
	}
	plan, err := hex.DecodeString(f.client.plan)
	if err != nil {
		return conformUsage(cmd, fmt.Errorf("--plan: %w", err))
	}
	fuzzer, err := foreign.New(foreign.Client{Command: f.client.command, Patience: f.client.timeout, Memory: f.client.memory << 20}, f.seed)
	if err != nil {
		return conformUsage(cmd, fmt.Errorf("--client: %w", err))
	}
	defer fuzzer.Close()
	if err := fuzzer.Control(cmd.Context()); err != nil {
		return conformUsage(cmd, err)
	}
	p := &chase{flags: f, out: cmd.OutOrStdout(), fuzzer: fuzzer, begun: time.Now()}
	if f.client.plan != "" {
		p.again(cmd.Context(), plan)
	} else {
		p.run(cmd.Context())
		p.report()
	}
	switch {
	case p.err != nil:
		return conformUsage(cmd, p.err)
	case len(p.cases) > 0:
		return &silentError{conformance.ExitFinding}
	}
	return nil
}

// chase is what several workers look for together: every fault there is.
type chase struct {
	flags  *fuzzFlags
	out    io.Writer
	fuzzer *foreign.Fuzzer
	begun  time.Time

	mu      sync.Mutex
	started int64
	cases   []string // the files of findings
	err     error    // the client cannot be run, or a finding not be written
}

// again plays one session.
func (p *chase) again(ctx context.Context, plan []byte) {
	x, err := p.fuzzer.Replay(ctx, plan)
	switch {
	case err != nil:
		p.err = err
	case x == nil:
		fmt.Fprintln(p.out, "nothing is wrong with this session, or not three times of three")
	default:
		p.found(x)
	}
}

func (p *chase) run(ctx context.Context) {
	shown := make(chan struct{})
	var showing, working sync.WaitGroup
	if wide, _, err := term.GetSize(int(os.Stderr.Fd())); err == nil {
		showing.Go(func() { p.show(shown, wide-1) })
	}
	for range max(1, p.flags.workers) {
		working.Go(func() {
			for p.more(ctx) {
				x, err := p.fuzzer.Next(ctx)
				switch {
				case ctx.Err() != nil: // interrupted: what was found so far counts
					return
				case err != nil:
					p.fail(err)
					return
				case x != nil:
					p.found(x)
				}
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
	p.cases = append(p.cases, name)
	fmt.Fprintf(p.out, "%s: %s\n  case   %s\n  again  %s\n", x.Kind, smtpt.Escape([]byte(x.Text), false), name, x.Again)
}

// show draws how far the work is, once a second, until there is nothing more to show.
func (p *chase) show(end <-chan struct{}, wide int) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-end:
			fmt.Fprintf(os.Stderr, "\r%*s\r", wide, "")
			return
		case <-tick.C:
			s := p.fuzzer.Sum()
			text := p.sum(s)
			if f := p.flags; f.time > 0 {
				text = max(0, f.time-time.Since(p.begun)).Round(time.Second).String() + " left, " + text
			}
			fmt.Fprintf(os.Stderr, "\r%-*s", wide, text[:min(len(text), wide)])
		}
	}
}

func (p *chase) sum(s foreign.Sum) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	took := time.Since(p.begun).Seconds()
	return fmt.Sprintf("%d sessions in %.1f s, %.0f a second, seed %d: %d turns seen, %d findings", s.Sessions, took, float64(s.Sessions)/took, p.flags.seed, s.Turns, len(p.cases))
}

// report says what has come of it all, and what is to be done.
func (p *chase) report() {
	s := p.fuzzer.Sum()
	fmt.Fprintln(p.out, p.sum(s))
	if s.Shaky > 0 {
		fmt.Fprintf(p.out, "%d times something was wrong and did not show three times of three: fewer --workers may make it steady\n", s.Shaky)
	}
	for _, code := range slices.Sorted(maps.Keys(s.Foreign)) {
		fmt.Fprintf(p.out, "exit code %d ended %d sessions, and the contract does not know it: nothing was said of those messages\n", code, s.Foreign[code])
	}
	if s.First > 0 && p.err == nil {
		fmt.Fprintf(p.out, "the first round, each way to go wrong at each command, lacks %d sessions: give it more --time\n", s.First)
	}
	if len(p.cases) == 0 {
		return
	}
	fmt.Fprintf(p.out, "next: read %s, which is what an honest client makes of the session and, at its end, what this one did;\n", p.cases[0])
	fmt.Fprintf(p.out, "      mend the client until its \"again\" line exits with 0; \"parley fuzz promote %s AREA/NAME\" keeps the case\n", p.cases[0])
}
