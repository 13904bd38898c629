package fuzz

import (
	"bytes"
	"fmt"
	"io"
	"reflect"

	"github.com/parley-mail/parley/auth"
	"github.com/parley-mail/parley/events"
	"github.com/parley-mail/parley/fsm"
	"github.com/parley-mail/parley/message"
	"github.com/parley-mail/parley/session"
)

// engine is a session under test with everything that is judged about it.
type engine struct {
	s      *session.Session
	txs    []*session.Transaction
	events [][]byte // every event, as JSON
	sent   bytes.Buffer
	over   int // octets sent when the session was over
}

const content = "Subject: hi\r\n\r\n.dot\r\n"

// newEngine returns a session that has been told what to send. If it is deaf nobody hears its
// events, and it may take short ways.
func newEngine(cfg session.Config, machine fsm.Machine, txs int, streamed, deaf bool) *engine {
	e := &engine{}
	bus := &events.Bus{}
	bus.Subscribe(events.All, func(ev events.Event) { e.events = append(e.events, events.AppendJSON(nil, ev)) })
	cfg.Machine = machine
	if !deaf {
		cfg.Events = bus
	}
	e.s = session.New(cfg)
	e.s.Dialing()
	e.s.Connected(session.Link{})
	for i := range txs {
		env := &message.Envelope{ReversePath: path("a@x.example")}
		for k := range 1 + i%3 {
			env.Recipients = append(env.Recipients, message.Recipient{Path: path(fmt.Sprintf("r%d@y.example", k))})
		}
		tx := &session.Transaction{Envelope: env}
		if !streamed {
			tx.Content = []byte(content)
		}
		if e.s.Begin(tx) == nil {
			e.txs = append(e.txs, tx)
		}
	}
	e.s.Quit()
	return e
}

func path(s string) message.Path {
	p, err := message.ParsePath(s)
	if err != nil {
		panic(err)
	}
	return p
}

// serve does what the session wants and the driver would do without asking anybody.
func (e *engine) serve() {
	for {
		e.flush()
		w := e.s.Wants()
		switch {
		case w.Has(session.WantTLS):
			e.s.Secured(session.Link{Secure: true, Verified: true})
		case w.Has(session.WantCredentials):
			e.s.Authenticate(auth.Credentials{User: "alice", Password: auth.NewSecret("secret-of-alice")}, auth.Policy{AllowPlaintext: true})
		case w.Has(session.WantBody):
			e.s.Body([]byte(content), true)
		default:
			return
		}
	}
}

// flush takes the output.
func (e *engine) flush() []byte {
	n := e.sent.Len()
	for _, p := range e.s.Output() {
		e.sent.Write(p)
	}
	e.s.Wrote(int64(e.sent.Len() - n))
	return e.sent.Bytes()[n:]
}

// end ends the session if it has not ended, and judges it.
func (e *engine) end() error {
	e.serve()
	if !e.s.State().Over() {
		e.s.Lost(io.EOF)
	}
	e.over = e.sent.Len()
	e.s.Receive([]byte("250 late\r\n"))
	e.s.Expire()
	e.serve()
	switch {
	case !e.s.State().Over():
		return fmt.Errorf("state %v after the end", e.s.State())
	case e.sent.Len() != e.over:
		return fmt.Errorf("sent %q after the end", e.sent.Bytes()[e.over:])
	case e.s.InFlight() != 0:
		return fmt.Errorf("%d commands in flight after the end", e.s.InFlight())
	case e.s.Wants()&^session.WantClose != 0:
		return fmt.Errorf("wants %b after the end", e.s.Wants())
	}
	for i, tx := range e.txs {
		if err := e.judge(tx); err != nil {
			return fmt.Errorf("message %d: %w", i, err)
		}
	}
	return nil
}

// judge checks the outcome of one message against what was sent of it.
func (e *engine) judge(tx *session.Transaction) error {
	if !tx.Done() {
		return fmt.Errorf("undecided")
	}
	whole := tx.Sent() == int64(len(content))
	for i := range tx.Len() {
		o := tx.Outcome(i)
		switch {
		case o.Status == session.Accepted && (!whole || o.Reply.Code/100 != 2):
			return fmt.Errorf("accepted by %d with %d octets of content sent", o.Reply.Code, tx.Sent())
		case o.Status == session.Unknown && !whole:
			return fmt.Errorf("unknown with %d octets of content sent", tx.Sent())
		case o.Status == session.Refused && o.Reply.Code < 400:
			return fmt.Errorf("refused by %d", o.Reply.Code)
		case o.Status != session.Accepted && tx.Err() == nil && tx.Len() == 1:
			return fmt.Errorf("%v without a reason", o.Status)
		}
	}
	return nil
}

// same compares two runs of one plan.
func (e *engine) same(o *engine) error {
	if e.s.State() != o.s.State() || !bytes.Equal(e.sent.Bytes(), o.sent.Bytes()) {
		return fmt.Errorf("state %v or %v, sent %q or %q", e.s.State(), o.s.State(), e.sent.Bytes(), o.sent.Bytes())
	}
	if len(e.events) > 0 && len(o.events) > 0 && !bytes.Equal(bytes.Join(e.events, nil), bytes.Join(o.events, nil)) {
		return fmt.Errorf("events\n%s\nor\n%s", bytes.Join(e.events, []byte("\n")), bytes.Join(o.events, []byte("\n")))
	}
	if a, b := e.s.Stats(), o.s.Stats(); a != b {
		return fmt.Errorf("counted %+v or %+v", a, b)
	}
	for i := range e.txs {
		for k := range e.txs[i].Len() {
			if a, b := e.txs[i].Outcome(k), o.txs[i].Outcome(k); !reflect.DeepEqual(a, b) {
				return fmt.Errorf("message %d, recipient %d: %+v or %+v", i, k, a, b)
			}
		}
	}
	return nil
}

func (e *engine) sameOutcomes(o *engine) error {
	for i := range e.txs {
		for k := range e.txs[i].Len() {
			if a, b := e.txs[i].Status(k), o.txs[i].Status(k); a != b {
				return fmt.Errorf("message %d, recipient %d: %v or %v", i, k, a, b)
			}
		}
	}
	return nil
}

// configs are the settings that plans choose from.
func config(p *plan) (cfg session.Config, txs int, streamed bool) {
	flags := p.octet()
	cfg.LMTP = flags&1 != 0
	cfg.Strict = flags&2 != 0
	cfg.Serial = flags&4 != 0
	cfg.Authenticate = flags&8 != 0
	if flags&16 != 0 {
		cfg.Data = session.DataBDAT
	}
	if flags&32 != 0 {
		cfg.Overlap = 8
	}
	streamed = flags&64 != 0
	cfg.RsetEach = flags&128 != 0
	cfg.StartTLS = session.StartTLS(p.pick(3))
	return cfg, 1 + p.pick(3), streamed
}
