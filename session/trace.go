package session

import (
	"bytes"

	"github.com/parley-mail/parley/codec"
	"github.com/parley-mail/parley/events"
	"github.com/parley-mail/parley/fsm"
)

// trace holds one event of each kind, overwritten each time: a handler that wants to
// keep one makes a copy (events.Clone).
type trace struct {
	connected      events.Connected
	greeted        events.Greeted
	extensions     events.ExtensionsOffered
	secured        events.Secured
	authenticated  events.Authenticated
	commandSent    events.CommandSent
	replyReceived  events.ReplyReceived
	stateChanged   events.StateChanged
	senderAccepted events.SenderAccepted
	senderRefused  events.SenderRefused
	rcptAccepted   events.RecipientAccepted
	rcptRefused    events.RecipientRefused
	contentSent    events.ContentSent
	accepted       events.Accepted
	rejected       events.Rejected
	unknown        events.OutcomeUnknown
	anomaly        events.Anomaly
	violation      events.Violation
	notice         events.Notice
	closed         events.Closed
	masked         [1][]byte
	lines          [][]byte // of a borrowed reply
}

// wants reports whether somebody listens to events of the kind.
func (s *Session) wants(k events.Kind) bool {
	return s.events != nil && s.events.Wants().Has(k)
}

func (s *Session) publish(e events.Event) { s.events.Publish(e) }

func (s *Session) meta(tx uint64) events.Meta {
	s.seq++
	return events.Meta{Session: s.id, Transaction: tx, Seq: s.seq}
}

var mask = []byte("[masked]")

// traceCommand publishes a command line; inside an AUTH exchange only the name of the
// mechanism stands in clear.
func (s *Session) traceCommand(cmd fsm.Command, tx *Transaction, line []byte) {
	line = bytes.TrimSuffix(line, []byte("\r\n"))
	switch cmd {
	case fsm.AuthResponse:
		line = mask
	case fsm.Auth:
		if i := bytes.IndexByte(line[min(5, len(line)):], ' '); i >= 0 {
			line = append(bytes.Clone(line[:5+i+1]), mask...)
		}
	}
	e := &s.trace.commandSent
	*e = events.CommandSent{Meta: s.meta(0), Command: cmd, Line: line}
	if tx != nil {
		e.Transaction = tx.id
	}
	s.publish(e)
}

// traceReply publishes a reply; challenges are masked.
func (s *Session) traceReply(cmd fsm.Command, r *codec.Reply) {
	if !s.wants(events.KindReplyReceived) {
		return
	}
	e := &s.trace.replyReceived
	*e = events.ReplyReceived{Meta: s.meta(0), Command: cmd, Reply: *r}
	if tx := s.flight.head().tx; tx != nil {
		e.Transaction = tx.id
	}
	if r.Code/100 == 3 && (cmd == fsm.Auth || cmd == fsm.AuthResponse) {
		s.trace.masked[0] = mask
		e.Reply.Lines = s.trace.masked[:]
	}
	s.publish(e)
}

// noteAnomalies publishes what the codec let pass. It returns false if the session
// cannot go on.
func (s *Session) noteAnomalies(cmd fsm.Command, r *codec.Reply) bool {
	if r.Anomalies == 0 {
		return true
	}
	for a := range r.Anomalies.All() {
		s.anomaly(cmd, a, "")
	}
	if r.Anomalies.Has(codec.MixedClasses) {
		s.violate(codec.MixedClasses, "the lines of a reply contradict each other", r)
	}
	return !s.state.Over()
}

// anomaly notes an oddity of the server; a strict session ends with it.
func (s *Session) anomaly(cmd fsm.Command, a codec.Anomaly, detail string) bool {
	s.stats.Anomalies = s.stats.Anomalies.Add(a)
	if s.wants(events.KindAnomaly) {
		s.trace.anomaly = events.Anomaly{Meta: s.meta(0), Command: cmd, What: a, Detail: detail}
		s.publish(&s.trace.anomaly)
	}
	if s.cfg.Strict {
		s.violate(a, "strict: "+a.String(), nil)
		return false
	}
	return true
}

// notice publishes something that a user would want to know.
func (s *Session) notice(tx uint64, detail string) {
	if s.wants(events.KindNotice) {
		s.trace.notice = events.Notice{Meta: s.meta(tx), Detail: detail}
		s.publish(&s.trace.notice)
	}
}

func (s *Session) publishRecipientRefused(tx *Transaction, i int, r *codec.Reply) {
	if s.wants(events.KindRecipientRefused) {
		s.trace.rcptRefused = events.RecipientRefused{
			Meta: s.meta(tx.id), Index: i, Path: tx.Envelope.Recipients[i].Path.String(), Reply: *r,
		}
		s.publish(&s.trace.rcptRefused)
	}
}
