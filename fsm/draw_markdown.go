package fsm

import (
	"fmt"
	"strings"
)

// Markdown returns the table as a document: tables, three Mermaid pictures and the
// words that make them complete. It is the text of docs/fsm.md.
func Markdown() string {
	var b strings.Builder
	rows, legal := 0, len(Edges())
	for _, x := range exchanges {
		rows += len(x.In)
	}
	fmt.Fprintf(&b, markdownHead, len(exchanges), len(jumps), numStates, int(numStates)*int(numInputs), rows, legal)

	b.WriteString("\n## States\n\n")
	table := [][]string{{"state", "phase", "meaning"}}
	for _, s := range States() {
		table = append(table, []string{code(s), s.Phase().String(), s.Note()})
	}
	writeTable(&b, table)

	b.WriteString(markdownExchanges)
	table = [][]string{{"command", "sent in", "2yz", "3yz", "4yz", "5yz", "because"}}
	for _, r := range joinedRows() {
		name := join(r.commands, ", ")
		if r.InFlight {
			name = "(" + name + ")"
		}
		table = append(table, append(append([]string{name, join(r.In, ", ")}, cells(r.On)...), joinRefs(r.refs)))
	}
	writeTable(&b, table)

	b.WriteString(markdownSignals)
	table = [][]string{{"signal", "in", "leads to", "because"}}
	for _, j := range jumps {
		table = append(table, []string{j.Signal.String(), statesIn(j.In, ", "), j.To.String(), j.Ref})
	}
	writeTable(&b, table)

	b.WriteString(markdownTraits)
	table = [][]string{{"command", "on the wire", "hoped for", "ends a group", "patience", "while"}}
	for _, c := range Commands() {
		table = append(table, []string{c.String(), c.Verb(), c.Expect().String(), yes(c.EndsGroup()), minutes(c), c.While()})
	}
	writeTable(&b, table)

	b.WriteString("\n## Pictures\n\n")
	b.WriteString(Mermaid())
	return b.String()
}

const markdownHead = `<!-- Generated from fsm/table.go by "go generate ./fsm". Do not edit. -->

# The dialogue machine

![The states of a session and the replies that move it](../fsm/fsm.svg)

A state is what the server has *acknowledged*. What moves it is a reply to a
command, written as command and first digit, ` + "`MAIL 2yz`" + `, or a signal for what is no
reply. The whole dialogue is %d rows for commands and %d for signals over %d states
in ` + "`fsm/table.go`" + `; this page, the picture and the machines that run are computed
from them. Of %d pairs of state and input the %d places of the commands
and those of the signals make %d legal; everything else is refused.
`

const markdownExchanges = `
## Exchanges

A command may be sent in the states listed; the reply leads to the state in the
column of its class. ` + "`=`" + ` stays. ` + "`!`" + ` is a reply that the command cannot get: the server
broke the protocol, which is the signal ` + "`malformed`" + `. In parentheses: *in flight only*.
Such a command may be answered in that state, having been sent before the state was
known, but it may not be sent there (RFC 2920 §3.1).

`

const markdownSignals = `
## Signals

What is no reply. *Any live state* is every state but ` + "`idle`, `closed` and `failed`" + `.
` + "`QUIT gone`" + ` stands here too: the server closed instead of answering.

`

const markdownTraits = `
## Commands

What is true of a command wherever it is sent: the class of the reply hoped for,
from which the sender's cursor is computed; whether nothing may be pipelined behind
it (RFC 2920 §3.1; RSET and QUIT may stand behind BDAT-LAST); how long its reply may take (RFC 5321 §4.5.3.2); and how errors
call it. A name with ` + "`+`" + ` is one of several replies to the same line, but not the last
(RFC 2033 §4.2).

`

// writeTable writes rows as an aligned Markdown table; the first is the heading.
func writeTable(b *strings.Builder, rows [][]string) {
	wide := widths(rows)
	for i, r := range rows {
		b.WriteString("|")
		for k, c := range r {
			b.WriteString(" " + padded(c, wide[k]) + " |")
		}
		b.WriteString("\n")
		if i > 0 {
			continue
		}
		b.WriteString("|")
		for _, n := range wide {
			b.WriteString(strings.Repeat("-", n+2) + "|")
		}
		b.WriteString("\n")
	}
}

func code(s State) string { return "`" + s.String() + "`" }
