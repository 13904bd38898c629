//go:build unix

package foreign_test

import (
	"context"
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
	for fault, kind := range map[string]foreign.Kind{"crash": foreign.Crash, "hang": foreign.Hang, "lie": foreign.FalseAccepted, "honest": ""} {
		t.Run(fault, func(t *testing.T) {
			t.Parallel()
			f, err := foreign.New(foreign.Client{Command: program + " " + fault + " {host} {port}", Patience: 250 * time.Millisecond, Idle: 50 * time.Millisecond}, 1)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			x := hunt(t, f, 150)
			switch {
			case kind == "" && x != nil:
				t.Errorf("accused of %s: %s\n%s", x.Kind, x.Text, x.Script.Format())
			case kind == "":
			case x == nil:
				t.Error("not found out")
			case x.Kind != kind:
				t.Errorf("found %s instead of %s: %s\n%s%s", x.Kind, kind, x.Text, x.Script.Format(), x.Output)
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
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
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
				x, err := f.Next(ctx)
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
	if _, err := conformance.NewCase("found", x.Script); err != nil {
		t.Errorf("its script is no case: %v", err)
	}
	if !strings.Contains(string(x.Script.Format()), "--plan") {
		t.Error("the script does not say how to see it again")
	}
}

// A command that cannot be run is no finding.
func TestNoClient(t *testing.T) {
	if _, err := foreign.New(foreign.Client{Command: "true {bogus}"}, 1); err == nil {
		t.Error("an unknown placeholder is taken")
	}
	f, err := foreign.New(foreign.Client{Command: "/no/such/client {host}"}, 1)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if x, err := f.Next(t.Context()); err == nil {
		t.Errorf("no error, and %v", x)
	}
}
