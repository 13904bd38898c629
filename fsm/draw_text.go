package fsm

import (
	"strings"
)

// TextTable returns the table for a terminal, less than a hundred columns wide: the
// exchanges, the signals, and what is true of each command.
func TextTable() string {
	var b strings.Builder
	b.WriteString("EXCHANGES: what a reply to a command means\n\n")
	rows := [][]string{{"command", "sent in", "2yz", "3yz", "4yz", "5yz", "because"}}
	for _, x := range exchanges {
		name := x.Command.String()
		if x.InFlight {
			name = "(" + name + ")"
		}
		for i, in := range wrapped(join(x.In, " "), 22) {
			if i > 0 {
				rows = append(rows, []string{"", in})
				continue
			}
			rows = append(rows, append(append([]string{name, in}, cells(x.On)...), strings.TrimPrefix(x.Ref, "RFC ")))
		}
	}
	writeColumns(&b, rows)
	b.WriteString("\n=  the state stays    !  no such reply exists: the server broke the protocol\n")
	b.WriteString("(COMMAND)  may be answered there, having been sent before; never sent there\n")

	b.WriteString("\nSIGNALS: what is no reply\n\n")
	rows = [][]string{{"signal", "in", "leads to", "because"}}
	for _, j := range jumps {
		for i, in := range wrapped(statesIn(j.In, " "), 32) {
			if i > 0 {
				rows = append(rows, []string{"", in})
				continue
			}
			rows = append(rows, []string{j.Signal.String(), in, j.To.String(), strings.TrimPrefix(j.Ref, "RFC ")})
		}
	}
	writeColumns(&b, rows)

	b.WriteString("\nCOMMANDS: what is true of them wherever they are sent\n\n")
	rows = [][]string{{"command", "hopes for", "ends a group", "waits", "while"}}
	for _, c := range Commands() {
		rows = append(rows, []string{c.String(), c.Expect().String(), yes(c.EndsGroup()), minutes(c), c.While()})
	}
	writeColumns(&b, rows)
	return b.String()
}

// writeColumns writes rows in columns two blanks apart, without trailing blanks.
func writeColumns(b *strings.Builder, rows [][]string) {
	wide := widths(rows)
	for _, r := range rows {
		var line strings.Builder
		for i, c := range r {
			line.WriteString(padded(c, wide[i]+2))
		}
		b.WriteString(strings.TrimRight(line.String(), " ") + "\n")
	}
}

// wrapped breaks s at blanks into lines of at most n octets, if its words let it.
func wrapped(s string, n int) []string {
	var lines []string
	line := ""
	for _, word := range strings.Fields(s) {
		if line != "" && len(line)+1+len(word) > n {
			lines, line = append(lines, line), ""
		}
		line = strings.TrimLeft(line+" "+word, " ")
	}
	return append(lines, line)
}

func yes(b bool) string {
	if b {
		return "yes"
	}
	return ""
}

// minutes writes how long the reply to c may take.
func minutes(c Command) string { return strings.TrimSuffix(c.Patience().String(), "0s") }
