package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/parley-mail/parley/conformance"
)

// newConform makes the subcommands that hold the engine against the RFCs.
func newConform() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "conform",
		Short: "Hold the client against the RFCs, case by case",
		Long: `Plays transcripts of SMTP dialogues against the engine, in process, on a virtual clock: each as
it is written, octet by octet, in all two-way splits, on both machines, with the connection cut
at every octet, and with every line of the server replaced by 421, garbage, silence and the
caller's change of mind. The notation is in docs/smtpt.md; a case is added by dropping a file.

Exit codes: 0 all verdicts as expected, 1 at least one finding, 2 usage or configuration,
3 nothing conclusive was run.`,
		Example: `  parley conform run
  parley conform run 'rfc2920/*' -x '*/slow-*' --junit report.xml
  parley conform run my/case.smtpt
  parley conform run --html report.html
  parley conform explain C-2920-006
  parley conform coverage --fail-under states=100,rows=100
  parley conform mutants --score`,
	}
	cmd.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return conformUsage(cmd, fmt.Errorf("%w (see %q)", err, cmd.CommandPath()+" --help"))
	})
	for _, sub := range []func() *cobra.Command{
		newConformList, newConformRun, newConformReport, newConformExplain, newConformFmt, newConformNew, newConformCoverage, newConformMutants, newConformWalk, newConformImport, newConformDoctor, newConformServer, newConformServe, newConformRecord, newConformReplay,
	} {
		c := sub()
		run := c.RunE
		c.RunE = func(cmd *cobra.Command, args []string) error {
			err := run(cmd, args)
			var silent *silentError
			if err == nil || errors.As(err, &silent) {
				return err
			}
			return conformUsage(cmd, err)
		}
		cmd.AddCommand(c)
	}
	return cmd
}

// conformUsage says what is wrong and asks for the exit code of this family.
func conformUsage(cmd *cobra.Command, err error) error {
	fmt.Fprintln(cmd.ErrOrStderr(), "parley: "+err.Error())
	return &silentError{conformance.ExitUsage}
}

// caseFlags pick cases.
type caseFlags struct {
	dir     string
	exclude []string
	rfc     string
	level   string
	needs   string
}

func (f *caseFlags) add(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.dir, "dir", "", "read the cases below this folder instead of those built in")
	cmd.Flags().StringArrayVarP(&f.exclude, "exclude", "x", nil, "leave out what the pattern matches")
	cmd.Flags().StringVar(&f.rfc, "rfc", "", "only cases for requirements that the pattern matches, as C-5321-*")
	cmd.Flags().StringVar(&f.level, "level", "", "only cases of this level: must, should, may")
	cmd.Flags().StringVar(&f.needs, "needs", "", "only cases that need this")
}

// suite returns all cases.
func (f *caseFlags) suite() ([]*conformance.Case, error) {
	if f.dir == "" {
		return conformance.Suite()
	}
	return conformance.Load(os.DirFS(f.dir))
}

// pick returns the cases that args name: patterns of ids, or files.
func (f *caseFlags) pick(args []string) (picked, all []*conformance.Case, err error) {
	if all, err = f.suite(); err != nil {
		return nil, nil, err
	}
	var patterns []string
	for _, a := range args {
		if strings.HasSuffix(a, ".smtpt") {
			c, err := conformance.LoadFile(a)
			if err != nil {
				return nil, nil, err
			}
			picked = append(picked, c)
			continue
		}
		patterns = append(patterns, a)
	}
	if len(picked) == 0 || len(patterns) > 0 {
		more, err := conformance.Select(all, patterns, f.exclude)
		if err != nil {
			return nil, nil, err
		}
		picked = append(picked, more...)
	}
	picked = slices.DeleteFunc(picked, func(c *conformance.Case) bool { return !f.fits(c) })
	if len(picked) == 0 {
		return nil, nil, usage("no case fits")
	}
	return picked, all, nil
}

