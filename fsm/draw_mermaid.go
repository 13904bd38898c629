package fsm

import (
	"fmt"
	"strings"
)

// picture is one of the three parts in which the machine is readable in Mermaid.
type picture struct {
	title, words string
	shows        func(Arrow) bool
}

var pictures = []picture{
	{
		"Opening",
		"From nothing to a session. After STARTTLS everything the server said is forgotten\nand EHLO comes again (RFC 3207 §4.2).",
		func(a Arrow) bool { return !a.To.Over() && !inTransaction(a) },
	},
	{
		"Mail transaction",
		"One message. A refusal without an arrow leaves the state as it is. In parentheses:\nin flight only; such a command may be answered there but not sent there.",
		func(a Arrow) bool { return !a.To.Over() && inTransaction(a) },
	},
	{
		"Ending",
		"The arrows are the replies that end a session; \"any\" is whatever the reply, or none. Not drawn: in any live state `421`,\n`malformed`, `lost` and `expired` lead to failed, and `abort` leads to closed, also from idle.",
		func(a Arrow) bool { return a.To.Over() },
	},
}

func inTransaction(a Arrow) bool { return a.From.InTransaction() || a.To.InTransaction() }

// Mermaid returns three state diagrams as Markdown: the opening, the mail
// transaction, the ending. Each is a fenced block under a heading and a few words;
// each arrow of [Arrows] is in exactly one of them.
func Mermaid() string {
	var b strings.Builder
	for i, p := range pictures {
		if i > 0 {
			b.WriteString("\n")
		}
		fmt.Fprintf(&b, "### %s\n\n%s\n\n```mermaid\n", p.title, p.words)
		p.draw(&b)
		b.WriteString("```\n")
	}
	return b.String()
}

func (p picture) draw(b *strings.Builder) {
	b.WriteString("stateDiagram-v2\n    direction LR\n")
	shown := [numStates]bool{}
	for _, a := range Arrows() {
		if !p.shows(a) {
			continue
		}
		shown[a.From], shown[a.To] = true, true
		fmt.Fprintf(b, "    %v --> %v: %s\n", a.From, a.To, a.Label())
	}
	for ph := range numPhases {
		var members []string
		for s := range numStates {
			if shown[s] && s.Phase() == ph {
				members = append(members, s.String())
			}
		}
		if len(members) > 0 {
			c := phaseColours[ph]
			fmt.Fprintf(b, "    classDef %v fill:%s,stroke:%s,color:#1f2328\n", ph, c.fill, c.line)
			fmt.Fprintf(b, "    class %s %v\n", strings.Join(members, ","), ph)
		}
	}
}
