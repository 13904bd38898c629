package server_test

import (
	"context"
	"io/fs"
	"net"
	"net/textproto"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/parley-mail/parley/conformance"
	"github.com/parley-mail/parley/conformance/server"
	"github.com/parley-mail/parley/internal/sink"
	"github.com/parley-mail/parley/internal/smtptest"
)

// Every requirement on servers has a check, or a reason why it does not show. The figures
// are those of docs/instrument.md.
func TestEachRequirementIsHeld(t *testing.T) {
	const requirements, hidden = 150, 8
	held := map[string][]string{}
	for _, c := range suite(t) {
		for _, id := range c.Rfc {
			held[id] = append(held[id], c.ID)
		}
	}
	count, without := 0, 0
	for _, r := range conformance.Register() {
		if r.Layer != "server" {
			continue
		}
		count++
		if r.Exclusion != "" {
			without++
		}
		switch {
		case r.Exclusion == "" && held[r.ID] == nil:
			t.Errorf("%s has no check and no reason: %s", r.ID, r.Text)
		case r.Exclusion != "" && held[r.ID] != nil:
			t.Errorf("%s is held by %v, and is said not to show", r.ID, held[r.ID])
		}
	}
	if count != requirements || without != hidden {
		t.Errorf("%d requirements, %d without a check, want %d and %d", count, without, requirements, hidden)
	}
}

// A check that is malformed says where.
func TestParseErrors(t *testing.T) {
	head := "# What it is about.\n# level MUST\n\n"
	for name, c := range map[string]struct{ text, want string }{
		"no prose":      {"# level MUST\n\nready\n", "x.check:1:1: a check says what it is about"},
		"no level":      {"# Prose.\n\nready\n", "x.check:1:1: # level is one of"},
		"no steps":      {head, "nothing to do"},
		"requirement":   {"# Prose.\n# rfc S-0000-000\n# level MUST\n\nready\n", `no requirement "S-0000-000"`},
		"one value":     {"# Prose.\n# level MUST\n# each verb NOOP\n\nready\n", "x.check:3:1: # each is followed by"},
		"escape":        {"# Prose.\n# level MUST\n# each verb NOOP R\\qT\n\nready\n", "x.check:3:2: no escape"},
		"line":          {head + "ready\nsay hello\n", `x.check:5:1: no line begins with "say"`},
		"variable":      {head + "C: RCPT TO:<{nobody}>\n", "x.check:4:1: nothing is known of {nobody}"},
		"brace":         {head + "C: {name\n", "{ without }"},
		"bracket":       {head + "C[rep=3: NOOP\n", "[ without ]"},
		"attribute":     {head + "S[rep=x]: 250\n", "x.check:4:1: strconv.Atoi"},
		"no attribute":  {head + "C[keep=a]: NOOP\n", `no attribute "keep" here`},
		"code":          {head + "S: 25\n", `"25" is no code`},
		"no code":       {head + "S: latitude\n", "has no code"},
		"pattern":       {head + "S: 250 ~(\n", "missing closing )"},
		"nothing kept":  {head + "S: {a}\n", `nothing is kept as "a"`},
		"file":          {head + "C<< @m\n", `no file "m"`},
		"mailbox file":  {head + "M: 1 body=@m\n", `no file "m"`},
		"mailbox":       {head + "M: body=@m\n", "there is no number"},
		"mailbox word":  {head + "M: 1 size=3\n", `"size=3" is nothing`},
		"mailbox head":  {head + "M: 1 head~(\n", "missing closing )"},
		"link":          {head + "X: leave\n", "X: is followed by one of"},
		"rule":          {head + "every day\n", `no rule "day"`},
		"many":          {head + "many NOOP\n", "many N: COMMAND"},
		"file's braces": {head + "C<< @m\n\n-- m --\n{x\n", "m: { without }"},
	} {
		if _, err := server.Parse("x.check", []byte(c.text)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %s", name, err, c.want)
		}
	}
}

