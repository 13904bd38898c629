//go:build unix

package peers

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
)

// SMTPSink is Postfix's smtp-sink: it takes everything, as fast as it can, and
// misbehaves as its options say. It has one port: [SMTP], or [LMTP] with -L.
type SMTPSink struct {
	options []string
	keep    bool
	dir     string
	addr    string
	proc    *daemon
}

// NewSMTPSink returns a sink with smtp-sink's own options, such as
// "-f", "RCPT" or "-L".
func NewSMTPSink(options ...string) *SMTPSink { return &SMTPSink{options: options} }

// Keep makes the sink store each message, which makes it slow. It returns s.
func (s *SMTPSink) Keep() *SMTPSink {
	s.keep = true
	return s
}

// Name returns "smtp-sink".
func (*SMTPSink) Name() string { return "smtp-sink" }

// Version returns the version of the Postfix it belongs to.
func (*SMTPSink) Version() (string, error) {
	if _, err := find("smtp-sink"); err != nil {
		return "", err
	}
	version, err := (*Postfix)(nil).Version()
	return "smtp-sink of " + version, err
}

// Addr returns the address of its only port.
func (s *SMTPSink) Addr(kind Kind) string {
	if (kind == LMTP) != slices.Contains(s.options, "-L") || kind != LMTP && kind != SMTP {
		return ""
	}
	return s.addr
}

// Log returns what it has printed.
func (s *SMTPSink) Log() string { return s.proc.output() }

// Mailbox returns the messages with a recipient of that local part. It needs
// [SMTPSink.Keep], and messages that have been answered: one that is still
// arriving is there in part.
func (s *SMTPSink) Mailbox(user string) ([]Message, error) {
	if !s.keep {
		return nil, errors.New("smtp-sink: messages are not kept")
	}
	messages, err := maildir(s.dir)
	for i := range messages { // it ends each message with a blank line
		messages[i].Content = bytes.TrimSuffix(messages[i].Content, []byte("\n"))
	}
	return slices.DeleteFunc(messages, func(m Message) bool {
		return !bytes.Contains(m.Trace, []byte("X-Rcpt-Args: <"+user+"@"))
	}), err
}

// Start starts the sink.
func (s *SMTPSink) Start(ctx context.Context, site *Site) error {
	var err error
	if s.dir, err = site.sub("smtp-sink"); err != nil {
		return err
	}
	free, err := freeAddrs(1)
	if err != nil {
		return err
	}
	s.addr = free[0]
	args := slices.Clone(s.options)
	if os.Geteuid() == 0 {
		args = append(args, "-u", "postfix")
	}
	if s.keep {
		fresh := filepath.Join(s.dir, "new")
		if err := os.Mkdir(fresh, 0o755); err != nil {
			return err
		}
		if err := os.Chmod(fresh, 0o777); err != nil {
			return err
		}
		args = append(args, "-d", filepath.Join(fresh, "m."))
	}
	if s.proc, err = launch(filepath.Join(s.dir, "log"), nil, "smtp-sink", append(args, s.addr, "128")...); err != nil {
		return err
	}
	// Not greets: an option may forbid the greeting or count sessions.
	if err := s.proc.ready(ctx, func(ctx context.Context) error { return accepts(ctx, s.addr) }); err != nil {
		return errors.Join(err, s.Stop())
	}
	return nil
}

// Stop ends the sink.
func (s *SMTPSink) Stop() error { return s.proc.stop() }
