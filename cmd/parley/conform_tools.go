package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/parley-mail/parley/conformance"
	"github.com/parley-mail/parley/conformance/smtpt"
)

func newConformExplain() *cobra.Command {
	var f caseFlags
	cmd := &cobra.Command{
		Use: "explain ID", Short: "Tell what a case, a requirement or a mutant is about", Args: oneArg("an id"),
		Example: "  parley conform explain C-2920-006\n  parley conform explain rfc2920/moot-354\n  parley conform explain skip-lone-dot",
		RunE: func(cmd *cobra.Command, args []string) error {
			cases, err := f.suite()
			if err != nil {
				return err
			}
			text, ok := conformance.Explain(cases, args[0])
			if !ok {
				return usage("nothing is known of %q", args[0])
			}
			fmt.Fprint(cmd.OutOrStdout(), text)
			return nil
		},
	}
	cmd.Flags().StringVar(&f.dir, "dir", "", "read the cases below this folder instead of those built in")
	return cmd
}

// testdata is where cases are, seen from the root of a checkout.
const testdata = "conformance/testdata"

func newConformFmt() *cobra.Command {
	var check bool
	cmd := &cobra.Command{
		Use: "fmt [FILE…]", Short: "Put transcripts into canonical form",
		Long: "Puts transcripts into canonical form, in place; without names all below " + testdata + ".",
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				err := filepath.WalkDir(testdata, func(name string, _ fs.DirEntry, err error) error {
					if filepath.Ext(name) == ".smtpt" {
						args = append(args, name)
					}
					return err
				})
				if err != nil {
					return err
				}
			}
			changed := false
			for _, name := range args {
				before, err := os.ReadFile(name)
				if err != nil {
					return err
				}
				script, err := smtpt.Parse(name, before)
				if err != nil {
					return err
				}
				after := script.Format()
				if bytes.Equal(before, after) {
					continue
				}
				changed = true
				fmt.Fprintln(cmd.OutOrStdout(), name)
				if !check {
					if err := os.WriteFile(name, after, 0o644); err != nil {
						return err
					}
				}
			}
			if check && changed {
				return &silentError{conformance.ExitFinding}
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&check, "check", false, "write nothing; exit code 1 if a file is not in canonical form")
	return cmd
}

const template = `# What the case is about, in a sentence or two.
# rfc     C-5321-000
# level   MUST

call send from=a@c.example to=x@s.example body="hi\r\n"

S: 220 s.example ESMTP
C: EHLO {name}
S: 250 s.example
C: MAIL FROM:<a@c.example>
S: 250 ok
C: RCPT TO:<x@s.example>
S: 250 ok
C: DATA
S: 354 go
C<<any
S: 250 ok
C: QUIT
S: 221 bye
R: message accepted
`

func newConformNew() *cobra.Command {
	dir, from := testdata, ""
	cmd := &cobra.Command{
		Use: "new AREA/NAME", Short: "Begin a new case", Args: oneArg("an area and a name"),
		RunE: func(cmd *cobra.Command, args []string) error {
			data := []byte(template)
			if from != "" {
				script, err := smtpt.Load(from)
				if err != nil {
					return err
				}
				data = script.Format()
			}
			name := filepath.Join(dir, filepath.FromSlash(args[0])+".smtpt")
			if !filepath.IsLocal(filepath.FromSlash(args[0])) {
				return usage("%q is no area and name", args[0])
			}
			if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
				return err
			}
			file, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
			if err != nil {
				return err
			}
			if _, err := file.Write(data); err != nil {
				file.Close()
				return err
			}
			fmt.Fprintln(cmd.OutOrStdout(), name)
			return file.Close()
		},
	}
	cmd.Flags().StringVar(&dir, "dir", dir, "the folder of the areas")
	cmd.Flags().StringVar(&from, "from", "", "begin with this transcript")
	return cmd
}

