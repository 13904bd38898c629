package report_test

import (
	"encoding/xml"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/parley-mail/parley/bench/report"
	"github.com/parley-mail/parley/bench/run"
)

func sample(workload, client, mode string, round int, seconds float64) run.Sample {
	return run.Sample{Workload: workload, Client: client, Mode: mode, Round: round, Messages: 100, Size: 4096, Seconds: seconds, User: seconds / 2, Turns: 1}
}

// results are three rounds. In the second the machine was ten times as slow for all: the
// ratios are not moved by it.
func results() *run.Results {
	r := &run.Results{Header: run.Header{Date: "2026-11-26", Machine: "a | machine", Rounds: 3, Missing: map[string]string{"curl": "curl is not installed"}}}
	for round, slow := range []float64{1, 10, 1} {
		r.Samples = append(r.Samples,
			sample("w1", "blaster-go", "chunked", round+1, 0.9*slow), sample("w1", "parley", "chunked", round+1, 1*slow), sample("w1", "smtp-source", "plain", round+1, 2*slow),
			sample("rtt-1", "parley", "chunked", round+1, 1), sample("rtt-5", "parley", "chunked", round+1, 5))
	}
	r.Samples = append(r.Samples, run.Sample{Workload: "w3", Client: "parley", Mode: "chunked", Failed: "it\nfell | over"}, run.Sample{Workload: "w2", Failed: "the sink has gone"})
	return r
}

func write(t *testing.T, r *run.Results) (page, dir string) {
	t.Helper()
	dir = t.TempDir()
	if err := report.Write(r, dir); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(filepath.Join(dir, "performance.md"))
	if err != nil {
		t.Fatal(err)
	}
	return string(b), dir
}

func TestGoals(t *testing.T) {
	page, _ := write(t, results())
	for _, want := range []string{
		"| 2 | W1 chunked: msgs/s ÷ Go limit | ≥ 0.80 | ≥ 0.95 | 0.90 | – | yes |",
		"|  | W1 chunked: CPU ÷ Go limit | ≤ 1.20 | ≤ 1.05 | 1.11 | – | yes |",
		"|  | W1 chunked: CPU ÷ smtp-source | ≤ 0.33 | ≤ 0.27 | 0.50 | 0.45 | **no** |",
		"| 1 | W1 pipelined: msgs/s ÷ Go limit | ≥ 0.80 | ≥ 0.95 | – | – | not measured |",
		"| 11 | W3 BDAT: GB/s ÷ C limit | ≥ 0.95 | – | – | – | not measured: it fell / over |",
		"| client | 1 in flight |",
		"| smtp-source plain | 2 | – |",
		"| parley | chunked | 100 | 0.90 | 5000 | 5000 | 1.11 | 0.50 | 1 |",
		"curl is left out: curl is not installed.",
		"**w2 failed**: the sink has gone.",
		"w7, w7-100,", // of those that were not measured
	} {
		if !strings.Contains(page, want) {
			t.Errorf("no %q in\n%s", want, page)
		}
	}
}

// The drawings for which there are figures are there, and well-formed.
func TestDrawings(t *testing.T) {
	page, dir := write(t, results())
	names, err := filepath.Glob(filepath.Join(dir, "*.svg"))
	if err != nil {
		t.Fatal(err)
	}
	if len(names) != 2 { // round trips, processor time
		t.Errorf("%q", names)
	}
	for _, name := range names {
		if !strings.Contains(page, "("+filepath.Base(name)+")") {
			t.Errorf("%s is not on the page", name)
		}
		f, err := os.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		for d := xml.NewDecoder(f); ; {
			if _, err := d.Token(); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
		}
	}
}

// Without any figure there is a page all the same.
func TestNothing(t *testing.T) {
	page, dir := write(t, &run.Results{})
	if strings.Contains(page, "NaN") || strings.Contains(page, "Inf") || !strings.Contains(page, "## Goals") {
		t.Errorf("%s", page)
	}
	if names, err := filepath.Glob(filepath.Join(dir, "*.svg")); err != nil || len(names) > 0 {
		t.Error(names, err)
	}
}

// A page that is put together says of what, and ratios of figures that have no round in
// common are those of their medians.
func TestPieces(t *testing.T) {
	r := results()
	for i := range r.Samples {
		if s := &r.Samples[i]; s.Client == "parley" && s.Workload == "w1" {
			s.From, s.Seconds, s.User = 1, 0.3, 0.1
		}
	}
	r.Headers = []run.Header{r.Header, {Date: "2026-11-27", Workloads: []string{"w1"}, Clients: []string{"parley"}, Rounds: 5}}
	page, _ := write(t, r)
	for _, want := range []string{"| 2026-11-27 |  | 5 | w1 | parley |", "| 2 | W1 chunked: msgs/s ÷ Go limit | ≥ 0.80 | ≥ 0.95 | 3.00 | – | yes, moonshot |"} {
		if !strings.Contains(page, want) {
			t.Errorf("no %q in\n%s", want, page)
		}
	}
}

// grown is the cost of a message at each step of g-rcpts, in µs.
func grown(ours, limits [4]float64) *run.Results {
	r := &run.Results{}
	for i, n := range []string{"1", "10", "100", "1000"} {
		for client, us := range map[string]float64{"parley": ours[i], "blaster-go": limits[i]} {
			r.Samples = append(r.Samples, run.Sample{Workload: "g-rcpts-" + n, Client: client, Mode: "chunked", Round: 1, Messages: 1, Seconds: 1, User: us / 1e6})
		}
	}
	return r
}

// Growth is worse than linear where the exponent is above 1 and above the limit's.
func TestGrowth(t *testing.T) {
	even := [4]float64{10, 10, 10, 10}
	for _, c := range []struct {
		name         string
		ours, limits [4]float64
		want         string
	}{
		{"linear", [4]float64{10, 100, 1000, 10000}, even, "**Nothing is worse than linear**: the steepest exponent of Parley is 1.00"},
		{"worse", [4]float64{10, 100, 1000, 20000}, even, "**Worse than linear** (above 1.1, and above the limit by 0.1): g-rcpts, parley chunked up to 1000: 1.30."},
		{"as the limit", [4]float64{10, 100, 1000, 20000}, [4]float64{1, 1, 1, 18}, "**Nothing is worse than linear**: the steepest exponent of Parley is 1.30"},
	} {
		page, _ := write(t, grown(c.ours, c.limits))
		if !strings.Contains(page, c.want) {
			t.Errorf("%s: no %q in\n%s", c.name, c.want, page)
		}
	}
}
