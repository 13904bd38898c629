package fuzz

import (
	"fmt"
	"io"

	"github.com/parley-mail/parley/fsm"
)

// replies is what a server is likely to say, right or wrong.
var replies = []string{
	"220 mx.example\r\n", "250 ok\r\n", "250-mx.example\r\n250-PIPELINING\r\n250-CHUNKING\r\n250 AUTH PLAIN LOGIN\r\n",
	"250-mx.example\r\n250-STARTTLS\r\n250-PIPELINING\r\n250 SIZE 1000\r\n", "354 go\r\n", "550 5.1.1 no\r\n", "450 later\r\n",
	"421 bye\r\n", "221 bye\r\n", "334 \r\n", "334 VXNlcm5hbWU6\r\n", "235 in\r\n", "535 no\r\n", "250\n", "250-a\r\n251 b\r\n",
	"250-a\r\n550 b\r\n", "25O ok\r\n", "250-", "\r\n", "200 ok\r\n", "502 what\r\n", "503 out of order\r\n", "220 go\r\n250 evil\r\n",
	"250 ok\r\n250 ok\r\n", "250 ok\r\n250 ok\r\n354 go\r\n", "999 what\r\n", "\x15\x03\x01\x00\x02\x02\x0a", "HTTP/1.1 400 Bad\r\n",
}

// Session plays octets, calls and ends in any order to a session. It checks that the
// outcome is never a lie, that nothing is sent when the session is over, that both
// machines and another split of the stream see exactly the same, and that it is the same too
// when nobody listens.
func Session(data []byte) error {
	first, err := run(data, &fsm.Compiled{}, false, false)
	if err != nil {
		return err
	}
	looplab := fsm.NewLooplab()
	defer looplab.Release()
	second, err := run(data, looplab, true, false)
	if err != nil {
		return fmt.Errorf("octet by octet, on looplab: %w", err)
	}
	if err := first.same(second); err != nil {
		return fmt.Errorf("whole and compiled, or octet by octet and looplab: %w", err)
	}
	for _, bytewise := range []bool{false, true} {
		deaf, err := run(data, &fsm.Compiled{}, bytewise, true)
		if err == nil {
			err = first.same(deaf)
		}
		if err != nil {
			return fmt.Errorf("nobody listens, octet by octet %t: %w", bytewise, err)
		}
	}
	return nil
}

func run(data []byte, machine fsm.Machine, bytewise, deaf bool) (*engine, error) {
	p := &plan{data}
	cfg, txs, streamed := config(p)
	e := newEngine(cfg, machine, txs, streamed, deaf)
	receive := func(b []byte) {
		if !bytewise {
			e.s.Receive(b)
			return
		}
		for i := range b {
			e.s.Receive(b[i : i+1])
		}
	}
	for range 200 {
		if p.empty() {
			break
		}
		e.serve()
		switch op := p.pick(len(replies) + 6); {
		case op < len(replies):
			receive([]byte(replies[op]))
		case op == len(replies):
			receive(p.take(p.pick(64)))
		case op == len(replies)+1:
			e.s.Expire()
		case op == len(replies)+2:
			e.s.Lost(io.ErrUnexpectedEOF)
		case op == len(replies)+3:
			e.s.Abort(nil)
		case op == len(replies)+4:
			e.s.BodyFailed(io.ErrUnexpectedEOF)
		default:
			e.s.Release()
		}
		if e.s.InFlight() > 300 || e.s.State().Over() && e.s.InFlight() > 0 {
			return e, fmt.Errorf("%d commands in flight in state %v", e.s.InFlight(), e.s.State())
		}
	}
	return e, e.end()
}
