// Package run is the harness: it gives every client the same load against the same
// sink, once a round and in a new order each time, and writes down what each run cost.
// Ratios are to be taken inside a round: other load on the machine moves absolute
// figures far more than the ratios between neighbours.
package run

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/parley-mail/parley/bench/load"
	"github.com/parley-mail/parley/bench/sink"
)

// Config says what is compared, and how long.
type Config struct {
	Rounds    int           // of each workload
	Target    time.Duration // that a run is meant to take
	Messages  int           // of a run; 0: as many as Target allows
	Workloads []string      // by name, or by what it begins with; also ComponentWorkload and SyscallWorkload; empty: all
	Clients   []string      // by name; empty: all
	Parley    string        // the command; "": built from the module beside
	Smoke     bool          // everything small, to see that it works: the figures mean nothing
	Out       string        // directory of the results
	Source    Source
	Log       io.Writer
}

// one run may take this long.
const patience = 2 * time.Minute

// harness is a comparison under way.
type harness struct {
	Config
	*kit
	results *file
	cpus    []int
	clock   clock
}

// clock guesses how much time is left, from how much work is done: runs of clients, by how
// long they are meant to be.
type clock struct {
	began      time.Time
	work, done float64
}

func (c *clock) left() time.Duration {
	if c.done == 0 {
		return 0
	}
	return time.Duration(float64(time.Since(c.began)) * max(c.work/c.done-1, 0))
}

