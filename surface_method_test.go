package parley_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/parley-mail/parley"
	"github.com/parley-mail/parley/events"
	"github.com/parley-mail/parley/internal/sink"
)

// verb tests that a method sends by its own command, and what a refusal is.
func verb(command string, method func(*parley.SMTP, context.Context) (*parley.Result, error)) func(*testing.T) {
	return func(t *testing.T) {
		var w wire
		s, peer := class(t, w.listen)
		result, err := method(s, t.Context())
		if err != nil || result.Outcome() != parley.OutcomeAccepted {
			t.Fatalf("%+v, %v", result, err)
		}
		if got := peer.Wait(t, 1)[0]; got.Verb != command || len(w.with(command+" FROM:<a@x.example>")) != 1 {
			t.Errorf("verb %q, sent %q", got.Verb, w.with(command))
		}
		refused, other := class(t, func(s *sink.Server) {
			s.Hooks.Command = func(line []byte) sink.Reply {
				if strings.HasPrefix(string(line), command) {
					return sink.Reply{Code: 502, Enhanced: "5.5.1", Text: "not here"}
				}
				return sink.Reply{}
			}
		})
		result, err = method(refused, t.Context())
		if !errors.Is(err, parley.ErrRefused) || parley.ErrorCode(err) != 161 || result.Outcome() == parley.OutcomeAccepted || len(other.Memory.Messages()) != 0 {
			t.Errorf("refused: %+v, %v", result, err)
		}
		if command != "MAIL" {
			s.AllowExtensions = false
			if _, err := method(s, t.Context()); !errors.Is(err, parley.ErrMisuse) {
				t.Errorf("without extensions: %v", err)
			}
		}
	}
}

func directory(s *sink.Server) {
	s.Directory = sink.Directory{
		Mailboxes: []string{"Sam Q. Smith <smith@mx.example>"},
		Lists:     map[string][]string{"staff": {"<ada@mx.example>", "Bob <bob@mx.example>"}},
	}
}

