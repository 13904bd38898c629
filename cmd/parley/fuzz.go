package main

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/spf13/cobra"

	"github.com/parley-mail/parley/conformance"
	"github.com/parley-mail/parley/conformance/foreign"
	"github.com/parley-mail/parley/conformance/smtpt"
	"github.com/parley-mail/parley/fuzz"
)

// fuzzFlags say for how long and against what is fuzzed.
type fuzzFlags struct {
	time     time.Duration
	sessions int64
	seed     uint64
	workers  int
	out      string
	mutant   string
	client   foreignFlags
}

// newFuzz makes the subcommand that plays malformed sessions against the engine.
func newFuzz() *cobra.Command {
	f := fuzzFlags{time: time.Minute, workers: runtime.GOMAXPROCS(0), out: "."}
	cmd := &cobra.Command{
		Use: "fuzz", Short: "Play malformed sessions against the client, by the thousand", Args: noArgs,
		Long: `Plays sessions in which arbitrary octets decide what the caller wants, what the server says, and
how it goes wrong: in process, on a virtual clock, with no network. Plans that come by something
new in the machine's table are kept and changed. What must hold is what holds for every case of
"parley conform": no wrong octet, no untrue word about a message, an end to every session. Some
plans also go to the invariants of package fuzz: the same result by whatever way octets come and
mail is sent.

A finding is made as small as it can be and written as a transcript, to be played by "parley
conform run FILE".

With --client another mail client is fuzzed: a program that is run once for each session, against
servers on sockets that go wrong in each way at each kind of command, and then in mixed ways. It is
told what to do by placeholders (` + placeholders() + `) or by the
environment (PARLEY_HOST…), and says by its exit code what became of the message: 0 accepted for
all, 69 refused for good, 75 not accepted, 79 nobody knows. conformance/shims has the contract, and
shims for fourteen clients. What is looked for is a crash, a program that goes on when the session
is over, memory without bound, a message that is sent twice, and an untrue word: accepted, and no
complete 2yz came behind the end of the content, or a recipient was refused; not accepted, and the
server took it for all. What does not show three times of three is no finding. A finding is made
small, and becomes a case: the session as an honest client plays it.

Exit codes: 0 nothing found, 1 a finding, 2 usage, or a client that does not get its message to a
server that does nothing wrong.`,
		Example: `  parley fuzz --time 10m --out findings
  parley fuzz --mutant lost-is-accepted
  parley fuzz minimize findings/found-4ac3.smtpt
  parley fuzz promote findings/found-4ac3.smtpt odd/half-a-reply

  # another client, behind a shim; one without; one session again
  parley fuzz --client 'conformance/shims/curl.sh {host} {port}' --time 5m --out findings
  parley fuzz --client './my-mailer --server {host}:{port} --from {from} --to {rcpts} <{file}'
  parley fuzz --client 'conformance/shims/curl.sh {host} {port}' --plan 050011`,
		RunE: func(cmd *cobra.Command, _ []string) error { return f.run(cmd) },
	}
	cmd.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return conformUsage(cmd, fmt.Errorf("%w (see %q)", err, cmd.CommandPath()+" --help"))
	})
	cmd.Flags().DurationVar(&f.time, "time", f.time, "for how long; 0: until interrupted")
	cmd.Flags().Int64Var(&f.sessions, "sessions", 0, "at most so many; 0: no limit")
	cmd.Flags().Uint64Var(&f.seed, "seed", 0, "0: by chance; with one worker the same seed gives the same sessions")
	cmd.Flags().IntVar(&f.workers, "workers", f.workers, "sessions at once")
	cmd.Flags().StringVar(&f.out, "out", f.out, "folder for findings")
	cmd.Flags().StringVar(&f.mutant, "mutant", "", "fuzz an engine that is wrong in this way")
	f.client.add(cmd)
	cmd.AddCommand(newFuzzMinimize(), newFuzzPromote())
	return cmd
}

