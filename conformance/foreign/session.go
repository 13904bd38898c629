package foreign

import (
	"context"
	"errors"
	"net"
	"sync"
	"time"

	"github.com/parley-mail/parley/conformance"
)

const (
	longest     = 10 * time.Second // of a connection
	connections = 8                // of a session
)

// session is a provoker on a socket, for one run of a client.
type session struct {
	listener *net.TCPListener
	client   *Client
	over     func() // the client has had its time

	talking sync.WaitGroup
	mu      sync.Mutex
	server  *conformance.Provoker
	count   int
	open    int
	timer   *time.Timer // runs while no connection is open
}

// listen opens a port. over is called when the client has had its time since the last
// connection was closed.
func listen(plan []byte, c *Client, over func()) (*session, error) {
	l, err := net.ListenTCP("tcp4", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		return nil, err
	}
	s := &session{listener: l, client: c, over: over, server: conformance.NewProvoker(plan)}
	s.timer = time.AfterFunc(startup+c.Patience, over)
	s.talking.Go(s.accept)
	return s, nil
}

func (s *session) addr() string { return s.listener.Addr().String() }

// close waits until nothing more can happen.
func (s *session) close() {
	s.listener.Close()
	s.talking.Wait()
	s.timer.Stop()
}

func (s *session) accept() {
	for {
		nc, err := s.listener.AcceptTCP()
		if err != nil {
			return
		}
		s.mu.Lock()
		s.timer.Stop()
		s.count++
		s.open++
		first, full := s.count == 1, s.count == connections
		s.mu.Unlock()
		if full {
			s.listener.Close()
		}
		// One after the other: the provoker has one dialogue at a time.
		s.talk(nc, first)
		s.mu.Lock()
		if s.open--; s.open == 0 {
			s.timer.Reset(s.client.Patience)
		}
		s.mu.Unlock()
	}
}

var errSilent = errors.New("nothing is said")

// talk serves one connection.
func (s *session) talk(nc *net.TCPConn, first bool) {
	defer nc.Close()
	if !first {
		s.server.Reconnected()
	}
	end := time.Now().Add(longest)
	for time.Now().Before(end) {
		if !s.server.Due() {
			if err := s.hear(nc); err != nil {
				if errors.Is(err, errSilent) {
					s.leave(nc)
				}
				return
			}
			continue
		}
		d := s.server.Answer()
		if err := say(nc, d); err != nil {
			s.leave(nc)
			return
		}
		switch {
		case d.Reset:
			_ = nc.SetLinger(0)
			return
		case d.Hush:
			for s.hear(nc) == nil && time.Now().Before(end) {
			}
			s.leave(nc)
			return
		case d.Fin:
			s.leave(nc)
			return
		}
	}
}

// leave ends the server's side, and hears the client out.
func (s *session) leave(nc *net.TCPConn) {
	if nc.CloseWrite() != nil {
		return
	}
	for s.hear(nc) == nil {
	}
}

// hear reads what the client says next.
func (s *session) hear(nc *net.TCPConn) error {
	if err := nc.SetReadDeadline(time.Now().Add(s.client.Idle)); err != nil {
		return err
	}
	buf := make([]byte, 4096)
	n, err := nc.Read(buf)
	s.server.Sent(buf[:n])
	var late net.Error
	if errors.As(err, &late) && late.Timeout() {
		return errSilent
	}
	return err
}

// say writes what the server says, in two segments if it is to be parted.
func say(nc *net.TCPConn, d conformance.Deed) error {
	if err := nc.SetWriteDeadline(time.Now().Add(2 * time.Second)); err != nil {
		return err
	}
	if d.Cut > 0 {
		if _, err := nc.Write(d.Octets[:d.Cut]); err != nil {
			return err
		}
	}
	_, err := nc.Write(d.Octets[d.Cut:])
	return err
}

// play runs the client once against the server of a plan.
func (c *Client) play(ctx context.Context, plan []byte, file string) (*play, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	s, err := listen(plan, c, cancel)
	if err != nil {
		return nil, err
	}
	e, err := c.run(ctx, s.addr(), file)
	s.close()
	if err != nil {
		return nil, err
	}
	return &play{client: c, end: e, server: s.server}, nil
}
