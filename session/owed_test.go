package session_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/parley-mail/parley/fsm"
	"github.com/parley-mail/parley/session"
)

// A body that the driver writes itself is a chunk of so many octets, all of which have to be
// accounted for before anything behind it is given. Content that has to be looked at does not
// go so.
func TestBodyOwed(t *testing.T) {
	for _, canonical := range []bool{true, false} {
		l := newLoop(t, &fsm.Compiled{}, session.DataBDAT, 1, nil)
		tx := mail(t, "", "a@x.example", "b@y.example")
		tx.Content, tx.Canonical = nil, canonical
		if err := l.s.Begin(tx); err != nil {
			t.Fatal(err)
		}
		if got := l.s.BodyUnseen(); got != canonical {
			t.Fatalf("canonical %t: unseen %t", canonical, got)
		}
		l.s.BodyOwed(5<<20, true)
		l.s.Quit()
		out, owed := l.s.OutputOwed()
		head := string(joinAll(out))
		if !canonical {
			if owed != 0 || strings.Contains(head, "BDAT") {
				t.Errorf("%q, %d owed", head, owed)
			}
			continue
		}
		if !strings.HasSuffix(head, "BDAT 5242880 LAST\r\n") || owed != 5<<20 {
			t.Fatalf("%q, %d owed", head, owed)
		}
		l.s.Wrote(int64(len(head)) + 2<<20)
		if out, owed := l.s.OutputOwed(); len(out) != 0 || owed != 3<<20 {
			t.Fatalf("%q, %d owed behind 2 MiB", out, owed)
		}
		l.s.Wrote(3 << 20)
		l.s.Receive(l.group)
		if !tx.Done() || tx.Status(0) != session.Accepted || tx.Sent() != 5<<20 {
			t.Errorf("%v, %d octets", tx.Status(0), tx.Sent())
		}
		if got := string(joinAll(l.s.Output())); got != "QUIT\r\n" {
			t.Errorf("behind it: %q", got)
		}
	}
}

// An octet that is owed and cannot be had ends the session. Nobody has the message, whose end
// was announced; nor the one behind it.
func TestBodyOwedFails(t *testing.T) {
	l := newLoop(t, &fsm.Compiled{}, session.DataBDAT, 2, nil)
	first, second := mail(t, "", "a@x.example", "b@y.example"), mail(t, "second\r\n", "a@x.example", "b@y.example")
	first.Content, first.Canonical = nil, true
	for _, tx := range []*session.Transaction{first, second} {
		if err := l.s.Begin(tx); err != nil {
			t.Fatal(err)
		}
	}
	l.s.BodyOwed(1000, true)
	out, _ := l.s.OutputOwed()
	l.s.Wrote(int64(len(joinAll(out))) + 999)
	gone := errors.New("gone")
	l.s.BodyFailed(gone)
	if err := l.s.Err(); !errors.Is(err, session.ErrContent) || !errors.Is(err, gone) || l.s.State() != fsm.Closed || l.s.Output() != nil {
		t.Errorf("%v in %v", err, l.s.State())
	}
	for i, tx := range []*session.Transaction{first, second} {
		if !tx.Done() || tx.Status(0) != session.NotSent {
			t.Errorf("message %d: %v", i, tx.Status(0))
		}
	}
}