func (f *caseFlags) fits(c *conformance.Case) bool {
	some := func(pattern string, ids []string) bool {
		return slices.ContainsFunc(ids, func(id string) bool {
			ok, _ := filepath.Match(pattern, id)
			return ok
		})
	}
	return (f.rfc == "" || some(f.rfc, c.Names())) &&
		(f.level == "" || strings.EqualFold(f.level, c.Level)) &&
		(f.needs == "" || some(f.needs, c.Needs))
}

func newConformList() *cobra.Command {
	var f caseFlags
	var asJSON bool
	cmd := &cobra.Command{
		Use: "list [PATTERN…]", Short: "List cases and the requirements they show",
		RunE: func(cmd *cobra.Command, args []string) error {
			cases, _, err := f.pick(args)
			if err != nil {
				return err
			}
			out := cmd.OutOrStdout()
			for _, c := range cases {
				if asJSON {
					if err := json.NewEncoder(out).Encode(map[string]any{
						"id": c.ID, "about": c.About, "level": c.Level, "rfc": c.Rfc, "against": c.Against, "odd": c.Odd, "needs": c.Needs, "kills": c.Kills,
					}); err != nil {
						return err
					}
					continue
				}
				fmt.Fprintf(out, "%-36s %-6s %s\n", c.ID, c.Level, strings.Join(c.Names(), " "))
			}
			return nil
		},
	}
	f.add(cmd)
	cmd.Flags().BoolVar(&asJSON, "json", false, "one JSON object a line")
	return cmd
}

// runFlags say how cases are run and what is written.
type runFlags struct {
	caseFlags
	reportFlags
	heldFlags
	strict, tap, dry, quick, quiet bool
	expected, json                 string
	variant, mutant                string
	workers                        int
}

func newConformRun() *cobra.Command {
	var f runFlags
	cmd := &cobra.Command{
		Use: "run [PATTERN|FILE.smtpt…]", Short: "Play cases against the engine",
		Long: `Plays cases, all if none is named. A pattern is that of a shell over the case's id; an area
stands for everything in it. The control cases below sanity/ are played before and after: if one
of them fails, every other verdict becomes inconclusive.

With --client another client is held against the cases, on real sockets: a line for the shell
that is run once for each case, and told by placeholders and by variables of the environment
(PARLEY_HOST and so on) what to send and where to. Its exit code says what became of the
message; conformance/shims has the contract, docs/instrument.md how it is judged.`,
		Example: `  parley conform run
  parley conform run rfc2920 rfc3030
  parley conform run rfc2920/moot-354 --variant lenient:looplab:split:17
  parley conform run rfc2920 --mutant skip-lone-dot
  parley conform run --client 'conformance/shims/python-smtplib.py' --junit report.xml
  parley conform run --client 'my-client --server {host}:{port} --to {rcpts} {file}' rfc5321`,
		RunE: func(cmd *cobra.Command, args []string) error { return f.run(cmd, args) },
	}
	f.caseFlags.add(cmd)
	f.reportFlags.add(cmd)
	f.heldFlags.add(cmd)
	cmd.Flags().BoolVar(&f.strict, "strict", false, "what an RFC allows and advises against is a finding")
	cmd.Flags().StringVar(&f.expected, "expected", "", "file of cases known to fail: id and reason on each line")
	cmd.Flags().IntVar(&f.workers, "workers", runtime.GOMAXPROCS(0), "cases played at once")
	cmd.Flags().BoolVar(&f.tap, "tap", false, "write TAP 14")
	cmd.Flags().StringVar(&f.json, "json", "", "write one JSON document to this file (- is the output)")
	cmd.Flags().StringVar(&f.variant, "variant", "", "play one variant only, as a failure names it")
	cmd.Flags().StringVar(&f.mutant, "mutant", "", "play against an engine that is wrong in this way")
	cmd.Flags().BoolVar(&f.quick, "quick", false, "no splits, cuts and replaced lines")
	cmd.Flags().BoolVarP(&f.quiet, "quiet", "q", false, "only what is not as expected, and the sum")
	cmd.Flags().BoolVar(&f.dry, "dry-run", false, "only say which cases would be played")
	return cmd
}

