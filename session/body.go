package session

import (
	"github.com/parley-mail/parley/codec"
	"github.com/parley-mail/parley/events"
	"github.com/parley-mail/parley/fsm"
)

// bodyWanted reports whether the planner waits for content from the driver.
func (s *Session) bodyWanted() bool {
	tx := s.cur
	if tx == nil || tx.Content != nil || tx.phase != sending || tx.ended {
		return false
	}
	if tx.chunked {
		return s.chunkDue(tx)
	}
	return s.state == fsm.Content && s.flight.empty()
}

// Body takes content asked for by WantBody; last says that it is the end of it. p may
// be empty, and must not change until Output has been written.
func (s *Session) Body(p []byte, last bool) {
	if !s.bodyWanted() {
		return
	}
	s.take(s.cur, p, last)
	s.plan()
}

// BodyUnseen reports whether the content asked for by WantBody goes as it is, so that
// nobody here needs to see it: BodyOwed will do for it.
func (s *Session) BodyUnseen() bool {
	return s.bodyWanted() && s.cur.chunked && s.cur.unseen()
}

// BodyOwed is Body for n octets, at least one, that the driver writes itself behind Output,
// as one chunk: see OutputOwed. Once it is called they are promised to the server. If they
// cannot be had, BodyFailed ends the session.
func (s *Session) BodyOwed(n int64, last bool) {
	if !s.BodyUnseen() {
		return
	}
	tx := s.cur
	s.chunkHead(tx, n, last)
	s.out.owe(n)
	s.flight.last().end = s.out.queued
	s.taken(tx, n, last)
	s.plan()
}

// BodyFailed says that the content asked for by WantBody, or owed, cannot be had. What was
// sent never gets an end: where that can only be shown by closing the connection, it
// is closed (RFC 5321 §4.1.1.4).
func (s *Session) BodyFailed(err error) {
	switch {
	case s.bodyWanted():
		s.bodyFailed(s.cur, err)
		s.plan()
	case s.out.owes():
		s.owedFailed(err)
	}
}

// owedFailed ends the session within a chunk, which the server can but throw away: it knows
// how many octets are missing (RFC 3030 §2).
func (s *Session) owedFailed(err error) {
	s.out.given = s.out.wrote
	for i := range s.flight.long {
		if p := s.flight.at(i); p.tx != nil && p.end > s.out.wrote {
			p.tx.ended = false
		}
	}
	s.end(fsm.Abort, &Error{Kind: ErrContent, State: s.state, Command: fsm.Bdat, During: true, Detail: "the content cannot be read", Err: err})
}

func (s *Session) bodyFailed(tx *Transaction, err error) {
	e := &Error{Kind: ErrContent, State: s.state, Command: fsm.EndOfData, During: true, Detail: "the content cannot be read or sent", Err: err}
	s.giveUp(tx, e)
	if s.state == fsm.Content {
		s.end(fsm.Abort, e)
		return
	}
	if tx.over(s.state) { // only whole chunks went out: RSET takes them back (RFC 3030 §2)
		s.finish(tx)
	}
}

// content sends what is in memory, when the server has said 354.
func (s *Session) content() bool {
	tx := s.cur
	if s.state != fsm.Content || !s.flight.empty() || tx == nil || tx.ended || tx.Content == nil {
		return false
	}
	s.take(tx, tx.Content, true)
	return true
}

// chunkDue reports whether a chunk may go out now.
func (s *Session) chunkDue(tx *Transaction) bool {
	if tx.next < tx.limit && s.ahead != fsm.Chunks || tx.demanding() && !s.flight.empty() {
		return false
	}
	if s.flight.empty() && tx.accepted == 0 {
		return false
	}
	return s.may(fsm.Bdat, 32) && s.may(fsm.BdatLast, 32)
}

// chunks sends what is in memory as one chunk.
func (s *Session) chunks(tx *Transaction) bool {
	if tx.ended || tx.Content == nil || !s.chunkDue(tx) {
		return false
	}
	s.take(tx, tx.Content, true)
	return true
}

// take makes content ready for the wire.
func (s *Session) take(tx *Transaction, p []byte, last bool) {
	if tx.bodySeen == 0 && !tx.ended {
		s.stuff.Reset(tx.LineEnds)
		s.chunk.Reset(tx.LineEnds)
	}
	var err error
	if tx.chunked {
		err = s.takeChunk(tx, p, last)
	} else {
		err = s.takeData(tx, p, last)
	}
	if err != nil {
		s.bodyFailed(tx, err)
		return
	}
	s.taken(tx, int64(len(p)), last)
}

// taken counts content.
func (s *Session) taken(tx *Transaction, n int64, last bool) {
	tx.bodySeen += n
	if last && s.wants(events.KindContentSent) {
		s.trace.contentSent = events.ContentSent{Meta: s.meta(tx.id), Octets: tx.bodySeen}
		s.publish(&s.trace.contentSent)
	}
}

// takeData sends content behind a 354, with transparency (RFC 5321 §4.5.2), and the
// line that ends it.
func (s *Session) takeData(tx *Transaction, p []byte, last bool) error {
	if len(p) <= joined {
		buf, err := s.stuff.Append(s.out.buf, p)
		if err != nil {
			return err
		}
		s.out.grown(buf)
	} else {
		var err error
		if s.pieces, err = s.stuff.Segments(s.pieces[:0], p); err != nil {
			return err
		}
		s.referPieces()
	}
	if !last {
		return nil
	}
	tx.ended, tx.endAt = true, s.out.queued
	buf, err := s.stuff.End(s.out.buf)
	if err != nil {
		tx.ended = false
		return err
	}
	s.out.grown(buf)
	s.push(fsm.EndOfData, tx, 0, 1, 0)
	return nil
}

// unseen reports whether chunks go as they are: binary content, and what is known to be
// canonical.
func (tx *Transaction) unseen() bool { return tx.Body == codec.BodyBinaryMIME || tx.Canonical }

// takeChunk sends one chunk (RFC 3030 §2). Text goes in canonical form.
func (s *Session) takeChunk(tx *Transaction, p []byte, last bool) error {
	s.pieces = s.pieces[:0]
	if tx.unseen() {
		s.pieces = append(s.pieces, p)
	} else {
		var err error
		if s.pieces, err = s.chunk.Segments(s.pieces, p); err != nil {
			return err
		}
		if last {
			tail, err := s.chunk.End(s.tail[:0])
			if err != nil {
				return err
			}
			s.tail = tail
			s.pieces = append(s.pieces, tail)
		}
	}
	n := 0
	for _, piece := range s.pieces {
		n += len(piece)
	}
	if n == 0 && !last {
		return nil
	}
	s.chunkHead(tx, int64(n), last)
	if n <= joined {
		buf := s.out.buf
		for _, piece := range s.pieces {
			buf = append(buf, piece...)
		}
		s.out.grown(buf)
		clear(s.pieces)
	} else {
		s.referPieces()
	}
	s.flight.last().end = s.out.queued
	return nil
}

// chunkHead sends the command of a chunk of n octets.
func (s *Session) chunkHead(tx *Transaction, n int64, last bool) {
	cmd := fsm.Bdat
	if last {
		cmd = fsm.BdatLast
		tx.ended, tx.endAt = true, s.out.queued
	}
	s.send(cmd, tx, codec.AppendBdat(s.out.buf, n, last))
}

// referPieces puts the pieces into the output where they are.
func (s *Session) referPieces() {
	for _, piece := range s.pieces {
		s.out.refer(piece)
	}
	clear(s.pieces)
	s.pieces = s.pieces[:0]
}
