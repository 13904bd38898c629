// Package report writes docs/performance.md from the results of a comparison.
package report

import "github.com/parley-mail/parley/bench/run"

// Write x.
func Write(*run.Results, string) error { return nil }
