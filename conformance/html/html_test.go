package html_test

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/parley-mail/parley/conformance"
	"github.com/parley-mail/parley/conformance/html"
)

// woods are clients that do not exist, each with a fault that does.
var woods = map[string]string{
	"Ash": "count-by-text", "Birch": "no-transparency", "Cedar": "pipeline-unasked", "Elm": "bare-lf", "Fir": "end-on-failure",
	"Gorse": "skip-lone-dot", "Hazel": "no-helo", "Ivy": "secret-in-clear", "Larch": "lost-is-accepted", "Maple": "keep-clear-octets",
}

// matrix returns the reports of runs of the engine, of ten clients and of two servers,
// with all cases.
func matrix(t *testing.T) []*conformance.Report {
	t.Helper()
	cases, err := conformance.Suite()
	if err != nil {
		t.Fatal(err)
	}
	when := time.Unix(1_790_000_000, 0)
	plan := conformance.Plan{Cases: cases, Workers: runtime.GOMAXPROCS(0), Peer: conformance.Peer{Name: "parley", Version: "1.0", Kind: conformance.EnginePeer, When: when}}
	plan.Facts = conformance.NewFacts()
	reports := []*conformance.Report{conformance.RunAll(plan)}
	for _, name := range slices.Sorted(func(yield func(string) bool) {
		for name := range woods {
			if !yield(name) {
				return
			}
		}
	}) {
		m, ok := conformance.LookupMutant(woods[name])
		if !ok {
			t.Fatal("no mutant", woods[name])
		}
		plan := conformance.Plan{Cases: cases, Workers: runtime.GOMAXPROCS(0), Options: m.Options}
		plan.Only = &conformance.Variant{} // one way is enough to look at
		plan.Peer = conformance.Peer{Name: name, Version: "1.0", Kind: conformance.ClientPeer, Target: strings.ToLower(name) + " --to {host}:{port}", When: when}
		r := conformance.RunAll(plan)
		for i, o := range r.Outcomes { // clients are not all wrong or right
			if o.Verdict == conformance.Pass && i%37 == len(name) {
				o.Verdict, o.Wire = conformance.Latitude, conformance.AppendWire(nil, 0, "S", false, []byte("220 s.example\r\n"))
			}
			if o.Verdict == conformance.Pass && i%41 == len(name) {
				o.Verdict, o.Reason = conformance.Skip, "it cannot do that"
			}
		}
		reports = append(reports, r)
	}
	return append(reports, server("mx.example", when), server("mail.example", when))
}

// server returns the report of a run against a server that does not exist.
func server(name string, when time.Time) *conformance.Report {
	r := &conformance.Report{Peer: conformance.Peer{Name: name, Kind: conformance.ServerPeer, Target: name + ":25", When: when}}
	for i := range 150 {
		o := &conformance.Outcome{
			Case:    &conformance.Case{ID: fmt.Sprintf("server/area-%d/check-%d", i/15, i), Level: "MUST", About: "The server does as it must.", Rfc: []string{"S-5321-001"}},
			Verdict: conformance.Verdicts()[i%5],
		}
		if o.Verdict == conformance.XFail {
			o.Verdict, o.Failure = conformance.Fail, &conformance.Failure{Text: "the reply is wrong", Want: "250", Got: "500 5.5.1 What?"}
			o.Wire = conformance.AppendWire(nil, 0, "S", false, []byte("220 mx.example\r\n"))
			o.Wire = conformance.AppendWire(o.Wire, time.Second, "C", true, []byte("EHLO parley.example\r\n"))
			o.Again = "parley conform server --target " + name + ":25 " + o.Case.ID
		}
		r.Outcomes = append(r.Outcomes, o)
	}
	return r
}

