package session

import (
	"slices"

	"github.com/parley-mail/parley/codec"
)

// Memory is what a session works with while something is under way: buffers, and the
// commands in flight. A session that idles can do without, and lend it to another one.
// The zero value is ready.
type Memory struct {
	flight flight
	out    output
	dec    codec.Decoder
	stuff  codec.Stuffer
	chunk  codec.Normalizer
	pieces [][]byte
	tail   []byte

	txs      []*Transaction // not decided, in order; those from cur on are not sent yet
	cur      *Transaction   // the one whose commands are being sent
	requests []*Request     // not sent
}

// resting stands for the memory of every session that has none. Nobody writes to it.
var resting Memory

// Use lends the session memory for what comes next. Without it the session makes its own
// when it needs some.
func (s *Session) Use(m *Memory) {
	if s.Memory == &resting {
		s.Memory = m
		m.dec.Reset(s.cfg.Limits, s.cfg.Strict)
	}
}

// wake comes before everything that may write to the memory.
func (s *Session) wake() {
	if s.Memory == &resting {
		s.Use(&Memory{})
	}
}

// Release takes the memory away from a session that idles or is over; nil if something is
// under way.
func (s *Session) Release() *Memory {
	m := s.Memory
	if m == &resting || !m.flight.empty() || len(s.txs)+len(s.requests) > 0 || !m.out.empty() || m.dec.Buffered() > 0 && !s.state.Over() {
		return nil
	}
	s.Memory = &resting
	m.cur = nil
	if s.last.offer != nil {
		s.last.text = nil
	}
	m.flight.reset()
	m.out.reset()
	clear(m.pieces)
	m.pieces = m.pieces[:0]
	return m
}

// last is the last reply, kept in memory that is used again.
type last struct {
	code      int16
	anomalies codec.Anomalies
	enhanced  codec.Enhanced
	text      []byte // lines joined by LF
	offer     *Offer // whose text it is; nil: none's
}

// remember keeps a copy of the reply that came last. Of those that come together only
// the last one needs to be kept.
func (s *Session) remember() {
	r, l := s.fresh, &s.last
	if r == nil {
		return
	}
	s.fresh = nil
	if g := s.greeting.text; len(g) > 0 && len(l.text) > 0 && &l.text[0] == &g[0] {
		l.text = nil // it is kept
	}
	l.code, l.enhanced, l.anomalies, l.text, l.offer = int16(r.Code), r.Enhanced, r.Anomalies, l.text[:0], nil
	n := len(r.Lines)
	for _, line := range r.Lines {
		n += len(line)
	}
	l.text = slices.Grow(l.text, n)
	for i, line := range r.Lines {
		if i > 0 {
			l.text = append(l.text, '\n')
		}
		l.text = append(l.text, line...)
	}
}

func (l *last) reply() codec.Reply {
	if l.code == 0 {
		return codec.Reply{}
	}
	if l.offer != nil {
		return codec.Reply{Code: int(l.code), Enhanced: l.enhanced, Anomalies: l.anomalies, Lines: lines([]byte(l.offer.Text))}
	}
	return codec.Reply{Code: int(l.code), Enhanced: l.enhanced, Anomalies: l.anomalies, Lines: lines(l.text)}
}
