package fuzz

// plan hands out decisions from octets; when they are used up it says 0.
type plan struct{ data []byte }

func (p *plan) octet() byte {
	if len(p.data) == 0 {
		return 0
	}
	b := p.data[0]
	p.data = p.data[1:]
	return b
}

// pick returns a number below n.
func (p *plan) pick(n int) int { return int(p.octet()) % n }

// take returns up to n octets as they are.
func (p *plan) take(n int) []byte {
	n = min(n, len(p.data))
	b := p.data[:n]
	p.data = p.data[n:]
	return b
}

func (p *plan) empty() bool { return len(p.data) == 0 }
