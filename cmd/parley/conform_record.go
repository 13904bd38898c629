package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/parley-mail/parley/transport"
	"github.com/parley-mail/parley/transport/record"
)

// recording stands between a client and a server, and keeps what they say.
type recording struct {
	listen, upstream, out string
	once                  bool
	say                   io.Writer
}

func newConformRecord() *cobra.Command {
	r := &recording{}
	cmd := &cobra.Command{
		Use: "record", Short: "Stand between any client and a server, and write transcripts of what they say", Args: noArgs,
		Long: `Waits for clients, opens a connection to the server for each, and passes on what either says. When a
session is over its transcript is written into --out, secrets and content masked. It can be the
server of "parley conform serve FILE", and becomes a case for "parley conform run" when it is said
above it what the client was asked to do (call; docs/smtpt.md has the words).

What is inside TLS is not seen: a transcript ends where STARTTLS succeeds. Have the client go
without it, or record its own side with "parley send --record".`,
		Example: "  parley conform record --upstream 127.0.0.1:25 --out recorded &\n  swaks --server 127.0.0.1:2526 --to b@y.example",
		RunE: func(cmd *cobra.Command, _ []string) error {
			if _, _, err := net.SplitHostPort(r.upstream); err != nil {
				return usage("--upstream HOST:PORT: %v", err)
			}
			r.say = cmd.OutOrStdout()
			return r.serve(cmd.Context())
		},
	}
	cmd.Flags().StringVar(&r.listen, "listen", "127.0.0.1:2526", "where to wait for clients")
	cmd.Flags().StringVar(&r.upstream, "upstream", "", "the server: HOST:PORT")
	cmd.Flags().StringVar(&r.out, "out", ".", "the folder for transcripts")
	cmd.Flags().BoolVar(&r.once, "once", false, "end after one session")
	return cmd
}

func (r *recording) serve(ctx context.Context) error {
	if err := os.MkdirAll(r.out, 0o700); err != nil {
		return err
	}
	l, err := net.Listen("tcp", r.listen)
	if err != nil {
		return err
	}
	defer context.AfterFunc(ctx, func() { l.Close() })()
	defer l.Close()
	fmt.Fprintf(r.say, "listening %s\n", l.Addr())
	var sessions sync.WaitGroup
	defer sessions.Wait()
	for {
		client, err := l.Accept()
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil:
			return err
		case r.once:
			return r.session(ctx, client)
		}
		sessions.Go(func() {
			if err := r.session(ctx, client); err != nil {
				fmt.Fprintf(r.say, "%s: %s\n", client.RemoteAddr(), message(err))
			}
		})
	}
}

// session is one connection of a client.
func (r *recording) session(ctx context.Context, client net.Conn) error {
	defer client.Close()
	var log record.Log
	server, err := record.Dialer(&transport.TCPDialer{}, &log).DialContext(ctx, "tcp", r.upstream)
	if err != nil {
		return err
	}
	defer server.Close()
	stop := context.AfterFunc(ctx, func() { client.Close(); server.Close() })
	defer stop()
	ended := make(chan struct{}, 2)
	go pass(server, client, ended)
	go pass(client, server, ended)
	<-ended // and the other side has a moment to say its last
	late := time.AfterFunc(lastWords, func() { client.Close(); server.Close() })
	<-ended
	late.Stop()
	server.Close()
	if log.Dropped() > 0 {
		fmt.Fprintf(r.say, "%s: %d octets are too many and left out\n", client.RemoteAddr(), log.Dropped())
	}
	return r.write(record.Transcript(log.Frames()))
}

// lastWords is how long one side may go on when the other has ended.
const lastWords = 5 * time.Second

// silence is longer than any server waits for a client, or a client for a server.
const silence = 15 * time.Minute

// pass hands on what one side says until it ends.
func pass(to, from net.Conn, ended chan<- struct{}) {
	defer func() { ended <- struct{}{} }()
	buf := make([]byte, 64<<10)
	for {
		from.SetReadDeadline(time.Now().Add(silence))
		n, err := from.Read(buf)
		if n > 0 {
			to.SetWriteDeadline(time.Now().Add(silence))
			if _, err := to.Write(buf[:n]); err != nil {
				return
			}
		}
		if err != nil {
			if half, ok := transport.Unwrap(to).(interface{ CloseWrite() error }); ok {
				half.CloseWrite()
			}
			return
		}
	}
}

// write puts a transcript into a file of its own.
func (r *recording) write(transcript []byte) error {
	for n := 1; ; n++ {
		name := filepath.Join(r.out, fmt.Sprintf("session-%d.smtpt", n))
		f, err := os.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
		if errors.Is(err, fs.ErrExist) {
			continue
		}
		if err != nil {
			return err
		}
		_, err = f.Write(transcript)
		fmt.Fprintln(r.say, name)
		return errors.Join(err, f.Close())
	}
}
