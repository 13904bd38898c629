package main

import (
	"bufio"
	"bytes"
	"context"
	"net"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/parley-mail/parley/internal/certs"
	"github.com/parley-mail/parley/internal/smtptest"
)

// The scripts in testdata/script run the command itself.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"parley": main, "sendmail": main})
}

func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Setup: func(env *testscript.Env) error {
			env.Setenv("NO_COLOR", "1")
			env.Setenv("HOME", env.WorkDir)
			return nil
		},
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"sink": sinkCommand, "server": serverCommand, "said": saidCommand, "peer": peerCommand, "exits": exitsCommand, "interrupt": interruptCommand, "certificate": certificateCommand, "same": sameCommand, "catbox": catboxCommand, "longline": longlineCommand, "expand": expandCommand, "lines": linesCommand,
		},
	})
}

// sink NAME [flags]: starts "parley sink" and sets NAME, and NAME_TLS, to its addresses.
func sinkCommand(ts *testscript.TestScript, _ bool, args []string) { listens(ts, args, "sink") }

// server NAME COMMAND...: starts that command of parley and sets NAME to its address.
func serverCommand(ts *testscript.TestScript, _ bool, args []string) { listens(ts, args) }

// listens starts a command that says where it listens.
func listens(ts *testscript.TestScript, args []string, command ...string) {
	cmd := exec.Command("parley", slices.Concat(command, args[1:], []string{"--listen", "127.0.0.1:0"})...)
	cmd.Path = binary(ts)
	cmd.Dir = ts.MkAbs(".")
	cmd.Env = append(os.Environ(), "TESTSCRIPT_COMMAND=parley", "PATH="+ts.Getenv("PATH"), "HOME="+ts.Getenv("HOME"))
	out, err := cmd.StdoutPipe()
	ts.Check(err)
	var errs bytes.Buffer
	cmd.Stderr = &errs
	ts.Check(cmd.Start())
	ts.Defer(func() { cmd.Process.Signal(os.Interrupt); cmd.Wait() })
	lines := bufio.NewScanner(out)
	names := []string{args[0]}
	for _, a := range args {
		if strings.HasPrefix(a, "--tls-listen") {
			names = append(names, args[0]+"_TLS")
		}
	}
	var addrs []string
	for len(addrs) < len(names) {
		if !lines.Scan() {
			ts.Fatalf("%s: %s", command, errs.String())
		}
		addr, ok := strings.CutPrefix(lines.Text(), "listening ")
		if !ok {
			ts.Fatalf("%s says %q", command, lines.Text())
		}
		addrs = append(addrs, addr)
	}
	for i, name := range names {
		ts.Setenv(name, addrs[i])
	}
	said := make(chan string, 100)
	saying.Store(addrs[0], said)
	go func() {
		defer close(said)
		for lines.Scan() { // so that it can go on
			select {
			case said <- lines.Text():
			default:
			}
		}
	}()
}

func binary(ts *testscript.TestScript) string {
	path, err := exec.LookPath("parley")
	if err != nil {
		for dir := range strings.SplitSeq(ts.Getenv("PATH"), string(os.PathListSeparator)) {
			if _, err := os.Stat(dir + "/parley"); err == nil {
				return dir + "/parley"
			}
		}
		ts.Fatalf("no parley: %v", err)
	}
	return path
}

// peer NAME FILE: plays a script of package smtptest as the server, once, and sets NAME
// to its address.
func peerCommand(ts *testscript.TestScript, _ bool, args []string) {
	script, err := smtptest.Parse(ts.ReadFile(args[1]))
	ts.Check(err)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	ts.Check(err)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		nc, err := l.Accept()
		if err != nil {
			return
		}
		script.Serve(ctx, nc, nil)
		nc.Close()
	}()
	ts.Setenv(args[0], l.Addr().String())
	ts.Defer(func() { cancel(); l.Close(); <-done })
}