// Compare runs it all, and returns the name of the file with the results. What fails is
// written down as that, and the rest is done; the error says what failed.
func Compare(ctx context.Context, c Config) (string, error) {
	picked, parts, calls, err := pick(c.Workloads)
	if err != nil {
		return "", err
	}
	dir, err := os.MkdirTemp("", "parley-bench-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(dir)
	k, err := newKit(ctx, dir, c.Parley, c.Source)
	if err != nil {
		return "", err
	}
	name := filepath.Join(c.Out, time.Now().UTC().Format("20060102-150405")+".jsonl")
	results, err := create(name, header(ctx, k, &c))
	if err != nil {
		return "", err
	}
	defer results.f.Close()
	log, err := os.Create(strings.TrimSuffix(name, ".jsonl") + ".log")
	if err != nil {
		return name, err
	}
	defer log.Close()
	c.Log = io.MultiWriter(c.Log, log)
	for client, why := range k.missing {
		fmt.Fprintf(c.Log, "%s is left out: %s\n", client, why)
	}
	h := &harness{Config: c, kit: k, results: results, cpus: processors(), clock: clock{began: time.Now()}}
	return name, errors.Join(h.all(ctx, picked, parts, calls), results.f.Close())
}

// all does one part after the other.
func (h *harness) all(ctx context.Context, picked []workload, parts, calls bool) error {
	for i := range picked {
		if h.Smoke {
			picked[i].shrink()
		}
		h.clock.work += h.effort(&picked[i]) * float64(h.rounds(&picked[i])+calibrations)
	}
	for i, asked := range []bool{parts, calls} {
		if asked {
			h.clock.work += besides[i]
		}
	}
	var failed error
	part := func(name string, do func() error) {
		began := time.Now()
		err := errors.Join(do(), context.Cause(ctx))
		if err != nil {
			err = errors.Join(fmt.Errorf("%s: %w", name, err), h.results.add(Sample{Workload: name, Failed: err.Error()}))
			failed = errors.Join(failed, err)
			fmt.Fprintln(h.Log, err)
		}
		fmt.Fprintf(h.Log, "%s took %s; %s left\n", name, time.Since(began).Round(time.Second), h.clock.left().Round(time.Second))
	}
	for _, w := range picked {
		part(w.name, func() error { return h.workload(ctx, w) })
	}
	if parts {
		part(ComponentWorkload, func() error { return h.components(ctx) })
		h.clock.done += besides[0]
	}
	if calls {
		part(SyscallWorkload, func() error { return h.syscalls(ctx) })
	}
	return failed
}

// besides is about how many runs take as long as the components and the system calls do.
var besides = [...]float64{40, 300}

// pick returns the workloads that are meant by the names, and whether the parts and the
// system calls are.
func pick(names []string) (picked []workload, parts, calls bool, err error) {
	all := workloads()
	if len(names) == 0 {
		return all, true, true, nil
	}
	for _, name := range names {
		before := len(picked)
		for _, w := range all {
			if w.name == name || strings.HasPrefix(w.name, name+"-") && strings.HasPrefix(name, growing) {
				picked = append(picked, w)
			}
		}
		switch {
		case name == ComponentWorkload:
			parts = true
		case name == SyscallWorkload:
			calls = true
		case len(picked) == before:
			return nil, false, false, fmt.Errorf("no workload %q; there are %q", name, append(Names(), ComponentWorkload, SyscallWorkload))
		}
	}
	return picked, parts, calls, nil
}

// calibrations is how many runs it takes to find out how many messages are enough.
const calibrations = 2

// rounds is how many a workload has.
func (h *harness) rounds(w *workload) int {
	if w.rounds > 0 {
		return min(h.Rounds, w.rounds)
	}
	return h.Rounds
}

// effort is that of a round.
func (h *harness) effort(w *workload) float64 {
	return float64(len(w.variants)) * max(w.factor, 1)
}

// cpu is where client and sink go; -1: anywhere.
func (h *harness) cpu(p place) (client, server int) {
	n := len(h.cpus)
	switch {
	case n == 0 || p == anywhere || h.Smoke:
		return -1, -1
	case p == together || n == 1:
		return h.cpus[n-1], h.cpus[n-1]
	default:
		return h.cpus[n-1], h.cpus[n-2]
	}
}

// target is one client of a workload, and how many messages it is given.
type target struct {
	variant
	messages int
	start    *Sample // what starting it costs, with a message for each session; nil: not known apart
}

func (h *harness) workload(ctx context.Context, w workload) error {
	if ctx.Err() != nil {
		return nil
	}
	client, cpu := h.cpu(w.place)
	s, err := startSink(ctx, h.self, h.dir, cpu, w.load.TLS == load.StartTLS)
	if err != nil {
		return err
	}
	defer s.stop()
	addr := s.Addr
	if w.load.TLS == load.ImplicitTLS {
		addr = s.TLSAddr
	}
	if w.rtt > 0 {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return err
		}
		defer l.Close()
		go (&sink.Relay{To: addr, OneWay: w.rtt / 2}).Serve(l)
		addr = l.Addr().String()
	}
	w.load.Addr, w.load.CA = addr, s.CA
	if w.load.Hold {
		w.load.Sessions = min(w.load.Sessions, openFiles()-100)
	} else {
		if w.load.BodyFile, err = h.body(w.load.Size); err != nil {
			return err
		}
	}
	rounds := h.rounds(&w)
	var targets []target
	for _, v := range w.variants {
		if !h.wants(v.client) {
			continue
		}
		t, err := h.calibrate(ctx, w, v, s, client)
		if err != nil {
			fmt.Fprintf(h.Log, "%s %s %s: %v\n", w.name, v.client, v.name(), err)
			if err := h.results.add(Sample{Workload: w.name, Client: v.client, Mode: v.name(), Failed: err.Error()}); err != nil {
				return err
			}
			continue
		}
		targets = append(targets, *t)
	}
	h.clock.done += h.effort(&w) * calibrations
	for round := 1; round <= rounds && ctx.Err() == nil; round++ {
		rand.Shuffle(len(targets), func(i, j int) { targets[i], targets[j] = targets[j], targets[i] })
		for _, t := range targets {
			sample, err := h.run(ctx, w, t.variant, t.messages, s, client)
			if err == nil && t.start != nil {
				err = sample.less(t.start)
			}
			if err != nil {
				sample = &Sample{Failed: err.Error()}
			}
			sample.Workload, sample.Client, sample.Mode, sample.Round = w.name, t.client, t.name(), round
			if err := h.results.add(*sample); err != nil {
				return err
			}
			h.log(sample)
		}
		h.clock.done += h.effort(&w)
		fmt.Fprintf(h.Log, "%s: round %d of %d; %s left\n", w.name, round, rounds, h.clock.left().Round(time.Second))
	}
	return nil
}

// wants reports whether a client is to be run. No client is without the limit: what
// stands in the tables are ratios inside a round.
func (h *harness) wants(client string) bool {
	return len(h.Clients) == 0 || slices.Contains(h.Clients, client) || strings.HasPrefix(client, "blaster-")
}

func (h *harness) log(s *Sample) {
	switch {
	case s.Failed != "":
		fmt.Fprintf(h.Log, "%-8s %d %-14s %-16s %s\n", s.Workload, s.Round, s.Client, s.Mode, s.Failed)
	case s.Messages == 0:
		fmt.Fprintf(h.Log, "%-8s %d %-14s %-16s %8.2f KiB a session\n", s.Workload, s.Round, s.Client, s.Mode, s.RSS)
	default:
		n := float64(s.Messages)
		fmt.Fprintf(h.Log, "%-8s %d %-14s %-16s %9.0f msgs/s %9.2f us CPU %6.2f turns\n", s.Workload, s.Round, s.Client, s.Mode, n/s.Seconds, 1e6*(s.User+s.Sys)/n, s.Turns)
	}
}

