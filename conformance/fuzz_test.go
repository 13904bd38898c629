package conformance_test

import (
	"bytes"
	"testing"

	"github.com/parley-mail/parley/conformance"
	"github.com/parley-mail/parley/conformance/smtpt"
)

// What is fuzzed holds for the engine as it is.
func TestFuzzer(t *testing.T) {
	count := 10000
	if raceEnabled || testing.Short() {
		count = 2000
	}
	f := conformance.NewFuzzer(1, conformance.Options{})
	for range count {
		if x := f.Next(); x != nil {
			t.Fatalf("%q\n%s\n%s", x.Data, x.Outcome.Report(), x.Case.Script.Format())
		}
	}
	if plans, pairs, _ := f.Seen(); plans < 100 || pairs < 500 {
		t.Errorf("%d plans are kept, that come by %d pairs", plans, pairs)
	}
}

// Engines that are wrong are found out within a few thousand sessions, and what finds them
// out is written down as a transcript that does so again.
func TestFuzzerFinds(t *testing.T) {
	for _, name := range []string{"lost-is-accepted", "half-reply-is-a-reply", "content-without-354", "drop:RCPT@recipients:4yz", "redirect:DATA@recipients:3yz"} {
		t.Run(name, func(t *testing.T) {
			m, ok := conformance.LookupMutant(name)
			if !ok {
				t.Fatal("no such mutant")
			}
			f := conformance.NewFuzzer(1, m.Options)
			for n := range 20000 {
				x := f.Next()
				if x == nil {
					continue
				}
				t.Logf("session %d, %d octets: %s", n, len(x.Data), x.Outcome.Failure.Text)
				text := x.Case.Script.Format()
				if !x.Shown {
					t.Fatalf("the transcript does not show it:\n%s", text)
				}
				script, err := smtpt.Parse("found", text)
				if err != nil {
					t.Fatalf("%v in\n%s", err, text)
				}
				c, err := conformance.NewCase("found", script)
				if err != nil {
					t.Fatal(err)
				}
				if conformance.Run(c, m.Options).Failure == nil {
					t.Errorf("this passes:\n%s", text)
				}
				return
			}
			t.Error("nothing found")
		})
	}
}

// A plan can be anything.
func FuzzPlan(f *testing.F) {
	f.Add([]byte{})
	f.Add(bytes.Repeat([]byte{7, 99, 31}, 60))
	f.Fuzz(func(t *testing.T, data []byte) {
		if o := conformance.Session(data, conformance.Options{}); o.Failure != nil {
			t.Fatal(o.Report())
		}
	})
}