// exits CODE parley …: runs the command, which must exit with the code.
func exitsCommand(ts *testscript.TestScript, _ bool, args []string) {
	err := ts.Exec(args[1], args[2:]...)
	code := "0"
	if exit, ok := err.(*exec.ExitError); ok {
		code = strings.TrimPrefix(exit.ProcessState.String(), "exit status ")
	} else if err != nil {
		ts.Fatalf("%v", err)
	}
	if code != args[0] {
		ts.Fatalf("exit code %s, want %s", code, args[0])
	}
}

// interrupt: sends SIGINT to the command that runs in the background.
func interruptCommand(ts *testscript.TestScript, _ bool, _ []string) {
	for _, cmd := range ts.BackgroundCmds() {
		ts.Check(cmd.Process.Signal(os.Interrupt))
	}
}

// certificate NAME [HOST…]: writes NAME.pem and NAME-key.pem by an authority, ca.pem.
func certificateCommand(ts *testscript.TestScript, _ bool, args []string) {
	ca, err := certs.NewCA()
	ts.Check(err)
	cert, err := ca.Issue(certs.Options{Hosts: args[1:]})
	ts.Check(err)
	chain, key, err := certs.PEM(cert)
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs("ca.pem"), ca.PEM(), 0o600))
	ts.Check(os.WriteFile(ts.MkAbs(args[0]+".pem"), chain, 0o600))
	ts.Check(os.WriteFile(ts.MkAbs(args[0]+"-key.pem"), key, 0o600))
}

// same FILE DIR: the one file in the maildir DIR has the octets of FILE, line ends of
// FILE made CRLF.
func sameCommand(ts *testscript.TestScript, _ bool, args []string) {
	entries, err := os.ReadDir(ts.MkAbs(args[1] + "/new"))
	ts.Check(err)
	if len(entries) != 1 {
		ts.Fatalf("%d messages in %s", len(entries), args[1])
	}
	got, err := os.ReadFile(ts.MkAbs(args[1] + "/new/" + entries[0].Name()))
	ts.Check(err)
	want := strings.ReplaceAll(strings.ReplaceAll(ts.ReadFile(args[0]), "\r\n", "\n"), "\n", "\r\n")
	if want != "" && !strings.HasSuffix(want, "\r\n") {
		want += "\r\n"
	}
	if string(got) != want {
		ts.Fatalf("got %q\nwant %q", got, want)
	}
}

// catbox DIR: writes the messages of a maildir to standard output.
func catboxCommand(ts *testscript.TestScript, _ bool, args []string) {
	entries, err := os.ReadDir(ts.MkAbs(args[0] + "/new"))
	ts.Check(err)
	for _, e := range entries {
		b, err := os.ReadFile(ts.MkAbs(args[0] + "/new/" + e.Name()))
		ts.Check(err)
		ts.Stdout().Write(b)
	}
}

// longline FILE: makes the word LONG in FILE a line of 2000 octets.
func longlineCommand(ts *testscript.TestScript, _ bool, args []string) {
	s := strings.ReplaceAll(ts.ReadFile(args[0]), "LONG", strings.Repeat("x", 2000))
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(s), 0o600))
}

// expand FILE: puts the values of variables in the place of their names.
func expandCommand(ts *testscript.TestScript, _ bool, args []string) {
	s := os.Expand(ts.ReadFile(args[0]), ts.Getenv)
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(s), 0o600))
}

// lines NAME TEXT…: sets a variable to lines.
func linesCommand(ts *testscript.TestScript, _ bool, args []string) {
	ts.Setenv(args[0], strings.Join(args[1:], "\r\n"))
}

// said NAME TEXT: waits until the command that listens at NAME says so.
func saidCommand(ts *testscript.TestScript, _ bool, args []string) {
	said, _ := saying.Load(ts.Getenv(args[0]))
	for line := range said.(chan string) {
		if strings.Contains(line, args[1]) {
			return
		}
	}
	ts.Fatalf("%s has ended, and not said %q", args[0], args[1])
}

// saying has what commands say, by the address where they listen.
var saying sync.Map // of chan string
