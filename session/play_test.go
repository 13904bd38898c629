package session_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/parley-mail/parley/auth"
	"github.com/parley-mail/parley/events"
	"github.com/parley-mail/parley/fsm"
	"github.com/parley-mail/parley/message"
	"github.com/parley-mail/parley/session"
)

// scenario is a dialogue in the notation of the RFCs, played against a session without
// a network. "S:" lines come from the server, "C:" lines must leave the client, those
// in a row in one write. "T:" is a completed handshake, "A:" the credentials asked for,
// "A: none" that there are none, "B:" a line of content asked for, "B!" the last one,
// "F:" that content cannot be had, "Q:" that the caller wants to leave, "X:" the end of the connection, "X: expire" that of
// patience.
type scenario struct {
	name   string
	cfg    session.Config
	link   session.Link // at the beginning
	tls    session.Link // after T:
	creds  auth.Credentials
	policy auth.Policy
	cfg2   int // Overlap
	begin  func(s *session.Session) []*session.Transaction
	script string
	state  fsm.State
	want   []string      // outcomes, "address status code" for each recipient of each transaction
	kind   error         // of the session's error
	events []events.Kind // that must occur, in this order
	check  func(t *testing.T, s *session.Session, all []events.Event)
}

// split says how the server's octets are cut into calls of Receive.
type split func(p []byte) [][]byte

func whole(p []byte) [][]byte { return [][]byte{p} }

func bytewise(p []byte) (all [][]byte) {
	for i := range p {
		all = append(all, p[i:i+1])
	}
	return all
}

func at(n int) split {
	return func(p []byte) [][]byte {
		if n >= len(p) {
			return [][]byte{p}
		}
		return [][]byte{p[:n], p[n:]}
	}
}

// sight is what can be seen of a session without its events.
type sight struct {
	Outcomes []session.Outcome
	Stats    session.Stats
}

// run plays a scenario once, or if the session is deaf, with nobody to hear its events.
func (sc *scenario) run(t *testing.T, machine fsm.Machine, cut split, deaf bool) (seen sight) {
	t.Helper()
	rec, bus := &events.Recorder{}, &events.Bus{}
	bus.Subscribe(events.All, rec.Record)
	cfg := sc.cfg
	cfg.Machine = machine
	if !deaf {
		cfg.Events = bus
	}
	s := session.New(cfg)
	s.Dialing()
	s.Connected(sc.link)
	var txs []*session.Transaction
	if sc.begin != nil {
		txs = sc.begin(s)
	}
	for _, turn := range turns(sc.script) {
		switch turn.who {
		case 'S':
			for _, p := range cut([]byte(turn.text)) {
				s.Receive(bytes.Clone(p))
			}
		case 'C':
			got := drain(s)
			if before, after, ok := strings.Cut(turn.text, "{any}"); ok && len(got) >= len(before)+len(after) &&
				strings.HasPrefix(got, before) && strings.HasSuffix(got, after) {
				continue
			}
			if diff := cmp.Diff(turn.text, got); diff != "" {
				t.Fatalf("client said (-want +got):\n%s", diff)
			}
		case 'T':
			if s.Wants()&session.WantTLS == 0 {
				t.Fatalf("no handshake is wanted in %v", s.State())
			}
			s.Secured(sc.tls)
		case 'A':
			if s.Wants()&session.WantCredentials == 0 {
				t.Fatalf("no credentials are wanted in %v", s.State())
			}
			if strings.TrimSpace(turn.text) == "none" {
				s.NoCredentials(errors.New("the vault is shut"))
			} else {
				s.Authenticate(sc.creds, sc.policy)
			}
		case 'Q':
			if s.Err() == nil {
				s.Quit()
			}
		case 'B', 'F':
			if s.Wants()&session.WantBody == 0 {
				t.Fatalf("no content is wanted in %v", s.State())
			}
			if turn.who == 'F' {
				s.BodyFailed(errors.New("disk on fire"))
			} else {
				s.Body([]byte(turn.text), turn.last)
			}
		case 'X':
			if strings.TrimSpace(turn.text) == "expire" {
				s.Expire()
			} else {
				s.Lost(io.EOF)
			}
		}
	}
	if rest := drain(s); rest != "" {
		t.Fatalf("the client goes on: %q", rest)
	}
	if s.State() != sc.state {
		t.Errorf("state %v, want %v (error %v)", s.State(), sc.state, s.Err())
	}
	if diff := cmp.Diff(sc.want, outcomes(txs)); diff != "" {
		t.Fatalf("outcomes (-want +got):\n%s", diff)
	}
	if sc.kind == nil && s.Err() != nil && sc.state == fsm.Closed && !errors.Is(s.Err(), session.ErrRefused) || sc.kind != nil && !errors.Is(s.Err(), sc.kind) {
		t.Errorf("error %v, want %v", s.Err(), sc.kind)
	}
	seen.Stats = s.Stats()
	for _, tx := range txs {
		for i := range tx.Len() {
			seen.Outcomes = append(seen.Outcomes, tx.Outcome(i))
		}
	}
	if deaf {
		return seen
	}
	rest := rec.Kinds()
	for _, k := range sc.events {
		i := slices.Index(rest, k)
		if i < 0 {
			t.Errorf("no event %v in its place: %v", k, rec.Kinds())
			break
		}
		rest = rest[i+1:]
	}
	if sc.check != nil {
		sc.check(t, s, rec.Events())
	}
	return seen
}