func newConformCoverage() *cobra.Command {
	var f caseFlags
	var asJSON, missing, exclusions bool
	var least string
	var walks int
	cmd := &cobra.Command{
		Use: "coverage [PATTERN…]", Short: "Tell how much of the machine and of the RFCs the cases reach",
		Long: `Plays the cases and tells which part of the machine's table they come by: states, rows, cells (what
can happen in a state), pairs of rows that can follow each other, timers; and which requirements
and odd replies have a case. Sessions with a server that answers by chance (see parley conform
walk) are played too; --walks 0 leaves them out.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			cases, all, err := f.pick(args)
			if err != nil {
				return err
			}
			if exclusions {
				for _, x := range conformance.Exclusions() {
					fmt.Fprintf(cmd.OutOrStdout(), "%s: %d\n", x.Reason, len(x.Out))
					for _, what := range x.Out {
						if missing {
							fmt.Fprintln(cmd.OutOrStdout(), "    "+what)
						}
					}
				}
				return nil
			}
			under, err := conformance.ParseThresholds(least)
			if err != nil {
				return err
			}
			facts := conformance.NewFacts()
			plan := conformance.Plan{Cases: cases, Controls: conformance.Controls(all), Workers: runtime.GOMAXPROCS(0)}
			plan.Sweeps, plan.Facts = true, facts
			report := conformance.RunAll(plan)
			walked := conformance.Walks(0, walks, runtime.GOMAXPROCS(0), conformance.Options{Facts: facts})
			measures := append(facts.Table(), conformance.Written(cases)...)
			out := cmd.OutOrStdout()
			standings := conformance.Standings(cases)
			if asJSON {
				if err := json.NewEncoder(out).Encode(map[string]any{"measures": measures, "requirements": standings}); err != nil {
					return err
				}
			} else {
				for _, m := range measures {
					fmt.Fprintln(out, m)
					for i, what := range m.Missing {
						if missing {
							fmt.Fprintln(out, "    "+what)
						} else if i == 0 {
							fmt.Fprintf(out, "    as %s (--missing shows all)\n", what)
						}
					}
				}
			}
			if !asJSON {
				fmt.Fprintln(out, conformance.StandingHead)
				for _, s := range standings {
					fmt.Fprintln(out, s)
				}
			}
			low, err := under.Under(measures)
			if err != nil {
				return err
			}
			for _, m := range low {
				fmt.Fprintf(cmd.ErrOrStderr(), "parley: %s is under %g %%\n", m.Name, under[m.Name])
			}
			if len(low) > 0 {
				return &silentError{conformance.ExitFinding}
			}
			if walked != nil {
				fmt.Fprint(cmd.ErrOrStderr(), walked.Report())
				return &silentError{conformance.ExitFinding}
			}
			for _, what := range facts.Wrong() {
				fmt.Fprintf(cmd.ErrOrStderr(), "parley: excluded, and it happens: %s\n", what)
				return &silentError{conformance.ExitFinding}
			}
			if code := report.Exit(); code != 0 {
				return &silentError{code}
			}
			return nil
		},
	}
	f.add(cmd)
	cmd.Flags().BoolVar(&exclusions, "exclusions", false, "only tell what the figures leave out, and why")
	cmd.Flags().BoolVar(&asJSON, "json", false, "as JSON")
	cmd.Flags().IntVar(&walks, "walks", 100000, "sessions by chance")
	cmd.Flags().BoolVar(&missing, "missing", false, "list what is not reached")
	cmd.Flags().StringVar(&least, "fail-under", "", "least percentages, as states=100,rows=95")
	return cmd
}

func newConformWalk() *cobra.Command {
	var seed uint64
	count := 10000
	cmd := &cobra.Command{
		Use: "walk", Short: "Play sessions with a server that answers by chance", Args: noArgs,
		Long: `Plays sessions in which caller, options and server follow from a seed. The server mostly says what
is lawful, good or bad, and now and then what is not. What must hold is what holds for every case:
no wrong octet from the client, and no untrue word about a message.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			const some = 10000
			for done := 0; done < count; done += some {
				if cmd.Context().Err() != nil {
					return &silentError{exitInterrupted}
				}
				if o := conformance.Walks(seed+uint64(done), min(some, count-done), runtime.GOMAXPROCS(0), conformance.Options{}); o != nil {
					fmt.Fprint(cmd.OutOrStdout(), o.Report())
					return &silentError{conformance.ExitFinding}
				}
			}
			fmt.Fprintf(cmd.OutOrStdout(), "%d sessions from seed %d: nothing found\n", count, seed)
			return nil
		},
	}
	cmd.Flags().Uint64Var(&seed, "seed", 0, "of the first session")
	cmd.Flags().IntVar(&count, "count", count, "how many")
	return cmd
}

