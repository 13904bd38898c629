//go:build interop

package interop_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/parley-mail/parley/interop/peers"
)

// recorded are dialogues that are worth keeping from each server: what the command is told,
// and what a player of the transcript is to tell the engine.
var recorded = []struct {
	name, about string
	command     string
	flags       []string
	calls       []string
	content     string
	kinds       map[string]peers.Kind // by server
}{
	{
		"one-message", "a message in lock-step", "send",
		[]string{"--pipelining", "off", "--to", "bob@parley.test"},
		[]string{"call open name=client.test pipelining=no", `call send from=alice@client.test to=bob@parley.test body="Subject: one\r\n\r\n.\r\nhello\r\n"`},
		"Subject: one\r\n\r\n.\r\nhello\r\n", everySMTP,
	},
	{
		"pipelined-one-refused", "a pipelined message of which one recipient is refused", "send",
		[]string{"--to", "bob@parley.test,nobody@parley.test,carol@parley.test"},
		[]string{"call open name=client.test", `call send from=alice@client.test to=bob@parley.test,nobody@parley.test,carol@parley.test body="Subject: some\r\n\r\nhello\r\n"`},
		"Subject: some\r\n\r\nhello\r\n", everySMTP,
	},
	{
		"all-refused", "a message nobody is to get", "send",
		[]string{"--to", "nobody@parley.test"},
		[]string{"call open name=client.test", `call send from=alice@client.test to=nobody@parley.test body="Subject: none\r\n\r\nhello\r\n"`},
		"Subject: none\r\n\r\nhello\r\n", everySMTP,
	},
	{
		"chunked", "a message as one chunk", "send",
		[]string{"--data", "bdat", "--to", "bob@parley.test"},
		[]string{"call open name=client.test data=bdat", `call send from=alice@client.test to=bob@parley.test body="Subject: chunk\r\n\r\n.\r\nhello\r\n"`},
		"Subject: chunk\r\n\r\n.\r\nhello\r\n",
		map[string]peers.Kind{"postfix": peers.SMTP, "exim": peers.SMTP},
	},
	{
		"lmtp-chunked", "two recipients of a chunk", "send",
		[]string{"--data", "bdat", "--to", "bob@parley.test,carol@parley.test"},
		[]string{"call open name=client.test lmtp data=bdat", `call send from=alice@client.test to=bob@parley.test,carol@parley.test body="Subject: chunk\r\n\r\n.\r\nhello\r\n"`},
		"Subject: chunk\r\n\r\n.\r\nhello\r\n",
		map[string]peers.Kind{"dovecot": peers.LMTP},
	},
	{
		"starttls", "a message inside TLS", "send",
		[]string{"--tls", "starttls", "--to", "bob@parley.test"},
		[]string{"call open name=client.test tls=required host=mx.parley.test", `call send from=alice@client.test to=bob@parley.test body="Subject: tls\r\n\r\nhello\r\n"`},
		"Subject: tls\r\n\r\nhello\r\n",
		map[string]peers.Kind{"postfix": peers.StartTLS, "exim": peers.StartTLS},
	},
	{
		"auth-plain", "a login, in clear because the caller says so", "send",
		[]string{"--auth", "PLAIN", "--user", peers.Alice.User, "--password", peers.Alice.Password, "--allow-plaintext-auth", "--to", "bob@parley.test"},
		[]string{"call open name=client.test auth=PLAIN user=alice pass=secret plaintext", `call send from=alice@client.test to=bob@parley.test body="Subject: auth\r\n\r\nhello\r\n"`},
		"Subject: auth\r\n\r\nhello\r\n",
		map[string]peers.Kind{"postfix": peers.AuthClear, "exim": peers.AuthClear, "dovecot": peers.AuthClear},
	},
	{
		"auth-login", "a login by the old mechanism", "send",
		[]string{"--auth", "LOGIN", "--user", peers.Alice.User, "--password", peers.Alice.Password, "--allow-plaintext-auth", "--to", "bob@parley.test"},
		[]string{"call open name=client.test auth=LOGIN user=alice pass=secret plaintext", `call send from=alice@client.test to=bob@parley.test body="Subject: auth\r\n\r\nhello\r\n"`},
		"Subject: auth\r\n\r\nhello\r\n",
		map[string]peers.Kind{"postfix": peers.AuthClear, "exim": peers.AuthClear, "dovecot": peers.AuthClear},
	},
	{
		"lmtp", "two recipients and an answer for each", "send",
		[]string{"--to", "bob@parley.test,nobody@parley.test,carol@parley.test"},
		[]string{"call open name=client.test lmtp", `call send from=alice@client.test to=bob@parley.test,nobody@parley.test,carol@parley.test body="Subject: lmtp\r\n\r\nhello\r\n"`},
		"Subject: lmtp\r\n\r\nhello\r\n",
		map[string]peers.Kind{"dovecot": peers.LMTP},
	},
	{"verify", "an address is asked about", "verify", []string{"bob@parley.test"}, []string{"call open name=client.test", "call verify bob@parley.test"}, "", everySMTP},
	{"expand", "a list is asked for", "expand", []string{"list"}, []string{"call open name=client.test", "call expand list"}, "", everySMTP},
}

