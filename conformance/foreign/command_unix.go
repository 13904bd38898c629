//go:build unix

package foreign

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"sync/atomic"
	"syscall"
	"time"
)

// Process is a program that runs.
type Process struct {
	cmd            *exec.Cmd
	ctx            context.Context
	stdout, stderr tail
	result         string
	most           atomic.Int64 // memory, by what Memory saw
}

// Start starts the program with the values. It may run until it ends or ctx does; then it
// and all that it has started are ended. Wait must be called.
func (c *Command) Start(ctx context.Context, values map[string]string) (*Process, error) {
	p := &Process{ctx: ctx, result: values["result"], cmd: exec.CommandContext(ctx, "/bin/sh", "-c", c.line)}
	p.cmd.Env, p.cmd.Stdout, p.cmd.Stderr = c.environment(values), &p.stdout, &p.stderr
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	p.cmd.Cancel = p.end
	p.cmd.WaitDelay = time.Second
	if err := p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("the client cannot be run: %w", err)
	}
	return p, nil
}

// end ends the program and all that it has started.
func (p *Process) end() error { return syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL) }

// Wait waits until the program has ended. An error means that there was no program to
// speak of.
func (p *Process) Wait() (*Exit, error) {
	err := p.cmd.Wait()
	if errors.Is(err, exec.ErrWaitDelay) { // somebody holds on to its output
		_ = p.end()
		err = nil
	}
	var exit *exec.ExitError
	state := p.cmd.ProcessState
	if state == nil || err != nil && !errors.As(err, &exit) && p.ctx.Err() == nil {
		return nil, fmt.Errorf("the client cannot be run: %w", err)
	}
	e := &Exit{Code: state.ExitCode(), Hung: p.ctx.Err() != nil && !state.Exited(), Stdout: p.stdout.octets, Stderr: p.stderr.octets}
	if e.Code == 127 || e.Code == 126 {
		return nil, fmt.Errorf("the client cannot be run: %s", e.Stderr)
	}
	e.Memory = p.most.Load()
	// What the system tells begins with what this program had when it started the other.
	if usage, ok := state.SysUsage().(*syscall.Rusage); ok && resident(usage) > ownMemory() {
		e.Memory = max(e.Memory, resident(usage))
	}
	signal := ""
	if status, ok := state.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		signal = status.Signal().String()
	}
	e.read(signal, p.result)
	return e, nil
}

// Memory looks at how much memory the program, or one that it has started, has had at
// once so far, in octets; 0 if the system does not tell. The result of Wait knows of it.
func (p *Process) Memory() int64 {
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, stat := range stats {
		if group(stat) != p.cmd.Process.Pid {
			continue
		}
		status, _ := os.ReadFile(stat + "us")
		_, rest, _ := bytes.Cut(status, []byte("VmHWM:"))
		var kib int64
		if _, err := fmt.Sscan(string(rest), &kib); err == nil && kib<<10 > p.most.Load() {
			p.most.Store(kib << 10)
		}
	}
	return p.most.Load()
}

// group returns the process group of a process, by its file in /proc; 0: it is gone.
func group(stat string) int {
	data, _ := os.ReadFile(stat)
	fields := bytes.Fields(data[bytes.LastIndexByte(data, ')')+1:]) // state, parent, group
	if len(fields) < 3 {
		return 0
	}
	n, _ := strconv.Atoi(string(fields[2]))
	return n
}

// ownMemory is the most memory that this program has had so far, in octets.
func ownMemory() int64 {
	var own syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &own) != nil {
		return 0
	}
	return resident(&own)
}

func resident(usage *syscall.Rusage) int64 {
	if runtime.GOOS == "darwin" {
		return int64(usage.Maxrss)
	}
	return int64(usage.Maxrss) << 10
}
