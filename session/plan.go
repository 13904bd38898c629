package session

import (
	"bytes"
	"slices"

	"github.com/parley-mail/parley/codec"
	"github.com/parley-mail/parley/events"
	"github.com/parley-mail/parley/fsm"
)

// plan sends what the caller wants, as long as the table and the window allow it.
// It is the only place with policy.
func (s *Session) plan() {
	for !s.state.Over() && s.step() {
	}
}

// step sends one command, or decides something; it reports whether it did.
func (s *Session) step() bool {
	if s.cur != nil && s.cur.phase != sending {
		s.cur = nil
	}
	switch s.ahead {
	case fsm.Greeted:
		return s.hello()
	case fsm.Legacy:
		return s.legacy()
	case fsm.Refused:
		return s.quit()
	case fsm.Ready:
		return s.ready()
	case fsm.Sender, fsm.Recipients, fsm.Chunks, fsm.Spoiled:
		if s.cur != nil {
			return s.envelope(s.cur)
		}
		return s.clear()
	case fsm.Content:
		return s.content()
	case fsm.LoneDot:
		return s.loneDot()
	}
	return false
}

// hello sends EHLO, or what stands for it.
func (s *Session) hello() bool {
	cmd, line := fsm.Ehlo, codec.AppendEhlo
	switch {
	case !s.flight.empty(): // the greeting is owed
		return false
	case s.leaving():
		return s.quit()
	case s.cfg.LMTP:
		cmd, line = fsm.Lhlo, codec.AppendLhlo
	case s.cfg.NoExtensions:
		cmd, line = fsm.Helo, codec.AppendHelo
		if e := s.needsExtensions(); e != nil {
			s.fail(e)
			return true
		}
	}
	return s.sayHello(cmd, line)
}

// legacy sends HELO to a server that does not know EHLO, unless the caller wants
// what only EHLO can offer.
func (s *Session) legacy() bool {
	if s.err == nil {
		if e := s.needsExtensions(); e != nil {
			e.Reply = s.ehloRefusal
			s.fail(e)
		}
	}
	if s.leaving() {
		return s.quit()
	}
	return s.sayHello(fsm.Helo, codec.AppendHelo)
}

// needsExtensions returns an error if the session cannot do without EHLO.
func (s *Session) needsExtensions() *Error {
	need := ""
	switch {
	case s.cfg.StartTLS == StartTLSOrNothing && !s.link.Secure:
		need = "STARTTLS"
	case s.cfg.Authenticate:
		need = "AUTH"
	default:
		return nil
	}
	return &Error{Kind: ErrUnsupported, State: s.state, Command: fsm.Ehlo, During: true, Detail: need + " is required, and without EHLO there is none"}
}

func (s *Session) sayHello(cmd fsm.Command, line func([]byte, string) ([]byte, error)) bool {
	if !s.may(cmd, 0) {
		return false
	}
	buf, err := line(s.out.buf, s.cfg.Hello)
	if err != nil {
		s.fail(&Error{Kind: ErrMisuse, State: s.state, Command: cmd, During: true, Err: err})
		return true
	}
	s.send(cmd, nil, buf)
	return true
}

// ready chooses what comes next between mail transactions.
func (s *Session) ready() bool {
	if s.flight.empty() {
		switch {
		case s.leaving():
			return s.quit()
		case s.tlsPlanned():
			return s.startTLS()
		case s.authPlanned():
			return s.startAuth()
		}
		s.open = true
		if s.nextRequest() {
			return true
		}
	}
	if !s.open || !s.flight.empty() && s.cfg.Overlap < 2 && s.flight.last().cmd != fsm.Rset {
		return false
	}
	if tx := s.waiting(); tx != nil {
		return s.beginMail(tx)
	}
	return s.leaving() && s.quit()
}

// leaving reports whether nothing but QUIT is left to do.
func (s *Session) leaving() bool {
	if s.err != nil {
		return true
	}
	return s.quitting && len(s.requests) == 0 &&
		!slices.ContainsFunc(s.txs, func(tx *Transaction) bool { return tx.phase == waiting })
}

// waiting returns the next transaction to be sent, if it may be in flight already.
func (s *Session) waiting() *Transaction {
	if n := len(s.txs); n == 0 || s.txs[n-1].phase != waiting {
		return nil // they are sent in their order
	}
	for i, tx := range s.txs {
		if tx.phase == waiting {
			if i >= max(1, s.cfg.Overlap) {
				return nil
			}
			return tx
		}
	}
	return nil
}

// beginMail sends MAIL, having checked that the server offers what the message needs.
func (s *Session) beginMail(tx *Transaction) bool {
	if !s.flight.empty() && !s.pipelining() {
		return false
	}
	if e := s.negotiate(tx); e != nil {
		tx.err = e
		s.decided(tx)
		return true
	}
	if !s.flight.empty() && !s.flight.last().cmd.MayPrecede(tx.Verb) || s.cfg.RsetEach && s.mails > 0 && !s.reset {
		if !s.rset() {
			return false
		}
	}
	if !s.may(tx.Verb, 0) {
		return false
	}
	buf, err := codec.AppendMail(s.out.buf, tx.Verb.Verb(), tx.Envelope.ReversePath.String(), &tx.params)
	if err != nil {
		tx.err = &Error{Kind: ErrMisuse, State: s.state, Command: tx.Verb, During: true, Err: err}
		s.decided(tx)
		return true
	}
	if !s.fits(1, len(buf)-len(s.out.buf)) {
		return false
	}
	tx.phase, s.cur = sending, tx
	s.mails++
	s.reset = false
	s.send(tx.Verb, tx, buf)
	return true
}

