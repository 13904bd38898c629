package parley

import (
	"crypto/tls"
	"strconv"

	"github.com/parley-mail/parley/codec"
	"github.com/parley-mail/parley/events"
	"github.com/parley-mail/parley/session"
)

// trail stands between a session and the bus: it passes the engine's own events on
// and makes the documented ones of them, for who listens to those.
type trail struct {
	bus       *events.Bus
	firewall  func() bool // whether the connection goes through one; nil: no
	connected bool
	secured   bool
}

// sources are the engine's events that a documented one is made of.
var sources = []struct {
	made events.Kind
	from events.Set
}{
	{events.KindPITrail, events.Of(events.KindCommandSent, events.KindReplyReceived, events.KindNotice, events.KindAnomaly, events.KindViolation)},
	{events.KindConnectionStatus, events.Of(events.KindConnected, events.KindSecured, events.KindClosed)},
	{events.KindSSLStatus, events.Of(events.KindSecured)},
}

// Wants implements session.Sink.
func (t *trail) Wants() events.Set {
	w := t.bus.Wants()
	for _, s := range sources {
		if w.Has(s.made) {
			w |= s.from
		}
	}
	return w
}

// Publish implements session.Sink.
func (t *trail) Publish(e events.Event) {
	t.bus.Publish(e)
	w := t.bus.Wants()
	if w.Has(events.KindPITrail) {
		t.dialogue(e)
	}
	if w.Has(events.KindConnectionStatus) {
		t.status(e)
	}
	if s, ok := e.(*events.Secured); ok && w.Has(events.KindSSLStatus) {
		t.bus.Publish(&events.SSLStatus{Meta: s.Meta, Message: tls.VersionName(s.Version) + " " + tls.CipherSuiteName(s.CipherSuite)})
	}
}

func (t *trail) dialogue(e events.Event) {
	say := func(d events.Direction, text string) {
		t.bus.Publish(&events.PITrail{Meta: *e.About(), Direction: d, Message: text})
	}
	switch e := e.(type) {
	case *events.CommandSent:
		say(events.FromClient, string(e.Line))
	case *events.ReplyReceived:
		for i := range e.Reply.Lines {
			say(events.FromServer, replyLine(&e.Reply, i))
		}
	case *events.Notice:
		say(events.FromEngine, e.Detail)
	case *events.Anomaly:
		say(events.FromEngine, "the server is odd: "+e.What.String())
	case *events.Violation:
		say(events.FromEngine, e.Detail)
	}
}

// replyLine writes line i of a reply as it came.
func replyLine(r *codec.Reply, i int) string {
	sep := " "
	if i < len(r.Lines)-1 {
		sep = "-"
	}
	return strconv.Itoa(r.Code) + sep + string(r.Lines[i])
}

// status tells how the connection fares. A connection that could not be made is complete
// with a code that is not 0.
func (t *trail) status(e events.Event) {
	say := func(what string, code int, text string) {
		t.bus.Publish(&events.ConnectionStatus{Meta: *e.About(), ConnectionEvent: what, StatusCode: code, Description: text})
	}
	switch e := e.(type) {
	case *events.Connected:
		t.connected = true
		say("Remote host connection complete", 0, e.Address)
	case *events.Secured:
		t.secured = true
		say("TLS handshake complete", 0, tls.VersionName(e.Version))
	case *events.Closed:
		code, text := 0, "OK"
		if e.Err != nil {
			code, text = ErrorCode(e.Err), e.Err.Error()
		}
		if !t.connected {
			say("Remote host connection complete", code, text)
			return
		}
		say("Remote host disconnected", code, text)
		if t.secured {
			say("TLS connection broken", 0, "OK")
		}
		if t.firewall != nil && t.firewall() {
			say("Firewall host disconnected", 0, "OK")
		}
	}
}

// transfer reports the progress of one content to who listens.
type transfer struct {
	bus   *events.Bus // nil: nobody listens
	tx    *session.Transaction
	meta  events.Meta
	total int64 // -1: not known
	sent  int64

	start events.StartTransfer // used again
	now   events.Transfer
	end   events.EndTransfer
}

// begin starts from nothing.
func (t *transfer) begin(e *Endpoint, s *session.Session, tx *session.Transaction) {
	t.bus = nil
	if e.Events == nil || e.Events.Wants()&transferKinds == 0 {
		return
	}
	t.bus, t.tx, t.sent, t.total = e.Events, tx, 0, -1
	t.meta = events.Meta{Session: s.ID()}
	switch {
	case tx.Content != nil:
		t.total = int64(len(tx.Content))
	case tx.Octets > 0:
		t.total = tx.Octets
	}
}

var transferKinds = events.Of(events.KindStartTransfer, events.KindTransfer, events.KindEndTransfer)

// block reports that a block was handed over; last that it was the last one.
func (t *transfer) block(p []byte, last bool) {
	if t.bus == nil {
		return
	}
	w := t.bus.Wants()
	t.meta.Transaction = t.tx.ID()
	if t.sent == 0 && len(p) > 0 && w.Has(events.KindStartTransfer) {
		t.start.Meta = t.meta
		t.bus.Publish(&t.start)
	}
	t.sent += int64(len(p))
	if len(p) > 0 && w.Has(events.KindTransfer) {
		percent := -1
		switch {
		case last:
			percent = 100
		case t.total > 0:
			percent = int(min(t.sent*100/t.total, 100))
		}
		t.now = events.Transfer{Meta: t.meta, BytesTransferred: t.sent, PercentDone: percent, Text: p}
		t.bus.Publish(&t.now)
		t.now.Text = nil
	}
	if last && t.sent > 0 && w.Has(events.KindEndTransfer) {
		t.end.Meta = t.meta
		t.bus.Publish(&t.end)
	}
}
