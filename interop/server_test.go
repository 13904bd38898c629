//go:build interop

package interop_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/parley-mail/parley/interop/peers"
)

// judged is one run of "parley conform server".
type judged struct {
	expected string // below expected/: what the server is known to fail at
	kind     peers.Kind
	user     bool // log in, inside TLS
	relays   bool // it passes on what its own machine sends, as we do
	sink     func(user string) string
	flags    []string
}

// The command says of each server what is known of it, and nothing else, and is done in
// two minutes. A new finding is looked at by hand: either the check is wrong, or the file
// below expected/ gets a line with the reason; and what no longer fails loses its line.
func TestServersAreJudged(t *testing.T) {
	parley := filepath.Join(t.TempDir(), "parley")
	if out, err := exec.Command("go", "build", "-o", parley, "../cmd/parley").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	postfix, exim, dovecot := peers.NewPostfix(), peers.NewExim(), peers.NewDovecot(nil)
	opensmtpd, sendmail := peers.NewOpenSMTPD(), peers.NewSendmail()
	for _, server := range []struct {
		peer peers.Peer
		runs []judged
	}{
		{postfix, []judged{
			{expected: "postfix", kind: peers.StartTLS, sink: postfix.Maildir},
			{expected: "postfix-submission", kind: peers.Submission, user: true, sink: postfix.Maildir},
		}},
		{exim, []judged{
			{expected: "exim", kind: peers.StartTLS, sink: exim.Maildir},
			{expected: "exim-submission", kind: peers.Submission, user: true, sink: exim.Maildir},
		}},
		{opensmtpd, []judged{
			{expected: "opensmtpd", kind: peers.SMTP, sink: opensmtpd.Maildir},
		}},
		{dovecot, []judged{
			{expected: "dovecot-submission", kind: peers.Submission, user: true, sink: func(string) string { return dovecot.Relayed() }},
			{expected: "dovecot-lmtp", kind: peers.LMTP, sink: dovecot.Maildir, flags: []string{"--lmtp"}},
		}},
		{sendmail, []judged{
			{expected: "sendmail", kind: peers.StartTLS, sink: sendmail.Maildir, relays: true},
		}},
	} {
		t.Run(server.peer.Name(), func(t *testing.T) {
			runs := server.runs
			if testing.Short() {
				if server.peer.Name() != "postfix" {
					t.Skip("-short: Postfix only")
				}
				runs = runs[:1]
			}
			site := start(t, server.peer)
			for _, r := range runs {
				t.Run(r.expected, func(t *testing.T) { r.judge(t, parley, site, server.peer.Addr(r.kind)) })
			}
		})
	}
}

// judge runs the command.
func (r judged) judge(t *testing.T, parley string, site *peers.Site, addr string) {
	const limit = 2 * time.Minute
	args := append([]string{
		"conform", "server", "--target", addr, "--ca", site.CAFile, "--server-name", peers.Host,
		"--rcpt", peers.Bob.Mailbox(), "--unknown", peers.Nobody + "@" + peers.Domain,
		"--sink", "maildir:" + r.sink(peers.Bob.User), "--expected", filepath.Join("expected", r.expected+".txt"),
	}, r.flags...)
	if r.user {
		args = append(args, "--tls", "starttls", "--user", peers.Alice.User)
	}
	if !r.relays {
		args = append(args, "--relay", "a@elsewhere.test")
	}
	cmd := exec.CommandContext(t.Context(), parley, args...)
	cmd.Env = append(os.Environ(), "PARLEY_PASSWORD="+peers.Alice.Password)
	begin := time.Now()
	out, err := cmd.CombinedOutput()
	took := time.Since(begin)
	out = bytes.TrimSpace(out)
	if dir := os.Getenv("PARLEY_JUDGED"); dir != "" {
		if err := os.WriteFile(filepath.Join(dir, r.expected+".txt"), out, 0o644); err != nil {
			t.Error(err)
		}
	}
	if err != nil {
		t.Errorf("%v\n%s", err, findings(string(out)))
	}
	t.Logf("%s, %v", out[bytes.LastIndexByte(out, '\n')+1:], took.Round(100*time.Millisecond))
	if took > limit {
		t.Errorf("it took %v", took)
	}
}

// findings are the reports of what is not as expected.
func findings(out string) string {
	var kept []string
	bad := false
	for line := range strings.Lines(out) {
		if !strings.HasPrefix(line, " ") {
			bad = strings.HasPrefix(line, "fail ") || strings.HasPrefix(line, "xpass ")
		}
		if bad {
			kept = append(kept, line)
		}
	}
	return strings.Join(kept, "")
}