var methodRows = rowTests{
	"method/Send":                   verb("MAIL", (*parley.SMTP).Send),
	"method/SendToTerminalOnly":     verb("SEND", (*parley.SMTP).SendToTerminalOnly),
	"method/SendToTerminalOrEmail":  verb("SOML", (*parley.SMTP).SendToTerminalOrEmail),
	"method/SendToTerminalAndEmail": verb("SAML", (*parley.SMTP).SendToTerminalAndEmail),

	"method/Connect": func(t *testing.T) {
		var w wire
		s, peer := class(t, w.listen)
		if err := s.Connect(t.Context()); err != nil {
			t.Fatal(err)
		}
		if len(w.with("EHLO")) != 1 || !s.Connected() {
			t.Errorf("sent %q", w.with(""))
		}
		if err := s.Connect(t.Context()); !errors.Is(err, parley.ErrConnected) || parley.ErrorCode(err) != 104 {
			t.Errorf("again: %v", err)
		}
		send(t, s, peer)
		send(t, s, peer)
		if !s.Connected() || len(w.with("EHLO")) != 1 || len(w.with("QUIT")) != 0 {
			t.Errorf("after two messages: connected %v, sent %q", s.Connected(), w.with(""))
		}
		s.Disconnect(t.Context())

		unwilling, _ := class(t, func(s *sink.Server) {
			s.Hooks.Command = func([]byte) sink.Reply { return sink.Reply{Code: 554, Text: "no"} }
		})
		if err := unwilling.Connect(t.Context()); !errors.Is(err, parley.ErrRefused) || unwilling.Connected() {
			t.Errorf("refused: %v, connected %v", err, unwilling.Connected())
		}
	},
	"method/Disconnect": func(t *testing.T) {
		var w wire
		s, _ := class(t, w.listen)
		if err := s.Disconnect(t.Context()); err != nil {
			t.Errorf("not connected: %v", err)
		}
		if err := s.Connect(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := s.Disconnect(t.Context()); err != nil || s.Connected() || len(w.with("QUIT")) != 1 {
			t.Errorf("%v, connected %v, sent %q", err, s.Connected(), w.with(""))
		}
	},
	"method/Verify": func(t *testing.T) {
		var w wire
		s, _ := class(t, func(s *sink.Server) { directory(s); w.listen(s) })
		reply, err := s.Verify(t.Context(), "smith")
		if err != nil || reply.Code != 250 || !strings.Contains(s.LastReply(), "smith@mx.example") && len(w.with("VRFY smith")) != 1 {
			t.Errorf("%v, %v", reply, err)
		}
		if s.Connected() {
			t.Error("it left the session open")
		}
		if reply, err = s.Verify(t.Context(), "nobody@elsewhere.example"); err == nil && reply.Code != 252 || err != nil && parley.ErrorCode(err) != 161 {
			t.Errorf("nobody: %v, %v", reply, err)
		}
		refuses, _ := class(t, func(s *sink.Server) {
			s.Hooks.Command = func(line []byte) sink.Reply {
				if strings.HasPrefix(string(line), "VRFY") {
					return sink.Reply{Code: 550, Enhanced: "5.1.1", Text: "who?"}
				}
				return sink.Reply{}
			}
		})
		if reply, err := refuses.Verify(t.Context(), "x"); !errors.Is(err, parley.ErrRefused) || reply.Code != 550 {
			t.Errorf("refused: %v, %v", reply, err)
		}
		if _, err := s.Verify(t.Context(), "x\r\nQUIT"); !errors.Is(err, parley.ErrMisuse) {
			t.Errorf("two lines: %v", err)
		}
	},
	"method/Expand": func(t *testing.T) {
		s, _ := class(t, directory)
		all, err := s.Expand(t.Context(), "staff")
		if want := []string{"<ada@mx.example>", "Bob <bob@mx.example>"}; err != nil || !slices.Equal(all, want) {
			t.Errorf("%q, %v; want %q", all, err, want)
		}
		if _, err := s.Expand(t.Context(), "nolist"); !errors.Is(err, parley.ErrRefused) || parley.ErrorCode(err) != 161 {
			t.Errorf("no such list: %v", err)
		}
	},
	"method/Interrupt": func(t *testing.T) {
		s, peer := class(t, nil)
		s.Interrupt() // nothing runs
		send(t, s, peer)
		s.OnPITrail = func(e *events.PITrail) {
			if strings.HasPrefix(e.Message, "MAIL") {
				s.Interrupt()
			}
		}
		_, err := s.Send(t.Context())
		if !errors.Is(err, parley.ErrInterrupted) || !errors.Is(err, context.Canceled) || s.Connected() || !s.Idle() {
			t.Errorf("%v, connected %v, idle %v", err, s.Connected(), s.Idle())
		}
		if n := len(peer.Memory.Messages()); n != 1 {
			t.Errorf("%d messages", n)
		}
		s.OnPITrail = nil
		send(t, s, peer)
	},
	"method/Reset": func(t *testing.T) {
		s, _ := class(t, nil)
		for _, row := range parley.Settings() {
			if !row.ReadOnly && row.Type == "text" && row.Allowed == "" && !row.Frozen {
				sets(t, s, row.Name+"=x")
			}
		}
		s.Hello, s.OtherHeaders = "client.example", ""
		if err := s.Connect(t.Context()); err == nil { // not with all that
			t.Error("connected")
		}
		if err := s.Reset(t.Context()); err != nil || s.Connected() {
			t.Fatal(err)
		}
		for _, row := range parley.Settings() {
			if got, want := reads(t, s, row.Name), reads(t, parley.New(), row.Name); got != want {
				t.Errorf("%s is %q, a new one has %q", row.Name, got, want)
			}
		}
	},
	"method/ResetHeaders": func(t *testing.T) {
		s, _ := class(t, nil)
		s.MessageRecipients = []parley.Recipient{{Address: "c@y.example"}}
		sets(t, s, "Cc=c@y.example", "BCc=d@y.example", "ReplyTo=r@x.example", "OtherHeaders=X: y", "Importance=1", "Priority=1", "Sensitivity=1",
			"ReadReceiptTo=r@x.example", "DeliveryNotificationTo=r@x.example", "ReturnPath=<>", "MessageDate=", "MessageId=", "User=alice", "Timeout=7")
		s.ResetHeaders()
		for _, name := range []string{
			"From", "SendTo", "Cc", "BCc", "Subject", "ReplyTo", "OtherHeaders", "Importance", "Priority", "Sensitivity",
			"ReadReceiptTo", "DeliveryNotificationTo", "MessageRecipients", "ReturnPath", "MessageDate", "MessageId",
		} {
			if got, want := reads(t, s, name), reads(t, parley.New(), name); got != want {
				t.Errorf("%s is %q, want %q", name, got, want)
			}
		}
		if s.MessageText != "hello\r\n" || s.User != "alice" || reads(t, s, "Timeout") != "7" || s.MailServer != "localhost" {
			t.Error("it has emptied more than headers")
		}
	},
	"method/Config": func(t *testing.T) {
		s := parley.New()
		for _, c := range []struct {
			text string
			want error
		}{
			{"nosuch", parley.ErrUnknownSetting},
			{"nosuch=1", parley.ErrUnknownSetting},
			{"", parley.ErrUnknownSetting},
			{"MailPort=lots", parley.ErrBadValue},
			{"AllowEmptyTo=perhaps", parley.ErrBadValue},
			{"Importance=9", parley.ErrBadValue},
			{"AuthMechanism=3", parley.ErrBadValue},
			{"BuildInfo=mine", parley.ErrReadOnly},
			{"allowemptyto=true", nil},
			{"ALLOWEMPTYTO=True", nil},
			{"Hello=a=b", nil},
		} {
			got, err := s.Config(c.text)
			if !errors.Is(err, c.want) || err != nil && c.want == nil || got != "" {
				t.Errorf("%q: %q, %v; want %v", c.text, got, err, c.want)
			}
		}
		if !s.AllowEmptyTo || reads(t, s, "aLLowEmptyTo") != "True" || s.Hello != "a=b" {
			t.Errorf("AllowEmptyTo %v, Hello %q", s.AllowEmptyTo, s.Hello)
		}
		s.Password, s.Firewall.Password = secretOf("hunter2"), secretOf("hunter2")
		for _, name := range []string{"Password", "FirewallPassword"} {
			if got := reads(t, s, name); strings.Contains(got, "hunter2") || got == "" {
				t.Errorf("%s reads as %q", name, got)
			}
		}
		if _, err := s.Config("MailPort=hunter2"); strings.Contains(err.Error(), "hunter2") {
			t.Errorf("the error repeats the value: %v", err)
		}
	},
	"method/DoEvents": func(t *testing.T) {
		queued, peer := class(t, nil)
		direct := parley.New()
		direct.Properties = queued.Properties
		direct.Dialer = peer
		var kept, heard []string
		queued.QueueEvents = true
		queued.OnPITrail = func(e *events.PITrail) { kept = append(kept, e.Message) }
		direct.OnPITrail = func(e *events.PITrail) { heard = append(heard, e.Message) }
		send(t, queued, peer)
		if kept != nil {
			t.Errorf("before DoEvents: %q", kept)
		}
		if n := queued.DoEvents(); n != len(kept) || n == 0 {
			t.Errorf("DoEvents said %d and delivered %d", n, len(kept))
		}
		send(t, direct, peer)
		if n := direct.DoEvents(); n != 0 {
			t.Errorf("%d events waited", n)
		}
		if diff := cmp.Diff(heard, kept); diff != "" {
			t.Errorf("dialogue (-direct +queued):\n%s", diff)
		}
	},
}
