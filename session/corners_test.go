package session_test

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/parley-mail/parley/auth"
	"github.com/parley-mail/parley/codec"
	"github.com/parley-mail/parley/events"
	"github.com/parley-mail/parley/fsm"
	"github.com/parley-mail/parley/session"
)

// What happens seldom and must be right all the same.
func TestCorners(t *testing.T) {
	const (
		head  = "S: 220 mx.example\nC: EHLO localhost\nS: 250 mx.example\n"
		headP = "S: 220 mx.example\nC: EHLO localhost\nS: 250-mx.example\nS: 250-CHUNKING\nS: 250 PIPELINING\n"
		bye   = "C: QUIT\nS: 221 bye"
	)
	required := func(tx *session.Transaction, which ...bool) *session.Transaction { tx.Required = which; return tx }
	refuse := mail(t, "a\rb\r\n", "a@x.example", "b@y.example")
	refuse.LineEnds = codec.Refuse
	largeRefuse := mail(t, strings.Repeat("0123456789\r\n", 4000)+"a\rb\r\n", "a@x.example", "b@y.example")
	largeRefuse.LineEnds = codec.Refuse
	endRefuse := mail(t, "ends in CR\r", "a@x.example", "b@y.example")
	endRefuse.LineEnds = codec.Refuse
	wrongArgument := mail(t, "\r\n", "a@x.example", "b@y.example", "c@y.example")
	wrongArgument.Envelope.Recipients[1].Params.Extra = []string{"not a parameter"}
	wrongSender := mail(t, "\r\n", "a@x.example", "b@y.example")
	wrongSender.Envelope.Params.Extra = []string{"not a parameter"}
	var many []string
	for range 150 {
		many = append(many, "a-long-name-that-fills-the-window@a-long-domain.example")
	}
	for _, sc := range []scenario{
		{
			name: "a required recipient is refused within a pipeline", begin: begin(t, required(mail(t, "\r\n", "a@x.example", "b@y.example", "c@y.example"), false, true), mail(t, "\r\n", "a@x.example", "d@y.example")),
			want: []string{"b@y.example not_sent 250", "c@y.example refused 550", "d@y.example refused 550"},
			script: headP + "C: MAIL FROM:<a@x.example>\nC: RCPT TO:<b@y.example>\nC: RCPT TO:<c@y.example>\nS: 250 ok\nS: 250 ok\nS: 550 no\n" +
				"C: RSET\nC: MAIL FROM:<a@x.example>\nC: RCPT TO:<d@y.example>\nC: DATA\nS: 250 ok\nS: 250 ok\nS: 550 no\nS: 503 nobody\n" + bye,
		},
		{
			name: "required recipients, all accepted, chunked", cfg: session.Config{Data: session.DataBDAT}, begin: begin(t, required(mail(t, "\r\n", "a@x.example", "b@y.example"), true)),
			want:   []string{"b@y.example accepted 250"},
			script: headP + "C: MAIL FROM:<a@x.example>\nC: RCPT TO:<b@y.example>\nS: 250 ok\nS: 250 ok\nC: BDAT 2 LAST\nC: \nS: 250 ok\n" + bye,
		},
		{
			name: "lock-step chunks, nobody accepted", cfg: session.Config{Data: session.DataBDAT, Serial: true}, begin: begin(t, streamed(t, "b@y.example")),
			want:   []string{"b@y.example refused 550"},
			script: headP + "C: MAIL FROM:<a@x.example>\nS: 250 ok\nC: RCPT TO:<b@y.example>\nS: 550 no\n" + bye,
		},
		{
			name: "an empty block is no chunk", cfg: session.Config{Data: session.DataBDAT}, begin: begin(t, streamed(t, "b@y.example")),
			want:   []string{"b@y.example accepted 250"},
			script: headP + "B:\nB! hi\nC: MAIL FROM:<a@x.example>\nC: RCPT TO:<b@y.example>\nC: BDAT 4 LAST\nC: hi\nS: 250 ok\nS: 250 ok\nS: 250 ok\n" + bye,
		},
		{
			name: "LMTP chunks", cfg: session.Config{LMTP: true, Data: session.DataBDAT}, begin: begin(t, mail(t, "\r\n", "a@x.example", "b@y.example", "c@y.example", "d@y.example")),
			want: []string{"b@y.example accepted 250", "c@y.example refused 550", "d@y.example refused 452"},
			script: strings.ReplaceAll(headP, "EHLO", "LHLO") + "C: MAIL FROM:<a@x.example>\nC: RCPT TO:<b@y.example>\nC: RCPT TO:<c@y.example>\nC: RCPT TO:<d@y.example>\nC: BDAT 2 LAST\nC: \n" +
				"S: 250 ok\nS: 250 ok\nS: 550 no\nS: 250 ok\nS: 250 b has it\nS: 452 d is full\n" + bye,
		},
		{
			name: "bare line ends are refused", begin: begin(t, refuse), want: []string{"b@y.example not_sent 250"}, kind: session.ErrContent,
			script: head + "C: MAIL FROM:<a@x.example>\nS: 250 ok\nC: RCPT TO:<b@y.example>\nS: 250 ok\nC: DATA\nS: 354 go",
		},
		{
			name: "bare line ends are refused in large content", begin: begin(t, largeRefuse), want: []string{"b@y.example not_sent 250"}, kind: session.ErrContent,
			script: head + "C: MAIL FROM:<a@x.example>\nS: 250 ok\nC: RCPT TO:<b@y.example>\nS: 250 ok\nC: DATA\nS: 354 go",
		},
		{
			name: "a bare CR at the end is refused", begin: begin(t, endRefuse), want: []string{"b@y.example not_sent 250"}, kind: session.ErrContent,
			script: head + "C: MAIL FROM:<a@x.example>\nS: 250 ok\nC: RCPT TO:<b@y.example>\nS: 250 ok\nC: DATA\nS: 354 go",
		},
		{
			name: "bare line ends are refused in a chunk", cfg: session.Config{Data: session.DataBDAT}, begin: begin(t, refuse, endRefuse), want: []string{"b@y.example not_sent 250", "b@y.example not_sent 250"},
			script: headP + "C: MAIL FROM:<a@x.example>\nC: RCPT TO:<b@y.example>\nS: 250 ok\nS: 250 ok\nC: RSET\nC: MAIL FROM:<a@x.example>\nC: RCPT TO:<b@y.example>\nC: QUIT\nS: 250 ok\nS: 250 ok\nS: 250 ok\nS: 221 bye",
		},
		{
			name: "a wrong argument of RCPT", begin: begin(t, wrongArgument), want: []string{"b@y.example not_sent 0", "c@y.example not_sent 0"}, script: head + bye,
		},
		{
			name: "a wrong argument of MAIL", begin: begin(t, wrongSender), want: []string{"b@y.example not_sent 0"}, script: head + bye,
		},
		{
			name: "a wrong name", cfg: session.Config{Hello: "a b"}, begin: begin(t, mail(t, "\r\n", "a@x.example", "b@y.example")),
			want: []string{"b@y.example not_sent 0"}, kind: session.ErrMisuse, script: "S: 220 mx.example\n" + bye,
		},
		{
			name: "HELO refused", begin: begin(t, mail(t, "\r\n", "a@x.example", "b@y.example")), want: []string{"b@y.example not_sent 0"}, kind: session.ErrRefused,
			script: "S: 220 mx.example\nC: EHLO localhost\nS: 502 what\nC: HELO localhost\nS: 550 go away\n" + bye,
			check: func(t *testing.T, s *session.Session, _ []events.Event) {
				if e := s.Err().Error(); !strings.Contains(e, "502 what") || !strings.Contains(e, "550 go away") {
					t.Errorf("one reason hides the other: %s", e)
				}
			},
		},
		{
			name: "HELO at once, and TLS required", cfg: session.Config{NoExtensions: true, StartTLS: session.StartTLSOrNothing}, begin: begin(t, mail(t, "\r\n", "a@x.example", "b@y.example")),
			want: []string{"b@y.example not_sent 0"}, kind: session.ErrUnsupported, script: "S: 220 mx.example\n" + bye,
		},
		{
			name: "overlap is not meant for the third", cfg: session.Config{Overlap: 2}, begin: begin(t, mail(t, "\r\n", "a@x.example", "b@y.example"), mail(t, "\r\n", "a@x.example", "c@y.example"), mail(t, "\r\n", "a@x.example", "d@y.example")),
			want: []string{"b@y.example refused 550", "c@y.example refused 550", "d@y.example refused 550"},
			script: headP + "C: MAIL FROM:<a@x.example>\nC: RCPT TO:<b@y.example>\nC: DATA\nS: 550 no\nS: 503 no\nS: 503 no\n" +
				"C: MAIL FROM:<a@x.example>\nC: RCPT TO:<c@y.example>\nC: DATA\nS: 550 no\nS: 503 no\nS: 503 no\n" +
				"C: MAIL FROM:<a@x.example>\nC: RCPT TO:<d@y.example>\nC: DATA\nS: 550 no\nS: 503 no\nS: 503 no\n" + bye,
		},
		{
			name: "several lines in a reply that decides", begin: begin(t, mail(t, "\r\n", "a@x.example", "b@y.example")), want: []string{"b@y.example refused 550"},
			script: head + "C: MAIL FROM:<a@x.example>\nS: 250 ok\nC: RCPT TO:<b@y.example>\nS: 550-no\nS: 550 really\n" + bye,
			check: func(t *testing.T, s *session.Session, all []events.Event) {
				if got := s.LastReply().String(); got != "221 bye" {
					t.Errorf("last reply %s", got)
				}
			},
		},
	} {
		if sc.state == 0 {
			sc.state = fsm.Closed
		}
		sc.play(t)
	}

	// The window bounds what is sent ahead; the rest follows as replies come.
	l := open(t, session.Config{})
	l.Receive(nil)
	tx := mail(t, "\r\n", "a@x.example", many...)
	s := newLoop(t, &fsm.Compiled{}, session.DataOnly, 1, nil).s
	small := session.New(session.Config{Window: 512})
	small.Dialing()
	small.Connected(session.Link{})
	small.Receive([]byte("220 mx.example\r\n"))
	drain(small)
	small.Receive([]byte("250-mx.example\r\n250 PIPELINING\r\n"))
	if err := small.Begin(tx); err != nil {
		t.Fatal(err)
	}
	sent := ""
	for range 1000 {
		out := drain(small)
		if len(out) > 512 {
			t.Fatalf("%d octets in one go", len(out))
		}
		sent += out
		if strings.HasSuffix(sent, "DATA\r\n") {
			break
		}
		small.Receive([]byte("250 ok\r\n"))
	}
	if n := strings.Count(sent, "RCPT TO:"); n != 150 {
		t.Errorf("%d RCPTs", n)
	}
	s.Abort(nil)
}

