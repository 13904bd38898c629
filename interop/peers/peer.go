package peers

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// Peer is a mail server under the tests' control. The life of one is Start, any
// use, Stop; it is not started twice. All but Start and Stop may be called from
// several goroutines.
type Peer interface {
	// Name is a short name such as "postfix".
	Name() string
	// Version is what the program says about itself. It needs no Start. An error
	// means that the program is not installed.
	Version() (string, error)
	// Start starts the server within site and returns when every port greets.
	Start(ctx context.Context, site *Site) error
	// Addr is the host:port of a kind, "" where the peer has no such port.
	Addr(kind Kind) string
	// Mailbox returns what has been delivered for a user so far, in the order of
	// arrival.
	Mailbox(user string) ([]Message, error)
	// Stop ends the server and waits for it.
	Stop() error
	// Log returns what the server wrote about its own doings.
	Log() string
}

// Message is a message as a peer has stored it. Line ends are LF, as on disk.
type Message struct {
	Trace   []byte // header fields that the peer put in front: Return-Path, Received and such
	Content []byte // what was sent
}

// traceFields are the fields that servers put before the content they received.
var traceFields = []string{"return-path", "x-original-to", "delivered-to", "received", "envelope-to", "delivery-date", "x-client-addr", "x-client-proto", "x-helo-args", "x-mail-args", "x-rcpt-args", "x-cyrus-session-id", "x-sieve"}

// split parts a stored message from what the peer put in front of it. What is
// sent must not begin with such a field itself.
func split(stored []byte) Message {
	rest, trace := stored, false
	for len(rest) > 0 {
		line, after, _ := bytes.Cut(rest, []byte("\n"))
		if folded := len(line) > 0 && (line[0] == ' ' || line[0] == '\t'); !folded {
			name, _, found := bytes.Cut(line, []byte(":"))
			trace = found && slices.Contains(traceFields, string(bytes.ToLower(name)))
		}
		if !trace {
			break
		}
		rest = after
	}
	return Message{Trace: stored[:len(stored)-len(rest)], Content: rest}
}

// maildir reads the new messages of a maildir in the order of their delivery.
// A maildir that does not exist is an empty one.
func maildir(dir string) ([]Message, error) {
	entries, err := os.ReadDir(filepath.Join(dir, "new"))
	if os.IsNotExist(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	type file struct {
		stored []byte
		at     time.Time
	}
	var files []file
	for _, entry := range entries {
		name := filepath.Join(dir, "new", entry.Name())
		stored, err := os.ReadFile(name)
		if err != nil {
			return nil, err
		}
		info, err := os.Stat(name)
		if err != nil {
			return nil, err
		}
		files = append(files, file{stored, info.ModTime()})
	}
	slices.SortStableFunc(files, func(a, b file) int { return a.at.Compare(b.at) })
	messages := make([]Message, len(files))
	for i, f := range files {
		messages[i] = split(f.stored)
	}
	return messages, nil
}

// Await waits until at least n messages have been delivered for user. When ctx
// ends first the error shows the peer's log.
func Await(ctx context.Context, p Peer, user string, n int) ([]Message, error) {
	var messages []Message
	err := poll(ctx, func() error {
		var err error
		if messages, err = p.Mailbox(user); err != nil {
			return err
		}
		if len(messages) < n {
			return fmt.Errorf("%d of %d messages for %s", len(messages), n, user)
		}
		return nil
	})
	if err != nil {
		return messages, fmt.Errorf("%s: %w\n%s", p.Name(), err, p.Log())
	}
	return messages, nil
}
