package record

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"time"

	"github.com/parley-mail/parley/transport"
)

// MismatchError says that the client wrote something else than it did when the
// frames were recorded.
type MismatchError struct {
	Offset int64  // octets of the client that were as recorded
	Got    []byte // what it wrote from there on, clipped
	Want   []byte // what was recorded, clipped
}

// Error returns one printable line. It quotes octets of the client, so it is for
// recordings without secrets.
func (e *MismatchError) Error() string {
	return fmt.Sprintf("replay: octet %d of the client: got %q, recorded is %q", e.Offset, e.Got, e.Want)
}

// Player is a link that answers as a recorded server did. It is a transport.Conn.
type Player struct {
	mu      sync.Mutex
	changed sync.Cond
	script  []step
	next    int    // first step not yet read to its end
	off     int    // octets of it that were read
	client  []byte // all that the client said
	strict  bool
	written int64
	secured int64 // client octets at which the recording went on inside TLS; -1: never
	secure  bool
	ended   bool // the recorded server closed
	closed  bool
	timer   *time.Timer
	at      time.Time // read deadline
}

// step is a frame of the server with the number of client octets before it.
type step struct {
	after int64
	bytes []byte
}

// Play returns a link that plays frames back: what the server said can be read as
// soon as the client has written as many octets as it had when the server said
// it. If strict, a client octet that differs from the recording is a
// [MismatchError] of Write. StartTLS switches to the recording's part inside TLS
// without a handshake.
func Play(frames []Frame, strict bool) *Player {
	p := &Player{strict: strict, secured: -1}
	p.changed.L = &p.mu
	for i, f := range frames {
		if f.TLS && p.secured < 0 {
			p.secured = int64(len(p.client))
			p.secure = i == 0
		}
		switch {
		case f.End:
			p.ended = p.ended || f.Dir == FromServer
		case f.Dir == FromClient:
			p.client = append(p.client, f.Bytes...)
		default:
			p.script = append(p.script, step{int64(len(p.client)), f.Bytes})
		}
	}
	return p
}

// Read returns the next octets of the server, never across the border of two
// frames. Behind the last one it returns io.EOF if the server had closed, and
// waits for the deadline otherwise.
func (p *Player) Read(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for {
		switch {
		case p.closed:
			return 0, net.ErrClosed
		case !p.at.IsZero() && !time.Now().Before(p.at):
			return 0, os.ErrDeadlineExceeded
		case len(b) == 0:
			return 0, nil
		case p.ready():
			s := p.script[p.next]
			n := copy(b, s.bytes[p.off:])
			if p.off += n; p.off == len(s.bytes) {
				p.next, p.off = p.next+1, 0
			}
			return n, nil
		case p.next == len(p.script) && p.ended:
			return 0, io.EOF
		}
		p.changed.Wait()
	}
}

func (p *Player) ready() bool {
	return p.next < len(p.script) && p.script[p.next].after <= p.written
}

// Readable implements transport.Prober.
func (p *Player) Readable() (bool, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.closed || p.ready() || p.next == len(p.script) && p.ended, nil
}

// Write takes what the client says.
func (p *Player) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return 0, net.ErrClosed
	}
	if p.strict {
		rest := p.client[min(p.written, int64(len(p.client))):]
		for i := range b {
			if i >= len(rest) || b[i] != rest[i] {
				return i, &MismatchError{p.written + int64(i), clip(b[i:]), clip(rest[min(i, len(rest)):])}
			}
		}
	}
	p.written += int64(len(b))
	p.changed.Broadcast()
	return len(b), nil
}

func clip(p []byte) []byte { return p[:min(len(p), 64)] }

// Security tells whether the recording is inside TLS by now; nothing else of the
// recorded link is known.
func (p *Player) Security() transport.Security {
	p.mu.Lock()
	defer p.mu.Unlock()
	return transport.Security{Secure: p.secure, Engine: "replay"}
}

// StartTLS goes on as if a handshake had succeeded, if one had in the recording.
func (p *Player) StartTLS(context.Context, *transport.TLSConfig) (transport.Security, error) {
	p.mu.Lock()
	switch {
	case p.secure:
		p.mu.Unlock()
		return p.Security(), &transport.TLSError{Reason: transport.ReasonAlreadySecure}
	case p.secured != p.written:
		p.mu.Unlock()
		p.Close()
		return transport.Security{}, &transport.TLSError{Reason: transport.ReasonOther, Err: errors.New("no handshake was recorded here")}
	}
	p.secure = true
	p.mu.Unlock()
	return p.Security(), nil
}

// Close ends the replay.
func (p *Player) Close() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return net.ErrClosed
	}
	p.closed = true
	p.stop()
	p.changed.Broadcast()
	return nil
}

// Rest returns how many octets of the client and how many frames of the server
// have not been played.
func (p *Player) Rest() (client int64, server int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return int64(len(p.client)) - p.written, len(p.script) - p.next
}

type addr string

func (addr) Network() string  { return "replay" }
func (a addr) String() string { return string(a) }

// LocalAddr returns an address of network "replay".
func (p *Player) LocalAddr() net.Addr { return addr("client") }

// RemoteAddr returns an address of network "replay".
func (p *Player) RemoteAddr() net.Addr { return addr("recording") }

// SetDeadline sets the deadline of Read; Write never waits.
func (p *Player) SetDeadline(t time.Time) error { return p.SetReadDeadline(t) }

// SetWriteDeadline does nothing: Write never waits.
func (p *Player) SetWriteDeadline(time.Time) error { return nil }

// SetReadDeadline sets the deadline of Read.
func (p *Player) SetReadDeadline(t time.Time) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.stop()
	p.at = t
	if wait := time.Until(t); !t.IsZero() && wait > 0 {
		p.timer = time.AfterFunc(wait, func() {
			p.mu.Lock()
			defer p.mu.Unlock()
			p.changed.Broadcast()
		})
	}
	p.changed.Broadcast()
	return nil
}

func (p *Player) stop() {
	if p.timer != nil {
		p.timer.Stop()
		p.timer = nil
	}
}