func (f *runFlags) run(cmd *cobra.Command, args []string) error {
	cases, all, err := f.pick(args)
	if err != nil {
		return err
	}
	out := cmd.OutOrStdout()
	if f.dry {
		for _, c := range cases {
			fmt.Fprintln(out, c.ID)
		}
		return nil
	}
	plan := conformance.Plan{Cases: cases, Controls: conformance.Controls(all), Workers: f.workers, Strict: f.strict}
	plan.Peer = conformance.Peer{Name: "parley", Version: version(), Kind: conformance.EnginePeer, When: time.Now().UTC().Truncate(time.Second)}
	if f.json != "" || f.html != "" {
		plan.Facts = conformance.NewFacts()
	}
	if f.mutant != "" {
		m, ok := conformance.LookupMutant(f.mutant)
		if !ok {
			return usage("no mutant %q (see parley conform mutants --list)", f.mutant)
		}
		plan.Make, plan.Table, plan.Controls = m.Make, m.Table, nil
		plan.Peer.Name = "parley, " + m.Name
	}
	plan.Sweeps = !f.quick
	if f.client != "" {
		end, err := f.playClient(cmd, &plan)
		if err != nil {
			return err
		}
		defer end()
	}
	if f.variant != "" {
		v, err := conformance.ParseVariant(f.variant)
		if err != nil {
			return err
		}
		plan.Only = &v
	}
	if plan.Expected, err = f.known(); err != nil {
		return err
	}
	if plan.Each, err = f.teller(cmd, len(cases)); err != nil {
		return err
	}
	return f.finish(cmd, conformance.RunAll(plan))
}

// known reads the list of cases that are known to fail.
func (f *runFlags) known() (map[string]string, error) {
	if f.expected == "" {
		return nil, nil
	}
	file, err := os.Open(f.expected)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	known, err := conformance.ReadExpected(file)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", f.expected, err)
	}
	return known, nil
}

// teller returns what prints the outcome of each of so many cases.
func (f *runFlags) teller(cmd *cobra.Command, cases int) (func(*conformance.Outcome), error) {
	out, n := cmd.OutOrStdout(), 0
	if f.tap {
		if err := conformance.TAPHeader(out, cases); err != nil {
			return nil, err
		}
	}
	return func(o *conformance.Outcome) {
		n++
		if f.mutant != "" {
			o.Again = o.Reproduce() + " --mutant " + f.mutant
		}
		switch {
		case f.json == "-":
		case f.tap:
			_ = conformance.TAP(out, n, o)
		case !f.quiet || o.Verdict.Finding() || f.strict && o.Verdict == conformance.Latitude:
			fmt.Fprint(out, o.Report())
		}
	}, nil
}

// finish writes what was asked for, sums up, and says how the run ends.
func (f *runFlags) finish(cmd *cobra.Command, report *conformance.Report) error {
	if err := f.write(cmd, report); err != nil {
		return err
	}
	out := cmd.OutOrStdout()
	if !f.tap && f.json != "-" {
		if f.client != "" {
			sayPlayed(out, report)
		}
		for _, o := range report.Controls {
			fmt.Fprint(out, "control case: "+o.Report())
		}
		fmt.Fprintf(out, "%d cases played %d times: %s\n", len(report.Outcomes), report.Plays(), summary(report))
	}
	if code := report.Exit(); code != 0 {
		return &silentError{code}
	}
	return nil
}

// write writes the documents asked for.
func (f *runFlags) write(cmd *cobra.Command, r *conformance.Report) error {
	if f.json == "-" {
		if err := conformance.JSON(cmd.OutOrStdout(), r); err != nil {
			return err
		}
	} else if f.json != "" {
		if err := toFile(f.json, func(w *os.File) error { return conformance.JSON(w, r) }); err != nil {
			return err
		}
	}
	return f.reportFlags.write(r)
}

func toFile(name string, write func(*os.File) error) error {
	file, err := os.Create(name)
	if err != nil {
		return err
	}
	if err := write(file); err != nil {
		file.Close()
		return err
	}
	return file.Close()
}
