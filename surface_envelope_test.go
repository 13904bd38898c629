package parley_test

import (
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/parley-mail/parley"
	"github.com/parley-mail/parley/events"
	"github.com/parley-mail/parley/internal/sink"
	"github.com/parley-mail/parley/session"
)

// wire keeps the command lines that a server got.
type wire struct {
	mu    sync.Mutex
	lines []string
}

func (w *wire) note(line []byte) sink.Reply {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.lines = append(w.lines, string(line))
	return sink.Reply{}
}

// listen makes a server keep what it gets.
func (w *wire) listen(s *sink.Server) { s.Hooks.Command = w.note }

// with returns the lines that begin so.
func (w *wire) with(prefix string) []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	var found []string
	for _, l := range w.lines {
		if strings.HasPrefix(l, prefix) {
			found = append(found, l)
		}
	}
	return found
}

// refusing refuses these recipients.
func refusing(paths ...string) func(*sink.Server) {
	return func(s *sink.Server) {
		s.Hooks.Rcpt = func(path string) sink.Reply {
			if slices.Contains(paths, path) {
				return sink.Reply{Code: 550, Enhanced: "5.1.1", Text: "nobody here"}
			}
			return sink.Reply{}
		}
	}
}

// stopOn tests that a refused recipient of a list stops the message by default or not, and
// that the setting turns that round. What does not stop it is told by an Error event.
func stopOn(setting, refused string, byDefault bool) func(*testing.T) {
	return func(t *testing.T) {
		for _, stop := range []bool{byDefault, !byDefault} {
			s, peer := class(t, refusing(refused))
			s.SendTo, s.Cc, s.BCc = "good@y.example, to@y.example", "cc@y.example", "bcc@y.example"
			if stop != byDefault {
				sets(t, s, setting+"="+map[bool]string{true: "True", false: "False"}[stop])
			}
			var told []events.Error
			s.OnError = func(e *events.Error) { told = append(told, *e) }
			result, err := s.Send(t.Context())
			delivered := len(peer.Memory.Messages())
			if stop {
				if !errors.Is(err, parley.ErrRefused) || parley.ErrorCode(err) != 161 || delivered != 0 {
					t.Errorf("stop: error %v, code %d, %d delivered", err, parley.ErrorCode(err), delivered)
				}
				if result == nil || result.Count(parley.Accepted) != 0 {
					t.Errorf("stop: result %+v", result)
				}
				continue
			}
			if err != nil || delivered != 1 || result.Count(parley.Accepted) != 3 || result.Count(parley.Refused) != 1 {
				t.Errorf("go on: %+v, %v, %d delivered", result, err, delivered)
			}
			if len(told) != 1 || told[0].ErrorCode != 161 || !strings.Contains(told[0].Description, "nobody here") || !strings.Contains(told[0].Description, refused) {
				t.Errorf("go on: Error events %+v", told)
			}
		}
	}
}

