package run_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/parley-mail/parley/bench/run"
)

// file writes results into a directory.
func file(t *testing.T, dir, name string, h run.Header, samples ...run.Sample) {
	t.Helper()
	f, err := os.Create(filepath.Join(dir, name))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	enc := json.NewEncoder(f)
	if err := enc.Encode(h); err != nil {
		t.Fatal(err)
	}
	for _, s := range samples {
		if err := enc.Encode(s); err != nil {
			t.Fatal(err)
		}
	}
}

func sample(workload, client string, turns float64) run.Sample {
	return run.Sample{Workload: workload, Client: client, Mode: "chunked", Round: 1, Turns: turns}
}

// The last whole comparison counts, and what came after it: that takes the place of what it
// is the same client and workload as, and of the failure of a whole workload.
func TestCurrent(t *testing.T) {
	dir := t.TempDir()
	file(t, dir, "1.jsonl", run.Header{Date: "long ago"}, sample("w1", "parley", 1))
	file(t, dir, "2.jsonl", run.Header{Date: "whole"}, sample("w1", "parley", 2), sample("w1", "mox", 3), sample("w2", "parley", 4), run.Sample{Workload: "w3", Failed: "it broke"}, run.Sample{Workload: "w4", Failed: "it broke"})
	file(t, dir, "3.jsonl", run.Header{Date: "part", Workloads: []string{"w1", "w3"}, Clients: []string{"parley"}}, sample("w1", "parley", 5), sample("w3", "parley", 6))
	names, err := run.Current(dir)
	if err != nil {
		t.Fatal(err)
	}
	r, err := run.Load(names...)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, h := range r.Headers {
		got = append(got, h.Date)
	}
	for _, s := range r.Samples {
		b, _ := json.Marshal([]any{s.From, s.Workload, s.Client, s.Turns, s.Failed})
		got = append(got, string(b))
	}
	want := []string{
		"whole", "part", `[0,"w1","mox",3,""]`, `[0,"w2","parley",4,""]`, `[0,"w4","",0,"it broke"]`, `[1,"w1","parley",5,""]`, `[1,"w3","parley",6,""]`,
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	if _, err := run.Current(t.TempDir()); err == nil {
		t.Error("an empty directory has results")
	}
}

// Who ends a comparison finds in its results what was not done, and why.
func TestEnded(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errors.New("enough"))
	name, err := run.Compare(ctx, run.Config{Rounds: 1, Smoke: true, Workloads: []string{"w1", "components"}, Parley: "true", Out: t.TempDir(), Log: io.Discard})
	if err == nil || name == "" {
		t.Fatal(name, err)
	}
	r, err := run.Load(name)
	if err != nil {
		t.Fatal(err)
	}
	for i, w := range []string{"w1", "components"} {
		if i >= len(r.Samples) || r.Samples[i].Workload != w || !strings.Contains(r.Samples[i].Failed, "enough") {
			t.Errorf("%+v", r.Samples)
		}
	}
}