// A check is added by dropping a file, and says how to see a failure again.
func TestOwnCheck(t *testing.T) {
	files := fstest.MapFS{"mine/shout.check": {Data: []byte("# NOOP is answered by 299.\n# rfc S-5321-021\n# level MUST\n\nready\nC: NOOP\nS: 299\n")}}
	checks, err := server.Load(fs.FS(files))
	if err != nil {
		t.Fatal(err)
	}
	plan := server.Plan{Target: (&fake{}).start(t), Checks: checks, Again: "parley conform server --target X"}
	report, err := server.Run(t.Context(), plan)
	if err != nil {
		t.Fatal(err)
	}
	text := report.Outcomes[0].Report()
	for _, part := range []string{
		"fail server/mine/shout", "mine/shout.check:7: the reply is wrong", "want  299", "got   250 2.0.0 fine", "S-5321-021, RFC 5321 §4.1.1.9",
		"C: NOOP", "again parley conform server --target X server/mine/shout",
	} {
		if !strings.Contains(text, part) {
			t.Errorf("%q is not in\n%s", part, text)
		}
	}
	if report.Exit() != conformance.ExitFinding {
		t.Errorf("exit code %d", report.Exit())
	}
	plan.Expected = map[string]string{"server/mine/shout": "S-5321-021: says 250"}
	if report, err = server.Run(t.Context(), plan); err != nil || report.Outcomes[0].Verdict != conformance.XFail || report.Exit() != conformance.ExitClean {
		t.Errorf("%v, %v", report.Outcomes[0].Report(), err)
	}
}

