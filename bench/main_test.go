package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/parley-mail/parley/bench/report"
	"github.com/parley-mail/parley/bench/run"
)

// The harness starts itself for the sink and for every client in Go.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && !strings.HasPrefix(os.Args[1], "-") {
		if err := command(context.Background(), os.Args[1:]); err != nil {
			fmt.Fprintln(os.Stderr, "bench:", err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// Every client that can be had here does every workload that is meant for it, and the
// report has a figure for each goal. Nothing is timed. Of the workloads that only draw a
// curve there is one each.
func TestSmoke(t *testing.T) {
	// Each of the programs would wait for a second when it ends, were it built with the race detector.
	t.Setenv("GORACE", "atexit_sleep_ms=0")
	names := slices.DeleteFunc(run.Names(), func(name string) bool {
		return strings.HasPrefix(name, "rtt-") && name != "rtt-1" || strings.HasPrefix(name, "sessions-") && name != "sessions-4"
	})
	var log bytes.Buffer
	c := run.Config{
		Rounds: 1, Messages: 3, Workloads: names, Smoke: true, Out: t.TempDir(), Log: &log, Source: run.Source{Blaster: blaster, Smtplib: smtplib, Nodemailer: nodemailer},
	}
	name, err := run.Compare(t.Context(), c)
	if err != nil {
		t.Fatalf("%v\n%s", err, log.Bytes())
	}
	r, err := run.Load(name)
	if err != nil {
		t.Fatal(err)
	}
	if _, missing := r.Header.Missing["parley"]; missing {
		t.Errorf("parley: %s", r.Header.Missing["parley"])
	}
	done := map[string]bool{}
	for _, s := range r.Samples {
		// A few messages may take less time than the start of a program does.
		if s.Failed != "" && r.Header.Missing[s.Client] == "" && !strings.HasPrefix(s.Failed, "the start took longer") {
			t.Errorf("%s %s: %s", s.Workload, s.Key(), s.Failed)
		}
		done[s.Workload] = done[s.Workload] || s.Failed == ""
	}
	for _, w := range names {
		if !done[w] {
			t.Errorf("%s was not done", w)
		}
	}
	dir := t.TempDir()
	if err := report.Write(r, dir); err != nil {
		t.Fatal(err)
	}
	page, err := os.ReadFile(filepath.Join(dir, "performance.md"))
	if err != nil {
		t.Fatal(err)
	}
	needsMore := regexp.MustCompile(`system calls|smtp-source|curl|C limit|^\| 20|^\|  \| (ns|stuffing|allocations, the worst of)|KiB`)
	for line := range strings.Lines(string(page)) {
		if strings.Contains(line, "not measured") && !needsMore.MatchString(line) {
			t.Errorf("%s", line)
		}
	}
}

func TestUsage(t *testing.T) {
	for _, args := range [][]string{nil, {"what"}, {"client"}, {"client", "nobody"}, {"compare", "--workload", "w99", "--out", t.TempDir(), "--docs", ""}, {"report", "--in", "/does/not/exist"}} {
		if err := command(t.Context(), args); err == nil {
			t.Errorf("%q was taken", args)
		}
	}
}

// A comparison of an unknown workload leaves nothing behind.
func TestUnknownWorkload(t *testing.T) {
	dir := t.TempDir()
	if _, err := run.Compare(t.Context(), run.Config{Workloads: []string{"w99"}, Out: dir, Log: io.Discard}); err == nil {
		t.Error("it was taken")
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Error(left, err)
	}
}