func newConformMutants() *cobra.Command {
	var f caseFlags
	var list, score bool
	least := 0.0
	cmd := &cobra.Command{
		Use: "mutants [MUTANT…]", Short: "Play against engines that are wrong, to see whether the cases notice",
		Long: `Plays the cases against every engine that is known to be wrong: those with a fault made by hand,
and those with one row of the machine's table changed, and then walks (see parley conform walk)
against those that live. A mutant that lives is a hole in the suite, unless it behaves like the
engine: those are known, with a reason, and do not count.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			out := cmd.OutOrStdout()
			mutants := conformance.Mutants()
			if len(args) > 0 {
				mutants = slices.DeleteFunc(mutants, func(m conformance.Mutant) bool { return !slices.Contains(args, m.Name) })
				if len(mutants) == 0 {
					return usage("no such mutant")
				}
			}
			if list {
				for _, m := range mutants {
					fmt.Fprintf(out, "%-44s %s\n", m.Name, m.About)
				}
				return nil
			}
			cases, _, err := f.pick(nil)
			if err != nil {
				return err
			}
			kills := conformance.NewHunter(cases, runtime.GOMAXPROCS(0)).All(mutants, runtime.GOMAXPROCS(0))
			killed, equivalent := 0, 0
			for _, k := range kills {
				reason, same := conformance.Equivalent(k.Mutant.Name)
				switch {
				case k.Case != nil:
					killed++
					if !score {
						fmt.Fprintf(out, "killed %s by %s (%s)\n", k.Mutant.Name, k.Case.ID, k.Variant)
					}
				case same:
					equivalent++
					if !score {
						fmt.Fprintf(out, "same   %s: %s\n", k.Mutant.Name, reason)
					}
				default:
					fmt.Fprintf(out, "LIVES  %s: an engine that %s\n", k.Mutant.Name, k.Mutant.About)
				}
			}
			percent := 100.0
			if faults := len(kills) - equivalent; faults > 0 {
				percent = 100 * float64(killed) / float64(faults)
			}
			fmt.Fprintf(out, "%d of %d mutants killed, %d equivalent, %d live: %.1f %%\n", killed, len(kills), equivalent, len(kills)-killed-equivalent, percent)
			if percent < least {
				return &silentError{conformance.ExitFinding}
			}
			return nil
		},
	}
	f.add(cmd)
	cmd.Flags().BoolVar(&list, "list", false, "only list them")
	cmd.Flags().BoolVar(&score, "score", false, "only those that live, and the sum")
	cmd.Flags().Float64Var(&least, "fail-under", 0, "least percentage killed")
	return cmd
}

func newConformImport() *cobra.Command {
	return &cobra.Command{
		Use: "import FILE", Short: "Make a transcript of a plain recording", Args: oneArg("a recording"),
		Long: `Reads a recording in which lines of the server begin with "S: " and those of the client with "C: ",
as they were sent, with \r\n written out; "# write n" begins what left in one write. Writes the
transcript. Arguments of AUTH and answers to 334 become {any}.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			data, err := os.ReadFile(args[0])
			if err != nil {
				return err
			}
			script, err := smtpt.Import(args[0], data)
			if err != nil {
				return err
			}
			_, err = cmd.OutOrStdout().Write(script.Format())
			return err
		},
	}
}

func newConformDoctor() *cobra.Command {
	var f caseFlags
	cmd := &cobra.Command{
		Use: "doctor", Short: "Look whether a run would mean anything", Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			out := cmd.OutOrStdout()
			cases, err := f.suite()
			if err != nil {
				return err
			}
			fmt.Fprintf(out, "ok   %d cases can be read\n", len(cases))
			bad := 0
			say := func(err error, what string) {
				if err != nil {
					bad++
					fmt.Fprintf(out, "BAD  %s: %v\n", what, err)
					return
				}
				fmt.Fprintf(out, "ok   %s\n", what)
			}
			controls := conformance.Controls(cases)
			if len(controls) == 0 {
				say(errors.New("there are none below sanity/"), "control cases")
			}
			for _, c := range controls {
				o := conformance.Run(c, conformance.Options{})
				var err error
				if o.Failure != nil {
					err = errors.New(strings.TrimSpace(o.Failure.Text))
				}
				say(err, "control case "+c.ID)
			}
			say(conformance.CheckHeaders(cases), "headers name what exists")
			if bad > 0 {
				return &silentError{conformance.ExitInconclusive}
			}
			return nil
		},
	}
	cmd.Flags().StringVar(&f.dir, "dir", "", "read the cases below this folder instead of those built in")
	return cmd
}
