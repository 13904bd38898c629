package server_test

import (
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/parley-mail/parley/conformance"
	"github.com/parley-mail/parley/conformance/server"
)

const (
	fakePatience = time.Second // what never comes is waited for so long
	fakeCalm     = 20 * time.Millisecond
)

// broken are the faults, and which checks must see each of them.
var broken = map[string]string{
	"greeting-without-name":       "hello/greeting",
	"keyword-of-its-own":          "hello/registered",
	"case-matters":                "hello/case command/case",
	"bad-hello-drops":             "hello/refused-keeps",
	"second-hello-keeps":          "hello/again-drops",
	"name-must-resolve":           "hello/other-name",
	"mail-before-hello":           "hello/mail-first",
	"lf-ends-commands":            "command/lf",
	"lf-ends-replies":             "reply/form",
	"code-out-of-range":           "reply/form command/unknown",
	"two-codes":                   "reply/one-code",
	"long-reply":                  "reply/length",
	"utf8-reply":                  "reply/ascii",
	"no-status":                   "reply/status",
	"status-of-another-class":     "reply/status",
	"challenge-of-words":          "reply/challenge auth/empty-challenge",
	"rset-keeps":                  "command/rset",
	"two-replies":                 "command/one-reply command/noop",
	"unknown-closes":              "command/unknown",
	"quit-stays":                  "command/quit",
	"one-client":                  "command/two-sessions",
	"rcpt-without-mail":           "transaction/rcpt-first",
	"nested-mail-drops":           "transaction/nested",
	"bad-path-drops":              "transaction/bad-path",
	"no-source-routes":            "transaction/source-route",
	"fifty-recipients":            "transaction/hundred",
	"552-for-too-many":            "transaction/too-many others/limits-kept",
	"data-without-rcpt":           "lmtp/data-first pipelining/nobody",
	"relays":                      "transaction/relay",
	"sixty-thousand-octets":       "content/64k",
	"wraps-lines":                 "content/line-1000",
	"dots-stay":                   "content/dots",
	"all-dots-go":                 "content/dots",
	"trims-blanks":                "content/unchanged",
	"adds-a-field":                "content/trace-only",
	"no-received":                 "content/received",
	"received-year-of-two-digits": "content/received",
	"lost":                        "content/delivered sanity/mailbox",
	"delivers-twice":              "content/one-verdict",
	"refused-and-delivered":       "content/refused",
	"odd-received-refused":        "content/odd-received",
	"resent-refused":              "content/resent",
	"seven-bits":                  "content/8bit-undeclared content/8bitmime",
	"delivers-the-cut":            "content/cut content/quit-within",
	"quit-in-content":             "content/quit-within",
	"end-lf-lf":                   "content/end-lf-lf content/end-lf-only",
	"end-lf-lf-alone":             "content/end-lf-lf content/end-waited",
	"end-lf-lf-closes":            "content/end-waited",
	"end-lf-crlf":                 "content/end-lf-crlf",
	"end-crlf-lf":                 "content/end-crlf-lf",
	"end-cr-cr":                   "content/end-cr-cr",
	"end-crlf-cr":                 "content/end-crlf-cr",
	"end-cr-crlf":                 "content/end-cr-crlf",
	"end-lf-cr":                   "content/end-lf-cr",
	"end-cr-lf":                   "content/end-cr-lf",
	"nothing-taken":               "sanity/message chunking/data",
	"flushes-input":               "pipelining/next-message",
	"noop-held-back":              "pipelining/at-once",
	"half-line-holds-back":        "pipelining/half",
	"chunks-unanswered":           "chunking/chunks",
	"empty-last-chunk":            "chunking/chunks",
	"chunks-unstuffed":            "chunking/chunks",
	"transaction-goes-on":         "chunking/after-last",
	"data-after-bdat":             "chunking/data-after chunking/data-binary",
	"refused-chunk-stays":         "chunking/refused chunking/out-of-order",
	"lone-cr-becomes-crlf":        "chunking/binary",
	"size-ends-content":           "size/not-the-end",
	"size-with-letters":           "size/form",
	"smtputf8-value":              "smtputf8/form",
	"utf8-undeclared":             "smtputf8/undeclared",
	"parameters-twice":            "dsn/bad-mail others/priority",
	"hold-for-everybody":          "others/hold-unlisted",
	"requiretls-in-clear":         "others/requiretls-clear",
	"limits-malformed":            "others/limits-form",
	"starttls-listed-inside":      "starttls/not-inside",
	"starttls-twice":              "starttls/twice",
	"tls-keeps":                   "starttls/anew",
	"clear-behind-starttls":       "starttls/injected",
	"tls-1.3-only":                "starttls/version-12",
	"sni-needed":                  "starttls/no-sni",
	"auth-clear-tells":            "starttls/auth-clear",
	"mail-from-strangers":         "starttls/submission",
	"auth-twice":                  "auth/twice",
	"auth-within":                 "auth/within",
	"cancel-fails":                "auth/cancel",
	"any-base64":                  "auth/base64 auth/base64-response auth/padding",
	"challenge-not-empty":         "auth/empty-challenge",
	"initial-for-server-first":    "auth/initial",
	"equals-is-nothing":           "auth/empty-response",
	"short-auth-lines":            "auth/long-line",
	"short-passwords":             "auth/long-fields",
	"mechanisms-in-capitals":      "auth/case",
	"bad-escape-taken":            "auth/scram-escape",
	"downgrade-taken":             "auth/scram-downgrade",
	"binding-unverified":          "auth/scram-binding",
	"token-refused-at-once":       "auth/token",
	"gssapi-without-credentials":  "auth/gssapi",
	"lmtp-one-reply":              "lmtp/each",
	"lmtp-reply-for-refused":      "lmtp/refused",
	"lmtp-without-pipelining":     "lmtp/listed",
}