func write(t *testing.T, reports ...*conformance.Report) string {
	t.Helper()
	var b bytes.Buffer
	if err := html.Write(&b, reports...); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

var packed = regexp.MustCompile(`<script type="application/octet-stream" id="packed">([\w-]*)</script>`)

// unpacked returns the page as the script makes it: with what is packed in its place. It
// reports whether anything was.
func unpacked(t *testing.T, page string) (string, bool) {
	t.Helper()
	m := packed.FindStringSubmatchIndex(page)
	if m == nil {
		return page, false
	}
	zip, err := gzip.NewReader(base64.NewDecoder(base64.RawURLEncoding, strings.NewReader(page[m[2]:m[3]])))
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(zip)
	if err != nil {
		t.Fatal(err)
	}
	return page[:m[0]] + string(text) + page[m[1]:], true
}

var (
	refs    = regexp.MustCompile(`\s(?:href|src|action|xlink:href)="([^"]*)"|url\(([^)]*)\)|@import`)
	anchors = regexp.MustCompile(`\sid="([^"]*)"`)
)

// A full matrix fits into 2 MB, points nowhere outside, and says what was found.
func TestMatrix(t *testing.T) {
	reports := matrix(t)
	page := write(t, reports...)
	t.Logf("%d octets", len(page))
	if len(page) > 2<<20 {
		t.Errorf("%d octets", len(page))
	}
	page, many := unpacked(t, page)
	if !many {
		t.Error("nothing is packed")
	}
	ids := map[string]bool{}
	for _, m := range anchors.FindAllStringSubmatch(page, -1) {
		if ids[m[1]] {
			t.Errorf("two elements have the id %q", m[1])
		}
		ids[m[1]] = true
	}
	for _, m := range refs.FindAllStringSubmatch(page, -1) {
		target := m[1] + m[2]
		switch {
		case target == "data:,", target == "#badge-round":
		case strings.HasPrefix(target, "#case=") && strings.Contains(target, "&amp;peer="):
			if !ids[target[1:]] {
				t.Errorf("%s leads nowhere", target)
			}
		case strings.HasPrefix(target, "#case="), strings.HasPrefix(target, "#peer="):
		case strings.HasPrefix(target, "#") && ids[target[1:]]:
		default:
			t.Errorf("%q leads outside", m[0])
		}
	}
	for _, r := range reports {
		for _, o := range r.Outcomes {
			if o.Verdict == conformance.Fail && !strings.Contains(page, ">"+o.Reproduce()+"<") {
				t.Errorf("how to play %s again is missing", o.Case.ID)
			}
		}
	}
	for _, text := range []string{"<td class=p>✓<td class=", "Dialogue, ", "; taken ", ">RFC 821<", "<optgroup label=\"Server\">"} {
		if !strings.Contains(page, text) {
			t.Errorf("%q is missing", text)
		}
	}
}

const bad = "\"'><script>hacked=1</script><img src=http://x.example/ onerror=hacked=1></pre></style>{{.}}\u202etxt.exe\u2066\x1b[2J\x00\xff\u0301\u200b]]>"

// hostile is a report every text of which wants out.
func hostile() *conformance.Report {
	c := &conformance.Case{ID: "a" + bad + "/b" + bad, About: bad, Level: bad, Rfc: []string{bad, "C-5321-001"}, Against: []string{bad}, Odd: []string{bad}}
	o := &conformance.Outcome{
		Case: c, Verdict: conformance.Fail, Reason: bad, Failure: &conformance.Failure{Text: bad, Want: bad, Got: bad},
		Wire:  []conformance.Line{{By: "S", Text: bad}, {By: bad, Text: "x\ny"}, {By: "C", Text: bad, TLS: true, Open: true}},
		Moves: []string{"ready" + bad + " -> " + bad + " (" + bad + ")"}, Again: "rm " + bad,
	}
	skip := &conformance.Outcome{Case: &conformance.Case{ID: "z/skip"}, Verdict: conformance.Skip, Reason: bad}
	return &conformance.Report{
		Peer:     conformance.Peer{Name: bad, Version: bad, Kind: "client" + bad, Target: bad},
		Outcomes: []*conformance.Outcome{o, skip}, Controls: []*conformance.Outcome{o},
		Coverage: []conformance.Measure{{Name: bad, Hit: 1, All: 2, Missing: []string{bad}}},
		Edges:    []conformance.Taken{{From: bad, By: bad, Times: 1}},
	}
}

// Nothing of a hostile report is markup, and nothing of it is unseen.
func TestHostile(t *testing.T) {
	t.Run("told", func(t *testing.T) { harmless(t, 1, false) })
	t.Run("packed", func(t *testing.T) { harmless(t, 200, true) })
}

func harmless(t *testing.T, reports int, many bool) {
	page, is := unpacked(t, write(t, slices.Repeat([]*conformance.Report{hostile()}, reports)...))
	if is != many {
		t.Errorf("packed: %v", is)
	}
	for _, tag := range []string{"<script>hacked", "<img", "</pre></style>", "{{.}}<", "\u202e", "\u2066", "\x1b", "\x00", "\xff", "\u0301", "\u200b"} {
		if i := strings.Index(page, tag); i >= 0 {
			t.Errorf("%q is in the page: %q", tag, page[max(0, i-60):min(len(page), i+40)])
		}
	}
	if n := strings.Count(page, "<script"); n != 2 {
		t.Errorf("%d scripts", n)
	}
	for _, text := range []string{`\u{202e}`, `\u{1b}`, `\xff`, "&lt;img src=http://x.example/"} {
		if !strings.Contains(page, text) {
			t.Errorf("%q is not shown", text)
		}
	}
	_, after, _ := strings.Cut(page, `<script type="application/json" id="data">`)
	text, _, _ := strings.Cut(after, "</script>")
	var data map[string]any
	if err := json.Unmarshal([]byte(text), &data); err != nil {
		t.Errorf("the data is no JSON: %v", err)
	}
}

// An engine without a finding and a report without cases are pages, too.
func TestPlain(t *testing.T) {
	for _, reports := range [][]*conformance.Report{nil, {{}}, {{Outcomes: []*conformance.Outcome{{Case: &conformance.Case{ID: "a/b"}}}}}} {
		if page := write(t, reports...); !strings.Contains(page, "There are none.") {
			t.Errorf("%v: findings without any", reports)
		}
	}
}

// The drawing says what was taken, in part, and not at all.
func TestMachine(t *testing.T) {
	r := &conformance.Report{
		Outcomes: []*conformance.Outcome{{Case: &conformance.Case{ID: "a/b"}}},
		Edges:    []conformance.Taken{{From: "idle", By: "dial", Times: 3}, {From: "greeted", By: "EHLO 2yz", Times: 2}, {From: "ready", By: "lost", Times: 1}},
	}
	page := write(t, r)
	for id, want := range map[string]string{
		"idle-connecting": `class="hit edge happy">` + "\n<title>idle → connecting: dial (RFC 5321 §3.1); taken 3 times</title>",
		"greeted-ready":   `class="part edge happy">` + "\n<title>greeted → ready: EHLO HELO LHLO 2yz",
		"ready-sender":    `class="miss edge happy">`,
	} {
		if !strings.Contains(page, fmt.Sprintf(`<g id="m0-edge-%s" %s`, id, want)) {
			_, after, _ := strings.Cut(page, "m0-edge-"+id)
			t.Errorf("%s: %.200s", id, after)
		}
	}
	if !strings.Contains(page, "taken 2 times, but not by HELO 2yz, LHLO 2yz") || !strings.Contains(page, `<span class="cell p" title="taken 1 times">✓</span>`) {
		t.Error("what was taken is not said")
	}
	// What a report says cannot be reached is not missing.
	r.Coverage = []conformance.Measure{{Name: "rows", Hit: 1, All: 1}}
	if page := write(t, r); strings.Contains(page, `class="miss edge`) {
		t.Error("an arrow is missing that is excluded")
	}
}
