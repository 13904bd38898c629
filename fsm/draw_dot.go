package fsm

import (
	"fmt"
	"strings"
)

// colours of a phase on a light ground.
type colours struct{ fill, line string }

var phaseColours = [numPhases]colours{
	PhaseOpening:     {"#ddf4ff", "#0969da"},
	PhaseReady:       {"#dafbe1", "#1a7f37"},
	PhaseTransaction: {"#fff3d6", "#9a6700"},
	PhaseClosed:      {"#eaeef2", "#57606a"},
	PhaseFailed:      {"#ffebe9", "#cf222e"},
}

// DOT returns the arrows for Graphviz. States and arrows have stable ids, which
// "dot -Tsvg" keeps: "fsm-state-ready", "fsm-edge-ready-sender".
func DOT() string {
	var b strings.Builder
	b.WriteString(dotHead)
	for s := range numStates {
		c := phaseColours[s.Phase()]
		fmt.Fprintf(&b, "\t%v [id=%q, class=%q, label=\"%v\\n%s\", fillcolor=%q, color=%q];\n",
			s, stateID(s), s.Phase().String(), s, s.Note(), c.fill, c.line)
	}
	b.WriteString("\n")
	for _, a := range Arrows() {
		var labels []string
		for _, l := range a.Labels() {
			labels = append(labels, l.String())
		}
		style := ""
		if a.InFlight() {
			style = ", style=dashed"
		}
		fmt.Fprintf(&b, "\t%v -> %v [id=%q, label=\"%s\", tooltip=%q%s];\n",
			a.From, a.To, a.ID(), strings.Join(labels, `\n`), joinRefs(a.Refs()), style)
	}
	b.WriteString("}\n")
	return b.String()
}

const dotHead = `// Generated from fsm/table.go by "go generate ./fsm". Do not edit.
digraph fsm {
	rankdir=LR;
	labelloc=b;
	fontname="Helvetica";
	label="MAIL 2yz: a reply of class 2yz to MAIL. Dashed: in flight only.\lNot drawn: from any live state 421, malformed, lost and expired lead to failed; abort leads to closed.\l";
	node [shape=box, style="rounded,filled", fontname="Helvetica", fontsize=12];
	edge [fontname="Helvetica", fontsize=10];

`
