package foreign

import (
	"bytes"
	"context"
	"errors"
	"maps"
	"net"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/parley-mail/parley/conformance"
)

// Client is a program to be fuzzed, and what it may do.
type Client struct {
	Command  string        // see [NewCommand]; [Placeholders] are those there are
	Env      []string      // beside the environment of this program
	Patience time.Duration // how long it may go on when the session is over; 0: 5 s
	Idle     time.Duration // how long it may say nothing when it has its turn, until it is taken to wait for ever; 0: 250 ms
	Memory   int64         // how much more it may take than for a session in which nothing goes wrong, in octets; 0: 32 MiB
	Effort   time.Duration // how long a finding is made smaller at most; 0: 30 s

	command *Command
	limit   int64 // of its memory
}

const (
	defaultPatience = 5 * time.Second
	defaultIdle     = 250 * time.Millisecond
	defaultMemory   = 32 << 20
	defaultEffort   = 30 * time.Second
	startup         = 10 * time.Second // how long it may take to connect
	longest         = 10 * time.Second // of a connection
	connections     = 8                // of a session
)

// The message that is sent.
const (
	hello        = "c.example"
	sender       = "a@c.example"
	recipients   = "x@s.example,y@s.example"
	content      = "From: a@c.example\r\nTo: x@s.example\r\nSubject: t\r\nDate: Thu, 1 Oct 2026 10:00:00 +0000\r\nMessage-ID: <1@c.example>\r\n\r\nhello\r\n.dot\r\n"
	replyTimeout = "2" // seconds that it is told to wait for a reply
	patienceTold = 2 * time.Second
)

// values are what the program is told: where the server is, the file with the message, and
// where it may write its line of JSON to.
func values(host, port, file, result string) map[string]string {
	return map[string]string{
		"host": host, "port": port, "from": sender, "to": recipients, "rcpts": recipients, "file": file, "proto": "smtp", "tls": "none", "ca": "",
		"user": "", "password": "", "token": "", "auth": "none", "plaintext": "no", "data": "auto", "hello": hello, "timeout": replyTimeout, "result": result,
	}
}

// Placeholders returns the names that may stand in braces in a client's command, in order.
func Placeholders() []string { return slices.Sorted(maps.Keys(values("", "", "", ""))) }

// session is a provoker on a socket, for one run of a client.
type session struct {
	listener *net.TCPListener
	client   *Client
	over     func() // the client has had its time

	timer   *time.Timer   // runs while there is no connection
	process chan *Process // the client, when it is started

	// To be looked at when talking is over.
	talking sync.WaitGroup
	server  *conformance.Provoker
	count   int           // connections so far
	waited  time.Duration // how long somebody has waited beyond all patience
}

// listen opens a port. over is called when the client has had its time since the last
// connection was closed.
func listen(plan []byte, c *Client, over func()) (*session, error) {
	l, err := net.ListenTCP("tcp4", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		return nil, err
	}
	s := &session{listener: l, client: c, over: over, process: make(chan *Process, 1), server: conformance.NewProvoker(plan)}
	s.timer = time.AfterFunc(startup+c.Patience, over)
	s.talking.Go(s.accept)
	return s, nil
}

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
		s.timer.Stop()
		if s.count++; s.count == connections {
			s.listener.Close()
		}
		// One after the other: the provoker has one dialogue at a time.
		s.talk(nc)
		s.timer.Reset(s.client.Patience)
	}
}

var errSilent = errors.New("nothing is said")

// talk serves one connection.
func (s *session) talk(nc *net.TCPConn) {
	defer nc.Close()
	if s.count > 1 {
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
		if d.Times+d.Fill > 0 || s.server.Truth.Accepted {
			s.weigh()
		}
		switch {
		case d.Reset:
			_ = nc.SetLinger(0)
			return
		case d.Hush:
			s.hush(nc, d.Long, end)
			return
		case d.Fin:
			s.leave(nc)
			return
		}
	}
}

// weigh looks at the memory of the client: now it has read most of what was said, and is
// there.
func (s *session) weigh() {
	p := <-s.process
	p.Memory()
	s.process <- p
}

// hush says nothing until the client is taken to wait for ever; if it is to be for long,
// until it has waited for longer than any client would that keeps to what it was told.
func (s *session) hush(nc *net.TCPConn, long bool, end time.Time) {
	much := patienceTold + s.client.Patience
	if long {
		end = time.Now().Add(much)
	}
	for time.Now().Before(end) {
		switch err := s.hear(nc); {
		case errors.Is(err, errSilent) && long:
		case errors.Is(err, errSilent):
			s.leave(nc)
			return
		case err != nil:
			return
		}
	}
	if long {
		s.waited = much
	}
	s.leave(nc)
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
	end := time.Now().Add(longest)
	write := func(p []byte) error {
		soon := time.Now().Add(2 * time.Second)
		if soon.After(end) {
			soon = end
		}
		err := nc.SetWriteDeadline(soon)
		if err == nil {
			_, err = nc.Write(p)
		}
		return err
	}
	if d.Cut > 0 {
		if err := write(d.Octets[:d.Cut]); err != nil {
			return err
		}
	}
	if err := write(d.Octets[d.Cut:]); err != nil {
		return err
	}
	if err := many(write, d.Octets, d.Times-1); err != nil {
		return err
	}
	return many(write, []byte("x"), d.Fill)
}

// many writes the octets so many times, many at once.
func many(write func([]byte) error, p []byte, times int) error {
	const piece = 64 << 10
	for times > 0 {
		n := min(times, piece/len(p))
		if err := write(bytes.Repeat(p, n)); err != nil {
			return err
		}
		times -= n
	}
	return nil
}

// play runs the client once against the server of a plan.
func (c *Client) play(ctx context.Context, plan []byte, dir string) (*play, error) {
	timed, cancel := context.WithCancel(ctx)
	defer cancel()
	s, err := listen(plan, c, cancel)
	if err != nil {
		return nil, err
	}
	host, port, _ := net.SplitHostPort(s.listener.Addr().String())
	result := filepath.Join(dir, "result-"+port)
	defer os.Remove(result)
	p, err := c.command.Start(timed, values(host, port, filepath.Join(dir, message), result))
	var e *Exit
	if err == nil {
		s.process <- p
		e, err = p.Wait()
	}
	s.close()
	if err != nil {
		return nil, err
	}
	return &play{exit: e, limit: c.limit, waited: s.waited, server: s.server}, ctx.Err()
}
