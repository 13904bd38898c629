package conformance

import (
	"bytes"
	"io"
	"time"

	"github.com/parley-mail/parley/auth"
	"github.com/parley-mail/parley/session"
)

// Mutant is an engine that is wrong in one way. Cases that cannot tell it from the
// honest one prove nothing about that way.
type Mutant struct {
	Name  string
	About string
	Options

	touches []edge // where the table is changed
}

// faulty is a session behind a liar. Every hook may be nil.
type faulty struct {
	*session.Session
	fault

	reply   []byte // octets of the server that are no whole reply yet
	held    []byte // octets kept back
	holding bool
	outs    [][]byte
	extra   []byte // octets to be sent although the session knows nothing of it
	kept    []byte // what the fault remembers
	asked   int    // commands in flight when the client spoke last
	told    int    // replies since then
	last    []byte // what the client said last
}

// fault is what is wrong: hooks between the session and its driver.
type fault struct {
	config   func(*session.Config)
	policy   func(*auth.Policy)
	reply    func(f *faulty, reply []byte) []byte // a whole reply, or a line that is none
	sent     func(f *faulty, p []byte) []byte     // what the client says
	outcome  func(f *faulty, tx *session.Transaction, i int, o session.Outcome) session.Outcome
	patience func(time.Duration) time.Duration
	lost     func(f *faulty) []byte // what is added to the stream before its end
	body     func(f *faulty, err error)
	begin    func(f *faulty)
	secured  func(f *faulty)
}

func (x fault) make(cfg session.Config) Engine {
	if x.config != nil {
		x.config(&cfg)
	}
	f := &faulty{Session: session.New(cfg), fault: x}
	if x.begin != nil {
		x.begin(f)
	}
	return f
}

// Receive hands whole replies to the hook.
func (f *faulty) Receive(p []byte) {
	if f.fault.reply == nil {
		f.Session.Receive(p)
		return
	}
	for len(p) > 0 {
		i := bytes.IndexByte(p, '\n')
		if i < 0 {
			f.reply = append(f.reply, p...)
			return
		}
		f.reply = append(f.reply, p[:i+1]...)
		p = p[i+1:]
		line := f.reply[bytes.LastIndexByte(f.reply[:len(f.reply)-1], '\n')+1:]
		if goesOn(line) {
			continue
		}
		whole := f.reply
		f.reply = nil
		if f.holding {
			f.held = append(f.held, whole...)
			continue
		}
		if whole = f.fault.reply(f, whole); len(whole) > 0 {
			f.told++
			f.Session.Receive(whole)
		}
	}
}

// goesOn reports whether a line is one of a reply, and not the last.
func goesOn(line []byte) bool {
	return len(line) > 3 && line[3] == '-' && !bytes.ContainsFunc(line[:3], func(r rune) bool { return r < '0' || r > '9' })
}

// Lost gives what is left over first.
func (f *faulty) Lost(err error) {
	rest := f.reply
	f.reply = nil
	if f.lost != nil {
		rest = append(rest, f.lost(f)...)
	}
	if len(rest) > 0 {
		f.Session.Receive(rest)
	}
	f.Session.Lost(err)
}

// Secured gives what was held back.
func (f *faulty) Secured(link session.Link) {
	f.Session.Secured(link)
	f.holding = false
	if f.secured != nil {
		f.secured(f)
	}
}

// Output has the hook alter what the client says; to the session all of it is written.
func (f *faulty) Output() [][]byte {
	out := bytes.Join(f.Session.Output(), nil)
	if n := len(out); n > 0 {
		f.asked, f.told, f.last = f.Session.InFlight(), 0, bytes.Clone(out)
		f.Session.Wrote(int64(n))
		if f.sent != nil {
			out = f.sent(f, out)
		}
	}
	out = append(out, f.extra...)
	f.extra = nil
	if len(out) == 0 {
		return nil
	}
	f.outs = append(f.outs[:0], out)
	return f.outs
}

// Wrote is told by Output already.
func (f *faulty) Wrote(int64) {}

// Wants does not ask for what Output has done.
func (f *faulty) Wants() session.Want { return f.Session.Wants() &^ session.WantWrite }

// Patience may be another one.
func (f *faulty) Patience() time.Duration {
	if f.patience != nil {
		return f.patience(f.Session.Patience())
	}
	return f.Session.Patience()
}

// Authenticate may be careless.
func (f *faulty) Authenticate(creds auth.Credentials, policy auth.Policy) {
	if f.policy != nil {
		f.policy(&policy)
	}
	f.Session.Authenticate(creds, policy)
}

// BodyFailed may be passed over.
func (f *faulty) BodyFailed(err error) {
	if f.body != nil {
		f.body(f, err)
		return
	}
	f.Session.BodyFailed(err)
}

// Outcome may be a lie.
func (f *faulty) Outcome(tx *session.Transaction, i int) session.Outcome {
	o := tx.Outcome(i)
	if f.outcome != nil {
		return f.outcome(f, tx, i, o)
	}
	return o
}

// recode returns the reply with another code in front of every line.
func recode(reply []byte, code string) []byte {
	out := make([]byte, 0, len(reply))
	for line := range bytes.Lines(reply) {
		if len(line) > 3 {
			line = append([]byte(code), line[3:]...)
		}
		out = append(out, line...)
	}
	return out
}

// answers reports whether the client's last words begin with verb.
func (f *faulty) answers(verb string) bool { return bytes.HasPrefix(f.last, []byte(verb)) }

// cut closes the connection from the client's side, in the session's eyes.
func (f *faulty) cut() { f.Session.Lost(io.EOF) }
