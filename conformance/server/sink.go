package server

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"

	"github.com/parley-mail/parley/internal/sink"
)

// Sink is the mailbox behind a server: where its messages can be seen.
type Sink interface {
	// Messages returns, whole, those messages so far that hold the text.
	Messages(ctx context.Context, text string) ([]string, error)
	Close() error
}

// OpenSink opens "maildir:DIR", the directory into which the server delivers, also if it
// is not there yet; "lmtp:ADDR", where we listen and the server delivers to; or
// "command:CMD", a command for the shell that prints the mailbox, as an mbox.
func OpenSink(name string) (Sink, error) {
	kind, rest, _ := strings.Cut(name, ":")
	switch {
	case rest == "":
	case kind == "maildir":
		return &maildirSink{dir: rest, read: map[string]string{}}, nil
	case kind == "lmtp":
		return listenLMTP(rest)
	case kind == "command":
		return commandSink(rest), nil
	}
	return nil, fmt.Errorf("no mailbox %q: there are maildir:DIR, lmtp:ADDR and command:CMD", name)
}

// maildirSink is a maildir; what is in it once does not change.
type maildirSink struct {
	dir  string
	read map[string]string // by file
}

// Messages reads what is new.
func (m *maildirSink) Messages(_ context.Context, text string) ([]string, error) {
	var found []string
	for _, part := range []string{"new", "cur"} {
		entries, err := os.ReadDir(filepath.Join(m.dir, part))
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return nil, err
		}
		for _, e := range entries {
			name := filepath.Join(m.dir, part, e.Name())
			if _, ok := m.read[name]; !ok {
				octets, err := os.ReadFile(name)
				if err != nil {
					return nil, err
				}
				m.read[name] = string(octets)
			}
			if strings.Contains(m.read[name], text) {
				found = append(found, m.read[name])
			}
		}
	}
	return found, nil
}

// Close does nothing.
func (m *maildirSink) Close() error { return nil }

// lmtpSink is a listener of our own.
type lmtpSink struct {
	server sink.Server
	memory sink.Memory
	done   sync.WaitGroup
}

func listenLMTP(addr string) (*lmtpSink, error) {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, err
	}
	s := &lmtpSink{}
	s.server.LMTP, s.server.Store = true, &s.memory
	s.done.Go(func() { _ = s.server.Serve(context.Background(), l) })
	return s, nil
}

// Messages returns what was delivered.
func (s *lmtpSink) Messages(_ context.Context, text string) ([]string, error) {
	var found []string
	for _, m := range s.memory.Messages() {
		if content := string(m.Content); strings.Contains(content, text) {
			found = append(found, content)
		}
	}
	return found, nil
}

// Close ends the listener.
func (s *lmtpSink) Close() error {
	err := s.server.Close()
	s.done.Wait()
	return err
}

// commandSink is a command that prints an mbox.
type commandSink string

// Messages runs the command.
func (c commandSink) Messages(ctx context.Context, text string) ([]string, error) {
	cmd := exec.CommandContext(ctx, "/bin/sh", "-c", string(c))
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", c, err)
	}
	var found []string
	for _, m := range strings.Split("\n"+string(out), "\nFrom ")[1:] {
		_, m, _ = strings.Cut(m, "\n")
		if strings.Contains(m, text) {
			found = append(found, m)
		}
	}
	return found, nil
}

// Close does nothing.
func (c commandSink) Close() error { return nil }