// chatty is a mechanism that never comes to an end, or cannot begin.
type chatty struct{ cannot error }

func (chatty) Name() string                          { return "CHATTY" }
func (c chatty) Start(*auth.Link) ([]byte, error)    { return nil, c.cannot }
func (chatty) Next(challenge []byte) ([]byte, error) { return challenge, nil }
func (chatty) Success() error                        { return nil }

// A mechanism of the caller's own is bounded like any other.
func TestOwnMechanism(t *testing.T) {
	for name, m := range map[string]chatty{"endless": {}, "cannot": {errors.New("no ticket")}} {
		s := session.New(session.Config{Authenticate: true, Limits: codec.Limits{Line: 1000}})
		s.Dialing()
		s.Connected(session.Link{Secure: true, Verified: true})
		s.Receive([]byte("220 mx.example\r\n"))
		drain(s)
		s.Receive([]byte("250-mx.example\r\n250 AUTH CHATTY\r\n"))
		s.Begin(mail(t, "", "a@x.example", "b@y.example")) // must wait for the credentials
		if drain(s) != "" || !s.Wants().Has(session.WantCredentials) {
			t.Fatal("something is sent before the credentials are there")
		}
		s.Authenticate(auth.Credentials{Extra: []auth.Mechanism{m}}, auth.Policy{})
		rounds := 0
		for out := drain(s); out != "*\r\n" && out != "QUIT\r\n"; out = drain(s) {
			if rounds++; rounds > 100 {
				t.Fatal("it never ends")
			}
			s.Receive([]byte("334 bW9yZQ==\r\n"))
		}
		s.Receive([]byte("501 cancelled\r\n"))
		if !errors.Is(s.Err(), session.ErrAuth) {
			t.Errorf("%s: %v", name, s.Err())
		}
	}
}

