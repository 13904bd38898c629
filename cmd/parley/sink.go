package main

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"

	"github.com/spf13/cobra"

	"github.com/parley-mail/parley/internal/certs"
	"github.com/parley-mail/parley/internal/sink"
)

type sinkFlags struct {
	listen, tlsListen, name, maildir, extensions string
	starttls, lmtp, asJSON, discard              bool
	users                                        []string
	cert, key                                    string
	size                                         int64
	rcpts                                        int
	count                                        int64
}

func newSink() *cobra.Command {
	f := &sinkFlags{}
	cmd := &cobra.Command{
		Use:   "sink",
		Short: "Receive mail: a strict server for tests and demonstrations",
		Long: `Receives mail over SMTP or LMTP and keeps or discards it. It is strict: what the RFCs forbid
a client to do is refused. Prints "listening ADDR" when it is ready, and what it has counted
when it ends (interrupt it).`,
		Example: "  parley sink --maildir /tmp/mail --starttls\n  parley sink --listen 127.0.0.1:0 --extensions all,-CHUNKING\n  parley sink --lmtp --listen 127.0.0.1:2424 --json",
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return f.run(cmd.Context(), cmd.OutOrStdout())
		},
	}
	fl := cmd.Flags()
	fl.StringVar(&f.listen, "listen", "127.0.0.1:2525", "the address to listen on; port 0 is any free one")
	fl.StringVar(&f.tlsListen, "tls-listen", "", "also listen here with TLS from the first octet")
	fl.BoolVar(&f.starttls, "starttls", false, "offer STARTTLS, by a throw-away certificate unless --cert is given")
	fl.StringVar(&f.cert, "cert", "", "the server's certificate, a PEM file")
	fl.StringVar(&f.key, "key", "", "its key, a PEM file")
	fl.StringArrayVar(&f.users, "auth", nil, "a user who may log in: USER:PASSWORD (repeatable); mail then needs a login")
	fl.StringVar(&f.maildir, "maildir", "", "keep messages in this maildir")
	fl.BoolVar(&f.discard, "discard", false, "keep nothing (the default)")
	fl.BoolVar(&f.lmtp, "lmtp", false, "speak LMTP")
	fl.StringVar(&f.extensions, "extensions", "all", "the extensions to offer: keywords, all, none, all,-KEYWORD…")
	fl.StringVar(&f.name, "name", "localhost", "the name to greet with")
	fl.Int64Var(&f.size, "size", 0, "the largest message to take, in octets; 0 is the default of the server")
	fl.IntVar(&f.rcpts, "rcpts", 0, "the most recipients of a message; 0 is the default of the server")
	fl.Int64Var(&f.count, "count", 0, "end after so many messages")
	fl.BoolVar(&f.asJSON, "json", false, "a JSON object a line: listening, each message, the counts")
	return cmd
}

func (f *sinkFlags) run(ctx context.Context, w io.Writer) error {
	srv, err := f.server()
	if err != nil {
		return err
	}
	out := &lines{w: w, asJSON: f.asJSON}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	store := srv.Store
	var seen int64
	var mu sync.Mutex
	srv.Store = &watched{store, func(m *sink.Envelope, octets int64) {
		if f.asJSON {
			out.write(map[string]any{"event": "message", "from": m.ReversePath, "to": paths(m), "octets": octets}, "")
		}
		mu.Lock()
		defer mu.Unlock()
		if seen++; f.count > 0 && seen >= f.count {
			cancel()
		}
	}}
	listeners := map[string]func(context.Context, net.Listener) error{f.listen: srv.Serve}
	if f.tlsListen != "" {
		listeners[f.tlsListen] = srv.ServeTLS
	}
	var serving sync.WaitGroup
	errs := make(chan error, len(listeners))
	for addr, serve := range listeners {
		l, err := net.Listen("tcp", addr)
		if err != nil {
			cancel()
			serving.Wait()
			return err
		}
		out.write(map[string]any{"event": "listening", "address": l.Addr().String(), "tls": addr == f.tlsListen}, "listening "+l.Addr().String())
		serving.Go(func() { errs <- serve(ctx, l) })
	}
	serving.Wait()
	close(errs)
	for e := range errs {
		err = errors.Join(err, e)
	}
	s := srv.Stats()
	out.write(map[string]any{
		"event": "counts", "sessions": s.Sessions, "messages": s.Messages, "recipients": s.Recipients, "octets": s.Octets,
		"refused": s.Refused, "violations": s.Violations, "turns": s.Turns,
	}, fmt.Sprintf("%d sessions, %d messages, %d recipients, %d octets, %d refusals, %d violations", s.Sessions, s.Messages, s.Recipients, s.Octets, s.Refused, s.Violations))
	return err
}