var envelopeRows = rowTests{
	"property/From": func(t *testing.T) {
		s, peer := class(t, nil)
		s.From = `"Ada, Countess" <ada@x.example>`
		got := send(t, s, peer)
		if got.ReversePath != "ada@x.example" || header(t, got.Content).Get("From") != s.From {
			t.Errorf("MAIL %q, From %q", got.ReversePath, header(t, got.Content).Get("From"))
		}
		s.From = ""
		if _, err := s.Send(t.Context()); !errors.Is(err, parley.ErrNoSender) || parley.ErrorCode(err) != 164 {
			t.Errorf("none: %v", err)
		}
	},
	"property/ReturnPath": returnPath,
	"setting/ReturnPath":  returnPath,
	"property/SendTo": func(t *testing.T) {
		s, peer := class(t, nil)
		s.SendTo = `"B, b" <b@y.example>, team: c@y.example, d@y.example;, e@y.example`
		got := send(t, s, peer)
		if want := []string{"b@y.example", "c@y.example", "d@y.example", "e@y.example"}; !slices.Equal(got.Paths(), want) {
			t.Errorf("RCPT %q, want %q", got.Paths(), want)
		}
		if to := header(t, got.Content).Get("To"); to != s.SendTo {
			t.Errorf("To %q, want %q", to, s.SendTo)
		}
		s.SendTo = "f@y.example"
		if got := send(t, s, peer).Paths(); !slices.Equal(got, []string{"f@y.example"}) {
			t.Errorf("set again: %q", got)
		}
		s.SendTo = ""
		if _, err := s.Send(t.Context()); !errors.Is(err, parley.ErrNoRecipient) || parley.ErrorCode(err) != 165 {
			t.Errorf("none: %v", err)
		}
	},
	"property/Cc": func(t *testing.T) {
		s, peer := class(t, nil)
		s.Cc = "c@y.example"
		got := send(t, s, peer)
		if !slices.Contains(got.Paths(), "c@y.example") || header(t, got.Content).Get("Cc") != "c@y.example" {
			t.Errorf("RCPT %q, Cc %q", got.Paths(), header(t, got.Content).Get("Cc"))
		}
	},
	"property/BCc": func(t *testing.T) {
		s, peer := class(t, nil)
		s.BCc = "secret@y.example"
		got := send(t, s, peer)
		if !slices.Contains(got.Paths(), "secret@y.example") || strings.Contains(string(got.Content), "secret") {
			t.Errorf("RCPT %q, content %q", got.Paths(), got.Content)
		}
	},
	"property/MessageRecipients": func(t *testing.T) {
		s, peer := class(t, nil)
		s.MessageRecipients = []parley.Recipient{
			{Address: "c@y.example", Name: "C", Type: parley.RecipientCc, Options: "NOTIFY SUCCESS,FAILURE,DELAY"},
			{Address: "d@y.example", Type: parley.RecipientBcc, Options: "NOTIFY=NEVER ORCPT=rfc822;d@z.example"},
		}
		got := send(t, s, peer)
		params := map[string]string{}
		for _, r := range got.Recipients {
			params[r.Path] = r.Params
		}
		if p := params["c@y.example"]; p != "NOTIFY=SUCCESS,FAILURE,DELAY" {
			t.Errorf("RCPT of c: %q", p)
		}
		if p := params["d@y.example"]; p != "NOTIFY=NEVER ORCPT=rfc822;d@z.example" {
			t.Errorf("RCPT of d: %q", p)
		}
		if cc := header(t, got.Content).Get("Cc"); cc != `"C" <c@y.example>` && cc != "C <c@y.example>" || strings.Contains(string(got.Content), "d@y.example") {
			t.Errorf("content %q", got.Content)
		}
		plain, other := class(t, func(s *sink.Server) { s.Extensions = sink.Pipelining })
		plain.MessageRecipients = s.MessageRecipients
		if _, err := plain.Send(t.Context()); !errors.Is(err, parley.ErrUnsupported) || len(other.Memory.Messages()) != 0 {
			t.Errorf("a server without DSN: %v", err)
		}
		plain.MayDrop = session.NeedDSN
		if got := send(t, plain, other); len(got.Recipients) != 3 || got.Recipients[1].Params != "" {
			t.Errorf("dropped: %+v", got.Recipients)
		}
	},
	"setting/AllowEmptyTo": func(t *testing.T) {
		s, peer := class(t, nil)
		s.SendTo, s.BCc = "", "b@y.example"
		if _, err := s.Send(t.Context()); !errors.Is(err, parley.ErrNoRecipient) {
			t.Errorf("not allowed: %v", err)
		}
		sets(t, s, "AllowEmptyTo=True")
		if got := send(t, s, peer); !slices.Equal(got.Paths(), []string{"b@y.example"}) {
			t.Errorf("allowed: %q", got.Paths())
		}
		s.BCc = ""
		if _, err := s.Send(t.Context()); !errors.Is(err, parley.ErrNoRecipient) {
			t.Errorf("nobody: %v", err)
		}
	},
	"setting/StopOnToErrors":  stopOn("StopOnToErrors", "to@y.example", true),
	"setting/StopOnCcErrors":  stopOn("StopOnCcErrors", "cc@y.example", true),
	"setting/StopOnBccErrors": stopOn("StopOnBccErrors", "bcc@y.example", false),
	"setting/SendRSET": func(t *testing.T) {
		for setting, want := range map[string]int{"False": 0, "True": 2} {
			var w wire
			s, peer := class(t, w.listen)
			sets(t, s, "SendRSET="+setting)
			if err := s.Connect(t.Context()); err != nil {
				t.Fatal(err)
			}
			for range 3 {
				send(t, s, peer)
			}
			if err := s.Disconnect(t.Context()); err != nil {
				t.Fatal(err)
			}
			if got := w.with("RSET"); len(got) != want {
				t.Errorf("%s: %d RSET for three messages, want %d", setting, len(got), want)
			}
		}
	},
}

func returnPath(t *testing.T) {
	s, peer := class(t, nil)
	for value, want := range map[string]string{"": "a@x.example", "bounce@x.example": "bounce@x.example", "<>": ""} {
		sets(t, s, "ReturnPath="+value)
		got := send(t, s, peer)
		if got.ReversePath != want || strings.Contains(string(got.Content), "Return-Path") {
			t.Errorf("%q: MAIL %q, content %q", value, got.ReversePath, got.Content)
		}
		if from := header(t, got.Content).Get("From"); from != "a@x.example" {
			t.Errorf("%q: From %q", value, from)
		}
	}
}
