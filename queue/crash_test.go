package queue

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/parley-mail/parley/message"
)

var errBroken = errors.New("the disk is broken")

// breaking fails the n-th operation, and, if it crashes, every one after it.
type breaking struct {
	files
	n       int  // operations until the failure
	crashes bool // nothing works afterwards: the process is gone
	late    bool // the operation takes effect and fails all the same
	ops     int
}

func (b *breaking) broken() bool {
	b.ops++
	return b.ops == b.n || b.crashes && b.ops > b.n && b.n > 0
}

func (b *breaking) step(do func() error) error {
	if !b.broken() {
		return do()
	}
	if b.late && b.ops == b.n {
		do()
	}
	return errBroken
}

func (b *breaking) rename(from, to string) error {
	return b.step(func() error { return b.files.rename(from, to) })
}

func (b *breaking) remove(name string) error {
	return b.step(func() error { return b.files.remove(name) })
}
func (b *breaking) sync() error { return b.step(b.files.sync) }

func (b *breaking) stat(name string) (info fs.FileInfo, err error) {
	return info, b.step(func() error { info, err = b.files.stat(name); return err })
}

func (b *breaking) list() (names []string, err error) {
	return names, b.step(func() error { names, err = b.files.list(); return err })
}

func (b *breaking) create(name string) (f file, err error) {
	err = b.step(func() error { f, err = b.files.create(name); return err })
	if err != nil {
		return nil, err
	}
	return &breakingFile{f, b}, nil
}

func (b *breaking) open(name string) (f file, err error) {
	err = b.step(func() error { f, err = b.files.open(name); return err })
	if err != nil {
		return nil, err
	}
	return &breakingFile{f, b}, nil
}

type breakingFile struct {
	file
	b *breaking
}

func (f *breakingFile) Write(p []byte) (n int, err error) {
	err = f.b.step(func() error { n, err = f.file.Write(p); return err })
	return n, err
}

func (f *breakingFile) WriteAt(p []byte, off int64) (n int, err error) {
	err = f.b.step(func() error { n, err = f.file.WriteAt(p, off); return err })
	return n, err
}

func (f *breakingFile) ReadAt(p []byte, off int64) (n int, err error) {
	if f.b.broken() {
		return 0, errBroken
	}
	return f.file.ReadAt(p, off)
}

func (f *breakingFile) Sync() error { return f.b.step(f.file.Sync) }

func sample(id string, to ...string) *Entry {
	e := &Entry{Verb: "MAIL", MessageID: id, Content: message.FromBytes([]byte("message " + id))}
	for _, a := range to {
		e.Envelope.Recipients = append(e.Envelope.Recipients, message.Recipient{Path: message.MustParsePath(a)})
	}
	return e
}

// With the n-th operation on the directory failing, or the process gone from then on, for
// every n: no message is lost, none is accepted twice, and none that may have been accepted
// is sent again.
func TestEveryOperationFails(t *testing.T) {
	for _, kind := range []breaking{{}, {late: true}, {crashes: true}, {crashes: true, late: true}} {
		for n := 1; ; n++ {
			dir := t.TempDir()
			real, err := openDirectory(dir)
			if err != nil {
				t.Fatal(err)
			}
			var ids []string
			for i := range 3 {
				id := strconv.Itoa(i)
				if _, err := put(t.Context(), real, sample(id, "good@y.example", "bad@y.example"), time.Now()); err != nil {
					t.Fatal(err)
				}
				ids = append(ids, id)
			}
			accepted := map[string]int{}
			send := SenderFunc(func(_ context.Context, e *Entry) ([]Outcome, error) {
				r, err := e.Content.Open()
				if err != nil {
					return nil, err
				}
				if _, err := io.ReadAll(r); err != nil {
					return nil, err
				}
				var all []Outcome
				for _, r := range e.Envelope.Recipients {
					if strings.HasPrefix(r.Path.String(), "bad@") {
						all = append(all, Outcome{Status: Refused, Reason: "no"})
						continue
					}
					accepted[e.MessageID]++
					all = append(all, Outcome{Status: Accepted})
				}
				return all, nil
			})
			b := kind
			b.files, b.n = real, n
			process(t.Context(), &b, send, Options{ContinueOnError: true})
			reached := b.ops >= n
			if _, err := recoverStale(real, time.Now().Add(time.Hour)); err != nil {
				t.Fatal(err)
			}
			process(t.Context(), real, send, Options{ContinueOnError: true})
			if what := account(dir, ids, accepted); what != "" {
				t.Fatalf("%+v, operation %d: %s", struct{ crashes, late bool }{kind.crashes, kind.late}, n, what)
			}
			real.close()
			if !reached {
				if n < 20 {
					t.Fatalf("only %d operations", n)
				}
				break
			}
		}
	}
}

// account checks that each message was accepted by the good recipient once, or is still
// there for him; and never both, unless the file says that it is not known.
func account(dir string, ids []string, accepted map[string]int) string {
	all, err := List(dir)
	if err != nil {
		return err.Error()
	}
	for _, id := range ids {
		waits, unknown := 0, 0
		for _, info := range all {
			if info.Entry == nil {
				return info.Name + ": " + info.Err.Error()
			}
			if info.Entry.MessageID != id {
				continue
			}
			for _, r := range info.Entry.Envelope.Recipients {
				if !strings.HasPrefix(r.Path.String(), "good@") {
					continue
				}
				if info.State == Unknown {
					unknown++
				} else {
					waits++
				}
			}
		}
		switch {
		case accepted[id] > 1:
			return "message " + id + " was accepted twice"
		case accepted[id] == 0 && waits+unknown == 0:
			return "message " + id + " is lost"
		case accepted[id] == 1 && waits > 0:
			return "message " + id + " was accepted and waits to be sent again"
		case waits+unknown > 1:
			return "message " + id + " is there twice"
		}
	}
	return ""
}