// answers are faults that are a wrong answer to some command: where it is said and the
// command, the answer, and which checks must see it.
var answers = []struct{ line, reply, kills string }{
	{`first:EHLO x?[^ ]* *$|first:EHLO$`, "250 ok\r\n", "hello/no-name"},
	{`(?i)first:(EHLO|LHLO) `, "500 what?\r\n", "hello/ehlo sanity/hello"},
	{`HELO `, "500 what?\r\n", "hello/helo command/verbs"},
	{`first:HELO `, "250-mx.example\r\n250 PIPELINING\r\n", "hello/helo"},
	{`clear:ready:HELP`, "214 help\r\n", "hello/unlisted-help"},
	{`ready:EXPN`, "250 bob@mx.example\r\n", "hello/unlisted-expn"},
	{`ready:ETRN`, "250 off we go\r\n", "hello/unlisted-etrn"},
	{`ready:AUTH`, "334 \r\n", "hello/unlisted-auth"},
	{`ready:STARTTLS`, "220 go on\r\n", "hello/unlisted-starttls"},
	{`rcpt:BDAT 6 LAST`, "250 ok\r\n", "hello/unlisted-bdat"},
	{`ready:(VRFY|EXPN|HELP|ETRN)`, "502 not here\r\n", "hello/listed hello/listed-help"},
	{`ready:STARTTLS`, "500 what?\r\n", "hello/listed-starttls"},
	{`ready:BDAT 0`, "500 what?\r\n", "hello/listed-bdat"},
	{`ready:AUTH PARLEY`, "500 what?\r\n", "hello/listed-auth"},
	{`RSET`, "500 what?\r\n", "command/rset command/rset-many command/verbs"},
	{`NOOP`, "500 what?\r\n", "command/noop command/rset-many command/two-sessions"},
	{`NOOP x{100}`, "500 too long\r\n", "command/line-512"},
	{`(?i)QUIT`, "250 bye\r\n", "command/quit sanity/hello"},
	{`XYZZY`, "250 ok\r\n", "command/unknown"},
	{`VRFY parley`, "250 parley@mx.example\r\n", "command/vrfy-random command/vrfy-disabled"},
	{`VRFY`, "502 not here\r\n", "command/verbs command/vrfy-disabled"},
	{`mail:DATA`, "250 ok\r\n", "transaction/data-first transaction/no-recipient lmtp/data-first"},
	{`ready:MAIL FROM:<>`, "550 who?\r\n", "transaction/null-sender starttls/submission-null"},
	{`ready:MAIL FROM: `, "354 go on\r\n", "transaction/blank"},
	{`(?i)RCPT TO:<postmaster>`, "550 nobody\r\n", "transaction/postmaster"},
	{`PARLEY=1`, "250 ok\r\n", "transaction/unknown-mail-parameter transaction/unknown-rcpt-parameter"},
	{`\x01@`, "250 ok\r\n", "transaction/control"},
	{`RCPT TO:<a{60}`, "501 too long\r\n", "transaction/local-64"},
	{`RCPT TO:<a@a{60}`, "501 too long\r\n", "transaction/path-256"},
	{`parley\.invalid`, "354 go on\r\n", "transaction/mail-refusal"},
	{`rcpt:DATA$`, "250 ok\r\n", "transaction/data"},
	{`RCPT TO:<nobody`, "", "pipelining/order"},
	{`rcpt:RCPT`, "", "pipelining/group"},
	{`XYZZY`, "", "pipelining/behind-error"},
	{`SIZE=9999`, "250 ok\r\n", "size/beyond"},
	{`SMTPUTF8`, "555 what?\r\n", "smtputf8/mailbox"},
	{`RCPT.*=utf-8`, "501 not like that\r\n", "smtputf8/orcpt"},
	{`RET=HDRS`, "501 not like that\r\n", "dsn/same-reply dsn/long"},
	{`RET=PARLEY`, "250 ok\r\n", "dsn/bad-mail"},
	{`HOLDFOR.*HOLDUNTIL`, "250 ok\r\n", "others/hold-twice"},
	{`MT-PRIORITY=10`, "250 ok\r\n", "others/priority"},
	{`clear:ready:MAIL`, "530 TLS first\r\n", "starttls/not-required"},
	{`STARTTLS x`, "220 go on\r\n", "starttls/argument"},
	{`AUTH=<>`, "555 what?\r\n", "auth/mail-parameter"},
	{`AUTH PARLEY`, "235 welcome\r\n", "auth/unknown"},
	{`first:(EHLO|HELO)`, "250 ok\r\n", "lmtp/no-ehlo"},
	{`first:LHLO`, "250 ok\r\n", "lmtp/not-here"},
}

