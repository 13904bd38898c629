package fsm

import (
	"slices"
	"strings"
	"unicode/utf8"
)

// row is one or several neighbouring exchanges that differ in the command alone.
type row struct {
	commands []Command
	Exchange
	refs []string
}

// joinedRows returns the table with such neighbours joined.
func joinedRows() []row {
	var all []row
	for _, x := range exchanges {
		if n := len(all); n > 0 && sameButCommand(all[n-1].Exchange, x) {
			last := &all[n-1]
			last.commands = append(last.commands, x.Command)
			if !slices.Contains(last.refs, x.Ref) {
				last.refs = append(last.refs, x.Ref)
			}
			continue
		}
		all = append(all, row{[]Command{x.Command}, x, []string{x.Ref}})
	}
	return all
}

func sameButCommand(a, b Exchange) bool {
	return slices.Equal(a.In, b.In) && a.On == b.On && a.InFlight == b.InFlight
}

// cells writes the states that the classes lead to: "=" for stay, "!" for a fault.
func cells(on [4]State) []string {
	all := make([]string, 0, len(on))
	for _, s := range on {
		switch s {
		case Stay:
			all = append(all, "=")
		case Fault:
			all = append(all, "!")
		default:
			all = append(all, s.String())
		}
	}
	return all
}

// statesIn writes a list of states; the eleven live ones by one word.
func statesIn(in []State, sep string) string {
	switch {
	case slices.Equal(in, live):
		return "any live state"
	case len(in) == len(live)+1 && in[0] == Idle && slices.Equal(in[1:], live):
		return Idle.String() + sep + "any live state"
	}
	return join(in, sep)
}

// join writes the names of states or commands.
func join[T interface{ String() string }](list []T, sep string) string {
	all := make([]string, len(list))
	for i, v := range list {
		all[i] = v.String()
	}
	return strings.Join(all, sep)
}

// joinRefs writes references, naming the same RFC once: "RFC 5321 §4.1.1.6, §4.3.2".
func joinRefs(refs []string) string {
	var b strings.Builder
	last := ""
	for _, r := range refs {
		rfc, section, _ := strings.Cut(r, " §")
		switch {
		case b.Len() == 0:
			b.WriteString(r)
		case rfc == last:
			b.WriteString(", §" + section)
		default:
			b.WriteString(", " + r)
		}
		last = rfc
	}
	return b.String()
}

// widths returns how wide each column has to be.
func widths(rows [][]string) []int {
	var all []int
	for _, r := range rows {
		for i, c := range r {
			if i == len(all) {
				all = append(all, 0)
			}
			all[i] = max(all[i], utf8.RuneCountInString(c))
		}
	}
	return all
}

// padded returns s followed by blanks up to n characters.
func padded(s string, n int) string {
	return s + strings.Repeat(" ", max(0, n-utf8.RuneCountInString(s)))
}