// A failing Put leaves nothing behind that would be sent, unless the message is whole.
func TestEveryOperationOfPutFails(t *testing.T) {
	for n := 1; ; n++ {
		dir := t.TempDir()
		real, err := openDirectory(dir)
		if err != nil {
			t.Fatal(err)
		}
		b := &breaking{files: real, n: n}
		name, err := put(t.Context(), b, sample("1", "good@y.example"), time.Now())
		if b.ops < n {
			if err != nil || name == "" {
				t.Fatal(err)
			}
			break
		}
		all, lerr := List(dir)
		if lerr != nil || len(all) > 1 || len(all) == 1 && all[0].Err != nil {
			t.Errorf("operation %d: %+v, %v", n, all, lerr)
		}
		if err == nil {
			t.Errorf("operation %d: no error", n)
		}
		real.close()
	}
}

// TestChild is the process that TestKill kills.
func TestChild(t *testing.T) {
	dir := os.Getenv("PARLEY_QUEUE_CHILD")
	if dir == "" {
		t.Skip("it runs as a child of TestKill only")
	}
	log, err := os.OpenFile(filepath.Join(dir, "log"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	fmt.Println("ready")
	Process(context.Background(), filepath.Join(dir, "queue"), SenderFunc(func(_ context.Context, e *Entry) ([]Outcome, error) {
		r, err := e.Content.Open()
		if err != nil {
			return nil, err
		}
		if _, err := io.ReadAll(r); err != nil {
			return nil, err
		}
		fmt.Fprintln(log, e.MessageID) // the server has it now
		log.Sync()
		var all []Outcome
		for _, r := range e.Envelope.Recipients {
			if strings.HasPrefix(r.Path.String(), "bad@") {
				all = append(all, Outcome{Status: Refused, Reason: "no"})
			} else {
				all = append(all, Outcome{Status: Accepted})
			}
		}
		return all, nil
	}), Options{ContinueOnError: true})
}

// A process killed at any moment loses no message, and none is sent twice. PARLEY_LONG has
// it done a thousand times.
func TestKill(t *testing.T) {
	runs := 15
	if os.Getenv("PARLEY_LONG") != "" {
		runs = 1000
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	random := rand.New(rand.NewPCG(1, uint64(time.Now().UnixNano())))
	killed := 0
	for run := range runs {
		dir := t.TempDir()
		q := filepath.Join(dir, "queue")
		if err := os.Mkdir(q, 0o700); err != nil {
			t.Fatal(err)
		}
		var ids []string
		for i := range 8 {
			id := strconv.Itoa(i)
			if _, err := Put(t.Context(), q, sample(id, "good@y.example", "bad@y.example")); err != nil {
				t.Fatal(err)
			}
			ids = append(ids, id)
		}
		for round := 0; round < 20 && waiting(t, q); round++ {
			cmd := exec.Command(self, "-test.run=^TestChild$", "-test.count=1")
			cmd.Env = append(os.Environ(), "PARLEY_QUEUE_CHILD="+dir)
			out, err := cmd.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			out.Read(make([]byte, 6)) // "ready\n"
			spin := time.Now().Add(time.Duration(random.IntN(12000)) * time.Microsecond)
			for time.Now().Before(spin) { // finer than a timer
			}
			cmd.Process.Kill()
			if cmd.Wait() != nil {
				killed++
			}
			if _, err := Recover(q, -time.Hour); err != nil {
				t.Fatal(err)
			}
		}
		accepted := map[string]int{}
		if b, err := os.ReadFile(filepath.Join(dir, "log")); err == nil {
			for id := range strings.FieldsSeq(string(b)) {
				accepted[id]++
			}
		}
		if what := account(q, ids, accepted); what != "" {
			t.Fatalf("run %d: %s", run, what)
		}
	}
	t.Logf("%d runs, %d processes killed in the middle", runs, killed)
	if killed == 0 {
		t.Error("no process was killed in the middle: the test shows nothing")
	}
}

func waiting(t *testing.T, dir string) bool {
	t.Helper()
	all, err := List(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, info := range all {
		if info.State == Queued {
			return true
		}
	}
	return false
}

// FuzzParse: no file, however damaged, makes the parser panic, and what it takes can be
// written again.
func FuzzParse(f *testing.F) {
	f.Add([]byte("{\"parley\":1}\n\nhi"))
	f.Add([]byte("{\"parley\":1,\"octets\":\"2\",\"recipients\":[{\"path\":\"b@y.example\",\"params\":{}}]}\n\nhi"))
	f.Add([]byte("\n\n"))
	f.Add([]byte("{}"))
	f.Fuzz(func(t *testing.T, data []byte) {
		h, start, err := parse("x", strings.NewReader(string(data)))
		if err != nil {
			return
		}
		if start > int64(len(data)) {
			t.Fatalf("content begins at %d of %d", start, len(data))
		}
		e, err := h.entry("x")
		if err != nil {
			return
		}
		if back, err := headerOf(e).entry("x"); err != nil || len(back.Envelope.Recipients) != len(e.Envelope.Recipients) {
			t.Fatalf("not the same again: %v", err)
		}
	})
}
