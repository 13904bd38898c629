package queue_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/parley-mail/parley/codec"
	"github.com/parley-mail/parley/message"
	"github.com/parley-mail/parley/queue"
)

func entry(t testing.TB, content string, to ...string) *queue.Entry {
	t.Helper()
	e := &queue.Entry{Verb: "MAIL", MessageID: "<1@x.example>", Content: message.FromBytes([]byte(content))}
	e.Envelope.ReversePath = message.MustParsePath("a@x.example")
	for i, a := range to {
		r := message.Recipient{Path: message.MustParsePath(a), Kind: message.KindBcc}
		if i == 0 {
			r.Params.Notify = codec.NotifyDelay
		}
		e.Envelope.Recipients = append(e.Envelope.Recipients, r)
		e.Required = append(e.Required, i == 0)
	}
	return e
}

// sender accepts what its table does not refuse, and keeps what it got.
type sender struct {
	mu   sync.Mutex
	got  map[string][]string // contents by recipient
	says map[string]queue.Outcome
	err  error
	cut  bool // the connection ends behind the content
}

func (s *sender) Send(_ context.Context, e *queue.Entry) ([]queue.Outcome, error) {
	if s.err != nil {
		return nil, s.err
	}
	r, err := e.Content.Open()
	if err != nil {
		return nil, err
	}
	content, err := io.ReadAll(r)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []queue.Outcome
	for _, r := range e.Envelope.Recipients {
		path := r.Path.String()
		out, ok := s.says[path]
		if !ok {
			out = queue.Outcome{Status: queue.Accepted}
		}
		if s.cut {
			out = queue.Outcome{Status: queue.StatusUnknown, Reason: "cut"}
		}
		out.Path = path
		if out.Status == queue.Accepted {
			if s.got == nil {
				s.got = map[string][]string{}
			}
			s.got[path] = append(s.got[path], string(content))
		}
		all = append(all, out)
	}
	return all, nil
}

func put(t testing.TB, dir string, e *queue.Entry) string {
	t.Helper()
	name, err := queue.Put(t.Context(), dir, e)
	if err != nil {
		t.Fatal(err)
	}
	return name
}

// states lists the extensions in a directory, in order.
func states(t testing.TB, dir string) (all []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		all = append(all, strings.TrimPrefix(filepath.Ext(e.Name()), "."))
	}
	return all
}

// What is put comes back as it was.
func TestPutAndList(t *testing.T) {
	dir := t.TempDir()
	e := entry(t, "Subject: hi\r\n\r\n.\x00\xff no end", "b@y.example", "c@y.example")
	e.AsIs, e.MayDrop, e.LineEnds = true, 16, codec.Refuse
	e.Envelope.Params = codec.MailParams{EnvelopeID: "x y", DeliverBy: &codec.DeliverBy{Seconds: 9, Return: true}, HasMTPriority: true, MTPriority: -3}
	name := put(t, dir, e)
	info, err := os.Stat(filepath.Join(dir, name))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	all, err := queue.List(dir)
	if err != nil || len(all) != 1 || all[0].Err != nil || all[0].State != queue.Queued || all[0].Name != name {
		t.Fatalf("%+v, %v", all, err)
	}
	got := all[0].Entry
	if diff := cmp.Diff(e.Envelope, got.Envelope, cmp.AllowUnexported(message.Path{})); diff != "" {
		t.Errorf("envelope (-put +got):\n%s", diff)
	}
	if !got.AsIs || got.MayDrop != 16 || got.LineEnds != codec.Refuse || got.MessageID != e.MessageID || !got.Required[0] || got.Required[1] || got.Queued.IsZero() {
		t.Errorf("%+v", got)
	}
	var b bytes.Buffer
	if _, err := got.Content.WriteTo(&b); err != nil || b.String() != "Subject: hi\r\n\r\n.\x00\xff no end" || !got.Content.Features.NUL {
		t.Errorf("content %q, %v", b.String(), err)
	}
	if _, err := queue.Put(t.Context(), dir+"/none", e); err == nil {
		t.Error("a directory that is not there was made")
	}
	if _, err := queue.Put(t.Context(), dir, &queue.Entry{Content: e.Content}); err == nil {
		t.Error("a message without recipients was put")
	}
}

