package queue

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/parley-mail/parley/message"
)

// Put writes an entry into a new file of dir, which must exist, and returns the file's
// name. When it returns, the message is on disk.
func Put(ctx context.Context, dir string, e *Entry) (name string, err error) {
	d, err := openDirectory(dir)
	if err != nil {
		return "", err
	}
	defer d.close()
	return put(ctx, d, e, time.Now())
}

func put(ctx context.Context, d files, e *Entry, now time.Time) (name string, err error) {
	if len(e.Envelope.Recipients) == 0 {
		return "", errors.New("queue: a message needs a recipient")
	}
	c := *e
	if c.Queued.IsZero() {
		c.Queued = now
	}
	if c.Content.Reopens() {
		if err := c.Content.Scan(); err != nil {
			return "", err
		}
	}
	base := newBase(now)
	r, err := c.Content.Open()
	if err != nil {
		return "", err
	}
	temp, err := write(ctx, d, base, headerOf(&c), r)
	if err = errors.Join(err, r.Close()); err != nil {
		return "", err
	}
	name = base + "." + string(Queued)
	if err := d.rename(temp, name); err != nil {
		d.remove(temp)
		return "", err
	}
	return name, d.sync()
}

// Info is what is known of a file from its name and its first line.
type Info struct {
	Name   string
	State  State
	Entry  *Entry // nil if the file is damaged; its Content can be opened
	Octets int64
	Reason string // of a failed or unknown one
	Err    error  // what is wrong with the file
}

// List returns every message of a directory, the oldest first.
func List(dir string) ([]Info, error) {
	d, err := openDirectory(dir)
	if err != nil {
		return nil, err
	}
	defer d.close()
	names, err := d.list()
	if err != nil {
		return nil, err
	}
	var all []Info
	for _, name := range names {
		if _, state, ok := split(name); ok {
			all = append(all, describe(d, dir, name, state))
		}
	}
	return all, nil
}

// Show returns one message.
func Show(dir, name string) (*Info, error) {
	d, err := openDirectory(dir)
	if err != nil {
		return nil, err
	}
	defer d.close()
	_, state, ok := split(name)
	if !ok {
		return nil, badName(name)
	}
	if _, err := d.stat(name); err != nil {
		return nil, err
	}
	info := describe(d, dir, name, state)
	return &info, info.Err
}

func badName(name string) error {
	return &fs.PathError{Op: "queue", Path: strconv.QuoteToASCII(name), Err: errors.New("this is no name of the queue's")}
}

func describe(d files, dir, name string, state State) Info {
	info := Info{Name: name, State: state}
	f, h, start, err := read(d, name)
	if err != nil {
		info.Err = err
		return info
	}
	defer f.Close()
	info.Octets, _ = h.octets()
	if info.Entry, info.Err = h.entry(name); info.Err == nil {
		info.Entry.Content = message.Content{Features: h.Features, Size: info.Octets, Open: func() (io.ReadCloser, error) {
			return reopen(dir, name, start, info.Octets)
		}}
	}
	base, _, _ := split(name)
	if r, err := d.open(base + ".reason"); err == nil {
		b, _ := io.ReadAll(io.LimitReader(r, 64<<10))
		info.Reason = strings.TrimSpace(string(b))
		r.Close()
	}
	return info
}

// reopen opens the content of a file.
func reopen(dir, name string, start, n int64) (io.ReadCloser, error) {
	d, err := openDirectory(dir)
	if err != nil {
		return nil, err
	}
	defer d.close()
	f, err := d.open(name)
	if err != nil {
		return nil, err
	}
	return struct {
		io.Reader
		io.Closer
	}{io.NewSectionReader(f, start, n), f}, nil
}

// Retry puts a failed message back into the queue; an unknown one only if unknown is set,
// because it may then be delivered twice.
func Retry(dir, name string, unknown bool) error {
	d, err := openDirectory(dir)
	if err != nil {
		return err
	}
	defer d.close()
	base, state, ok := split(name)
	switch {
	case !ok:
		return badName(name)
	case state == Failed, state == Unknown && unknown:
	case state == Unknown:
		return errors.New("queue: what became of it is not known: it may have been delivered; say so if it shall be sent again all the same")
	default:
		return errors.New("queue: it is " + string(state) + "; failed and unknown messages can be sent again")
	}
	if err := d.rename(name, base+"."+string(Queued)); err != nil {
		return err
	}
	d.remove(base + ".reason")
	return d.sync()
}

// Drop removes a message for good. One that is being sent is not removed.
func Drop(dir, name string) error {
	d, err := openDirectory(dir)
	if err != nil {
		return err
	}
	defer d.close()
	base, state, ok := split(name)
	switch {
	case !ok:
		return badName(name)
	case state == Sending, state == Offering:
		return errors.New("queue: it is being sent")
	}
	if err := d.remove(name); err != nil {
		return err
	}
	d.remove(base + ".reason")
	return d.sync()
}

// Recover gives back what a process that is gone has left behind: files that have been
// .sending or .offering, untouched, for longer than olderThan. What is .sending was not
// accepted by anybody and is queued again; what is .offering may have been, and becomes
// unknown. It returns the names that the files have now.
func Recover(dir string, olderThan time.Duration) ([]string, error) {
	d, err := openDirectory(dir)
	if err != nil {
		return nil, err
	}
	defer d.close()
	return recoverStale(d, time.Now().Add(-olderThan))
}

func recoverStale(d files, before time.Time) (back []string, err error) {
	names, err := d.list()
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		if base, ok := strings.CutSuffix(name, ".tmp"); ok && validBase(base) {
			if info, err := d.stat(name); err == nil && info.ModTime().Before(before) {
				d.remove(name) // it never got its name: nobody was told that it is there
			}
			continue
		}
		base, state, ok := split(name)
		if !ok || state != Sending && state != Offering {
			continue
		}
		info, err := d.stat(name)
		if err != nil || !info.ModTime().Before(before) {
			continue
		}
		to, reason := Queued, ""
		if state == Offering {
			if superseded(names, base) {
				if err := d.remove(name); err != nil {
					return back, err
				}
				continue
			}
			to, reason = Unknown, "the process that was sending it is gone; the end of the message may have gone out"
		}
		if err := settle(d, name, base, to, reason); err != nil {
			return back, err
		}
		back = append(back, base+"."+string(to))
	}
	return back, d.sync()
}

// superseded reports whether another file of the same message has taken its place.
func superseded(names []string, base string) bool {
	return slices.ContainsFunc(names, func(name string) bool {
		b, state, ok := split(name)
		return ok && b == base && state != Offering
	})
}

// settle gives a file its final name, with the reason beside it.
func settle(d files, name, base string, to State, reason string) error {
	if reason != "" {
		if err := writeReason(d, base, reason); err != nil {
			return err
		}
	}
	return d.rename(name, base+"."+string(to))
}

func writeReason(d files, base, reason string) error {
	d.remove(base + ".reason")
	f, err := d.create(base + ".reason")
	if err != nil {
		return err
	}
	_, err = f.Write([]byte(reason + "\n"))
	return errors.Join(err, f.Sync(), f.Close())
}
