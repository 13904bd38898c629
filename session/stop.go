package session

import "github.com/parley-mail/parley/fsm"

// phaseOver reports whether the reply to cmd was the last one of the phase to stop after.
func (s *Session) phaseOver(cmd fsm.Command, tx *Transaction) bool {
	switch s.cfg.Stop.After {
	case PhaseBanner:
		return cmd == fsm.Connect
	case PhaseEhlo:
		return cmd == fsm.Ehlo && s.state != fsm.Legacy || cmd == fsm.Helo || cmd == fsm.Lhlo
	case PhaseAuth:
		return s.authenticated && (cmd == fsm.Auth || cmd == fsm.AuthResponse)
	case PhaseMail:
		return cmd.OpensTransaction()
	case PhaseRcpt:
		return cmd == fsm.Rcpt && tx.next >= tx.limit
	case PhaseData:
		return cmd == fsm.Data || cmd == fsm.Bdat
	case PhaseDot:
		return cmd == fsm.EndOfData || cmd == fsm.BdatLast
	}
	return false
}

// stopHere ends the session because the phase is over.
func (s *Session) stopHere() {
	e := &Error{Kind: ErrStopped, State: s.state, Detail: "stopped after " + s.cfg.Stop.After.String()}
	for _, tx := range s.txs {
		if tx.phase == sending {
			s.giveUp(tx, e)
			break
		}
	}
	if s.cfg.Stop.Drop || s.state == fsm.Content { // behind a 354 there is no way to say QUIT
		s.end(fsm.Abort, e)
		return
	}
	s.fail(e)
	if len(s.txs) > 0 && s.txs[0].over(s.state) {
		s.finish(s.txs[0])
	}
}
