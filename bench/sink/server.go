// Package sink is a server to measure clients against: it takes what is sent to it,
// keeps nothing, and answers as cheaply as Go can. It counts turns: how often it
// answered and then had to wait for the client.
//
// It trusts its clients. Commands are told apart by their first four letters, and
// none is refused.
package sink

import (
	"bufio"
	"crypto/tls"
	"encoding/json"
	"errors"
	"io"
	"net"
	"sync/atomic"
	"time"

	"github.com/parley-mail/parley/internal/rusage"
)

// Server is a sink. Its fields are set before Serve.
type Server struct {
	// TLS is for the implicit listener and for STARTTLS; nil: neither.
	TLS *tls.Config
	// StartTLS: offer it.
	StartTLS bool

	turns, messages, sessions, octets atomic.Int64
	open                              atomic.Int64
}

// Stats is what a sink has counted so far.
type Stats struct {
	Turns    int64   `json:"turns"`
	Messages int64   `json:"messages"`
	Sessions int64   `json:"sessions"`
	Octets   int64   `json:"octets"` // of content, as it was on the wire
	CPU      float64 `json:"cpu"`    // seconds, user and system
}

// Serve answers until the listener is closed. With implicit, TLS comes first.
func (s *Server) Serve(l net.Listener, implicit bool) error {
	for {
		nc, err := l.Accept()
		if errors.Is(err, net.ErrClosed) {
			return nil
		}
		if err != nil {
			return err
		}
		s.open.Add(1)
		s.sessions.Add(1)
		go func() {
			defer s.open.Add(-1)
			s.session(nc, implicit)
		}()
	}
}

// Stats waits, a second at most, until the sessions have ended, and tells.
func (s *Server) Stats() Stats {
	for deadline := time.Now().Add(time.Second); s.open.Load() > 0 && time.Now().Before(deadline); {
		time.Sleep(time.Millisecond)
	}
	user, sys := rusage.CPU()
	return Stats{
		Turns: s.turns.Load(), Messages: s.messages.Load(), Sessions: s.sessions.Load(), Octets: s.octets.Load(), CPU: (user + sys).Seconds(),
	}
}

// Control writes the statistics as a JSON line for each line it reads.
func (s *Server) Control(in io.Reader, out io.Writer) error {
	for asked := bufio.NewScanner(in); asked.Scan(); {
		if err := json.NewEncoder(out).Encode(s.Stats()); err != nil {
			return err
		}
	}
	return nil
}

// turnConn counts the turns: an answer, and then a wait for what the client makes of it.
type turnConn struct {
	net.Conn
	turns    *atomic.Int64
	answered bool
}

func (c *turnConn) Write(p []byte) (int, error) {
	c.answered = true
	return c.Conn.Write(p)
}

func (c *turnConn) Read(p []byte) (int, error) {
	c.turn()
	return c.Conn.Read(p)
}

func (c *turnConn) Close() error {
	c.turn()
	return c.Conn.Close()
}

func (c *turnConn) turn() {
	if c.answered {
		c.answered = false
		c.turns.Add(1)
	}
}
