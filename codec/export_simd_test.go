//go:build goexperiment.simd && amd64

package codec

// Look is what a look at a block tells.
type Look struct {
	N, Lines int
	Periods  []uint16
}

// Full reports whether there was no room for more periods.
func (l Look) Full() bool { return len(l.Periods) == maxMarks }

// Looks looks at a block with vectors and without.
func Looks(block []byte, start, dots bool) (vectors, plain Look) {
	s := &scanner{at: inLine}
	if start {
		s.at = lineStart
	}
	told := func(look func([]byte, bool, *marks) (int, int)) (l Look) {
		var m marks
		if l.N, l.Lines = look(block, dots, &m); l.N > 0 {
			l.Periods = append(l.Periods, m.at[:m.n]...)
		}
		return l
	}
	return told(s.look), told(s.lookOver)
}
