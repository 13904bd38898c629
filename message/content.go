package message

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"sync/atomic"
)

// Content is the octets of a message, or of one of its parts, from a source that
// is opened when they are needed. A content whose source can be read once only
// says so by [FaultReopen] at the second opening. A source that turns out to have
// another size than Size fails with [FaultSize] before its end, so that nothing cut
// short is ever sent as a whole.
type Content struct {
	// Open begins reading from the start. The reader is closed by whoever opened
	// it, whether or not it was read to its end.
	Open func() (io.ReadCloser, error)

	Size     int64     // octets; -1 if unknown before the end
	Features *Features // what is known of the octets; nil if only reading can tell

	memory []byte
	once   bool
}

// FromBytes is a content in memory; b must not change while it is in use.
func FromBytes(b []byte) Content {
	f := ScanBytes(b)
	return Content{
		Open:     func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(b)), nil },
		Size:     int64(len(b)),
		Features: &f,
		memory:   b,
	}
}

// FromReaderAt is a content of the first size octets of r, which is read anew at
// each opening.
func FromReaderAt(r io.ReaderAt, size int64) Content {
	return Content{
		Open: func() (io.ReadCloser, error) {
			return &countReader{ReadCloser: io.NopCloser(io.NewSectionReader(r, 0, size)), want: size}, nil
		},
		Size: size,
	}
}

// FromFile is a content in a file, opened by its name when it is needed. An error
// is one of the file's state now. The file must not change while it is sent: its octets may
// leave the system's cache long after they were handed over.
func FromFile(name string) (Content, error) {
	info, err := os.Stat(name)
	if err != nil {
		return Content{}, err
	}
	return fromFile(info, func() (io.ReadCloser, error) { return os.Open(name) }), nil
}

// InFile tells how many octets r, from now to its end, takes from a file as they are, and
// which. The file stands where they begin. 0: that is not known, or they come from elsewhere.
// Of readers it knows *os.File, an io.LimitedReader of one, and what a [Content] of a file opens.
func InFile(r io.Reader) (f *os.File, octets int64) {
	most, exact := int64(-1), false
	switch r := r.(type) {
	case *os.File:
		f = r
	case *io.LimitedReader:
		f, _ = r.R.(*os.File)
		most = max(r.N, 0)
	case *countReader:
		f, _ = r.ReadCloser.(*os.File)
		most, exact = r.want-r.got, r.want >= 0
	}
	if f == nil {
		return nil, 0
	}
	info, err := f.Stat()
	if err != nil || !info.Mode().IsRegular() {
		return nil, 0
	}
	at, err := f.Seek(0, io.SeekCurrent)
	left := info.Size() - at
	if err != nil || left <= 0 || exact && left != most {
		return nil, 0
	}
	if most >= 0 {
		left = min(left, most)
	}
	if left == 0 {
		return nil, 0
	}
	return f, left
}

// FromFS is a content in a file of fsys.
func FromFS(fsys fs.FS, name string) (Content, error) {
	info, err := fs.Stat(fsys, name)
	if err != nil {
		return Content{}, err
	}
	return fromFile(info, func() (io.ReadCloser, error) { return fsys.Open(name) }), nil
}

func fromFile(info fs.FileInfo, open func() (io.ReadCloser, error)) Content {
	c := Content{Size: -1}
	if info.Mode().IsRegular() {
		c.Size = info.Size()
	}
	c.Open = func() (io.ReadCloser, error) {
		r, err := open()
		if err != nil {
			return nil, err
		}
		return &countReader{ReadCloser: r, want: c.Size}, nil
	}
	return c
}

// FromReader is a content that can be opened once. If r is an io.Closer, closing
// the content closes it. The size is -1 if unknown.
func FromReader(r io.Reader, size int64) Content {
	var used atomic.Bool
	return Content{
		Open: func() (io.ReadCloser, error) {
			if used.Swap(true) {
				return nil, &ContentError{Fault: FaultReopen}
			}
			rc, ok := r.(io.ReadCloser)
			if !ok {
				rc = io.NopCloser(r)
			}
			return &countReader{ReadCloser: rc, want: size}, nil
		},
		Size: size,
		once: true,
	}
}

// IsZero reports whether there is no content at all, not even an empty one.
func (c *Content) IsZero() bool { return c.Open == nil }

// Bytes returns the content if all of it is in memory. The caller must not change
// it.
func (c *Content) Bytes() (b []byte, ok bool) { return c.memory, c.memory != nil }

// Reopens reports whether the content can be opened more than once.
func (c *Content) Reopens() bool { return c.Open != nil && !c.once }

// Scan fills Features, and Size, by reading the content from its start to its end.
// It does nothing if they are known, and reports FaultReopen if reading would use
// the content up.
func (c *Content) Scan() error {
	switch {
	case c.Features != nil && c.Size >= 0:
		return nil
	case !c.Reopens():
		return &ContentError{Fault: FaultReopen}
	}
	r, err := c.Open()
	if err != nil {
		return &ContentError{Fault: FaultSource, Err: err}
	}
	f, err := Scan(r)
	if err = errors.Join(err, r.Close()); err != nil {
		return &ContentError{Fault: FaultSource, Err: err}
	}
	if c.Size >= 0 && c.Size != f.Octets {
		return &ContentError{Fault: FaultSize, Octets: f.Octets}
	}
	c.Features, c.Size = &f, f.Octets
	return nil
}

// WriteTo writes the whole content to w.
func (c *Content) WriteTo(w io.Writer) (int64, error) {
	if c.memory != nil {
		n, err := w.Write(c.memory)
		return int64(n), err
	}
	r, err := c.Open()
	if err != nil {
		return 0, err
	}
	n, err := io.Copy(w, r)
	return n, errors.Join(err, r.Close())
}