// What is known to fail and does not is a finding, and so is a control that fails.
func TestExpectationsAndControls(t *testing.T) {
	checks := suite(t)
	picked, err := server.Select(checks, []string{"command/noop"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	plan := server.Plan{Target: (&fake{}).start(t), Checks: picked, Controls: server.Controls(checks), Expected: map[string]string{"server/command/noop": "once it did"}}
	report, err := server.Run(t.Context(), plan)
	if err != nil || report.Outcomes[0].Verdict != conformance.XPass {
		t.Errorf("%v, %v", report.Outcomes[0].Report(), err)
	}
	plan.Target = (&fake{fault: fault{name: "nothing-taken"}}).start(t)
	report, err = server.Run(t.Context(), plan)
	if err != nil || report.Outcomes[0].Verdict != conformance.Inconclusive || report.Exit() != conformance.ExitInconclusive {
		t.Errorf("%v, %v", report.Outcomes[0].Report(), err)
	}
}

// Secrets are in no dialogue.
func TestSecretsAreMasked(t *testing.T) {
	checks, err := server.Load(fstest.MapFS{"x.check": {Data: []byte("# Prose.\n# level MUST\n\nready\nC: AUTH PLAIN {b64:\\0{user}\\0{password}}\nS: 299\n")}})
	if err != nil {
		t.Fatal(err)
	}
	o := judge(t, fake{user: "must"}, checks)[0]
	if text := o.Report(); !strings.Contains(text, "AUTH PLAIN ***") || strings.Contains(text, fakePassword) || strings.Contains(text, "Y29ycmVjdCBob3JzZQ") {
		t.Error(text)
	}
}

// The mailbox may be a directory, a command, or a listener of ours.
func TestSinks(t *testing.T) {
	see := func(name string, s server.Sink, deliver func(string)) {
		t.Helper()
		defer s.Close()
		for _, text := range []string{"Subject: one\n\nbody\n", "Subject: two\n\nbody\n"} {
			deliver(text)
		}
		got, err := s.Messages(t.Context(), "two")
		if err != nil || len(got) != 1 || strings.ReplaceAll(got[0], "\r\n", "\n") != "Subject: two\n\nbody\n" {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
	open := func(name string) server.Sink {
		s, err := server.OpenSink(name)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	dir := t.TempDir()
	box := open("maildir:" + dir)
	if got, err := box.Messages(t.Context(), ""); err != nil || got != nil { // it may come into being later
		t.Errorf("%q, %v", got, err)
	}
	see("maildir", box, func(text string) {
		if err := os.MkdirAll(filepath.Join(dir, "new"), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, "new", strings.Fields(text)[1]), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	})
	if _, err := exec.LookPath("/bin/sh"); err == nil {
		file := filepath.Join(dir, "mbox")
		see("command", open("command:cat '"+file+"'"), func(text string) {
			f, err := os.OpenFile(file, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			if _, err := f.WriteString("From x\n" + text); err != nil {
				t.Fatal(err)
			}
		})
	}
	addr := freeAddr(t)
	see("lmtp", open("lmtp:"+addr), func(text string) { overLMTP(t, addr, text) })
	if _, err := server.OpenSink("lmtp:nowhere"); err == nil {
		t.Error("lmtp:nowhere is opened")
	}
	if _, err := server.OpenSink("imap:x"); err == nil {
		t.Error("imap:x is opened")
	}
}

// freeAddr is an address that nobody listens on.
func freeAddr(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// overLMTP delivers a message as the server under test would.
func overLMTP(t *testing.T, addr, text string) {
	t.Helper()
	c, err := textproto.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for _, turn := range []struct {
		line string
		code int
	}{
		{"", 220},
		{"LHLO mx.example", 250},
		{"MAIL FROM:<a@mx.example>", 250},
		{"RCPT TO:<bob@mx.example>", 250},
		{"DATA", 354},
		{strings.ReplaceAll(text, "\n", "\r\n") + ".", 250},
		{"QUIT", 221},
	} {
		if turn.line != "" {
			if err := c.PrintfLine("%s", turn.line); err != nil {
				t.Fatal(err)
			}
		}
		if _, _, err := c.ReadResponse(turn.code); err != nil {
			t.Fatal(err)
		}
	}
}

// The server of this project, too, is an honest one.
func TestSinkServer(t *testing.T) {
	known := []string{
		"server/content/received",    // it adds no trace field
		"server/starttls/submission", // it does not insist on a user here
	}
	for _, lmtp := range []bool{false, true} {
		peer := smtptest.Server(t, func(s *sink.Server) {
			s.LMTP = lmtp
			s.Auth.Users = map[string]string{fakeUser: fakePassword}
			s.Hooks.Rcpt = func(path string) sink.Reply {
				if path == fakeUnknown || path == fakeRelay {
					return sink.Reply{Code: 550, Text: "5.1.1 nobody"}
				}
				return sink.Reply{}
			}
		})
		target := server.Target{
			Addr: peer.Addr, Mode: server.StartTLS, TLS: peer.ClientTLS(), LMTP: lmtp, User: fakeUser, Password: fakePassword,
			Rcpt: fakeRcpt, Unknown: fakeUnknown, Relay: fakeRelay, Sink: kept{peer.Memory}, Calm: fakeCalm,
		}
		report, err := server.Run(t.Context(), server.Plan{Target: target, Checks: suite(t), Controls: server.Controls(suite(t))})
		if err != nil {
			t.Fatal(err)
		}
		for _, o := range report.Outcomes {
			if o.Verdict == conformance.Fail && !slices.Contains(known, o.Case.ID) {
				t.Error(o.Report())
			}
		}
		if report.Exit() == conformance.ExitInconclusive {
			t.Error(report.Controls[0].Report())
		}
	}
}

// kept are the messages that a sink has in memory.
type kept struct{ *sink.Memory }

func (k kept) Messages(_ context.Context, text string) (found []string, err error) {
	for _, m := range k.Memory.Messages() {
		if content := string(m.Content); strings.Contains(content, text) {
			found = append(found, content)
		}
	}
	return found, nil
}

func (k kept) Close() error { return nil }
