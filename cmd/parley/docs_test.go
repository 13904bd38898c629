package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// Every command that a page shows is one, with flags that it has.
func TestDocsNameCommands(t *testing.T) {
	pages, err := filepath.Glob("../../docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	shown := regexp.MustCompile("(?m)(?:^ +|^|`|run: )(parley [a-z][^`\n|>]*)")
	quoted := regexp.MustCompile(`'[^']*'|"[^"]*"`) // a client's command has flags of its own
	n := 0
	for _, page := range append(pages, "../../README.md") {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range shown.FindAllStringSubmatch(strings.ReplaceAll(string(text), "\\\n", " "), -1) {
			words, _, _ := strings.Cut(quoted.ReplaceAllString(m[1], "X"), " #")
			root := newRoot()
			root.InitDefaultHelpCmd()
			cmd, rest, err := root.Find(strings.Fields(words)[1:])
			if err != nil || !cmd.HasParent() {
				t.Errorf("%s: %q is no command", page, m[1])
				continue
			}
			for _, word := range rest {
				if name, ok := strings.CutPrefix(word, "--"); ok {
					name, _, _ = strings.Cut(strings.TrimRight(name, ",.;:)"), "=")
					if cmd.Flag(name) == nil {
						t.Errorf("%s: %s has no flag --%s", page, cmd.CommandPath(), name)
					}
					n++
				}
			}
		}
	}
	if n < 50 {
		t.Errorf("only %d flags", n)
	}
}
