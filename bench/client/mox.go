package client

import (
	"bytes"
	"context"
	"crypto/x509"
	"log/slog"
	"net"
	"os"

	"github.com/mjl-/mox/dns"
	"github.com/mjl-/mox/smtpclient"

	"github.com/parley-mail/parley/bench/load"
)

// moxSession is the client of mox, the only peer in Go that pipelines.
type moxSession struct {
	c       *smtpclient.Client
	from    string
	to      []string
	content []byte
}

func newMox(l *load.Load, content []byte) (load.Opener, error) {
	mode := map[string]smtpclient.TLSMode{
		load.NoTLS: smtpclient.TLSSkip, load.StartTLS: smtpclient.TLSRequiredStartTLS, load.ImplicitTLS: smtpclient.TLSImmediate,
	}[l.TLS]
	opts := smtpclient.Opts{}
	if l.TLS != load.NoTLS {
		pem, err := os.ReadFile(l.CA)
		if err != nil {
			return nil, err
		}
		opts.RootCAs = x509.NewCertPool()
		opts.RootCAs.AppendCertsFromPEM(pem)
	}
	log := slog.New(slog.DiscardHandler)
	us, them := dns.Domain{ASCII: "client.example"}, dns.Domain{ASCII: "localhost"}
	return func() (load.Session, error) {
		nc, err := net.Dial("tcp", l.Addr)
		if err != nil {
			return nil, err
		}
		c, err := smtpclient.New(context.Background(), log, nc, mode, l.TLS != load.NoTLS, us, them, opts)
		if err != nil {
			return nil, err
		}
		return &moxSession{c, l.Sender(), l.Recipients(), content}, nil
	}, nil
}

func (s *moxSession) Send(n int) error {
	ctx := context.Background()
	for range n {
		if _, err := s.c.DeliverMultiple(ctx, s.from, s.to, int64(len(s.content)), bytes.NewReader(s.content), false, false, false); err != nil {
			return err
		}
	}
	return nil
}

func (s *moxSession) Close() error { return s.c.Close() }
