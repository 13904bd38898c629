package events

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"

	"github.com/parley-mail/parley/fsm"
)

// AppendJSON appends e to dst as one JSON object in one line, without a line end:
// "event" is the kind, then come the fields by their names in lower case with
// underscores. Replies are objects of code, enhanced code and lines; octets that are
// not printable are written \xHH, and a backslash doubled. Content and certificates
// are left out, and what an AUTH exchange carries is masked.
func AppendJSON(dst []byte, e Event) []byte {
	b := bytes.NewBuffer(dst)
	enc := json.NewEncoder(b)
	enc.SetEscapeHTML(false) // paths are full of < and >
	value := func(v any) {
		if err := enc.Encode(v); err != nil {
			panic(err) // no value of a field can fail to marshal
		}
		b.Truncate(b.Len() - 1) // the line end
	}
	b.WriteString(`{"event":`)
	value(e.Kind().String())
	for name, v := range fields(e) {
		b.WriteByte(',')
		value(name)
		b.WriteByte(':')
		value(v)
	}
	b.WriteByte('}')
	return b.Bytes()
}

// Slog returns a handler that logs each event with its kind as the message and its
// fields as attributes; see [AppendJSON] for what is left out and masked. The trace
// (commands, replies, moves, progress) is logged at debug level, refusals and oddities
// at warn, a peer that breaks the protocol at error, the rest at info.
func Slog(logger *slog.Logger) Handler {
	return func(e Event) {
		level := levelOf(e)
		if !logger.Enabled(context.Background(), level) {
			return
		}
		var attrs []slog.Attr
		for name, v := range fields(e) {
			attrs = append(attrs, slog.Any(name, v))
		}
		logger.LogAttrs(context.Background(), level, e.Kind().String(), attrs...)
	}
}

func levelOf(e Event) slog.Level {
	switch e := e.(type) {
	case *CommandSent, *ReplyReceived, *StateChanged, *ContentSent, *PITrail, *StartTransfer, *Transfer, *EndTransfer, *SSLStatus:
		return slog.LevelDebug
	case *SenderRefused, *RecipientRefused, *Rejected, *OutcomeUnknown, *Anomaly, *Notice, *Error:
		return slog.LevelWarn
	case *Violation:
		return slog.LevelError
	case *Closed:
		if e.State == fsm.Failed {
			return slog.LevelWarn
		}
	}
	return slog.LevelInfo
}
