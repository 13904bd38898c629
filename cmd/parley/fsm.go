package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/parley-mail/parley/fsm"
)

func newFSM() *cobra.Command {
	drawings := map[string]func() string{
		"table": fsm.TextTable, "mermaid": fsm.Mermaid, "dot": fsm.DOT, "svg": fsm.SVG, "json": fsm.JSON, "markdown": fsm.Markdown,
	}
	var format string
	cmd := &cobra.Command{
		Use:   "fsm",
		Short: "Show the dialogue machine",
		Long: `Shows the machine that every session runs: which command may be sent in which state, and
what each class of reply to it means, with the section of the RFC that says so.`,
		Example: "  parley fsm\n  parley fsm --format svg > fsm.svg\n  parley fsm --format json | jq '.edges | length'",
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			draw, ok := drawings[format]
			if !ok {
				return usage("no format %q: there are table, mermaid, dot, svg, json and markdown", format)
			}
			fmt.Fprintln(cmd.OutOrStdout(), draw())
			return nil
		},
	}
	choice(cmd, cmd.Flags(), &format, "format", "table", "how to show it", "table", "mermaid", "dot", "svg", "json", "markdown")
	return cmd
}
