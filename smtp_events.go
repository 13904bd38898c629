package parley

import (
	"strings"
	"sync"

	"github.com/parley-mail/parley/events"
	"github.com/parley-mail/parley/transport"
)

// listen subscribes the handlers for the length of one method, behind what the class
// keeps for itself.
func (s *SMTP) listen() (cancel func()) {
	own := s.Events.Subscribe(events.Of(events.KindReplyReceived, events.KindClosed, events.KindSenderRefused, events.KindRecipientRefused), s.note)
	if s.LogSSLPackets {
		note := own
		tell := s.Events.Subscribe(events.All&^events.Of(events.KindSSLStatus), func(events.Event) { s.tellRecords() })
		own = func() { s.tellRecords(); tell(); note() }
	}
	set := s.handled()
	if set == 0 {
		return own
	}
	handle := s.dispatch
	if s.QueueEvents {
		s.eventQueue()
		handle = s.keep
	}
	hooks := s.Events.Subscribe(set, func(e events.Event) {
		if !s.state.bodiless || !transferKinds.Has(e.Kind()) {
			handle(e)
		}
	})
	return func() { own(); hooks() }
}

// records are TLS records seen by whichever goroutine reads or writes.
type records struct {
	mu    sync.Mutex
	lines []string
}

func (r *records) put(record transport.TLSRecord) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.lines = append(r.lines, record.String())
}

func (r *records) take() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	lines := r.lines
	r.lines = nil
	return lines
}

// tellRecords fires SSLStatus for the TLS records seen since, on the method's goroutine.
func (s *SMTP) tellRecords() {
	for _, line := range s.state.records.take() {
		s.Events.Publish(&events.SSLStatus{Message: line})
	}
}

// bodiless reports whether the message is a header section only: there is nothing to
// transfer then.
func (s *SMTP) bodiless() bool {
	return s.MessageText == "" && s.HTML == "" && len(s.Attachments) == 0 && len(s.Message) == 0 && s.MessageStream == nil
}

// eventQueue returns the queue of QueueEvents.
func (s *SMTP) eventQueue() *events.Queue {
	s.state.queueing.Do(func() { s.state.queue.Handle = s.dispatch })
	return &s.state.queue
}

// note keeps what LastReply and Connected tell, and makes Error events of recipients that
// are refused and pass.
func (s *SMTP) note(e events.Event) {
	switch e := e.(type) {
	case *events.ReplyReceived:
		var b strings.Builder
		for i := range e.Reply.Lines {
			if i > 0 {
				b.WriteString("\r\n")
			}
			b.WriteString(replyLine(&e.Reply, i))
		}
		text := b.String()
		s.state.lastReply.Store(&text)
	case *events.Closed:
		s.state.connected.Store(false)
	case *events.SenderRefused:
		s.state.moot = true
	case *events.RecipientRefused:
		if s.state.moot {
			return
		}
		if e.Index >= len(s.state.required) || !s.state.required[e.Index] {
			s.Events.Publish(&events.Error{Meta: e.Meta, ErrorCode: codeRefused, Description: e.Path + ": " + e.Reply.String()})
		}
	}
}

// handled is the set of kinds that have a handler.
func (s *SMTP) handled() (set events.Set) {
	for kind, is := range map[events.Kind]bool{
		events.KindConnectionStatus: s.OnConnectionStatus != nil, events.KindPITrail: s.OnPITrail != nil,
		events.KindStartTransfer: s.OnStartTransfer != nil, events.KindTransfer: s.OnTransfer != nil, events.KindEndTransfer: s.OnEndTransfer != nil,
		events.KindExpand: s.OnExpand != nil, events.KindError: s.OnError != nil,
		events.KindSSLServerAuthentication: s.OnSSLServerAuthentication != nil, events.KindSSLStatus: s.OnSSLStatus != nil,
	} {
		if is {
			set |= events.Of(kind)
		}
	}
	return set
}

// keep queues an event, but for the one that waits for the handler's word.
func (s *SMTP) keep(e events.Event) {
	if e.Kind() == events.KindSSLServerAuthentication {
		s.dispatch(e)
		return
	}
	s.state.queue.Put(e)
}

// dispatch calls the handler of an event.
func (s *SMTP) dispatch(e events.Event) {
	switch e := e.(type) {
	case *events.ConnectionStatus:
		call(s.OnConnectionStatus, e)
	case *events.PITrail:
		call(s.OnPITrail, e)
	case *events.StartTransfer:
		call(s.OnStartTransfer, e)
	case *events.Transfer:
		text := string(e.Text)
		s.state.transferText.Store(&text)
		call(s.OnTransfer, e)
		s.state.transferText.Store(nil)
	case *events.EndTransfer:
		call(s.OnEndTransfer, e)
	case *events.Expand:
		call(s.OnExpand, e)
	case *events.Error:
		call(s.OnError, e)
	case *events.SSLServerAuthentication:
		call(s.OnSSLServerAuthentication, e)
	case *events.SSLStatus:
		call(s.OnSSLStatus, e)
	}
}

func call[E any](handler func(E), e E) {
	if handler != nil {
		handler(e)
	}
}
