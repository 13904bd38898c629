package session

import "github.com/parley-mail/parley/fsm"

// pending is a command in flight: sent, or about to be, and not answered yet.
type pending struct {
	tx   *Transaction // the mail transaction it belongs to, if any
	req  *Request     // the caller's request it is, if any
	end  int64        // stream offset behind its last octet
	rcpt int          // index of the recipient, for RCPT
	size int32        // octets of the command, for the window
	cmd  fsm.Command
}

// flight is the FIFO of commands in flight: a ring that grows and is reused.
type flight struct {
	ring   []pending
	first  int
	n      int
	octets int // of all commands in flight
}

func (f *flight) empty() bool { return f.n == 0 }

func (f *flight) at(i int) *pending { return &f.ring[(f.first+i)&(len(f.ring)-1)] }

// head is the command that the next reply answers.
func (f *flight) head() *pending { return f.at(0) }

// last is the command sent last.
func (f *flight) last() *pending { return f.at(f.n - 1) }

// push adds a command, to be filled in where it is: copying it would cost as much as
// all the rest.
func (f *flight) push() *pending {
	if f.n == len(f.ring) {
		f.grow()
	}
	f.n++
	return f.last()
}

func (f *flight) grow() {
	ring := make([]pending, max(8, 2*len(f.ring)))
	for i := range f.n {
		ring[i] = *f.at(i)
	}
	f.ring, f.first = ring, 0
}

// pop forgets the head, and lets go of whose it is.
func (f *flight) pop() {
	p := f.head()
	p.tx, p.req = nil, nil
	f.octets -= int(p.size)
	f.first = (f.first + 1) & (len(f.ring) - 1)
	f.n--
}

func (f *flight) reset() {
	clear(f.ring)
	f.first, f.n, f.octets = 0, 0, 0
}

// fold returns where the sender stands if every command in flight gets the reply it
// hopes for.
func (f *flight) fold(t *fsm.Table, s fsm.State) fsm.State {
	for i := range f.n {
		s = t.Fold(s, f.at(i).cmd)
	}
	return s
}
