package run

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/parley-mail/parley/bench/load"
)

// The calls that move octets or wait for them. What the runtime of Go does by its clock
// (nanosleep, futex) is not among them.
var ioCalls = []string{
	"read", "write", "readv", "writev", "sendto", "recvfrom", "sendmsg", "recvmsg", "sendfile64", "poll", "ppoll", "select",
	"epoll_wait", "epoll_pwait", "epoll_ctl",
}

// SyscallWorkload is the workload of the samples that are counts of system calls.
const SyscallWorkload = "syscalls"

// syscalls counts them by perf at two counts of messages: the difference is that of the
// messages between, without the start of the program. Three times; the median.
func (h *harness) syscalls(ctx context.Context) error {
	perf, err := look("perf")
	if err == nil {
		err = output(exec.CommandContext(ctx, perf, "stat", "-e", "syscalls:sys_enter_read", "true"))
	}
	if err != nil {
		return errors.Join(err, h.results.add(Sample{Workload: SyscallWorkload + "-bulk", Failed: err.Error()}))
	}
	for _, c := range []struct {
		name   string
		size   int
		few, n int
		place  place
	}{{SyscallWorkload, small, 2000, 6000, together}, {SyscallWorkload + "-bulk", large, 8, 24, apart}} {
		client, cpu := h.cpu(c.place)
		body, err := h.body(c.size)
		if err != nil {
			return err
		}
		s, err := startSink(ctx, h.self, h.dir, cpu, false)
		if err != nil {
			return err
		}
		for _, v := range slices.Concat(limitsC, limitsGo, ours, peers, programs) {
			if !h.wants(v.client) || v.client == "smtplib" || v.client == "nodemailer" {
				continue
			}
			if c.size == large && (v.mode == load.Plain && v.client != "net/smtp" || v.inflight > 1) {
				continue
			}
			l := load.Load{Addr: s.Addr, Size: c.size, Rcpts: 1, Sessions: 1, BodyFile: body, Mode: v.mode, Inflight: max(1, v.inflight)}
			sample := Sample{Workload: c.name, Client: v.client, Mode: v.name(), Round: 1, Size: int64(c.size)}
			calls, err := h.difference(ctx, perf, v, l, c.few, c.n, client)
			if err != nil {
				sample.Failed = err.Error()
			} else {
				sample.Other = map[string]float64{"calls": calls}
				fmt.Fprintf(h.Log, "%-8s %-14s %-16s %8.2f calls a message\n", c.name, v.client, v.name(), calls)
			}
			if err := h.results.add(sample); err != nil {
				s.stop()
				return err
			}
		}
		s.stop()
	}
	return nil
}

func (h *harness) difference(ctx context.Context, perf string, v variant, l load.Load, few, many, cpu int) (float64, error) {
	var all []float64
	for range 3 {
		var counts [2]float64
		for i, n := range []int{few, many} {
			l.Messages = n
			c, err := h.count(ctx, perf, v, &l, cpu)
			if err != nil {
				return 0, err
			}
			counts[i] = c
		}
		all = append(all, (counts[1]-counts[0])/float64(many-few))
	}
	slices.Sort(all)
	return all[1], nil
}

// count is how many system calls of those a run makes, start and all.
func (h *harness) count(ctx context.Context, perf string, v variant, l *load.Load, cpu int) (float64, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	inner, err := h.command(ctx, v, l)
	if err != nil {
		return 0, err
	}
	events := make([]string, len(ioCalls))
	for i, c := range ioCalls {
		events[i] = "syscalls:sys_enter_" + c
	}
	cmd := exec.CommandContext(ctx, perf, append([]string{"stat", "-x", ",", "-o", filepath.Join(h.dir, "perf.csv"), "-e", strings.Join(events, ",")}, inner.Args...)...)
	cmd.Args[len(cmd.Args)-len(inner.Args)] = inner.Path
	var out bytes.Buffer
	cmd.Env, cmd.Stdout, cmd.Stderr = inner.Env, &out, &out
	if err := startOn(cmd, cpu); err != nil {
		return 0, err
	}
	if err := cmd.Wait(); err != nil {
		return 0, fmt.Errorf("%w: %s", err, clip(out.Bytes()))
	}
	return sum(filepath.Join(h.dir, "perf.csv"))
}

// sum adds up the first column of what perf wrote.
func sum(name string) (float64, error) {
	text, err := readText(name)
	if err != nil {
		return 0, err
	}
	total := 0.0
	for line := range strings.Lines(text) {
		first, _, _ := strings.Cut(line, ",")
		if n, err := strconv.ParseFloat(first, 64); err == nil {
			total += n
		}
	}
	return total, nil
}

func readText(name string) (string, error) {
	b, err := os.ReadFile(name)
	return string(b), err
}