// play runs a scenario on both machines, whole, octet by octet, and in all two-way
// splits, and once more with nobody who hears it.
func (sc *scenario) play(t *testing.T) {
	t.Run(sc.name, func(t *testing.T) {
		longest := 0
		for _, turn := range turns(sc.script) {
			longest = max(longest, len(turn.text))
		}
		for _, cut := range []split{whole, bytewise} {
			heard := sc.run(t, &fsm.Compiled{}, cut, false)
			if diff := cmp.Diff(heard, sc.run(t, &fsm.Compiled{}, cut, true)); diff != "" {
				t.Errorf("seen, if somebody listens (-) and if nobody does (+):\n%s", diff)
			}
			looplab := fsm.NewLooplab()
			sc.run(t, looplab, cut, false)
			looplab.Release()
		}
		for n := 1; n < longest; n++ {
			sc.run(t, &fsm.Compiled{}, at(n), false)
		}
	})
}

type turn struct {
	who  byte
	text string
	last bool
}

// turns joins the lines of one side.
func turns(script string) (all []turn) {
	for line := range strings.Lines(script) {
		line = strings.TrimSuffix(strings.TrimLeft(line, "\t "), "\n")
		if len(line) < 2 || line[1] != ':' && line[1] != '!' {
			continue
		}
		text := strings.TrimPrefix(line[2:], " ")
		text = strings.NewReplacer(`\r`, "\r", `\n`, "\n").Replace(text)
		if line[0] == 'S' || line[0] == 'C' || line[0] == 'B' && text != "" {
			text += "\r\n"
		}
		if n := len(all); n > 0 && all[n-1].who == line[0] && (line[0] == 'S' || line[0] == 'C') {
			all[n-1].text += text
			continue
		}
		all = append(all, turn{line[0], text, line[1] == '!'})
	}
	return all
}

func drain(s *session.Session) string {
	var b strings.Builder
	n := int64(0)
	for _, p := range s.Output() {
		b.Write(p)
		n += int64(len(p))
	}
	s.Wrote(n)
	return b.String()
}

func outcomes(txs []*session.Transaction) (all []string) {
	for _, tx := range txs {
		if !tx.Done() {
			all = append(all, "undecided")
			continue
		}
		for i := range tx.Len() {
			o := tx.Outcome(i)
			all = append(all, fmt.Sprintf("%s %v %d", tx.Envelope.Recipients[i].Path, o.Status, o.Reply.Code))
		}
	}
	return all
}

// mail makes a transaction with the content in memory.
func mail(t testing.TB, content, from string, to ...string) *session.Transaction {
	t.Helper()
	env := &message.Envelope{ReversePath: path(t, from)}
	for _, a := range to {
		env.Recipients = append(env.Recipients, message.Recipient{Path: path(t, a)})
	}
	return &session.Transaction{Envelope: env, Content: []byte(content)}
}

func path(t testing.TB, s string) message.Path {
	t.Helper()
	p, err := message.ParsePath(s)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// begin queues transactions and an orderly end.
func begin(t testing.TB, txs ...*session.Transaction) func(*session.Session) []*session.Transaction {
	t.Helper()
	return func(s *session.Session) []*session.Transaction {
		fresh := make([]*session.Transaction, len(txs))
		for i, tx := range txs {
			c := *tx
			fresh[i] = &c
			if err := s.Begin(fresh[i]); err != nil {
				t.Fatal(err)
			}
		}
		s.Quit()
		return fresh
	}
}
