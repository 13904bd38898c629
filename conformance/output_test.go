package conformance_test

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"math"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/parley-mail/parley/conformance"
)

// talk is a case in which the server greets and the client says what.
func talk(header, what string) string {
	return header + "# rfc     C-1\n\ncall open\nS: 220 s.example\n" + what + "\n"
}

// oneOfEach are cases, one for each verdict.
var oneOfEach = fstest.MapFS{
	"a/fail.smtpt":         {Data: []byte(talk("", "C: HELO {name}"))},
	"a/inconclusive.smtpt": {Data: []byte(talk("", "alt {\nC: HELO {name}\n} or {\nC: EHLO {name}\n} as inconclusive"))},
	"a/latitude.smtpt":     {Data: []byte(talk("", "alt {\nC: HELO {name}\n} or {\nC: EHLO {name}\n} as latitude"))},
	"a/pass.smtpt":         {Data: []byte(talk("", "C: EHLO {name}"))},
	"b/skip.smtpt":         {Data: []byte(talk("# needs   socket\n", "C: EHLO {name}"))},
	"b/xfail.smtpt":        {Data: []byte(talk("# xfail   so it is\n", "C: HELO {name}"))},
	"b/xpass.smtpt":        {Data: []byte(talk("# xfail   so it was\n", "C: EHLO {name}"))},
}

func runOneOfEach(t *testing.T, only ...string) *conformance.Report {
	t.Helper()
	cases, err := conformance.Load(oneOfEach)
	if err != nil {
		t.Fatal(err)
	}
	if cases, err = conformance.Select(cases, only, nil); err != nil {
		t.Fatal(err)
	}
	return conformance.RunAll(conformance.Plan{Cases: cases})
}

// A run ends by the worst of its verdicts.
func TestExit(t *testing.T) {
	for _, test := range []struct {
		only   []string
		strict bool
		want   int
	}{
		{[]string{"a/pass"}, false, conformance.ExitClean},
		{[]string{"a/pass", "a/inconclusive", "b/skip", "b/xfail"}, false, conformance.ExitClean},
		{[]string{"a/latitude"}, false, conformance.ExitClean},
		{[]string{"a/latitude"}, true, conformance.ExitFinding},
		{[]string{"a/pass", "a/fail"}, false, conformance.ExitFinding},
		{[]string{"a/pass", "b/xpass"}, false, conformance.ExitFinding},
		{[]string{"a/inconclusive", "b/skip"}, false, conformance.ExitInconclusive},
		{[]string{"b/skip", "a/fail"}, false, conformance.ExitFinding},
	} {
		r := runOneOfEach(t, test.only...)
		r.Strict = test.strict
		if got := r.Exit(); got != test.want {
			t.Errorf("%v, strict %v: exit code %d, want %d", test.only, test.strict, got, test.want)
		}
	}
}

