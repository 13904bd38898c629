package client

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"time"

	"github.com/parley-mail/parley"
	"github.com/parley-mail/parley/bench/load"
	"github.com/parley-mail/parley/message"
	"github.com/parley-mail/parley/session"
)

// poolSession is a Sender with a connection to each of many destinations, which get
// messages in turn. No network is between: what is left is what the pool costs.
type poolSession struct {
	sender    *parley.Sender
	endpoints []*parley.Endpoint
	message   parley.Message
	next      int
}

func newParleyPool(l *load.Load, content []byte) (load.Opener, error) {
	from, err := message.ParsePath(l.Sender())
	if err != nil {
		return nil, err
	}
	to, err := message.ParsePath(l.Recipients()[0])
	if err != nil {
		return nil, err
	}
	s := &poolSession{sender: &parley.Sender{MaxIdle: 24 * time.Hour, MaxAge: 24 * time.Hour}}
	s.message.Mail = parley.Mail{
		Envelope: &message.Envelope{ReversePath: from, Recipients: []message.Recipient{{Path: to}}},
		Content:  message.FromBytes(content),
	}
	for i := range max(1, l.Endpoints) {
		s.endpoints = append(s.endpoints, &parley.Endpoint{
			Address: fmt.Sprintf("mx%d.example:25", i), Dialer: nobody{}, TLS: parley.TLSNone, Session: session.Config{Data: session.DataBDAT},
		})
	}
	return func() (load.Session, error) { return s, s.Send(len(s.endpoints)) }, nil
}

func (s *poolSession) Send(n int) error {
	for range n {
		s.message.Endpoint = s.endpoints[s.next]
		s.next = (s.next + 1) % len(s.endpoints)
		if _, err := s.sender.Send(context.Background(), &s.message); err != nil {
			return err
		}
	}
	return nil
}

func (s *poolSession) Close() error { return s.sender.Close(context.Background()) }

// nobody dials a server that is not there.
type nobody struct{}

func (nobody) DialContext(context.Context, string, string) (net.Conn, error) {
	return &yes{reply: []byte("220 mx.example\r\n")}, nil
}

// yes is a connection to a server that takes everything. It says of itself that there is
// a socket below, so that a message is written at once as it would be there.
type yes struct {
	net.Conn // nil: nothing else is asked of it
	reply    []byte
}

var (
	verbEHLO, verbMAIL, verbQUIT = []byte("EHLO"), []byte("MAIL"), []byte("QUIT")

	offer  = []byte("250-mx.example\r\n250-PIPELINING\r\n250 CHUNKING\r\n")
	accept = []byte("250 ok\r\n250 ok\r\n250 ok\r\n") // MAIL, RCPT and BDAT
	bye    = []byte("221 bye\r\n")
)

func (c *yes) Write(b []byte) (int, error) {
	switch {
	case bytes.HasPrefix(b, verbEHLO):
		c.reply = offer
	case bytes.HasPrefix(b, verbMAIL):
		c.reply = accept
	case bytes.HasPrefix(b, verbQUIT):
		c.reply = bye
	}
	return len(b), nil
}

func (c *yes) Read(b []byte) (int, error) {
	if len(c.reply) == 0 {
		return 0, io.ErrNoProgress
	}
	n := copy(b, c.reply)
	c.reply = c.reply[n:]
	return n, nil
}

func (c *yes) NetConn() net.Conn                { return &net.TCPConn{} }
func (c *yes) Close() error                     { return nil }
func (c *yes) LocalAddr() net.Addr              { return &net.TCPAddr{} }
func (c *yes) RemoteAddr() net.Addr             { return &net.TCPAddr{} }
func (c *yes) SetDeadline(time.Time) error      { return nil }
func (c *yes) SetReadDeadline(time.Time) error  { return nil }
func (c *yes) SetWriteDeadline(time.Time) error { return nil }
