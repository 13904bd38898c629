//go:build unix

package foreign_test

import (
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/parley-mail/parley/conformance"
	"github.com/parley-mail/parley/conformance/foreign"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// build builds the client that can be wrong in several ways.
func build(t *testing.T) string {
	t.Helper()
	program := filepath.Join(t.TempDir(), "broken")
	out, err := exec.Command("go", "build", "-o", program, "./testdata/broken").CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return program
}

// Each broken client is found out by the plans that come first, and what finds it out is
// written down as a case. The same client without a fault is not accused.
func TestFindsBrokenClients(t *testing.T) {
	program := build(t)
	for fault, kind := range map[string]foreign.Kind{
		"crash": foreign.Crash, "hang": foreign.Hang, "lie": foreign.FalseAccepted, "shrug": foreign.FalseAccepted, "hoard": foreign.Memory, "honest": "",
	} {
		t.Run(fault, func(t *testing.T) {
			t.Parallel()
			patience := 5 * time.Second
			if fault == "hang" {
				patience = 250 * time.Millisecond // it takes all there is, every time
			}
			f, err := foreign.New(foreign.Client{Command: program + " " + fault + " {host} {port}", Patience: patience, Effort: 2 * time.Second}, 1)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			if err := f.Control(t.Context()); err != nil {
				t.Fatal(err)
			}
			x := hunt(t, f, 150)
			switch {
			case kind == "" && x != nil:
				t.Errorf("accused of %s: %s\n%s", x.Kind, x.Text, x.Script.Format())
			case kind == "":
			case x == nil:
				t.Error("not found out")
			case x.Kind != kind:
				t.Errorf("found %s instead of %s: %s\n%s", x.Kind, kind, x.Text, x.Script.Format())
			default:
				t.Logf("%x: %s\n%s", x.Plan, x.Text, x.Script.Format())
				again(t, f, x)
			}
		})
	}
}

// hunt plays sessions, some at once, until something is found.
func hunt(t *testing.T, f *foreign.Fuzzer, sessions int) *foreign.Finding {
	t.Helper()
	var mu sync.Mutex
	var found *foreign.Finding
	var working sync.WaitGroup
	for range 4 {
		working.Go(func() {
			for {
				mu.Lock()
				sessions--
				over := sessions < 0 || found != nil
				mu.Unlock()
				if over {
					return
				}
				x, err := f.Next(t.Context())
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				if found == nil {
					found = x
				}
				mu.Unlock()
			}
		})
	}
	working.Wait()
	return found
}

// again holds a finding to it that its plan shows it and its script is a case.
func again(t *testing.T, f *foreign.Fuzzer, x *foreign.Finding) {
	t.Helper()
	same, err := f.Replay(t.Context(), x.Plan)
	if err != nil || same == nil || same.Kind != x.Kind {
		t.Errorf("its plan shows %v, %v", same, err)
	}
	c, err := conformance.NewCase("found", x.Script)
	if err != nil {
		t.Fatalf("its script is no case: %v", err)
	}
	if o := conformance.Run(c, conformance.Options{Only: &conformance.Variant{}}); o.Verdict.Finding() {
		t.Errorf("its case is one that this engine does not pass:\n%s", o.Report())
	}
	if !strings.Contains(string(x.Script.Format()), x.Again) {
		t.Errorf("the case does not say how to see it again: %s", x.Again)
	}
}

// A client that does not get its message to a sound server cannot be fuzzed.
func TestControl(t *testing.T) {
	program := build(t)
	for command, want := range map[string]string{
		"true {host}":            "it does not come to {host}:{port}",
		"exit 75":                "it does not come to {host}:{port}",
		"/no/such/client {host}": "cannot be run",
		program + " honest {host} {port}; exit 3":  "exit code 3",
		program + " honest {host} {port}; exit 69": "took it for all recipients",
		program + " honest {host} {port}":          "",
	} {
		f, err := foreign.New(foreign.Client{Command: command, Patience: 250 * time.Millisecond}, 1)
		if err != nil {
			t.Fatal(err)
		}
		err = f.Control(t.Context())
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%s: %v, want %q", command, err, want)
		}
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	}
}