// If a control case fails nothing else means anything.
func TestControls(t *testing.T) {
	cases, err := conformance.Load(oneOfEach)
	if err != nil {
		t.Fatal(err)
	}
	good, err := conformance.Select(cases, []string{"a/pass"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	bad, err := conformance.Select(cases, []string{"a/fail"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	r := conformance.RunAll(conformance.Plan{Cases: good, Controls: bad})
	if r.Exit() != conformance.ExitInconclusive || r.Outcomes[0].Verdict != conformance.Inconclusive {
		t.Errorf("exit code %d, verdict %v", r.Exit(), r.Outcomes[0].Verdict)
	}
}

func TestTAP(t *testing.T) {
	var b bytes.Buffer
	r := runOneOfEach(t)
	if err := conformance.TAPHeader(&b, len(r.Outcomes)); err != nil {
		t.Fatal(err)
	}
	for i, o := range r.Outcomes {
		if err := conformance.TAP(&b, i+1, o); err != nil {
			t.Fatal(err)
		}
	}
	var points []string
	for line := range strings.Lines(b.String()) {
		if !strings.HasPrefix(line, " ") {
			points = append(points, strings.TrimSpace(line))
		}
	}
	want := []string{
		"TAP version 14", "1..7",
		"not ok 1 - a/fail",
		"ok 2 - a/inconclusive # SKIP the client takes a branch that says nothing",
		"ok 3 - a/latitude",
		"ok 4 - a/pass",
		"ok 5 - b/skip # SKIP needs socket",
		"not ok 6 - b/xfail # TODO so it is",
		"ok 7 - b/xpass # TODO so it was",
	}
	if diff := cmp.Diff(want, points); diff != "" {
		t.Error(diff)
	}
	if !strings.Contains(b.String(), "  ---\n  message: \"the client says something else\"\n  line: 5\n  wanted: \"C: HELO {name}\"\n") {
		t.Errorf("no diagnosis in\n%s", b.String())
	}
}

func TestJUnit(t *testing.T) {
	var b bytes.Buffer
	if err := conformance.JUnit(&b, runOneOfEach(t)); err != nil {
		t.Fatal(err)
	}
	var doc struct {
		Suites []struct {
			Name     string `xml:"name,attr"`
			Tests    int    `xml:"tests,attr"`
			Failures int    `xml:"failures,attr"`
			Skipped  int    `xml:"skipped,attr"`
			Cases    []struct {
				Name       string `xml:"name,attr"`
				Properties []struct {
					Value string `xml:"value,attr"`
				} `xml:"properties>property"`
			} `xml:"testcase"`
		} `xml:"testsuite"`
	}
	if err := xml.Unmarshal(b.Bytes(), &doc); err != nil {
		t.Fatal(err)
	}
	type figures struct {
		Name                     string
		Tests, Failures, Skipped int
	}
	var got []figures
	for _, s := range doc.Suites {
		got = append(got, figures{s.Name, s.Tests, s.Failures, s.Skipped})
		for _, c := range s.Cases {
			if len(c.Properties) != 1 || c.Properties[0].Value != "C-1" {
				t.Errorf("%s has the properties %v", c.Name, c.Properties)
			}
		}
	}
	if diff := cmp.Diff([]figures{{"a", 4, 1, 1}, {"b", 3, 1, 2}}, got); diff != "" {
		t.Error(diff)
	}
}

func TestJSON(t *testing.T) {
	var b bytes.Buffer
	if err := conformance.JSON(&b, runOneOfEach(t)); err != nil {
		t.Fatal(err)
	}
	var doc struct {
		Summary map[string]int
		Cases   []struct {
			ID, Verdict, Variant, Failure, Got string
			Line                               int
		}
	}
	if err := json.Unmarshal(b.Bytes(), &doc); err != nil {
		t.Fatal(err)
	}
	want := map[string]int{"pass": 1, "latitude": 1, "skip": 1, "inconclusive": 1, "xfail": 1, "fail": 1, "xpass": 1, "unstable": 0}
	if diff := cmp.Diff(want, doc.Summary); diff != "" {
		t.Error(diff)
	}
	fail := doc.Cases[0]
	if fail.ID != "a/fail" || fail.Verdict != "fail" || fail.Variant != "lenient:compiled:whole" || fail.Line != 5 || !strings.Contains(fail.Got, "EHLO client.example") {
		t.Errorf("%+v", fail)
	}
}

// A list of what is known to fail wants a reason for each.
func TestExpected(t *testing.T) {
	known, err := conformance.ReadExpected(strings.NewReader("# comment\n\na/fail  it says HELO\n"))
	if diff := cmp.Diff(map[string]string{"a/fail": "it says HELO"}, known); diff != "" || err != nil {
		t.Error(diff, err)
	}
	if _, err := conformance.ReadExpected(strings.NewReader("a/fail\n")); err == nil {
		t.Error("no reason is asked for")
	}
	cases, err := conformance.Load(oneOfEach)
	if err != nil {
		t.Fatal(err)
	}
	cases, err = conformance.Select(cases, []string{"a/fail", "a/pass"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	r := conformance.RunAll(conformance.Plan{Cases: cases, Expected: map[string]string{"a/fail": "HELO", "a/pass": "no"}})
	if got := []conformance.Verdict{r.Outcomes[0].Verdict, r.Outcomes[1].Verdict}; got[0] != conformance.XFail || got[1] != conformance.XPass {
		t.Errorf("verdicts %v", got)
	}
}

// A variant is written as it is read.
func TestVariant(t *testing.T) {
	for _, s := range []string{"lenient:compiled:whole", "strict:looplab:octets", "lenient:compiled:split:7", "strict:compiled:cut:12", "lenient:compiled:replace:3:rst", "lenient:looplab:lines"} {
		v, err := conformance.ParseVariant(s)
		if err != nil || v.String() != s {
			t.Errorf("%s is read as %v, %v", s, v, err)
		}
	}
	for _, s := range []string{"", "lenient", "bold:compiled:whole", "lenient:compiled:sideways", "lenient:compiled:cut", "lenient:compiled:cut:x", "lenient:compiled:replace:3", "lenient:compiled:replace:3:x"} {
		if v, err := conformance.ParseVariant(s); err == nil {
			t.Errorf("%q is read as %v", s, v)
		}
	}
}

// A report that is written and read says the same.
func TestReadJSON(t *testing.T) {
	r := runOneOfEach(t)
	r.Peer = conformance.Peer{Name: "x", Version: "1", Kind: conformance.ClientPeer, Target: "x {port}", When: time.Unix(1e9, 0).UTC()}
	r.Coverage = []conformance.Measure{{Name: "rows", Hit: 1, All: 2, Missing: []string{"ready: MAIL 2yz"}}}
	r.Edges = []conformance.Taken{{From: "ready", By: "MAIL 2yz", Times: 3}}
	r.Controls, r.Strict = r.Outcomes[:1], true
	var first, second bytes.Buffer
	if err := conformance.JSON(&first, r); err != nil {
		t.Fatal(err)
	}
	text := first.String()
	back, err := conformance.ReadJSON(&first)
	if err != nil {
		t.Fatal(err)
	}
	if err := conformance.JSON(&second, back); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(text, second.String()); diff != "" {
		t.Error(diff)
	}
	fail := back.Outcomes[0]
	if diff := cmp.Diff(r.Outcomes[0].Wire, fail.Wire); diff != "" || len(fail.Wire) == 0 {
		t.Error("dialogue:", diff)
	}
	if diff := cmp.Diff(r.Outcomes[0].Failure, fail.Failure); diff != "" {
		t.Error("failure:", diff)
	}
	if latitude := back.Outcomes[2]; latitude.Verdict != conformance.Latitude || len(latitude.Wire) == 0 {
		t.Errorf("latitude without its dialogue: %+v", latitude)
	}
	if r.Outcomes[0].Report() != fail.Report() {
		t.Errorf("for people:\n%s\n%s", r.Outcomes[0].Report(), fail.Report())
	}
	for _, text := range []string{
		"", "{}", `{"format":"parley-conformance","version":2}`, `{"format":"parley-conformance","version":1,"cases":[null]}`,
		`{"format":"parley-conformance","version":1,"cases":[{"id":"a/b","verdict":"good"}]}`,
		`{"format":"parley-conformance","version":1,"cases":[{"id":"a/b","verdict":"fail","variant":"x"}]}`,
	} {
		if _, err := conformance.ReadJSON(strings.NewReader(text)); err == nil {
			t.Errorf("%q is a report", text)
		}
	}
}

// Octets of one side become lines, and long ones are cut.
func TestAppendWire(t *testing.T) {
	lines := conformance.AppendWire(nil, 90*time.Second, "S", true, []byte("250 \x1b[2J<b>\r\n"+strings.Repeat("x", 300)+"\r\n25"))
	var got []string
	for _, l := range lines {
		got = append(got, l.String())
	}
	want := []string{`1:30.000  S*: 250 \x1b[2J<b>`, "1:30.000  S*: " + strings.Repeat("x", 200) + "… (302 octets)", "1:30.000  S*| 25"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// The document is as its schema says, and the schema has nothing else.
func TestReportSchema(t *testing.T) {
	text, err := os.ReadFile("../docs/report.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	var schema map[string]any
	if err := json.Unmarshal(text, &schema); err != nil {
		t.Fatal(err)
	}
	r := runOneOfEach(t)
	r.Peer = conformance.Peer{Name: "x", Version: "1", Kind: conformance.ClientPeer, Target: "x {port}", When: time.Unix(1e9, 0)}
	r.Outcomes[0].Case.Rfc, r.Outcomes[0].Case.Against, r.Outcomes[0].Case.Odd = []string{"C-5321-001"}, []string{"C-5321-002"}, []string{"O-G03"}
	r.Outcomes[0].Case.Level, r.Outcomes[0].Case.About = "MUST", "it says HELO"
	r.Outcomes[0].Wire = conformance.AppendWire(r.Outcomes[0].Wire, 0, "C", true, []byte("x"))
	r.Coverage = []conformance.Measure{{Name: "rows", Hit: 1, All: 2, Missing: []string{"ready: MAIL 2yz"}}}
	r.Edges = []conformance.Taken{{From: "ready", By: "MAIL 2yz", Times: 3}}
	r.Controls, r.Strict, r.Runs = r.Outcomes[:1], true, 2
	engine := runOneOfEach(t)
	used := map[string]bool{}
	for _, r := range []*conformance.Report{r, engine} {
		var b bytes.Buffer
		if err := conformance.JSON(&b, r); err != nil {
			t.Fatal(err)
		}
		var doc any
		if err := json.Unmarshal(b.Bytes(), &doc); err != nil {
			t.Fatal(err)
		}
		for _, fault := range faults(schema, schema, doc, "", used) {
			t.Error(fault)
		}
	}
	for _, path := range []string{"report", "peer", "measure", "edge", "requirement", "case", "line"} {
		of := schema
		if path != "report" {
			of = schema["$defs"].(map[string]any)[path].(map[string]any)
		}
		for name := range of["properties"].(map[string]any) {
			if !used[fmt.Sprintf("%p.%s", of, name)] {
				t.Errorf("no %s has the property %s", path, name)
			}
		}
	}
}

// faults says what is wrong with v, as far as the schema uses these words: $ref, type,
// const, enum, required, properties, additionalProperties, items.
func faults(root, schema map[string]any, v any, at string, used map[string]bool) (all []string) {
	if ref, ok := schema["$ref"].(string); ok {
		return faults(root, root["$defs"].(map[string]any)[strings.TrimPrefix(ref, "#/$defs/")].(map[string]any), v, at, used)
	}
	if want, ok := schema["const"]; ok && want != v {
		return []string{fmt.Sprintf("%s is %v, not %v", at, v, want)}
	}
	if want, ok := schema["enum"].([]any); ok && !slices.Contains(want, v) {
		return []string{fmt.Sprintf("%s is %v, none of %v", at, v, want)}
	}
	kind := "object"
	switch v := v.(type) {
	case string:
		kind = "string"
	case bool:
		kind = "boolean"
	case float64:
		kind = "number"
		if want := schema["type"]; want == "integer" && v == math.Trunc(v) {
			kind = "integer"
		}
	case []any:
		kind = "array"
		for i, item := range v {
			all = append(all, faults(root, schema["items"].(map[string]any), item, fmt.Sprintf("%s[%d]", at, i), used)...)
		}
	case map[string]any:
		properties, _ := schema["properties"].(map[string]any)
		required, _ := schema["required"].([]any)
		for _, name := range required {
			if _, ok := v[name.(string)]; !ok {
				all = append(all, at+" has no "+name.(string))
			}
		}
		for name, value := range v {
			of, ok := properties[name].(map[string]any)
			if !ok {
				of, ok = schema["additionalProperties"].(map[string]any)
			}
			if !ok {
				all = append(all, at+"."+name+" is not in the schema")
				continue
			}
			used[fmt.Sprintf("%p.%s", schema, name)] = true
			all = append(all, faults(root, of, value, at+"."+name, used)...)
		}
	}
	if want, ok := schema["type"]; ok && want != kind {
		all = append(all, fmt.Sprintf("%s is of the type %s, not %v", at, kind, want))
	}
	return all
}
