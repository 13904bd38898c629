package conformance

import (
	"bytes"
	"math/rand/v2"
	"slices"
)

// Corpus makes up plans: new ones, and those it keeps with changes.
type Corpus struct {
	rng  *rand.Rand
	kept [][]byte
}

// NewCorpus returns one whose plans follow from the seed.
func NewCorpus(seed uint64) *Corpus {
	return &Corpus{rng: rand.New(rand.NewPCG(seed, 0x2821))}
}

// Keep has a plan come again, changed.
func (c *Corpus) Keep(plan []byte) { c.kept = append(c.kept, plan) }

// planLength is how many octets a plan has at most, at first: enough for a session of
// several messages.
const planLength = 240

// Next makes up a plan: a new one, or one that is kept with changes.
func (c *Corpus) Next() []byte {
	if len(c.kept) == 0 || c.rng.IntN(5) == 0 {
		return c.random(20 + c.rng.IntN(planLength))
	}
	data := bytes.Clone(c.kept[c.rng.IntN(len(c.kept))])
	for range 1 + c.rng.IntN(4) {
		i := c.rng.IntN(len(data) + 1)
		switch c.rng.IntN(5) {
		case 0:
			data = slices.Insert(data, i, byte(c.rng.Uint32()))
		case 1:
			data = slices.Delete(data, min(i, len(data)-1), min(i, len(data)-1)+min(1, len(data)))
		case 2: // the end is another
			for k := i; k < len(data); k++ {
				data[k] = byte(c.rng.Uint32())
			}
		case 3: // as it goes on in another
			other := c.kept[c.rng.IntN(len(c.kept))]
			data = append(data[:i], other[min(i, len(other)):]...)
		default:
			if i < len(data) {
				data[i] = byte(c.rng.Uint32())
			}
		}
		if len(data) == 0 {
			return []byte{0}
		}
	}
	return data
}

func (c *Corpus) random(n int) []byte {
	data := make([]byte, n)
	for i := range data {
		data[i] = byte(c.rng.Uint32())
	}
	return data
}