// named is a mechanism that tells for which service it was started.
type named struct{ service *string }

func (named) Name() string { return "NAMED" }
func (m named) Start(l *auth.Link) ([]byte, error) {
	*m.service = l.Service
	return nil, nil
}
func (named) Next([]byte) ([]byte, error) { return nil, nil }
func (named) Success() error              { return nil }

// A mechanism that names the service learns which of the two protocols is spoken.
func TestService(t *testing.T) {
	for _, lmtp := range []bool{false, true} {
		s := session.New(session.Config{Authenticate: true, LMTP: lmtp})
		s.Dialing()
		s.Connected(session.Link{Secure: true, Verified: true})
		s.Receive([]byte("220 mx.example\r\n"))
		drain(s)
		s.Receive([]byte("250-mx.example\r\n250 AUTH NAMED\r\n"))
		service := "not started"
		s.Authenticate(auth.Credentials{Extra: []auth.Mechanism{named{&service}}}, auth.Policy{})
		drain(s)
		if want := map[bool]string{true: "lmtp"}[lmtp]; service != want {
			t.Errorf("LMTP %v: service %q, want %q", lmtp, service, want)
		}
	}
}

// What comes at the wrong time changes nothing.
func TestWrongTime(t *testing.T) {
	s := session.New(session.Config{})
	s.Connected(session.Link{}) // before Dialing
	s.Secured(session.Link{Secure: true})
	s.Body([]byte("x"), true)
	s.BodyFailed(io.EOF)
	s.Authenticate(auth.Credentials{}, auth.Policy{})
	s.NoCredentials(io.EOF)
	s.Lost(io.EOF)
	s.Expire()
	if s.State() != fsm.Idle || s.Err() != nil || drain(s) != "" {
		t.Errorf("%v, %v", s.State(), s.Err())
	}
	s.Dialing()
	s.Lost(&session.Error{Kind: session.ErrTimeout, Err: io.ErrUnexpectedEOF})
	if !errors.Is(s.Err(), session.ErrTimeout) || !errors.Is(s.Err(), io.ErrUnexpectedEOF) {
		t.Error(s.Err())
	}
	s.Abort(nil)
	if errors.Is(s.Err(), session.ErrCanceled) {
		t.Error("a later error hides the first")
	}
}

