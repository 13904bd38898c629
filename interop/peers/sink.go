//go:build unix

package peers

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"runtime/debug"
	"slices"
	"sync"

	"github.com/parley-mail/parley/internal/sink"
)

// Sink is this project's own server, in this process. It is here for what no packaged
// server offers: SCRAM with channel binding on the exporter of TLS 1.3.
type Sink struct {
	dir   string
	addrs map[Kind]string
	stop  context.CancelFunc
	ended sync.WaitGroup
}

// NewSink returns a sink that is not started yet.
func NewSink() *Sink { return &Sink{} }

// Name returns "parley-sink".
func (*Sink) Name() string { return "parley-sink" }

// Version is that of the build.
func (*Sink) Version() (string, error) {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "", errors.New("parley-sink: no build information")
	}
	return "this revision, built by " + info.GoVersion, nil
}

// Addr returns the address of a port.
func (s *Sink) Addr(kind Kind) string { return s.addrs[kind] }

// Log returns nothing: what a sink has to say it says in its replies.
func (*Sink) Log() string { return "" }

// Mailbox returns the messages with a recipient of that local part.
func (s *Sink) Mailbox(user string) ([]Message, error) {
	messages, err := maildir(s.dir)
	return slices.DeleteFunc(messages, func(m Message) bool {
		return !bytes.Contains(m.Trace, []byte("Delivered-To: "+user+"@"))
	}), err
}

// Start opens the ports.
func (s *Sink) Start(_ context.Context, site *Site) error {
	if err := s.start(site); err != nil {
		return errors.Join(fmt.Errorf("parley-sink: %w", err), s.Stop())
	}
	return nil
}

func (s *Sink) start(site *Site) error {
	var err error
	if s.dir, err = site.sub("sink"); err != nil {
		return err
	}
	store, err := sink.NewMaildir(s.dir)
	if err != nil {
		return err
	}
	store.LF, store.Envelope, store.NoSync = true, true, true
	cert, err := tls.LoadX509KeyPair(site.Host.Chain, site.Host.Key)
	if err != nil {
		return err
	}
	secure := &tls.Config{Certificates: []tls.Certificate{cert}}
	users := map[string]string{}
	for _, a := range Accounts() {
		users[a.User] = a.Password
	}
	known := sink.Auth{Users: users, Required: true}
	ctx, stop := context.WithCancel(context.Background())
	s.stop, s.addrs = stop, map[Kind]string{}
	for _, port := range []struct {
		kind   Kind
		server *sink.Server
	}{
		{SMTP, &sink.Server{}},
		{StartTLS, &sink.Server{TLS: secure}},
		{SMTPS, &sink.Server{TLS: secure}},
		{AuthClear, &sink.Server{Auth: sink.Auth{Users: users, Required: true, Clear: true}}},
		{Submission, &sink.Server{TLS: secure, RequireTLS: true, Auth: known}},
		{Submissions, &sink.Server{TLS: secure, Auth: known}},
		{LMTP, &sink.Server{LMTP: true}},
		{LMTPStartTLS, &sink.Server{LMTP: true, TLS: secure}},
		{LMTPS, &sink.Server{LMTP: true, TLS: secure}},
		{LMTPUnix, &sink.Server{LMTP: true}},
	} {
		network, address := "tcp", "127.0.0.1:0"
		if port.kind == LMTPUnix {
			network, address = "unix", filepath.Join(s.dir, "lmtp")
		}
		l, err := net.Listen(network, address)
		if err != nil {
			return err
		}
		s.addrs[port.kind] = l.Addr().String()
		port.server.Name, port.server.Store = Host, store
		serve := port.server.Serve
		if port.kind == SMTPS || port.kind == Submissions || port.kind == LMTPS {
			serve = port.server.ServeTLS
		}
		s.ended.Go(func() { _ = serve(ctx, l) }) // nil when the context ends
	}
	return nil
}

// Stop closes the ports and waits for the sessions.
func (s *Sink) Stop() error {
	if s.stop != nil {
		s.stop()
	}
	s.ended.Wait()
	return nil
}
