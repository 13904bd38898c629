package fsm_test

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/parley-mail/parley/fsm"
)

// Together the arrows hold every edge that moves, once, but for the signals that are
// legal in any live state; and nothing that is not an edge.
func TestArrowsHoldWhatMoves(t *testing.T) {
	drawn := map[fsm.Edge]int{}
	pairs := map[string]bool{}
	for _, a := range fsm.Arrows() {
		if pairs[a.ID()] {
			t.Errorf("two arrows %s", a.ID())
		}
		pairs[a.ID()] = true
		inFlight := true
		for _, e := range a.Edges {
			drawn[e]++
			inFlight = inFlight && e.InFlight
			if e.From != a.From || e.To != a.To {
				t.Errorf("%s holds %v to %v", a.ID(), e.From, e.To)
			}
		}
		if a.InFlight() != inFlight {
			t.Errorf("%s: in flight %v", a.ID(), a.InFlight())
		}
	}
	for _, e := range fsm.Edges() {
		want := 1
		switch {
		case e.Input >= fsm.Shutdown:
			want = 0
		case e.From == e.To:
			want = drawn[e] // progress or not is the drawing's to say
		}
		if drawn[e] != want {
			t.Errorf("%v %v %v is drawn %d times", e.From, e.Input, e.To, drawn[e])
		}
		delete(drawn, e)
	}
	for e := range drawn {
		t.Errorf("%v %v %v is drawn and no edge", e.From, e.Input, e.To)
	}
}

func TestLabels(t *testing.T) {
	want := map[string]string{
		"fsm-edge-idle-connecting":       "dial",
		"fsm-edge-greeted-ready":         "EHLO HELO LHLO 2yz",
		"fsm-edge-greeted-refused":       "EHLO 4yz, HELO LHLO 4yz 5yz",
		"fsm-edge-ready-sender":          "MAIL SEND SOML SAML 2yz",
		"fsm-edge-sender-spoiled":        "(BDAT BDAT-LAST 2yz 4yz 5yz)",
		"fsm-edge-recipients-recipients": "RCPT BDAT-LAST+ 2yz",
		"fsm-edge-ready-closed":          "QUIT any",
	}
	for _, a := range fsm.Arrows() {
		if w, ok := want[a.ID()]; ok && a.Label() != w {
			t.Errorf("%s: %q, want %q", a.ID(), a.Label(), w)
		}
		delete(want, a.ID())
	}
	for id := range want {
		t.Errorf("no arrow %s", id)
	}
}

// DOT and the three Mermaid pictures have one line for each arrow.
func TestDOTAndMermaidHaveTheArrows(t *testing.T) {
	var want []string
	for _, a := range fsm.Arrows() {
		want = append(want, fmt.Sprintf("%v %v %s", a.From, a.To, a.Label()))
	}
	slices.Sort(want)
	for name, drawing := range map[string]struct{ text, arrow string }{
		"DOT":     {fsm.DOT(), `(?m)^\t(\w+) -> (\w+) \[id="[\w-]+", label="([^"]+)"`},
		"Mermaid": {fsm.Mermaid(), `(?m)^    (\w+) --> (\w+): (.+)$`},
	} {
		var got []string
		for _, m := range regexp.MustCompile(drawing.arrow).FindAllStringSubmatch(drawing.text, -1) {
			got = append(got, m[1]+" "+m[2]+" "+strings.ReplaceAll(m[3], `\n`, ", "))
		}
		slices.Sort(got)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
	if n := strings.Count(fsm.Mermaid(), "```mermaid\n"); n != 3 {
		t.Errorf("%d Mermaid pictures", n)
	}
	if !strings.Contains(fsm.Markdown(), fsm.Mermaid()) {
		t.Error("the page has not the pictures")
	}
}

func TestJSONHasTheEdges(t *testing.T) {
	var doc struct {
		States   []struct{ Name, Phase string }
		Commands []struct {
			Name     string
			Patience int `json:"patience_seconds"`
		}
		Edges []struct {
			From, Input, Command, Class, To, Ref string
			InFlight                             bool `json:"in_flight"`
		}
	}
	if err := json.Unmarshal([]byte(fsm.JSON()), &doc); err != nil {
		t.Fatal(err)
	}
	if len(doc.States) != len(fsm.States()) || len(doc.Commands) != len(fsm.Commands()) {
		t.Errorf("%d states, %d commands", len(doc.States), len(doc.Commands))
	}
	if s := doc.States[fsm.Sender]; s.Name != "sender" || s.Phase != "transaction" {
		t.Errorf("sender is %+v", s)
	}
	if c := doc.Commands[fsm.Quit]; c.Name != "QUIT" || c.Patience != 60 {
		t.Errorf("QUIT is %+v", c)
	}
	for k, e := range fsm.Edges() {
		got := doc.Edges[k]
		if got.From != e.From.String() || got.Input != e.Input.String() || got.To != e.To.String() || got.InFlight != e.InFlight || got.Ref != e.Ref {
			t.Errorf("edge %d is %+v, want %+v", k, got, e)
		}
		if !e.Input.Signal() && got.Command+" "+got.Class != got.Input {
			t.Errorf("edge %d: %q of class %q is %q", k, got.Command, got.Class, got.Input)
		}
	}
}

// The table for terminals is narrow and holds every row.
func TestTextTableFitsATerminal(t *testing.T) {
	text := fsm.TextTable()
	for line := range strings.Lines(text) {
		line = strings.TrimSuffix(line, "\n")
		if utf8.RuneCountInString(line) > 100 || strings.TrimRight(line, " ") != line {
			t.Errorf("bad line %q", line)
		}
	}
	for _, x := range fsm.Exchanges() {
		name := x.Command.String()
		if x.InFlight {
			name = "(" + name + ")"
		}
		if !regexp.MustCompile(`(?m)^` + regexp.QuoteMeta(name) + ` +` + x.In[0].String()).MatchString(text) {
			t.Errorf("no row for %s in %v", name, x.In[0])
		}
	}
}
