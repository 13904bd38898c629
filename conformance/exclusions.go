package conformance

import (
	"slices"

	"github.com/parley-mail/parley/fsm"
)

// exclusion says why something that the table has room for cannot happen to a client of
// this kind. It is about rows, about cells or about pairs of rows. What is excluded and
// happens all the same is a mistake in this file: see [Facts.Wrong].
type exclusion struct {
	reason string
	row    func(edge) bool
	cell   func(cell) bool
	pair   func(a, b edge) bool
}

// The classes of what the server says, and of what it says wrongly.
var (
	replies = []Class{ClassPositive, ClassIntermediate, ClassTransient, ClassPermanent}
	said    = append(slices.Clone(replies), ClassClosing, ClassFarewell, ClassMalformed, ClassMismatch, ClassOversize, ClassUnsolicited, ClassEOFReply)
)

var exclusions = slices.Concat([]exclusion{
	{reason: "there is no connection by which anything could be said", row: func(e edge) bool {
		return e.from == fsm.Connecting && (e.by == fsm.Shutdown || e.by == fsm.Malformed)
	}, cell: func(c cell) bool { return c.state == fsm.Connecting && slices.Contains(said, c.what) }},

	{reason: "what comes in clear where a handshake is due is not read: whatever it is, it is unsolicited", row: func(e edge) bool {
		return e.from == fsm.Handshake && e.by == fsm.Shutdown
	}, cell: func(c cell) bool {
		return c.state == fsm.Handshake && c.what != ClassUnsolicited && slices.Contains(said, c.what)
	}},

	{reason: "QUIT is on its way, and whatever comes, or does not, answers it", row: func(e edge) bool {
		return e.from == fsm.Refused && (e.by == fsm.Malformed || e.by == fsm.Lost || e.by == fsm.Expired)
	}, cell: func(c cell) bool {
		return c.state == fsm.Refused && (c.what == ClassFarewell || c.what == ClassMismatch)
	}},

	{reason: "no command that may be answered there can get such a reply: it counts as a mismatch", cell: func(c cell) bool {
		return slices.Contains(replies, c.what) && !answerable(c.state, fsm.Class(c.what))
	}},

	{reason: "no handshake is under way", cell: func(c cell) bool {
		return (c.what == ClassTLSDone || c.what == ClassTLSFailed) && c.state != fsm.Handshake && c.state != fsm.Connecting
	}},

	{reason: "the greeting is owed all the while", cell: func(c cell) bool { return c == cell{fsm.Greeting, ClassUnsolicited} }},

	{reason: "the client has nothing to say there", cell: func(c cell) bool {
		return c.what == ClassWriteStall && slices.Contains([]fsm.State{fsm.Connecting, fsm.Greeting, fsm.Handshake}, c.state)
	}},

	{reason: "what ends a session ends it after anything: the rows and the cells have it", pair: func(a, b edge) bool { return !ordinary(a) || !ordinary(b) }},

	{reason: "inside TLS the client says what it said before: HELO has no STARTTLS", pair: func(a, b edge) bool {
		return a.by == fsm.Secured && !b.by.Signal() && b.by.Command() == fsm.Helo
	}},
}, pairExclusions)

// answerable reports whether a command can get a reply of class c in s.
func answerable(s fsm.State, c fsm.Class) bool {
	return slices.ContainsFunc(fsm.Edges(), func(e fsm.Edge) bool {
		return e.From == s && !e.Input.Signal() && e.Input.Class() == c
	})
}

// ordinary reports whether the session goes on behind a row.
func ordinary(e edge) bool {
	to, _ := fsm.Next(e.from, e.by)
	return !to.Over() && (!e.by.Signal() || e.by == fsm.Secured)
}

// possible returns the things that nothing excludes, and the excluded ones.
func possible[T any](all []T, excludes func(exclusion) func(T) bool) (in, out []T) {
	for _, x := range all {
		if slices.ContainsFunc(exclusions, func(e exclusion) bool {
			f := excludes(e)
			return f != nil && f(x)
		}) {
			out = append(out, x)
		} else {
			in = append(in, x)
		}
	}
	return in, out
}

func possibleRows() (in, out []edge) {
	var all []edge
	for _, e := range fsm.Edges() {
		all = append(all, edge{e.From, e.Input})
	}
	return possible(all, func(e exclusion) func(edge) bool { return e.row })
}

// possibleCells lists what can happen in which state in which there is, or is going to
// be, a connection.
func possibleCells() (in, out []cell) {
	var all []cell
	for _, s := range fsm.States() {
		for c := range numClasses {
			if s.Live() {
				all = append(all, cell{s, c})
			}
		}
	}
	return possible(all, func(e exclusion) func(cell) bool { return e.cell })
}

// possiblePairs lists the pairs of rows of which the second can follow the first.
func possiblePairs() (in, out [][2]edge) {
	var all [][2]edge
	for _, a := range fsm.Edges() {
		for _, b := range fsm.Edges() {
			if b.From == a.To {
				all = append(all, [2]edge{{a.From, a.Input}, {b.From, b.Input}})
			}
		}
	}
	return possible(all, func(e exclusion) func([2]edge) bool {
		if e.pair == nil {
			return nil
		}
		return func(p [2]edge) bool { return e.pair(p[0], p[1]) }
	})
}

func possibleTimers() []timer {
	var all []timer
	for _, cmd := range fsm.Commands() {
		if cmd == fsm.EndOfDataPart || cmd == fsm.BdatLastPart {
			continue // the timer is that of the last one
		}
		for fate := timerArmed; fate <= timerFired; fate++ {
			all = append(all, timer{cmd, fate})
		}
	}
	return all
}

// Exclusion is a reason for which a figure leaves something out.
type Exclusion struct {
	Reason string   `json:"reason"`
	Out    []string `json:"out"` // rows, cells and pairs
}

// Exclusions returns what the figures of coverage leave out, and why.
func Exclusions() []Exclusion {
	var all []Exclusion
	_, rows := possibleRows()
	_, cells := possibleCells()
	_, pairs := possiblePairs()
	for _, e := range exclusions {
		x := Exclusion{Reason: e.reason}
		for _, r := range rows {
			if e.row != nil && e.row(r) {
				x.Out = append(x.Out, r.String())
			}
		}
		for _, c := range cells {
			if e.cell != nil && e.cell(c) {
				x.Out = append(x.Out, c.String())
			}
		}
		for _, p := range pairs {
			if e.pair != nil && e.pair(p[0], p[1]) {
				x.Out = append(x.Out, p[0].String()+", "+p[1].String())
			}
		}
		all = append(all, x)
	}
	return all
}

// Wrong returns what is excluded and has happened all the same.
func (f *Facts) Wrong() (all []string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	_, rows := possibleRows()
	for _, r := range rows {
		if f.edges[r] > 0 {
			all = append(all, r.String())
		}
	}
	_, cells := possibleCells()
	for _, c := range cells {
		if f.cells[c] > 0 {
			all = append(all, c.String())
		}
	}
	_, pairs := possiblePairs()
	for _, p := range pairs {
		if f.pairs[p] > 0 && ordinary(p[0]) && ordinary(p[1]) {
			all = append(all, p[0].String()+", "+p[1].String())
		}
	}
	return all
}
