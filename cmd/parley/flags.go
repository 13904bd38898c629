package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// noArgs is cobra.NoArgs as a usage error.
func noArgs(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return usage("%s takes no argument, there is %q", cmd.CommandPath(), args[0])
	}
	return nil
}

// oneArg is cobra.ExactArgs(1) as a usage error.
func oneArg(what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) != 1 {
			return usage("%s takes one argument, %s; there are %d", cmd.CommandPath(), what, len(args))
		}
		return nil
	}
}

// choiceValue is a flag with a fixed set of values.
type choiceValue struct {
	value   *string
	choices []string
}

func (c *choiceValue) String() string {
	if c.value == nil {
		return ""
	}
	return *c.value
}

func (c *choiceValue) Type() string { return strings.Join(c.choices, "|") }

func (c *choiceValue) Set(s string) error {
	if !slices.Contains(c.choices, s) {
		return fmt.Errorf("it is one of %s", strings.Join(c.choices, ", "))
	}
	*c.value = s
	return nil
}

// choice adds a flag with a fixed set of values, which the shell can complete.
func choice(cmd *cobra.Command, flags *pflag.FlagSet, value *string, name, def, text string, choices ...string) {
	*value = def
	flags.Var(&choiceValue{value, choices}, name, text)
	_ = cmd.RegisterFlagCompletionFunc(name, cobra.FixedCompletions(choices, cobra.ShellCompDirectiveNoFileComp))
}
