//go:build interop

package interop_test

import (
	"context"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/parley-mail/parley/internal/sink"
	"github.com/parley-mail/parley/internal/smtptest"
)

// client is a mail client behind its shim.
type client struct {
	name    string
	shim    string // of conformance/shims, or "shim" of bench
	version string // a command; the first number with a dot in what it prints
	strict  bool   // Parley's other profile
	seldom  bool   // only install.sh all installs it: left out of -short
}

var clients = []client{
	{name: "aiosmtplib", shim: "python-aiosmtplib.py", version: "/usr/bin/python3 -c 'import aiosmtplib; print(aiosmtplib.__version__)'", seldom: true},
	{name: "curl", shim: "curl.sh", version: "curl --version", seldom: true},
	{name: "emersion/go-smtp", shim: "shim emersion", version: "go version -m $(command -v shim) | grep emersion/go-smtp"},
	{name: "Exim", shim: "exim.sh", version: "LD_LIBRARY_PATH=$PEERS/exim/usr/lib:$(echo $PEERS/exim/usr/lib/*-linux-gnu*) $PEERS/exim/usr/sbin/exim4 -C /dev/null -bV", seldom: true},
	{name: "Go net/smtp", shim: "shim net-smtp", version: "go version"},
	{name: "go-mail", shim: "shim go-mail", version: "go version -m $(command -v shim) | grep wneessen/go-mail"},
	{name: "mox", shim: "shim mox", version: "go version -m $(command -v shim) | grep mjl-/mox"},
	{name: "msmtp", shim: "msmtp.sh", version: "msmtp --version", seldom: true},
	{name: "nodemailer", shim: "nodemailer.cjs", version: `grep '"version"' $PEERS/nodemailer/usr/share/nodejs/nodemailer/package.json`, seldom: true},
	{name: "Parley", shim: "parley.sh"},
	{name: "Parley, strict", shim: "parley.sh", strict: true},
	{name: "Perl Net::SMTP", shim: "perl-net-smtp.pl", version: "perl -MNet::SMTP -e 'print $Net::SMTP::VERSION'", seldom: true},
	{name: "Postfix", shim: "postfix.py", version: "postconf -dh mail_version"},
	{name: "Python smtplib", shim: "python-smtplib.py", version: "/usr/bin/python3 --version"},
	{name: "swaks", shim: "swaks.sh", version: "swaks --version", seldom: true},
}

// clientsHere returns the clients of this run, and says which are left out of -short.
func clientsHere(t *testing.T) []client {
	t.Helper()
	if !testing.Short() {
		return clients
	}
	return slices.DeleteFunc(slices.Clone(clients), func(c client) bool {
		if c.seldom {
			t.Logf("-short: %s is left out, which install.sh short does not install", c.name)
		}
		return c.seldom
	})
}

// bench is where the shims run: programs built, Postfix started.
type bench struct {
	dir string
	env []string
}

// newBench builds and starts what the shims need.
func newBench(t *testing.T) *bench {
	t.Helper()
	dir := t.TempDir()
	root, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	cache := os.Getenv("PARLEY_PEERS")
	if cache == "" {
		cache = "/var/cache/parley-peers"
	}
	b := &bench{dir: dir, env: append(os.Environ(),
		"PATH="+dir+":"+filepath.Join(root, "conformance", "shims")+":"+os.Getenv("PATH")+":/usr/sbin",
		"PEERS="+cache, "PARLEY_HELLO=client.example", "PARLEY_TIMEOUT=5")}
	for _, build := range []string{
		"cd " + root + " && GOWORK=off go build -o " + dir + "/parley ./cmd/parley",
		"cd " + root + "/bench && GOWORK= go build -o " + dir + "/shim ./shim",
	} {
		b.must(t, build)
	}
	// Postfix keeps a directory to itself: where its users can go.
	place, err := os.MkdirTemp("", "parley-postfix-")
	if err != nil {
		t.Fatal(err)
	}
	b.env = append(b.env, "PARLEY_POSTFIX="+place+"/p")
	if err := os.Chmod(place, 0o755); err != nil {
		t.Fatal(err)
	}
	b.must(t, "postfix.py start "+place+"/p")
	t.Cleanup(func() {
		b.must(t, "postfix.py stop "+place+"/p")
		if err := os.RemoveAll(place); err != nil {
			t.Error(err)
		}
	})
	return b
}

// must runs a command of the shell and returns what it prints.
func (b *bench) must(t *testing.T, command string) string {
	t.Helper()
	cmd := exec.Command("sh", "-c", command)
	cmd.Env = b.env
	out, err := cmd.Output()
	if err != nil {
		var e *exec.ExitError
		if errors.As(err, &e) {
			out = e.Stderr
		}
		t.Fatalf("%s: %v\n%s", command, err, out)
	}
	return string(out)
}

// send runs a shim for one message to two recipients.
func (b *bench) send(ctx context.Context, c client, addr, file string) (code int, said string) {
	host, port, _ := net.SplitHostPort(addr)
	words := strings.Fields(c.shim)
	cmd := exec.CommandContext(ctx, "sh", append([]string{"-c", `"$@"`, "sh"}, append(words, host, port)...)...)
	cmd.Env = append(b.env, "PARLEY_FROM=a@c.example", "PARLEY_RCPTS=x@s.example,y@s.example", "PARLEY_FILE="+file)
	if c.strict {
		cmd.Env = append(cmd.Env, "PARLEY_STRICT=1")
	}
	out, _ := cmd.CombinedOutput()
	return cmd.ProcessState.ExitCode(), string(out)
}

// TestShims has every client deliver a message, be refused for good and for now, and not
// be let in, and holds its shim to the exit codes of the contract.
func TestShims(t *testing.T) {
	b := newBench(t)
	file := filepath.Join(b.dir, "message")
	const text = "From: a@c.example\r\nTo: x@s.example\r\nSubject: t\r\nDate: Thu, 1 Oct 2026 10:00:00 +0000\r\n" +
		"Message-ID: <1@c.example>\r\n\r\nhello\r\n.dot\r\n"
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	refusing := func(r sink.Reply) *smtptest.Peer {
		return smtptest.Server(t, func(s *sink.Server) {
			s.TLS = nil
			s.Hooks.Rcpt = func(string) sink.Reply { return r }
		})
	}
	open := smtptest.Server(t, func(s *sink.Server) { s.TLS = nil })
	never := refusing(sink.Reply{Code: 550, Enhanced: "5.1.1", Text: "no such user"})
	later := refusing(sink.Reply{Code: 451, Enhanced: "4.3.0", Text: "try again"})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	nobody := l.Addr().String()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	var running sync.WaitGroup
	here := clientsHere(t)
	for _, c := range here {
		running.Go(func() {
			for _, want := range []struct {
				addr string
				code int
			}{{open.Addr, 0}, {never.Addr, 69}, {later.Addr, 75}, {nobody, 75}} {
				if code, said := b.send(ctx, c, want.addr, file); code != want.code {
					t.Errorf("%s: exit code %d, want %d\n%s", c.name, code, want.code, said)
				}
			}
		})
	}
	running.Wait()
	messages := open.Wait(t, len(here))
	for _, m := range messages {
		if got := string(m.Content); got != text && !strings.Contains(got, "User-Agent: go-mail") {
			t.Errorf("a client sends something else:\n%q\n%q", text, got)
		}
	}
	if len(messages) != len(here) {
		t.Errorf("%d messages of %d clients", len(messages), len(here))
	}
}
