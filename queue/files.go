package queue

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"
)

// files is what the queue does to its directory. A test makes the n-th of them fail.
type files interface {
	create(name string) (file, error)
	open(name string) (file, error)
	rename(from, to string) error // fails if there is a file of the new name
	remove(name string) error
	stat(name string) (fs.FileInfo, error)
	list() ([]string, error)
	sync() error // makes names durable
	close() error
}

type file interface {
	io.Reader
	io.Writer
	io.WriterAt
	io.ReaderAt
	Sync() error
	Close() error
	Stat() (fs.FileInfo, error)
}

// directory is the real one. os.Root keeps every name within it.
type directory struct {
	root *os.Root
	path string
}

func openDirectory(path string) (files, error) {
	root, err := os.OpenRoot(path)
	if err != nil {
		return nil, err
	}
	return &directory{root, path}, nil
}

func (d *directory) create(name string) (file, error) {
	return d.root.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
}

func (d *directory) open(name string) (file, error) {
	info, err := d.root.Lstat(name)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, &fs.PathError{Op: "open", Path: name, Err: errors.New("not a regular file")}
	}
	return d.root.Open(name)
}

// rename fails if there is a file of the new name: a claim must not be taken twice.
func (d *directory) rename(from, to string) error {
	if _, err := d.root.Lstat(to); err == nil {
		return &fs.PathError{Op: "rename", Path: to, Err: fs.ErrExist}
	}
	return d.root.Rename(from, to)
}

func (d *directory) remove(name string) error              { return d.root.Remove(name) }
func (d *directory) stat(name string) (fs.FileInfo, error) { return d.root.Lstat(name) }
func (d *directory) close() error                          { return d.root.Close() }

// list returns the names in order, which is the order of their making.
func (d *directory) list() ([]string, error) {
	f, err := d.root.Open(".")
	if err != nil {
		return nil, err
	}
	defer f.Close()
	names, err := f.Readdirnames(-1)
	slices.Sort(names)
	return names, err
}

func (d *directory) sync() error {
	f, err := d.root.Open(".")
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// State is what has become of a message, by its file's extension.
type State string

// The states.
const (
	Queued   State = "queued"
	Sending  State = "sending"
	Offering State = "offering"
	Sent     State = "sent"
	Failed   State = "failed"
	Unknown  State = "unknown"
)

var states = []State{Queued, Sending, Offering, Sent, Failed, Unknown}

// split parts a file's name from its state; ok is false for what is none of the queue's.
func split(name string) (base string, state State, ok bool) {
	i := strings.LastIndexByte(name, '.')
	if i <= 0 || !slices.Contains(states, State(name[i+1:])) || !validBase(name[:i]) {
		return "", "", false
	}
	return name[:i], State(name[i+1:]), true
}

// validBase reports whether base is a name that Put makes.
func validBase(base string) bool {
	if len(base) == 0 || len(base) > 64 {
		return false
	}
	for i := range len(base) {
		c := base[i]
		if !(c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c == '-') {
			return false
		}
	}
	return true
}
