package run

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/parley-mail/parley/bench/load"
)

// Source is what the programs in other languages are made of.
type Source struct {
	Blaster    []byte // C
	Smtplib    []byte // Python
	Nodemailer []byte // JavaScript
}

// kit knows how each client is started.
type kit struct {
	dir      string // for what is made on the way
	self     string // this program
	parley   string
	missing  map[string]string // client: why
	have     map[string]string // client: its program
	nodePath string            // where node finds nodemailer
}

// newKit builds what has to be built and looks for the rest.
func newKit(ctx context.Context, dir, parley string, src Source) (*kit, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	k := &kit{dir: dir, self: self, parley: parley, missing: map[string]string{}, have: map[string]string{}}
	k.provide("blaster-c", func() (string, error) { return k.compile(ctx, src.Blaster) })
	k.provide("parley", func() (string, error) { return k.buildParley(ctx) })
	k.provide("smtp-source", func() (string, error) { return look("smtp-source", "/usr/sbin/smtp-source") })
	k.provide("curl", func() (string, error) { return look("curl") })
	k.provide("smtplib", func() (string, error) {
		if err := os.WriteFile(k.script(), src.Smtplib, 0o644); err != nil {
			return "", err
		}
		return look("python3")
	})
	k.provide("nodemailer", func() (string, error) { return k.nodemailer(ctx, src.Nodemailer) })
	return k, nil
}

// nodemailer finds node, and the library where node, Debian's package or interop/install.sh
// have put it.
func (k *kit) nodemailer(ctx context.Context, script []byte) (string, error) {
	node, err := look("node")
	if err != nil {
		return "", err
	}
	if err := os.WriteFile(k.jsScript(), script, 0o644); err != nil {
		return "", err
	}
	cache := os.Getenv("PARLEY_PEERS")
	if cache == "" {
		cache = "/var/cache/parley-peers"
	}
	const debian = "/usr/share/nodejs"
	k.nodePath = strings.Join([]string{os.Getenv("NODE_PATH"), debian, filepath.Join(cache, "nodemailer", debian)}, ":")
	find := exec.CommandContext(ctx, node, "-e", "require('nodemailer')")
	find.Env = append(os.Environ(), "NODE_PATH="+k.nodePath)
	if find.Run() != nil {
		return "", errors.New("nodemailer is not installed: interop/install.sh does that")
	}
	return node, nil
}

// writeBody takes care not to make this program large: a child's peak of memory begins
// with that of its parent.
func writeBody(name string, size int) error {
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := load.WriteText(f, size); err != nil {
		return err
	}
	return f.Close()
}

func (k *kit) provide(client string, find func() (string, error)) {
	program, err := find()
	if err != nil {
		k.missing[client] = err.Error()
		return
	}
	k.have[client] = program
}

func look(names ...string) (string, error) {
	for _, name := range names {
		if p, err := exec.LookPath(name); err == nil {
			return p, nil
		}
	}
	return "", fmt.Errorf("%s is not installed", names[0])
}

func (k *kit) script() string   { return filepath.Join(k.dir, "smtplib_load.py") }
func (k *kit) jsScript() string { return filepath.Join(k.dir, "nodemailer_load.cjs") }

// body is a file with a message of so many octets, which is written when it is first asked for.
func (k *kit) body(size int) (string, error) {
	name := filepath.Join(k.dir, fmt.Sprintf("body-%d", size))
	if _, err := os.Stat(name); err == nil {
		return name, nil
	}
	return name, writeBody(name, size)
}

func (k *kit) compile(ctx context.Context, source []byte) (string, error) {
	gcc, err := look("gcc", "cc")
	if err != nil {
		return "", err
	}
	in, out := filepath.Join(k.dir, "blaster.c"), filepath.Join(k.dir, "blaster")
	if err := os.WriteFile(in, source, 0o644); err != nil {
		return "", err
	}
	return out, output(exec.CommandContext(ctx, gcc, "-O2", "-o", out, in))
}

// buildParley builds the command from the module beside this one, as its users get it.
func (k *kit) buildParley(ctx context.Context) (string, error) {
	if k.parley != "" {
		return exec.LookPath(k.parley)
	}
	root, err := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Dir}}", "github.com/parley-mail/parley").Output()
	if err != nil {
		return "", fmt.Errorf("cmd/parley is not found: %w", err)
	}
	out := filepath.Join(k.dir, "parley")
	build := exec.CommandContext(ctx, "go", "build", "-buildvcs=false", "-o", out, "./cmd/parley")
	build.Dir, build.Env = strings.TrimSpace(string(root)), append(os.Environ(), "GOWORK=off")
	return out, output(build)
}

// output runs a command; what it says is the error.
func output(cmd *exec.Cmd) error {
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%w: %s", err, bytes.TrimSpace(out))
	}
	return nil
}

// tells is whether a client prints what sending has cost. For the others the start of
// the program and of the session is measured apart, and taken off.
func tells(client string) bool { return client != "smtp-source" && client != "curl" }

// alone is the client that has no server.
const alone = "parley-pool"

// command is how a client is given a load.
func (k *kit) command(ctx context.Context, v variant, l *load.Load) (*exec.Cmd, error) {
	if why, ok := k.missing[v.client]; ok {
		return nil, errors.New(why)
	}
	program, args := k.have[v.client], l.Args()
	switch v.client {
	case "blaster-c":
	case "parley":
		args = slices.Concat([]string{"bench"}, args, v.flags)
	case "smtplib":
		args = slices.Concat([]string{k.script()}, args)
	case "nodemailer":
		args = slices.Concat([]string{k.jsScript()}, args)
	case "smtp-source":
		args = smtpSource(l)
	case "curl":
		config := filepath.Join(k.dir, "curl.conf")
		if err := os.WriteFile(config, curlConfig(l), 0o644); err != nil {
			return nil, err
		}
		args = []string{"-q", "-s", "-S", "-K", config}
	default:
		program, args = k.self, slices.Concat([]string{"client", v.client}, args)
	}
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Env = append(os.Environ(), v.env...)
	if v.client == "nodemailer" {
		cmd.Env = append(cmd.Env, "NODE_PATH="+k.nodePath)
	}
	cmd.WaitDelay = time.Second
	return cmd, nil
}

func smtpSource(l *load.Load) []string {
	a := []string{
		"-s", fmt.Sprint(l.Sessions), "-m", fmt.Sprint(l.Messages), "-l", fmt.Sprint(l.Size), "-r", fmt.Sprint(l.Rcpts),
		"-M", "client.example", "-f", l.Sender(), "-t", "recipient@mx.example",
	}
	if !l.Reconnect {
		a = append(a, "-d")
	}
	return append(a, l.Addr)
}

// curlConfig has a transfer for each message; curl uses one connection for all.
func curlConfig(l *load.Load) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "mail-from = %q\n", l.Sender())
	for _, r := range l.Recipients() {
		fmt.Fprintf(&b, "mail-rcpt = %q\n", r)
	}
	for range l.Messages {
		fmt.Fprintf(&b, "url = \"smtp://%s/client.example\"\nupload-file = %q\n", l.Addr, l.BodyFile)
	}
	return b.Bytes()
}
