package session_test

import (
	"testing"

	"github.com/parley-mail/parley/fsm"
	"github.com/parley-mail/parley/session"
)

// A session that is to stop after a phase sends nothing of the next one.
func TestStop(t *testing.T) {
	const bye = "C: QUIT\nS: 221 bye"
	script := ""
	for _, step := range []struct {
		phase session.Phase
		lines string
		want  string
	}{
		{session.PhaseBanner, "S: 220 mx.example\n", "b@y.example not_sent 0"},
		{session.PhaseEhlo, "C: EHLO localhost\nS: 250-mx.example\nS: 250-PIPELINING\nS: 250 STARTTLS\n", "b@y.example not_sent 0"},
		{session.PhaseStartTLS, "C: STARTTLS\nS: 220 go\nT:\n", "b@y.example not_sent 0"},
		{session.PhaseMail, "C: EHLO localhost\nS: 250-mx.example\nS: 250 PIPELINING\nC: MAIL FROM:<a@x.example>\nS: 250 ok\n", "b@y.example not_sent 0"},
		{session.PhaseRcpt, "C: RCPT TO:<b@y.example>\nS: 250 ok\n", "b@y.example not_sent 250"},
		{session.PhaseData, "C: DATA\nS: 354 go\n", "b@y.example not_sent 250"},
		{session.PhaseDot, "C: \nC: .\nS: 250 queued\n", "b@y.example accepted 250"},
	} {
		script += step.lines
		for _, drop := range []bool{false, true} {
			sc := scenario{
				name: step.phase.String(), cfg: session.Config{StartTLS: session.StartTLSIfOffered, Stop: session.Stop{After: step.phase, Drop: drop}},
				begin: begin(t, mail(t, "\r\n", "a@x.example", "b@y.example")), script: script, state: fsm.Closed, kind: session.ErrStopped, want: []string{step.want},
			}
			if drop {
				sc.name += ", dropped"
			} else if step.phase != session.PhaseData { // behind a 354 there is no way to say QUIT
				sc.script += bye
			}
			sc.play(t)
		}
	}
	if p, err := session.ParsePhase("rcpt"); p != session.PhaseRcpt || err != nil {
		t.Error(p, err)
	}
	if _, err := session.ParsePhase("lunch"); err == nil {
		t.Error("lunch is a phase")
	}
}