// profiles are honest servers; a check is for one of them or more.
var profiles = []struct {
	name string
	fake fake
}{
	{"open", fake{}},
	{"submission", fake{user: "must"}},
	{"optional", fake{user: "may"}},
	{"lmtp", fake{lmtp: true}},
	{"bare", fake{bare: true}},
}

// judge runs checks against a fake.
func judge(t *testing.T, f fake, checks []*server.Check) []*conformance.Outcome {
	t.Helper()
	report, err := server.Run(t.Context(), server.Plan{Target: f.start(t), Checks: checks})
	if err != nil {
		t.Fatal(err)
	}
	return report.Outcomes
}

func suite(t *testing.T) []*server.Check {
	t.Helper()
	checks, err := server.Suite()
	if err != nil {
		t.Fatal(err)
	}
	return checks
}

// rightly are the failures of honest servers: they are set up like that.
var rightly = []string{"optional server/starttls/submission"}

// unconvicted is how many checks of level MUST no fault is known for. The number only
// falls.
const unconvicted = 0

// Each check passes on an honest server, and fails on one that is broken in the way that
// it is about; what an RFC only advises may be latitude instead.
func TestEachCheckKillsABrokenServer(t *testing.T) {
	checks := suite(t)
	at := map[string]fake{} // where a check passes
	t.Run("honest", func(t *testing.T) {
		for _, p := range profiles {
			for _, o := range judge(t, p.fake, checks) {
				switch o.Verdict {
				case conformance.Pass:
					if _, ok := at[o.Case.ID]; !ok {
						at[o.Case.ID] = p.fake
					}
				case conformance.Fail:
					if id := p.name + " " + o.Case.ID; !slices.Contains(rightly, id) {
						t.Errorf("%s: %s", p.name, o.Report())
					}
				}
			}
		}
		for _, c := range checks {
			if _, ok := at[c.ID]; !ok {
				t.Errorf("%s passes on no honest server", c.ID)
			}
		}
	})
	killed := map[string]bool{}
	kill := func(name string, f fault, kills string) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for id := range strings.FieldsSeq(kills) {
				picked, err := server.Select(checks, []string{id}, nil)
				if err != nil || len(picked) != 1 {
					t.Fatalf("%d checks are %s: %v", len(picked), id, err)
				}
				with := at["server/"+id]
				with.fault = f
				report, err := server.Run(t.Context(), server.Plan{Target: with.start(t), Checks: picked})
				switch {
				case err != nil:
					t.Errorf("%s: %v", id, err)
				case picked[0].Level == "MUST" && report.Outcomes[0].Verdict != conformance.Fail,
					!slices.Contains([]conformance.Verdict{conformance.Fail, conformance.Latitude}, report.Outcomes[0].Verdict):
					t.Errorf("%s does not see it: %s", id, report.Outcomes[0].Report())
				}
			}
		})
		for id := range strings.FieldsSeq(kills) {
			killed["server/"+id] = true
		}
	}
	t.Run("broken", func(t *testing.T) {
		for name, kills := range broken {
			kill(name, fault{name: name}, kills)
		}
		for _, a := range answers {
			kill(a.line, fault{name: a.line, line: regexp.MustCompile(a.line), reply: a.reply}, a.kills)
		}
	})
	var without []string
	for _, c := range checks {
		if !killed[c.ID] && c.Level == "MUST" {
			without = append(without, c.ID)
		}
	}
	slices.Sort(without)
	t.Logf("%d of %d checks are known to kill; %d of level MUST are not: %s", len(killed), len(checks), len(without), strings.Join(without, " "))
	if len(without) > unconvicted {
		t.Errorf("%d checks without a broken server that they kill, there were %d", len(without), unconvicted)
	}
}
