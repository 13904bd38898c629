package live_test

import (
	"context"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/parley-mail/parley/conformance"
	"github.com/parley-mail/parley/conformance/live"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func suite(t *testing.T) map[string]*conformance.Case {
	t.Helper()
	cases, err := conformance.Suite()
	if err != nil {
		t.Fatal(err)
	}
	byID := map[string]*conformance.Case{}
	for _, c := range cases {
		byID[c.ID] = c
	}
	return byID
}

func player(t *testing.T, p live.Peer) *live.Player {
	t.Helper()
	made, err := live.NewPlayer(p)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { made.Close() })
	made.Patience, made.Limit = time.Second, 10*time.Second
	return made
}

// A client that does nothing wrong is told so, by every case that can be played, and by
// more of them than the project promises.
func TestHonest(t *testing.T) {
	p := player(t, fake{})
	var plan conformance.Plan
	for _, c := range suite(t) {
		if live.Portable(c) == "" {
			plan.Cases = append(plan.Cases, c)
		}
	}
	if n := len(plan.Cases); n < 400 {
		t.Errorf("%d cases are portable", n)
	}
	slices.SortFunc(plan.Cases, func(a, b *conformance.Case) int { return strings.Compare(a.ID, b.ID) })
	plan.Controls, plan.Workers = conformance.Controls(plan.Cases), 32
	plan.Play = func(c *conformance.Case) *conformance.Outcome { return p.Play(t.Context(), c) }
	r := conformance.RunAll(plan)
	for _, o := range r.Outcomes {
		if o.Verdict == conformance.Fail || o.Verdict == conformance.Latitude {
			t.Error(o.Report())
		}
	}
	if n := r.Count(conformance.Pass); n < 330 {
		t.Errorf("%d cases pass, %d are inconclusive, %d do not apply", n, r.Count(conformance.Inconclusive), r.Count(conformance.Skip))
	}
}

// Whatever is wrong with a client is seen, and by the right requirement.
func TestFaults(t *testing.T) {
	cases := suite(t)
	for _, tt := range []struct {
		fault, id, requirement string
		want                   conformance.Verdict
	}{
		{"550-is-success", "rfc5321/never-at-the-end", "C-5321-073", conformance.Fail},
		{"eof-is-success", "rfc5321/unknown-after-dot", "C-5321-076", conformance.Fail},
		{"half-a-reply", "rfc5321/reply-cut-in-last-line", "C-5321-013", conformance.Fail},
		{"bare-lf", "sanity/control", "C-5321-068", conformance.Fail},
		{"bare-lf-command", "sanity/control", "C-5321-033", conformance.Fail},
		{"no-dots", "rfc5321/transparency", "C-5321-065", conformance.Fail},
		{"data-anyway", "rfc5321/data-554", "C-5321-053", conformance.Fail},
		{"ignores-421", "rfc5321/421-anywhere-rcpt", "C-5321-077", conformance.Latitude},
		{"no-clock", "rfc5321/dribble", "C-5321-091", conformance.Latitude},
		{"hang", "sanity/control", "hangs", conformance.Fail},
		{"crash", "sanity/control", "crashes", conformance.Fail},
		{"injects", "rfc5321/injection", "C-5321-034", conformance.Fail},
		{"pipelines", "rfc5321/lock-step", "C-5321-052", conformance.Fail},
		{"keeps-clear-octets", "rfc3207/injection", "C-3207-007", conformance.Fail},
		{"any-certificate", "odd/another-host-answers", "C-8314-003", conformance.Fail},
		{"clear", "rfc3207/required-not-offered", "C-3207-010", conformance.Fail},
		{"mail-first", "sanity/control", "C-5321-022", conformance.Fail},
		{"eight-bits", "rfc6152/not-offered", "C-5321-069", conformance.Fail},
		{"parameters", "rfc5321/lock-step", "C-1870-001", conformance.Fail},
		{"no-quit", "sanity/control", "C-5321-081", conformance.Fail},
		{"denies", "sanity/control", "C-5321-083", conformance.Fail},
	} {
		t.Run(tt.fault, func(t *testing.T) {
			t.Parallel()
			c, ok := cases[tt.id]
			if !ok {
				t.Fatalf("no case %s", tt.id)
			}
			p := player(t, fake{tt.fault})
			if tt.fault == "hang" {
				p.Limit = time.Second
			}
			o := p.Play(t.Context(), c)
			if o.Verdict != tt.want || !strings.Contains(o.Report(), tt.requirement) {
				t.Errorf("want %v by %s:\n%s", tt.want, tt.requirement, o.Report())
			}
			if honest := player(t, fake{}).Play(t.Context(), c); honest.Verdict == conformance.Fail {
				t.Errorf("an honest one too:\n%s", honest.Report())
			}
		})
	}
}

