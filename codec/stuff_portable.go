//go:build !goexperiment.simd || !amd64

package codec

// look is how a survey looks at a block: see lookOver.
func (s *scanner) look(block []byte, dots bool, m *marks) (n, lines int) {
	return s.lookOver(block, dots, m)
}
