package conformance_test

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/parley-mail/parley/conformance"
)

// run is a report of a client with verdicts by id: "a/b=fail c/d=pass".
func run(name string, verdicts string) *conformance.Report {
	r := &conformance.Report{Peer: conformance.Peer{Name: name, Kind: conformance.ClientPeer}}
	for word := range strings.FieldsSeq(verdicts) {
		id, verdict, _ := strings.Cut(word, "=")
		o := &conformance.Outcome{Case: &conformance.Case{ID: id, Rfc: []string{"C-1"}}, Plays: 1, Duration: time.Second}
		if err := o.Verdict.UnmarshalText([]byte(verdict)); err != nil {
			panic(err)
		}
		if o.Verdict == conformance.Fail {
			o.Failure = &conformance.Failure{Text: "it fails"}
			o.Wire = conformance.AppendWire(nil, 0, "C", false, []byte("HELO\r\n"))
		}
		r.Outcomes = append(r.Outcomes, o)
	}
	return r
}

// What runs agree on stays; what they do not agree on is unstable; what says nothing does
// not vote.
func TestMerge(t *testing.T) {
	one := run("x", "a/1=pass a/2=pass a/3=fail a/4=skip a/5=pass a/6=fail a/7=latitude")
	two := run("x", "a/1=pass a/2=fail a/3=fail a/4=skip a/5=inconclusive a/7=pass b/8=pass")
	two.Peer.When = time.Unix(5, 0)
	other := run("y", "a/1=fail")
	server := run("x", "a/1=pass")
	server.Peer.Kind = conformance.ServerPeer
	engine := run("x", "a/1=pass")
	engine.Peer.Kind = ""
	merged := conformance.Merge([]*conformance.Report{server, one, other, two, engine})
	if len(merged) != 4 || merged[0] != engine || merged[2] != other || merged[3] != server {
		t.Fatalf("%d reports", len(merged))
	}
	r := merged[1]
	var got []string
	for _, o := range r.Outcomes {
		got = append(got, fmt.Sprintf("%s %v %d %s", o.Case.ID, o.Verdict, o.Plays, o.Reason))
	}
	want := []string{
		"a/1 pass 2 ", "a/2 unstable 2 of 2 runs: 1 pass, 1 fail", "a/3 fail 2 ", "a/4 skip 2 ", "a/5 pass 2 of 2 runs: 1 pass, 1 inconclusive",
		"a/6 fail 1 ", "a/7 unstable 2 of 2 runs: 1 pass, 1 latitude", "b/8 pass 1 ",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if r.Runs != 2 || !r.Peer.When.Equal(time.Unix(5, 0)) || r.Exit() != conformance.ExitFinding {
		t.Errorf("%d runs, %v, exit code %d", r.Runs, r.Peer.When, r.Exit())
	}
	if unstable := r.Outcomes[1]; unstable.Failure == nil || len(unstable.Wire) == 0 {
		t.Error("what is unstable does not show its failure")
	}
	if one.Outcomes[1].Verdict != conformance.Pass || two.Outcomes[1].Verdict != conformance.Fail {
		t.Error("the runs are changed")
	}
	// Merging what was merged counts all runs.
	if again := conformance.Merge([]*conformance.Report{r, run("x", "a/1=pass")})[0]; again.Runs != 3 {
		t.Errorf("%d runs", again.Runs)
	}
}

// Coverage of merged runs is what both have reached.
func TestMergeCoverage(t *testing.T) {
	one, two := run("x", "a/1=pass"), run("x", "a/1=pass")
	one.Coverage = []conformance.Measure{{Name: "rows", Hit: 1, All: 3, Missing: []string{"q", "r"}}}
	two.Coverage = []conformance.Measure{{Name: "rows", Hit: 1, All: 3, Missing: []string{"p", "r"}}}
	one.Edges = []conformance.Taken{{From: "p", By: "x", Times: 2}}
	two.Edges = []conformance.Taken{{From: "q", By: "x", Times: 1}, {From: "p", By: "x", Times: 3}}
	r := conformance.Merge([]*conformance.Report{one, two})[0]
	if diff := cmp.Diff([]conformance.Measure{{Name: "rows", Hit: 2, All: 3, Missing: []string{"r"}}}, r.Coverage); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]conformance.Taken{{From: "p", By: "x", Times: 5}, {From: "q", By: "x", Times: 1}}, r.Edges); diff != "" {
		t.Error(diff)
	}
}