// Each fate has its name, its reason, and the recipients that it is about.
func TestFates(t *testing.T) {
	refused := queue.Outcome{Status: queue.Refused, Reason: "550 no"}
	later := queue.Outcome{Status: queue.Refused, Reason: "450 later", Temporary: true}
	for _, c := range []struct {
		name    string
		sender  *sender
		options queue.Options
		want    []string
		left    string // recipients that are still in the file
	}{
		{"sent", &sender{}, queue.Options{}, nil, ""},
		{"kept", &sender{}, queue.Options{Keep: true}, []string{"sent"}, "b@y.example c@y.example"},
		{"refused", &sender{says: map[string]queue.Outcome{"b@y.example": refused, "c@y.example": refused}}, queue.Options{}, []string{"failed", "reason"}, "b@y.example c@y.example"},
		{"one refused", &sender{says: map[string]queue.Outcome{"c@y.example": refused}}, queue.Options{}, []string{"failed", "reason"}, "c@y.example"},
		{"one later", &sender{says: map[string]queue.Outcome{"c@y.example": later}}, queue.Options{RequeueTemporary: true}, []string{"queued"}, "c@y.example"},
		{"one later, not asked for", &sender{says: map[string]queue.Outcome{"c@y.example": later}}, queue.Options{}, []string{"failed", "reason"}, "c@y.example"},
		{"unknown", &sender{cut: true}, queue.Options{RequeueTemporary: true}, []string{"reason", "unknown"}, "b@y.example c@y.example"},
		{"not sent at all", &sender{err: errors.New("no way")}, queue.Options{}, []string{"failed", "reason"}, "b@y.example c@y.example"},
	} {
		dir := t.TempDir()
		put(t, dir, entry(t, "hi", "b@y.example", "c@y.example"))
		report, err := queue.Process(t.Context(), dir, c.sender, c.options)
		failed := len(c.want) > 0 && c.want[0] != "sent"
		var f *queue.FailedError
		if failed != errors.As(err, &f) {
			t.Errorf("%s: %+v, %v", c.name, report, err)
		}
		if diff := cmp.Diff(c.want, states(t, dir)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.name, diff)
			continue
		}
		all, err := queue.List(dir)
		if err != nil {
			t.Fatal(err)
		}
		var left []string
		for _, info := range all {
			for _, r := range info.Entry.Envelope.Recipients {
				left = append(left, r.Path.String())
			}
			if strings.Contains(strings.Join(c.want, " "), "reason") && info.Reason == "" {
				t.Errorf("%s: no reason", c.name)
			}
		}
		if got := strings.Join(left, " "); got != c.left {
			t.Errorf("%s: %q is left, want %q", c.name, got, c.left)
		}
	}
}

// The first failure ends the run, unless it is to go on; the oldest comes first.
func TestOrder(t *testing.T) {
	for _, goOn := range []bool{false, true} {
		dir := t.TempDir()
		var names []string
		for _, to := range []string{"b@y.example", "bad@y.example", "c@y.example"} {
			names = append(names, put(t, dir, entry(t, to, to)))
		}
		var order []string
		s := &sender{says: map[string]queue.Outcome{"bad@y.example": {Status: queue.Refused, Reason: "no"}}}
		report, err := queue.Process(t.Context(), dir, s, queue.Options{ContinueOnError: goOn, Done: func(r queue.Result) { order = append(order, r.Name) }})
		want := names[:2]
		if goOn {
			want = names
		} else if err == nil {
			t.Error("no error")
		}
		if diff := cmp.Diff(want, order); diff != "" {
			t.Errorf("order (-want +got):\n%s", diff)
		}
		if report.Failed != 1 || goOn && report.Sent != 2 {
			t.Errorf("%+v", report)
		}
	}
}

// What is not as it was written is never sent.
func TestDamage(t *testing.T) {
	for name, damage := range map[string]func([]byte) []byte{
		"cut short":    func(b []byte) []byte { return b[:len(b)-1] },
		"longer":       func(b []byte) []byte { return append(b, 'x') },
		"changed":      func(b []byte) []byte { b[len(b)-1] ^= 1; return b },
		"no header":    func(b []byte) []byte { return b[bytes.IndexByte(b, '\n'):] },
		"empty":        func([]byte) []byte { return nil },
		"other format": func(b []byte) []byte { return bytes.Replace(b, []byte(`"parley":1`), []byte(`"parley":2`), 1) },
		"injection":    func(b []byte) []byte { return bytes.Replace(b, []byte(`b@y.example`), []byte(`b@y\r\nxxxx`), 1) },
		"no recipient": func(b []byte) []byte {
			return bytes.Replace(b, []byte(`"recipients":[`), []byte(`"recipients":[],"recipient":[`), 1)
		},
	} {
		dir := t.TempDir()
		file := filepath.Join(dir, put(t, dir, entry(t, "the content", "b@y.example")))
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, damage(b), 0o600); err != nil {
			t.Fatal(err)
		}
		s := &sender{}
		var d *queue.DamagedError
		if _, err := queue.Process(t.Context(), dir, s, queue.Options{}); !errors.As(err, &d) || len(s.got) > 0 {
			t.Errorf("%s: %v, sent %v", name, err, s.got)
		}
		if got := states(t, dir); len(got) != 2 || got[0] != "failed" {
			t.Errorf("%s: %v", name, got)
		}
	}
}

