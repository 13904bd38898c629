//go:build goexperiment.simd && amd64

package codec

import (
	"math/bits"
	"simd/archsimd"
)

// look is lookOver with vectors: it goes over the block once, 64 octets at a time, and leaves
// what is less for the next time. A processor without AVX2 is left to lookOver.
func (s *scanner) look(block []byte, dots bool, m *marks) (n, lines int) {
	if len(block) < 64 || !archsimd.X86.AVX2() {
		return s.lookOver(block, dots, m)
	}
	n, lines = sweep(block, s.at == lineStart, dots, m)
	archsimd.ClearAVXUpperBits()
	return n, lines
}

// sweep makes of 64 octets a bit each.
func sweep(block []byte, start, dots bool, m *marks) (n, lines int) {
	cr, lf, period := archsimd.BroadcastUint8x32('\r'), archsimd.BroadcastUint8x32('\n'), archsimd.BroadcastUint8x32('.')
	var afterCR, afterLF uint64 // bit 0 tells of the octet before
	if start {
		afterLF = 1
	}
	i, count, marked := 0, 0, 0
	for ; i <= len(block)-64; i += 64 {
		p := (*[64]byte)(block[i:])
		a, b := archsimd.LoadUint8x32((*[32]byte)(p[:32])), archsimd.LoadUint8x32((*[32]byte)(p[32:]))
		crs := uint64(a.Equal(cr).ToBits()) | uint64(b.Equal(cr).ToBits())<<32
		lfs := uint64(a.Equal(lf).ToBits()) | uint64(b.Equal(lf).ToBits())<<32
		if crs<<1|afterCR != lfs {
			return 0, 0
		}
		afterCR = crs >> 63
		if dots {
			at := uint64(a.Equal(period).ToBits()) | uint64(b.Equal(period).ToBits())<<32
			for at &= lfs<<1 | afterLF; at != 0; at &= at - 1 {
				k := bits.TrailingZeros64(at)
				if marked == maxMarks {
					m.n = marked
					return i + k, count + bits.OnesCount64(lfs<<(64-k))
				}
				m.at[marked] = uint16(i + k)
				marked++
			}
		}
		afterLF = lfs >> 63
		count += bits.OnesCount64(lfs)
	}
	m.n = marked
	return i - int(afterCR), count // a CR at the end is left for the next time
}
