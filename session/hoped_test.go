package session_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/parley-mail/parley/events"
	"github.com/parley-mail/parley/session"
)

// With nobody to listen a session takes replies by a shorter way. Whatever the replies to
// four recipients are, it counts the same and says the same of each of them.
func TestShortWay(t *testing.T) {
	const before, after = "250 2.1.0 ok\r\n", "354 go\r\n250 2.0.0 taken\r\n"
	ok := "250 2.1.5 ok\r\n"
	for name, rcpts := range map[string]string{
		"the same":           ok + ok + ok + ok,
		"one differs":        ok + "250 2.1.5 fine\r\n" + ok + ok,
		"one refused":        ok + ok + "550 5.1.1 no\r\n" + ok,
		"one by 251":         ok + ok + "251 2.1.5 forwarded\r\n" + ok,
		"LF alone":           ok + "250 2.1.5 ok\n" + ok + ok,
		"several lines":      ok + "250-2.1.5 ok\r\n" + ok + ok + ok,
		"another's code":     ok + "250 5.1.5 ok\r\n" + ok + ok,
		"an empty line":      ok + ok + "\r\n" + ok + ok,
		"the last is absent": ok + ok + ok,
		"one too many":       ok + ok + ok + ok + ok,
		"closing":            ok + ok + "421 4.3.2 bye\r\n",
		"a greeting":         ok + ok + "220 hello\r\n" + ok,
	} {
		for _, cut := range []split{whole, bytewise} {
			play := func(cfg session.Config) sight {
				s := session.New(cfg)
				s.Dialing()
				s.Connected(session.Link{})
				tx := mail(t, "Subject: hi\r\n\r\n", "a@x.example", "b@y.example", "c@y.example", "d@y.example", "e@y.example")
				if err := s.Begin(tx); err != nil {
					t.Fatal(err)
				}
				for _, said := range []string{"220 mx\r\n", "250-mx\r\n250 PIPELINING\r\n", before + rcpts, after} {
					for _, p := range cut([]byte(said)) {
						s.Receive(p)
					}
					drain(s)
				}
				seen := sight{Stats: s.Stats()}
				for i := range tx.Len() {
					seen.Outcomes = append(seen.Outcomes, tx.Outcome(i))
				}
				return seen
			}
			bus := &events.Bus{}
			heard := false
			bus.Subscribe(events.All, func(events.Event) { heard = true })
			if diff := cmp.Diff(play(session.Config{Events: bus}), play(session.Config{})); diff != "" || !heard {
				t.Errorf("%s: with somebody who listens (-) and with nobody (+):\n%s", name, diff)
			}
		}
	}
}