// JUnit of several peers has a suite for each area of each; unstable is a failure.
func TestJUnitPeers(t *testing.T) {
	var b bytes.Buffer
	merged := conformance.Merge([]*conformance.Report{run("x", "a/1=pass a/2=fail"), run("x", "a/1=latitude a/2=fail"), run("y", "a/1=pass b/1=skip")})
	if err := conformance.JUnit(&b, merged...); err != nil {
		t.Fatal(err)
	}
	var doc struct {
		Suites []struct {
			Name     string `xml:"name,attr"`
			Tests    int    `xml:"tests,attr"`
			Failures int    `xml:"failures,attr"`
			Skipped  int    `xml:"skipped,attr"`
			Cases    []struct {
				Time    float64 `xml:"time,attr"`
				Failure *struct {
					Message string `xml:"message,attr"`
				} `xml:"failure"`
			} `xml:"testcase"`
		} `xml:"testsuite"`
	}
	if err := xml.Unmarshal(b.Bytes(), &doc); err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, s := range doc.Suites {
		got = append(got, fmt.Sprintf("%s %d %d %d", s.Name, s.Tests, s.Failures, s.Skipped))
	}
	if diff := cmp.Diff([]string{"x.a 2 2 0", "y.a 1 0 0", "y.b 1 0 1"}, got); diff != "" {
		t.Fatal(diff)
	}
	cases := doc.Suites[0].Cases
	if cases[0].Failure.Message != "of 2 runs: 1 pass, 1 latitude" || cases[1].Failure.Message != "it fails" || cases[1].Time != 2 {
		t.Errorf("%+v", cases)
	}
}

// A badge sums up, and is a picture.
func TestBadge(t *testing.T) {
	many := &conformance.Report{Peer: conformance.Peer{Kind: conformance.EnginePeer}}
	for range 1842 {
		many.Outcomes = append(many.Outcomes, &conformance.Outcome{Case: &conformance.Case{ID: "a/b"}})
	}
	for _, test := range []struct {
		reports []*conformance.Report
		want    string
		colour  string
	}{
		{nil, "0 pass", "#57606a"},
		{[]*conformance.Report{many}, "1\u202f842 pass", "#1a7f37"},
		{[]*conformance.Report{many, run("x", "a/1=pass"), run("y", "a/1=fail a/2=skip")}, "1 engine · 2 clients · 1\u202f843 pass · 1 fail", "#b42318"},
		{[]*conformance.Report{run("x", "a/1=skip")}, "1 client · 0 pass", "#57606a"},
		{[]*conformance.Report{run("x", "a/1=unstable a/2=xpass a/3=latitude")}, "1 client · 0 pass · 1 xpass · 1 unstable", "#b42318"},
	} {
		if got := conformance.BadgeText(test.reports...); got != test.want {
			t.Errorf("%q, want %q", got, test.want)
		}
		var b bytes.Buffer
		if err := conformance.Badge(&b, test.reports...); err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(b.String(), `fill="`+test.colour+`"`) || !strings.Contains(b.String(), ">"+test.want+"</text>") {
			t.Errorf("%s: the badge is %s", test.want, b.String())
		}
		for d := xml.NewDecoder(&b); ; {
			if _, err := d.Token(); err == io.EOF {
				break
			} else if err != nil {
				t.Fatalf("%s: %v", test.want, err)
			}
		}
	}
}
