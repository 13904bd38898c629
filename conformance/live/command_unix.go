//go:build unix

package live

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"time"
)

// Do runs the program until it ends or the context does; then it and all it has started
// are ended.
func (c *Command) Do(ctx context.Context, t *Task) (*Claim, error) {
	var stdout, stderr tail
	cmd := exec.CommandContext(ctx, "/bin/sh", "-c", c.line)
	cmd.Env, cmd.Stdout, cmd.Stderr = c.environment(t), &stdout, &stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = time.Second
	err := cmd.Run()
	var exit *exec.ExitError
	if cmd.ProcessState == nil || err != nil && !errors.As(err, &exit) && ctx.Err() == nil && !errors.Is(err, exec.ErrWaitDelay) {
		return nil, fmt.Errorf("the client cannot be run: %w", err)
	}
	m := &Claim{Code: cmd.ProcessState.ExitCode(), Hangs: ctx.Err() != nil, Output: string(stderr.octets)}
	if m.Code == 126 || m.Code == 127 {
		return nil, fmt.Errorf("the client cannot be run: %s", stderr.octets)
	}
	if !m.Hangs {
		signal := ""
		if status, ok := cmd.ProcessState.Sys().(syscall.WaitStatus); ok && status.Signaled() {
			signal = status.Signal().String()
		}
		m.Crash = crashed(m.Code, signal, stderr.octets)
	}
	if usage, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage); ok {
		m.RSS = int64(usage.Maxrss)
		if runtime.GOOS != "darwin" {
			m.RSS <<= 10
		}
	}
	m.Recipients = readRecipients(stdout.octets)
	if written, err := os.ReadFile(t.Result); err == nil {
		m.Recipients = readRecipients(written)
	}
	return m, nil
}