var everySMTP = map[string]peers.Kind{"postfix": peers.SMTP, "exim": peers.SMTP, "opensmtpd": peers.SMTP}

// TestRecord has the command hold dialogues with real servers and keep their transcripts.
// PARLEY_RECORD names the folder in which those that the suite replays are kept; without it
// they are only made. Secrets and content are masked as they are written.
func TestRecord(t *testing.T) {
	if testing.Short() {
		t.Skip("part of the full matrix")
	}
	dir := os.Getenv("PARLEY_RECORD")
	if dir == "" {
		dir = t.TempDir()
	}
	parley := filepath.Join(t.TempDir(), "parley")
	if out, err := exec.Command("go", "build", "-o", parley, "../cmd/parley").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, p := range []peers.Peer{peers.NewPostfix(), peers.NewExim(), peers.NewOpenSMTPD(), peers.NewDovecot(nil)} {
		t.Run(p.Name(), func(t *testing.T) {
			site := start(t, p)
			version, err := p.Version()
			if err != nil {
				t.Fatal(err)
			}
			for _, r := range recorded {
				kind, ok := r.kinds[p.Name()]
				if !ok {
					continue
				}
				wire := filepath.Join(t.TempDir(), "wire.smtpt")
				scheme := "smtp://"
				if kind == peers.LMTP {
					scheme = "lmtp://"
				}
				args := []string{r.command, "--server", scheme + p.Addr(kind), "--hello", "client.test", "--record", wire, "-q"}
				if kind != peers.StartTLS {
					args = append(args, "--tls", "none")
				} else {
					args = append(args, "--ca", site.CAFile, "--server-name", peers.Host)
				}
				if r.command == "send" {
					args = append(args, "--from", "alice@client.test")
				}
				cmd := exec.Command(parley, append(args, r.flags...)...)
				cmd.Stdin = strings.NewReader(r.content)
				out, err := cmd.CombinedOutput()
				if code := cmd.ProcessState.ExitCode(); code != 0 && code != 69 && code != 78 {
					t.Errorf("%s: %v\n%s", r.name, err, out)
					continue
				}
				said, err := os.ReadFile(wire)
				if err != nil {
					t.Error(err)
					continue
				}
				text := fmt.Sprintf("# %s, recorded from %s.\n# level   MAY\n\n%s\n\n%s", strings.ToUpper(r.about[:1])+r.about[1:], version, strings.Join(r.calls, "\n"), said)
				if err := os.WriteFile(filepath.Join(dir, p.Name()+"-"+r.name+".smtpt"), []byte(text), 0o644); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}
