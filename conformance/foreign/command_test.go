//go:build unix

package foreign_test

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/parley-mail/parley/conformance/foreign"
)

const line = `{"outcome":"partial","recipients":[{"address":"a@b","outcome":"accepted"},{"address":"c@b","outcome":"refused"}]}`

// What a program says and how it ends is told.
func TestCommand(t *testing.T) {
	words := []foreign.Word{{Address: "a@b", Outcome: "accepted"}, {Address: "c@b", Outcome: "refused"}}
	for command, want := range map[string]foreign.Exit{
		`printf %s {host}`:               {Stdout: []byte(`a'b $(id) "`)},
		`printf %s "$PARLEY_HOST$OTHER"`: {Stdout: []byte(`a'b $(id) "other`)},
		`echo no >&2; exit 75`:           {Code: 75, Stderr: []byte("no\n")},
		`kill -SEGV $$`:                  {Code: -1, Crash: "signal: segmentation fault"},
		`(exit 139)`:                     {Code: 139, Crash: "signal 11"},
		`echo 'panic: no' >&2; exit 2`:   {Code: 2, Crash: "panic: no", Stderr: []byte("panic: no\n")},
		`printf 'Traceback (most recent call last):\n  x\nKeyError: 1\n' >&2; exit 1`: {
			Code: 1, Crash: "KeyError: 1", Stderr: []byte("Traceback (most recent call last):\n  x\nKeyError: 1\n"),
		},
		`echo hello; echo '` + line + `'`: {Recipients: words, Stdout: []byte("hello\n" + line + "\n")},
		`echo '` + line + `' >{result}`:   {Recipients: words},
	} {
		c, err := foreign.NewCommand(command, []string{"host", "result"}, "OTHER=other")
		if err != nil {
			t.Fatal(err)
		}
		e, err := c.Run(t.Context(), map[string]string{"host": `a'b $(id) "`, "result": filepath.Join(t.TempDir(), "result")})
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, *e, cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("%s: (-want +got)\n%s", command, diff)
		}
	}
}

// A program that does not end in time is ended, with all that it has started.
func TestCommandHangs(t *testing.T) {
	fifo := filepath.Join(t.TempDir(), "fifo")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	gone := make(chan error)
	go func() {
		f, err := os.Open(fifo) // when the child has it open
		cancel()
		if err == nil {
			_, err = io.ReadAll(f) // until the child is no more
		}
		gone <- err
	}()
	c, err := foreign.NewCommand("sleep 1000 >"+fifo+" & wait", nil)
	if err != nil {
		t.Fatal(err)
	}
	e, err := c.Run(ctx, nil)
	if err != nil || !e.Hung || e.Crash != "" {
		t.Errorf("%+v, %v", e, err)
	}
	if err := <-gone; err != nil {
		t.Error(err)
	}
}

// Of what a program writes only the end is kept.
func TestCommandOutput(t *testing.T) {
	c, err := foreign.NewCommand("yes | head -c 3000000; echo end", nil)
	if err != nil {
		t.Fatal(err)
	}
	e, err := c.Run(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if n := len(e.Stdout); n > 128<<10 || !strings.HasSuffix(string(e.Stdout), "end\n") {
		t.Errorf("%d octets are kept, %q at the end", n, e.Stdout[max(0, n-20):])
	}
}

// Memory is told if it is more than this program has.
func TestCommandMemory(t *testing.T) {
	var own syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &own); err != nil {
		t.Fatal(err)
	}
	peak := int64(own.Maxrss)
	if runtime.GOOS != "darwin" {
		peak <<= 10
	}
	want := peak + 200e6 // no small program is known to take less than who began it
	whole := ""
	if runtime.GOOS == "linux" {
		whole = "iflag=fullblock" // one read gives no more than 2 GiB
	}
	c, err := foreign.NewCommand(fmt.Sprintf("dd bs=%d count=1 if=/dev/zero of=/dev/null %s", want, whole), nil)
	if err != nil {
		t.Fatal(err)
	}
	e, err := c.Run(t.Context(), nil)
	if err != nil || e.Memory < want || e.Memory > want+100e6 {
		t.Errorf("%+v, %v", e, err)
	}
}

// What cannot be run is told as such.
func TestNoCommand(t *testing.T) {
	for _, command := range []string{"", " ", "true {bogus}"} {
		if _, err := foreign.NewCommand(command, []string{"host"}); err == nil {
			t.Errorf("%q is taken", command)
		}
	}
	c, err := foreign.NewCommand("/no/such/client", nil)
	if err != nil {
		t.Fatal(err)
	}
	if e, err := c.Run(t.Context(), nil); err == nil {
		t.Errorf("no error, and %+v", e)
	}
}