// envelope sends the recipients and then asks to send the content.
func (s *Session) envelope(tx *Transaction) bool {
	if tx.next < tx.limit && s.ahead != fsm.Chunks {
		return s.recipients(tx)
	}
	if tx.demanding() && !s.flight.empty() {
		return false // whether there is content at all depends on the replies
	}
	if s.flight.empty() && tx.accepted == 0 {
		tx.phase = stopped
		s.finish(tx)
		return true
	}
	if tx.chunked {
		return s.chunks(tx)
	}
	if !s.may(fsm.Data, 6) {
		return false
	}
	s.send(fsm.Data, tx, append(s.out.buf, "DATA\r\n"...))
	return true
}

// recipients sends as many RCPT as may be sent now.
func (s *Session) recipients(tx *Transaction) (sent bool) {
	for ; tx.next < tx.limit && s.may(fsm.Rcpt, 0); sent = true {
		n, buf, err := s.appendRcpts(tx)
		if err != nil { // negotiate has tried every line
			s.giveUp(tx, &Error{Kind: ErrMisuse, State: s.state, Command: fsm.Rcpt, During: true, Err: err})
			return true
		}
		if n == 0 {
			break
		}
		s.sendSome(fsm.Rcpt, tx, tx.next, n, buf)
		tx.next += n
	}
	return sent
}

// appendRcpts appends one RCPT to the output, or as many as there is room for if the table
// says that one more changes nothing.
func (s *Session) appendRcpts(tx *Transaction) (n int, buf []byte, err error) {
	room, octets := s.room()
	most := 1
	if s.pipelining() && s.cfg.Table.Fold(s.ahead, fsm.Rcpt) == s.ahead {
		most = min(tx.limit-tx.next, max(room, 1))
	}
	from := s.out.buf
	for buf = from; n < most; n++ {
		next, err := s.appendRcpt(buf, tx, &tx.Envelope.Recipients[tx.next+n])
		if err != nil && n == 0 {
			return 0, nil, err
		}
		if err != nil || len(next)-len(from) > octets && !(n == 0 && s.flight.empty()) {
			break
		}
		buf = next
	}
	return n, buf, nil
}

// clear ends a transaction that nobody wants any more, when something else is wanted.
func (s *Session) clear() bool {
	switch {
	case s.leaving():
		return s.quit()
	case s.waiting() == nil && len(s.requests) == 0:
		return false // RSET comes with the next message, if there is one
	}
	return s.rset()
}

func (s *Session) rset() bool {
	if !s.may(fsm.Rset, 6) {
		return false
	}
	s.send(fsm.Rset, nil, append(s.out.buf, "RSET\r\n"...))
	s.reset = true
	return true
}

// quit sends QUIT where the table allows it.
func (s *Session) quit() bool {
	if !s.may(fsm.Quit, 6) {
		return false
	}
	s.send(fsm.Quit, nil, append(s.out.buf, "QUIT\r\n"...))
	return true
}

// loneDot answers a 354 that has become moot (RFC 2920 §3.1).
func (s *Session) loneDot() bool {
	if s.state != fsm.LoneDot || !s.may(fsm.EndOfData, 3) {
		return false
	}
	var tx *Transaction
	if len(s.txs) > 0 {
		tx = s.txs[0]
	}
	s.send(fsm.EndOfData, tx, append(s.out.buf, ".\r\n"...))
	return true
}

// pipelining reports whether commands may be sent ahead of replies (RFC 2920).
func (s *Session) pipelining() bool { return s.offer.Extensions.Pipelining && !s.cfg.Serial }

// may reports whether cmd, size octets long, may be sent now: the table allows it where
// the sender stands, and nothing in flight forbids it.
func (s *Session) may(cmd fsm.Command, size int) bool {
	return s.cfg.Table.May(s.ahead, cmd) &&
		(s.flight.empty() || s.pipelining() && s.flight.last().cmd.MayPrecede(cmd) && s.fits(1, size))
}

// fits reports whether the window has room for n more commands, size octets long together.
// One there is always room for.
func (s *Session) fits(n, size int) bool {
	most, octets := s.room()
	return n <= most && size <= octets || s.flight.empty() && n == 1
}

// room returns how many more commands, and octets of them, the window has room for.
func (s *Session) room() (n, octets int) {
	return owedReplies*max(1, s.cfg.Overlap) - s.flight.n, s.cfg.Window - s.flight.octets
}

// send puts a command, which is what buf has more than the output so far, into the
// output and into the flight.
func (s *Session) send(cmd fsm.Command, tx *Transaction, buf []byte) {
	s.sendSome(cmd, tx, 0, 1, buf)
}

// sendSome does it for n commands of a kind, to as many recipients from rcpt on.
func (s *Session) sendSome(cmd fsm.Command, tx *Transaction, rcpt, n int, buf []byte) {
	from := len(s.out.buf)
	s.out.grown(buf)
	s.push(cmd, tx, rcpt, n, len(buf)-from)
	s.stats.Commands += n
	if s.wants(events.KindCommandSent) {
		for line := range bytes.Lines(buf[from:]) {
			s.traceCommand(cmd, tx, line)
		}
	}
}

// push adds to the flight; ahead moves as if the replies hoped for had come.
func (s *Session) push(cmd fsm.Command, tx *Transaction, rcpt, n, size int) *pending {
	p := s.flight.push(n, size)
	p.tx, p.req, p.end, p.rcpt, p.cmd = tx, nil, s.out.queued, rcpt, cmd
	if tx != nil {
		tx.owed += n
	}
	s.ahead = s.cfg.Table.Fold(s.ahead, cmd)
	return p
}