func placeholders() string { return "{" + strings.Join(foreign.Placeholders(), "} {") + "}" }

func (f *fuzzFlags) run(cmd *cobra.Command) error {
	if f.client.command != "" {
		return f.runClient(cmd)
	}
	var opt conformance.Options
	if f.mutant != "" {
		m, ok := conformance.LookupMutant(f.mutant)
		if !ok {
			return conformUsage(cmd, fmt.Errorf("no mutant %q (see parley conform mutants --list)", f.mutant))
		}
		opt = m.Options
	}
	if f.seed == 0 {
		f.seed = rand.Uint64()
	}
	fuzzer := conformance.NewFuzzer(f.seed, opt)
	h := &hunt{fuzzer: fuzzer, left: f.sessions, limited: f.sessions > 0}
	ctx, start := cmd.Context(), time.Now()
	if f.time > 0 {
		h.end = start.Add(f.time)
	}
	var wg sync.WaitGroup
	for i := range max(1, f.workers) {
		wg.Go(func() { h.work(ctx.Done(), rand.New(rand.NewPCG(f.seed, uint64(i))), f.mutant == "") })
	}
	wg.Wait()
	plans, pairs, cells := fuzzer.Seen()
	played := h.played.Load()
	fmt.Fprintf(cmd.OutOrStdout(), "%d sessions in %.1f s, %.0f a second, seed %d: %d plans kept, %d pairs of rows, %d cells\n",
		played, time.Since(start).Seconds(), float64(played)/time.Since(start).Seconds(), f.seed, plans, pairs, cells)
	switch {
	case h.broken != nil:
		name := filepath.Join(f.out, "plan-"+short(h.plan))
		fmt.Fprintf(cmd.OutOrStdout(), "%v\n%s: go test ./fuzz, as a file of testdata/fuzz/Fuzz%s\n", h.broken, name, h.target)
		return f.write(cmd, name, []byte(fmt.Sprintf("go test fuzz v1\n[]byte(%q)\n", h.plan)))
	case h.found != nil:
		name := filepath.Join(f.out, "found-"+short(h.found.Data)+".smtpt")
		fmt.Fprintf(cmd.OutOrStdout(), "%s%s: see parley conform run %[2]s\n", h.found.Outcome.Report(), name)
		if !h.found.Shown {
			fmt.Fprintf(cmd.OutOrStdout(), "the transcript does not show it; the plan does: %x\n", h.found.Data)
		}
		return f.write(cmd, name, h.found.Case.Script.Format())
	}
	return nil
}

// write keeps a finding, and asks for the exit code of one.
func (f *fuzzFlags) write(cmd *cobra.Command, name string, text []byte) error {
	err := os.MkdirAll(f.out, 0o755)
	if err == nil {
		err = os.WriteFile(name, text, 0o644)
	}
	if err != nil {
		fmt.Fprintln(cmd.ErrOrStderr(), "parley: "+err.Error())
		fmt.Fprintf(cmd.OutOrStdout(), "%s", text)
	}
	return &silentError{conformance.ExitFinding}
}

func short(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:4])
}

// hunt is what several workers look for together: one finding.
type hunt struct {
	fuzzer  *conformance.Fuzzer
	end     time.Time // zero: none
	limited bool
	left    int64 // sessions, if limited
	played  atomic.Int64

	mu     sync.Mutex
	over   bool
	found  *conformance.Finding
	broken error // an invariant of package fuzz does not hold
	target string
	plan   []byte
}

// targets are the invariants of package fuzz.
var targets = []struct {
	name string
	run  func([]byte) error
}{{"Session", fuzz.Session}, {"Diff", fuzz.Diff}}

