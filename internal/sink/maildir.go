package sink

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"
)

// Maildir is a [Store] that keeps messages as files: written to tmp/, forced to
// disk, then moved to new/ under a name that no other delivery has.
type Maildir struct {
	dir string
	// LF stores lines with LF alone, as programs that read Maildirs expect; the
	// default is the octets as they came.
	LF bool
	// Envelope puts Return-Path and a Delivered-To for each recipient accepted by
	// RCPT in front; the default is the content alone.
	Envelope bool
	// NoSync does without forcing files to disk; for throw-away directories.
	NoSync bool
}

// NewMaildir returns the Maildir at dir and makes its directories where they are
// missing.
func NewMaildir(dir string) (*Maildir, error) {
	for _, sub := range []string{"tmp", "new", "cur"} {
		if err := os.MkdirAll(filepath.Join(dir, sub), 0o700); err != nil {
			return nil, fmt.Errorf("sink: maildir: %w", err)
		}
	}
	return &Maildir{dir: dir}, nil
}

var deliveries atomic.Int64 // by this process

// Open implements [Store].
func (m *Maildir) Open(e *Envelope) (Writer, error) {
	host, err := os.Hostname()
	if err != nil {
		host = "localhost"
	}
	host = strings.NewReplacer("/", `\057`, ":", `\072`).Replace(host)
	now := time.Now()
	name := fmt.Sprintf("%d.M%dP%dQ%d.%s", now.Unix(), now.Nanosecond()/1000, os.Getpid(), deliveries.Add(1), host)
	f, err := os.OpenFile(filepath.Join(m.dir, "tmp", name), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, fmt.Errorf("sink: maildir: %w", err)
	}
	d := &delivery{Maildir: m, name: name, file: f, buf: bufio.NewWriterSize(f, 16<<10)}
	if m.Envelope {
		d.header("Return-Path: <" + e.ReversePath + ">")
		for _, r := range e.Recipients {
			d.header("Delivered-To: " + r.Path)
		}
	}
	return d, nil
}

// delivery is a message on its way into a Maildir.
type delivery struct {
	*Maildir
	name   string
	file   *os.File
	buf    *bufio.Writer
	heldCR bool // under LF: a CR that may be followed by LF
}

func (d *delivery) header(line string) {
	d.buf.WriteString(line) // an error comes again in Flush
	if !d.LF {
		d.buf.WriteByte('\r')
	}
	d.buf.WriteByte('\n')
}

// Write implements io.Writer.
func (d *delivery) Write(p []byte) (int, error) {
	if !d.LF {
		return d.buf.Write(p)
	}
	for _, c := range p {
		if d.heldCR && c != '\n' {
			d.buf.WriteByte('\r')
		}
		if d.heldCR = c == '\r'; !d.heldCR {
			if err := d.buf.WriteByte(c); err != nil {
				return 0, err
			}
		}
	}
	return len(p), nil
}

// Commit implements [Writer].
func (d *delivery) Commit(*Envelope) error {
	if d.heldCR {
		d.buf.WriteByte('\r')
	}
	err := d.buf.Flush()
	if err == nil && !d.NoSync {
		err = d.file.Sync()
	}
	err = errors.Join(err, d.file.Close())
	tmp := filepath.Join(d.dir, "tmp", d.name)
	if err == nil {
		err = os.Rename(tmp, filepath.Join(d.dir, "new", d.name))
	}
	if err != nil {
		os.Remove(tmp)
		return fmt.Errorf("sink: maildir: %w", err)
	}
	if !d.NoSync {
		d.syncDir()
	}
	return nil
}

// syncDir makes the new name itself last. The message is delivered already, so
// where this fails there is nothing more to be done.
func (d *delivery) syncDir() {
	if dir, err := os.Open(filepath.Join(d.dir, "new")); err == nil {
		dir.Sync()
		dir.Close()
	}
}

// Abort implements [Writer].
func (d *delivery) Abort() {
	d.file.Close()
	os.Remove(d.file.Name())
}