func (f *sinkFlags) server() (*sink.Server, error) {
	x, err := sink.ParseExtensions(f.extensions)
	if err != nil {
		return nil, usage("--extensions: %v", err)
	}
	srv := &sink.Server{Name: f.name, LMTP: f.lmtp, Extensions: x}
	srv.Limits.Size, srv.Limits.Recipients = f.size, f.rcpts
	if len(f.users) > 0 {
		srv.Auth = sink.Auth{Users: map[string]string{}, Required: true, Clear: !f.starttls && f.tlsListen == ""}
		for _, u := range f.users {
			user, password, ok := strings.Cut(u, ":")
			if !ok {
				return nil, usage("--auth: USER:PASSWORD is wanted")
			}
			srv.Auth.Users[user] = password
		}
	}
	if f.maildir != "" {
		if f.discard {
			return nil, usage("--maildir and --discard exclude each other")
		}
		if srv.Store, err = sink.NewMaildir(f.maildir); err != nil {
			return nil, err
		}
	}
	if f.starttls || f.tlsListen != "" {
		cert, err := f.certificate()
		if err != nil {
			return nil, err
		}
		srv.TLS = &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12}
	}
	return srv, nil
}

func (f *sinkFlags) certificate() (tls.Certificate, error) {
	if f.cert == "" {
		return certs.SelfSigned(certs.Options{Hosts: []string{"localhost", "127.0.0.1", "::1"}})
	}
	key := f.key
	if key == "" {
		key = f.cert
	}
	return tls.LoadX509KeyPair(f.cert, key)
}

// watched tells about each message that a store has kept.
type watched struct {
	sink.Store
	kept func(*sink.Envelope, int64)
}

func (s *watched) Open(e *sink.Envelope) (sink.Writer, error) {
	w := &watchedWriter{kept: s.kept}
	if s.Store != nil {
		inner, err := s.Store.Open(e)
		if err != nil {
			return nil, err
		}
		w.Writer = inner
	}
	return w, nil
}

type watchedWriter struct {
	sink.Writer
	kept   func(*sink.Envelope, int64)
	octets int64
}

func (w *watchedWriter) Write(p []byte) (int, error) {
	w.octets += int64(len(p))
	if w.Writer == nil {
		return len(p), nil
	}
	return w.Writer.Write(p)
}

func (w *watchedWriter) Commit(e *sink.Envelope) error {
	if w.Writer != nil {
		if err := w.Writer.Commit(e); err != nil {
			return err
		}
	}
	w.kept(e, w.octets)
	return nil
}

func (w *watchedWriter) Abort() {
	if w.Writer != nil {
		w.Writer.Abort()
	}
}

func paths(e *sink.Envelope) []string {
	all := []string{}
	for _, r := range e.Recipients {
		all = append(all, r.Path)
	}
	return all
}

// lines writes one line at a time, in one of two forms.
type lines struct {
	mu     sync.Mutex
	w      io.Writer
	asJSON bool
}

func (l *lines) write(object map[string]any, text string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.asJSON {
		json.NewEncoder(l.w).Encode(object)
	} else if text != "" {
		fmt.Fprintln(l.w, text)
	}
}
