package events

import (
	"bytes"
	"fmt"
	"iter"
	"log/slog"
	"reflect"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/parley-mail/parley/codec"
	"github.com/parley-mail/parley/fsm"
)

// fields yields what an event says, under the names of its fields in lower case with
// underscores, in their order. A value is a string, a number, a bool, or one of the
// views below. What an event has not (no transaction, no reply, no error) is not
// there; a field tagged "-" is never written down.
func fields(e Event) iter.Seq2[string, any] {
	return func(yield func(string, any) bool) {
		m := e.About()
		if m.Session != 0 && !yield("session", m.Session) || m.Transaction != 0 && !yield("transaction", m.Transaction) || !yield("seq", m.Seq) {
			return
		}
		v := reflect.ValueOf(masked(e)).Elem()
		for i := range v.NumField() {
			f := v.Type().Field(i)
			if f.Anonymous || f.Tag.Get("json") == "-" {
				continue
			}
			if value, ok := plain(v.Field(i).Interface()); ok && !yield(snake(f.Name), value) {
				return
			}
		}
	}
}

// plain makes a value fit to be written down; ok is false if there is none.
func plain(value any) (_ any, ok bool) {
	switch v := value.(type) {
	case nil: // an interface without error
		return nil, false
	case []byte:
		return printable(v), true
	case codec.Reply:
		return viewReply(v), v.Code != 0
	case *codec.Extensions:
		return viewExtensions(v), v != nil
	case error:
		return v.Error(), true
	case fmt.Stringer:
		return v.String(), true
	}
	return value, true
}

// replyView is a reply to be written down.
type replyView struct {
	Code      int      `json:"code"`
	Enhanced  string   `json:"enhanced,omitempty"`
	Lines     []string `json:"lines"`
	Anomalies string   `json:"anomalies,omitempty"`
}

func viewReply(r codec.Reply) replyView {
	v := replyView{r.Code, r.Enhanced.String(), make([]string, 0, len(r.Lines)), r.Anomalies.String()}
	for _, line := range r.Lines {
		v.Lines = append(v.Lines, printable(line))
	}
	return v
}

// LogValue implements [slog.LogValuer].
func (v replyView) LogValue() slog.Value {
	attrs := []slog.Attr{slog.Int("code", v.Code)}
	if v.Enhanced != "" {
		attrs = append(attrs, slog.String("enhanced", v.Enhanced))
	}
	attrs = append(attrs, slog.Any("lines", v.Lines))
	if v.Anomalies != "" {
		attrs = append(attrs, slog.String("anomalies", v.Anomalies))
	}
	return slog.GroupValue(attrs...)
}

// extensionsView is an EHLO reply to be written down.
type extensionsView struct {
	Domain   string   `json:"domain"`
	Keywords []string `json:"keywords"`
}

func viewExtensions(x *codec.Extensions) extensionsView {
	if x == nil {
		return extensionsView{}
	}
	v := extensionsView{printable([]byte(x.Domain)), make([]string, 0, len(x.Keywords))}
	for _, k := range x.Keywords {
		v.Keywords = append(v.Keywords, printable([]byte(strings.TrimSpace(k.Name+" "+k.Params))))
	}
	return v
}

// LogValue implements [slog.LogValuer].
func (v extensionsView) LogValue() slog.Value {
	return slog.GroupValue(slog.String("domain", v.Domain), slog.Any("keywords", v.Keywords))
}

const mask = "[masked]"

// masked hides what may hold a secret. Whoever makes these events has done so
// already; this is the second lock on the door to files.
func masked(e Event) Event {
	switch e := e.(type) {
	case *CommandSent:
		c := *e
		switch words := bytes.SplitN(e.Line, []byte(" "), 3); {
		case e.Command == fsm.AuthResponse:
			c.Line = []byte(mask)
		case e.Command == fsm.Auth && len(words) == 3:
			words[2] = []byte(mask)
			c.Line = bytes.Join(words, []byte(" "))
		}
		return &c
	case *ReplyReceived:
		if (e.Command == fsm.Auth || e.Command == fsm.AuthResponse) && e.Reply.Intermediate() {
			c := *e
			c.Reply.Lines = [][]byte{[]byte(mask)}
			return &c
		}
	}
	return e
}

// printable returns octets as text in which none can move a cursor, end a line or be
// taken for another: what is not printable, and the backslash, is escaped.
func printable(octets []byte) string {
	var b strings.Builder
	for len(octets) > 0 {
		r, n := utf8.DecodeRune(octets)
		switch {
		case r == '\\':
			b.WriteString(`\\`)
		case r == utf8.RuneError && n == 1 || !unicode.IsPrint(r):
			for _, c := range octets[:n] {
				fmt.Fprintf(&b, `\x%02x`, c)
			}
		default:
			b.Write(octets[:n])
		}
		octets = octets[n:]
	}
	return b.String()
}

// snake writes "BytesTransferred" as "bytes_transferred".
func snake(name string) string {
	var b strings.Builder
	for i, r := range name {
		if unicode.IsUpper(r) {
			if i > 0 {
				b.WriteByte('_')
			}
			r = unicode.ToLower(r)
		}
		b.WriteRune(r)
	}
	return b.String()
}