// A refusal of the content that comes in one read with the leave to send it is one, and
// nothing of the content goes out.
func TestRefusedBehindLeave(t *testing.T) {
	for _, content := range []string{"\r\n", strings.Repeat("content\r\n", 10_000)} {
		s := open(t, session.Config{Serial: true})
		tx := mail(t, content, "a@x.example", "b@y.example")
		if err := s.Begin(tx); err != nil {
			t.Fatal(err)
		}
		for _, reply := range []string{"250 ok", "250 ok", "354 go\r\n550 no"} {
			drain(s)
			s.Receive([]byte(reply + "\r\n"))
		}
		if got := drain(s); got != "" {
			t.Errorf("said %.40q", got)
		}
		if diff := cmp.Diff([]string{"b@y.example refused 550"}, outcomes([]*session.Transaction{tx})); diff != "" {
			t.Errorf("%d octets (-want +got):\n%s", len(content), diff)
		}
	}
}

// With SMTPUTF8 recipients may be beyond ASCII too (RFC 6531 §3.3).
func TestRecipientBeyondASCII(t *testing.T) {
	(&scenario{
		name: "SMTPUTF8", begin: begin(t, mail(t, "\r\n", "j\u00f6rg@x.example", "\u00e9@y.example", "b@y.example")),
		want: []string{"\u00e9@y.example refused 550", "b@y.example refused 550"}, state: fsm.Closed,
		script: "S: 220 mx.example\nC: EHLO localhost\nS: 250-mx.example\nS: 250-8BITMIME\nS: 250 SMTPUTF8\nC: MAIL FROM:<j\u00f6rg@x.example> SMTPUTF8\nS: 250 ok\n" +
			"C: RCPT TO:<\u00e9@y.example>\nS: 550 no\nC: RCPT TO:<b@y.example>\nS: 550 no\nC: QUIT\nS: 221 bye",
	}).play(t)
}

