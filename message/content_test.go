package message_test

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"

	"github.com/parley-mail/parley/message"
)

func TestContents(t *testing.T) {
	const text = "Subject: x\r\n\r\nüber\r\n"
	dir := t.TempDir()
	name := filepath.Join(dir, "m.eml")
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	file, err := message.FromFile(name)
	if err != nil {
		t.Fatal(err)
	}
	fsFile, err := message.FromFS(fstest.MapFS{"m.eml": {Data: []byte(text)}}, "m.eml")
	if err != nil {
		t.Fatal(err)
	}
	want := message.ScanBytes([]byte(text))
	for name, c := range map[string]message.Content{
		"bytes":     message.FromBytes([]byte(text)),
		"file":      file,
		"fs":        fsFile,
		"reader at": message.FromReaderAt(strings.NewReader(text+"more"), int64(len(text))),
		"own":       {Open: func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(text)), nil }, Size: -1},
		"once":      message.FromReader(strings.NewReader(text), int64(len(text))),
	} {
		if c.IsZero() {
			t.Errorf("%s: zero", name)
		}
		err := c.Scan()
		if name == "once" {
			checkFault(t, name, err, message.FaultReopen, 0)
		} else if err != nil || c.Size != int64(len(text)) || c.Features == nil || *c.Features != want {
			t.Errorf("%s: %v, %d\n%s", name, err, c.Size, cmp.Diff(&want, c.Features))
		}
		if err := c.Scan(); err != nil && name != "once" {
			t.Errorf("%s: scanned again: %v", name, err)
		}
		if _, ok := c.Bytes(); ok != (name == "bytes") {
			t.Errorf("%s: in memory %v", name, ok)
		}
		for range 2 {
			var b bytes.Buffer
			n, err := c.WriteTo(&b)
			if !c.Reopens() {
				break
			}
			if err != nil || b.String() != text || n != int64(len(text)) {
				t.Errorf("%s: %d, %v, %q", name, n, err, b.String())
			}
		}
	}
	if _, err := message.FromFile(filepath.Join(dir, "none")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("missing file: %v", err)
	}
	if _, err := message.FromFS(fstest.MapFS{}, "none"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("missing file: %v", err)
	}
	if err := os.Truncate(name, 5); err != nil {
		t.Fatal(err)
	}
	_, err = file.WriteTo(io.Discard)
	checkFault(t, "file cut short", err, message.FaultSize, 0)
	if err := os.Remove(name); err != nil {
		t.Fatal(err)
	}
	if _, err = file.WriteTo(io.Discard); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("removed file: %v", err)
	}
}

func TestContentScanFaults(t *testing.T) {
	broken := errors.New("broken")
	open := func(r io.Reader, err error) func() (io.ReadCloser, error) {
		return func() (io.ReadCloser, error) { return io.NopCloser(r), err }
	}
	for name, tt := range map[string]struct {
		c     message.Content
		fault message.Fault
	}{
		"open": {message.Content{Open: open(nil, broken), Size: -1}, message.FaultSource},
		"read": {message.Content{Open: open(iotest.ErrReader(broken), nil), Size: -1}, message.FaultSource},
		"size": {message.Content{Open: open(strings.NewReader("abc"), nil), Size: 4}, message.FaultSize},
		"zero": {message.Content{}, message.FaultReopen},
	} {
		err := tt.c.Scan()
		checkFault(t, name, err, tt.fault, 0)
		if tt.fault == message.FaultSource && !errors.Is(err, broken) {
			t.Errorf("%s: cause is lost: %v", name, err)
		}
	}
}

// closer counts its closings.
type closer struct {
	io.Reader
	closed int
}

func (c *closer) Close() error { c.closed++; return nil }