// Links, directories and names of others are left alone.
func TestForeignFiles(t *testing.T) {
	dir, outside := t.TempDir(), t.TempDir()
	name := put(t, outside, entry(t, "secret", "b@y.example"))
	if err := os.Symlink(filepath.Join(outside, name), filepath.Join(dir, "20000101-000000-000000000-0000000000000000.queued")); err != nil {
		t.Fatal(err)
	}
	os.Mkdir(filepath.Join(dir, "20000101-000000-000000000-0000000000000001.queued"), 0o700)
	os.WriteFile(filepath.Join(dir, "note.txt"), []byte("hi"), 0o600)
	s := &sender{}
	queue.Process(t.Context(), dir, s, queue.Options{ContinueOnError: true})
	if len(s.got) > 0 {
		t.Error("a link was followed")
	}
	for _, bad := range []string{"../x.queued", "x/y.queued", ".queued", "note.txt", "A.queued"} {
		if err := queue.Drop(dir, bad); err == nil {
			t.Errorf("%s was dropped", bad)
		}
		if err := queue.Retry(dir, bad, true); err == nil {
			t.Errorf("%s was retried", bad)
		}
	}
}

// Retry and Drop do what may be done, and nothing else.
func TestRetryAndDrop(t *testing.T) {
	dir := t.TempDir()
	put(t, dir, entry(t, "hi", "b@y.example"))
	queue.Process(t.Context(), dir, &sender{cut: true}, queue.Options{})
	all, _ := queue.List(dir)
	if err := queue.Retry(dir, all[0].Name, false); err == nil {
		t.Error("an unknown one was retried unasked")
	}
	if err := queue.Retry(dir, all[0].Name, true); err != nil {
		t.Error(err)
	}
	if diff := cmp.Diff([]string{"queued"}, states(t, dir)); diff != "" {
		t.Error(diff)
	}
	all, _ = queue.List(dir)
	if info, err := queue.Show(dir, all[0].Name); err != nil || info.Octets != 2 {
		t.Errorf("%+v, %v", info, err)
	}
	if err := queue.Retry(dir, all[0].Name, false); err == nil {
		t.Error("a queued one was retried")
	}
	if err := queue.Drop(dir, all[0].Name); err != nil || len(states(t, dir)) != 0 {
		t.Error(err)
	}
}

// Several processors share a directory, and every message is sent once.
func TestSeveralProcessors(t *testing.T) {
	dir := t.TempDir()
	for range 60 {
		put(t, dir, entry(t, "hi", "b@y.example"))
	}
	s := &sender{}
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			if _, err := queue.Process(t.Context(), dir, s, queue.Options{}); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if n := len(s.got["b@y.example"]); n != 60 || len(states(t, dir)) != 0 {
		t.Errorf("%d sent, %v left", n, states(t, dir))
	}
}

// Many files do not need more memory than few.
func TestManyFiles(t *testing.T) {
	const many = 2000
	dir := t.TempDir()
	for range many {
		put(t, dir, entry(t, strings.Repeat("0123456789\r\n", 100), "b@y.example"))
	}
	var before, after runtime.MemStats
	peak, n := uint64(0), 0
	runtime.GC()
	runtime.ReadMemStats(&before)
	_, err := queue.Process(t.Context(), dir, queue.SenderFunc(func(_ context.Context, e *queue.Entry) ([]queue.Outcome, error) {
		r, err := e.Content.Open()
		if err != nil {
			return nil, err
		}
		io.Copy(io.Discard, r)
		if n++; n%500 == 0 {
			runtime.GC()
			runtime.ReadMemStats(&after)
			peak = max(peak, after.HeapAlloc)
		}
		return []queue.Outcome{{Status: queue.Accepted}}, nil
	}), queue.Options{})
	if err != nil || n != many {
		t.Fatalf("%d, %v", n, err)
	}
	if grown := int64(peak) - int64(before.HeapAlloc); grown > 2<<20 {
		t.Errorf("the heap has grown by %d KiB", grown>>10)
	}
}