// A server that answers every RCPT with as much as a reply may be is not kept word for
// word for ever; what it has said about each recipient is known all the same.
func TestRepliesAreKeptWithinBounds(t *testing.T) {
	const many = 300
	var to []string
	for i := range many {
		to = append(to, fmt.Sprintf("b%d@y.example", i))
	}
	tx := mail(t, "x\r\n", "a@x.example", to...)
	s := session.New(session.Config{Window: 64 << 10})
	s.Dialing()
	s.Connected(session.Link{})
	s.Receive([]byte("220 mx.example\r\n"))
	drain(s)
	s.Receive([]byte("250 mx.example\r\n"))
	if err := s.Begin(tx); err != nil {
		t.Fatal(err)
	}
	drain(s)
	s.Receive([]byte("250 2.1.0 ok\r\n"))
	long := strings.Repeat("550-5.1.1 "+strings.Repeat("x", 8000)+"\r\n", 32) + "550 5.1.1 no\r\n"
	for range many {
		drain(s)
		s.Receive([]byte(long))
	}
	kept := 0
	for i := range many {
		o := tx.Outcome(i)
		if o.Status != session.Refused || o.Reply.Code != 550 || o.Reply.Enhanced.String() != "5.1.1" {
			t.Fatalf("recipient %d: %v %v", i, o.Status, o.Reply.Code)
		}
		for _, line := range o.Reply.Lines {
			kept += len(line)
		}
	}
	if kept < 32<<20 || kept > 65<<20 {
		t.Errorf("%d octets of replies are kept of %d", kept, many*len(long))
	}
}

// A driver that does not ask whether an answer is there may do so only where none can be.
func TestUnasked(t *testing.T) {
	s := session.New(session.Config{})
	is := func(want bool, when string) {
		t.Helper()
		if got := s.Unasked(); got != want {
			t.Errorf("%s: %v", when, got)
		}
	}
	is(false, "before a connection")
	s.Dialing()
	s.Connected(session.Link{})
	is(false, "awaiting the greeting, which nobody asks for")
	s.Receive([]byte("220 mx.example\r\n"))
	is(true, "EHLO not written")
	s.Wrote(3)
	is(true, "EHLO written in part")
	drain(s)
	is(false, "EHLO written")
	s.Receive([]byte("250-mx.example\r\n250 PIPELINING\r\n"))
	is(false, "nothing awaited")
	if err := s.Begin(mail(t, "\r\n", "a@x.example", "b@y.example")); err != nil {
		t.Fatal(err)
	}
	is(true, "the envelope not written")
	s.Wrote(int64(len("MAIL FROM:<a@x.example>\r\n")))
	is(false, "MAIL written, RCPT and DATA not")
	drain(s)
	s.Receive([]byte("250 ok\r\n250 ok\r\n354 go\r\n"))
	is(true, "the content not written")
}

// keepsakes are offers that cannot be compared.
type keepsakes map[string]*session.Offer

func (k keepsakes) Load(text []byte) *session.Offer { return k[string(text)] }
func (k keepsakes) Store(o *session.Offer)          { k[o.Text] = o }

// Sessions that are told the same keep it once, others never what is another's.
func TestToldTheSame(t *testing.T) {
	for _, cfg := range []session.Config{
		{Hello: "a.example"}, {Hello: "b.example"}, {Hello: "a.example", Offers: keepsakes{}}, {Hello: "b.example", Offers: keepsakes{}}, {Hello: "a.example"},
	} {
		for id := range uint64(2) {
			cfg.ID = id
			s := session.New(cfg)
			s.Dialing()
			s.Connected(session.Link{})
			s.Receive([]byte("220 mx.example\r\n"))
			if got, want := drain(s), "EHLO "+cfg.Hello+"\r\n"; got != want || s.ID() != id {
				t.Errorf("session %d says %q, want %q of %d", s.ID(), got, want, id)
			}
		}
	}
	if raceEnabled {
		return // the race detector allocates
	}
	if n := testing.AllocsPerRun(100, func() { session.New(session.Config{Hello: "a.example"}) }); n > 1 {
		t.Errorf("%v allocations for a session", n)
	}
}
