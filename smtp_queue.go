package parley

import (
	"context"

	"github.com/parley-mail/parley/fsm"
	"github.com/parley-mail/parley/queue"
	"github.com/parley-mail/parley/session"
)

// Queue writes the message, with its envelope, into a new file of dir, which must exist,
// and returns the file's name. Nothing is sent. Server, credentials and TLS are not
// written: they are those of the object that processes the queue.
func (s *SMTP) Queue(ctx context.Context, dir string) (string, error) {
	done, ctx, err := s.begin(ctx)
	if err != nil {
		return "", err
	}
	defer done()
	m, id, err := s.mail()
	if err != nil {
		return "", err
	}
	return queue.Put(ctx, dir, NewQueueEntry(m, id))
}

// ProcessQueue sends every .queued file of dir, the oldest first, over one connection,
// which it opens if there is none. It stops at the first message that is not accepted by
// everybody, with that file renamed to .failed, or to .unknown if nobody knows what became
// of it. What was sent is removed, or renamed to .sent with KeepQueue. If no connection can
// be had no file is touched.
func (s *SMTP) ProcessQueue(ctx context.Context, dir string) error {
	_, err := s.ProcessQueueWith(ctx, dir, queue.Options{})
	return err
}

// ProcessQueueWith is ProcessQueue with options, and tells how many files met which fate.
func (s *SMTP) ProcessQueueWith(ctx context.Context, dir string, o queue.Options) (*queue.Report, error) {
	done, ctx, err := s.begin(ctx)
	if err != nil {
		return nil, err
	}
	defer done()
	o.Keep = o.Keep || s.KeepQueue
	var report *queue.Report
	err = s.with(ctx, func(*Conn) error {
		report, err = queue.Process(ctx, dir, queue.SenderFunc(s.sendEntry), o)
		return err
	})
	return report, err
}

// sendEntry sends one message of a queue. A session that has ended between two messages is
// opened again: nothing of the next one was sent.
func (s *SMTP) sendEntry(ctx context.Context, e *queue.Entry) ([]queue.Outcome, error) {
	if !s.Connected() {
		if err := s.connect(ctx); err != nil {
			return nil, err
		}
	}
	m := entryMail(e)
	s.state.required = m.Required
	defer func() { s.state.required = nil }()
	r, err := s.state.conn.Deliver(ctx, m)
	if r == nil {
		return nil, err
	}
	return queueOutcomes(r), err
}

// QueueSender sends the messages of a queue to one server, over one connection that it
// opens when it is needed and again when it has ended between two messages. It is for one
// goroutine.
type QueueSender struct {
	Endpoint *Endpoint
	conn     *Conn
}

// Open opens the connection now, so that no file is touched if there is none to be had.
func (q *QueueSender) Open(ctx context.Context) error {
	if q.conn != nil && q.conn.Session().Open() {
		return nil
	}
	conn, err := Dial(ctx, q.Endpoint)
	q.conn = conn
	return err
}

// Send implements queue.Sender.
func (q *QueueSender) Send(ctx context.Context, e *queue.Entry) ([]queue.Outcome, error) {
	if err := q.Open(ctx); err != nil {
		return nil, err
	}
	r, err := q.conn.Deliver(ctx, entryMail(e))
	if r == nil {
		return nil, err
	}
	return queueOutcomes(r), err
}

// Close says QUIT if there is a connection.
func (q *QueueSender) Close(ctx context.Context) error {
	if q.conn == nil {
		return nil
	}
	return q.conn.Quit(ctx)
}

func entryMail(e *queue.Entry) *Mail {
	return &Mail{
		Envelope: &e.Envelope, Content: e.Content, Verb: verbs[e.Verb], LineEnds: e.LineEnds, AsIs: e.AsIs,
		MayDrop: session.Needs(e.MayDrop), Required: e.Required,
	}
}

var verbs = map[string]fsm.Command{"SEND": fsm.Send, "SOML": fsm.Soml, "SAML": fsm.Saml}

// NewQueueEntry makes an entry for a queue of a message.
func NewQueueEntry(m *Mail, id string) *queue.Entry {
	verb := m.Verb
	if verb == 0 {
		verb = fsm.Mail
	}
	return &queue.Entry{
		Envelope: *m.Envelope, Content: m.Content, Verb: verb.String(), MessageID: id, LineEnds: m.LineEnds, AsIs: m.AsIs,
		MayDrop: uint16(m.MayDrop), Required: m.Required,
	}
}

func queueOutcomes(r *Result) []queue.Outcome {
	all := make([]queue.Outcome, len(r.Recipients))
	for i := range r.Recipients {
		x := &r.Recipients[i]
		o := queue.Outcome{Path: x.Path.String(), Temporary: x.Temporary()}
		o.Status = map[Status]queue.Status{Accepted: queue.Accepted, Refused: queue.Refused, Unknown: queue.StatusUnknown}[x.Status]
		if x.Err != nil {
			o.Reason = x.Err.Error()
		}
		all[i] = o
	}
	return all
}