// Memory is held against that of the control case.
func TestMemory(t *testing.T) {
	cases := suite(t)
	p := player(t, fake{"glutton"})
	for _, tt := range []struct {
		id   string
		want conformance.Verdict
	}{{"sanity/control", conformance.Pass}, {"rfc5321/one-yes-for-both", conformance.Fail}} {
		if o := p.Play(t.Context(), cases[tt.id]); o.Verdict != tt.want {
			t.Error(o.Report())
		}
	}
}

// A client that cannot do what is asked is not held to it, and one that is not there
// makes nothing conclusive.
func TestNotApplicable(t *testing.T) {
	c := suite(t)["sanity/control"]
	for line, want := range map[string]conformance.Verdict{
		"exit 89": conformance.Skip, "exec /no/such/client": conformance.Inconclusive, "exit 75": conformance.Fail,
		"exit 3": conformance.Inconclusive, "kill -SEGV $$": conformance.Fail, "echo 'panic: x' >&2; exit 2": conformance.Fail,
	} {
		command, err := live.NewCommand(line)
		if err != nil {
			t.Fatal(err)
		}
		if o := player(t, command).Play(t.Context(), c); o.Verdict != want {
			t.Errorf("%s: want %v:\n%s", line, want, o.Report())
		}
	}
	if _, err := live.NewCommand("client {nonsense}"); err == nil {
		t.Error("a placeholder that there is not is taken")
	}
}

// The control cases decide whether anything was said at all.
func TestControls(t *testing.T) {
	c := suite(t)["sanity/control"]
	for fault, want := range map[string]int{"denies": conformance.ExitInconclusive, "no-quit": conformance.ExitFinding} {
		p := player(t, fake{fault})
		r := conformance.RunAll(conformance.Plan{
			Cases: []*conformance.Case{c}, Controls: []*conformance.Case{c},
			Play: func(c *conformance.Case) *conformance.Outcome { return p.Play(t.Context(), c) },
		})
		if r.Exit() != want {
			t.Errorf("%s: exit code %d, want %d", fault, r.Exit(), want)
		}
	}
}

// What a client does wrong in each case counts in the control case, and in those about it.
func TestHabit(t *testing.T) {
	cases := suite(t)
	p := player(t, fake{"no-quit"})
	for _, tt := range []struct {
		id   string
		want conformance.Verdict
	}{{"sanity/control", conformance.Fail}, {"rfc5321/lock-step", conformance.Pass}, {"rfc5321/quit-is-the-last", conformance.Fail}} {
		if o := p.Play(t.Context(), cases[tt.id]); o.Verdict != tt.want {
			t.Errorf("want %v:\n%s", tt.want, o.Report())
		}
	}
}

// The server alone says what a bystander saw.
func TestServer(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var seen []live.Finding
	var lines []string
	s := live.Server{
		Case:  suite(t)["sanity/control"],
		Line:  func(l conformance.Line) { lines = append(lines, l.String()) },
		Ended: func(found []live.Finding) { seen = found; l.Close() },
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	served := make(chan error, 1)
	go func() { served <- s.Serve(ctx, l) }()
	nc, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := nc.Write([]byte("MAIL FROM:<a@b.example>\r\nQUIT\r\n")); err != nil {
		t.Fatal(err)
	}
	nc.(*net.TCPConn).CloseWrite()
	if err := <-served; err != nil {
		t.Fatal(err)
	}
	nc.Close()
	has := func(id string) bool {
		return slices.ContainsFunc(seen, func(f live.Finding) bool { return f.ID == id && f.Fails })
	}
	if !has("C-5321-022") || !strings.Contains(strings.Join(lines, "\n"), "C: MAIL FROM:<a@b.example>") {
		t.Errorf("%v\n%s", seen, strings.Join(lines, "\n"))
	}
}
