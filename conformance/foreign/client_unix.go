//go:build unix

package foreign

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"runtime"
	"syscall"
	"time"
)

// run runs the program until it ends or ctx does; then it is hung.
func (c *Client) run(ctx context.Context, addr, file string) (*end, error) {
	line, err := c.line()
	if err != nil {
		return nil, err
	}
	var stderr tail
	cmd := exec.CommandContext(ctx, "/bin/sh", "-c", line)
	cmd.Env, cmd.Stderr = c.environment(addr, file), &stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = time.Second
	err = cmd.Run()
	var exit *exec.ExitError
	if cmd.ProcessState == nil || err != nil && !errors.As(err, &exit) && ctx.Err() == nil && !errors.Is(err, exec.ErrWaitDelay) {
		return nil, fmt.Errorf("the client cannot be run: %w", err)
	}
	e := &end{code: cmd.ProcessState.ExitCode(), hung: ctx.Err() != nil, stderr: stderr.octets}
	if status, ok := cmd.ProcessState.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		e.signal = status.Signal().String()
	}
	if usage, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage); ok {
		e.rss = int64(usage.Maxrss)
		if runtime.GOOS != "darwin" {
			e.rss <<= 10
		}
	}
	if e.code == 127 || e.code == 126 {
		return nil, fmt.Errorf("the client cannot be run: %s", stderr.octets)
	}
	return e, nil
}
