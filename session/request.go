package session

import (
	"slices"

	"github.com/parley-mail/parley/codec"
	"github.com/parley-mail/parley/fsm"
)

// Request is a single command of the caller's, outside mail transactions: NOOP, VRFY,
// EXPN, HELP, RSET, or a line of his own (fsm.Other).
type Request struct {
	Command fsm.Command
	Arg     string // for fsm.Other: the whole line

	Reply codec.Reply // the answer, once Done
	err   error
	done  bool
}

// Done reports whether the request is answered or can no longer be.
func (r *Request) Done() bool { return r.done }

// Err returns why there is no answer, or that the server said no.
func (r *Request) Err() error { return r.err }

// Do queues a request; it is sent when no transaction is open.
func (s *Session) Do(r *Request) error {
	switch {
	case s.state.Over() || s.quitting:
		return &Error{Kind: ErrMisuse, State: s.state, Command: r.Command, During: true, Detail: "the session is over"}
	case !slices.Contains([]fsm.Command{fsm.Noop, fsm.Vrfy, fsm.Expn, fsm.Help, fsm.Rset, fsm.Other}, r.Command):
		return &Error{Kind: ErrMisuse, State: s.state, Command: r.Command, During: true, Detail: "only NOOP, VRFY, EXPN, HELP, RSET and other lines may be asked for singly"}
	}
	s.wake()
	s.requests = append(s.requests, r)
	s.plan()
	return nil
}

// nextRequest sends the first request that waits.
func (s *Session) nextRequest() bool {
	if len(s.requests) == 0 {
		return false
	}
	r := s.requests[0]
	buf, err := s.appendRequest(r)
	if err != nil {
		s.requests = s.requests[1:]
		r.fail(&Error{Kind: ErrMisuse, State: s.state, Command: r.Command, During: true, Err: err})
		return true
	}
	if !s.may(r.Command, len(buf)-len(s.out.buf)) {
		return false
	}
	s.requests = s.requests[1:]
	s.send(r.Command, nil, buf)
	s.flight.last().req = r
	return true
}

func (s *Session) appendRequest(r *Request) ([]byte, error) {
	utf8 := s.offer.Extensions.SMTPUTF8
	switch r.Command {
	case fsm.Noop:
		return codec.AppendNoop(s.out.buf, r.Arg, utf8)
	case fsm.Vrfy:
		return codec.AppendVrfy(s.out.buf, r.Arg, utf8)
	case fsm.Expn:
		return codec.AppendExpn(s.out.buf, r.Arg, utf8)
	case fsm.Help:
		return codec.AppendHelp(s.out.buf, r.Arg, utf8)
	case fsm.Rset:
		return append(s.out.buf, "RSET\r\n"...), nil
	}
	return codec.AppendLine(s.out.buf, r.Arg)
}

func (s *Session) requestAnswered(r *Request, reply *codec.Reply) {
	r.Reply, r.done = reply.Clone(), true
	if reply.Temporary() || reply.Permanent() {
		r.err = &Error{Kind: ErrRefused, State: s.state, Command: r.Command, During: true, Reply: &r.Reply}
	}
}

// fail ends a request without an answer.
func (r *Request) fail(err error) {
	if err == nil { // an orderly end before its turn came
		err = ErrCanceled
	}
	r.err, r.done = err, true
}
