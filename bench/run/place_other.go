//go:build !linux

package run

import "os/exec"

// processors: where a process cannot be pinned, none is known.
func processors() []int { return nil }

func startOn(cmd *exec.Cmd, _ int) error { return cmd.Start() }
