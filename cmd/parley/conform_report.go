package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/parley-mail/parley/conformance"
	"github.com/parley-mail/parley/conformance/html"
)

// reportFlags say which documents are made of reports.
type reportFlags struct {
	html, junit, badge string
}

func (f *reportFlags) add(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.html, "html", "", "write one page of HTML to this file, or index.html into this folder")
	cmd.Flags().StringVar(&f.junit, "junit", "", "write JUnit XML to this file")
	cmd.Flags().StringVar(&f.badge, "badge", "", "write a badge in SVG to this file")
}

// write writes the documents asked for.
func (f *reportFlags) write(reports ...*conformance.Report) error {
	for _, doc := range []struct {
		name  string
		write func(io.Writer, ...*conformance.Report) error
	}{{pageFile(f.html), html.Write}, {f.junit, conformance.JUnit}, {f.badge, conformance.Badge}} {
		if doc.name == "" {
			continue
		}
		if err := toFile(doc.name, func(w *os.File) error { return doc.write(w, reports...) }); err != nil {
			return err
		}
	}
	return nil
}

// pageFile returns the file for a page: index.html if name is a folder.
func pageFile(name string) string {
	if info, err := os.Stat(name); name != "" && (err == nil && info.IsDir() || strings.HasSuffix(name, "/")) {
		return filepath.Join(name, "index.html")
	}
	return name
}

func newConformReport() *cobra.Command {
	var f reportFlags
	var merge bool
	cmd := &cobra.Command{
		Use: "report FILE.json…", Short: "Make a page, a badge or JUnit XML of the reports of runs",
		Long: `Reads documents that parley conform run --json has written, of one peer or of many, and makes one
page of HTML that needs no other file, no network and no script; with a script it has filters and
keys. With --merge, runs against the same peer (kind, name and version) are one: a case on which
they do not agree is unstable. Without a file to write it prints how the peers stand.

The exit code says whether the documents could be read and written, and nothing of what is in them.`,
		Example: `  parley conform run --json engine.json
  parley conform report engine.json --html engine.html
  parley conform report --merge monday.json tuesday.json --html report/ --junit report.xml --badge badge.svg`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usage("no report is named")
			}
			var reports []*conformance.Report
			for _, name := range args {
				r, err := readReport(name)
				if err != nil {
					return fmt.Errorf("%s: %w", name, err)
				}
				reports = append(reports, r)
			}
			if merge {
				reports = conformance.Merge(reports)
			}
			if err := f.write(reports...); err != nil {
				return err
			}
			if f != (reportFlags{}) {
				return nil
			}
			table := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
			for _, r := range reports {
				fmt.Fprintf(table, "%s\t%s\t%d cases\t%s\n", r.Peer.Kind, r.Peer, len(r.Outcomes), summary(r))
			}
			return table.Flush()
		},
	}
	cmd.Flags().BoolVar(&merge, "merge", false, "make one of the runs against the same peer")
	f.add(cmd)
	return cmd
}

func readReport(name string) (*conformance.Report, error) {
	file, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	return conformance.ReadJSON(file)
}

// summary counts the verdicts that occur.
func summary(r *conformance.Report) string {
	var parts []string
	for _, v := range conformance.Verdicts() {
		if n := r.Count(v); n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, v))
		}
	}
	return strings.Join(parts, ", ")
}