// work plays sessions until something is found or the time is up. One in 64 goes to
// the invariants, which are about the engine as it is.
func (h *hunt) work(stop <-chan struct{}, rng *rand.Rand, honest bool) {
	for n := int64(1); ; n++ {
		if h.done(stop, n) {
			return
		}
		h.played.Add(1)
		if honest && n%64 == 0 {
			target := targets[rng.IntN(len(targets))]
			plan := make([]byte, rng.IntN(60))
			for i := range plan {
				plan[i] = byte(rng.Uint32())
			}
			if err := target.run(plan); err != nil {
				h.breaks(target.name, conformance.Minimize(plan, func(less []byte) bool { return target.run(less) != nil }), err)
			}
			continue
		}
		if x := h.fuzzer.Next(); x != nil {
			h.mu.Lock()
			if !h.over {
				h.over, h.found = true, x
			}
			h.mu.Unlock()
		}
	}
}

func (h *hunt) breaks(target string, plan []byte, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.over {
		h.over, h.target, h.plan, h.broken = true, target, plan, err
	}
}

// done reports whether the hunt is over.
func (h *hunt) done(stop <-chan struct{}, n int64) bool {
	select {
	case <-stop:
		return true
	default:
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.limited {
		if h.left == 0 {
			return true
		}
		h.left--
	}
	return h.over || n%64 == 0 && !h.end.IsZero() && time.Now().After(h.end)
}

func newFuzzMinimize() *cobra.Command {
	mutant := ""
	cmd := &cobra.Command{
		Use: "minimize FILE.smtpt", Short: "Leave out what a failing transcript does not need", Args: oneArg("a transcript"),
		RunE: func(cmd *cobra.Command, args []string) error {
			var opt conformance.Options
			if mutant != "" {
				m, ok := conformance.LookupMutant(mutant)
				if !ok {
					return conformUsage(cmd, fmt.Errorf("no mutant %q", mutant))
				}
				opt = m.Options
			}
			c, err := conformance.LoadFile(args[0])
			if err != nil {
				return conformUsage(cmd, err)
			}
			if conformance.Run(c, opt).Failure == nil {
				return conformUsage(cmd, errors.New(args[0]+" does not fail"))
			}
			less := conformance.MinimizeCase(c, opt)
			fmt.Fprintf(cmd.OutOrStdout(), "%s: %d steps, %d before\n", args[0], len(less.Script.Steps), len(c.Script.Steps))
			return os.WriteFile(args[0], less.Script.Format(), 0o644)
		},
	}
	cmd.Flags().StringVar(&mutant, "mutant", "", "against an engine that is wrong in this way")
	return cmd
}

func newFuzzPromote() *cobra.Command {
	dir, xfail := testdata, ""
	cmd := &cobra.Command{
		Use: "promote FILE.smtpt AREA/NAME", Short: "Make a transcript a case of the suite",
		Long: `Puts a transcript into the suite. It must pass by now, unless --xfail says why it does not.`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) != 2 || !filepath.IsLocal(filepath.FromSlash(args[1])) {
				return conformUsage(cmd, errors.New("promote takes a transcript and an area and a name"))
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			script, err := smtpt.Load(args[0])
			if err != nil {
				return conformUsage(cmd, err)
			}
			if xfail != "" {
				script.Header = append(script.Header, smtpt.Header{Key: "xfail", Value: xfail})
			}
			c, err := conformance.NewCase(args[1], script)
			if err != nil {
				return conformUsage(cmd, err)
			}
			if o := conformance.Run(c, conformance.Options{Sweeps: true}); o.Verdict.Finding() {
				fmt.Fprint(cmd.ErrOrStderr(), o.Report())
				return &silentError{conformance.ExitFinding}
			}
			name := filepath.Join(dir, filepath.FromSlash(args[1])+".smtpt")
			if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
				return err
			}
			file, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
			if err != nil {
				return conformUsage(cmd, err)
			}
			defer file.Close()
			fmt.Fprintln(cmd.OutOrStdout(), strings.TrimPrefix(name, "./"))
			_, err = file.Write(script.Format())
			return err
		},
	}
	cmd.Flags().StringVar(&dir, "dir", dir, "the folder of the areas")
	cmd.Flags().StringVar(&xfail, "xfail", "", "why it is known to fail")
	return cmd
}