func TestSourcesAreClosed(t *testing.T) {
	c := &closer{Reader: strings.NewReader("abc")}
	m := base()
	m.Attachments = []message.Attachment{message.AttachReader("x", c, 3)}
	if _, err := m.WriteTo(io.Discard); err != nil || c.closed != 1 {
		t.Errorf("read to the end: %v, closed %d times", err, c.closed)
	}
	c = &closer{Reader: strings.NewReader("abc")}
	m.Attachments = []message.Attachment{message.AttachReader("x", c, 3)}
	content, err := m.Content()
	if err != nil {
		t.Fatal(err)
	}
	r, err := content.Open()
	if err != nil {
		t.Fatal(err)
	}
	for c.closed == 0 { // until the attachment has been opened
		if _, err := r.Read(make([]byte, 100)); err != nil {
			break
		}
		if err := r.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if c.closed != 1 {
		t.Errorf("left early: closed %d times", c.closed)
	}
}

func TestAttachFiles(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "p.png"), []byte("png"), 0o600); err != nil {
		t.Fatal(err)
	}
	file, err := message.AttachFile(filepath.Join(dir, "p.png"))
	if err != nil {
		t.Fatal(err)
	}
	fsFile, err := message.AttachFS(os.DirFS(dir), "p.png")
	if err != nil {
		t.Fatal(err)
	}
	m := base()
	m.Attachments = []message.Attachment{file, fsFile, message.AttachBytes("no-extension", []byte("?"))}
	_, e := parse(t, checkForetold(t, &m))
	var got []string
	for _, p := range e.Parts {
		got = append(got, p.Type+" "+p.Filename+" "+p.Disposition+" "+p.Body)
	}
	want := []string{"image/png p.png attachment png", "image/png p.png attachment png", "application/octet-stream no-extension attachment ?"}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("parts:\n%s", d)
	}
}

// How many octets a reader takes from a file: all from where it stands, or the part that it
// is limited to, or what is left of a content that has the size it was said to have.
func TestInFile(t *testing.T) {
	name := filepath.Join(t.TempDir(), "m.eml")
	if err := os.WriteFile(name, []byte("0123456789"), 0o600); err != nil {
		t.Fatal(err)
	}
	content, err := message.FromFile(name)
	if err != nil {
		t.Fatal(err)
	}
	for what, tt := range map[string]struct {
		reader func(f *os.File) io.Reader
		want   int64
	}{
		"file":        {func(f *os.File) io.Reader { return f }, 10},
		"offset":      {func(f *os.File) io.Reader { f.Seek(4, io.SeekStart); return f }, 6},
		"at its end":  {func(f *os.File) io.Reader { f.Seek(0, io.SeekEnd); return f }, 0},
		"part":        {func(f *os.File) io.Reader { return &io.LimitedReader{R: f, N: 7} }, 7},
		"part beyond": {func(f *os.File) io.Reader { f.Seek(4, io.SeekStart); return &io.LimitedReader{R: f, N: 7} }, 6},
		"no part":     {func(f *os.File) io.Reader { return &io.LimitedReader{R: f, N: -1} }, 0},
		"closed":      {func(f *os.File) io.Reader { f.Close(); return f }, 0},
		"memory":      {func(*os.File) io.Reader { return strings.NewReader("x") }, 0},
		"content": {func(*os.File) io.Reader {
			r, err := content.Open()
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { r.Close() })
			if _, err := io.ReadFull(r, make([]byte, 3)); err != nil {
				t.Fatal(err)
			}
			return r
		}, 7},
	} {
		t.Run(what, func(t *testing.T) {
			f, err := os.Open(name)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			in, n := message.InFile(tt.reader(f))
			if n != tt.want || (in == nil) != (n == 0) {
				t.Errorf("%d octets of %v, want %d", n, in, tt.want)
			}
		})
	}
	grown, err := content.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer grown.Close()
	if err := os.Truncate(name, 11); err != nil {
		t.Fatal(err)
	}
	if f, n := message.InFile(grown); f != nil || n != 0 {
		t.Errorf("content that has grown has %d octets", n)
	}
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer w.Close()
	if f, n := message.InFile(r); f != nil || n != 0 {
		t.Errorf("a pipe has %d octets", n)
	}
}
