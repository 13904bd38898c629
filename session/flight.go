package session

import "github.com/parley-mail/parley/fsm"

// pending is a command in flight: sent, or about to be, and not answered yet. Several RCPT
// that go out together are one.
type pending struct {
	tx   *Transaction // the mail transaction it belongs to, if any
	req  *Request     // the caller's request it is, if any
	end  int64        // stream offset behind its last octet
	rcpt int          // index of the recipient, for RCPT: of the first that is not answered
	n    int          // commands that are not answered
	size int          // octets of them, for the window
	each int          // of them go when one is answered
	cmd  fsm.Command
}

// flight is the FIFO of commands in flight: a ring that grows and is reused.
type flight struct {
	ring   []pending
	first  int
	long   int // entries of the ring in use
	n      int // commands in flight
	octets int // of all commands in flight
}

func (f *flight) empty() bool { return f.n == 0 }

func (f *flight) at(i int) *pending { return &f.ring[(f.first+i)&(len(f.ring)-1)] }

// head is what the next reply answers.
func (f *flight) head() *pending { return f.at(0) }

// last is what was sent last.
func (f *flight) last() *pending { return f.at(f.long - 1) }

// push adds n commands of size octets together, to be filled in where they are: copying
// them would cost as much as all the rest.
func (f *flight) push(n, size int) *pending {
	if f.long == len(f.ring) {
		f.grow()
	}
	f.long++
	f.n += n
	f.octets += size
	p := f.last()
	p.n, p.size, p.each = n, size, size
	if n > 1 {
		p.each = size / n
	}
	return p
}

func (f *flight) grow() {
	ring := make([]pending, max(8, 2*len(f.ring)))
	for i := range f.long {
		ring[i] = *f.at(i)
	}
	f.ring, f.first = ring, 0
}

// pop forgets the first n commands, which are of one entry. When none like them is left it
// lets go of whose they were.
func (f *flight) pop(n int) {
	p := f.head()
	f.n -= n
	if p.n -= n; p.n > 0 {
		p.rcpt += n
		p.size -= n * p.each
		f.octets -= n * p.each
		return
	}
	f.octets -= p.size
	p.tx, p.req = nil, nil
	f.first = (f.first + 1) & (len(f.ring) - 1)
	f.long--
}

func (f *flight) reset() {
	clear(f.ring)
	f.first, f.long, f.n, f.octets = 0, 0, 0, 0
}

// fold returns where the sender stands if every command in flight gets the reply it
// hopes for.
func (f *flight) fold(t *fsm.Table, s fsm.State) fsm.State {
	for i := range f.long {
		s = t.Fold(s, f.at(i).cmd)
	}
	return s
}