// calibrate finds how many messages take about the time that is asked for, and what the
// start of a client that does not measure itself costs.
func (h *harness) calibrate(ctx context.Context, w workload, v variant, s *sinkProcess, cpu int) (*target, error) {
	t := &target{variant: v, messages: h.Messages}
	if w.load.Hold {
		t.messages = 1
		return t, nil
	}
	if !tells(v.client) && !w.load.Reconnect {
		start, err := h.run(ctx, w, v, w.load.Sessions, s, cpu)
		if err != nil {
			return nil, err
		}
		t.start = start
	}
	if t.messages == 0 {
		n, err := h.enough(ctx, w, v, s, cpu)
		if err != nil {
			return nil, err
		}
		t.messages = max(n, w.load.Endpoints)
	}
	if t.start != nil {
		t.messages += w.load.Sessions
	}
	return t, nil
}

func (h *harness) enough(ctx context.Context, w workload, v variant, s *sinkProcess, cpu int) (int, error) {
	want := h.Target.Seconds()
	if w.factor > 0 {
		want *= w.factor
	}
	n := w.load.Sessions * max(1, v.inflight) * 2
	for range 5 {
		sample, err := h.run(ctx, w, v, n, s, cpu)
		if err != nil {
			return 0, err
		}
		scale := want / max(sample.Seconds, 1e-6)
		n = max(1, int(float64(n)*min(scale, 50)))
		if scale < 3 {
			break
		}
	}
	return n, nil
}

// run is one run of one client.
func (h *harness) run(ctx context.Context, w workload, v variant, messages int, s *sinkProcess, cpu int) (*Sample, error) {
	l := w.load
	l.Messages, l.Mode, l.Inflight, l.Resume = messages, v.mode, max(1, v.inflight), v.resume
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	cmd, err := h.command(ctx, v, &l)
	if err != nil {
		return nil, err
	}
	var out, complaint bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &complaint
	before, err := s.stats()
	if err != nil {
		return nil, err
	}
	start := time.Now()
	if err := startOn(cmd, cpu); err != nil {
		return nil, err
	}
	if err := cmd.Wait(); err != nil {
		return nil, fmt.Errorf("%w: %s", err, clip(complaint.Bytes()))
	}
	took := time.Since(start)
	after, err := s.stats()
	if err != nil {
		return nil, err
	}
	sample := &Sample{Messages: messages, Size: int64(l.Size), Seconds: took.Seconds(), SinkCPU: after.CPU - before.CPU}
	if use, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage); ok {
		sample.User, sample.Sys, sample.MaxRSS = seconds(use.Utime), seconds(use.Stime), int64(use.Maxrss)
	}
	if tells(v.client) {
		var r load.Result
		if err := json.Unmarshal(out.Bytes(), &r); err != nil {
			return nil, fmt.Errorf("%w in %q", err, clip(out.Bytes()))
		}
		sample.Allocs, sample.Bytes, sample.Peak, sample.RSS, sample.Heap, sample.Goroutines = r.Allocs, r.Bytes, r.Peak, r.RSS, r.Heap, r.Goroutines
		sample.Seconds, sample.User, sample.Sys = r.Seconds, r.CPUUser, r.CPUSys
	}
	if l.Hold {
		sample.Messages = 0
	}
	if l.Hold || v.client == alone {
		return sample, nil
	}
	taken := after.Messages - before.Messages
	if taken < int64(messages) {
		return nil, fmt.Errorf("the sink has got %d of %d messages", taken, messages)
	}
	sample.Turns = float64(after.Turns-before.Turns) / float64(taken)
	return sample, nil
}

func seconds(t syscall.Timeval) float64 { return time.Duration(t.Nano()).Seconds() }

func clip(b []byte) string {
	b = bytes.TrimSpace(b)
	return string(b[max(0, len(b)-300):])
}

// openFiles is how many files a process may have open.
func openFiles() int {
	var r syscall.Rlimit
	if syscall.Getrlimit(syscall.RLIMIT_NOFILE, &r) != nil || r.Max > 1<<20 {
		return 1 << 20
	}
	return int(r.Max)
}

var errSink = errors.New("the sink has gone")
